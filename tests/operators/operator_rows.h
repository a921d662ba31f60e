/* Every operator on another row of the kernel table against the CPU row: the same inputs, results
 * as near as two FFT libraries are. */
#ifndef SC_TESTS_OPERATOR_ROWS_H
#define SC_TESTS_OPERATOR_ROWS_H

#include "operator_check.h"

enum { ROWS_COILS = 3, ROWS_SETS = 2 };

typedef struct {
    const char *name;
    sc_op *(*make)(const sc_device *device, const int64_t dim[2]);
} row_operator;

static inline sc_shape coil_shape(const int64_t dim[2])
{
    return (sc_shape){SC_C32, 3, {ROWS_COILS, dim[0], dim[1]}};
}

static inline sc_op *rows_mask(const sc_device *device, const int64_t dim[2])
{
    sc_op *op;
    sc_shape shape = coil_shape(dim);
    float *mask = random_mask(dim[0], dim[1], true, 3);
    check_ok(sc_op_mask(&op, device, &shape, mask, dim[0] * dim[1]));
    sc_free(mask);
    return op;
}

static inline sc_op *rows_coils(const sc_device *device, const int64_t dim[2])
{
    sc_op *op;
    sc_c32 *maps = random_maps(ROWS_SETS, ROWS_COILS, dim[0] * dim[1], 5);
    check_ok(sc_op_coils(&op, device, maps, ROWS_SETS, ROWS_COILS, 2, dim));
    sc_free(maps);
    return op;
}

static inline sc_op *rows_fourier(const sc_device *device, const int64_t dim[2])
{
    sc_op *op;
    sc_shape shape = coil_shape(dim);
    check_ok(sc_op_fourier(&op, device, &shape, 2));
    return op;
}

static inline sc_op *rows_wavelet(const sc_device *device, const int64_t dim[2])
{
    sc_op *op;
    sc_shape shape = coil_shape(dim);
    check_ok(sc_op_wavelet(&op, device, &shape, 2, "db2"));
    return op;
}

static inline sc_op *rows_gradient(const sc_device *device, const int64_t dim[2])
{
    sc_op *op;
    sc_shape shape = complex_shape(2, dim);
    check_ok(sc_op_gradient(&op, device, &shape, 2));
    return op;
}

static inline sc_op *rows_sense(const sc_device *device, const int64_t dim[2])
{
    sc_op *op;
    sc_c32 *maps = random_maps(ROWS_SETS, ROWS_COILS, dim[0] * dim[1], 5);
    float *mask = random_mask(dim[0], dim[1], false, 3);
    check_ok(sc_op_sense(&op, device, maps, mask, ROWS_SETS, ROWS_COILS, 2, dim));
    sc_free(maps);
    sc_free(mask);
    return op;
}

static inline sc_op *rows_composed(const sc_device *device, const int64_t dim[2])
{
    sc_op *stacked[2] = {rows_fourier(device, dim), rows_wavelet(device, dim)}, *chained[2], *op;
    chained[0] = rows_coils(device, dim);
    check_ok(sc_op_stack(&chained[1], stacked, 2));
    check_ok(sc_op_chain(&op, chained, 2));
    return op;
}

/* [blocks of SENSE; a quarter of the differences of its slices] */
static inline sc_op *rows_slices(const sc_device *device, const int64_t dim[2])
{
    const sc_shape shape = {SC_C32, 4, {3, ROWS_SETS, dim[0], dim[1]}};
    sc_op *slice[3], *stacked[2], *op;
    sc_c32 *weight = random_maps(1, 3, dim[0] * dim[1], 5);
    float *pair = random_mask(2 * dim[0], dim[1], true, 3);
    for (int k = 0; k < 3; k++)
        slice[k] = rows_sense(device, dim);
    check_ok(sc_op_blocks(&stacked[0], device, slice, 3, 1));
    check_ok(sc_op_slice_difference(&stacked[1], device, &shape, weight, pair));
    check_ok(sc_op_stack(&op, stacked, 2));
    sc_free(weight);
    sc_free(pair);
    return op;
}

static const row_operator row_operators[] = {
    {"mask", rows_mask},         {"coils", rows_coils}, {"fourier", rows_fourier},
    {"wavelet", rows_wavelet},   {"sense", rows_sense}, {"gradient", rows_gradient},
    {"composed", rows_composed}, {"slices", rows_slices},
};

typedef void apply_operator(const sc_op *op, void *out, const void *in, void *work);

/* out (host) = apply(in), random in, on the operator's device */
static inline float *applied(const sc_op *op, apply_operator *apply, int64_t outputs,
                             int64_t inputs)
{
    const sc_kernels *k = op->device->kernels;
    float *in = NULL, *out = NULL, *on_device_in, *on_device_out;
    void *work;
    check_ok(SC_ALLOC(&in, inputs, "test"));
    check_ok(SC_ALLOC(&out, outputs, "test"));
    random_floats(in, inputs, 8, 1);
    check_ok(SC_DEVICE_ALLOC(op->device, &on_device_in, inputs));
    check_ok(SC_DEVICE_ALLOC(op->device, &on_device_out, outputs));
    check_ok(sc_op_work_create(op, &work));
    check_ok(k->upload(op->device, on_device_in, in, (size_t)inputs * sizeof *in));
    apply(op, on_device_out, on_device_in, work);
    check_ok(k->download(op->device, out, on_device_out, (size_t)outputs * sizeof *out));
    sc_device_release(op->device, on_device_in);
    sc_device_release(op->device, on_device_out);
    sc_device_release(op->device, work);
    sc_free(in);
    return out;
}

static inline void shrink_wavelet(const sc_op *op, void *z, const void *x, void *work)
{
    sc_op_wavelet_shrink(op, z, x, 0.4f, (int64_t[3]){0, 3, 1}, work);
}

static inline void compare_one(const sc_op *a, const sc_op *b, apply_operator *apply,
                               int64_t outputs, int64_t inputs)
{
    float *x = applied(a, apply, outputs, inputs), *y = applied(b, apply, outputs, inputs);
    expect_below(distance(x, y, outputs), 3e-6 * norm(x, outputs) + 1e-12, "difference of rows", b,
                 8);
    sc_free(x);
    sc_free(y);
}

static inline void compare_operator_rows(const sc_device *cpu_device, const sc_device *other)
{
    static const int64_t sizes[][2] = {{24, 20}, {17, 23}};
    for (size_t s = 0; s < 2; s++)
        for (size_t i = 0; i < sizeof row_operators / sizeof row_operators[0]; i++) {
            sc_op *a = row_operators[i].make(cpu_device, sizes[s]);
            sc_op *b = row_operators[i].make(other, sizes[s]);
            int64_t n = sc_shape_floats(&a->domain), m = sc_shape_floats(&a->range);
            double value;
            compare_one(a, b, sc_op_forward, m, n);
            compare_one(a, b, sc_op_adjoint, n, m);
            compare_one(a, b, sc_op_normal, n, n);
            if (strcmp(row_operators[i].name, "wavelet") == 0)
                compare_one(a, b, shrink_wavelet, n, n);
            check_ok(sc_op_largest_eigenvalue(&value, b, 3, 1));
            assert_true(value > 0);
            sc_op_free(a);
            sc_op_free(b);
        }
}

#endif
