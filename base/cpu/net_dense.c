/* Elementwise and dense kernels of the network on the CPU: affine, resampling, embedding, linear.
 *
 * Resampling is separable and acts on rows of NHWC pixels. FIR [1,3,3,1] (Karras et al. 2020,
 * StyleGAN 2) has a zero boundary: up out[2i] = (x[i-1] + 3 x[i]) / 4, out[2i+1] =
 * (3 x[i] + x[i+1]) / 4; down out[i] = (x[2i-1] + 3 x[2i] + 3 x[2i+1] + x[2i+2]) / 8.
 */
#include "base/cpu/net_internal.h"
#include "base/cpu/net_vector.h"
#include <math.h>
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

/* One tap of a resampling: out += weight * in over a pixel of c channels. */
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

/* y[o] (+)= sum_t row weight * column weight * x, one output row of a FIR. Forward reads
 * x at positions of `taps`; the adjoint is the other direction with its own gain. */
SC_CLONES static void fir_row(float *restrict y, const float *restrict x, int row, int h, int w,
                              int c, int up, float gain, int add)
{
    int out_w = up ? 2 * w : w / 2;
    if (!add)
        memset(y, 0, sizeof *y * (size_t)out_w * (size_t)c);
    static const int up_tap[2][2] = {{1, 3}, {3, 1}}, down_tap[4] = {1, 3, 3, 1};
    int taps = up ? 2 : 4;
    for (int s = 0; s < taps; s++) {
        int yy = up ? row / 2 - 1 + row % 2 + s : 2 * row - 1 + s;
        if (yy < 0 || yy >= h)
            continue;
        int row_weight = up ? up_tap[row % 2][s] : down_tap[s];
        for (int j = 0; j < out_w; j++)
            for (int t = 0; t < taps; t++) {
                int xx = up ? j / 2 - 1 + j % 2 + t : 2 * j - 1 + t;
                if (xx < 0 || xx >= w)
                    continue;
                float f = gain * (float)(row_weight * (up ? up_tap[j % 2][t] : down_tap[t]));
                const float *in = x + ((int64_t)yy * w + xx) * c;
                float *out = y + (int64_t)j * c;
#pragma omp simd
                for (int i = 0; i < c; i++)
                    out[i] += f * in[i];
            }
    }
}

/* The row functions of each kind, forward and backward: an adjoint of up is down, and back. */
static void resample_rows(float *y, const float *x, sc_resample_kind kind, int row, int h, int w,
                          int c, int backward, int add)
{
    int up = kind == SC_RESAMPLE_NEAREST_UP || kind == SC_RESAMPLE_FIR_UP;
    int fir = kind == SC_RESAMPLE_FIR_UP || kind == SC_RESAMPLE_FIR_DOWN;
    int grow = up != backward; /* this direction doubles the size */
    int64_t in_row = (int64_t)w * c, out_row = grow ? 2 * in_row : in_row / 2;
    float *out = y + row * out_row;
    /* forward gains 1/16 up and 1/64 down; the adjoint keeps its forward's gain */
    if (fir)
        fir_row(out, x, row, h, w, c, grow, up ? 1.f / 16 : 1.f / 64, add);
    else if (grow && !backward)
        nearest_row(out, x + row / 2 * in_row, w, c);
    else if (grow)
        spread_row(out, x + row / 2 * in_row, .25f, w, c, add);
    else
        pool_row(out, x + 2 * row * in_row, x + (2 * row + 1) * in_row, up ? 1.f : .25f, w, c, add);
}

static void resample(const sc_device *device, float *y, const float *x, sc_resample_kind kind,
                     int n, int h, int w, int c, int backward, int add)
{
    int up = kind == SC_RESAMPLE_NEAREST_UP || kind == SC_RESAMPLE_FIR_UP;
    int rows = up != backward ? 2 * h : h / 2;
    int64_t in = (int64_t)h * w * c, out = up != backward ? 4 * in : in / 4;
#pragma omp parallel for schedule(static) num_threads(device->threads)
    for (int unit = 0; unit < n * rows; unit++) {
        int image = unit / rows;
        resample_rows(y + image * out, x + image * in, kind, unit % rows, h, w, c, backward, add);
    }
}

void sc_cpu_resample_forward(const sc_device *device, float *y, const float *x,
                             sc_resample_kind kind, int n, int h, int w, int c)
{
    resample(device, y, x, kind, n, h, w, c, 0, 0);
}

void sc_cpu_resample_backward(const sc_device *device, float *gx, const float *gy,
                              sc_resample_kind kind, int n, int h, int w, int c, int add)
{
    int up = kind == SC_RESAMPLE_NEAREST_UP || kind == SC_RESAMPLE_FIR_UP;
    resample(device, gx, gy, kind, n, up ? 2 * h : h / 2, up ? 2 * w : w / 2, c, 1, add);
}

void sc_cpu_embed(const sc_device *device, float *y, const float *label, const float *frequency,
                  double factor, int n, int half)
{
    (void)device;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < half; j++) {
            double angle = factor * (double)label[i] * (double)frequency[j];
            y[(int64_t)2 * half * i + j] = (float)sin(angle);
            y[(int64_t)2 * half * i + half + j] = (float)cos(angle);
        }
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
