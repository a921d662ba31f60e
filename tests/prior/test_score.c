/* A network as a score model: any image size, any number of threads, the same result. */
#include "base/memory.h"
#include "prior/score.h"
#include "prior/weights.h"
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static char path[64];
static sc_score *score;

static sc_network_config small(void)
{
    sc_network_config config = sc_network_config_default();
    config.nf = 8;
    config.levels = 3;
    for (int i = 0; i < 3; i++)
        config.ch_mult[i] = 1;
    memset(config.attention, 0, sizeof config.attention);
    config.attention_middle = 0;
    return config;
}

static int write_network(const sc_network_config *config, sc_sde sde)
{
    sc_network *network;
    float *theta;
    if (sc_network_create(&network, config) != SC_OK)
        return -1;
    int64_t count = sc_network_parameter_count(network);
    if (SC_ALLOC(&theta, count, "theta") != SC_OK)
        return -1;
    sc_network_initialise(network, theta, 1);
    for (int64_t i = 0; i < count; i++) /* layers that start at 0 shall speak */
        theta[i] += 0.05f * sinf((float)i);
    sc_weights_record record = {.sde = sde, .modality = (char *)"MR"};
    sc_status status = sc_weights_write(path, network, theta, &record);
    sc_free(theta);
    sc_network_free(network);
    return status == SC_OK ? 0 : -1;
}

static int write_prior(void **state)
{
    (void)state;
    sc_network_config config = small();
    strcpy(path, "test_score_XXXXXX");
    int descriptor = mkstemp(path);
    if (descriptor < 0 || close(descriptor) || write_network(&config, sc_sde_ve(0.002, 50)))
        return -1;
    return sc_score_load(&score, path, 1) == SC_OK ? 0 : -1;
}

static int remove_prior(void **state)
{
    (void)state;
    sc_score_free(score);
    return unlink(path);
}

static void fill(float *x, int n, uint32_t step)
{
    sc_random_normal(x, n, (sc_key){11, 0, 0}, SC_DRAW_TEST, step);
}

/* Sizes that are no multiple of 4 are padded by reflection: the result is that of the padded
 * image's middle. */
static void odd_sizes_are_padded_by_reflection(void **state)
{
    (void)state;
    enum { H = 9, W = 14, PH = 12, PW = 16 };
    float x[H * W * 2], d[H * W * 2], padded[PH * PW * 2], dp[PH * PW * 2];
    double sigma = 0.3;
    fill(x, H * W * 2, 0);
    for (int i = 0; i < PH; i++)
        for (int j = 0; j < PW; j++) {
            int y = abs(i - 1), z = abs(j - 1);
            y = y < H ? y : 2 * (H - 1) - y;
            z = z < W ? z : 2 * (W - 1) - z;
            memcpy(padded + (i * PW + j) * 2, x + (y * W + z) * 2, 2 * sizeof *x);
        }
    assert_int_equal(sc_score_denoise(score, d, x, &sigma, 1, H, W), SC_OK);
    assert_int_equal(sc_score_denoise(score, dp, padded, &sigma, 1, PH, PW), SC_OK);
    for (int i = 0; i < H; i++)
        assert_memory_equal(d + i * W * 2, dp + ((i + 1) * PW + 1) * 2, W * 2 * sizeof *d);
    double change = 0;
    for (int i = 0; i < H * W * 2; i++)
        change += fabs(d[i] - x[i]);
    assert_true(change > 0.1);
}

static void a_batch_is_its_images(void **state)
{
    (void)state;
    enum { H = 8, W = 12, N = 3 };
    float x[N * H * W * 2], d[N * H * W * 2], one[H * W * 2];
    const double sigma[N] = {0.02, 0.5, 20};
    fill(x, N * H * W * 2, 1);
    assert_int_equal(sc_score_denoise(score, d, x, sigma, N, H, W), SC_OK);
    for (int i = 0; i < N; i++) {
        assert_int_equal(sc_score_denoise(score, one, x + i * H * W * 2, &sigma[i], 1, H, W),
                         SC_OK);
        assert_memory_equal(one, d + i * H * W * 2, sizeof one);
    }
    float s[N * H * W * 2];
    assert_int_equal(sc_score_evaluate(score, s, x, sigma, N, H, W), SC_OK);
    for (int i = 0; i < N * H * W * 2; i++) {
        double v = sigma[i / (H * W * 2)];
        double expected = (d[i] - x[i]) / (v * v);
        assert_true(fabs(s[i] - expected) <= 1e-4 * (fabs(expected) + 1 / v));
    }
}

typedef struct {
    int size;
    float *x, *d;
    sc_status status;
} job;

static void *work(void *self)
{
    job *j = self;
    double sigma = 0.2;
    for (int i = 0; i < 5 && j->status == SC_OK; i++)
        j->status = sc_score_denoise(score, j->d, j->x, &sigma, 1, j->size, j->size);
    return NULL;
}

static void threads_do_not_disturb_each_other(void **state)
{
    (void)state;
    enum { JOBS = 6, LARGEST = 32 };
    static float x[JOBS][LARGEST * LARGEST * 2], d[JOBS][LARGEST * LARGEST * 2];
    static float alone[LARGEST * LARGEST * 2];
    pthread_t thread[JOBS];
    job jobs[JOBS];
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (job){.size = i % 2 ? 24 : 32, .x = x[i], .d = d[i]};
        fill(x[i], LARGEST * LARGEST * 2, (uint32_t)i + 2);
        assert_int_equal(pthread_create(&thread[i], NULL, work, &jobs[i]), 0);
    }
    for (int i = 0; i < JOBS; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < JOBS; i++) {
        double sigma = 0.2;
        int size = jobs[i].size;
        assert_int_equal(jobs[i].status, SC_OK);
        assert_int_equal(sc_score_denoise(score, alone, x[i], &sigma, 1, size, size), SC_OK);
        assert_memory_equal(alone, d[i], (size_t)(size * size * 2) * sizeof(float));
    }
}

static void cost_is_that_of_the_padded_size(void **state)
{
    (void)state;
    size_t bytes, padded_bytes;
    double flops, padded_flops;
    score->cost(score, &bytes, &flops, 2, 9, 14);
    score->cost(score, &padded_bytes, &padded_flops, 1, 12, 16);
    assert_true(bytes > 0 && flops > 1e5);
    assert_int_equal(bytes, padded_bytes);
    assert_true(flops == 2 * padded_flops);
    assert_string_equal(score->modality, "MR");
    assert_int_equal(strlen(score->hash), 64);
}

/* D of the file is D of its network, whatever it was trained to put out. */
static void published_networks_are_scores_like_any_other(void **state)
{
    (void)state;
    enum { H = 8, W = 12 };
    static const struct {
        sc_sde_kind kind;
        int continuous, fourier, scaled;
    } rows[] = {{SC_SDE_VE, 1, 1, 1}, {SC_SDE_VE, 0, 0, 1}, {SC_SDE_VP, 1, 0, 0},
                {SC_SDE_VP, 0, 0, 0}, {SC_SDE_SUBVP, 1, 0, 0}};
    float x[H * W * 2], d[H * W * 2], own[H * W * 2];
    fill(x, H * W * 2, 7);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        sc_network_config config = small();
        sc_score *published;
        sc_weights weights;
        sc_device *device;
        sc_run *run;
        double sigma = 0.3;
        config.precondition_edm = 0;
        config.sde.kind = rows[i].kind;
        config.continuous = rows[i].continuous;
        config.embedding_fourier = rows[i].fourier;
        config.scale_by_sigma = rows[i].scaled;
        assert_int_equal(write_network(&config, config.sde), 0);
        assert_int_equal(sc_score_load(&published, path, 1), SC_OK);
        assert_int_equal(published->sde.kind, rows[i].kind);
        assert_int_equal(sc_score_denoise(published, d, x, &sigma, 1, H, W), SC_OK);
        assert_int_equal(sc_weights_read(&weights, path), SC_OK);
        assert_int_equal(sc_device_create_cpu(&device, 1), SC_OK);
        assert_int_equal(sc_run_create(&run, weights.network, device, 1, H, W, 0), SC_OK);
        assert_int_equal(sc_run_set_theta(run, weights.theta), SC_OK);
        assert_int_equal(sc_run_denoise(run, own, x, &sigma), SC_OK);
        assert_memory_equal(d, own, sizeof d);
        assert_memory_not_equal(d, x, sizeof d);
        sc_run_free(run);
        sc_device_free(device);
        sc_weights_free(&weights);
        sc_score_free(published);
    }
}

/* J^T v against central differences along a random direction, for a size that is padded, where
 * the pad's and the crop's adjoints matter. One image, or a batch. */
static void derivative_is_that_of_the_denoiser(void **state)
{
    (void)state;
    enum { H = 9, W = 14, SIZE = H * W * 2, N = 2 };
    static float x[N * SIZE], u[SIZE], v[N * SIZE], d[N * SIZE], g[N * SIZE], one[2 * SIZE];
    static float moved[2 * SIZE], shifted[2 * SIZE];
    const double sigma[N] = {0.3, 2};
    const float step = 1e-2f;
    fill(x, N * SIZE, 20);
    fill(v, N * SIZE, 21);
    fill(u, SIZE, 22);
    assert_int_equal(sc_score_denoise_vjp(score, d, g, x, sigma, v, N, H, W), SC_OK);
    for (int k = 0; k < N; k++) {
        const double pair[2] = {sigma[k], sigma[k]};
        double slope = 0, expected = 0, size = 0;
        int at = k * SIZE;
        assert_int_equal(sc_score_denoise_vjp(score, one, one + SIZE, x + at, &sigma[k], v + at, 1,
                                              H, W), SC_OK);
        assert_memory_equal(one, d + at, SIZE * sizeof *d);
        assert_memory_equal(one + SIZE, g + at, SIZE * sizeof *g);
        assert_int_equal(sc_score_denoise(score, one, x + at, &sigma[k], 1, H, W), SC_OK);
        assert_memory_equal(one, d + at, SIZE * sizeof *d);
        for (int i = 0; i < SIZE; i++) {
            moved[i] = x[at + i] + step * u[i];
            moved[SIZE + i] = x[at + i] - step * u[i];
        }
        assert_int_equal(sc_score_denoise(score, shifted, moved, pair, 2, H, W), SC_OK);
        for (int i = 0; i < SIZE; i++) {
            slope += v[at + i] * ((double)shifted[i] - shifted[SIZE + i]) / (2 * (double)step);
            expected += (double)g[at + i] * u[i];
            size += fabs((double)g[at + i] * u[i]);
        }
        print_message("%g, by differences %g, of terms %g\n", expected, slope, size);
        assert_true(fabs(slope - expected) < 1e-3 * size / sqrt(SIZE) * 4);
    }
}

static void missing_and_foreign_files_are_refused(void **state)
{
    (void)state;
    sc_score *none;
    assert_int_equal(sc_score_load(&none, "no such prior", 1), SC_ERR_IO);
    assert_null(none);
    assert_int_equal(sc_score_load(&none, SC_SOURCE_DIR "/CMakeLists.txt", 1), SC_ERR_FORMAT);
    assert_non_null(strstr(sc_message(), "CMakeLists.txt"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(odd_sizes_are_padded_by_reflection),
        cmocka_unit_test(a_batch_is_its_images),
        cmocka_unit_test(threads_do_not_disturb_each_other),
        cmocka_unit_test(cost_is_that_of_the_padded_size),
        cmocka_unit_test(published_networks_are_scores_like_any_other),
        cmocka_unit_test(derivative_is_that_of_the_denoiser),
        cmocka_unit_test(missing_and_foreign_files_are_refused),
    };
    return cmocka_run_group_tests(tests, write_prior, remove_prior);
}
