/* What goes into the network and what comes out of it, for one image:
 *     result = skip x + out F(in x, embedding of the label)
 * where the result is the network's own output, the score, or the denoised image.
 *
 * EDM: Karras et al. 2022, table 1. Published (score_sde): the output is F, divided by the label
 * or by sigmas[label] where `scale_by_sigma`; the score is
 *     VE       the output; label sigma(t), or round((1-t)(N-1)), 0 the largest sigma
 *     VP       -output / std; label 999 t, or (N-1) t with std = sqrt(1 - abar) at its floor
 *     sub-VP   -output / std; label 999 t
 * Denoised, from x = x0 + sigma z: with m the SDE's mean at the time where std / m = sigma, the
 * network sees m x, and D = x + sigma^2 score (VE) = x - sigma output (VP, sub-VP).
 *
 * Labels and times are float32 there, and rounded where they are.
 */
#include "prior/network/network_internal.h"
#include <math.h>

static double last_label(const sc_network_config *c)
{
    return c->continuous ? 999 : c->num_scales - 1;
}

/* sigmas[j], descending */
static double sigma_of_label(const sc_network_config *c, int j)
{
    return sc_sde_level_sigma(&c->sde, c->num_scales, c->num_scales - 1 - j);
}

/* sqrt(1 - abar): by the complement, which loses no digits where it is small */
static double std_of_level(const sc_network_config *c, int i)
{
    return sqrt(-expm1(sc_sde_level_log_alphabar(&c->sde, c->num_scales, i)));
}

/* Label between those of the discrete levels whose noise is next to sigma, linear in ln sigma. */
static double vp_label_of_sigma(const sc_network_config *c, double sigma)
{
    double log_abar = 0, before = 0;
    for (int i = 0; i < c->num_scales; i++) {
        log_abar += log1p(-sc_sde_level_beta(&c->sde, c->num_scales, i));
        double here = log(expm1(-log_abar)) / 2; /* ln sqrt((1 - abar) / abar) */
        if (here >= log(sigma))
            return i ? i - (here - log(sigma)) / (here - before) : 0;
        before = here;
    }
    return c->num_scales - 1;
}

static double ve_label(const sc_network_config *c, double t)
{
    return c->continuous ? sc_sde_std(&c->sde, t) : sc_sde_time_label(t, c->num_scales);
}

static sc_status check_label(const sc_network_config *c, double label)
{
    bool table = c->scale_by_sigma && !c->embedding_fourier;
    if (c->precondition_edm ? isfinite(label) : c->embedding_fourier ? label > 0 && label < INFINITY
        : table ? label >= 0 && label < c->num_scales : label >= 0 && label < INFINITY)
        return SC_OK;
    return sc_fail(SC_ERR_INPUT, "network: label %g is not one of its noise levels", label);
}

/* The network's own output for a label. */
sc_status sc_precondition_forward(sc_precondition *p, const sc_network_config *c, double label)
{
    *p = (sc_precondition){.in = 1, .out = 1, .noise = label};
    sc_status status = check_label(c, label);
    if (status != SC_OK || c->precondition_edm)
        return status;
    label = (double)(float)label;
    if (c->embedding_fourier)
        p->noise = (double)(float)log(label);
    if (c->scale_by_sigma)
        p->out = 1 / (c->embedding_fourier ? label : sigma_of_label(c, (int)label));
    return SC_OK;
}

static sc_status check_sigma(double sigma)
{
    if (sigma > 0 && sigma < INFINITY)
        return SC_OK;
    return sc_fail(SC_ERR_INPUT, "network: noise level %g is not positive", sigma);
}

static void edm(sc_precondition *p, const sc_network_config *c, double sigma)
{
    double data = c->sigma_data, norm = sqrt(sigma * sigma + data * data);
    *p = (sc_precondition){1 / norm, data * data / (norm * norm), sigma * data / norm,
                           log(sigma) / 4};
}

static sc_status denoise_ve(sc_precondition *p, const sc_network_config *c, double sigma)
{
    double label = c->continuous ? sigma : ve_label(c, sc_sde_time(&c->sde, sigma));
    sc_status status = sc_precondition_forward(p, c, label);
    p->skip = 1;
    p->out = c->scale_by_sigma ? sigma : sigma * sigma; /* also between the discrete levels */
    return status;
}

static sc_status denoise_vp(sc_precondition *p, const sc_network_config *c, double sigma)
{
    bool sub = c->sde.kind == SC_SDE_SUBVP;
    double mean = sub ? 2 / (sigma + sqrt(sigma * sigma + 4)) : 1 / sqrt(1 + sigma * sigma);
    double t = sc_sde_time(&c->sde, sigma * mean);
    double label = c->continuous ? last_label(c) * t : vp_label_of_sigma(c, sigma);
    sc_status status = sc_precondition_forward(p, c, label);
    p->in = mean;
    p->skip = 1;
    p->out *= -sigma;
    return status;
}

/* D(x, sigma) */
sc_status sc_precondition_denoise(sc_precondition *p, const sc_network_config *c, double sigma)
{
    sc_status status = check_sigma(sigma);
    if (status != SC_OK)
        return status;
    if (!c->precondition_edm)
        return (c->sde.kind == SC_SDE_VE ? denoise_ve : denoise_vp)(p, c, sigma);
    edm(p, c, sigma);
    return SC_OK;
}

sc_status sc_precondition_classify(sc_precondition *p, const sc_network_config *c, double sigma)
{
    sc_status status = check_sigma(sigma);
    if (status != SC_OK)
        return status;
    edm(p, c, sigma);
    p->skip = 0;
    p->out = 1;
    return SC_OK;
}

static void score_edm(sc_precondition *p, const sc_network_config *c, double t)
{
    sc_sde ve = c->sde;
    ve.kind = SC_SDE_VE;
    double sigma = sc_sde_std(&ve, t);
    edm(p, c, sigma);
    p->skip = (p->skip - 1) / (sigma * sigma);
    p->out /= sigma * sigma;
}

/* s(x, t) for x of the SDE's time t */
sc_status sc_precondition_score(sc_precondition *p, const sc_network_config *c, double t)
{
    if (!(t >= 0 && t <= 1))
        return sc_fail(SC_ERR_INPUT, "network: time %g is not in 0..1", t);
    if (c->precondition_edm) {
        score_edm(p, c, t);
        return SC_OK;
    }
    if (c->sde.kind == SC_SDE_VE)
        return sc_precondition_forward(p, c, ve_label(c, t));
    double label = (double)((float)t * (float)last_label(c));
    double std = c->continuous ? sc_sde_std(&c->sde, t) : std_of_level(c, (int)label);
    sc_status status = std > 0 ? SC_OK : sc_fail(SC_ERR_INPUT, "network: no noise at time %g", t);
    if (status == SC_OK)
        status = sc_precondition_forward(p, c, label);
    p->out /= -std;
    return status;
}
