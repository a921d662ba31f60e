/* Bodies of the network's elementwise and gather-type kernels, written once for the CPU and the
 * CUDA row (see kernel_bodies.h); contracts in kernel_net.h.
 */
#ifndef SC_BASE_NET_BODIES_H
#define SC_BASE_NET_BODIES_H

#include "base/kernel_bodies.h"
#include "base/kernel_net.h"

/* ---- FIR: which samples meet which taps ----
 * Sample first + s meets tap[tap + step s], s < count: forward for output position o of an axis,
 * backward for input position i, whose gradient gathers the outputs that read it. */
typedef struct {
    int first, count, tap, step;
} sc_fir_span;

SC_BODY sc_fir_span sc_fir_reads(const sc_fir *f, int o, int length)
{
    int p = f->down * o - f->pad, a = p < 0 ? -p : 0; /* a: the first tap inside the data */
    a += (p + a) % f->up;
    sc_fir_span span = {(p + a) / f->up, 0, f->taps - 1 - a, -f->up};
    int taps = a < f->taps ? (f->taps - 1 - a) / f->up + 1 : 0, rest = length - span.first;
    span.count = taps < rest ? taps : rest;
    return span;
}

SC_BODY sc_fir_span sc_fir_read_by(const sc_fir *f, int i, int length)
{
    int high = f->up * i + f->pad, low = high - f->taps + 1;
    int first = low <= 0 ? 0 : (low + f->down - 1) / f->down, last = high / f->down;
    last = last < length ? last : length - 1;
    sc_fir_span span = {first, last - first + 1, f->taps - 1 - (high - f->down * first), f->down};
    return span;
}

SC_BODY sc_fir_span sc_fir_span_of(const sc_fir *f, int position, int length, int adjoint)
{
    return adjoint ? sc_fir_read_by(f, position, length) : sc_fir_reads(f, position, length);
}

/* row counts (image, y, x) of z, col channels: z (n, zh, zw, c) (+)= filtered x (n, xh, xw, c) */
SC_BODY void sc_body_fir(int64_t row, int64_t col, float *z, const float *x, sc_fir f, int zh,
                         int zw, int xh, int xw, int c, int adjoint, int add)
{
    int64_t image = row / zw / zh;
    sc_fir_span v = sc_fir_span_of(&f, (int)(row / zw % zh), xh, adjoint);
    sc_fir_span u = sc_fir_span_of(&f, (int)(row % zw), xw, adjoint);
    float sum = add ? z[row * c + col] : 0.f;
    for (int s = 0; s < v.count; s++)
        for (int t = 0; t < u.count; t++) {
            float weight = f.tap[v.tap + v.step * s] * f.tap[u.tap + u.step * t];
            sum += weight * x[((image * xh + v.first + s) * xw + u.first + t) * c + col];
        }
    z[row * c + col] = sum;
}

/* ---- activations ---- */

SC_BODY float sc_activate(float x, int kind)
{
    if (x > 0)
        return x;
    return kind == SC_ACTIVATE_ELU ? expm1f(x) : kind == SC_ACTIVATE_RELU ? 0.f : .2f * x;
}

SC_BODY float sc_activate_slope(float x, int kind)
{
    if (x > 0)
        return 1.f;
    return kind == SC_ACTIVATE_ELU ? expf(x) : kind == SC_ACTIVATE_RELU ? 0.f : .2f;
}

SC_BODY void sc_body_activate(int64_t i, float *y, const float *x, int kind)
{
    y[i] = sc_activate(x[i], kind);
}

SC_BODY void sc_body_activate_backward(int64_t i, float *gx, const float *gy, const float *x,
                                       int kind, int add)
{
    float g = sc_activate_slope(x[i], kind) * gy[i];
    gx[i] = add ? gx[i] + g : g;
}

SC_BODY void sc_body_copy_columns(int64_t row, int64_t col, float *z, int64_t z_stride,
                                  const float *x, int64_t x_stride, int add)
{
    float value = x[row * x_stride + col], *to = &z[row * z_stride + col];
    *to = add ? *to + value : value;
}

/* ---- dropout: row is the image, col counts blocks of four elements ---- */
SC_BODY void sc_body_dropout(int64_t row, int64_t col, float *z, int64_t count, uint32_t threshold,
                             float scale, sc_stream stream)
{
    uint32_t c[4] = {(uint32_t)col, stream.c1, stream.c2, stream.c3 + (uint32_t)row};
    sc_body_philox(c, stream.k0, stream.k1);
    for (int i = 0; i < 4 && 4 * col + i < count; i++)
        z[row * count + 4 * col + i] *= c[i] < threshold ? 0.f : scale;
}

/* ---- embedding: row is the image, col the frequency ---- */
SC_BODY double sc_embed_angle(float label, float frequency, int kind)
{
    float product = label * frequency;
    if (kind == SC_EMBED_POSITIONAL)
        return (double)product;
    if (kind == SC_EMBED_FOURIER_FLOAT) {
        product *= 2.f;
        return (double)(product * 3.14159265358979323846f);
    }
    return 2 * 3.14159265358979323846 * (double)label * (double)frequency;
}

SC_BODY void sc_body_embed(int64_t row, int64_t col, float *y, const float *label,
                           const float *frequency, int kind, int width)
{
    double angle = sc_embed_angle(label[row], frequency[col], kind);
    int half = width / 2;
    y[row * width + col] = (float)sin(angle);
    y[row * width + half + col] = (float)cos(angle);
    if (col == 0 && width % 2)
        y[row * width + width - 1] = 0.f;
}

#endif
