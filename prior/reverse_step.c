#include "prior/reverse_step.h"
#include <math.h>
#include <stddef.h>

/* One image's step as m = a x + b s, x' = m + c z. */
typedef struct {
    double a, b, c;
} linear_step;

static double squared(double x) { return x * x; }

/* sigma_i^2 - sigma_{i-1}^2, sigma_{-1} = 0; the ratio of neighbours is constant. */
static double variance_step(const sc_sde *sde, int levels, int i)
{
    double sigma = sc_sde_level_sigma(sde, levels, i);
    double ratio =
        log(sde->sigma_min / sde->sigma_max) / (levels - 1); /* ln sigma_{i-1} / sigma_i */
    return i > 0 ? -squared(sigma) * expm1(2 * ratio) : squared(sigma);
}

/* f_i = a x with a in .a, G_i in .c */
static linear_step discretised(const sc_sde *sde, int levels, double t)
{
    int i = sc_sde_time_level(t, levels);
    double beta;
    switch (sde->kind) {
    case SC_SDE_VE:
        return (linear_step){0, 0, sqrt(variance_step(sde, levels, i))};
    case SC_SDE_VP:
        beta = sc_sde_level_beta(sde, levels, i);
        return (linear_step){expm1(log1p(-beta) / 2), 0, sqrt(beta)};
    default:
        return (linear_step){sc_sde_drift(sde, t) / levels, 0,
                             sc_sde_diffusion(sde, t) / sqrt(levels)};
    }
}

static linear_step reverse(const sc_sde *sde, int levels, double t)
{
    linear_step d = discretised(sde, levels, t);
    return (linear_step){1 - d.a, squared(d.c), d.c};
}

static linear_step euler(const sc_sde *sde, int levels, double t)
{
    double g = sc_sde_diffusion(sde, t);
    return (linear_step){1 - sc_sde_drift(sde, t) / levels, g * g / levels, g / sqrt(levels)};
}

static linear_step ancestral(const sc_sde *sde, int levels, double t)
{
    int i = sc_sde_time_level(t, levels);
    if (sde->kind == SC_SDE_VE) {
        double change = variance_step(sde, levels, i);
        double below = i > 0 ? sc_sde_level_sigma(sde, levels, i - 1) : 0;
        return (linear_step){1, change, below / sc_sde_level_sigma(sde, levels, i) * sqrt(change)};
    }
    double beta = sc_sde_level_beta(sde, levels, i), root = sqrt(1 - beta);
    return (linear_step){1 / root, beta / root, sqrt(beta)};
}

static void apply(float *next, float *mean, linear_step l, int64_t n, const float *x,
                  const float *score, const float *z)
{
    for (int64_t i = 0; i < n; i++) {
        double m = l.a * x[i] + l.b * score[i];
        next[i] = (float)(z ? m + l.c * z[i] : m);
        if (mean)
            mean[i] = (float)m;
    }
}

void sc_reverse_discretise(double *f, double *g, const sc_reverse_step *step, const float *x)
{
    for (int k = 0; k < step->n; k++) {
        linear_step d = discretised(step->sde, step->levels, step->t[k]);
        for (int64_t i = k * step->count; f && i < (k + 1) * step->count; i++)
            f[i] = d.a * x[i];
        if (g)
            g[k] = d.c;
    }
}

static sc_status not_ancestral(void)
{
    return sc_fail(SC_ERR_UNSUPPORTED, "ancestral sampling is known for VE and VP, and not for the "
                                       "probability flow");
}

sc_status sc_reverse_predict(float *next, float *mean, sc_predictor predictor,
                             const sc_reverse_step *step, const float *x, const float *score,
                             const float *z, bool flow)
{
    static linear_step (*const rows[])(const sc_sde *, int,
                                       double) = {[SC_PREDICT_REVERSE] = reverse,
                                                  [SC_PREDICT_EULER] = euler,
                                                  [SC_PREDICT_ANCESTRAL] = ancestral};
    if (predictor == SC_PREDICT_ANCESTRAL && (flow || step->sde->kind == SC_SDE_SUBVP))
        return not_ancestral();
    for (int k = 0; k < step->n; k++) {
        linear_step l = rows[predictor](step->sde, step->levels, step->t[k]);
        int64_t at = k * step->count;
        l.b *= flow ? 0.5 : 1;
        apply(next + at, mean ? mean + at : NULL, l, step->count, x + at, score + at,
              flow || !z ? NULL : z + at);
    }
    return SC_OK;
}

/* ---- from a time to another ---- */

/* mean(t) / mean(to) - 1 of VP, without cancellation */
static double mean_change(const sc_reverse_interval *v)
{
    return expm1(log(sc_sde_mean(v->sde, v->t)) - log(sc_sde_mean(v->sde, v->to)));
}

static double variance_change(const sc_reverse_interval *v)
{
    double std = sc_sde_std(v->sde, v->t), below = sc_sde_std(v->sde, v->to);
    return (std - below) * (std + below);
}

static linear_step euler_to(const sc_reverse_interval *v)
{
    double g = sc_sde_diffusion(v->sde, v->t), dt = v->t - v->to;
    return (linear_step){1 - sc_sde_drift(v->sde, v->t) * dt, g * g * dt, g * sqrt(dt)};
}

static linear_step reverse_to(const sc_reverse_interval *v)
{
    if (v->sde->kind == SC_SDE_SUBVP)
        return euler_to(v);
    double f = v->sde->kind == SC_SDE_VP ? mean_change(v) : 0;
    double variance = v->sde->kind == SC_SDE_VP ? -f * (2 + f) : variance_change(v);
    return (linear_step){1 - f, variance, sqrt(variance)};
}

static linear_step ancestral_to(const sc_reverse_interval *v)
{
    if (v->sde->kind == SC_SDE_VE) {
        double change = variance_change(v);
        double ratio = sc_sde_std(v->sde, v->to) / sc_sde_std(v->sde, v->t);
        return (linear_step){1, change, ratio * sqrt(change)};
    }
    double f = mean_change(v), beta = -f * (2 + f);
    return (linear_step){1 / (1 + f), beta / (1 + f), sqrt(beta)};
}

sc_status sc_reverse_predict_to(float *next, float *mean, sc_predictor predictor,
                                const sc_reverse_interval *interval, const float *x,
                                const float *score, const float *z, bool flow)
{
    static linear_step (*const rows[])(const sc_reverse_interval *) = {
        [SC_PREDICT_REVERSE] = reverse_to,
        [SC_PREDICT_EULER] = euler_to,
        [SC_PREDICT_ANCESTRAL] = ancestral_to};
    if (predictor == SC_PREDICT_ANCESTRAL && (flow || interval->sde->kind == SC_SDE_SUBVP))
        return not_ancestral();
    linear_step l = rows[predictor](interval);
    l.b *= flow ? 0.5 : 1;
    apply(next, mean, l, interval->count, x, score, flow || !z ? NULL : z);
    return SC_OK;
}

/* ---- correctors ---- */

static double norm_of(const float *x, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i] * x[i];
    return sqrt(sum);
}

/* |x| of image k, or the mean of all images' */
static double norm_at(const sc_reverse_step *step, const float *x, int k, bool batch_norm)
{
    double sum = 0;
    if (!batch_norm)
        return norm_of(x + k * step->count, step->count);
    for (int i = 0; i < step->n; i++)
        sum += norm_of(x + i * step->count, step->count);
    return sum / step->n;
}

void sc_reverse_correct(float *next, float *mean, double *e, sc_corrector corrector,
                        const sc_reverse_step *step, double snr, bool batch_norm, const float *x,
                        const float *score, const float *z)
{
    const sc_sde *sde = step->sde;
    double whole_z = norm_at(step, z, 0, true), whole_s = norm_at(step, score, 0, true);
    for (int k = 0; k < step->n; k++) {
        int64_t at = k * step->count;
        double t = step->t[k], alpha = 1, size;
        if (sde->kind != SC_SDE_VE)
            alpha -= sc_sde_level_beta(sde, step->levels, sc_sde_time_level(t, step->levels));
        if (corrector == SC_CORRECT_ANNEALED)
            size = sc_sde_std(sde, t);
        else if (batch_norm)
            size = whole_z / whole_s;
        else
            size = norm_at(step, z, k, false) / norm_at(step, score, k, false);
        double r = 2 * alpha * squared(snr * size);
        apply(next + at, mean ? mean + at : NULL, (linear_step){1, r, sqrt(2 * r)}, step->count,
              x + at, score + at, z + at);
        if (e)
            e[k] = r;
    }
}

void sc_reverse_flow(double *drift, const sc_reverse_step *step, const float *x, const float *score)
{
    for (int k = 0; k < step->n; k++) {
        double f = sc_sde_drift(step->sde, step->t[k]), g = sc_sde_diffusion(step->sde, step->t[k]);
        for (int64_t i = k * step->count; i < (k + 1) * step->count; i++)
            drift[i] = f * x[i] - g * g / 2 * score[i];
    }
}
