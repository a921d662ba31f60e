/* TV denoising: the duality gap closes, and small cases have closed forms. */
#include "recon/total_variation.h"
#include "small_problem.h"

static sc_device *cpu(int threads)
{
    sc_device *device;
    small_ok(sc_device_create_cpu(&device, threads));
    return device;
}

/* Two pixels: the mean stays, the difference shrinks by 2 mu. */
static void two_pixels_approach_by_twice_mu(void **state)
{
    sc_device *device = cpu(1);
    sc_shape shape = {SC_C32, 1, {2}};
    sc_c32 x[2] = {1, 2 + 1 * I};
    sc_tv *tv;
    small_ok(sc_tv_create(&tv, device, &shape, 1));
    sc_tv_denoise(tv, (float *)x, 0.25, 200);
    sc_c32 mean = 1.5f + 0.5f * I, difference = 1 + 1 * I;
    difference *= (float)(1 - 0.5 / sqrt(2));
    assert_true(cabsf(x[0] - (mean - 0.5f * difference)) < 1e-5f);
    assert_true(cabsf(x[1] - (mean + 0.5f * difference)) < 1e-5f);
    sc_tv_free(tv);
    sc_device_free(device);
    (void)state;
}

/* A step between parts of k and l pixels: each part moves by mu / its length. */
static void a_step_moves_by_mu_over_the_length(void **state)
{
    sc_device *device = cpu(1);
    sc_shape shape = {SC_C32, 1, {9}};
    sc_c32 x[9];
    sc_tv *tv;
    for (int i = 0; i < 9; i++)
        x[i] = i < 3 ? 0 : 1;
    small_ok(sc_tv_create(&tv, device, &shape, 1));
    sc_tv_denoise(tv, (float *)x, 0.3, 3000);
    for (int i = 0; i < 9; i++)
        assert_true(cabsf(x[i] - (i < 3 ? 0.1f : 0.95f)) < 1e-4f);
    sc_tv_free(tv);
    sc_device_free(device);
    (void)state;
}

static void a_constant_stays_and_a_large_weight_gives_the_mean(void **state)
{
    enum { N = 7 * 6 };
    sc_device *device = cpu(1);
    sc_shape shape = {SC_C32, 3, {2, 7, 6}};
    sc_c32 x[2 * N], mean = 0;
    sc_tv *tv;
    for (int i = 0; i < N; i++)
        x[i] = 3 - 2 * I;
    sc_random_normal((float *)(x + N), 2 * N, small_key(3), SC_DRAW_TEST, 0);
    for (int i = 0; i < N; i++)
        mean += x[N + i] / N;
    small_ok(sc_tv_create(&tv, device, &shape, 2));
    sc_tv_denoise(tv, (float *)x, 100, 2000);
    for (int i = 0; i < N; i++) {
        assert_true(cabsf(x[i] - (3 - 2 * I)) < 1e-5f);
        assert_true(cabsf(x[N + i] - mean) < 1e-3f);
    }
    sc_tv_free(tv);
    sc_device_free(device);
    (void)state;
}

static double objective_gap(int rank, const sc_shape *shape, double mu, int iterations)
{
    sc_device *device = cpu(1);
    int64_t n = sc_shape_elements(shape);
    sc_c32 *x = NULL;
    double gap;
    sc_tv *tv;
    small_ok(SC_ALLOC(&x, n, "image"));
    sc_random_normal((float *)x, 2 * n, small_key(4), SC_DRAW_TEST, 0);
    small_ok(sc_tv_create(&tv, device, shape, rank));
    sc_tv_denoise(tv, (float *)x, mu, iterations);
    small_ok(sc_tv_gap(&gap, tv, (float *)x, mu));
    sc_tv_free(tv);
    sc_free(x);
    sc_device_free(device);
    return gap;
}

/* relative to the objective, which is about n here */
static void the_duality_gap_closes(void **state)
{
    const sc_shape two = {SC_C32, 2, {17, 14}}, three = {SC_C32, 3, {5, 9, 8}};
    const sc_shape batch = {SC_C32, 3, {2, 17, 14}};
    double few = objective_gap(2, &two, 0.5, 20), many = objective_gap(2, &two, 0.5, 2000);
    assert_true(few > 0 && many < 1e-4 * few + 1e-3);
    assert_true(many > -1e-3 && many < 1e-4 * 17 * 14);
    assert_true(objective_gap(3, &three, 0.3, 2000) < 1e-4 * 5 * 9 * 8);
    assert_true(objective_gap(2, &batch, 0.5, 2000) < 1e-4 * 2 * 17 * 14);
    (void)state;
}

/* a second call with the same input goes on from the dual of the first */
static void the_dual_is_kept_between_calls(void **state)
{
    enum { N = 17 * 14 };
    sc_device *device = cpu(1);
    sc_shape shape = {SC_C32, 2, {17, 14}};
    sc_c32 v[N], x[N];
    double first, last;
    sc_tv *tv;
    sc_random_normal((float *)v, 2 * N, small_key(4), SC_DRAW_TEST, 0);
    small_ok(sc_tv_create(&tv, device, &shape, 2));
    for (int i = 0; i < 30; i++) {
        memcpy(x, v, sizeof x);
        sc_tv_denoise(tv, (float *)x, 0.5, 5);
        small_ok(sc_tv_gap(i ? &last : &first, tv, (float *)x, 0.5));
    }
    assert_true(last < 0.05 * first);
    sc_tv_free(tv);
    sc_device_free(device);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_pixels_approach_by_twice_mu),
        cmocka_unit_test(a_step_moves_by_mu_over_the_length),
        cmocka_unit_test(a_constant_stays_and_a_large_weight_gives_the_mean),
        cmocka_unit_test(the_duality_gap_closes),
        cmocka_unit_test(the_dual_is_kept_between_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
