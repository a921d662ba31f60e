/* Measure an image as a scanner would, so that reconstructions can be compared with the truth.
 *
 *   y_c = M (crop F_fine (S_c phase image_fine) + n_c)
 *
 * No inverse crime: the image is interpolated (cubic) to a grid at least twice as fine as the
 * reconstruction's, coil maps and phase are functions of position evaluated there, and k-space is
 * cropped to the wanted matrix, so neither maps nor image are what the reconstruction assumes.
 * Coils are softened magnetic dipoles around the field of view, their noise may be correlated.
 * Nothing here was chosen by looking at a reconstruction.
 */
#ifndef SC_RECON_SIMULATE_H
#define SC_RECON_SIMULATE_H

#include "base/device.h"
#include "base/scan.h"

typedef struct {
    int coils;               /* 8 */
    const char *mask;        /* see sampling.h; "lines:4:24" */
    const float *mask_array; /* (ny, nx), or (slices, ny) in 3D, instead of `mask`; NULL */
    double noise;       /* standard deviation per real component of one sample, as a share of the
                           truth's 99.9th percentile; 0.01. The unitary FFT makes it the standard
                           deviation of a coil image too. */
    double correlation; /* of the noise of neighbouring coils, 0 ... 0.45; 0 */
    double shading; /* 0: coils' root sum of squares is 1 everywhere; 1: as physics has it; 0.3 */
    int64_t noise_samples;       /* of the prescan, 4096; 0: none */
    int64_t ny, nx;              /* matrix; 0: that of the image */
    int64_t first, step, slices; /* slices of the volume: first, first + step, ...; 0, 1, 0 = all */
    bool three_d;                /* one 3D scan: mask over (kz, ky), readout full */
    uint64_t seed;
} sc_simulate_options;

sc_simulate_options sc_simulate_default(void);

/* image: f32 magnitude or c32 (slice, y, x), taken for 0 outside. scan: kspace, mask, noise,
 * geometry of the image on the wanted matrix. truth: f32 (slice, y, x) root sum of squares of the
 * noiseless, fully sampled coil images, same geometry and units; may be NULL. Both are empty on
 * failure. SC_ERR_USAGE: options out of range; SC_ERR_INPUT: image empty or not finite. */
sc_status sc_simulate(sc_scan *scan, sc_volume *truth, const sc_volume *image,
                      const sc_simulate_options *options, const sc_device *device);

#endif
