/* The adaptive solver on equations with known solutions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "prior/ode.h"
#include <math.h>

static sc_status turn(void *self, double *dydt, double t, const double *y)
{
    (void)self, (void)t;
    dydt[0] = -y[1];
    dydt[1] = y[0];
    return SC_OK;
}

/* y = t^5: the formula of order 5 is exact, and the step grows as fast as it may */
static sc_status power(void *self, double *dydt, double t, const double *y)
{
    (void)self, (void)y;
    dydt[0] = 5 * t * t * t * t;
    return SC_OK;
}

static sc_status pole(void *self, double *dydt, double t, const double *y)
{
    (void)self, (void)t;
    dydt[0] = y[0] * y[0];
    return SC_OK;
}

static sc_status refuse(void *self, double *dydt, double t, const double *y)
{
    (void)dydt, (void)t, (void)y;
    return --*(int *)self < 0 ? sc_fail(SC_ERR_CANCELLED, "enough") : SC_OK;
}

static void a_circle_is_closed_within_the_tolerance(void **state)
{
    (void)state;
    int before = 0;
    for (double tolerance = 1e-3; tolerance > 1e-11; tolerance *= 1e-2) {
        double y[2] = {1, 0};
        sc_ode_count count;
        const sc_ode ode = {.slope = turn, .n = 2, .rtol = tolerance, .atol = tolerance};
        assert_int_equal(sc_ode_solve(y, &ode, 0, 2 * M_PI, &count), SC_OK);
        /* local errors of a tolerance each add up over the steps */
        assert_true(hypot(y[0] - 1, y[1]) < tolerance * count.steps);
        assert_true(count.evaluations > before && count.evaluations >= 2 + 6 * count.steps);
        before = count.evaluations;
    }
}

static void time_may_run_backwards(void **state)
{
    (void)state;
    double y[2] = {1, 0};
    const sc_ode ode = {.slope = turn, .n = 2, .rtol = 1e-9, .atol = 1e-9};
    assert_int_equal(sc_ode_solve(y, &ode, 3, 0.5, NULL), SC_OK);
    assert_true(fabs(y[0] - cos(-2.5)) < 1e-7 && fabs(y[1] - sin(-2.5)) < 1e-7);
    assert_int_equal(sc_ode_solve(y, &ode, 1, 1, NULL), SC_OK);
}

static void a_polynomial_of_order_5_is_exact(void **state)
{
    (void)state;
    double y[1] = {0};
    const sc_ode ode = {.slope = power, .n = 1, .rtol = 1e-6, .atol = 1e-6};
    assert_int_equal(sc_ode_solve(y, &ode, 0, 1, NULL), SC_OK);
    assert_true(fabs(y[0] - 1) < 1e-14);
}

static void a_pole_is_reported(void **state)
{
    (void)state;
    double y[1] = {1}; /* 1 / (1 - t) */
    const sc_ode ode = {.slope = pole, .n = 1, .rtol = 1e-6, .atol = 1e-6};
    assert_int_equal(sc_ode_solve(y, &ode, 0, 2, NULL), SC_ERR_NUMERIC);
}

static void a_failing_slope_ends_the_solution(void **state)
{
    (void)state;
    for (int calls = 0; calls < 9; calls++) {
        double y[1] = {1};
        int left = calls;
        sc_ode_count count;
        const sc_ode ode = {.self = &left, .slope = refuse, .n = 1, .rtol = 1e-6, .atol = 1e-6};
        assert_int_equal(sc_ode_solve(y, &ode, 0, 1, &count), SC_ERR_CANCELLED);
        assert_int_equal(count.evaluations, calls + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_circle_is_closed_within_the_tolerance),
        cmocka_unit_test(time_may_run_backwards),
        cmocka_unit_test(a_polynomial_of_order_5_is_exact),
        cmocka_unit_test(a_pole_is_reported),
        cmocka_unit_test(a_failing_slope_ends_the_solution),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
