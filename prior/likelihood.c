#include "prior/likelihood.h"
#include "base/memory.h"
#include <math.h>

enum { RADEMACHER, GAUSSIAN };

const sc_option sc_likelihood_options[] = {
    {"probes", SC_OPT_INT, "", 1, 10000, 4, NULL,
     "random vectors that estimate the divergence; two or more give a standard error"},
    {"probe", SC_OPT_CHOICE, "", 0, 0, RADEMACHER, "rademacher|gaussian",
     "their numbers: +1 or -1, or normal"},
    {"rtol", SC_OPT_REAL, "", 1e-8, 0.1, SC_FLOW_TOLERANCE, NULL,
     "relative tolerance of the flow's solver"},
    {"atol", SC_OPT_REAL, "", 1e-8, 0.1, SC_FLOW_TOLERANCE, NULL, "absolute tolerance"},
    {NULL, SC_OPT_INT, "", 0, 0, 0, NULL, NULL},
};

double sc_likelihood_offset(const sc_score *score)
{
    double range = score->channels == 2 ? 2 : 1 - score->black;
    return log2(256 / range);
}

static void draw_probe(float *probe, int64_t n, int kind, sc_key key)
{
    if (kind == GAUSSIAN) {
        sc_random_normal(probe, n, key, SC_DRAW_HUTCHINSON, 0);
        return;
    }
    sc_random_uniform(probe, n, key, SC_DRAW_HUTCHINSON, 0);
    for (int64_t i = 0; i < n; i++)
        probe[i] = probe[i] < 0.5f ? -1 : 1;
}

/* Mean of the probes' log densities and its standard error; Welford's recurrence, since the
 * values are large and alike. */
typedef struct {
    int count;
    double mean, squares;
} statistic;

static void add_value(statistic *s, double value)
{
    double before = value - s->mean;
    s->mean += before / ++s->count;
    s->squares += before * (value - s->mean);
}

static double standard_error(const statistic *s)
{
    return s->count > 1 ? sqrt(s->squares / (s->count - 1) / s->count) : NAN;
}

sc_status sc_likelihood_find(sc_likelihood *result, float *latent, const sc_score *score,
                             const float *x, int h, int w, const sc_options *options, double offset,
                             sc_key key, const sc_progress *progress)
{
    sc_status status = SC_OK;
    int64_t n = (int64_t)h * w * score->channels;
    int kind = (int)sc_options_get(options, "probe");
    sc_progress_part p = {.outer = progress, .count = (int)sc_options_get(options, "probes")};
    const sc_progress share = sc_progress_of(&p);
    sc_flow flow = sc_flow_create(score, h, w);
    statistic s = {0};
    float *probe = NULL, *z = NULL;
    flow.rtol = sc_options_get(options, "rtol");
    flow.atol = sc_options_get(options, "atol");
    flow.progress = &share;
    *result = (sc_likelihood){.probes = p.count};
    SC_TRY(SC_ALLOC(&probe, n, "probe"));
    SC_TRY(SC_ALLOC(&z, n, "latent"));
    for (; p.index < p.count; p.index++) {
        double gain;
        sc_ode_count count;
        key.sample = (uint32_t)p.index;
        draw_probe(probe, n, kind, key);
        SC_TRY(sc_flow_encode_traced(&flow, z, &gain, x, probe, &count));
        add_value(&s, sc_sde_prior_log_density(&score->sde, z, n) + gain);
        result->evaluations += count.evaluations;
        result->steps += count.steps;
        for (int64_t i = 0; latent && p.index == 0 && i < n; i++)
            latent[i] = z[i];
    }
    double per_dimension = 1 / ((double)n * log(2));
    result->log_density = s.mean;
    result->error = standard_error(&s);
    result->bits = -s.mean * per_dimension + offset;
    result->bits_error = result->error * per_dimension;
cleanup:
    sc_free(probe);
    sc_free(z);
    return status;
}
