/* Stochastic differential equations of Song et al. 2021, "Score-based generative modeling through
 * stochastic differential equations" (ICLR), section 3 and appendix C: dx = f(t) x dt + g(t) dw,
 * t in (0, 1]; p_t(x | x0) = N(mean(t) x0, std(t)^2 I).
 */
#ifndef SC_PRIOR_SDE_H
#define SC_PRIOR_SDE_H

#include "base/status.h"
#include <stdint.h>

typedef enum { SC_SDE_VE, SC_SDE_VP, SC_SDE_SUBVP } sc_sde_kind;

typedef struct {
    sc_sde_kind kind;
    double sigma_min, sigma_max; /* VE: std at t = 0 and 1 */
    double beta_min, beta_max;   /* VP, sub-VP */
} sc_sde;

sc_sde sc_sde_ve(double sigma_min, double sigma_max);
double sc_sde_mean(const sc_sde *sde, double t); /* factor on x0 */
double sc_sde_std(const sc_sde *sde, double t);
double sc_sde_drift(const sc_sde *sde, double t);     /* f(t) */
double sc_sde_diffusion(const sc_sde *sde, double t); /* g(t) */
double sc_sde_time(const sc_sde *sde, double sigma);  /* t with std(t) = sigma, in [0,1] */

#endif
