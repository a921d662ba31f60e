#include "prior/sample.h"
#include "base/memory.h"
#include <assert.h>
#include <math.h>

double sc_sample_time_min(const sc_sde *sde) { return sde->kind == SC_SDE_VE ? 1e-5 : 1e-3; }

void sc_sample_levels(double *sigma, const sc_sde *sde, int steps)
{
    double least = sc_sde_noise_min(sde), most = sc_sde_noise_max(sde);
    double low = pow(least, 1.0 / SC_SAMPLE_RHO), high = pow(most, 1.0 / SC_SAMPLE_RHO);
    for (int k = 0; k < steps; k++)
        sigma[k] = pow(high + k / (steps - 1.0) * (low - high), SC_SAMPLE_RHO);
    sigma[steps] = 0;
}

typedef struct {
    const sc_score *score;
    int h, w;
    int64_t n; /* numbers in an image */
    float *d;  /* denoised */
    float *slope, *next;
} sampler;

/* slope = (x - D(x, sigma)) / sigma = dx/dsigma */
static sc_status find_slope(float *slope, const sampler *s, const float *x, double sigma)
{
    sc_status status = sc_score_denoise(s->score, s->d, x, &sigma, 1, s->h, s->w);
    for (int64_t i = 0; status == SC_OK && i < s->n; i++)
        slope[i] = (float)(((double)x[i] - s->d[i]) / sigma);
    return status;
}

/* Heun's rule from sigma to `to`; Euler's for the last step, where the slope at 0 is unknown. */
static sc_status step(float *x, const sampler *s, double sigma, double to)
{
    sc_status status = SC_OK;
    double h = to - sigma;
    SC_TRY(find_slope(s->slope, s, x, sigma));
    for (int64_t i = 0; i < s->n; i++)
        s->next[i] = (float)(x[i] + h * s->slope[i]);
    if (to > 0) {
        float *d = s->d; /* find_slope may write the slope over D */
        SC_TRY(find_slope(d, s, s->next, to));
        for (int64_t i = 0; i < s->n; i++)
            s->next[i] = (float)(x[i] + h * ((double)s->slope[i] + d[i]) / 2);
    }
    for (int64_t i = 0; i < s->n; i++)
        x[i] = s->next[i];
cleanup:
    return status;
}

sc_status sc_prior_sample(float *x, const sc_score *score, int h, int w, int steps, sc_key key,
                          const sc_progress *progress)
{
    sc_status status = SC_OK;
    sampler s = {.score = score, .h = h, .w = w, .n = (int64_t)h * w * score->channels};
    double *sigma = NULL;
    assert(steps >= 2);
    SC_TRY(SC_ALLOC(&sigma, steps + 1, "noise levels"));
    SC_TRY(SC_ALLOC(&s.d, s.n, "denoised image"));
    SC_TRY(SC_ALLOC(&s.slope, s.n, "sampler"));
    SC_TRY(SC_ALLOC(&s.next, s.n, "sampler"));
    sc_sample_levels(sigma, &score->sde, steps);
    sc_random_normal(x, s.n, key, SC_DRAW_INIT, 0);
    for (int64_t i = 0; i < s.n; i++)
        x[i] *= (float)sigma[0];
    for (int k = 0; k < steps; k++) {
        SC_TRY(sc_progress_step(progress, "sampling", k, steps));
        SC_TRY(step(x, &s, sigma[k], sigma[k + 1]));
    }
    SC_TRY(sc_progress_step(progress, "sampling", steps, steps));
cleanup:
    sc_free(sigma);
    sc_free(s.d);
    sc_free(s.slope);
    sc_free(s.next);
    return status;
}

/* ---- predictor and corrector ---- */

/* The state of one image under way. */
typedef struct {
    const sc_score *score;
    int h, w;
    int64_t n;
    double t;
    float *x, *s, *z, *scaled, *mean; /* (n) each */
} state;

/* s(x, t) by Tweedie's formula in the SDE's own x. */
static sc_status find_score(state *at)
{
    const sc_sde *sde = &at->score->sde;
    double mean = sc_sde_mean(sde, at->t), std = sc_sde_std(sde, at->t), sigma = std / mean;
    for (int64_t i = 0; i < at->n; i++)
        at->scaled[i] = (float)(at->x[i] / mean);
    sc_status status = sc_score_denoise(at->score, at->s, at->scaled, &sigma, 1, at->h, at->w);
    for (int64_t i = 0; status == SC_OK && i < at->n; i++)
        at->s[i] = (float)((mean * (double)at->s[i] - at->x[i]) / (std * std));
    return status;
}

static sc_status pc_step(state *at, const sc_pc_plan *plan, sc_key key, int k)
{
    sc_status status = SC_OK;
    const sc_reverse_step step = {&at->score->sde, plan->steps, 1, at->n, &at->t};
    for (int c = 0; c < plan->corrector_steps; c++) {
        SC_TRY(find_score(at));
        sc_random_normal(at->z, at->n, key, SC_DRAW_CORRECTOR + (uint32_t)c, (uint32_t)k);
        sc_reverse_correct(at->x, NULL, NULL, plan->corrector, &step, plan->snr, false, at->x,
                           at->s, at->z);
    }
    SC_TRY(find_score(at));
    sc_random_normal(at->z, at->n, key, SC_DRAW_PREDICTOR, (uint32_t)k);
    SC_TRY(sc_reverse_predict(at->x, at->mean, plan->predictor, &step, at->x, at->s, at->z,
                              plan->flow));
cleanup:
    return status;
}

sc_status sc_prior_sample_pc(float *x, const sc_score *score, int h, int w, const sc_pc_plan *plan,
                             sc_key key, const sc_progress *progress)
{
    sc_status status = SC_OK;
    state at = {.score = score, .h = h, .w = w, .n = (int64_t)h * w * score->channels, .x = x};
    float **owned[] = {&at.s, &at.z, &at.scaled, &at.mean};
    double end = sc_sample_time_min(&score->sde);
    float start = score->sde.kind == SC_SDE_VE ? (float)score->sde.sigma_max : 1;
    assert(plan->steps >= 2 && plan->corrector_steps < SC_DRAW_DATA - SC_DRAW_CORRECTOR);
    /* beta_i = beta / N must be less than 1 */
    if (score->sde.kind != SC_SDE_VE && plan->steps <= score->sde.beta_max)
        return sc_fail(SC_ERR_USAGE, "option steps: expected more than beta_max = %g, found %d",
                       score->sde.beta_max, plan->steps);
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        SC_TRY(SC_ALLOC(owned[i], at.n, "sampler"));
    sc_random_normal(x, at.n, key, SC_DRAW_INIT, 0);
    for (int64_t i = 0; i < at.n; i++)
        x[i] *= start;
    for (int k = 0; k < plan->steps; k++) {
        SC_TRY(sc_progress_step(progress, "sampling", k, plan->steps));
        at.t = sc_sde_grid_time(end, plan->steps, k);
        SC_TRY(pc_step(&at, plan, key, k));
    }
    for (int64_t i = 0; i < at.n; i++) {
        x[i] = at.mean[i];
        if (!isfinite(x[i]))
            SC_TRY(sc_fail(SC_ERR_NUMERIC,
                           "the sample is not finite: too few steps, or too large an "
                           "snr"));
    }
    SC_TRY(sc_progress_step(progress, "sampling", plan->steps, plan->steps));
cleanup:
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        sc_free(*owned[i]);
    return status;
}

/* ---- by name ---- */

enum { HEUN, FIRST_PREDICTOR, FLOW = FIRST_PREDICTOR + 3 };

const sc_option sc_sample_options[] = {
    {"sampler", SC_OPT_CHOICE, "", 0, 0, HEUN,
     "heun|reverse-diffusion|euler-maruyama|ancestral|probability-flow",
     "heun: deterministic, few steps (Karras et al. 2022); the others as published (Song et al. "
     "2021)"},
    {"steps", SC_OPT_INT, "", 0, 100000, 0, NULL,
     "noise levels; heun evaluates the prior twice at each; 0: 32 of heun, 1000 of the others"},
    {"corrector", SC_OPT_CHOICE, "", 0, 0, 0, "none|langevin|annealed",
     "Langevin steps before each step of a published sampler"},
    {"corrector-steps", SC_OPT_INT, "", 1, 100, 1, NULL, "their number"},
    {"snr", SC_OPT_REAL, "", 1e-6, 10, 0.16, NULL, "their signal-to-noise ratio"},
    {NULL, SC_OPT_INT, "", 0, 0, 0, NULL, NULL},
};

sc_status sc_prior_sample_by(float *x, const sc_score *score, int h, int w,
                             const sc_options *options, sc_key key, const sc_progress *progress)
{
    int kind = (int)sc_options_get(options, "sampler");
    int steps = (int)sc_options_get(options, "steps");
    int corrector = (int)sc_options_get(options, "corrector");
    static const char *const corrected[] = {"corrector-steps", "snr"};
    const sc_options standard = sc_options_default(sc_sample_options);
    if (steps == 1)
        return sc_fail(SC_ERR_USAGE, "option steps: expected 0, or at least 2, found 1");
    if (kind == HEUN && corrector)
        return sc_fail(SC_ERR_USAGE, "sampler heun has no corrector");
    for (size_t i = 0; !corrector && i < sizeof corrected / sizeof *corrected; i++)
        if (sc_options_get(options, corrected[i]) != sc_options_get(&standard, corrected[i]))
            return sc_fail(SC_ERR_USAGE, "option %s: there is no corrector", corrected[i]);
    if (kind == HEUN)
        return sc_prior_sample(x, score, h, w, steps ? steps : 32, key, progress);
    static const sc_predictor predictor[] = {SC_PREDICT_REVERSE, SC_PREDICT_EULER,
                                             SC_PREDICT_ANCESTRAL, SC_PREDICT_REVERSE};
    const sc_pc_plan plan = {
        .predictor = predictor[kind - FIRST_PREDICTOR], .steps = steps ? steps : 1000,
        .corrector = corrector == 2 ? SC_CORRECT_ANNEALED : SC_CORRECT_LANGEVIN,
        .corrector_steps = corrector ? (int)sc_options_get(options, "corrector-steps") : 0,
        .snr = sc_options_get(options, "snr"), .flow = kind == FLOW};
    return sc_prior_sample_pc(x, score, h, w, &plan, key, progress);
}
