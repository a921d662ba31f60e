/* What every operator promises, checked with random vectors of fixed keys on the CPU. */
#ifndef SC_TESTS_OPERATOR_CHECK_H
#define SC_TESTS_OPERATOR_CHECK_H

#include "base/memory.h"
#include "operators/operator.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* after the four above */
#include <cmocka.h>

typedef struct {
    const sc_op *op;
    const sc_device *device;
    int64_t n, m; /* floats of domain and range */
    float *x, *x2, *z, *z2, *y, *y2;
    void *work;
} op_check;

static inline void check_ok(sc_status status)
{
    if (status != SC_OK)
        print_error("%s\n", sc_message());
    assert_int_equal(status, SC_OK);
}

static inline sc_device *cpu(int threads)
{
    sc_device *device;
    check_ok(sc_device_create_cpu(&device, threads));
    return device;
}

static inline void random_floats(float *x, int64_t n, uint64_t seed, uint32_t step)
{
    sc_random_normal(x, n, (sc_key){.seed = seed}, SC_DRAW_TEST, step);
}

static inline op_check op_check_begin(const sc_op *op, uint64_t seed)
{
    op_check c = {.op = op, .device = op->device};
    c.n = sc_shape_floats(&op->domain);
    c.m = sc_shape_floats(&op->range);
    float **domain[] = {&c.x, &c.x2, &c.z, &c.z2}, **range[] = {&c.y, &c.y2};
    for (int i = 0; i < 4; i++)
        check_ok(SC_DEVICE_ALLOC(op->device, domain[i], c.n));
    for (int i = 0; i < 2; i++)
        check_ok(SC_DEVICE_ALLOC(op->device, range[i], c.m));
    check_ok(sc_op_work_create(op, &c.work));
    random_floats(c.x, c.n, seed, 0);
    random_floats(c.x2, c.n, seed, 1);
    random_floats(c.y, c.m, seed, 2);
    return c;
}

static inline void op_check_end(op_check *c)
{
    void *all[] = {c->x, c->x2, c->z, c->z2, c->y, c->y2, c->work};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        sc_device_release(c->device, all[i]);
}

static inline double dot(const float *x, const float *y, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i] * y[i];
    return sum;
}

static inline double norm(const float *x, int64_t n) { return sqrt(dot(x, x, n)); }

static inline double distance(const float *x, const float *y, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += ((double)x[i] - y[i]) * ((double)x[i] - y[i]);
    return sqrt(sum);
}

static inline void expect_below(double value, double limit, const char *what, const sc_op *op,
                                uint64_t seed)
{
    char text[256];
    op->describe(op, text, sizeof text);
    if (!(value < limit))
        fail_msg("%s of %s, seed %llu: %g is not below %g", what, text, (unsigned long long)seed,
                 value, limit);
}

/* |<A x, y> - <x, A^H y>| < 1e-5 ||A x|| ||y|| */
static inline void expect_adjoint(op_check *c, uint64_t seed)
{
    sc_op_forward(c->op, c->y2, c->x, c->work);
    sc_op_adjoint(c->op, c->z, c->y, c->work);
    double scale = norm(c->y2, c->m) * norm(c->y, c->m);
    double error = fabs(dot(c->y2, c->y, c->m) - dot(c->x, c->z, c->n));
    if (scale > 0)
        expect_below(error / scale, 1e-5, "adjoint error", c->op, seed);
}

static inline void expect_normal(op_check *c, uint64_t seed)
{
    sc_op_forward(c->op, c->y2, c->x, c->work);
    sc_op_adjoint(c->op, c->z, c->y2, c->work);
    sc_op_normal(c->op, c->z2, c->x, c->work);
    double scale = norm(c->z, c->n);
    expect_below(distance(c->z, c->z2, c->n), 3e-6 * scale + 1e-12, "normal minus adjoint(forward)",
                 c->op, seed);
}

/* A (2 x - 3 x2) = 2 A x - 3 A x2, and A (i x) = i A x for complex ones */
static inline void expect_linear(op_check *c, uint64_t seed)
{
    for (int64_t i = 0; i < c->n; i++)
        c->z[i] = 2 * c->x[i] - 3 * c->x2[i];
    sc_op_forward(c->op, c->y2, c->z, c->work);
    float *a = NULL, *b = NULL;
    check_ok(SC_ALLOC(&a, c->m, "test"));
    check_ok(SC_ALLOC(&b, c->m, "test"));
    sc_op_forward(c->op, a, c->x, c->work);
    sc_op_forward(c->op, b, c->x2, c->work);
    for (int64_t i = 0; i < c->m; i++)
        b[i] = 2 * a[i] - 3 * b[i];
    expect_below(distance(c->y2, b, c->m), 3e-6 * norm(b, c->m) + 1e-12, "linearity", c->op, seed);
    if (c->op->domain.dtype == SC_C32) {
        for (int64_t i = 0; i < c->n; i += 2) {
            c->z[i] = -c->x[i + 1];
            c->z[i + 1] = c->x[i];
        }
        sc_op_forward(c->op, c->y2, c->z, c->work);
        for (int64_t i = 0; i < c->m; i += 2) {
            b[i] = -a[i + 1];
            b[i + 1] = a[i];
        }
        expect_below(distance(c->y2, b, c->m), 3e-6 * norm(b, c->m) + 1e-12, "complex linearity",
                     c->op, seed);
    }
    sc_free(a);
    sc_free(b);
}

/* All of the above for several seeds; frees the operator. */
static inline void check_operator(sc_op *op)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        op_check c = op_check_begin(op, seed);
        expect_adjoint(&c, seed);
        expect_normal(&c, seed);
        expect_linear(&c, seed);
        op_check_end(&c);
    }
    sc_op_free(op);
}

static inline sc_shape complex_shape(int rank, const int64_t *dim)
{
    sc_shape shape = {.dtype = SC_C32, .rank = rank};
    memcpy(shape.dim, dim, (size_t)rank * sizeof *dim);
    return shape;
}

/* Random maps of unit root sum of squares over all sets and coils; to be freed with sc_free. */
static inline sc_c32 *random_maps(int sets, int coils, int64_t n, uint64_t seed)
{
    sc_c32 *maps = NULL;
    check_ok(SC_ALLOC(&maps, sets * coils * n, "maps"));
    random_floats((float *)maps, 2 * sets * coils * n, seed, 7);
    for (int set = 0; set < sets; set++)
        for (int64_t p = 0; p < n; p++) {
            float square = 0;
            for (int c = 0; c < coils; c++) {
                const float *v = (const float *)(maps + (set * coils + c) * n + p);
                square += v[0] * v[0] + v[1] * v[1];
            }
            for (int c = 0; c < coils; c++)
                maps[(set * coils + c) * n + p] /= sqrtf(square);
        }
    return maps;
}

/* 0 or 1, about 1 in 3 sampled; whole lines where `lines`. */
static inline float *random_mask(int64_t rows, int64_t columns, bool lines, uint64_t seed)
{
    float *mask = NULL, *u = NULL;
    check_ok(SC_ALLOC(&mask, rows * columns, "mask"));
    check_ok(SC_ALLOC(&u, rows * columns, "mask"));
    sc_random_uniform(u, rows * columns, (sc_key){.seed = seed}, SC_DRAW_TEST, 9);
    for (int64_t i = 0; i < rows * columns; i++)
        mask[i] = u[lines ? i / columns * columns : i] < 0.35f;
    sc_free(u);
    return mask;
}

#endif
