/* From several samples to what is known of the image: mean, standard deviation, quantiles.
 *
 * The mean is of the complex samples (the estimate of least squared error); standard deviation
 * and quantiles are of the magnitude, root sum of squares over map sets, voxel by voxel. The
 * standard deviation divides by N - 1.
 *
 * A quantile at q is a value that a further draw falls below with probability q. Of N draws and one
 * more, all ranks are alike, so the j-th smallest is right for q = j / (N + 1), whatever the law
 * (REFERENCE 5.4); the common type 7 would let a central interval at nominal q cover only
 * q (N - 1) / (N + 1). With h = q (N + 1) and j = max(1, floor h),
 *
 *     Q(q) = x_j + g' (x_{j+1} - x_j),   g' = g (j + 1) / (j + g),  g = h - j,
 *
 * from the nearer end, which is exact where the tail is exponential: the spacings of its order
 * statistics are independent, E_i / i, and P(x_{N+1} beyond Q) = q follows from
 * P(E_j < r E_{j+1}) = r / (1 + r). Other tails deviate by a share of 1 / (N + 1); between the
 * quartiles g' = g (type 6). For h < 1 the same line extrapolates beyond the outermost draw. From
 * fewer draws than make the outermost one right to 0.01, it is Student's prediction limit,
 * mean + t_{N-1}(q) std sqrt(1 + 1/N): exact for Gaussian draws, and a promise for no others.
 */
#ifndef SC_RECON_UNCERTAINTY_H
#define SC_RECON_UNCERTAINTY_H

#include "base/array.h"

/* samples c32 (sample, set, y, x). mean c32 (set, y, x); std f32 (y, x), zero for one sample.
 * Outputs are empty on entry and on failure, and owned by the caller. */
sc_status sc_uncertainty_moments(sc_array *mean, sc_array *std, const sc_array *samples);

typedef enum {
    SC_QUANTILE_NONE,    /* one draw: its own value */
    SC_QUANTILE_STUDENT, /* promised for Gaussian draws only */
    SC_QUANTILE_RANKS    /* promised for any smooth law: 90 % intervals cover 88 to 92 % */
} sc_quantile_rule;

/* What is used, and so what is promised, for `count` draws at q: ranks from
 * 1 / (N + 1) <= min(q, 1 - q) + 0.01 on; for q = 0.05 that is N >= 16. */
sc_quantile_rule sc_uncertainty_rule(int64_t count, double q);

/* Q(q) of the draws value (count); they are sorted on return. 0 < q < 1, count > 0. */
double sc_uncertainty_estimate(double *value, int64_t count, double q);

/* quantile f32 (y, x) of the magnitude at 0 < q < 1; not below 0. */
sc_status sc_uncertainty_quantile(sc_array *quantile, const sc_array *samples, double q);

#endif
