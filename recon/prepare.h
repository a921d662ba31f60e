/* From a scan to problems: noise, whitening, coil maps, operator, scale.
 *
 *   sc_calibration_create   once a scan: planes, noise covariance, whitening, coil compression
 *   sc_prepare              once a slice, from any thread: maps, operator, data, scale
 *
 * In a problem: y = L^-1 (measured) / scale, maps of the whitened coils with unit root sum of
 * squares, sigma = 1 / scale, and the 99.9th percentile of |x| about 1 (the prior's
 * normalisation). The scale comes from a CG-SENSE image with a little Tikhonov regularisation.
 * shading is the root sum of squares of the unwhitened maps L S, so that
 * scale * shading * |x| is the root sum of squares of the scanner's coil images (finish.h).
 */
#ifndef SC_RECON_PREPARE_H
#define SC_RECON_PREPARE_H

#include "recon/block.h"
#include "recon/espirit.h"
#include "recon/problem.h"
#include "recon/whiten.h"

extern const sc_option sc_prepare_table[]; /* sets, noise, coils, energy, calibration, ... */

typedef struct {
    sc_options values;    /* of sc_prepare_table */
    const sc_array *maps; /* given maps, c32 ([slice,] set, coil, y, x) of the scanner's coils with
                             any root sum of squares; borrowed; NULL: from the calibration lines */
} sc_prepare_options;

sc_prepare_options sc_prepare_default(void);

typedef struct {
    sc_planes planes;
    sc_noise noise;
    sc_whitener whitener;
    sc_prepare_options options;
} sc_calibration;

/* Everything that is one for the whole scan. SC_ERR_INPUT for no data, SC_ERR_UNSUPPORTED for a
 * sampling that cannot be cut into planes, SC_ERR_INPUT for maps of another size. *calibration is
 * empty on failure. `options` NULL: the defaults. */
sc_status sc_calibration_create(sc_calibration *calibration, const sc_scan *scan,
                                const sc_prepare_options *options);
void sc_calibration_free(sc_calibration *calibration); /* empties it; NULL is fine */

/* What happened, for the record. */
typedef struct {
    sc_block block; /* calibration block, ny 0 with given maps */
    int sets;
    double second_share; /* part of the support with two overlapping images */
    double support;      /* part of the image inside the maps' support */
    double acceleration; /* points / sampled points */
    double scale, sigma;
    bool uncropped; /* no signal to crop by: the slice is all but empty */
} sc_prepare_facts;

/* slice: a plane of calibration->planes, 0 ... planes.count - 1. *problem is empty on failure.
 * facts may be NULL. SC_ERR_INPUT: NaN, all zero, no calibration lines and no maps given. */
sc_status sc_prepare(sc_problem *problem, sc_prepare_facts *facts, const sc_scan *scan,
                     const sc_calibration *calibration, int64_t frame, int64_t slice,
                     const sc_device *device);

#endif
