/* Published losses: closed forms where the network's output is a constant, gradients against finite
 * differences, combinations that are refused, and the recorded trace of six training steps. */
#include "base/file.h"
#include "base/memory.h"
#include "prior/safetensors.h"
#include "prior/score_sde_config.h"
#include "prior/training.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define FOLDER SC_SHARED_DIR "/data/score_sde/"

enum { N = 3, SIZE = 8, PIXELS = SIZE * SIZE, LEVELS = 100 };

#define VE {SC_SDE_VE, 0.01, 5, 0, 0}
#define VP {SC_SDE_VP, 0, 0, 0.1, 20}
#define SUBVP {SC_SDE_SUBVP, 0, 0, 0.1, 20}

/* Every published loss. */
static const struct {
    const char *name;
    sc_loss loss;
} rows[] = {
    {"VE", {SC_LOSS_SCORE, VE, LEVELS, false, false}},
    {"VE, sum", {SC_LOSS_SCORE, VE, LEVELS, true, false}},
    {"VE, likelihood", {SC_LOSS_SCORE, VE, LEVELS, false, true}},
    {"VE, sum, likelihood", {SC_LOSS_SCORE, VE, LEVELS, true, true}},
    {"VP", {SC_LOSS_SCORE, VP, LEVELS, false, false}},
    {"VP, likelihood", {SC_LOSS_SCORE, VP, LEVELS, false, true}},
    {"sub-VP", {SC_LOSS_SCORE, SUBVP, LEVELS, false, false}},
    {"sub-VP, sum, likelihood", {SC_LOSS_SCORE, SUBVP, LEVELS, true, true}},
    {"SMLD", {SC_LOSS_SMLD, VE, LEVELS, false, false}},
    {"SMLD, sum", {SC_LOSS_SMLD, VE, LEVELS, true, false}},
    {"DDPM", {SC_LOSS_DDPM, VP, LEVELS, false, false}},
    {"DDPM, sum", {SC_LOSS_DDPM, VP, LEVELS, true, false}},
};
enum { ROWS = sizeof rows / sizeof *rows };

static bool is_discrete(const sc_loss *loss) { return loss->kind != SC_LOSS_SCORE; }

/* A small network for which the loss is meant. */
static sc_network_config network_for(const sc_loss *loss)
{
    sc_network_config config = sc_network_config_default();
    config.channels = 1;
    config.nf = 8;
    config.levels = 2;
    config.ch_mult[0] = config.ch_mult[1] = 1;
    config.precondition_edm = 0;
    config.sde = (sc_sde){loss->sde.kind, 0.01, 5, 0.1, 20};
    config.num_scales = LEVELS;
    config.continuous = !is_discrete(loss);
    config.scale_by_sigma = loss->sde.kind == SC_SDE_VE;
    config.embedding_fourier = loss->sde.kind == SC_SDE_VE && config.continuous;
    return config;
}

typedef struct {
    sc_device *device;
    sc_network *network;
    sc_run *run;
    float *theta, *gradient;
    int64_t count;
    float x0[N * PIXELS], z[N * PIXELS];
    double time[N];
} rig;

static sc_loss_batch batch_of(const rig *r)
{
    return (sc_loss_batch){.n = N, .h = SIZE, .w = SIZE, .x0 = r->x0, .z = r->z, .time = r->time};
}

static void open_rig(rig *r, const sc_loss *loss)
{
    const sc_network_config config = network_for(loss);
    *r = (rig){0};
    assert_int_equal(sc_device_create_cpu(&r->device, 1), SC_OK);
    if (sc_network_create(&r->network, &config) != SC_OK)
        fail_msg("%s", sc_message());
    r->count = sc_network_parameter_count(r->network);
    assert_int_equal(SC_ALLOC(&r->theta, r->count, "theta"), SC_OK);
    assert_int_equal(SC_ALLOC(&r->gradient, r->count, "gradient"), SC_OK);
    assert_int_equal(sc_run_create(&r->run, r->network, r->device, N, SIZE, SIZE, 1), SC_OK);
    sc_random_normal(r->x0, N * PIXELS, (sc_key){1, 0, 0}, SC_DRAW_TEST, 0);
    sc_random_normal(r->z, N * PIXELS, (sc_key){2, 0, 0}, SC_DRAW_TEST, 0);
    for (int i = 0; i < N; i++)
        r->time[i] = is_discrete(loss) ? 7 + 40 * i : 0.1 + 0.4 * i;
}

static void close_rig(rig *r)
{
    sc_run_free(r->run);
    sc_network_free(r->network);
    sc_free(r->theta);
    sc_free(r->gradient);
    sc_device_free(r->device);
}

static double loss_at(rig *r, const sc_loss *loss, float *gradient)
{
    double value;
    sc_loss_batch batch = batch_of(r);
    assert_int_equal(sc_run_set_theta(r->run, r->theta), SC_OK);
    if (sc_loss_evaluate(&value, NULL, gradient, loss, r->network, r->run, &batch) != SC_OK)
        fail_msg("%s", sc_message());
    return value;
}

/* All weights 0 but the last bias, c: F = c everywhere, so that r = std c + z up to the row's own
 * factors: c + z for VE (F is divided by sigma), z - c for VP and sub-VP, c - z for DDPM. */
static void constant_output_has_the_loss_of_the_formula(void **state)
{
    (void)state;
    const double c = 0.3;
    for (int k = 0; k < ROWS; k++) {
        rig r;
        const sc_loss *loss = &rows[k].loss;
        open_rig(&r, loss);
        r.theta[r.count - 1] = (float)c;
        double sign = loss->sde.kind == SC_SDE_VE ? 1 : -1, expected = 0;
        for (int i = 0; i < N; i++) {
            double sum = 0, t = r.time[i], weight = 1;
            double g = sc_sde_diffusion(&loss->sde, t), std = sc_sde_std(&loss->sde, t);
            for (int j = 0; j < PIXELS; j++)
                sum += pow(r.z[i * PIXELS + j] + sign * c, 2);
            if (loss->likelihood)
                weight = g * g / (std * std);
            expected += weight * sum * (loss->sum ? 0.5 : 1.0 / PIXELS) / N;
        }
        double found = loss_at(&r, loss, NULL);
        print_message("%s: %.9g, expected %.9g\n", rows[k].name, found, expected);
        assert_true(fabs(found - expected) < 1e-5 * expected);
        close_rig(&r);
    }
}

/* Along the gradient itself: L(theta + e g) - L(theta - e g) = 2 e |g|^2 to second order. */
static void gradients_are_those_of_the_values(void **state)
{
    (void)state;
    for (int k = 0; k < ROWS; k++) {
        rig r;
        const sc_loss *loss = &rows[k].loss;
        double value[2], square = 0;
        open_rig(&r, loss);
        sc_random_normal(r.theta, r.count, (sc_key){3, 0, (uint32_t)k}, SC_DRAW_TEST, 0);
        for (int64_t i = 0; i < r.count; i++)
            r.theta[i] *= 0.2f;
        double middle = loss_at(&r, loss, r.gradient);
        for (int64_t i = 0; i < r.count; i++)
            square += (double)r.gradient[i] * r.gradient[i];
        double e = 2e-3 * middle / square;
        for (int side = 0; side < 2; side++) {
            for (int64_t i = 0; i < r.count; i++)
                r.theta[i] += (float)((side ? -2 : 1) * e * r.gradient[i]);
            value[side] = loss_at(&r, loss, NULL);
        }
        double ratio = (value[0] - value[1]) / (2 * e * square);
        print_message("%s: loss %g, finite difference / gradient %.5f\n", rows[k].name, middle,
                      ratio);
        assert_true(fabs(ratio - 1) < 5e-3);
        close_rig(&r);
    }
}

static void each_image_has_its_loss_and_their_mean_is_the_value(void **state)
{
    (void)state;
    rig r;
    double value, each[N], mean = 0;
    open_rig(&r, &rows[4].loss);
    sc_loss_batch batch = batch_of(&r);
    sc_network_initialise(r.network, r.theta, 1);
    assert_int_equal(sc_run_set_theta(r.run, r.theta), SC_OK);
    assert_int_equal(sc_loss_evaluate(&value, each, NULL, &rows[4].loss, r.network, r.run, &batch),
                     SC_OK);
    for (int i = 0; i < N; i++)
        mean += each[i] / N;
    assert_true(fabs(mean - value) < 1e-12 * value);
    r.time[1] = 1.5;
    assert_int_equal(sc_loss_evaluate(&value, each, NULL, &rows[4].loss, r.network, r.run, &batch),
                     SC_ERR_INPUT);
    assert_non_null(strstr(sc_message(), "image 1 has the time 1.5"));
    close_rig(&r);
}

static void what_does_not_go_together_is_refused(void **state)
{
    (void)state;
    const struct {
        sc_loss loss;
        int network; /* row whose network it is to train */
        const char *message;
    } wrong[] = {
        {{SC_LOSS_SMLD, VP, LEVELS, false, false}, 10, "smld is not for the SDE vp"},
        {{SC_LOSS_DDPM, SUBVP, LEVELS, false, false}, 6, "ddpm is not for the SDE subvp"},
        {{SC_LOSS_DENOISER, VP, LEVELS, false, false}, 4, "denoiser is not for the SDE vp"},
        {{SC_LOSS_DDPM, VP, LEVELS, false, true}, 10, "ddpm has no likelihood weighting"},
        {{SC_LOSS_DENOISER, VE, LEVELS, true, false}, 0, "expected reduce mean"},
        {{SC_LOSS_SCORE, VP, LEVELS, false, false}, 6, "says subvp"},
        {{SC_LOSS_SCORE, VE, LEVELS, false, false}, 8, "expected continuous 1"},
        {{SC_LOSS_SMLD, VE, LEVELS, false, false}, 0, "expected continuous 0"},
        {{SC_LOSS_DDPM, VP, LEVELS + 1, false, false}, 10, "num_scales 100"},
        {{SC_LOSS_SCORE, {SC_SDE_VE, 5, 0.01, 0, 0}, LEVELS, false, false}, 0, "sigma-min"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        sc_network_config config = network_for(&rows[wrong[i].network].loss);
        assert_int_equal(sc_loss_check(&wrong[i].loss, &config), SC_ERR_USAGE);
        if (!strstr(sc_message(), wrong[i].message))
            fail_msg("'%s' does not say '%s'", sc_message(), wrong[i].message);
    }
    sc_network_config edm = sc_network_config_default();
    edm.sde = rows[0].loss.sde;
    assert_int_equal(sc_loss_check(&rows[0].loss, &edm), SC_ERR_USAGE);
    assert_non_null(strstr(sc_message(), "precondition_edm 0"));
    for (int k = 0; k < ROWS; k++) {
        sc_network_config config = network_for(&rows[k].loss);
        if (sc_loss_check(&rows[k].loss, &config) != SC_OK)
            fail_msg("%s: %s", rows[k].name, sc_message());
    }
}

/* ---- the recorded trace ---- */

static const float *tensor(const sc_safetensors *file, const char *name)
{
    const sc_safetensor *t = sc_safetensors_find(file, name);
    if (!t)
        fail_msg("no tensor %s", name);
    return t->array.data;
}

static void copy_weights(float *theta, const sc_network *network, const sc_safetensors *file,
                         const char *prefix)
{
    const sc_parameter *p;
    int parameters = sc_network_parameters(network, &p);
    for (int i = 0; i < parameters; i++) {
        char name[128];
        snprintf(name, sizeof name, "%s.%s", prefix, p[i].name);
        memcpy(theta + p[i].offset, tensor(file, name), (size_t)p[i].count * sizeof *theta);
    }
}

static double distance(const float *a, const float *b, int64_t n)
{
    double difference = 0, size = 0;
    for (int64_t i = 0; i < n; i++) {
        difference += pow((double)a[i] - b[i], 2);
        size += (double)b[i] * b[i];
    }
    return sqrt(difference / size);
}

static sc_options trace_options(void)
{
    sc_options o = sc_options_default(sc_training_options);
    const char *const values[][2] = {
        {"loss", "score"}, {"reduce", "mean"}, {"batch", "4"}, {"part", "4"}, {"crop", "16"},
        {"lr", "2e-3"}, {"warmup", "4"}, {"warmup-from", "zero"}, {"decay", "0"}, {"clip", "1"}};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        assert_int_equal(sc_options_set(&o, values[i][0], values[i][1]), SC_OK);
    return o;
}

static void six_steps_are_those_of_the_published_code(void **state)
{
    (void)state;
    char key[64];
    if (!sc_path_exists(FOLDER "tiny_train.safetensors")) {
        print_message("skipped: there is no " FOLDER "\n");
        skip();
    }
    sc_safetensors *file;
    sc_score_sde_config config;
    sc_device *device;
    sc_network *network;
    sc_training *t;
    float *theta;
    sc_options o = trace_options();
    assert_int_equal(sc_safetensors_read(&file, FOLDER "tiny_train.safetensors", 1 << 24), SC_OK);
    if (sc_score_sde_config_read(&config, FOLDER "tiny_ve.config.json") != SC_OK)
        fail_msg("%s", sc_message());
    assert_int_equal(sc_device_create_cpu(&device, 1), SC_OK);
    assert_int_equal(sc_network_create(&network, &config.network), SC_OK);
    if (sc_training_create(&t, &config.network, &o, NULL, NULL, device) != SC_OK)
        fail_msg("%s", sc_message());
    int64_t count = sc_network_parameter_count(network);
    assert_int_equal(SC_ALLOC(&theta, count, "theta"), SC_OK);
    copy_weights(theta, network, file, "init");
    sc_training_set_theta(t, theta);
    double rate[6];
    memcpy(rate, tensor(file, "lr"), sizeof rate);
    for (int k = 0; k < 6; k++) {
        double time[4];
        snprintf(key, sizeof key, "step%d.t", k);
        for (int i = 0; i < 4; i++)
            time[i] = (double)tensor(file, key)[i];
        snprintf(key, sizeof key, "step%d.x0", k);
        sc_loss_batch batch = {.n = 4, .h = 16, .w = 16, .time = time, .x0 = tensor(file, key)};
        snprintf(key, sizeof key, "step%d.z", k);
        batch.z = tensor(file, key);
        if (sc_training_step_given(t, &batch) != SC_OK)
            fail_msg("%s", sc_message());
        const sc_training_state *s = sc_training_current(t);
        double loss = (double)tensor(file, "losses")[k];
        double norm = (double)tensor(file, "grad_norms_before_clip")[k];
        print_message("step %d: loss %.7f (off by %.1e), gradient norm off by %.1e\n", k, s->loss,
                      fabs(s->loss / loss - 1), fabs(s->gradient_norm / norm - 1));
        assert_true(fabs(s->loss / loss - 1) < 1e-5);
        assert_true(fabs(s->gradient_norm / norm - 1) < 1e-4);
        assert_true(fabs(s->rate - rate[k]) <= 1e-12);
    }
    copy_weights(theta, network, file, "final");
    double off = distance(sc_training_theta(t), theta, count);
    print_message("final weights off by %.1e\n", off);
    assert_true(off < 1e-4);
    sc_free(theta);
    sc_training_free(t);
    sc_network_free(network);
    sc_device_free(device);
    sc_safetensors_free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constant_output_has_the_loss_of_the_formula),
        cmocka_unit_test(gradients_are_those_of_the_values),
        cmocka_unit_test(each_image_has_its_loss_and_their_mean_is_the_value),
        cmocka_unit_test(what_does_not_go_together_is_refused),
        cmocka_unit_test(six_steps_are_those_of_the_published_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
