/* Conjugate gradients against a dense solution, and what the contract says about starts, stops and
 * counts. */
#include "recon/conjugate_gradient.h"
#include "small_problem.h"

enum { NY = 5, NX = 6, N = 2 * NY * NX /* real components */ };

/* solves m x = b in place by elimination with pivoting; m is destroyed */
static void dense_solve(double m[N][N], double b[N])
{
    for (int c = 0; c < N; c++) {
        int pivot = c;
        for (int i = c + 1; i < N; i++)
            if (fabs(m[i][c]) > fabs(m[pivot][c]))
                pivot = i;
        for (int j = 0; j < N; j++) {
            double swap = m[c][j];
            m[c][j] = m[pivot][j];
            m[pivot][j] = swap;
        }
        double swap = b[c];
        b[c] = b[pivot];
        b[pivot] = swap;
        for (int i = 0; i < N; i++) {
            double f = i == c ? 0 : m[i][c] / m[c][c];
            for (int j = c; f != 0 && j < N; j++)
                m[i][j] -= f * m[c][j];
            b[i] -= f * b[c];
        }
    }
    for (int c = 0; c < N; c++)
        b[c] /= m[c][c];
}

typedef struct {
    small_problem small;
    sc_cg_work work;
    float x[N], rhs[N];
} fixture;

static fixture begin(int threads)
{
    fixture f = {.small = small_begin(threads, 1, 3, NY, NX, 2, 0.01)};
    small_ok(sc_cg_work_create(&f.work, f.small.problem.A));
    sc_op_adjoint(f.small.problem.A, f.rhs, f.small.problem.y, f.work.op_work);
    return f;
}

static void end(fixture *f)
{
    sc_cg_work_free(&f->work, f->small.problem.A);
    small_end(&f->small);
}

static void expected_solution(double expected[N], fixture *f, double a, double b)
{
    static double m[N][N];
    for (int j = 0; j < N; j++) {
        float unit[N] = {0}, column[N];
        unit[j] = 1;
        sc_op_normal(f->small.problem.A, column, unit, f->work.op_work);
        for (int i = 0; i < N; i++)
            m[i][j] = a * column[i] + (i == j ? b : 0);
        expected[j] = f->rhs[j];
    }
    dense_solve(m, expected);
}

static void agrees_with_a_dense_solution(void **state)
{
    const double weights[][2] = {{1, 0.05}, {1, 1}, {100, 1}, {0, 2}};
    fixture f = begin(1);
    for (int w = 0; w < 4; w++) {
        double expected[N], error = 0, size = 0;
        sc_cg_options options = {
            .a = weights[w][0], .b = weights[w][1], .iterations = 120, .tolerance = 1e-7};
        sc_cg_result result;
        expected_solution(expected, &f, options.a, options.b);
        small_ok(
            sc_cg_solve(f.x, f.rhs, f.small.problem.A, &options, false, &f.work, &result, NULL));
        for (int i = 0; i < N; i++) {
            error += pow(f.x[i] - expected[i], 2);
            size += expected[i] * expected[i];
        }
        assert_true(sqrt(error / size) < 2e-5);
        assert_true(result.relative < 2e-6);
    }
    end(&f);
    (void)state;
}

static void a_warm_start_at_the_solution_stops_at_once(void **state)
{
    fixture f = begin(1);
    sc_cg_options options = {.a = 1, .b = 0.5, .iterations = 60, .tolerance = 1e-5};
    sc_cg_result cold, warm;
    const sc_op *A = f.small.problem.A;
    small_ok(sc_cg_solve(f.x, f.rhs, A, &options, false, &f.work, &cold, NULL));
    options.tolerance = 1e-4;
    small_ok(sc_cg_solve(f.x, f.rhs, A, &options, true, &f.work, &warm, NULL));
    assert_true(cold.applications > 3);
    assert_int_equal(warm.applications, 1);
    end(&f);
    (void)state;
}

static void applications_are_counted_and_limited(void **state)
{
    fixture f = begin(1);
    sc_cg_options options = {.a = 1, .b = 1e-3, .iterations = 4, .tolerance = 0};
    sc_cg_result result;
    small_ok(sc_cg_solve(f.x, f.rhs, f.small.problem.A, &options, false, &f.work, &result, NULL));
    assert_int_equal(result.applications, 4);
    end(&f);
    (void)state;
}

static void a_zero_right_side_gives_zero(void **state)
{
    fixture f = begin(1);
    sc_cg_options options = {.a = 1, .b = 1, .iterations = 10, .tolerance = 1e-6};
    sc_cg_result result;
    memset(f.rhs, 0, sizeof f.rhs);
    f.x[3] = 1;
    small_ok(sc_cg_solve(f.x, f.rhs, f.small.problem.A, &options, false, &f.work, &result, NULL));
    for (int i = 0; i < N; i++)
        assert_true(f.x[i] == 0);
    assert_int_equal(result.applications, 0);
    end(&f);
    (void)state;
}

/* stops at the first iterate within the noise, and the residual it computes is the true one */
static void stops_when_the_data_are_explained(void **state)
{
    small_problem s = small_begin(1, 1, 4, 24, 21, 2, 0.02);
    const sc_problem *p = &s.problem;
    sc_cg_work work;
    sc_c32 *x = NULL, *rhs = NULL, *y = NULL;
    small_ok(SC_ALLOC(&x, s.n, "x"));
    small_ok(SC_ALLOC(&rhs, s.n, "rhs"));
    small_ok(SC_ALLOC(&y, s.m, "y"));
    small_ok(sc_cg_work_create(&work, p->A));
    sc_op_adjoint(p->A, rhs, p->y, work.op_work);
    double target = 2.0 * (double)p->measured * p->sigma * p->sigma, before = 0;
    sc_cg_options options = {
        .a = 1, .iterations = 100, .tolerance = 1e-9, .residual_square = target};
    options.data_square = pow(small_norm(p->y, s.m), 2);
    sc_cg_result result;
    small_ok(sc_cg_solve((float *)x, (float *)rhs, p->A, &options, false, &work, &result, NULL));
    assert_true(result.applications >= 2 && result.applications < 30);
    sc_op_forward(p->A, y, x, work.op_work);
    assert_true(pow(small_distance(y, p->y, s.m), 2) <= target * 1.001);
    options.iterations = (int)result.applications - 1;
    small_ok(sc_cg_solve((float *)x, (float *)rhs, p->A, &options, false, &work, &result, NULL));
    sc_op_forward(p->A, y, x, work.op_work);
    before = pow(small_distance(y, p->y, s.m), 2);
    assert_true(before > target * 0.999);
    sc_cg_work_free(&work, p->A);
    sc_free(x);
    sc_free(rhs);
    sc_free(y);
    small_end(&s);
    (void)state;
}

static bool at_once(void *self)
{
    (void)self;
    return true;
}

static void can_be_cancelled(void **state)
{
    fixture f = begin(1);
    sc_cg_options options = {.a = 1, .b = 1, .iterations = 10};
    sc_progress progress = {.cancelled = at_once};
    assert_int_equal(
        sc_cg_solve(f.x, f.rhs, f.small.problem.A, &options, false, &f.work, NULL, &progress),
        SC_ERR_CANCELLED);
    end(&f);
    (void)state;
}

static void a_right_side_that_is_not_finite_is_an_error(void **state)
{
    fixture f = begin(1);
    sc_cg_options options = {.a = 1, .b = 1, .iterations = 10};
    f.rhs[2] = NAN;
    assert_int_equal(
        sc_cg_solve(f.x, f.rhs, f.small.problem.A, &options, false, &f.work, NULL, NULL),
        SC_ERR_NUMERIC);
    end(&f);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_a_dense_solution),
        cmocka_unit_test(a_warm_start_at_the_solution_stops_at_once),
        cmocka_unit_test(applications_are_counted_and_limited),
        cmocka_unit_test(a_zero_right_side_gives_zero),
        cmocka_unit_test(stops_when_the_data_are_explained),
        cmocka_unit_test(can_be_cancelled),
        cmocka_unit_test(a_right_side_that_is_not_finite_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
