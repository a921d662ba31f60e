/* The classical methods on another row of the kernel table against the CPU row. */
#ifndef SC_TESTS_CLASSICAL_ROWS_H
#define SC_TESTS_CLASSICAL_ROWS_H

#include "small_problem.h"

static inline sc_estimate rows_run(const sc_problem *problem, const char *name)
{
    const sc_method *method;
    sc_estimate estimate = {0};
    small_ok(sc_method_find(&method, name));
    sc_options options = sc_options_default(method->options);
    if (strcmp(name, "l1-wavelet") == 0 || strcmp(name, "tv") == 0)
        small_ok(sc_options_set(&options, "iterations", "12"));
    small_ok(method->run(&estimate, problem, NULL, &options, small_key(9), NULL));
    return estimate;
}

/* Two FFT libraries differ in the last bits, and thresholds amplify that a little. */
static inline void compare_classical_rows(const sc_device *other)
{
    static const char *const names[] = {"zero-filled", "cg-sense", "l1-wavelet", "tv"};
    small_problem s = small_begin(1, 2, 4, 33, 30, 3, 0.01);
    sc_problem moved = small_on(&s, other);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        sc_estimate a = rows_run(&s.problem, names[i]), b = rows_run(&moved, names[i]);
        double size = small_norm(a.mean.data, s.n);
        assert_true(small_distance(a.mean.data, b.mean.data, s.n) < 1e-4 * size);
        assert_true(fabs(a.residual - b.residual) < 1e-3 * a.residual);
        sc_array_free(&a.mean);
        sc_array_free(&b.mean);
    }
    sc_op_free(moved.A);
    sc_device_release(other, moved.y);
    small_end(&s);
}

#endif
