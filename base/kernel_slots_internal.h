/* The elementwise slots of the kernel table, the same for every row: how many indices a kernel
 * has and what its body gets. The row that includes this has defined, for every entry of
 * kernel_list.h, run_<name>(device, n, ...) or run_<name>(device, rows, columns, ...).
 */
#ifndef SC_BASE_KERNEL_SLOTS_INTERNAL_H
#define SC_BASE_KERNEL_SLOTS_INTERNAL_H

#include "base/device.h"
#include "base/kernel_bodies.h"
#include <assert.h>

static void slot_fill(const sc_device *device, float *z, float a, int64_t n)
{
    run_fill(device, n, z, a);
}

static void slot_axpby(const sc_device *device, float *z, float a, const float *x, float b,
                       const float *y, int64_t n)
{
    run_axpby(device, n, z, a, x, b, y);
}

static void slot_multiply(const sc_device *device, float *z, const float *x, const float *y,
                          int64_t n)
{
    run_multiply(device, n, z, x, y);
}

static void slot_normal(const sc_device *device, float *z, int64_t n, sc_key key, uint32_t draw,
                        uint32_t step)
{
    const sc_stream stream = {(uint32_t)key.seed, (uint32_t)(key.seed >> 32), draw << 20 | step,
                              key.slice, key.sample};
    run_normal(device, (n + 3) / 4, z, n, stream);
}

static void slot_cmultiply(const sc_device *device, sc_c32 *z, const sc_c32 *x, const sc_c32 *y,
                           bool conj_x, int64_t n)
{
    run_cmultiply(device, n, (float *)z, (const float *)x, (const float *)y, conj_x ? -1 : 1);
}

static void slot_mask(const sc_device *device, sc_c32 *z, const float *weight, const sc_c32 *x,
                      int64_t batch, int64_t n)
{
    run_mask(device, batch, n, (float *)z, weight, (const float *)x, n);
}

static void slot_coils_forward(const sc_device *device, sc_c32 *y, const sc_c32 *maps,
                               const sc_c32 *x, int sets, int coils, int64_t n)
{
    run_coils_forward(device, coils, n, (float *)y, (const float *)maps, (const float *)x, sets,
                      coils, n);
}

static void slot_coils_adjoint(const sc_device *device, sc_c32 *x, const sc_c32 *maps,
                               const sc_c32 *y, int sets, int coils, int64_t n)
{
    run_coils_adjoint(device, sets, n, (float *)x, (const float *)maps, (const float *)y, coils, n);
}

static void slot_soft(const sc_device *device, sc_c32 *z, const sc_c32 *x, float threshold,
                      int64_t n)
{
    run_soft(device, n, (float *)z, (const float *)x, threshold);
}

static void slot_shrink(const sc_device *device, sc_c32 *z, const sc_c32 *x, float threshold, int d,
                        int64_t n)
{
    run_shrink(device, n, (float *)z, (const float *)x, threshold, d, n);
}

static sc_dims padded_dims(int d, const int64_t *dim)
{
    sc_dims s = {d, {1, 1, 1}};
    assert(d >= 1 && d <= 3);
    for (int a = 0; a < d; a++)
        s.dim[3 - d + a] = dim[a];
    return s;
}

static void slot_gradient(const sc_device *device, sc_c32 *g, const sc_c32 *x, int d,
                          const int64_t *dim)
{
    sc_dims s = padded_dims(d, dim);
    run_gradient(device, s.dim[0] * s.dim[1], s.dim[2], (float *)g, (const float *)x, s);
}

static void slot_gradient_adjoint(const sc_device *device, sc_c32 *x, const sc_c32 *g, int d,
                                  const int64_t *dim)
{
    sc_dims s = padded_dims(d, dim);
    run_gradient_adjoint(device, s.dim[0] * s.dim[1], s.dim[2], (float *)x, (const float *)g, s);
}

static sc_taps copied_taps(const float *low, int taps)
{
    sc_taps f = {.n = taps};
    assert(taps >= 2 && taps <= SC_TAPS_MAX && taps % 2 == 0);
    for (int m = 0; m < taps; m++)
        f.low[m] = low[m];
    return f;
}

static void slot_wavelet(const sc_device *device, sc_c32 *z, const sc_c32 *x, const float *low,
                         int taps, int64_t outer, int64_t length, int64_t inner)
{
    sc_taps f = copied_taps(low, taps);
    assert(length % 2 == 0);
    if (inner == 1)
        run_wavelet_last(device, outer, length / 2, (float *)z, (const float *)x, f, length);
    else
        run_wavelet_across(device, outer * (length / 2), inner, (float *)z, (const float *)x, f,
                           length, inner);
}

static void slot_wavelet_adjoint(const sc_device *device, sc_c32 *x, const sc_c32 *z,
                                 const float *low, int taps, int64_t outer, int64_t length,
                                 int64_t inner)
{
    sc_taps f = copied_taps(low, taps);
    assert(length % 2 == 0);
    if (inner == 1)
        run_wavelet_last_adjoint(device, outer, length, (float *)x, (const float *)z, f, length);
    else
        run_wavelet_across_adjoint(device, outer * length, inner, (float *)x, (const float *)z, f,
                                   length, inner);
}

static double slot_dot(const sc_device *device, const float *x, const float *y, int64_t n)
{
    return run_dot(device, n, x, y);
}

static double slot_max_abs(const sc_device *device, const float *x, int64_t n)
{
    return run_max_abs(device, n, x);
}

static int64_t slot_count_not_finite(const sc_device *device, const float *x, int64_t n)
{
    return (int64_t)run_count_not_finite(device, n, x);
}

/* Designated initialisers of the slots above. */
#define SC_ELEMENTWISE_SLOTS                                                                       \
    .fill = slot_fill, .axpby = slot_axpby, .multiply = slot_multiply, .normal = slot_normal,      \
    .cmultiply = slot_cmultiply, .mask = slot_mask, .coils_forward = slot_coils_forward,           \
    .coils_adjoint = slot_coils_adjoint, .soft = slot_soft, .shrink = slot_shrink,                 \
    .gradient = slot_gradient, .gradient_adjoint = slot_gradient_adjoint, .wavelet = slot_wavelet, \
    .wavelet_adjoint = slot_wavelet_adjoint, .dot = slot_dot, .max_abs = slot_max_abs,             \
    .count_not_finite = slot_count_not_finite

#endif
