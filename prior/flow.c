#include "prior/flow.h"
#include "base/memory.h"
#include <math.h>

/* One trajectory under way. */
typedef struct {
    const sc_flow *flow;
    int64_t n;          /* numbers in an image */
    const float *probe; /* NULL: no trace */
    float *u, *d, *g;   /* (n) */
    double from, to, reached;
    const char *phase;
} path;

sc_flow sc_flow_create(const sc_score *score, int h, int w)
{
    return (sc_flow){.score = score,
                     .h = h,
                     .w = w,
                     .rtol = SC_FLOW_TOLERANCE,
                     .atol = SC_FLOW_TOLERANCE,
                     .time_min = SC_FLOW_TIME_MIN};
}

const sc_option sc_flow_options[] = {
    {"rtol", SC_OPT_REAL, "", 1e-8, 0.1, SC_FLOW_TOLERANCE, NULL, "relative tolerance"},
    {"atol", SC_OPT_REAL, "", 1e-8, 0.1, SC_FLOW_TOLERANCE, NULL, "absolute tolerance"},
    {"start", SC_OPT_REAL, "", 1e-6, 0.5, SC_FLOW_TIME_MIN, NULL,
     "time of the diffusion that an image is taken for"},
    {NULL, SC_OPT_INT, "", 0, 0, 0, NULL, NULL},
};

void sc_flow_set(sc_flow *flow, const sc_options *options)
{
    flow->rtol = sc_options_get(options, "rtol");
    flow->atol = sc_options_get(options, "atol");
    flow->time_min = sc_options_get(options, "start");
}

/* sum of e (J_D^T e - e): the difference first, since J_D is nearly 1 where there is little noise
 */
static double probe_change(const path *p)
{
    double sum = 0;
    for (int64_t i = 0; i < p->n; i++)
        sum += p->probe[i] * ((double)p->g[i] - p->probe[i]);
    return sum;
}

static double square_norm(const float *x, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i] * x[i];
    return sum;
}

/* y: the image, then the integral of the divergence if there is a probe. */
static sc_status slope(void *self, double *dydt, double t, const double *y)
{
    sc_status status = SC_OK;
    path *p = self;
    const sc_flow *flow = p->flow;
    const sc_sde *sde = &flow->score->sde;
    double mean = sc_sde_mean(sde, t), std = sc_sde_std(sde, t), sigma = std / mean;
    double f = sc_sde_drift(sde, t), g = sc_sde_diffusion(sde, t), weight = g * g / 2 / (std * std);
    SC_TRY(sc_progress_step(flow->progress, p->phase, fabs(p->reached - p->from),
                            fabs(p->to - p->from)));
    for (int64_t i = 0; i < p->n; i++)
        p->u[i] = (float)(y[i] / mean);
    if (!p->probe)
        SC_TRY(sc_score_denoise(flow->score, p->d, p->u, &sigma, 1, flow->h, flow->w));
    else
        SC_TRY(sc_score_denoise_vjp(flow->score, p->d, p->g, p->u, &sigma, p->probe, 1, flow->h,
                                    flow->w));
    for (int64_t i = 0; i < p->n; i++) /* D and what it was given: their rounding is the same */
        dydt[i] = f * y[i] - weight * mean * ((double)p->d[i] - p->u[i]);
    if (p->probe)
        dydt[p->n] = f * square_norm(p->probe, p->n) - weight * probe_change(p);
cleanup:
    return status;
}

static void accepted(void *self, double t, const double *y)
{
    (void)y;
    ((path *)self)->reached = t;
}

/* *integral: of the divergence, if there is a probe. */
static sc_status carry(path *p, float *end, double *integral, const float *start,
                       sc_ode_count *count)
{
    sc_status status = SC_OK;
    double *y = NULL;
    const sc_flow *flow = p->flow;
    p->n = (int64_t)flow->h * flow->w * flow->score->channels;
    p->reached = p->from;
    const sc_ode ode = {.self = p,
                        .slope = slope,
                        .accepted = accepted,
                        .n = p->n + (p->probe ? 1 : 0),
                        .rtol = flow->rtol,
                        .atol = flow->atol};
    SC_TRY(SC_ALLOC(&y, ode.n, "probability flow"));
    SC_TRY(SC_ALLOC(&p->u, p->n, "probability flow"));
    SC_TRY(SC_ALLOC(&p->d, p->n, "probability flow"));
    if (p->probe)
        SC_TRY(SC_ALLOC(&p->g, p->n, "probability flow"));
    for (int64_t i = 0; i < p->n; i++)
        y[i] = start[i];
    SC_TRY(sc_ode_solve(y, &ode, p->from, p->to, count));
    for (int64_t i = 0; i < p->n; i++)
        end[i] = (float)y[i];
    if (p->probe)
        *integral = y[p->n];
    SC_TRY(
        sc_progress_step(flow->progress, p->phase, fabs(p->to - p->from), fabs(p->to - p->from)));
cleanup:
    sc_free(y);
    sc_free(p->u);
    sc_free(p->d);
    sc_free(p->g);
    return status;
}

sc_status sc_flow_encode(const sc_flow *flow, float *latent, const float *x, sc_ode_count *count)
{
    path p = {.flow = flow, .from = flow->time_min, .to = 1, .phase = "encoding"};
    return carry(&p, latent, NULL, x, count);
}

sc_status sc_flow_decode(const sc_flow *flow, float *x, const float *latent, sc_ode_count *count)
{
    path p = {.flow = flow, .from = 1, .to = flow->time_min, .phase = "sampling"};
    return carry(&p, x, NULL, latent, count);
}

sc_status sc_flow_encode_traced(const sc_flow *flow, float *latent, double *gain, const float *x,
                                const float *probe, sc_ode_count *count)
{
    path p = {.flow = flow, .from = flow->time_min, .to = 1, .probe = probe, .phase = "likelihood"};
    return carry(&p, latent, gain, x, count);
}

double sc_flow_latent_std(const sc_sde *sde) { return sde->kind == SC_SDE_VE ? sde->sigma_max : 1; }

void sc_flow_draw(float *latent, const sc_sde *sde, int64_t n, sc_key key)
{
    double std = sc_flow_latent_std(sde);
    sc_random_normal(latent, n, key, SC_DRAW_INIT, 0);
    for (int64_t i = 0; i < n; i++)
        latent[i] = (float)(latent[i] * std);
}

sc_status sc_flow_denoise(const sc_flow *flow, float *x)
{
    sc_status status = SC_OK;
    float *u = NULL;
    int64_t n = (int64_t)flow->h * flow->w * flow->score->channels;
    double mean = sc_sde_mean(&flow->score->sde, flow->time_min);
    double sigma = sc_sde_std(&flow->score->sde, flow->time_min) / mean;
    SC_TRY(SC_ALLOC(&u, n, "image"));
    for (int64_t i = 0; i < n; i++)
        u[i] = (float)(x[i] / mean);
    SC_TRY(sc_score_denoise(flow->score, x, u, &sigma, 1, flow->h, flow->w));
cleanup:
    sc_free(u);
    return status;
}

void sc_flow_interpolate(float *out, const float *a, const float *b, double share, int64_t n)
{
    double ab = 0, norms = sqrt(square_norm(a, n) * square_norm(b, n));
    for (int64_t i = 0; i < n; i++)
        ab += (double)a[i] * b[i];
    double angle = norms > 0 ? acos(fmax(-1, fmin(1, ab / norms))) : 0, sine = sin(angle);
    double wa = 1 - share, wb = share;
    if (sine > 1e-6) {
        wa = sin(wa * angle) / sine;
        wb = sin(wb * angle) / sine;
    }
    for (int64_t i = 0; i < n; i++)
        out[i] = (float)(wa * a[i] + wb * b[i]);
}
