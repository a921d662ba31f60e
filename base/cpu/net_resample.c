/* Change of sampling on the CPU: nearest and mean, and FIR (Karras et al. 2020, StyleGAN 2), row by
 * row of NHWC pixels. A FIR has a zero boundary: with [1,3,3,1] up out[2i] = (x[i-1] + 3 x[i]) / 4,
 * out[2i+1] = (3 x[i] + x[i+1]) / 4; down out[i] = (x[2i-1] + 3 x[2i] + 3 x[2i+1] + x[2i+2]) / 8.
 */
#include "base/cpu/net_internal.h"
#include "base/cpu/net_vector.h"
#include "base/net_bodies.h"
#include <string.h>

SC_CLONES static void nearest_row(float *restrict y, const float *restrict x, int w, int c)
{
    for (int j = 0; j < w; j++) {
        memcpy(y + (int64_t)2 * j * c, x + (int64_t)j * c, sizeof *y * (size_t)c);
        memcpy(y + (int64_t)(2 * j + 1) * c, x + (int64_t)j * c, sizeof *y * (size_t)c);
    }
}

/* y (w/2, c) (+)= scale * sum over 2x2 of two rows (w, c) */
SC_CLONES static void pool_row(float *restrict y, const float *restrict a, const float *restrict b,
                               float scale, int w, int c, int add)
{
    for (int j = 0; j < w / 2; j++) {
        const float *p = a + (int64_t)2 * j * c, *q = b + (int64_t)2 * j * c;
        float *out = y + (int64_t)j * c;
#pragma omp simd
        for (int i = 0; i < c; i++) {
            float value = scale * ((p[i] + p[c + i]) + (q[i] + q[c + i]));
            out[i] = add ? out[i] + value : value;
        }
    }
}

/* y (2w, c) (+)= scale * x (w, c) repeated */
SC_CLONES static void spread_row(float *restrict y, const float *restrict x, float scale, int w,
                                 int c, int add)
{
    for (int j = 0; j < w; j++)
        for (int side = 0; side < 2; side++) {
            const float *in = x + (int64_t)j * c;
            float *out = y + (int64_t)(2 * j + side) * c;
#pragma omp simd
            for (int i = 0; i < c; i++)
                out[i] = add ? out[i] + scale * in[i] : scale * in[i];
        }
}

/* Backward of the mean leaves the last row and column of an odd size, which nothing read. */
static void spread_pixels(float *y, const float *x, int row, int h, int w, int c, int add)
{
    float *out = y + (int64_t)row * w * c;
    int even = w / 2 * 2;
    if (!add && (row >= h / 2 * 2 || even < w))
        memset(out, 0, sizeof *y * (size_t)w * (size_t)c);
    if (row < h / 2 * 2)
        spread_row(out, x + (int64_t)(row / 2) * (w / 2) * c, .25f, w / 2, c, add);
}

/* Sizes are those of the forward's input. */
void sc_cpu_resample_forward(const sc_device *device, float *y, const float *x,
                             sc_resample_kind kind, int n, int h, int w, int c)
{
    const int up = kind == SC_RESAMPLE_NEAREST_UP, rows = up ? 2 * h : h / 2;
    const int64_t in = (int64_t)w * c, out = (int64_t)(up ? 2 * w : w / 2) * c;
#pragma omp parallel for schedule(static) num_threads(device->threads)
    for (int unit = 0; unit < n * rows; unit++) {
        const int row = unit % rows;
        const float *image = x + unit / rows * h * in;
        if (up)
            nearest_row(y + unit * out, image + row / 2 * in, w, c);
        else
            pool_row(y + unit * out, image + 2 * row * in, image + (2 * row + 1) * in, .25f, w, c,
                     0);
    }
}

void sc_cpu_resample_backward(const sc_device *device, float *gx, const float *gy,
                              sc_resample_kind kind, int n, int h, int w, int c, int add)
{
    const int up = kind == SC_RESAMPLE_NEAREST_UP, gy_rows = up ? 2 * h : h / 2;
    const int64_t in = (int64_t)w * c, out = (int64_t)(up ? 2 * w : w / 2) * c;
#pragma omp parallel for schedule(static) num_threads(device->threads)
    for (int unit = 0; unit < n * h; unit++) {
        const int row = unit % h;
        const float *image = gy + unit / h * gy_rows * out;
        if (up)
            pool_row(gx + unit * in, image + 2 * row * out, image + (2 * row + 1) * out, 1.f, 2 * w,
                     c, add);
        else
            spread_pixels(gx + (int64_t)(unit / h) * h * in, image, row, h, w, c, add);
    }
}

/* One row of an image's z: the arithmetic of sc_body_fir, channels innermost. */
SC_CLONES static void fir_row(float *restrict z, const float *restrict x, const sc_fir *f, int row,
                              int zw, int xh, int xw, int c, int adjoint, int add)
{
    sc_fir_span v = sc_fir_span_of(f, row, xh, adjoint);
    if (!add)
        memset(z, 0, sizeof *z * (size_t)zw * (size_t)c);
    for (int j = 0; j < zw; j++) {
        sc_fir_span u = sc_fir_span_of(f, j, xw, adjoint);
        float *restrict to = z + (int64_t)j * c;
        for (int s = 0; s < v.count; s++)
            for (int t = 0; t < u.count; t++) {
                float weight = f->tap[v.tap + v.step * s] * f->tap[u.tap + u.step * t];
                const float *restrict from = x + ((int64_t)(v.first + s) * xw + u.first + t) * c;
#pragma omp simd
                for (int i = 0; i < c; i++)
                    to[i] += weight * from[i];
            }
    }
}

static void fir(const sc_device *device, float *z, const float *x, const sc_fir *f, int n, int zh,
                int zw, int xh, int xw, int c, int adjoint, int add)
{
#pragma omp parallel for schedule(static) num_threads(device->threads)
    for (int unit = 0; unit < n * zh; unit++)
        fir_row(z + (int64_t)unit * zw * c, x + (int64_t)(unit / zh) * xh * xw * c, f, unit % zh,
                zw, xh, xw, c, adjoint, add);
}

void sc_cpu_fir_forward(const sc_device *device, float *y, const float *x, const sc_fir *f, int n,
                        int h, int w, int out_h, int out_w, int c)
{
    fir(device, y, x, f, n, out_h, out_w, h, w, c, 0, 0);
}

void sc_cpu_fir_backward(const sc_device *device, float *gx, const float *gy, const sc_fir *f,
                         int n, int h, int w, int out_h, int out_w, int c, int add)
{
    fir(device, gx, gy, f, n, h, w, out_h, out_w, c, 1, add);
}
