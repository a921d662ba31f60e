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

/* The least and the largest noise that a score of this SDE knows, as sigma of x0 + sigma z: that is
 * std / mean, at t = 0 (VE) or 1e-3 (VP, sub-VP, where published samplers stop), and at t = 1. */
double sc_sde_noise_min(const sc_sde *sde);
double sc_sde_noise_max(const sc_sde *sde);

/* log density of x (n numbers) under the prior that sampling starts from: N(0, sigma_max^2) or
 * N(0, 1). */
double sc_sde_prior_log_density(const sc_sde *sde, const float *x, int64_t n);

/* The tables of the discretised SDE, `levels` entries (N), i from 0: sigma ascending and geometric
 * (VE); beta linear from beta_min / N to beta_max / N (VP, sub-VP), alpha = 1 - beta, alphabar the
 * product of alpha_0 .. alpha_i. */
double sc_sde_level_sigma(const sc_sde *sde, int levels, int i);
double sc_sde_level_beta(const sc_sde *sde, int levels, int i);
double sc_sde_level_log_alphabar(const sc_sde *sde, int levels, int i); /* takes O(i) */

/* The sampler's times linspace(1, end, levels) in float32, as the published code draws them up; the
 * level of a time, trunc(t (N - 1)) in float32; and the discrete VE network's label of a time,
 * round((1 - t)(N - 1)) in float32, half to even: 0 is the largest sigma. */
float sc_sde_grid_time(double end, int levels, int k);
int sc_sde_time_level(double t, int levels);
int sc_sde_time_label(double t, int levels);

#endif
