/* Where an image does not explain its data: the residual, carried back to the image and measured in
 * what noise alone would leave there.
 *
 *     b = A^H (y - A x),   chi2(p) = sum_W |b|^2 / sum_W v,   v = 2 sigma^2 [A^H A]_pp,
 *
 * sums over a window W of 7 x 7 pixels inside the support and over the sets. If x is the truth, b
 * is A^H n: its covariance is sigma^2 A^H A per real component, for whatever undersampling, so chi2
 * has mean 1 at every pixel; the undersampling only ties pixels to each other. Where x misses
 * something, b holds A^H A (truth - x) in addition: it lights up there, and more faintly where that
 * aliases to. A sample of the posterior has the law of the truth, and mean 1 as well (REFERENCE 6).
 * A point estimate has less: least squares makes b = 0 by its own equation, and what is left with a
 * prior is how hard it pulls against the data; above 1 it pulls harder than noise could explain.
 *
 * [A^H A]_pp is sum_c |S_c(p)|^2 times the sampled power per pixel, exact for sampled Fourier
 * transforms behind coil maps; without maps it is estimated by 16 probes z of unit modulus,
 * E conj(z) A^H A z.
 */
#ifndef SC_RECON_RESIDUAL_MAP_H
#define SC_RECON_RESIDUAL_MAP_H

#include "recon/problem.h"

/* chi2 f32 (y, x), NaN outside the support: the mean of the maps of images c32 (count, set, y, x),
 * all of one problem. *deviation (may be NULL): how far from 1 noise alone leaves the map, root
 * mean square over the support, from one draw (SC_DRAW_PROBE of key). *chi2 is empty on entry and
 * on failure. */
sc_status sc_residual_map(sc_array *chi2, double *deviation, const sc_array *images,
                          const sc_problem *problem, sc_key key);

#endif
