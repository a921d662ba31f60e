/* The engine against numbers computed with the published PyTorch code (shared data, score_sde; its
 * README says how): outputs, scores, activations, gradients of input and parameters.
 *
 * Both sides are float32, so each differs from exact arithmetic by a few 1e-7 a layer: relative L2
 * 1e-5 for outputs, 1e-4 for gradients. Scores of VP and sub-VP are compared as score times std,
 * each with its own: the published std loses its digits at small times.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/memory.h"
#include "prior/network/network.h"
#include "prior/safetensors.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GOOD(call) assert_int_equal((call), SC_OK)
#define FOLDER SC_SHARED_DIR "/data/score_sde/"

static sc_network_config ncsnpp_ve(void)
{
    sc_network_config c = sc_network_config_default();
    c.nf = 16, c.levels = 3, c.ch_mult[2] = 2;
    c.attention[1] = c.attention_middle = 1;
    c.resblock_biggan = c.resamp_with_conv = c.fir = 1;
    c.progressive_input = SC_PYRAMID_RESIDUAL;
    c.fourier_scale = 16;
    c.precondition_edm = c.centred = 0;
    return c;
}

static sc_network_config tiny_ve(void)
{
    sc_network_config c = ncsnpp_ve();
    c.channels = 1, c.nf = 8, c.levels = 2, c.ch_mult[1] = 2;
    return c;
}

static sc_network_config ddpmpp_vp(void)
{
    sc_network_config c = ncsnpp_ve();
    c.fir = c.embedding_fourier = c.scale_by_sigma = 0;
    c.progressive_input = SC_PYRAMID_NONE;
    c.sde.kind = SC_SDE_VP;
    c.centred = 1;
    return c;
}

static sc_network_config ddpmpp_subvp(void)
{
    sc_network_config c = ddpmpp_vp();
    c.sde.kind = SC_SDE_SUBVP;
    return c;
}

static sc_network_config ncsnpp_skip(void)
{
    sc_network_config c = ncsnpp_ve();
    c.channels = 3;
    c.resblock_biggan = c.resamp_with_conv = c.embedding_fourier = c.continuous = 0;
    c.skip_rescale = 0;
    c.progressive = c.progressive_input = SC_PYRAMID_SKIP;
    c.progressive_combine = SC_COMBINE_CAT;
    return c;
}

static sc_network_config ddpm_vp(void)
{
    sc_network_config c = ddpmpp_vp();
    c.channels = 1, c.nf = 32, c.levels = 2;
    c.resblock_biggan = c.skip_rescale = c.continuous = 0;
    c.norm_groups = 32;
    return c;
}

static sc_network_config ddpm_vp_continuous(void)
{
    sc_network_config c = ddpm_vp();
    c.continuous = 1;
    return c;
}

static const struct {
    const char *name, *prefix; /* of the file; of the keys */
    sc_network_config (*config)(void);
    const char *loss, *grads; /* whose gradients are in the file */
} networks[] = {
    {"ncsnpp_ve", "", ncsnpp_ve, "ve_cont", ".grads"},
    {"tiny_ve", "", tiny_ve, NULL, NULL},
    {"ddpmpp_vp", "", ddpmpp_vp, "vp_cont", ".grads"},
    {"ddpmpp_vp", "subvp_cont.", ddpmpp_subvp, NULL, NULL},
    {"ncsnpp_skip", "", ncsnpp_skip, "ve_disc", ".grads"},
    {"ddpm_vp", "", ddpm_vp, "vp_disc", ".grads"},
    {"ddpm_vp", "vp_cont.", ddpm_vp_continuous, NULL, NULL},
};
#define NETWORKS ((int)(sizeof networks / sizeof *networks))

static void need_references(void)
{
    if (access(FOLDER "README.md", R_OK) != 0) {
        print_message("skipped: no reference tensors in " FOLDER "\n");
        skip();
    }
}

typedef struct {
    int which, n, h, w, c;
    sc_safetensors *weights, *io, *grads;
    sc_network *network;
    sc_device *device;
    sc_run *run;
    int64_t size; /* of the batch */
    float *x, *y;
    double *condition;
} fixture;

static sc_safetensors *open_file(int which, const char *suffix)
{
    char path[512];
    sc_safetensors *file;
    snprintf(path, sizeof path, "%s%s%s.safetensors", FOLDER, networks[which].name, suffix);
    GOOD(sc_safetensors_read(&file, path, (size_t)1 << 30));
    return file;
}

static const sc_array *find(const sc_safetensors *file, const char *prefix, const char *key)
{
    char name[128];
    snprintf(name, sizeof name, "%s%s", prefix, key);
    const sc_safetensor *tensor = sc_safetensors_find(file, name);
    return tensor ? &tensor->array : NULL;
}

static double at(const sc_array *a, int64_t i)
{
    switch (a->dtype) {
    case SC_F64: return ((const double *)a->data)[i];
    case SC_I64: return (double)((const int64_t *)a->data)[i];
    default: return ((const float *)a->data)[i];
    }
}

/* (n, c, h, w) of a file as the engine's (n, h, w, c) */
static void to_engine(float *y, const sc_array *a)
{
    int64_t c = a->dim[1], pixels = a->dim[2] * a->dim[3];
    for (int64_t i = 0; i < a->dim[0] * c * pixels; i++)
        y[(i / (c * pixels) * pixels + i % pixels) * c + i / pixels % c] = (float)at(a, i);
}

/* Relative L2 distance of images [first, last). */
static double distance(const fixture *f, const float *mine, const sc_array *a, int first, int last)
{
    double error = 0, norm = 0;
    int64_t c = f->c, pixels = (int64_t)f->h * f->w;
    for (int64_t i = first * c * pixels; i < last * c * pixels; i++) {
        double v = at(a, i),
               d = mine[(i / (c * pixels) * pixels + i % pixels) * c + i / pixels % c] - v;
        error += d * d;
        norm += v * v;
    }
    return sqrt(error / norm);
}

static void below(double error, double tolerance, int which, const char *what)
{
    print_message("%s%s %s: %.2g\n", networks[which].prefix, networks[which].name, what, error);
    if (!(error < tolerance))
        fail_msg("%s%s %s: relative error %g", networks[which].prefix, networks[which].name, what,
                 error);
}

static void load_theta(const fixture *f)
{
    const sc_parameter *p;
    int count = sc_network_parameters(f->network, &p);
    float *theta = calloc((size_t)sc_network_parameter_count(f->network), sizeof *theta);
    for (int i = 0; i < count; i++) {
        const sc_array *a = find(f->weights, "", p[i].name);
        if (!a || sc_array_count(a) != p[i].count)
            fail_msg("%s: no tensor %s of %lld", networks[f->which].name, p[i].name,
                     (long long)p[i].count);
        memcpy(theta + p[i].offset, a->data, sizeof *theta * (size_t)p[i].count);
    }
    assert_int_equal(sc_safetensors_count(f->weights), count + 1); /* and sigmas */
    GOOD(sc_run_set_theta(f->run, theta));
    free(theta);
}

/* x of the file by its key; a run of its size. */
static fixture set_up(int which, const char *prefix, const char *x)
{
    fixture f = {.which = which};
    sc_network_config config = networks[which].config();
    f.weights = open_file(which, "");
    f.io = open_file(which, ".io");
    const sc_array *a = find(f.io, prefix, x);
    assert_non_null(a);
    f.n = (int)a->dim[0], f.c = (int)a->dim[1], f.h = (int)a->dim[2], f.w = (int)a->dim[3];
    f.size = sc_array_count(a);
    f.x = calloc((size_t)f.size, sizeof *f.x);
    f.y = calloc((size_t)f.size, sizeof *f.y);
    f.condition = calloc((size_t)f.n, sizeof *f.condition);
    to_engine(f.x, a);
    GOOD(sc_network_create(&f.network, &config));
    GOOD(sc_device_create_cpu(&f.device, 1));
    GOOD(sc_run_create(&f.run, f.network, f.device, f.n, f.h, f.w, 1));
    load_theta(&f);
    return f;
}

static void tear_down(fixture *f)
{
    sc_run_free(f->run);
    sc_network_free(f->network);
    sc_device_free(f->device);
    sc_safetensors_free(f->weights);
    sc_safetensors_free(f->io);
    sc_safetensors_free(f->grads);
    free(f->x), free(f->y), free(f->condition);
}

static void condition_from(fixture *f, const char *key)
{
    const sc_array *a = find(f->io, networks[f->which].prefix, key);
    for (int i = 0; i < f->n; i++)
        f->condition[i] = at(a, i);
}

static void outputs_agree(void **state)
{
    (void)state;
    need_references();
    for (int i = 0; i < NETWORKS; i++) {
        const char *prefix = networks[i].prefix;
        fixture f = set_up(i, prefix, "x");
        condition_from(&f, "labels");
        GOOD(sc_run_forward(f.run, f.y, f.x, f.condition));
        below(distance(&f, f.y, find(f.io, prefix, "output"), 0, f.n), 1e-5, i, "output");
        below(distance(&f, f.y, find(f.io, prefix, "output64"), 0, f.n), 1e-5, i, "output64");
        tear_down(&f);
    }
}

/* std of the score formula, exact */
static double std_of(const sc_network_config *c, double t)
{
    double n = c->num_scales, range = c->sde.beta_max - c->sde.beta_min, sum = 0;
    if (c->sde.kind == SC_SDE_VE || c->continuous)
        return sc_sde_std(&c->sde, t);
    for (int i = 0; i <= (int)(t * (n - 1)); i++)
        sum += log1p(-(c->sde.beta_min + range * i / (n - 1)) / n);
    return sqrt(-expm1(sum));
}

static void scores_agree(void **state)
{
    (void)state;
    need_references();
    for (int i = 0; i < NETWORKS; i++) {
        const char *prefix = networks[i].prefix;
        fixture f = set_up(i, prefix, "x");
        const sc_array *std = find(f.io, prefix, "std"), *score = find(f.io, prefix, "score");
        const sc_network_config config = networks[i].config();
        double worst = 0;
        condition_from(&f, "t");
        GOOD(sc_run_score(f.run, f.y, f.x, f.condition));
        for (int k = 0; k < f.n; k++) {
            double ratio = std_of(&config, f.condition[k]) / at(std, k);
            for (int64_t j = k * f.size / f.n; j < (k + 1) * f.size / f.n; j++)
                f.y[j] = (float)(f.y[j] * (config.sde.kind == SC_SDE_VE ? 1 : ratio));
            double error = distance(&f, f.y, score, k, k + 1);
            worst = error > worst ? error : worst;
        }
        below(worst, 1e-5, i, "score, worst image");
        tear_down(&f);
    }
}

static void input_gradients_agree(void **state)
{
    (void)state;
    need_references();
    for (int i = 0; i < NETWORKS; i++) {
        if (*networks[i].prefix)
            continue;
        fixture f = set_up(i, "", "x");
        float *v = calloc((size_t)f.size, sizeof *v), *gx = calloc((size_t)f.size, sizeof *gx);
        float *theta = calloc((size_t)sc_network_parameter_count(f.network), sizeof *theta);
        condition_from(&f, "labels");
        to_engine(v, find(f.io, "", "vjp.v"));
        GOOD(sc_run_forward(f.run, f.y, f.x, f.condition));
        GOOD(sc_run_backward(f.run, theta, gx, v));
        below(distance(&f, gx, find(f.io, "", "vjp.gx"), 0, f.n), 1e-4, i, "gradient of x");
        free(v), free(gx), free(theta);
        tear_down(&f);
    }
}

/* ---- activations ---- */

typedef struct {
    const fixture *f;
    char called[256][48]; /* modules so far */
    int seen, calls;
    double worst;
    char name[64];
} activation_watch;

/* Kept in the file: L2 norm, mean, largest, count, first four in the order (n, c, h, w). */
static void see(void *user, const char *module, const float *value, int n, int h, int w, int c)
{
    activation_watch *watch = user;
    char key[80];
    double square = 0, most = 0, sum = 0;
    int64_t count = (int64_t)n * h * w * c;
    int times = 1; /* the second output of a module is its "#2" */
    for (int i = 0; i < watch->calls; i++)
        times += strcmp(watch->called[i], module) == 0;
    assert_true(watch->calls < 256);
    snprintf(watch->called[watch->calls++], sizeof watch->called[0], "%s", module);
    snprintf(key, sizeof key, times > 1 ? "act.%s#%d" : "act.%s", module, times);
    const sc_array *a = find(watch->f->io, "", key);
    if (!a)
        return;
    for (int64_t i = 0; i < count; i++) {
        square += (double)value[i] * value[i];
        sum += (double)value[i];
        most = fmax(most, fabs((double)value[i]));
    }
    double error = fabs(sqrt(square) / at(a, 0) - 1), scale = at(a, 2);
    error = fmax(error, fabs(sum / (double)count - at(a, 1)) / scale);
    error = fmax(error, fabs(most / at(a, 2) - 1));
    for (int i = 0; i < 4 && i < h * w; i++) /* the first pixels of the first channel */
        error = fmax(error, fabs(value[i * c] - at(a, 4 + i)) / scale);
    assert_true((double)count == at(a, 3));
    if (error > watch->worst) {
        watch->worst = error;
        snprintf(watch->name, sizeof watch->name, "activation %s", module);
    }
    watch->seen++;
}

static void activations_agree(void **state)
{
    (void)state;
    need_references();
    for (int i = 0; i < NETWORKS; i++) {
        if (*networks[i].prefix)
            continue;
        fixture f = set_up(i, "", "x");
        static activation_watch watch;
        watch = (activation_watch){.f = &f};
        condition_from(&f, "labels");
        sc_run_observe(f.run, see, &watch);
        GOOD(sc_run_forward(f.run, f.y, f.x, f.condition));
        print_message("%d activations\n", watch.seen);
        if (!find(f.io, "", "act.all_modules.0")) /* of this network none were kept */
            assert_int_equal(watch.seen, 0);
        else
            assert_true(watch.seen > 40);
        below(watch.worst, 1e-5, i, *watch.name ? watch.name : "activations");
        sc_run_observe(f.run, NULL, NULL);
        tear_down(&f);
    }
}

/* ---- gradients of the plain losses ---- */

/* (r s + z) with r the weight of the network's output s in the loss of an image: x = mean x0 +
 * spread z; R is the mean of squares or half their sum. */
typedef struct {
    double mean, spread, weight, sign;
} loss_term;

static loss_term term_of(const sc_network_config *c, double t)
{
    if (c->sde.kind == SC_SDE_VE && c->continuous)
        return (loss_term){1, sc_sde_std(&c->sde, t), sc_sde_std(&c->sde, t), 1};
    if (c->sde.kind == SC_SDE_VE) { /* t is a label: sigmas descend */
        double sigma = c->sde.sigma_max *
                       pow(c->sde.sigma_min / c->sde.sigma_max, t / (c->num_scales - 1));
        return (loss_term){1, sigma, sigma, 1};
    }
    double std = c->continuous ? std_of(c, t) : std_of(c, (t + .5) / (c->num_scales - 1));
    double mean = c->continuous ? sc_sde_mean(&c->sde, t) : sqrt(1 - std * std);
    return (loss_term){mean, std, 1, -1}; /* -output + z */
}

static void loss_gradient(fixture *f, float *gtheta)
{
    const sc_network_config c = networks[f->which].config();
    char key[64], prefix[64];
    bool sum = strcmp(networks[f->which].loss, "ve_disc") == 0;
    int64_t image = f->size / f->n;
    float *z = calloc((size_t)f->size, sizeof *z);
    snprintf(prefix, sizeof prefix, "loss.%s.", networks[f->which].loss);
    snprintf(key, sizeof key, "%s", c.continuous ? "t" : "labels");
    const sc_array *t = find(f->io, prefix, key);
    to_engine(z, find(f->io, prefix, "z"));
    for (int i = 0; i < f->n; i++) {
        loss_term term = term_of(&c, at(t, i));
        for (int64_t j = i * image; j < (i + 1) * image; j++)
            f->x[j] = (float)(term.mean * f->x[j] + term.spread * z[j]);
        f->condition[i] = !c.continuous                  ? at(t, i)
                          : c.sde.kind == SC_SDE_VE ? term.spread
                                                    : 999 * at(t, i);
    }
    GOOD(sc_run_forward(f->run, f->y, f->x, f->condition));
    double value = 0;
    for (int i = 0; i < f->n; i++) {
        loss_term term = term_of(&c, at(t, i));
        for (int64_t j = i * image; j < (i + 1) * image; j++) {
            double slope = term.sign * term.weight, r = slope * f->y[j] + z[j];
            double share = (sum ? .5 : 1. / (double)image) / f->n;
            value += share * r * r;
            f->y[j] = (float)(2 * share * r * slope);
        }
    }
    snprintf(key, sizeof key, "%s.plain.value", sum ? "sum" : "mean");
    below(fabs(value / at(find(f->io, prefix, key), 0) - 1), 1e-5, f->which, "loss");
    GOOD(sc_run_backward(f->run, gtheta, NULL, f->y));
    free(z);
}

/* Tensors whose gradient is zero in exact arithmetic are rounding noise on both sides: an error
 * counts relative to the tensor's norm or to 1e-3 of the largest tensor's. */
static void parameter_gradients_agree(void **state)
{
    (void)state;
    need_references();
    for (int i = 0; i < NETWORKS; i++) {
        if (!networks[i].loss)
            continue;
        fixture f = set_up(i, "loss.", "x0");
        float *g = calloc((size_t)sc_network_parameter_count(f.network), sizeof *g);
        const sc_parameter *p;
        int count = sc_network_parameters(f.network, &p), compared = 0;
        double error[2000], norm[2000], most = 0, worst = 0;
        f.grads = open_file(i, networks[i].grads);
        loss_gradient(&f, g);
        for (int k = 0; k < count; k++) {
            const sc_array *a = find(f.grads, "", p[k].name);
            error[k] = norm[k] = 0;
            assert_true((a != NULL) == !p[k].frozen);
            for (int64_t j = 0; j < p[k].count && a; j++) {
                error[k] += pow(g[p[k].offset + j] - at(a, j), 2);
                norm[k] += pow(at(a, j), 2);
            }
            compared += a != NULL;
            most = fmax(most, norm[k]);
        }
        for (int k = 0; k < count; k++) {
            double own = sqrt(error[k]) / (sqrt(norm[k]) + 1e-3 * sqrt(most));
            worst = own > worst ? own : worst;
        }
        print_message("%d gradients\n", compared);
        below(worst, 1e-4, i, "worst gradient");
        free(g);
        tear_down(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_agree),
        cmocka_unit_test(scores_agree),
        cmocka_unit_test(activations_agree),
        cmocka_unit_test(input_gradients_agree),
        cmocka_unit_test(parameter_gradients_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
