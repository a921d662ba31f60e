/* Runs of a network are planned once for each thread that asks and each way of asking (forward,
 * with gradient), then kept: with any number of threads.
 *
 * Linked with --wrap, so that every plan passes here, and every evaluation waits for those of all
 * other threads: all hold a run at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/memory.h"
#include "prior/score.h"
#include "prior/weights.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIZE = 8, THREADS = 12, ROUNDS = 4 };

static char path[64];
static atomic_int plans;
static pthread_barrier_t all;

sc_status __real_sc_run_create(sc_run **run, const sc_network *network, const sc_device *device,
                               int n, int h, int w, int backward);
sc_status __wrap_sc_run_create(sc_run **run, const sc_network *network, const sc_device *device,
                               int n, int h, int w, int backward);

sc_status __wrap_sc_run_create(sc_run **run, const sc_network *network, const sc_device *device,
                               int n, int h, int w, int backward)
{
    plans++;
    return __real_sc_run_create(run, network, device, n, h, w, backward);
}

sc_status __real_sc_run_denoise(sc_run *run, float *d, const float *x, const double *sigma);
sc_status __wrap_sc_run_denoise(sc_run *run, float *d, const float *x, const double *sigma);

sc_status __wrap_sc_run_denoise(sc_run *run, float *d, const float *x, const double *sigma)
{
    pthread_barrier_wait(&all);
    return __real_sc_run_denoise(run, d, x, sigma);
}

static int write_prior(void **state)
{
    (void)state;
    sc_network_config config = sc_network_config_default();
    sc_network *network;
    float *theta;
    config.nf = 8, config.levels = 1, config.ch_mult[0] = 1;
    strcpy(path, "test_network_pool_XXXXXX");
    int descriptor = mkstemp(path);
    if (descriptor < 0 || close(descriptor) || sc_network_create(&network, &config) != SC_OK)
        return -1;
    if (SC_ALLOC(&theta, sc_network_parameter_count(network), "theta") != SC_OK)
        return -1;
    sc_network_initialise(network, theta, 1);
    sc_weights_record record = {.sde = sc_sde_ve(0.002, 50)};
    sc_status status = sc_weights_write(path, network, theta, &record);
    sc_free(theta);
    sc_network_free(network);
    return status == SC_OK ? 0 : -1;
}

static int remove_prior(void **state)
{
    (void)state;
    return unlink(path);
}

/* As dps does at each level: denoise, then the gradient. */
static void ask(const sc_score *score)
{
    float x[SIZE * SIZE * 2] = {0}, d[SIZE * SIZE * 2], g[SIZE * SIZE * 2];
    double sigma = 1;
    assert_int_equal(sc_score_denoise(score, d, x, &sigma, 1, SIZE, SIZE), SC_OK);
    assert_int_equal(sc_score_denoise_vjp(score, d, g, x, &sigma, d, 1, SIZE, SIZE), SC_OK);
}

static void runs_are_kept_for_all_threads(void **state)
{
    (void)state;
    sc_score *score;
    assert_int_equal(sc_score_load(&score, path, THREADS), SC_OK);
    plans = 0;
    pthread_barrier_init(&all, NULL, THREADS);
#pragma omp parallel num_threads(THREADS)
    for (int k = 0; k < ROUNDS; k++)
        ask(score);
    print_message("%d threads asked %d times both ways: %d plans\n", THREADS, ROUNDS, (int)plans);
    assert_int_equal(plans, 2 * THREADS);
    pthread_barrier_destroy(&all);
    sc_score_free(score);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(runs_are_kept_for_all_threads)};
    return cmocka_run_group_tests(tests, write_prior, remove_prior);
}
