/* The network's kernels for a row that runs them by index, as a GPU does: compiled by nvcc, and as
 * C by the fake runtime. What the CPU row shares is in net_bodies.h and net_math_internal.h; its loops over
 * channels are its own.
 *
 * A kernel's arguments are a struct, pointers first; net_list_internal.h names each kernel. Tensors are
 * NHWC, C channels, P pixels an image. Sums over pixels go in chunks of SC_NET_CHUNK, float inside
 * a chunk and double beyond, then chunks by gathers of as many: a fixed order.
 */
#ifndef SC_BASE_NET_INDEXED_INTERNAL_H
#define SC_BASE_NET_INDEXED_INTERNAL_H

#include "base/net_bodies.h"
#include "base/net_math_internal.h"

#define SC_NET_CHUNK 32

SC_BODY void sc_set_or_add(float *z, float value, int add) { *z = add ? *z + value : value; }

/* ---- affine: row image, col element ---- */

typedef struct {
    float *z;
    const float *x, *a; /* a (row), or NULL: scale */
    float scale, b;
    int64_t count;
    int add;
} sc_net_affine;

SC_BODY void sc_body_net_affine(int64_t row, int64_t col, sc_net_affine k)
{
    int64_t i = row * k.count + col;
    sc_set_or_add(k.z + i, (k.a ? k.a[row] : k.scale) * k.x[i] + k.b, k.add);
}

/* ---- embedding: row image, col frequency ---- */

typedef struct {
    float *y; /* (image, width) */
    const float *label, *frequency;
    int kind, width;
} sc_net_embed;

SC_BODY void sc_body_net_embed(int64_t row, int64_t col, sc_net_embed k)
{
    sc_body_embed(row, col, k.y, k.label, k.frequency, k.kind, k.width);
}

/* ---- activation and its backward, channels copied, dropout, FIR: bodies of net_bodies.h ---- */

typedef struct {
    float *z;
    const float *gy, *x; /* gy NULL: forward */
    int kind, add;
} sc_net_activate;

SC_BODY void sc_body_net_activate(int64_t row, int64_t col, sc_net_activate k)
{
    (void)row;
    if (k.gy)
        sc_body_activate_backward(col, k.z, k.gy, k.x, k.kind, k.add);
    else
        sc_body_activate(col, k.z, k.x, k.kind);
}

typedef struct {
    float *z;
    const float *x;
    int64_t z_stride, x_stride;
    int add;
} sc_net_copy_columns;

SC_BODY void sc_body_net_copy_columns(int64_t row, int64_t col, sc_net_copy_columns k)
{
    sc_body_copy_columns(row, col, k.z, k.z_stride, k.x, k.x_stride, k.add);
}

typedef struct {
    float *z;
    int64_t count;
    uint32_t threshold;
    float scale;
    sc_stream stream;
} sc_net_dropout;

SC_BODY void sc_body_net_dropout(int64_t row, int64_t col, sc_net_dropout k)
{
    sc_body_dropout(row, col, k.z, k.count, k.threshold, k.scale, k.stream);
}

typedef struct {
    float *z;
    const float *x;
    sc_fir f;
    int zh, zw, xh, xw, c, adjoint, add;
} sc_net_fir;

SC_BODY void sc_body_net_fir(int64_t row, int64_t col, sc_net_fir k)
{
    sc_body_fir(row, col, k.z, k.x, k.f, k.zh, k.zw, k.xh, k.xw, k.c, k.adjoint, k.add);
}

/* ---- nearest up, mean down, and their adjoints: row pixel of z, col channel ---- */

typedef struct {
    float *z;
    const float *x;
    int64_t zh, zw, xh, xw, c;
    float scale;
    int grow, add; /* grow: z = scale x repeated; else z = scale times the sum over 2 x 2 */
} sc_net_resample;

/* What growing reads beyond x (an odd size's last row and column) is zero. */
SC_BODY void sc_body_net_resample(int64_t row, int64_t col, sc_net_resample k)
{
    int64_t j = row % k.zw, i = row / k.zw % k.zh, image = row / k.zw / k.zh;
    const float *x = k.x + image * k.xh * k.xw * k.c + col;
    float value = 0;
    if (!k.grow) {
        const float *a = x + (2 * i * k.xw + 2 * j) * k.c, *b = a + k.xw * k.c;
        value = k.scale * ((a[0] + a[k.c]) + (b[0] + b[k.c]));
    } else if (i / 2 < k.xh && j / 2 < k.xw) {
        value = k.scale * x[(i / 2 * k.xw + j / 2) * k.c];
    }
    sc_set_or_add(k.z + row * k.c + col, value, k.add);
}

/* ---- convolution's surroundings ----
 * Weights as parameters lie at out_stride o + in_stride i + tap, packed as (out, tap, in). */

typedef struct {
    float *to; /* bf16: of uint16_t */
    const float *from;
    int64_t in, taps, out_stride, in_stride;
    float scale;
    int bf16;
} sc_net_conv_pack;

/* row: output channel, col: (tap, in) */
SC_BODY void sc_body_net_conv_pack(int64_t row, int64_t col, sc_net_conv_pack k)
{
    int64_t at = row * k.out_stride + col % k.in * k.in_stride + col / k.in;
    float value = k.scale * k.from[at];
    if (k.bf16)
        ((uint16_t *)k.to)[row * k.taps * k.in + col] = sc_bf16_of(value);
    else
        k.to[row * k.taps * k.in + col] = value;
}

typedef sc_net_conv_pack sc_net_conv_unpack; /* from packed to parameters, added */

SC_BODY void sc_body_net_conv_unpack(int64_t row, int64_t col, sc_net_conv_unpack k)
{
    int64_t at = row * k.out_stride + col % k.in * k.in_stride + col / k.in;
    k.to[at] += k.scale * k.from[row * k.taps * k.in + col];
}

typedef struct {
    float *y;
    const float *bias;
    int64_t c;
} sc_net_add_bias;

/* row: pixel, col: channel */
SC_BODY void sc_body_net_add_bias(int64_t row, int64_t col, sc_net_add_bias k)
{
    k.y[row * k.c + col] += k.bias[col];
}

/* col: element */
typedef struct {
    uint16_t *to;
    const float *from;
} sc_net_to_bf16;

SC_BODY void sc_body_net_to_bf16(int64_t row, int64_t col, sc_net_to_bf16 k)
{
    (void)row;
    k.to[col] = sc_bf16_of(k.from[col]);
}

/* What a convolution in bfloat16 leaves, with bias (NULL: none), set or added in float32. */
typedef struct {
    float *y;
    const uint16_t *from;
    const float *bias;
    int64_t c;
    int add;
} sc_net_from_bf16;

/* row: pixel, col: channel */
SC_BODY void sc_body_net_from_bf16(int64_t row, int64_t col, sc_net_from_bf16 k)
{
    int64_t i = row * k.c + col;
    sc_set_or_add(k.y + i, sc_float_of(k.from[i]) + (k.bias ? k.bias[col] : 0.f), k.add);
}

/* A frame of zeros: `low` above and left; outer sizes H, W, inner h, w. */
typedef struct {
    float *to;
    const float *from;
    int64_t H, W, h, w, low, c;
    int add; /* of crop */
} sc_net_pad;

/* row: pixel of the outer image, col: channel */
SC_BODY void sc_body_net_pad(int64_t row, int64_t col, sc_net_pad k)
{
    int64_t j = row % k.W - k.low, i = row / k.W % k.H - k.low, image = row / k.W / k.H;
    int inside = i >= 0 && i < k.h && j >= 0 && j < k.w;
    k.to[row * k.c + col] = inside ? k.from[((image * k.h + i) * k.w + j) * k.c + col] : 0.f;
}

typedef sc_net_pad sc_net_crop;

/* row: pixel of the inner image, col: channel */
SC_BODY void sc_body_net_crop(int64_t row, int64_t col, sc_net_crop k)
{
    int64_t j = row % k.w + k.low, i = row / k.w % k.h + k.low, image = row / k.w / k.h;
    sc_set_or_add(k.to + row * k.c + col, k.from[((image * k.H + i) * k.W + j) * k.c + col], k.add);
}

/* ---- sums over pixels ---- */

/* row: chunk, col: channel of x (pixels, c) */
typedef struct {
    double *sums; /* (chunk, c) */
    const float *x;
    int64_t pixels, c;
} sc_net_column_sums;

SC_BODY int64_t sc_chunk_end(int64_t chunk, int64_t n)
{
    int64_t end = (chunk + 1) * SC_NET_CHUNK;
    return end < n ? end : n;
}

SC_BODY void sc_body_net_column_sums(int64_t row, int64_t col, sc_net_column_sums k)
{
    float sum = 0;
    for (int64_t p = row * SC_NET_CHUNK; p < sc_chunk_end(row, k.pixels); p++)
        sum += k.x[p * k.c + col];
    k.sums[row * k.c + col] = sum;
}

/* Chunks of chunks. row: (image, result), col: of `width` sums */
typedef struct {
    double *to; /* (image, results, width) */
    const double *from; /* (image, chunks, width) */
    int64_t results, chunks, width;
} sc_net_gather;

SC_BODY void sc_body_net_gather(int64_t row, int64_t col, sc_net_gather k)
{
    int64_t image = row / k.results, result = row % k.results;
    double sum = 0;
    for (int64_t i = result * SC_NET_CHUNK; i < sc_chunk_end(result, k.chunks); i++)
        sum += k.from[(image * k.chunks + i) * k.width + col];
    k.to[row * k.width + col] = sum;
}

/* z[col] += scale sums[col] */
typedef struct {
    float *z;
    const double *sums;
    float scale;
} sc_net_add_sums;

SC_BODY void sc_body_net_add_sums(int64_t row, int64_t col, sc_net_add_sums k)
{
    (void)row;
    k.z[col] += (float)(k.scale * k.sums[col]);
}

#include "base/net_norm_internal.h"
#include "base/net_dense_internal.h"

#endif
