/* Noise levels of the samplers, sigma = std / mean of the SDE, between its largest and its least:
 *     time       t from 1 to t_min in equal steps (Song et al. 2021)
 *     log-sigma  the log-SNR -ln sigma in equal steps (Lu et al. 2022)
 *     karras     sigma^(1/7) in equal steps (Karras et al. 2022, equation 5)
 * then 0. For VE the first two are the same.
 */
#include "prior/sample_internal.h"
#include <math.h>

#define RHO 7

double sc_sample_time_min(const sc_sde *sde) { return sde->kind == SC_SDE_VE ? 1e-5 : 1e-3; }

/* With mean a: VP has std^2 = 1 - a^2, so a^-2 = 1 + sigma^2; sub-VP has std = 1 - a^2, so that a
 * is the positive root of a^2 + sigma a - 1, written without cancellation. */
double sc_sample_time(const sc_sde *sde, double sigma)
{
    double mean = 1;
    if (sde->kind == SC_SDE_VP)
        mean = 1 / sqrt(1 + sigma * sigma);
    else if (sde->kind == SC_SDE_SUBVP)
        mean = 2 / (sigma + sqrt(sigma * sigma + 4));
    return sc_sde_time(sde, sigma * mean);
}

static double at_time(const sc_sde *sde, double along)
{
    double t = 1 + along * (sc_sample_time_min(sde) - 1);
    return sc_sde_std(sde, t) / sc_sde_mean(sde, t);
}

static double at_log(const sc_sde *sde, double along)
{
    double least = log(sc_sde_noise_min(sde)), most = log(sc_sde_noise_max(sde));
    return exp(most + along * (least - most));
}

static double at_root(const sc_sde *sde, double along)
{
    double low = pow(sc_sde_noise_min(sde), 1.0 / RHO),
           high = pow(sc_sde_noise_max(sde), 1.0 / RHO);
    return pow(high + along * (low - high), RHO);
}

void sc_sample_levels(double *sigma, const sc_sde *sde, sc_sample_grid grid, int steps)
{
    static double (*const rows[])(const sc_sde *, double) = {[SC_GRID_PUBLISHED] = at_time,
                                                             [SC_GRID_TIME] = at_time,
                                                             [SC_GRID_LOG_SIGMA] = at_log,
                                                             [SC_GRID_KARRAS] = at_root};
    for (int k = 0; k < steps; k++)
        sigma[k] = rows[grid](sde, k / (steps - 1.0));
    sigma[steps] = 0;
}
