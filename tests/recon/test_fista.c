/* FISTA against problems whose minimum is known. */
#include "recon/fista.h"
#include "small_problem.h"

enum { NY = 9, NX = 8, N = NY * NX };

typedef struct {
    const sc_device *device;
    double lambda;
    int calls;
} soft_prox;

static void soften(void *self, float *x, double step, int iteration)
{
    soft_prox *prox = self;
    assert_int_equal(iteration, prox->calls);
    prox->calls++;
    prox->device->kernels->soft(prox->device, (sc_c32 *)x, (const sc_c32 *)x,
                                (float)(prox->lambda * step), N);
}

static sc_c32 soft(sc_c32 z, double threshold)
{
    double size = cabsf(z);
    return size > threshold ? (float)(1 - threshold / size) * z : 0;
}

static void solve_to(sc_c32 *x, const sc_c32 *rhs, const sc_op *A, double lambda, double step,
                     int iterations, bool end_on_data)
{
    soft_prox soft_thresholds = {A->device, lambda, 0};
    sc_prox prox = {&soft_thresholds, soften};
    sc_fista_options options = {
        .step = step, .iterations = iterations, .end_on_data = end_on_data, .phase = "test"};
    int64_t applications;
    small_ok(sc_fista((float *)x, (const float *)rhs, A, &prox, &options, &applications, NULL));
    assert_int_equal(applications, iterations);
}

static void solve(sc_c32 *x, const sc_c32 *rhs, const sc_op *A, double lambda, double step,
                  int iterations)
{
    solve_to(x, rhs, A, lambda, step, iterations, false);
}

static void make_data(sc_c32 *y)
{
    sc_random_normal((float *)y, 2 * N, small_key(2), SC_DRAW_TEST, 0);
}

/* min ||F x - y||^2 / 2 + lambda ||x||_1 with a unitary F: x = soft(F^H y, lambda) */
static void orthonormal_problem_is_soft_thresholding(void **state)
{
    sc_device *device;
    sc_op *F;
    sc_shape shape = {SC_C32, 2, {NY, NX}};
    sc_c32 y[N], rhs[N], x[N] = {0}, expected[N];
    small_ok(sc_device_create_cpu(&device, 1));
    small_ok(sc_op_fourier(&F, device, &shape, 2));
    make_data(y);
    sc_op_adjoint(F, rhs, y, NULL);
    for (int i = 0; i < N; i++)
        expected[i] = soft(rhs[i], 0.8);
    solve(x, rhs, F, 0.8, 0.95, 60);
    assert_true(small_distance(x, expected, N) < 1e-5 * small_norm(expected, N));
    sc_op_free(F);
    sc_device_free(device);
    (void)state;
}

/* From the minimum x one step more: x + s (F^H y - x). */
static void ending_on_the_data_takes_one_step_from_the_minimum(void **state)
{
    sc_device *device;
    sc_op *F;
    sc_shape shape = {SC_C32, 2, {NY, NX}};
    sc_c32 y[N], rhs[N], x[N] = {0}, expected[N];
    const float step = 0.95f;
    small_ok(sc_device_create_cpu(&device, 1));
    small_ok(sc_op_fourier(&F, device, &shape, 2));
    make_data(y);
    sc_op_adjoint(F, rhs, y, NULL);
    for (int i = 0; i < N; i++)
        expected[i] = (1 - step) * soft(rhs[i], 0.8) + step * rhs[i];
    solve_to(x, rhs, F, 0.8, step, 60, true);
    assert_true(small_distance(x, expected, N) < 1e-5 * small_norm(expected, N));
    sc_op_free(F);
    sc_device_free(device);
    (void)state;
}

/* min ||w x - y||^2 / 2 + lambda ||x||_1: x = soft(w y, lambda) / w^2, badly conditioned */
static void weighted_problem_has_its_closed_form(void **state)
{
    sc_device *device;
    sc_op *M;
    sc_shape shape = {SC_C32, 2, {NY, NX}};
    sc_c32 y[N], rhs[N], x[N] = {0}, expected[N];
    float w[N];
    small_ok(sc_device_create_cpu(&device, 1));
    for (int i = 0; i < N; i++)
        w[i] = 0.1f + 0.9f * (float)i / (N - 1);
    small_ok(sc_op_mask(&M, device, &shape, w, N));
    make_data(y);
    sc_op_adjoint(M, rhs, y, NULL);
    for (int i = 0; i < N; i++)
        expected[i] = soft(rhs[i], 0.05) / (w[i] * w[i]);
    solve(x, rhs, M, 0.05, 0.95, 1500);
    assert_true(small_distance(x, expected, N) < 1e-3 * small_norm(expected, N));
    sc_op_free(M);
    sc_device_free(device);
    (void)state;
}

/* Optimality of a problem that couples pixels: with g = A^H (y - A x), g = lambda x / |x| where x
 * is not 0, and |g| <= lambda elsewhere. */
static void coupled_problem_meets_the_optimality_conditions(void **state)
{
    small_problem s = small_begin(1, 1, 3, NY, NX, 3, 0.05);
    const sc_op *A = s.problem.A;
    sc_c32 rhs[N], x[N] = {0}, g[N];
    void *work;
    double lambda = 0.1;
    small_ok(sc_op_work_create(A, &work));
    sc_op_adjoint(A, rhs, s.problem.y, work);
    solve(x, rhs, A, lambda, 0.95, 4000);
    sc_op_normal(A, g, x, work);
    int zeros = 0;
    for (int i = 0; i < N; i++) {
        sc_c32 gradient = rhs[i] - g[i];
        zeros += x[i] == 0;
        if (x[i] == 0)
            assert_true(cabsf(gradient) <= lambda * 1.001);
        else
            assert_true(cabsf(gradient - (float)lambda * x[i] / cabsf(x[i])) < 2e-3 * lambda);
    }
    assert_true(zeros > 0 && zeros < N);
    sc_device_release(s.device, work);
    small_end(&s);
    (void)state;
}

static void a_tolerance_stops_early_near_the_minimum(void **state)
{
    small_problem s = small_begin(1, 1, 3, NY, NX, 3, 0.05);
    sc_c32 rhs[N], x[N] = {0}, minimum[N] = {0};
    void *work;
    soft_prox thresholds = {s.device, 0.1, 0};
    sc_prox prox = {&thresholds, soften};
    sc_fista_options options = {
        .step = 0.95, .iterations = 1000, .tolerance = 1e-4, .phase = "test"};
    int64_t applications;
    small_ok(sc_op_work_create(s.problem.A, &work));
    sc_op_adjoint(s.problem.A, rhs, s.problem.y, work);
    solve(minimum, rhs, s.problem.A, 0.1, 0.95, 2000);
    small_ok(sc_fista((float *)x, (float *)rhs, s.problem.A, &prox, &options, &applications, NULL));
    assert_true(applications < 300);
    assert_true(small_distance(x, minimum, N) < 0.02 * small_norm(minimum, N));
    sc_device_release(s.device, work);
    small_end(&s);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orthonormal_problem_is_soft_thresholding),
        cmocka_unit_test(ending_on_the_data_takes_one_step_from_the_minimum),
        cmocka_unit_test(weighted_problem_has_its_closed_form),
        cmocka_unit_test(coupled_problem_meets_the_optimality_conditions),
        cmocka_unit_test(a_tolerance_stops_early_near_the_minimum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
