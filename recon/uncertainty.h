/* From several samples to what is known of the image: mean, standard deviation, quantiles.
 *
 * The mean is of the complex samples (the estimate of least squared error); standard deviation
 * and quantiles are of the magnitude, root sum of squares over map sets, voxel by voxel.
 * The standard deviation divides by N - 1; quantiles interpolate linearly (type 7), so the
 * central interval at nominal q covers q (N - 1) / (N + 1) (REFERENCE 5.4).
 */
#ifndef SC_RECON_UNCERTAINTY_H
#define SC_RECON_UNCERTAINTY_H

#include "base/array.h"

/* samples c32 (sample, set, y, x). mean c32 (set, y, x); std f32 (y, x), zero for one sample.
 * Outputs are empty on entry and on failure, and owned by the caller. */
sc_status sc_uncertainty_moments(sc_array *mean, sc_array *std, const sc_array *samples);

/* quantile f32 (y, x) of the magnitude at q in [0, 1]. */
sc_status sc_uncertainty_quantile(sc_array *quantile, const sc_array *samples, double q);

#endif
