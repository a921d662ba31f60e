#include "base/memory.h"
#include "prior/flow.h"
#include "prior/sample_internal.h"
#include <assert.h>
#include <math.h>
#include <string.h>

enum { CORRECTED = 1, CHURNED = 2, ADAPTIVE = 4, DENOISED = 8, PUBLISHED = CORRECTED | DENOISED };

/* In the order of option `sampler`, the standard first. A row: what runs it, its variant, steps and
 * grid unless asked for, which groups of options it takes. */
static const struct {
    const char *name;
    sc_sample_run *run;
    int variant, steps;
    sc_sample_grid grid;
    int takes;
} samplers[] = {
    {"dpm++2m", sc_sample_dpm, SC_DPM_ODE, 32, SC_GRID_LOG_SIGMA, 0},
    {"heun", sc_sample_edm, SC_EDM_HEUN, 32, SC_GRID_KARRAS, 0},
    {"edm", sc_sample_edm, SC_EDM_CHURN, 64, SC_GRID_KARRAS, CHURNED},
    {"dpm++2m-sde", sc_sample_dpm, SC_DPM_SDE, 64, SC_GRID_LOG_SIGMA, 0},
    {"reverse-diffusion", sc_sample_published, SC_PREDICT_REVERSE, 1000, SC_GRID_PUBLISHED,
     PUBLISHED},
    {"euler-maruyama", sc_sample_published, SC_PREDICT_EULER, 1000, SC_GRID_PUBLISHED, PUBLISHED},
    {"ancestral", sc_sample_published, SC_PREDICT_ANCESTRAL, 1000, SC_GRID_PUBLISHED, PUBLISHED},
    {"probability-flow", sc_sample_published, SC_PUBLISHED_FLOW, 1000, SC_GRID_PUBLISHED,
     PUBLISHED},
    {"none", sc_sample_published, SC_PUBLISHED_NONE, 1000, SC_GRID_PUBLISHED, CORRECTED},
    {"ode", sc_sample_ode, 0, 2, SC_GRID_TIME, ADAPTIVE | DENOISED},
};

const sc_option sc_sample_options[] = {
    {"sampler", SC_OPT_CHOICE, "", 0, 0, 0,
     "dpm++2m|heun|edm|dpm++2m-sde|reverse-diffusion|euler-maruyama|ancestral|probability-flow|"
     "none|ode",
     "dpm++2m: deterministic, one evaluation a step (Lu et al. 2022); heun, edm: deterministic and "
     "with churn (Karras et al. 2022); the others as published (Song et al. 2021), none: correctors "
     "alone; ode: the probability flow with adaptive steps"},
    {"steps", SC_OPT_INT, "", 0, 100000, 0, NULL,
     "noise levels; heun and edm evaluate the prior twice at each; 0: 32 of heun and dpm++2m, 64 "
     "of edm and dpm++2m-sde, 1000 of the others"},
    {"grid", SC_OPT_CHOICE, "", 0, 0, 0, "auto|published|time|log-sigma|karras",
     "where the levels lie: equal steps in time, ln sigma or sigma^(1/7); published: in time, with "
     "the tables of the discretised SDE; auto: karras for heun and edm, log-sigma for dpm++2m and "
     "its SDE, published for the others"},
    {"corrector", SC_OPT_CHOICE, "", 0, 0, 0, "none|langevin|annealed",
     "Langevin steps before each step of a published sampler"},
    {"corrector-steps", SC_OPT_INT, "", 1, 100, 1, NULL, "number of corrector steps"},
    {"snr", SC_OPT_REAL, "", 1e-6, 10, 0.16, NULL, "signal-to-noise ratio of corrector steps"},
    {"norm", SC_OPT_CHOICE, "", 0, 0, 0, "image|batch",
     "step sizes of langevin: from each image's norms, or as published from their means over all "
     "images of the run, which makes images depend on each other"},
    {"churn", SC_OPT_REAL, "", 0, 1e6, 40, NULL,
     "edm: sigma rises by churn / steps before a step, at most by sqrt 2 - 1; 0: heun"},
    {"churn-min", SC_OPT_REAL, "", 0, 1e6, 0.05, NULL, "edm: no churn below this sigma"},
    {"churn-max", SC_OPT_REAL, "", 0, 1e6, 50, NULL, "edm: no churn above this sigma"},
    {"churn-noise", SC_OPT_REAL, "", 0, 2, 1, NULL,
     "edm: standard deviation of churn's noise, over what is exact; above 1 for networks that "
     "denoise too much"},
    {"rtol", SC_OPT_REAL, "", 1e-8, 0.1, SC_FLOW_TOLERANCE, NULL, "ode: relative tolerance"},
    {"atol", SC_OPT_REAL, "", 1e-8, 0.1, SC_FLOW_TOLERANCE, NULL, "ode: absolute tolerance"},
    {"end", SC_OPT_REAL, "", 0, 0.5, 0, NULL,
     "ode: time at which it ends; 0: 1e-5 (VE) or 1e-3 (VP, sub-VP), as published"},
    {"denoise", SC_OPT_BOOL, "", 0, 1, 1, NULL,
     "remove the noise that is left at the end, of ode and the published samplers; heun, edm and "
     "dpm++2m always do, none never does"},
    {NULL, SC_OPT_INT, "", 0, 0, 0, NULL, NULL},
};

/* ---- what samplers share ---- */

void sc_sample_draw(float *z, const sc_sample_plan *plan, uint32_t draw, uint32_t step)
{
    const sc_sample_job *job = plan->job;
    for (int i = 0; i < job->n; i++) {
        sc_key key = {job->key.seed, job->key.slice, job->key.sample + (uint32_t)i};
        if (job->noise)
            job->noise->draw(job->noise->self, z + i * plan->count, plan->count, i, draw, step);
        else
            sc_random_normal(z + i * plan->count, plan->count, key, draw, step);
    }
}

void sc_sample_impose(float *x, const sc_sample_plan *plan, double mean, double std, int inner,
                      int step)
{
    const sc_sample_job *job = plan->job;
    if (!job->condition)
        return;
    if (std > 0)
        sc_sample_draw(plan->known, plan, SC_DRAW_DATA + (uint32_t)inner, (uint32_t)step);
    for (int i = 0; i < job->n; i++)
        sc_condition_impose(x + i * plan->count, job->condition, (int64_t)job->h * job->w,
                            job->score->channels, mean, std,
                            std > 0 ? plan->known + i * plan->count : NULL);
}

sc_status sc_sample_denoise(float *d, const sc_sample_plan *plan, const float *y, double sigma)
{
    const sc_sample_job *job = plan->job;
    for (int i = 0; i < job->n; i++)
        plan->level[i] = sigma;
    if (job->evaluations)
        *job->evaluations += job->n;
    sc_status status = sc_score_denoise(job->score, d, y, plan->level, job->n, job->h, job->w);
    if (status == SC_OK)
        sc_sample_impose(d, plan, 1, 0, 0, 0);
    return status;
}

sc_status sc_sample_report(const sc_sample_plan *plan, int k)
{
    return sc_progress_step(plan->job->progress, "sampling", k, plan->steps);
}

/* ---- by name ---- */

/* Options of a group that the sampler does not take must have their defaults. */
static sc_status check_group(const sc_options *options, const char *const *names, bool taken,
                             const char *why)
{
    const sc_options standard = sc_options_default(sc_sample_options);
    for (; !taken && *names; names++)
        if (sc_options_get(options, *names) != sc_options_get(&standard, *names))
            return sc_fail(SC_ERR_USAGE, "option %s: %s", *names, why);
    return SC_OK;
}

static sc_status check(const sc_options *o, int row)
{
    static const char *const corrected[] = {"corrector-steps", "snr", NULL};
    static const char *const langevin[] = {"norm", NULL};
    static const char *const stepped[] = {"steps", "grid", NULL};
    static const char *const adaptive[] = {"rtol", "atol", "end", NULL};
    static const char *const denoised[] = {"denoise", NULL};
    static const char *const churned[] = {"churn", "churn-min", "churn-max", "churn-noise", NULL};
    sc_status status = SC_OK;
    const char *name = samplers[row].name;
    int corrector = (int)sc_options_get(o, "corrector"), takes = samplers[row].takes;
    if (sc_options_get(o, "steps") == 1)
        return sc_fail(SC_ERR_USAGE, "option steps: expected 0, or at least 2, found 1");
    if (corrector && !(takes & CORRECTED))
        return sc_fail(SC_ERR_USAGE, "sampler %s has no corrector", name);
    SC_TRY(check_group(o, stepped, !(takes & ADAPTIVE), "sampler ode chooses its own steps"));
    SC_TRY(check_group(o, adaptive, takes & ADAPTIVE, "only sampler ode takes it"));
    if (sc_options_get(o, "grid") == SC_GRID_PUBLISHED && samplers[row].grid != SC_GRID_PUBLISHED)
        return sc_fail(SC_ERR_USAGE,
                       "option grid: sampler %s has no published tables; expected "
                       "time, log-sigma or karras",
                       name);
    bool none =
        samplers[row].run == sc_sample_published && samplers[row].variant == SC_PUBLISHED_NONE;
    if (none && !corrector)
        return sc_fail(SC_ERR_USAGE, "sampler none: option corrector is needed");
    SC_TRY(check_group(o, corrected, corrector, "there is no corrector"));
    SC_TRY(check_group(o, langevin, corrector == 1, "only corrector langevin takes norms"));
    SC_TRY(check_group(o, denoised, takes & DENOISED, "this sampler has no choice"));
    SC_TRY(check_group(o, churned, takes & CHURNED, "only sampler edm takes it"));
cleanup:
    return status;
}

static sc_status check_finite(const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return sc_fail(SC_ERR_NUMERIC, "the sample is not finite: too few steps, or too large "
                                           "an snr");
    return SC_OK;
}

sc_status sc_prior_draw(float *x, const sc_sample_job *job, const sc_options *options)
{
    sc_status status = SC_OK;
    int row = (int)sc_options_get(options, "sampler"),
        steps = (int)sc_options_get(options, "steps");
    int grid = (int)sc_options_get(options, "grid");
    int64_t count = (int64_t)job->h * job->w * job->score->channels;
    double *sigma = NULL;
    sc_sample_plan plan = {.job = job,
                           .options = options,
                           .count = count,
                           .all = job->n * count,
                           .variant = samplers[row].variant,
                           .steps = steps ? steps : samplers[row].steps,
                           .grid = grid ? (sc_sample_grid)grid : samplers[row].grid};
    assert(job->n >= 1);
    SC_TRY(check(options, row));
    if (job->condition && (samplers[row].takes & ADAPTIVE))
        SC_TRY(sc_fail(SC_ERR_UNSUPPORTED, "sampler %s has no levels to impose a condition at",
                       samplers[row].name));
    SC_TRY(SC_ALLOC(&sigma, plan.steps + 1, "noise levels"));
    SC_TRY(SC_ALLOC(&plan.level, job->n, "noise levels"));
    if (job->condition)
        SC_TRY(SC_ALLOC(&plan.known, plan.all, "what is known"));
    sc_sample_levels(sigma, &job->score->sde, plan.grid, plan.steps);
    plan.sigma = sigma;
    SC_TRY(samplers[row].run(x, &plan));
    sc_sample_impose(x, &plan, 1, 0, 0, 0);
    SC_TRY(check_finite(x, plan.all));
    if (!(samplers[row].takes & ADAPTIVE)) /* which has said so itself */
        SC_TRY(sc_sample_report(&plan, plan.steps));
cleanup:
    sc_free(sigma);
    sc_free(plan.level);
    sc_free(plan.known);
    return status;
}

sc_options sc_sample_options_conditional(void)
{
    static const char *const row[][2] = {{"sampler", "reverse-diffusion"}, {"steps", "50"},
                                         {"grid", "log-sigma"},            {"corrector", "annealed"},
                                         {"corrector-steps", "10"},        {"snr", "0.4"}};
    sc_options options = sc_options_default(sc_sample_options);
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        sc_status status = sc_options_set(&options, row[i][0], row[i][1]);
        assert(status == SC_OK);
        (void)status;
    }
    return options;
}

sc_status sc_prior_sample_by(float *x, const sc_score *score, int h, int w,
                             const sc_options *options, sc_key key, const sc_progress *progress)
{
    const sc_sample_job job = {
        .score = score, .n = 1, .h = h, .w = w, .key = key, .progress = progress};
    return sc_prior_draw(x, &job, options);
}

sc_status sc_prior_sample(float *x, const sc_score *score, int h, int w, int steps, sc_key key,
                          const sc_progress *progress)
{
    sc_options options = sc_options_default(sc_sample_options);
    assert(steps >= 2);
    for (int i = 0; sc_sample_options[i].name; i++)
        if (!strcmp(sc_sample_options[i].name, "steps"))
            options.value[i] = steps;
    return sc_prior_sample_by(x, score, h, w, &options, key, progress);
}
