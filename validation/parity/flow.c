/* ode_KIND: the probability flow dx/dt = f x - g^2 s / 2 with a network: likelihood (with the
 * Skilling-Hutchinson trace), latent code, sampler. The whole batch is one system with its state in
 * float64, the network in float32, rtol = atol = 1e-5. The published result is itself some 1e-4
 * away from the exact one, which is recorded too. */
#include "sdes.h"
#include "subject.h"
#include <math.h>
#include <prior/ode.h>
#include <prior/reverse_step.h>
#include <string.h>

#define STATE 3e-3 /* z and samples */
#define BPD 1e-3   /* absolute */
#define LOGP 3e-4
#define COST .1 /* evaluations and steps */

enum { TIMES = 4096, DENOISE_LEVELS = 1000 };

typedef struct {
    const parity *p;
    const reference *r;
    subject s;
    variant v;
    sc_network *network;
    sc_run *run;
    int n;
    int64_t count; /* numbers in a batch */
    float *x, *score, *gx, *theta;
    const float *epsilon; /* NULL: no trace */
    double *t;            /* (n) */
    double time[TIMES];   /* accepted, the start included */
    int times;
} flow;

static double dot(const float *a, const float *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)a[i] * b[i];
    return sum;
}

/* y: the images, then the change of log density of each */
static sc_status slope(void *self, double *dydt, double t, const double *y)
{
    sc_status status = SC_OK;
    flow *f = self;
    int64_t each = f->count / f->n;
    double drift = sc_sde_drift(&f->v.sde, t), g = sc_sde_diffusion(&f->v.sde, t);
    for (int64_t i = 0; i < f->count; i++)
        f->x[i] = (float)y[i];
    for (int k = 0; k < f->n; k++)
        f->t[k] = t;
    SC_TRY(sc_run_score(f->run, f->score, f->x, f->t));
    for (int64_t i = 0; i < f->count; i++)
        dydt[i] = drift * f->x[i] - g * g / 2 * f->score[i];
    if (!f->epsilon)
        return SC_OK;
    SC_TRY(sc_run_backward(f->run, f->theta, f->gx, f->epsilon));
    for (int k = 0; k < f->n; k++) {
        const float *e = f->epsilon + k * each;
        dydt[f->count + k] = drift * dot(e, e, each) - g * g / 2 * dot(f->gx + k * each, e, each);
    }
cleanup:
    return status;
}

static void accepted(void *self, double t, const double *y)
{
    (void)y;
    flow *f = self;
    if (f->times < TIMES)
        f->time[f->times++] = t;
}

/* Images (n, h, w, c) carried from one time to another; *delta: change of log density, if there is
 * an epsilon. */
static sc_status carry(flow *f, float *end, double **delta, sc_ode_count *count, const float *start,
                       double from, double to)
{
    sc_status status = SC_OK;
    double *y = POOL(double, f->count + f->n);
    const sc_ode ode = {.self = f,
                        .slope = slope,
                        .accepted = accepted,
                        .rtol = 1e-5,
                        .atol = 1e-5,
                        .n = f->count + (f->epsilon ? f->n : 0)};
    for (int64_t i = 0; i < f->count; i++)
        y[i] = start[i];
    f->times = 0;
    accepted(f, from, y);
    SC_TRY(sc_ode_solve(y, &ode, from, to, count));
    for (int64_t i = 0; i < f->count; i++)
        end[i] = (float)y[i];
    if (delta)
        *delta = y + f->count;
cleanup:
    return status;
}

static void compare(const flow *f, const char *kind, const char *of, const char *what,
                    const double *ours, limit most)
{
    char name[96];
    tensor theirs = tensor_get(f->r, "%s.%s", of, what);
    snprintf(name, sizeof name, "%s.%s", of, what);
    if (theirs.v)
        report_compare(f->p->report, kind, name, ours, theirs.v, theirs.count, most);
}

/* Times of accepted steps can only be compared while all decisions agree: their number always. */
static void compare_cost(const flow *f, const char *of, sc_ode_count count)
{
    char name[96];
    tensor times = tensor_get(f->r, "%s.accepted_t", of), nfe = tensor_get(f->r, "%s.nfe", of);
    snprintf(name, sizeof name, "%s.accepted_t", of);
    compare(f, "evaluations", of, "nfe", &(double){count.evaluations}, EACH(COST));
    if (nfe.v)
        report_note(f->p->report, "%d, published %g", count.evaluations, nfe.v[0]);
    if (!times.v)
        return;
    report_compare(f->p->report, "accepted steps", name, &(double){f->times},
                   &(double){(double)times.count}, 1, EACH(COST));
    report_note(f->p->report, "%d, published %lld", f->times, (long long)times.count);
    if (times.count == f->times)
        compare(f, "accepted times", of, "accepted_t", f->time, SHOWN);
}

static void bits(double *bpd, const flow *f, const double *prior, const double *delta)
{
    double numbers = (double)f->count / f->n, offset = f->s.config.centred ? 7 : 8;
    for (int k = 0; k < f->n; k++)
        bpd[k] = -(prior[k] + delta[k]) / (numbers * log(2)) + offset;
}

static void compare_likelihood(const flow *f, const char *of, const double *z, const double *prior,
                               const double *delta, const double *bpd)
{
    compare(f, "latent code", of, "z", z, RELATIVE(STATE));
    compare(f, "log density", of, "prior_logp", prior, RELATIVE(LOGP));
    compare(f, "log density", of, "delta_logp", delta, RELATIVE(LOGP));
    compare(f, "bits per dimension", of, "bpd", bpd, ABSOLUTE(BPD));
}

static sc_status check_likelihood(flow *f, const char *of, const tensor *x0, bool exact)
{
    sc_status status = SC_OK;
    tensor epsilon = tensor_get(f->r, "%s.epsilon", of);
    float *z = POOL(float, f->count);
    double *delta, *prior = POOL(double, f->n), *bpd = POOL(double, f->n);
    int64_t each = f->count / f->n;
    sc_ode_count count;
    if (!tensor_alike(&epsilon, x0))
        return SC_OK;
    f->epsilon = to_engine(&epsilon);
    SC_TRY(carry(f, z, &delta, &count, to_engine(x0), 1e-5, 1));
    for (int k = 0; k < f->n; k++)
        prior[k] = sc_sde_prior_log_density(&f->v.sde, z + k * each, each);
    bits(bpd, f, prior, delta);
    const double *latent = from_engine(z, x0);
    compare_likelihood(f, of, latent, prior, delta, bpd);
    compare_cost(f, of, count);
    if (exact)
        compare_likelihood(f, "exact", latent, prior, delta, bpd);
cleanup:
    f->epsilon = NULL;
    return status;
}

/* The images as the data were: [0, 1]. */
static const double *unscaled(const flow *f, const float *x, const tensor *like)
{
    double *y = from_engine(x, like);
    for (int64_t i = 0; f->s.config.centred && i < like->count; i++)
        y[i] = (y[i] + 1) / 2;
    return y;
}

static sc_status check_samples(flow *f)
{
    sc_status status = SC_OK;
    tensor latent = tensor_get(f->r, "sampler.latent"), eps = tensor_get(f->r, "sampler.eps");
    float *x = POOL(float, f->count);
    double end = eps.v ? eps.v[0] : 1e-3;
    sc_ode_count count;
    if (!latent.v || latent.count != f->count)
        return SC_OK;
    SC_TRY(carry(f, x, NULL, &count, to_engine(&latent), 1, end));
    const double *sample = unscaled(f, x, &latent);
    compare(f, "samples", "sampler", "sample", sample, RELATIVE(STATE));
    compare(f, "samples", "sampler", "exact", sample, RELATIVE(STATE));
    compare_cost(f, "sampler", count);
    for (int k = 0; k < f->n; k++)
        f->t[k] = end;
    SC_TRY(sc_run_score(f->run, f->score, x, f->t));
    const sc_reverse_step step = {&f->v.sde, DENOISE_LEVELS, f->n, f->count / f->n, f->t};
    SC_TRY(sc_reverse_predict(f->x, x, SC_PREDICT_REVERSE, &step, x, f->score, NULL, false));
    compare(f, "samples", "sampler_denoise", "sample", unscaled(f, x, &latent), RELATIVE(STATE));
    compare_cost(f, "sampler_denoise", count);
cleanup:
    return status;
}

static sc_status open_flow(flow *f, const tensor *image)
{
    sc_status status = SC_OK;
    int which;
    const char *kind = strncmp(f->r->name, "ode_", 4) == 0 ? f->r->name + 4 : "vp";
    const char *name = fits_images(&which, f->p, image, sde_kind_of(kind));
    if (!name)
        return sc_fail(NO_FIT, "no network of the folder has such images and this SDE");
    f->n = (int)image->dim[0];
    f->count = image->count;
    SC_TRY(subject_open(&f->s, f->p, name));
    SC_TRY(variant_get(&f->v, &f->s, which));
    SC_TRY(variant_network(&f->network, &f->s, &f->v));
    SC_TRY(variant_run(&f->run, f->network, &f->s, f->n, (int)image->dim[2], (int)image->dim[3],
                       true));
    f->x = POOL(float, f->count);
    f->score = POOL(float, f->count);
    f->gx = POOL(float, f->count);
    f->theta = POOL(float, sc_network_parameter_count(f->network));
    f->t = POOL(double, f->n);
cleanup:
    return status;
}

sc_status check_flow(const parity *p, const reference *r)
{
    sc_status status = SC_OK;
    tensor x0 = tensor_get(r, "x0"), latent = tensor_get(r, "sampler.latent");
    flow *f = POOL(flow, 1);
    *f = (flow){.p = p, .r = r};
    SC_TRY(open_flow(f, x0.v ? &x0 : &latent));
    if (x0.v) {
        SC_TRY(check_likelihood(f, "rademacher", &x0, true));
        SC_TRY(check_likelihood(f, "gaussian", &x0, false));
    }
    SC_TRY(check_samples(f));
cleanup:
    sc_run_free(f->run);
    sc_network_free(f->network);
    subject_close(&f->s);
    return status;
}
