/* NAME_train: a trace of training steps with recorded batch, times and noise: losses, gradient
 * norms, rates, and the weights after the last step, raw and averaged. The network is the one of
 * the folder whose parameters the initial weights are; its checkpoints hold the same raw weights.
 */
#include "checkpoints.h"
#include "subject.h"
#include <base/file.h>
#include <math.h>
#include <prior/training.h>
#include <string.h>

#define TRACE 1e-4

typedef struct {
    const parity *p;
    const reference *r;
    subject s;
    variant v;
    sc_network *network;
    sc_training *training;
    int steps;
    double *loss, *norm, *rate;
} trace;

static sc_status set(sc_options *options, const char *key, const char *format, double value)
{
    char text[64];
    snprintf(text, sizeof text, format, value);
    return sc_options_set(options, key, text);
}

static double number(const trace *t, const char *section, const char *key, double otherwise)
{
    const json_t *x = json_object_get(json_object_get(t->s.json, section), key);
    if (json_is_boolean(x))
        return json_is_true(x);
    return json_is_number(x) ? json_number_value(x) : otherwise;
}

/* The published recipe out of the configuration: no decay of the rate at the end, warm-up counted
 * from step 0. */
static sc_status set_options(sc_options *o, const trace *t, const tensor *x0)
{
    sc_status status = SC_OK;
    bool continuous = t->v.continuous;
    const char *loss = continuous ? "score" : t->v.sde.kind == SC_SDE_VE ? "smld" : "ddpm";
    *o = sc_options_default(sc_training_options);
    SC_TRY(set(o, "images", "%.0f", 1e9));
    SC_TRY(set(o, "batch", "%.0f", (double)x0->dim[0]));
    SC_TRY(set(o, "part", "%.0f", (double)x0->dim[0]));
    SC_TRY(set(o, "crop", "%.0f", (double)x0->dim[2]));
    SC_TRY(set(o, "lr", "%.17g", number(t, "optim", "lr", 2e-4)));
    SC_TRY(set(o, "warmup", "%.0f", number(t, "optim", "warmup", 5000)));
    SC_TRY(sc_options_set(o, "warmup-from", "zero"));
    SC_TRY(set(o, "decay", "%g", 0));
    SC_TRY(set(o, "ema", "%.17g", number(t, "model", "ema_rate", .999)));
    double clip = number(t, "optim", "grad_clip", 1);
    SC_TRY(set(o, "clip", "%.17g", clip < 0 ? 1e9 : clip)); /* below 0: none */
    SC_TRY(sc_options_set(o, "loss", loss));
    SC_TRY(
        sc_options_set(o, "reduce", number(t, "training", "reduce_mean", 1) != 0 ? "mean" : "sum"));
    SC_TRY(sc_options_set(o, "likelihood-weighting",
                          number(t, "training", "likelihood_weighting", 0) != 0 ? "yes" : "no"));
cleanup:
    return status;
}

static sc_status open_training(trace *t, const char *name)
{
    sc_status status = SC_OK;
    sc_options options;
    tensor x0 = tensor_get(t->r, "step0.x0");
    tensor_get(t->r, "init.sigmas"); /* the buffer: see the network's own section */
    SC_TRY(subject_open(&t->s, t->p, name));
    SC_TRY(variant_get(&t->v, &t->s, 0));
    SC_TRY(variant_network(&t->network, &t->s, &t->v));
    if (x0.rank != 4 || x0.dim[2] != x0.dim[3])
        SC_TRY(sc_fail(SC_ERR_UNSUPPORTED, "training takes square images"));
    SC_TRY(set_options(&options, t, &x0));
    SC_TRY(sc_training_create(&t->training, sc_network_configuration(t->network), &options, NULL,
                              NULL, t->p->device));
    float *theta = POOL(float, sc_network_parameter_count(t->network));
    SC_TRY(load_theta(theta, t->network, t->r, "init."));
    sc_training_set_theta(t->training, theta);
cleanup:
    return status;
}

static sc_status one_step(trace *t, int k)
{
    sc_status status = SC_OK;
    tensor x0 = tensor_get(t->r, "step%d.x0", k), z = tensor_get(t->r, "step%d.z", k);
    tensor time = tensor_get(t->r, "step%d.%s", k, t->v.continuous ? "t" : "labels");
    if (!tensor_alike(&x0, &z) || !time.v)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "step %d needs x0, z and one time an image", k));
    const sc_loss_batch batch = {.n = (int)x0.dim[0],
                                 .h = (int)x0.dim[2],
                                 .w = (int)x0.dim[3],
                                 .x0 = to_engine(&x0),
                                 .z = to_engine(&z),
                                 .time = time.v};
    SC_TRY(sc_training_step_given(t->training, &batch));
    const sc_training_state *state = sc_training_current(t->training);
    t->loss[k] = state->loss;
    t->norm[k] = state->gradient_norm;
    t->rate[k] = state->rate;
cleanup:
    return status;
}

static void compare_trace(const trace *t)
{
    tensor losses = tensor_get(t->r, "losses"), lr = tensor_get(t->r, "lr");
    tensor norms = tensor_get(t->r, "grad_norms_before_clip");
    limit most = EACH(TRACE * t->p->slack);
    if (losses.count == t->steps)
        report_compare(t->p->report, "losses", "losses", t->loss, losses.v, t->steps, most);
    if (norms.count == t->steps)
        report_compare(t->p->report, "gradient norms", "grad_norms_before_clip", t->norm, norms.v,
                       t->steps, most);
    if (lr.count == t->steps)
        report_compare(t->p->report, "learning rates", "lr", t->rate, lr.v, t->steps, EACH(1e-12));
}

/* All weights together; single ones that follow rounding noise (zero in exact arithmetic, which
 * Adam makes full-size) are only shown. */
static void compare_weights(const trace *t, const char *kind, const float *ours,
                            const float *theirs)
{
    const sc_parameter *q;
    int64_t whole = sc_network_parameter_count(t->network);
    int count = sc_network_parameters(t->network, &q);
    char each[64];
    report_compare(t->p->report, kind, "all", to_doubles(ours, whole), to_doubles(theirs, whole),
                   whole, RELATIVE(TRACE * t->p->slack));
    snprintf(each, sizeof each, "%s, each", kind);
    for (int i = 0; i < count; i++)
        report_compare(t->p->report, each, q[i].name, to_doubles(ours + q[i].offset, q[i].count),
                       to_doubles(theirs + q[i].offset, q[i].count), q[i].count, SHOWN);
}

/* NAME.pth and the like hold the raw weights of the end. */
static sc_status compare_checkpoint(const trace *t, const char *file, const float *final)
{
    sc_status status = SC_OK;
    char path[4096];
    const float *raw = NULL;
    int64_t count = sc_network_parameter_count(t->network);
    SC_TRY(sc_path_join(path, sizeof path, t->p->folder, file));
    if (!sc_path_exists(path))
        return SC_OK;
    SC_TRY(import_theta(&raw, &t->s, file, true));
    report_compare(t->p->report, "raw weights of the checkpoint", file, to_doubles(raw, count),
                   to_doubles(final, count), count, EACH(1e-7));
cleanup:
    return status;
}

static sc_status compare_end(const trace *t)
{
    sc_status status = SC_OK;
    char file[160];
    float *final = POOL(float, sc_network_parameter_count(t->network));
    SC_TRY(load_theta(final, t->network, t->r, "final."));
    compare_weights(t, "weights after the steps", sc_training_theta(t->training), final);
    compare_weights(t, "averaged weights after the steps", sc_training_ema(t->training),
                    t->s.theta);
    snprintf(file, sizeof file, "%s.pth", t->s.name);
    SC_TRY(compare_checkpoint(t, file, final));
    snprintf(file, sizeof file, "%s.legacy.pth", t->s.name);
    SC_TRY(compare_checkpoint(t, file, final));
cleanup:
    return status;
}

sc_status check_training(const parity *p, const reference *r)
{
    sc_status status = SC_OK;
    trace t = {.p = p, .r = r};
    const char *name = fits_weights(p, r, "init.");
    if (!name)
        SC_TRY(sc_fail(NO_FIT, "no network of the folder has these parameters"));
    SC_TRY(open_training(&t, name));
    while (tensor_has(r, "step%d.x0", t.steps))
        t.steps++;
    t.loss = POOL(double, t.steps);
    t.norm = POOL(double, t.steps);
    t.rate = POOL(double, t.steps);
    for (int k = 0; k < t.steps; k++)
        SC_TRY(one_step(&t, k));
    compare_trace(&t);
    SC_TRY(compare_end(&t));
cleanup:
    sc_training_free(t.training);
    sc_network_free(t.network);
    subject_close(&t.s);
    return status;
}
