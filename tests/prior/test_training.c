/* Training: resumed runs give the same bytes, the loss falls, damage is seen, errors are said. */
#include "base/file.h"
#include "base/memory.h"
#include "prior/adam.h"
#include "prior/safetensors.h"
#include "prior/training.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum { SIZE = 20, IMAGES = 4 };

static char folder[32], checkpoint[64], weights[64];
static sc_device *device;
static float pixels[IMAGES][SIZE * SIZE];

static sc_status get(void *self, sc_array *image, int index)
{
    (void)self;
    *image = sc_array_view(SC_F32, 2, (int64_t[]){SIZE, SIZE}, pixels[index]);
    return SC_OK;
}

static const char *name(void *self, int index) { return (void)self, index % 2 ? "odd" : "even"; }

static sc_image_source source = {.count = IMAGES, .get = get, .name = name};

/* Discs of different brightness. */
static int set_up(void **state)
{
    (void)state;
    for (int k = 0; k < IMAGES; k++)
        for (int i = 0; i < SIZE * SIZE; i++)
            pixels[k][i] = hypot(i / SIZE - 10, i % SIZE - 9) < 5 + k ? (float)(50 + 10 * k) : 1;
    strcpy(folder, "test_training_XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(checkpoint, sizeof checkpoint, "%s/run.ckpt", folder);
    snprintf(weights, sizeof weights, "%s/prior.safetensors", folder);
    return sc_device_create_cpu(&device, 1) == SC_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char command[64]; /* temporary files of killed runs are there, too */
    snprintf(command, sizeof command, "rm -rf %s", folder);
    sc_device_free(device);
    return system(command);
}

static sc_options options(void)
{
    sc_options o = sc_options_default(sc_training_options);
    const char *const values[][2] = {{"batch", "4"}, {"part", "2"}, {"crop", "16"}, {"warmup", "2"},
                                     {"images", "1000"}, {"lr", "0.003"}};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        assert_int_equal(sc_options_set(&o, values[i][0], values[i][1]), SC_OK);
    return o;
}

static sc_network_config tiny(void)
{
    sc_network_config config = sc_network_config_default();
    config.nf = 8;
    config.levels = 2;
    config.ch_mult[0] = config.ch_mult[1] = 1;
    config.num_res_blocks = 1;
    return config;
}

static sc_training *begin(const sc_options *o)
{
    sc_training *t;
    sc_network_config config = tiny();
    sc_status status = sc_training_create(&t, &config, o, &source, &source, device);
    if (status != SC_OK)
        fail_msg("%s", sc_message());
    return t;
}

static void steps(sc_training *t, int n)
{
    for (int i = 0; i < n; i++)
        if (sc_training_step(t) != SC_OK)
            fail_msg("%s", sc_message());
}

static const sc_training_about about = {
    .modality = "MR", .anatomy = "brain", .licence = "CC0", .data = "discs", .command = "test",
    .program = "program"};

static void hash_of(char hash[65], const sc_training *t)
{
    sc_validation validation;
    assert_int_equal(sc_training_validate((sc_training *)t, &validation), SC_OK);
    assert_int_equal(sc_training_export(t, weights, &about, &validation), SC_OK);
    assert_int_equal(sc_file_sha256(hash, weights), SC_OK);
}

static void resumed_run_gives_the_same_bytes(void **state)
{
    (void)state;
    sc_options o = options();
    char straight[65], resumed[65], straight_state[65], resumed_state[65];
    sc_training *t = begin(&o);
    steps(t, 6);
    hash_of(straight, t);
    assert_int_equal(sc_training_save(t, checkpoint), SC_OK);
    assert_int_equal(sc_file_sha256(straight_state, checkpoint), SC_OK);
    sc_training_free(t);

    t = begin(&o);
    steps(t, 3);
    assert_int_equal(sc_training_save(t, checkpoint), SC_OK);
    steps(t, 1); /* lost */
    sc_training_free(t);
    t = begin(&o);
    assert_int_equal(sc_training_load(t, checkpoint), SC_OK);
    assert_int_equal(sc_training_current(t)->step, 3);
    steps(t, 3);
    hash_of(resumed, t);
    assert_int_equal(sc_training_save(t, checkpoint), SC_OK);
    assert_int_equal(sc_file_sha256(resumed_state, checkpoint), SC_OK);
    sc_training_free(t);
    assert_string_equal(straight, resumed);
    assert_string_equal(straight_state, resumed_state);
}

static void threads_do_not_change_the_weights(void **state)
{
    (void)state;
    sc_device *one = device;
    char hash[3][65];
    for (int threads = 1; threads <= 3; threads++) {
        sc_options o = options();
        assert_int_equal(sc_options_set(&o, "batch", "8"), SC_OK);
        assert_int_equal(sc_device_create_cpu(&device, threads), SC_OK);
        sc_training *t = begin(&o);
        steps(t, 4);
        hash_of(hash[threads - 1], t);
        sc_training_free(t);
        sc_device_free(device);
    }
    device = one;
    assert_string_equal(hash[0], hash[1]);
    assert_string_equal(hash[0], hash[2]);
}

/* Its draws are functions of (seed, step, item), too. */
static void dropout_is_drawn_alike_on_any_number_of_threads(void **state)
{
    (void)state;
    sc_device *one = device;
    sc_network_config config = tiny();
    sc_options o = options();
    double loss[3][3];
    for (int k = 0; k < 3; k++) { /* no dropout; with it on one thread, and on two */
        sc_training *t;
        config.dropout = k ? 0.4 : 0;
        assert_int_equal(sc_device_create_cpu(&device, k == 2 ? 2 : 1), SC_OK);
        assert_int_equal(sc_training_create(&t, &config, &o, &source, NULL, device), SC_OK);
        for (int i = 0; i < 3; i++) {
            steps(t, 1);
            loss[k][i] = sc_training_current(t)->loss;
        }
        sc_training_free(t);
        sc_device_free(device);
    }
    device = one;
    assert_memory_equal(loss[1], loss[2], sizeof loss[1]);
    assert_true(loss[0][1] != loss[1][1] && loss[1][1] != loss[1][2]);
}

static void loss_falls(void **state)
{
    (void)state;
    sc_options o = options();
    sc_validation before, after;
    sc_training *t = begin(&o);
    assert_int_equal(sc_training_validate(t, &before), SC_OK);
    steps(t, 300);
    assert_int_equal(sc_training_validate(t, &after), SC_OK);
    assert_int_equal(after.images, IMAGES);
    print_message("loss %g, after 300 updates %g\n", before.loss, after.loss);
    assert_true(isfinite(before.loss) && after.loss < 0.85 * before.loss);
    for (int level = 2; level < SC_VALIDATION_LEVELS; level++)
        assert_true(after.rmse[level] < before.rmse[level]);
    sc_training_free(t);
}

/* EDM's weight makes the loss of D = c_skip x (a network of output 0) at most about
 * (image power / sigma_data^2 + 1) at every level. */
static void weight_is_that_of_the_preconditioning(void **state)
{
    (void)state;
    sc_options o = options();
    sc_training *t = begin(&o);
    sc_validation v;
    double sum = 0;
    assert_int_equal(sc_training_validate(t, &v), SC_OK);
    for (int i = 0; i < SC_VALIDATION_LEVELS; i++) {
        double s = sc_validation_sigma[i], mse = v.rmse[i] * v.rmse[i] * s * s;
        sum += (1 / (s * s) + 1 / (tiny().sigma_data * tiny().sigma_data)) * mse;
    }
    assert_true(fabs(sum / SC_VALIDATION_LEVELS - v.loss) < 1e-9 * v.loss);
    sc_training_free(t);
}

static void other_seed_data_or_network_is_not_resumed(void **state)
{
    (void)state;
    sc_options o = options();
    sc_training *t = begin(&o);
    steps(t, 1);
    assert_int_equal(sc_training_save(t, checkpoint), SC_OK);
    sc_training_free(t);

    sc_options other = o;
    assert_int_equal(sc_options_set(&other, "seed", "2"), SC_OK);
    t = begin(&other);
    assert_int_equal(sc_training_load(t, checkpoint), SC_ERR_INPUT);
    assert_non_null(strstr(sc_message(), "seed"));
    sc_training_free(t);

    pixels[2][7] += 1;
    t = begin(&o);
    assert_int_equal(sc_training_load(t, checkpoint), SC_ERR_INPUT);
    assert_non_null(strstr(sc_message(), "fingerprint"));
    sc_training_free(t);
    pixels[2][7] -= 1;

    sc_network_config config = tiny();
    config.nf = 16;
    assert_int_equal(sc_training_create(&t, &config, &o, &source, NULL, device), SC_OK);
    assert_int_equal(sc_training_load(t, checkpoint), SC_ERR_INPUT);
    assert_non_null(strstr(sc_message(), "network"));
    sc_training_free(t);
}

static void cut_checkpoint_is_refused(void **state)
{
    (void)state;
    sc_options o = options();
    sc_training *t = begin(&o);
    void *data;
    size_t bytes;
    assert_int_equal(sc_training_save(t, checkpoint), SC_OK);
    assert_int_equal(sc_file_read(&data, &bytes, checkpoint, 1 << 28), SC_OK);
    assert_int_equal(sc_file_write(checkpoint, data, bytes / 2), SC_OK);
    assert_int_equal(sc_training_load(t, checkpoint), SC_ERR_FORMAT);
    assert_non_null(strstr(sc_message(), checkpoint));
    steps(t, 1);
    sc_free(data);
    sc_training_free(t);
}

/* A training whose weights are poisoned stops, and leaves its good checkpoint alone. */
static void divergence_stops_the_run_and_keeps_the_checkpoint(void **state)
{
    (void)state;
    sc_options o = options();
    char before[65], after[65];
    sc_training *t = begin(&o);
    assert_int_equal(sc_training_save(t, checkpoint), SC_OK);
    assert_int_equal(sc_file_sha256(before, checkpoint), SC_OK);
    sc_training_free(t);
    assert_int_equal(sc_options_set(&o, "lr", "1"), SC_OK);
    assert_int_equal(sc_options_set(&o, "clip", "1e9"), SC_OK);
    t = begin(&o);
    float kept = pixels[0][0];
    pixels[0][0] = pixels[1][0] = pixels[2][0] = pixels[3][0] = NAN; /* after the first look */
    const sc_training_plan plan = {.checkpoint = checkpoint, .about = &about,
                                   .checkpoint_minutes = 1e6};
    sc_status status = sc_training_run(t, &plan);
    pixels[0][0] = pixels[1][0] = pixels[2][0] = pixels[3][0] = kept;
    assert_int_equal(status, SC_ERR_NUMERIC);
    assert_non_null(strstr(sc_message(), checkpoint));
    assert_non_null(strstr(sc_message(), "update 1: "));
    assert_true(strstr(sc_message(), "image odd at sigma") ||
                strstr(sc_message(), "image even at sigma"));
    assert_non_null(strstr(sc_message(), "its pixels are not finite"));
    assert_int_equal(sc_file_sha256(after, checkpoint), SC_OK);
    assert_string_equal(before, after);
    sc_training_free(t);
}

/* Good pixels, weights beyond float32's range of squares. */
static void diverged_weights_are_told_from_bad_pixels(void **state)
{
    (void)state;
    sc_options o = options();
    sc_training *t = begin(&o);
    float *theta;
    const sc_network_config config = tiny();
    sc_network *network;
    assert_int_equal(sc_network_create(&network, &config), SC_OK);
    int64_t n = sc_network_parameter_count(network);
    assert_int_equal(SC_ALLOC(&theta, n, "theta"), SC_OK);
    for (int64_t i = 0; i < n; i++)
        theta[i] = 1e30f;
    sc_training_set_theta(t, theta);
    assert_int_equal(sc_training_step(t), SC_ERR_NUMERIC);
    assert_non_null(strstr(sc_message(), "lower the learning rate"));
    assert_non_null(strstr(sc_message(), "learning rate 0.0015"));
    assert_int_equal(sc_training_current(t)->step, 0);
    assert_memory_equal(sc_training_theta(t), theta, (size_t)n * sizeof *theta);
    sc_free(theta);
    sc_network_free(network);
    sc_training_free(t);
}

static void samples_come_from_the_averaged_weights(void **state)
{
    (void)state;
    sc_options o = options();
    sc_training *t = begin(&o);
    int channels, size = sc_training_sample_size(t, &channels);
    float a[16 * 16 * 2], b[16 * 16 * 2];
    assert_true(size == 16 && channels == 2);
    assert_int_equal(sc_training_sample(t, a, 4, (sc_key){1, 0, 0}), SC_OK);
    steps(t, 2);
    assert_int_equal(sc_training_sample(t, b, 4, (sc_key){1, 0, 0}), SC_OK);
    assert_memory_not_equal(a, b, sizeof a);
    for (int i = 0; i < 16 * 16 * 2; i++)
        assert_true(isfinite(a[i]) && isfinite(b[i]));
    sc_training_free(t);
}

static bool stop_at_once(void *self) { return (void)self, true; }

static void cancelling_keeps_what_is_done(void **state)
{
    (void)state;
    sc_options o = options();
    const sc_progress progress = {.cancelled = stop_at_once};
    const sc_training_plan plan = {.checkpoint = checkpoint, .weights = weights, .about = &about,
                                   .checkpoint_minutes = 1e6, .progress = &progress};
    unlink(checkpoint);
    sc_training *t = begin(&o);
    assert_int_equal(sc_training_run(t, &plan), SC_ERR_CANCELLED);
    sc_training_free(t);
    t = begin(&o);
    assert_int_equal(sc_training_load(t, checkpoint), SC_OK);
    assert_int_equal(sc_training_current(t)->step, 1);
    sc_training_free(t);
}

/* kill -9 at random moments of a run that writes a checkpoint after each step: what is there is
 * whole. */
static void killed_runs_leave_whole_files(void **state)
{
    (void)state;
    sc_options o = options();
    const sc_training_plan plan = {.checkpoint = checkpoint, .weights = weights, .about = &about};
    unlink(checkpoint);
    unlink(weights);
    for (int trial = 0; trial < 6; trial++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            sc_training *t = begin(&o);
            if (sc_path_exists(checkpoint) && sc_training_load(t, checkpoint) != SC_OK)
                _exit(1);
            _exit(sc_training_run(t, &plan) == SC_OK ? 0 : 2);
        }
        usleep((useconds_t)(150000 + 37000 * trial));
        kill(child, SIGKILL);
        int result;
        waitpid(child, &result, 0);
        assert_true(WIFSIGNALED(result) || WEXITSTATUS(result) == 0);
        sc_training *t = begin(&o);
        if (sc_path_exists(checkpoint) && sc_training_load(t, checkpoint) != SC_OK)
            fail_msg("%s", sc_message());
        sc_training_free(t);
        sc_weights w = {0};
        if (sc_path_exists(weights) && sc_weights_read(&w, weights) != SC_OK)
            fail_msg("%s", sc_message());
        sc_weights_free(&w);
    }
}

static void weights_start_another_run(void **state)
{
    (void)state;
    sc_options o = options();
    char first[65], second[65];
    sc_training *t = begin(&o);
    steps(t, 2);
    assert_int_equal(sc_training_export(t, weights, &about, NULL), SC_OK);
    assert_int_equal(sc_file_sha256(first, weights), SC_OK);
    sc_training_free(t);
    t = begin(&o);
    assert_int_equal(sc_training_start_from(t, weights), SC_OK);
    sc_weights w;
    assert_int_equal(sc_training_export(t, weights, &about, NULL), SC_OK);
    assert_int_equal(sc_weights_read(&w, weights), SC_OK);
    assert_string_equal(w.record.data, "discs");
    assert_non_null(strstr(w.record.training, "\"steps\":0"));
    memcpy(second, w.hash, sizeof second);
    assert_string_not_equal(first, second); /* the record differs */
    sc_weights_free(&w);
    sc_training_free(t);
}

static void wrong_options_are_refused(void **state)
{
    (void)state;
    sc_options o = options();
    sc_training *t;
    sc_network_config config = tiny();
    assert_int_equal(sc_options_set(&o, "crop", "17"), SC_OK);
    assert_int_equal(sc_training_create(&t, &config, &o, &source, NULL, device), SC_ERR_USAGE);
    assert_non_null(strstr(sc_message(), "crop"));
    assert_null(t);
    o = options();
    sc_image_source none = {.count = 0};
    assert_int_equal(sc_training_create(&t, &config, &o, &none, NULL, device), SC_ERR_INPUT);
    pixels[1][3] = NAN;
    assert_int_equal(sc_training_create(&t, &config, &o, &source, NULL, device), SC_ERR_INPUT);
    assert_non_null(strstr(sc_message(), "odd"));
    pixels[1][3] = 1;
    assert_int_equal(sc_options_set(&o, "loss", "score"), SC_OK);
    assert_int_equal(sc_options_set(&o, "sigma-max", "10"), SC_OK);
    assert_int_equal(sc_training_create(&t, &config, &o, &source, NULL, device), SC_ERR_USAGE);
    assert_non_null(strstr(sc_message(), "sigma-max"));
}

/* So that the file says one thing: a published network that trains as a denoiser has its own SDE. */
static void the_record_has_the_sde_of_the_network(void **state)
{
    (void)state;
    sc_options o = options();
    sc_network_config config = tiny();
    sc_training *t;
    config.precondition_edm = 0;
    config.sde.sigma_max = 30;
    sc_loss loss = sc_training_loss_of(&o, &config);
    assert_true(loss.sde.kind == SC_SDE_VE && loss.sde.sigma_max == 30);
    assert_int_equal(sc_training_create(&t, &config, &o, &source, NULL, device), SC_OK);
    sc_training_free(t);
    assert_int_equal(sc_options_set(&o, "sigma-min", "0.005"), SC_OK);
    assert_int_equal(sc_training_create(&t, &config, &o, &source, NULL, device), SC_ERR_USAGE);
    assert_non_null(strstr(sc_message(), "option sigma-min is for networks with EDM"));
    config.precondition_edm = 1;
    loss = sc_training_loss_of(&o, &config);
    assert_true(loss.sde.sigma_min == 0.005 && loss.sde.sigma_max == 50);
    o = options();
    config.precondition_edm = config.embedding_fourier = config.scale_by_sigma = 0;
    config.sde.kind = SC_SDE_VP;
    assert_int_equal(sc_training_create(&t, &config, &o, &source, NULL, device), SC_ERR_USAGE);
    assert_non_null(strstr(sc_message(), "loss denoiser is not for the SDE vp"));
}

static sc_status get_complex(void *self, sc_array *image, int index)
{
    (void)self;
    *image = sc_array_view(SC_C32, 2, (int64_t[]){SIZE, SIZE / 2}, pixels[index]);
    return SC_OK;
}

static void networks_that_images_do_not_fit_are_refused(void **state)
{
    (void)state;
    sc_options o = options();
    sc_training *t;
    sc_network_config config = tiny();
    sc_image_source with_phase = source;
    with_phase.get = get_complex;
    assert_int_equal(sc_training_create(&t, &config, &o, &with_phase, NULL, device), SC_OK);
    sc_training_free(t);
    config.channels = 1;
    assert_int_equal(sc_training_create(&t, &config, &o, &with_phase, NULL, device), SC_ERR_INPUT);
    assert_non_null(strstr(sc_message(), "complex"));
    config.channels = 3;
    assert_int_equal(sc_training_create(&t, &config, &o, &source, NULL, device), SC_ERR_USAGE);
    assert_non_null(strstr(sc_message(), "has 3"));
}

/* One parameter, by hand: the first update of Adam is rate * sign(g), and EMA follows. */
static void adam_takes_the_known_first_steps(void **state)
{
    (void)state;
    float theta = 1, ema = 1, m = 0, v = 0, g = 0.5f;
    sc_adam adam = {.rate = 0.1, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .scale = 1,
                    .ema_decay = 0.75, .step = 1};
    sc_adam_update(&theta, &ema, &m, &v, &g, 1, &adam);
    assert_true(fabsf(theta - 0.9f) < 1e-6f);
    assert_true(fabsf(ema - 0.975f) < 1e-6f);
    g = -0.5f;
    adam.step = 2; /* m^ = (0.09 - 0.1) 0.5 / 0.19, v^ = 0.25 */
    sc_adam_update(&theta, &ema, &m, &v, &g, 1, &adam);
    assert_true(fabs(theta - (0.9 + 0.1 * 0.01 / 0.19)) < 1e-6);
    float many[37];
    for (int i = 0; i < 37; i++)
        many[i] = 2;
    assert_true(sc_squared_norm(many, 37) == 148);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adam_takes_the_known_first_steps),
        cmocka_unit_test(resumed_run_gives_the_same_bytes),
        cmocka_unit_test(threads_do_not_change_the_weights),
        cmocka_unit_test(dropout_is_drawn_alike_on_any_number_of_threads),
        cmocka_unit_test(loss_falls),
        cmocka_unit_test(weight_is_that_of_the_preconditioning),
        cmocka_unit_test(other_seed_data_or_network_is_not_resumed),
        cmocka_unit_test(cut_checkpoint_is_refused),
        cmocka_unit_test(divergence_stops_the_run_and_keeps_the_checkpoint),
        cmocka_unit_test(diverged_weights_are_told_from_bad_pixels),
        cmocka_unit_test(samples_come_from_the_averaged_weights),
        cmocka_unit_test(cancelling_keeps_what_is_done),
        cmocka_unit_test(killed_runs_leave_whole_files),
        cmocka_unit_test(weights_start_another_run),
        cmocka_unit_test(wrong_options_are_refused),
        cmocka_unit_test(the_record_has_the_sde_of_the_network),
        cmocka_unit_test(networks_that_images_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
