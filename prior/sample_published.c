/* Predictor-corrector sampling (Song et al. 2021, algorithm 1) in the SDE's own x: at each time,
 * corrector steps, then one predictor step, both given the score
 *     s(x, t) = (mean D(x / mean, std / mean) - x) / std^2.
 * The image is the mean of the last predictor step, or with option `denoise` off where that step
 * led. On the published times steps are those of the
 * tables with N = steps; on other grids they go from a time to the next one, and the last is
 * Tweedie's formula (x + std^2 s) / mean, or is not taken. Without a predictor x is left as the
 * correctors leave it, as published.
 */
#include "base/memory.h"
#include "prior/sample_internal.h"
#include <assert.h>

typedef struct {
    const sc_sample_plan *plan;
    const sc_sde *sde;
    double t, *times; /* (n) all t */
    sc_corrector corrector;
    int corrector_steps;
    double snr;
    bool batch_norm, denoise;
    float *x, *s, *z, *mean; /* (n, count) each */
} state;

/* s(x, t) by Tweedie's formula for the inner step `inner` of level k; mean is overwritten. */
static sc_status find_score(state *at, int inner, int k)
{
    double mean = sc_sde_mean(at->sde, at->t), std = sc_sde_std(at->sde, at->t);
    sc_sample_impose(at->x, at->plan, mean, std, inner, k);
    for (int64_t i = 0; i < at->plan->all; i++)
        at->mean[i] = (float)(at->x[i] / mean);
    sc_status status = sc_sample_denoise(at->s, at->plan, at->mean, std / mean);
    for (int64_t i = 0; status == SC_OK && i < at->plan->all; i++)
        at->s[i] = (float)((mean * (double)at->s[i] - at->x[i]) / (std * std));
    return status;
}

static sc_status correct(state *at, const sc_reverse_step *step, int k)
{
    sc_status status = SC_OK;
    for (int c = 0; c < at->corrector_steps; c++) {
        SC_TRY(find_score(at, c, k));
        sc_sample_draw(at->z, at->plan, SC_DRAW_CORRECTOR + (uint32_t)c, (uint32_t)k);
        sc_reverse_correct(at->x, NULL, NULL, at->corrector, step, at->snr, at->batch_norm, at->x,
                           at->s, at->z);
    }
cleanup:
    return status;
}

static void denoise_last(state *at)
{
    double mean = sc_sde_mean(at->sde, at->t), std = sc_sde_std(at->sde, at->t);
    for (int64_t i = 0; i < at->plan->all; i++)
        at->mean[i] = (float)((at->x[i] + std * std * at->s[i]) / mean);
}

static sc_status predict(state *at, const sc_reverse_step *step, int k)
{
    sc_status status = SC_OK;
    const sc_sample_plan *p = at->plan;
    bool flow = p->variant == SC_PUBLISHED_FLOW;
    sc_predictor predictor = flow ? SC_PREDICT_REVERSE : (sc_predictor)p->variant;
    SC_TRY(find_score(at, at->corrector_steps, k));
    sc_sample_draw(at->z, p, SC_DRAW_PREDICTOR, (uint32_t)k);
    if (p->grid == SC_GRID_PUBLISHED)
        SC_TRY(sc_reverse_predict(at->x, at->mean, predictor, step, at->x, at->s, at->z, flow));
    else if (k < p->steps - 1) {
        const sc_reverse_interval to = {at->sde, at->t, sc_sample_time(at->sde, p->sigma[k + 1]),
                                        p->all};
        SC_TRY(sc_reverse_predict_to(at->x, at->mean, predictor, &to, at->x, at->s, at->z, flow));
    } else
        denoise_last(at);
cleanup:
    return status;
}

static void set_time(state *at, int k)
{
    const sc_sample_plan *p = at->plan;
    at->t = p->grid == SC_GRID_PUBLISHED
                ? sc_sde_grid_time(sc_sample_time_min(at->sde), p->steps, k)
                : sc_sample_time(at->sde, p->sigma[k]);
    for (int i = 0; i < p->job->n; i++)
        at->times[i] = at->t;
}

static sc_status run(state *at)
{
    sc_status status = SC_OK;
    const sc_sample_plan *p = at->plan;
    const sc_reverse_step step = {at->sde, p->steps, p->job->n, p->count, at->times};
    bool predicted = p->variant != SC_PUBLISHED_NONE;
    int predictions = predicted ? p->steps : 0;
    if (predicted && !at->denoise && p->grid != SC_GRID_PUBLISHED)
        predictions--; /* the last one would only denoise */
    for (int k = 0; k < p->steps; k++) {
        SC_TRY(sc_sample_report(p, k));
        set_time(at, k);
        SC_TRY(correct(at, &step, k));
        if (k < predictions)
            SC_TRY(predict(at, &step, k));
    }
    for (int64_t i = 0; predicted && at->denoise && i < p->all; i++)
        at->x[i] = at->mean[i];
cleanup:
    return status;
}

/* Tables of beta_i = beta / N must stay below 1. */
static sc_status check(const sc_sample_plan *p, const sc_sde *sde, bool corrected)
{
    bool tables = corrected || p->grid == SC_GRID_PUBLISHED;
    if (tables && sde->kind != SC_SDE_VE && p->steps <= sde->beta_max)
        return sc_fail(SC_ERR_USAGE, "option steps: expected more than beta_max = %g, found %d",
                       sde->beta_max, p->steps);
    return SC_OK;
}

sc_status sc_sample_published(float *x, const sc_sample_plan *plan)
{
    sc_status status = SC_OK;
    const sc_options *o = plan->options;
    int corrector = (int)sc_options_get(o, "corrector");
    state at = {.plan = plan,
                .sde = &plan->job->score->sde,
                .x = x,
                .corrector = corrector == 2 ? SC_CORRECT_ANNEALED : SC_CORRECT_LANGEVIN,
                .corrector_steps = corrector ? (int)sc_options_get(o, "corrector-steps") : 0,
                .snr = sc_options_get(o, "snr"),
                .batch_norm = sc_options_get(o, "norm") == 1,
                .denoise = sc_options_get(o, "denoise") != 0};
    float **owned[] = {&at.s, &at.z, &at.mean};
    assert(at.corrector_steps < SC_DRAW_DATA - SC_DRAW_CORRECTOR);
    SC_TRY(check(plan, at.sde, corrector));
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        SC_TRY(SC_ALLOC(owned[i], plan->all, "sampler"));
    SC_TRY(SC_ALLOC(&at.times, plan->job->n, "sampler"));
    sc_sample_draw(x, plan, SC_DRAW_INIT, 0);
    float start = at.sde->kind == SC_SDE_VE ? (float)at.sde->sigma_max : 1;
    for (int64_t i = 0; i < plan->all; i++)
        x[i] *= start;
    SC_TRY(run(&at));
cleanup:
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        sc_free(*owned[i]);
    sc_free(at.times);
    return status;
}
