/* Denoising by isotropic total variation (Rudin, Osher, Fatemi 1992):
 *     min_x ||x - v||^2 / 2 + mu sum_r |D x (r)|, D forward differences (Neumann),
 * on the dual (Beck and Teboulle 2009, "Fast gradient-based algorithms for constrained total
 * variation image denoising"): x = v - D^H w with |w(r)| <= mu, w by accelerated projected
 * gradients of step 1 / ||D||^2 = 1 / (4 d). The dual is kept between calls: in a loop that
 * changes v a little each time a few iterations are enough.
 */
#ifndef SC_RECON_TOTAL_VARIATION_H
#define SC_RECON_TOTAL_VARIATION_H

#include "operators/operator.h"

typedef struct sc_tv sc_tv;

/* For images (batch..., dim...) over the last `rank` axes, each with its own total variation. */
sc_status sc_tv_create(sc_tv **tv, const sc_device *device, const sc_shape *shape, int rank);
void sc_tv_free(sc_tv *tv); /* NULL is fine */

/* x <- the denoised x, device memory. mu > 0. */
void sc_tv_denoise(sc_tv *tv, float *x, double mu, int iterations);

/* Primal minus dual objective of the last call, which gave x with mu: an upper bound of how far x
 * is from the minimum, mu sum |D x| - Re<D x, w>. Computed on the host. */
sc_status sc_tv_gap(double *gap, sc_tv *tv, const float *x, double mu);

#endif
