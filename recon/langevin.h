/* Langevin sampling of what any data (data_term.h) and a Gaussian belief about the image say
 * together:
 *
 *     log q(x) = log p(y | A x) - |x - centre|^2 / (2 r^2).
 *
 * With a fixed metric M, g = grad log q and xi ~ N(0, M^-1), one step is that of Leimkuhler and
 * Matthews 2013 ("Rational construction of stochastic numerical methods for molecular sampling"):
 *
 *     x <- x + M (gamma g(x) + sqrt(gamma / 2) (xi_k + xi_{k+1})),
 *
 * each xi used twice. It costs what Euler-Maruyama's does, and its stationary law is exact for
 * every Gaussian q and gamma < 2 / |M curvature| (REFERENCE 4.9 has Euler-Maruyama); for others it
 * is off by O(gamma^2). Two metrics: implicit  M^-1 = A^H W A + I / r^2 by conjugate gradients, W
 * the data's information at the centre. For Gaussian data the first step with gamma = 1 is an exact
 * draw. norm      M^-1 = 1.05 |A^H A| max W + 1 / r^2, a number: published Langevin steps, of the
 *               greatest length that is stable. Slow where the data say little.
 */
#ifndef SC_RECON_LANGEVIN_H
#define SC_RECON_LANGEVIN_H

#include "base/progress.h"
#include "recon/data_term.h"
#include "recon/gaussian_step.h"

typedef struct {
    bool norm; /* the metric */
    int steps;
    double gamma;   /* length of a step, at most 1 */
    sc_solve solve; /* of the implicit metric */
} sc_langevin_options;

/* Workspace of one term, to be used by one thread. */
typedef struct sc_langevin sc_langevin;

/* *langevin is NULL on failure. The term is borrowed. norm: it will be used with that metric (30
 * applications for |A^H A|). */
sc_status sc_langevin_create(sc_langevin **langevin, const sc_data_term *term, bool norm);
void sc_langevin_free(sc_langevin *langevin); /* NULL is fine */

/* x (device): where the chain begins on entry, a sample on exit. centre (device) is not x; NULL:
 * zero. Draws SC_DRAW_LIKELIHOOD_DATA and _IMAGE of key at index ... index + steps. */
sc_status sc_langevin_run(sc_langevin *langevin, float *x, const float *centre, double r,
                          const sc_langevin_options *options, sc_key key, uint32_t index);

/* x = the mode if the data were Gaussian about what they say alone, with the belief N(0, r^2):
 * where a chain may begin. */
sc_status sc_langevin_guess(sc_langevin *langevin, float *x, double r, sc_solve solve);

/* *residual of sc_data_eval_residual at A x. */
sc_status sc_langevin_residual(sc_langevin *langevin, double *residual, const float *x);

/* Applications of A^H A (or A and A^H), so far. */
int64_t sc_langevin_applications(const sc_langevin *langevin);

#endif
