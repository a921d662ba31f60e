/* Every published loss is R((a F + b z)^2) of the network's output F at x = mean x0 + std z, so a
 * row of the table below says label, mean, std, a and b; its gradient with respect to F is
 * 2 a r R'(r^2). The denoiser's loss stands apart: its primitive is D, not F.
 */
#include "prior/training_loss.h"
#include "base/memory.h"
#include "prior/training_internal.h"
#include <math.h>
#include <string.h>

typedef struct {
    double label, mean, std, a, b;
} terms;

/* std s + z, times g / std under likelihood weighting. VE: s = F; VP, sub-VP: s = -F / std. */
static terms score_terms(const sc_loss *loss, double t)
{
    bool ve = loss->sde.kind == SC_SDE_VE;
    double std = sc_sde_std(&loss->sde, t);
    double weight = loss->likelihood ? sc_sde_diffusion(&loss->sde, t) / std : 1;
    return (terms){.label = ve ? std : 999 * t, .mean = sc_sde_mean(&loss->sde, t), .std = std,
                   .a = weight * (ve ? std : -1), .b = weight};
}

static terms smld_terms(const sc_loss *loss, double label)
{
    double sigma = sc_sde_level_sigma(&loss->sde, loss->levels, loss->levels - 1 - (int)label);
    return (terms){.label = label, .mean = 1, .std = sigma, .a = sigma, .b = 1};
}

static terms ddpm_terms(const sc_loss *loss, double label)
{
    double log_abar = sc_sde_level_log_alphabar(&loss->sde, loss->levels, (int)label);
    return (terms){.label = label, .mean = exp(log_abar / 2), .std = sqrt(-expm1(log_abar)),
                   .a = 1, .b = -1};
}

static const struct {
    const char *name;
    terms (*at)(const sc_loss *loss, double time);
    bool discrete;
    unsigned kinds; /* bits of the SDEs that it knows */
} losses[] = {
    [SC_LOSS_DENOISER] = {"denoiser", NULL, false, 1u << SC_SDE_VE},
    [SC_LOSS_SCORE] = {"score", score_terms, false,
                       1u << SC_SDE_VE | 1u << SC_SDE_VP | 1u << SC_SDE_SUBVP},
    [SC_LOSS_SMLD] = {"smld", smld_terms, true, 1u << SC_SDE_VE},
    [SC_LOSS_DDPM] = {"ddpm", ddpm_terms, true, 1u << SC_SDE_VP},
};

static const char *const sde_names[] = {[SC_SDE_VE] = "ve", [SC_SDE_VP] = "vp",
                                        [SC_SDE_SUBVP] = "subvp"};

bool sc_loss_is_discrete(const sc_loss *loss) { return losses[loss->kind].discrete; }

/* ---- what goes together ---- */

static sc_status check_sde(const sc_sde *sde)
{
    bool ve = sde->kind == SC_SDE_VE;
    double low = ve ? sde->sigma_min : sde->beta_min, high = ve ? sde->sigma_max : sde->beta_max;
    if (low > 0 && low < high && high < INFINITY)
        return SC_OK;
    return sc_fail(SC_ERR_USAGE, "SDE %s: expected 0 < %s-min < %s-max, found %g and %g",
                   sde_names[sde->kind], ve ? "sigma" : "beta", ve ? "sigma" : "beta", low, high);
}

static sc_status check_network(const sc_loss *loss, const sc_network_config *config)
{
    const char *name = losses[loss->kind].name;
    bool discrete = losses[loss->kind].discrete;
    if (loss->kind == SC_LOSS_DENOISER)
        return SC_OK;
    if (config->precondition_edm)
        return sc_fail(SC_ERR_USAGE, "loss %s: the network has EDM's preconditioning, which trains "
                       "as a denoiser: expected loss denoiser, or precondition_edm 0 in the "
                       "network's configuration", name);
    if (config->sde.kind != loss->sde.kind)
        return sc_fail(SC_ERR_USAGE, "loss %s: the SDE is %s, the network's configuration says %s",
                       name, sde_names[loss->sde.kind], sde_names[config->sde.kind]);
    if (!config->continuous != discrete)
        return sc_fail(SC_ERR_USAGE,
                       "loss %s: expected continuous %d in the network's configuration, "
                       "found %d",
                       name, !discrete, config->continuous);
    if (discrete && config->num_scales != loss->levels)
        return sc_fail(SC_ERR_USAGE, "loss %s: %d levels, the network's configuration has "
                       "num_scales %d", name, loss->levels, config->num_scales);
    return SC_OK;
}

sc_status sc_loss_check(const sc_loss *loss, const sc_network_config *config)
{
    const char *name = losses[loss->kind].name;
    if (!(losses[loss->kind].kinds >> loss->sde.kind & 1))
        return sc_fail(SC_ERR_USAGE, "loss %s is not for the SDE %s (denoiser and smld: ve; ddpm: "
                       "vp; score: all)", name, sde_names[loss->sde.kind]);
    if (loss->likelihood && loss->kind != SC_LOSS_SCORE)
        return sc_fail(SC_ERR_USAGE, "loss %s has no likelihood weighting, only score has", name);
    if (loss->sum && loss->kind == SC_LOSS_DENOISER)
        return sc_fail(SC_ERR_USAGE,
                       "loss denoiser is a mean over the image: expected reduce mean");
    if (losses[loss->kind].discrete && loss->levels < 2)
        return sc_fail(SC_ERR_USAGE, "loss %s: expected at least 2 levels, found %d", name,
                       loss->levels);
    sc_status status = check_sde(&loss->sde);
    return status == SC_OK ? check_network(loss, config) : status;
}

static sc_status check_times(const sc_loss *loss, const sc_loss_batch *batch)
{
    for (int i = 0; i < batch->n; i++) {
        double t = batch->time[i];
        bool good = loss->kind == SC_LOSS_DENOISER ? t > 0 && t < INFINITY
                    : losses[loss->kind].discrete  ? t >= 0 && t < loss->levels && t == floor(t)
                                                   : t > 0 && t <= 1;
        if (!good)
            return sc_fail(SC_ERR_INPUT, "loss %s: image %d has %s %g", losses[loss->kind].name, i,
                           losses[loss->kind].discrete ? "the label" : "the time", t);
    }
    return SC_OK;
}

/* ---- values and gradients ---- */

double sc_loss_denoiser_weight(const sc_network_config *config, double sigma)
{
    double weight = 1 / (sigma * sigma);
    if (config->precondition_edm)
        weight += 1 / (config->sigma_data * config->sigma_data);
    return weight;
}

double sc_loss_denoiser(float *d, const float *x0, int64_t n, double weight, double share)
{
    double sum = 0, factor = 2 * weight * share / (double)n;
    for (int64_t i = 0; i < n; i++) {
        double error = (double)d[i] - x0[i];
        sum += error * error;
        d[i] = (float)(factor * error);
    }
    return weight * sum / (double)n;
}

/* f, the output of one image, becomes share dloss/dF. */
static double score_loss(float *f, const float *z, int64_t n, const terms *at, bool half_sum,
                         double share)
{
    double sum = 0, reduce = half_sum ? 0.5 : 1 / (double)n, factor = 2 * reduce * at->a * share;
    for (int64_t i = 0; i < n; i++) {
        double residual = at->a * f[i] + at->b * z[i];
        sum += residual * residual;
        f[i] = (float)(factor * residual);
    }
    return reduce * sum;
}

/* x = mean x0 + std z, in float as the published code */
static void make_noisy(float *x, const float *x0, const float *z, double mean, double std,
                       int64_t n)
{
    float m = (float)mean, s = (float)std;
    for (int64_t i = 0; i < n; i++)
        x[i] = m * x0[i] + s * z[i];
}

/* One batch in one of the two ways; gradient NULL: values only. */
typedef struct {
    const sc_loss *loss;
    const sc_network_config *config;
    sc_run *run;
    const sc_loss_batch *batch;
    int64_t size; /* of an image */
    double *each;
    float *x, *f; /* (n, size) scratch; f becomes the gradient of D or F */
    double share;
} part;

static sc_status denoiser_part(const part *p)
{
    const sc_loss_batch *b = p->batch;
    for (int i = 0; i < b->n; i++)
        make_noisy(p->x + i * p->size, b->x0 + i * p->size, b->z + i * p->size, 1, b->time[i],
                   p->size);
    sc_status status = sc_run_denoise(p->run, p->f, p->x, b->time);
    for (int i = 0; status == SC_OK && i < b->n; i++)
        p->each[i] = sc_loss_denoiser(p->f + i * p->size, b->x0 + i * p->size, p->size,
                                      sc_loss_denoiser_weight(p->config, b->time[i]), p->share);
    return status;
}

static sc_status score_part(const part *p)
{
    sc_status status = SC_OK;
    const sc_loss_batch *b = p->batch;
    terms *at = NULL;
    double *label = NULL;
    SC_TRY(SC_ALLOC(&at, b->n, "terms of the loss"));
    SC_TRY(SC_ALLOC(&label, b->n, "labels"));
    for (int i = 0; i < b->n; i++) {
        at[i] = losses[p->loss->kind].at(p->loss, b->time[i]);
        label[i] = at[i].label;
        make_noisy(p->x + i * p->size, b->x0 + i * p->size, b->z + i * p->size, at[i].mean,
                   at[i].std, p->size);
    }
    SC_TRY(sc_run_forward(p->run, p->f, p->x, label));
    for (int i = 0; i < b->n; i++)
        p->each[i] = score_loss(p->f + i * p->size, b->z + i * p->size, p->size, &at[i],
                                p->loss->sum, p->share);
cleanup:
    sc_free(label);
    sc_free(at);
    return status;
}

sc_status sc_loss_add(double *each, float *gradient, float *x, float *f, const sc_loss *loss,
                      const sc_network *network, sc_run *run, const sc_loss_batch *batch,
                      double share)
{
    sc_status status = SC_OK;
    const sc_network_config *config = sc_network_configuration(network);
    const part p = {loss, config, run, batch, (int64_t)batch->h * batch->w * config->channels, each,
                    x, f, share};
    SC_TRY(check_times(loss, batch));
    SC_TRY(loss->kind == SC_LOSS_DENOISER ? denoiser_part(&p) : score_part(&p));
    if (gradient)
        SC_TRY(sc_run_backward(run, gradient, NULL, f));
cleanup:
    return status;
}

void sc_loss_clear_frozen(float *gradient, const sc_network *network)
{
    const sc_parameter *parameter;
    int count = sc_network_parameters(network, &parameter);
    for (int i = 0; i < count; i++)
        if (parameter[i].frozen)
            memset(gradient + parameter[i].offset, 0,
                   (size_t)parameter[i].count * sizeof *gradient);
}

sc_status sc_loss_evaluate(double *value, double *each, float *gradient, const sc_loss *loss,
                           const sc_network *network, sc_run *run, const sc_loss_batch *batch)
{
    sc_status status = SC_OK;
    int64_t size = (int64_t)batch->h * batch->w * sc_network_configuration(network)->channels;
    double *own = NULL;
    float *x = NULL, *f = NULL;
    *value = 0;
    SC_TRY(SC_ALLOC(&own, batch->n, "losses"));
    SC_TRY(SC_ALLOC(&x, batch->n * size, "noisy images"));
    SC_TRY(SC_ALLOC(&f, batch->n * size, "output of the network"));
    if (gradient)
        memset(gradient, 0, (size_t)sc_network_parameter_count(network) * sizeof *gradient);
    SC_TRY(sc_loss_add(own, gradient, x, f, loss, network, run, batch, 1.0 / batch->n));
    if (gradient)
        sc_loss_clear_frozen(gradient, network);
    for (int i = 0; i < batch->n; i++)
        *value += own[i] / batch->n;
    if (each)
        memcpy(each, own, (size_t)batch->n * sizeof *each);
cleanup:
    sc_free(own);
    sc_free(x);
    sc_free(f);
    return status;
}
