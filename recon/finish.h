/* From an estimate to an image in the scan's units, and the test that every result must pass.
 *
 * Image: magnitude = scale * shading * root sum of squares over the sets, phase of the first set;
 * in the units of the root sum of squares of the scanner's coil images under the unitary FFT. Two
 * sets: the second image holds what the field of view folded over; the root sum of squares puts it
 * where it was measured, as BART does. Crop to the wanted size with the centre n/2 kept; a wanted
 * size beyond the measured one is filled with zeros.
 */
#ifndef SC_RECON_FINISH_H
#define SC_RECON_FINISH_H

#include "recon/prepare.h"

/* A volume [slice, y, x] of one frame, of the wanted size: c32 (dtype SC_C32) or f32. */
sc_status sc_finish_volume(sc_array *volume, sc_dtype dtype, const sc_scan *scan,
                           const sc_calibration *calibration);

/* Place plane `index` of an estimate into a volume: the complex image into c32, its magnitude
 * into f32. Different planes may be placed by different threads. `sample` < 0: the mean. */
sc_status sc_finish_image(sc_array *volume, const sc_estimate *estimate, const sc_problem *problem,
                          const sc_calibration *calibration, int64_t index, int64_t sample);

/* The same for an f32 (y, x) map in problem units, such as a standard deviation. */
sc_status sc_finish_map(sc_array *volume, const sc_array *map, const sc_problem *problem,
                        const sc_calibration *calibration, int64_t index);

/* The same for a map without a unit, which is not scaled. */
sc_status sc_finish_ratio(sc_array *volume, const sc_array *map, const sc_problem *problem,
                          const sc_calibration *calibration, int64_t index);

typedef enum { SC_FIT_GOOD, SC_FIT_TOO_CLOSE, SC_FIT_TOO_FAR, SC_FIT_IMPLAUSIBLE } sc_fit;

#define SC_GATE_WARNINGS 4

/* Facts of one plane for the record. */
typedef struct {
    sc_fit fit;
    double residual;  /* ||y - A mean||^2 / (2 M sigma^2); 0 if there was no image to test */
    double degrees;   /* 2 M, of the chi-square that the truth's residual is, times 2 M */
    double deviation; /* 1 / sqrt(M): of the truth's residual from 1 */
    double low, high; /* bounds of a good residual */
    double explained; /* share of the data's energy above the noise that the image explains */
    double peak;      /* largest magnitude of the mean, problem units: about 1 */
    int warnings;
    char warning[SC_GATE_WARNINGS][200];
} sc_gate;

/* SC_ERR_NUMERIC: not finite, empty, or it does not explain the data; then *gate still holds the
 * facts. `score` NULL: no prior was used. */
sc_status sc_gate_check(sc_gate *gate, const sc_estimate *estimate, const sc_problem *problem,
                        const sc_score *score);

#endif
