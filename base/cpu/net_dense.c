/* Elementwise and dense kernels of the network on the CPU: affine, activation, dropout, columns,
 * embedding, linear.
 */
#include "base/cpu/net_internal.h"
#include "base/cpu/net_vector.h"
#include "base/net_bodies.h"
#include <string.h>

#define BLOCK 16384 /* floats a unit of work */

SC_CLONES static void affine_block(float *restrict z, const float *restrict x, float a, float b,
                                   int64_t n, int add)
{
    if (add) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            z[i] += a * x[i] + b;
    } else {
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            z[i] = a * x[i] + b;
    }
}

void sc_cpu_affine(const sc_device *device, float *z, const float *x, const float *a, float scale,
                   float b, int n, int64_t count, int add)
{
    int64_t blocks = (count + BLOCK - 1) / BLOCK;
#pragma omp parallel for schedule(static) num_threads(device->threads) if (n * blocks > 2)
    for (int64_t unit = 0; unit < n * blocks; unit++) {
        int64_t image = unit / blocks, first = unit % blocks * BLOCK;
        int64_t length = count - first < BLOCK ? count - first : BLOCK;
        affine_block(z + image * count + first, x + image * count + first, a ? a[image] : scale, b,
                     length, add);
    }
}

void sc_cpu_activate_forward(const sc_device *device, float *y, const float *x,
                             sc_activate_kind kind, int64_t count)
{
#pragma omp parallel for schedule(static) num_threads(device->threads) if (count > BLOCK)
    for (int64_t i = 0; i < count; i++)
        sc_body_activate(i, y, x, (int)kind);
}

void sc_cpu_activate_backward(const sc_device *device, float *gx, const float *gy, const float *x,
                              sc_activate_kind kind, int64_t count, int add)
{
#pragma omp parallel for schedule(static) num_threads(device->threads) if (count > BLOCK)
    for (int64_t i = 0; i < count; i++)
        sc_body_activate_backward(i, gx, gy, x, (int)kind, add);
}

void sc_cpu_copy_columns(const sc_device *device, float *z, int64_t z_stride, const float *x,
                         int64_t x_stride, int64_t rows, int64_t columns, int add)
{
#pragma omp parallel for schedule(static) num_threads(device->threads) if (rows * columns > BLOCK)
    for (int64_t row = 0; row < rows; row++)
        for (int64_t col = 0; col < columns; col++)
            sc_body_copy_columns(row, col, z, z_stride, x, x_stride, add);
}

void sc_cpu_dropout(const sc_device *device, float *z, float p, sc_key key, uint32_t draw,
                    uint32_t step, int n, int64_t count)
{
    const sc_stream stream = {(uint32_t)key.seed, (uint32_t)(key.seed >> 32), draw << 20 | step,
                              key.slice, key.sample};
    const uint32_t threshold = (uint32_t)((double)p * 4294967296.0);
    const float scale = (float)(1 / (1 - (double)p));
    const int64_t blocks = (count + 3) / 4;
#pragma omp parallel for schedule(static) num_threads(device->threads) if (n * count > BLOCK)
    for (int64_t unit = 0; unit < n * blocks; unit++)
        sc_body_dropout(unit / blocks, unit % blocks, z, count, threshold, scale, stream);
}

void sc_cpu_embed(const sc_device *device, float *y, const float *label, const float *frequency,
                  sc_embed_kind kind, int n, int width)
{
    (void)device;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < width / 2; j++)
            sc_body_embed(i, j, y, label, frequency, (int)kind, width);
}

/* Linear layers see vectors of a few hundred, one an image: tiles of inputs are activated once and
 * used for all outputs. */
#define TILE 512

SC_CLONES static void activate(float *restrict a, float *restrict slope, const float *restrict x,
                               int n, int silu)
{
#pragma omp simd
    for (int i = 0; i < n; i++) {
        float s = sc_sigmoid(x[i]);
        a[i] = silu ? x[i] * s : x[i];
        slope[i] = silu ? sc_silu_slope(x[i], s) : 1.f;
    }
}

SC_CLONES static float dot(const float *restrict a, const float *restrict b, int n)
{
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return (float)sum;
}

void sc_cpu_linear_forward(const sc_device *device, float *y, const float *x, const float *weight,
                           const float *bias, int n, int in, int out, int silu)
{
    (void)device;
    float a[TILE], slope[TILE];
    for (int i = 0; i < n; i++, x += in, y += out) {
        memcpy(y, bias, sizeof *y * (size_t)out);
        for (int j = 0; j < in; j += TILE) {
            int size = in - j < TILE ? in - j : TILE;
            activate(a, slope, x + j, size, silu);
            for (int o = 0; o < out; o++)
                y[o] += dot(a, weight + (int64_t)o * in + j, size);
        }
    }
}

/* One output's share of the gradients: gw += g a, gu += g w */
SC_CLONES static void spread(float *restrict gw, double *restrict gu, const float *restrict a,
                             const float *restrict w, float g, int n)
{
#pragma omp simd
    for (int i = 0; i < n; i++) {
        gw[i] += g * a[i];
        gu[i] += (double)g * (double)w[i];
    }
}

static void linear_backward_tile(float *gx, float *gweight, const float *gy, const float *x,
                                 const float *weight, int size, int in, int out, int silu, int add)
{
    float a[TILE], slope[TILE];
    double gu[TILE] = {0};
    activate(a, slope, x, size, silu);
    for (int o = 0; o < out; o++)
        spread(gweight + (int64_t)o * in, gu, a, weight + (int64_t)o * in, gy[o], size);
    for (int j = 0; j < size && gx; j++)
        gx[j] = (float)(gu[j] * (double)slope[j]) + (add ? gx[j] : 0.f);
}

void sc_cpu_linear_backward(const sc_device *device, float *gx, float *gweight, float *gbias,
                            const float *gy, const float *x, const float *weight, int n, int in,
                            int out, int silu, int add)
{
    (void)device;
    for (int i = 0; i < n; i++, gy += out, x += in) {
        for (int o = 0; o < out; o++)
            gbias[o] += gy[o];
        for (int j = 0; j < in; j += TILE)
            linear_backward_tile(gx ? gx + (int64_t)i * in + j : NULL, gweight + j, gy, x + j,
                                 weight + j, in - j < TILE ? in - j : TILE, in, out, silu, add);
    }
}
