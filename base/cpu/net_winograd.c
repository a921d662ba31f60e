/* Convolutions 3x3 of stride 1 with a border of 1, by Winograd's F(4x4, 3x3): a quarter of the
 * products, so faster than the processor's peak of direct convolution.
 *
 * Forward and the gradient of data (the same with transposed, flipped weights): each block of tiles
 * goes through input transform, 36 matrix products and output transform in one thread's cache.
 * Gradient of weights: blocks one after another; their tiles are transformed by all threads, then
 * each of the 36 points is one thread's, so the order of summation follows from the shape alone.
 *
 * Packed memory: [U forward | bias | U data], scaled.
 */
#include "base/cpu/net_conv_internal.h"
#include "base/cpu/net_winograd_internal.h"
#include "base/memory.h"
#include <omp.h>
#include <string.h>

#define WEIGHTS_BLOCK 64 /* tiles */

typedef struct {
    sc_conv base;
    sc_conv_shape shape;
    int threads;
    const sc_winograd_kernels *kernels;
    sc_winograd_grid grid, weights_grid;
    int in_padded, out_padded;
} winograd;

static size_t align(size_t bytes) { return (bytes + 63) / 64 * 64; }

static int padded(int channels, int lanes) { return (channels + lanes - 1) / lanes * lanes; }

static size_t floats(size_t points, size_t rows, size_t columns)
{
    return align(sizeof(float) * points * rows * columns);
}

static const sc_winograd_kernels *kernels_for(const sc_device *device)
{
#if defined(__x86_64__)
    if (device->lanes >= 16)
        return &sc_winograd_avx512;
    if (device->lanes >= 8)
        return &sc_winograd_avx2;
#endif
    (void)device;
    return NULL;
}

static bool serves(const sc_conv_shape *s)
{
    return s->kernel == 3 && s->stride == 1 && s->pad_low == 1 && s->pad_high == 1;
}

static sc_winograd_grid grid_of(const sc_conv_shape *s, int block)
{
    sc_winograd_grid g = {.n = s->n, .h = s->h, .w = s->w};
    g.rows = (s->h + SC_WINOGRAD_TILE - 1) / SC_WINOGRAD_TILE;
    g.columns = (s->w + SC_WINOGRAD_TILE - 1) / SC_WINOGRAD_TILE;
    g.tiles = (int64_t)g.n * g.rows * g.columns;
    g.block = g.tiles < block ? (int)g.tiles : block;
    return g;
}

static sc_status create(const sc_device *device, sc_conv **result, const sc_conv_shape *shape)
{
    sc_status status = SC_OK;
    winograd *w = NULL;
    const sc_winograd_kernels *kernels = kernels_for(device);
    *result = NULL;
    if (!kernels || !serves(shape))
        return SC_OK;
    SC_TRY(SC_ALLOC(&w, 1, "convolution"));
    *w = (winograd){.base.kind = &sc_conv_winograd, .shape = *shape, .threads = device->threads,
                    .kernels = kernels, .grid = grid_of(shape, kernels->block),
                    .weights_grid = grid_of(shape, WEIGHTS_BLOCK),
                    .in_padded = padded(shape->in, kernels->lanes),
                    .out_padded = padded(shape->out, kernels->lanes)};
    *result = &w->base;
cleanup:
    return status;
}

static void destroy(sc_conv *conv) { sc_free(conv); }

/* Memory of V or M of one block. */
static size_t block_bytes(const sc_winograd_grid *g, int channels)
{
    return floats(SC_WINOGRAD_POINTS, (size_t)g->block, (size_t)channels);
}

static size_t forward_u(const winograd *w)
{
    return floats(SC_WINOGRAD_POINTS, (size_t)w->shape.in, (size_t)w->out_padded);
}

static size_t data_u(const winograd *w)
{
    return w->shape.backward
               ? floats(SC_WINOGRAD_POINTS, (size_t)w->shape.out, (size_t)w->in_padded) : 0;
}

static size_t bias_bytes(const winograd *w) { return floats(1, 1, (size_t)w->out_padded); }

static size_t thread_bytes(const winograd *w)
{
    return block_bytes(&w->grid, w->in_padded) + block_bytes(&w->grid, w->out_padded);
}

/* Scratch of the gradient of weights, in this order. */
enum { V, M, DU, SUMS, BIAS, PARTS };
static void weights_parts(const winograd *w, size_t part[PARTS])
{
    const sc_winograd_grid *g = &w->weights_grid;
    part[V] = block_bytes(g, w->in_padded);
    part[M] = block_bytes(g, w->out_padded);
    part[DU] = floats(SC_WINOGRAD_POINTS, (size_t)w->in_padded, (size_t)w->out_padded);
    part[SUMS] = floats(1, (size_t)g->block, (size_t)w->out_padded);
    part[BIAS] = align(sizeof(double) * (size_t)w->out_padded);
}

static void bytes(const sc_conv *conv, size_t *packed, size_t *scratch)
{
    const winograd *w = (const winograd *)conv;
    size_t part[PARTS], weights = 0;
    weights_parts(w, part);
    for (int i = 0; i < PARTS && w->shape.backward; i++)
        weights += part[i];
    *packed = forward_u(w) + bias_bytes(w) + data_u(w);
    *scratch = (size_t)w->threads * thread_bytes(w);
    *scratch = weights > *scratch ? weights : *scratch;
}

static const char *describe(const sc_conv *conv) { return ((const winograd *)conv)->kernels->name; }

static sc_winograd_weights forward_weights(const sc_conv_shape *s)
{
    return (sc_winograd_weights){s->in, s->out, s->out_stride, s->in_stride, 0, s->scale};
}

static sc_winograd_weights data_weights(const sc_conv_shape *s)
{
    return (sc_winograd_weights){s->out, s->in, s->in_stride, s->out_stride, 1, s->scale};
}

static sc_status pack(sc_conv *conv, void *packed, const float *weight, const float *bias,
                      void *scratch)
{
    const winograd *w = (const winograd *)conv;
    const sc_conv_shape *s = &w->shape;
    char *to = packed;
    (void)scratch;
    sc_winograd_weights forward = forward_weights(s), data = data_weights(s);
    w->kernels->pack((float *)to, weight, &forward);
    float *b = (float *)(to + forward_u(w));
    memset(b, 0, bias_bytes(w));
    for (int i = 0; i < s->out && s->bias; i++)
        b[i] = s->scale * bias[i];
    if (s->backward)
        w->kernels->pack((float *)(to + forward_u(w) + bias_bytes(w)), weight, &data);
    return SC_OK;
}

/* y = conv(x, U) + bias: of `in` and `out` channels, whichever direction that is. */
static void convolve(const winograd *w, float *y, const float *x, const float *u,
                     const float *bias, int in, int out, int add, char *scratch)
{
    const sc_winograd_grid *g = &w->grid;
    const sc_winograd_kernels *k = w->kernels;
    const size_t own = thread_bytes(w), v_bytes = block_bytes(g, padded(in, k->lanes));
    const int64_t blocks = (g->tiles + g->block - 1) / g->block;
#pragma omp parallel for schedule(static) num_threads(w->threads) if (w->threads > 1)
    for (int64_t b = 0; b < blocks; b++) {
        float *v = (float *)(scratch + (size_t)omp_get_thread_num() * own);
        float *m = (float *)((char *)v + v_bytes);
        int64_t first = b * g->block;
        int count = g->tiles - first < g->block ? (int)(g->tiles - first) : g->block;
        k->input(v, x, g, in, first, count);
        k->multiply(m, v, u, g, count, in, out);
        k->output(y, m, bias, g, out, first, count, add);
    }
}

static sc_status forward(sc_conv *conv, float *y, const float *x, const void *packed, void *scratch)
{
    const winograd *w = (const winograd *)conv;
    const sc_conv_shape *s = &w->shape;
    const char *from = packed;
    convolve(w, y, x, packed, (const float *)(from + forward_u(w)), s->in, s->out, s->accumulate,
             scratch);
    return SC_OK;
}

static sc_status backward_data(sc_conv *conv, float *gx, const float *gy, const void *packed,
                               int add, void *scratch)
{
    const winograd *w = (const winograd *)conv;
    const char *from = packed;
    convolve(w, gx, gy, (const float *)(from + forward_u(w) + bias_bytes(w)), NULL, w->shape.out,
             w->shape.in, add, scratch);
    return SC_OK;
}

typedef struct {
    float *v, *m, *du, *sums;
    double *bias;
} weights_memory;

static weights_memory divide(const winograd *w, char *scratch)
{
    size_t part[PARTS];
    weights_parts(w, part);
    weights_memory a;
    a.v = (float *)scratch, scratch += part[V];
    a.m = (float *)scratch, scratch += part[M];
    a.du = (float *)scratch, scratch += part[DU];
    a.sums = (float *)scratch, scratch += part[SUMS];
    a.bias = (double *)scratch;
    memset(a.du, 0, part[DU]);
    memset(a.bias, 0, part[BIAS]);
    return a;
}

/* The share of `count` tiles that thread `t` of `threads` transforms. */
static void transform_share(const winograd *w, const weights_memory *a, const float *x,
                            const float *gy, int64_t first, int count, int t, int threads)
{
    const sc_winograd_grid *g = &w->weights_grid;
    const int from = (int)((int64_t)count * t / threads);
    const int share = (int)((int64_t)count * (t + 1) / threads) - from, lanes = w->kernels->lanes;
    w->kernels->input(a->v + from * lanes, x, g, w->shape.in, first + from, share);
    w->kernels->gradient(a->m + from * lanes, a->sums + from * w->out_padded, gy, g, w->shape.out,
                         first + from, share);
}

static void sum_bias(const winograd *w, const weights_memory *a, int count)
{
    for (int t = 0; t < count; t++)
        for (int o = 0; o < w->out_padded; o++)
            a->bias[o] += a->sums[t * w->out_padded + o];
}

static sc_status backward_weights(sc_conv *conv, float *gweight, float *gbias, const float *x,
                                  const float *gy, void *scratch)
{
    const winograd *w = (const winograd *)conv;
    const sc_winograd_grid *g = &w->weights_grid;
    const sc_conv_shape *s = &w->shape;
    const weights_memory a = divide(w, scratch);
#pragma omp parallel num_threads(w->threads) if (w->threads > 1)
    for (int64_t first = 0; first < g->tiles; first += g->block) {
        int count = g->tiles - first < g->block ? (int)(g->tiles - first) : g->block;
        transform_share(w, &a, x, gy, first, count, omp_get_thread_num(), omp_get_num_threads());
#pragma omp barrier
#pragma omp for schedule(static)
        for (int p = 0; p <= SC_WINOGRAD_POINTS; p++)
            if (p < SC_WINOGRAD_POINTS)
                w->kernels->outer(a.du, a.v, a.m, g, count, p, s->in, s->out);
            else if (s->bias)
                sum_bias(w, &a, count);
    }
    sc_winograd_weights weights = forward_weights(s);
    w->kernels->unpack(gweight, a.du, &weights);
    for (int i = 0; i < s->out && s->bias; i++)
        gbias[i] += s->scale * (float)a.bias[i];
    return SC_OK;
}

const sc_conv_kind sc_conv_winograd = {create, destroy, bytes, describe, pack, forward,
                                       backward_data, backward_weights};
