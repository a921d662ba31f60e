#include "prior/sde.h"
#include <math.h>

/* VP and sub-VP share the drift: beta is linear in t, mean = exp(-1/2 integral of beta). */
static double beta(const sc_sde *sde, double t)
{
    return sde->beta_min + t * (sde->beta_max - sde->beta_min);
}

static double beta_integral(const sc_sde *sde, double t)
{
    return t * sde->beta_min + t * t * (sde->beta_max - sde->beta_min) / 2;
}

static double ve_mean(const sc_sde *sde, double t) { return (void)sde, (void)t, 1; }

static double ve_std(const sc_sde *sde, double t)
{
    return sde->sigma_min * pow(sde->sigma_max / sde->sigma_min, t);
}

static double ve_drift(const sc_sde *sde, double t) { return (void)sde, (void)t, 0; }

static double ve_diffusion(const sc_sde *sde, double t)
{
    return ve_std(sde, t) * sqrt(2 * log(sde->sigma_max / sde->sigma_min));
}

static double vp_mean(const sc_sde *sde, double t) { return exp(-beta_integral(sde, t) / 2); }

static double vp_std(const sc_sde *sde, double t) { return sqrt(-expm1(-beta_integral(sde, t))); }

static double vp_drift(const sc_sde *sde, double t) { return -beta(sde, t) / 2; }

static double vp_diffusion(const sc_sde *sde, double t) { return sqrt(beta(sde, t)); }

/* The standard deviation is 1 - mean^2 itself, not its square root. */
static double subvp_std(const sc_sde *sde, double t) { return -expm1(-beta_integral(sde, t)); }

static double subvp_diffusion(const sc_sde *sde, double t)
{
    return sqrt(-beta(sde, t) * expm1(-2 * beta_integral(sde, t)));
}

static const struct {
    double (*mean)(const sc_sde *, double);
    double (*std)(const sc_sde *, double);
    double (*drift)(const sc_sde *, double);
    double (*diffusion)(const sc_sde *, double);
} kinds[] = {
    [SC_SDE_VE] = {ve_mean, ve_std, ve_drift, ve_diffusion},
    [SC_SDE_VP] = {vp_mean, vp_std, vp_drift, vp_diffusion},
    [SC_SDE_SUBVP] = {vp_mean, subvp_std, vp_drift, subvp_diffusion},
};

sc_sde sc_sde_ve(double sigma_min, double sigma_max)
{
    return (sc_sde){.kind = SC_SDE_VE, .sigma_min = sigma_min, .sigma_max = sigma_max};
}

double sc_sde_mean(const sc_sde *sde, double t) { return kinds[sde->kind].mean(sde, t); }

double sc_sde_std(const sc_sde *sde, double t) { return kinds[sde->kind].std(sde, t); }

double sc_sde_drift(const sc_sde *sde, double t) { return kinds[sde->kind].drift(sde, t); }

double sc_sde_diffusion(const sc_sde *sde, double t) { return kinds[sde->kind].diffusion(sde, t); }

/* VP: t from the integral of beta, B = -ln(1 - std^2); sub-VP: B = -ln(1 - std). */
double sc_sde_time(const sc_sde *sde, double sigma)
{
    if (sde->kind == SC_SDE_VE)
        return fmin(fmax(log(sigma / sde->sigma_min) / log(sde->sigma_max / sde->sigma_min), 0), 1);
    double integral = -log1p(-(sde->kind == SC_SDE_VP ? sigma * sigma : sigma));
    double slope = sde->beta_max - sde->beta_min, offset = sde->beta_min;
    double t = 2 * integral / (offset + sqrt(offset * offset + 2 * slope * integral));
    return fmin(fmax(t, 0), 1);
}

static double relative_noise(const sc_sde *sde, double t)
{
    return sc_sde_std(sde, t) / sc_sde_mean(sde, t);
}

double sc_sde_noise_min(const sc_sde *sde)
{
    return sde->kind == SC_SDE_VE ? sde->sigma_min : relative_noise(sde, 1e-3);
}

double sc_sde_noise_max(const sc_sde *sde)
{
    return sde->kind == SC_SDE_VE ? sde->sigma_max : relative_noise(sde, 1);
}

double sc_sde_prior_log_density(const sc_sde *sde, const float *x, int64_t n)
{
    double variance = sde->kind == SC_SDE_VE ? sde->sigma_max * sde->sigma_max : 1, sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i] * x[i];
    return -(double)n / 2 * log(2 * 3.14159265358979323846 * variance) - sum / (2 * variance);
}

static double along(double first, double last, int levels, int i)
{
    return levels > 1 ? first + (last - first) * i / (levels - 1) : first;
}

double sc_sde_level_sigma(const sc_sde *sde, int levels, int i)
{
    return exp(along(log(sde->sigma_min), log(sde->sigma_max), levels, i));
}

double sc_sde_level_beta(const sc_sde *sde, int levels, int i)
{
    return along(sde->beta_min / levels, sde->beta_max / levels, levels, i);
}

double sc_sde_level_log_alphabar(const sc_sde *sde, int levels, int i)
{
    double sum = 0;
    for (int j = 0; j <= i; j++)
        sum += log1p(-sc_sde_level_beta(sde, levels, j));
    return sum;
}

/* From each end to the middle, so that both ends are exact. */
float sc_sde_grid_time(double end, int levels, int k)
{
    float first = 1, last = (float)end, step = (last - first) / (float)(levels > 1 ? levels - 1 : 1);
    return k < levels / 2 ? first + step * (float)k : last - step * (float)(levels - 1 - k);
}

int sc_sde_time_level(double t, int levels) { return (int)((float)t * (float)(levels - 1)); }

int sc_sde_time_label(double t, int levels)
{
    return (int)rintf((1 - (float)t) * (float)(levels - 1));
}
