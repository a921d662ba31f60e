/* pc_net: a whole run of the predictor-corrector sampler with a network, every state recorded. In a
 * step the corrector comes first, at the same t. States are compared as the run goes on, and, since
 * errors grow along it, each step also from the recorded state before it. */
#include "subject.h"
#include <math.h>
#include <prior/reverse_step.h>
#include <string.h>

#define RUN 1e-3
#define ONE_STEP 1e-4 /* sigma_i^2 - sigma_{i-1}^2 of float32 sigmas, score from t */

typedef struct {
    const parity *p;
    sc_run *run;
    sc_sde sde;
    int n, levels;
    int64_t count; /* numbers in a batch */
    double snr;
    double *t; /* (n) of this step */
} sampler;

static sc_status advance(float *x, float *mean, const sampler *s, bool corrector, const float *from,
                         const float *noise)
{
    sc_status status = SC_OK;
    float *score = POOL(float, s->count);
    const sc_reverse_step step = {&s->sde, s->levels, s->n, s->count / s->n, s->t};
    SC_TRY(sc_run_score(s->run, score, from, s->t));
    if (corrector)
        sc_reverse_correct(x, mean, NULL, SC_CORRECT_LANGEVIN, &step, s->snr, true, from, score,
                           noise);
    else
        SC_TRY(sc_reverse_predict(x, mean, SC_PREDICT_REVERSE, &step, from, score, noise, false));
cleanup:
    return status;
}

static void compare(const sampler *s, const char *kind, const char *name, int k, const float *x,
                    const tensor *theirs, double most)
{
    char text[64];
    snprintf(text, sizeof text, "%s[%d]", name, k);
    report_compare(s->p->report, kind, text, from_engine(x, theirs), theirs->v, theirs->count,
                   RELATIVE(most * s->p->slack));
}

/* One half of step k: from our own state x, and from the recorded one. */
static sc_status half_step(float *x, float *mean, const sampler *s, const reference *r,
                           bool corrector, int k, const tensor *before)
{
    sc_status status = SC_OK;
    const char *name = corrector ? "corrector.x" : "predictor.x";
    tensor states = tensor_get(r, "%s", name);
    tensor noises = tensor_get(r, corrector ? "corrector.noise" : "predictor.noise");
    tensor state = tensor_slice(&states, k), z = tensor_slice(&noises, k);
    float *noise = to_engine(&z), *alone = POOL(float, s->count);
    SC_TRY(advance(alone, NULL, s, corrector, to_engine(before), noise));
    compare(s, "single steps", name, k, alone, &state, ONE_STEP);
    SC_TRY(advance(x, mean, s, corrector, x, noise));
    compare(s, "the run", name, k, x, &state, RUN);
cleanup:
    return status;
}

static sc_status run_sampler(sampler *s, const reference *r, const tensor *start, const tensor *t)
{
    sc_status status = SC_OK;
    tensor corrected = tensor_get(r, "corrector.x"), predicted = tensor_get(r, "predictor.x");
    tensor last = tensor_get(r, "predictor.x_mean_last"), sample = tensor_get(r, "sample");
    float *x = to_engine(start), *mean = POOL(float, s->count);
    tensor before = *start;
    for (int k = 0; k < s->levels; k++) {
        for (int i = 0; i < s->n; i++)
            s->t[i] = t->v[k];
        SC_TRY(half_step(x, mean, s, r, true, k, &before));
        before = tensor_slice(&corrected, k);
        SC_TRY(half_step(x, mean, s, r, false, k, &before));
        before = tensor_slice(&predicted, k);
    }
    if (last.v)
        compare(s, "the run", "predictor.x_mean_last", s->levels - 1, mean, &last, RUN);
    if (sample.v)
        compare(s, "the run", "sample", s->levels - 1, mean, &sample, RUN);
cleanup:
    return status;
}

sc_status check_sampler(const parity *p, const reference *r)
{
    sc_status status = SC_OK;
    static const char *const needed[] = {"corrector.x",     "corrector.noise", "predictor.x",
                                         "predictor.noise", "discrete_sigmas", "snr"};
    int which;
    subject s = {0};
    variant v;
    sc_network *network = NULL;
    sampler run = {.p = p};
    tensor start = tensor_get(r, "x_T"), t = tensor_get(r, "t"), snr = tensor_get(r, "snr");
    tensor sigmas = tensor_get(r, "discrete_sigmas");
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (!tensor_has(r, "%s", needed[i]))
            SC_TRY(sc_fail(SC_ERR_FORMAT, "a sampler's run needs %s", needed[i]));
    const char *name = start.v && t.v ? fits_images(&which, p, &start, SC_SDE_VE) : NULL;
    if (!name)
        SC_TRY(sc_fail(NO_FIT, "no continuous VE network of the folder has such images"));
    SC_TRY(subject_open(&s, p, name));
    SC_TRY(variant_get(&v, &s, which));
    SC_TRY(variant_network(&network, &s, &v));
    SC_TRY(variant_run(&run.run, network, &s, (int)start.dim[0], (int)start.dim[2],
                       (int)start.dim[3], false));
    run.sde = v.sde;
    run.n = (int)start.dim[0];
    run.levels = (int)t.count;
    run.count = start.count;
    run.snr = snr.v[0];
    run.t = POOL(double, run.n);
    double *ours = POOL(double, sigmas.count);
    for (int i = 0; i < sigmas.count; i++)
        ours[i] = sc_sde_level_sigma(&v.sde, (int)sigmas.count, i);
    report_compare(p->report, "tables", "discrete_sigmas", ours, sigmas.v, sigmas.count,
                   EACH(2e-6));
    SC_TRY(run_sampler(&run, r, &start, &t));
cleanup:
    sc_run_free(run.run);
    sc_network_free(network);
    subject_close(&s);
    return status;
}
