/* NAME.io: what the network gives for recorded labels, the score, the denoised image, and the
 * gradient with respect to the image. */
#include "sdes.h"
#include "subject.h"
#include <math.h>
#include <string.h>

#define SCORE 1e-5     /* outputs and scores */
#define FOURIER 3e-5   /* worst image where ln sigma turns by thousands of radians */
#define FROM_TIME 1e-4 /* from t: our own label and std */
#define SMALL 7e-4     /* 1 - exp(..): below it, its float32 error moves the score by 1e-4 */
#define VJP 3e-5

typedef struct {
    const subject *s;
    const variant *v;
    sc_network *network;
    sc_run *run;
    int n, h, w;
    tensor x, t, labels, std, output;
    float *fx; /* (n, h, w, c) */
} evaluation;

static void key(char name[160], const evaluation *e, const char *what)
{
    snprintf(name, 160, "%s%s", e->v->prefix, what);
}

/* worst image of (n, ...) */
static double worst_image(const double *ours, const tensor *theirs)
{
    double worst = 0;
    int64_t count = theirs->count / theirs->dim[0];
    for (int64_t k = 0; k < theirs->dim[0]; k++) {
        double error = 0, norm = norm_of(theirs->v + k * count, count);
        for (int64_t i = k * count; i < (k + 1) * count; i++)
            error += pow(ours[i] - theirs->v[i], 2);
        error = error == 0 ? 0 : sqrt(error) / norm;
        worst = error <= worst ? worst : error;
    }
    return worst;
}

static void compare_images(const evaluation *e, const char *kind, const char *what,
                           const double *ours, const tensor *theirs, double most)
{
    char name[160];
    double slack = e->s->p->slack;
    key(name, e, what);
    report_compare(e->s->p->report, kind, name, ours, theirs->v, theirs->count,
                   RELATIVE(most * slack));
    report_note(e->s->p->report, "worst image %.1e", worst_image(ours, theirs));
}

/* ---- labels and std as our own functions of t ---- */

static double label_of(const variant *v, double t)
{
    if (v->sde.kind == SC_SDE_VE)
        return v->continuous ? sc_sde_std(&v->sde, t) : sc_sde_time_label(t, v->levels);
    return v->continuous ? 999 * t : (v->levels - 1) * t;
}

static double std_of(const variant *v, double t)
{
    double label = label_of(v, t);
    if (v->continuous)
        return sc_sde_std(&v->sde, t);
    if (v->sde.kind == SC_SDE_VE)
        return sc_sde_level_sigma(&v->sde, v->levels, v->levels - 1 - (int)label);
    return sqrt(-expm1(sc_sde_level_log_alphabar(&v->sde, v->levels, (int)label)));
}

static void check_labels(const evaluation *e)
{
    char name[160];
    double *label = POOL(double, e->n), *std = POOL(double, e->n), *logarithm = POOL(double, e->n);
    tensor log_labels = tensor_get(&e->s->io, "%slog_labels", e->v->prefix);
    for (int k = 0; e->t.v && k < e->n; k++) {
        label[k] = label_of(e->v, e->t.v[k]);
        std[k] = std_of(e->v, e->t.v[k]);
        logarithm[k] = log(label[k]);
    }
    key(name, e, "labels");
    if (e->t.v)
        report_compare(e->s->p->report, "labels from t", name, label, e->labels.v, e->n,
                       EACH(2e-6));
    key(name, e, "log_labels");
    if (e->t.v && log_labels.v)
        report_compare(e->s->p->report, "ln of labels from t", name, logarithm, log_labels.v, e->n,
                       ABSOLUTE(2e-6));
    key(name, e, "std");
    if (e->t.v && e->std.v)
        compare_std(e->s->p->report, "std from t", name, &e->v->sde, std, &e->std);
}

/* ---- given the labels ---- */

static void check_output(const evaluation *e, const double *ours)
{
    tensor exact = tensor_get(&e->s->io, "%soutput64", e->v->prefix);
    compare_images(e, "output", "output", ours, &e->output, SCORE);
    if (!exact.v)
        return;
    compare_images(e, "output against float64", "output64", ours, &exact, SCORE);
    if (!tensor_alike(&exact, &e->output))
        return;
    double error = 0;
    for (int64_t i = 0; i < exact.count; i++)
        error += pow(e->output.v[i] - exact.v[i], 2);
    report_note(e->s->p->report, "published float32: %.1e; worst image %.1e, published %.1e",
                sqrt(error) / norm_of(exact.v, exact.count), worst_image(ours, &exact),
                worst_image(e->output.v, &exact));
    if (e->s->config.embedding_fourier)
        report_compare(e->s->p->report, "worst image against float64", "output64",
                       &(double){1 + worst_image(ours, &exact)}, &(double){1}, 1,
                       ABSOLUTE(FOURIER * e->s->p->slack));
}

static void check_score(const evaluation *e, const double *output)
{
    tensor score = tensor_get(&e->s->io, "%sscore", e->v->prefix);
    int64_t count = e->x.count / e->n;
    double *ours = POOL(double, e->x.count);
    if (!score.v || !e->std.v)
        return;
    for (int64_t i = 0; i < e->x.count; i++)
        ours[i] = e->v->sde.kind == SC_SDE_VE ? output[i] : -output[i] / e->std.v[i / count];
    compare_images(e, "score, label and std given", "score", ours, &score, SCORE);
}

static sc_status check_given_labels(const evaluation *e)
{
    sc_status status = SC_OK;
    float *out = POOL(float, e->x.count);
    SC_TRY(sc_run_forward(e->run, out, e->fx, e->labels.v));
    double *ours = from_engine(out, &e->x);
    if (e->output.v)
        check_output(e, ours);
    check_score(e, ours);
cleanup:
    return status;
}

/* ---- from t alone ---- */

/* Images for which the published float32 std is right, and all of them with std divided out. */
static void compare_score(const evaluation *e, const double *ours, const tensor *score)
{
    int64_t count = e->x.count / e->n, kept = 0;
    double *a = POOL(double, e->x.count), *b = POOL(double, e->x.count);
    char name[160];
    key(name, e, "score");
    for (int k = 0; k < e->n; k++)
        if (sde_float32_difference(&e->v->sde, std_of(e->v, e->t.v[k])) > SMALL) {
            memcpy(a + kept, ours + k * count, (size_t)count * sizeof *a);
            memcpy(b + kept, score->v + k * count, (size_t)count * sizeof *b);
            kept += count;
        }
    report_compare(e->s->p->report, "score from t", name, a, b, kept,
                   RELATIVE(FROM_TIME * e->s->p->slack));
    if (kept < e->x.count)
        report_note(e->s->p->report, "%lld images whose published std is good to 1e-4",
                    (long long)(kept / count));
    if (!e->std.v)
        return;
    for (int64_t i = 0; i < e->x.count; i++) {
        a[i] = ours[i] * std_of(e->v, e->t.v[i / count]);
        b[i] = score->v[i] * e->std.v[i / count];
    }
    report_compare(e->s->p->report, "score from t, times std", name, a, b, e->x.count,
                   RELATIVE(FROM_TIME * e->s->p->slack));
}

/* D of x / mean, whose noise is std / mean, against x / mean + (std / mean)^2 mean score. */
static sc_status check_denoised(const evaluation *e, const tensor *score)
{
    sc_status status = SC_OK;
    int64_t count = e->x.count / e->n;
    float *x = POOL(float, e->x.count), *d = POOL(float, e->x.count);
    double *theirs = POOL(double, e->x.count), *sigma = POOL(double, e->n);
    char name[160];
    if (!e->std.v)
        return SC_OK;
    for (int64_t i = 0; i < e->x.count; i++) {
        double mean = sc_sde_mean(&e->v->sde, e->t.v[i / count]), std = e->std.v[i / count];
        x[i] = (float)(e->fx[i] / mean);
        theirs[i] = e->x.v[i] / mean + std * std / mean * score->v[i];
    }
    for (int k = 0; k < e->n; k++)
        sigma[k] = sc_sde_std(&e->v->sde, e->t.v[k]) / sc_sde_mean(&e->v->sde, e->t.v[k]);
    SC_TRY(sc_run_denoise(e->run, d, x, sigma));
    key(name, e, "score");
    report_compare(e->s->p->report, "denoised image from sigma", name, from_engine(d, &e->x),
                   theirs, e->x.count, RELATIVE(SCORE * e->s->p->slack));
cleanup:
    return status;
}

static sc_status check_from_time(const evaluation *e)
{
    sc_status status = SC_OK;
    tensor score = tensor_get(&e->s->io, "%sscore", e->v->prefix);
    float *s = POOL(float, e->x.count);
    if (!score.v || !e->t.v)
        return SC_OK;
    SC_TRY(sc_run_score(e->run, s, e->fx, e->t.v));
    compare_score(e, from_engine(s, &e->x), &score);
    if (e->v->continuous)
        SC_TRY(check_denoised(e, &score));
cleanup:
    return status;
}

static sc_status check_vjp(const evaluation *e)
{
    sc_status status = SC_OK;
    tensor v = tensor_get(&e->s->io, "%svjp.v", e->v->prefix);
    tensor gx = tensor_get(&e->s->io, "%svjp.gx", e->v->prefix);
    sc_run *run = NULL;
    if (!v.v || !gx.v)
        return SC_OK;
    float *out = POOL(float, e->x.count), *ours = POOL(float, e->x.count);
    float *theta = POOL(float, sc_network_parameter_count(e->network));
    SC_TRY(variant_run(&run, e->network, e->s, e->n, e->h, e->w, true));
    SC_TRY(sc_run_forward(run, out, e->fx, e->labels.v));
    SC_TRY(sc_run_backward(run, theta, ours, to_engine(&v)));
    compare_images(e, "gradient with respect to x", "vjp.gx", from_engine(ours, &gx), &gx, VJP);
cleanup:
    sc_run_free(run);
    return status;
}

/* One number an image, images like x; what is absent fits. */
static bool fits(const evaluation *e, const subject *s, const variant *v)
{
    const tensor numbers[] = {e->labels, e->t, e->std,
                              tensor_get(&s->io, "%slog_labels", v->prefix)};
    const tensor images[] = {e->output, tensor_get(&s->io, "%soutput64", v->prefix),
                             tensor_get(&s->io, "%sscore", v->prefix),
                             tensor_get(&s->io, "%svjp.v", v->prefix),
                             tensor_get(&s->io, "%svjp.gx", v->prefix)};
    bool fit = true;
    for (int i = 0; i < 4; i++)
        fit = fit && (!numbers[i].v || numbers[i].count == e->n);
    for (int i = 0; i < 5; i++)
        fit = fit && (!images[i].v || tensor_alike(&images[i], &e->x));
    return fit;
}

static sc_status check_variant(const subject *s, const variant *v)
{
    sc_status status = SC_OK;
    evaluation e = {.s = s,
                    .v = v,
                    .x = tensor_get(&s->io, "%sx", v->prefix),
                    .t = tensor_get(&s->io, "%st", v->prefix),
                    .labels = tensor_get(&s->io, "%slabels", v->prefix),
                    .std = tensor_get(&s->io, "%sstd", v->prefix),
                    .output = tensor_get(&s->io, "%soutput", v->prefix)};
    if (!e.x.v || !e.labels.v || e.x.rank != 4)
        return SC_OK;
    e.n = (int)e.x.dim[0];
    if (!fits(&e, s, v))
        return sc_fail(SC_ERR_FORMAT, "labels, t, std, output or score do not have the shape of x");
    e.h = (int)e.x.dim[2];
    e.w = (int)e.x.dim[3];
    e.fx = to_engine(&e.x);
    SC_TRY(variant_network(&e.network, s, v));
    SC_TRY(variant_run(&e.run, e.network, s, e.n, e.h, e.w, false));
    check_labels(&e);
    SC_TRY(check_given_labels(&e));
    SC_TRY(check_from_time(&e));
    SC_TRY(check_vjp(&e));
cleanup:
    sc_run_free(e.run);
    sc_network_free(e.network);
    return status;
}

sc_status check_outputs(subject *s)
{
    sc_status status = SC_OK;
    for (int i = 0; i < variant_count(s); i++) {
        variant v;
        SC_TRY(variant_get(&v, s, i));
        sc_status one = check_variant(s, &v);
        if (one != SC_OK)
            report_failure(s->p->report, "outputs", v.prefix, sc_message());
    }
cleanup:
    return status;
}
