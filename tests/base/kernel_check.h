/* Fixed random inputs and comparisons for the kernel tests. */
#ifndef SC_TESTS_BASE_KERNEL_CHECK_H
#define SC_TESTS_BASE_KERNEL_CHECK_H

#include "base/device.h"
#include "base/memory.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* n normals keyed by `seed`, so that a failure can be repeated from its message. */
static inline float *random_floats(int64_t n, uint64_t seed)
{
    float *x;
    assert_int_equal(SC_ALLOC(&x, n > 0 ? n : 1, "test"), SC_OK);
    sc_random_normal(x, n, (sc_key){.seed = seed}, SC_DRAW_SIMULATE, 0);
    return x;
}

static inline sc_c32 *random_complex(int64_t n, uint64_t seed)
{
    return (sc_c32 *)(void *)random_floats(2 * n, seed);
}

static inline sc_c32 *new_complex(int64_t n)
{
    sc_c32 *x;
    assert_int_equal(SC_ALLOC(&x, n, "test"), SC_OK);
    return x;
}

static inline double norm_floats(const float *x, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i] * x[i];
    return sqrt(sum);
}

/* ||x - y|| <= tolerance ||y|| */
static inline void check_close(const void *x, const void *y, int64_t floats, double tolerance,
                               const char *what)
{
    const float *a = x, *b = y;
    double difference = 0, scale = norm_floats(b, floats);
    for (int64_t i = 0; i < floats; i++)
        difference += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    if (!(sqrt(difference) <= tolerance * scale))
        fail_msg("%s: relative difference %g, expected at most %g", what, sqrt(difference) / scale,
                 tolerance);
}

/* Re <x, y> in double, naive. */
static inline double inner(const void *x, const void *y, int64_t floats)
{
    const float *a = x, *b = y;
    double sum = 0;
    for (int64_t i = 0; i < floats; i++)
        sum += (double)a[i] * b[i];
    return sum;
}

static inline void check_adjoint(double forward, double adjoint, double scale, const char *what)
{
    if (!(fabs(forward - adjoint) <= 1e-6 * scale))
        fail_msg("%s: <Ax,y> = %.9g, <x,A*y> = %.9g", what, forward, adjoint);
}

#endif
