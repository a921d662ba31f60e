/* The arithmetic of every elementwise and gather-type kernel, written once: compiled by the CPU
 * row as C and by the CUDA row as device code. A body computes what belongs to one index, so that
 * a row only decides who runs which index. Complex numbers are pairs of floats (re, im) in memory.
 * kernel_list.h names each body with its parameters.
 *
 * No fused multiply-add (-ffp-contract=off, --fmad=false): both rows give the same bytes, but for
 * the last bit of log, sin and cos in double before they are rounded to float.
 */
#ifndef SC_BASE_KERNEL_BODIES_H
#define SC_BASE_KERNEL_BODIES_H

#include <math.h>
#include <stdint.h>

#ifdef __CUDACC__
#define SC_BODY static __device__ __forceinline__
#else
#define SC_BODY static inline
#endif

/* ---- small things passed by value ---- */

typedef struct {
    float re, im;
} sc_pair;

#define SC_TAPS_MAX 16

typedef struct {
    int n;
    float low[SC_TAPS_MAX];
} sc_taps;

/* A shape of up to three axes, padded by ones in front; x (batch, dim[0], dim[1], dim[2]). */
typedef struct {
    int d; /* axes in use: the last d */
    int64_t dim[3];
} sc_dims;

SC_BODY sc_pair sc_load(const float *x, int64_t i)
{
    sc_pair p = {x[2 * i], x[2 * i + 1]};
    return p;
}

SC_BODY void sc_store(float *z, int64_t i, sc_pair p)
{
    z[2 * i] = p.re;
    z[2 * i + 1] = p.im;
}

/* sum + a b, or sum + conj(a) b for sign -1 */
SC_BODY sc_pair sc_multiply_add(sc_pair sum, sc_pair a, sc_pair b, float sign)
{
    float im = sign * a.im;
    sum.re += a.re * b.re - im * b.im;
    sum.im += a.re * b.im + im * b.re;
    return sum;
}

/* ---- random numbers: Philox4x32-10, see random.h ---- */

SC_BODY void sc_body_philox(uint32_t c[4], uint32_t k0, uint32_t k1)
{
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c[0], p1 = (uint64_t)0xCD9E8D57u * c[2];
        c[0] = (uint32_t)(p1 >> 32) ^ c[1] ^ k0;
        c[1] = (uint32_t)p1;
        c[2] = (uint32_t)(p0 >> 32) ^ c[3] ^ k1;
        c[3] = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

/* Box-Muller in double with 32-bit uniforms, so that libm's last bit does not reach the float. */
SC_BODY void sc_body_normal_pair(float z[2], uint32_t a, uint32_t b)
{
    double radius = sqrt(-2 * log((a + 1.0) * (1.0 / 4294967296.0)));
    double angle = 6.283185307179586476925 * (b * (1.0 / 4294967296.0));
    z[0] = (float)(radius * cos(angle));
    z[1] = (float)(radius * sin(angle));
}

typedef struct {
    uint32_t k0, k1, c1, c2, c3; /* key; counter words 1 to 3 */
} sc_stream;

/* Block i: elements 4i to 4i+3 of n. */
SC_BODY void sc_body_normal(int64_t i, float *z, int64_t n, sc_stream s)
{
    uint32_t c[4] = {(uint32_t)i, s.c1, s.c2, s.c3};
    float value[4];
    sc_body_philox(c, s.k0, s.k1);
    sc_body_normal_pair(value, c[0], c[1]);
    sc_body_normal_pair(value + 2, c[2], c[3]);
    for (int64_t j = 0; j < 4 && 4 * i + j < n; j++)
        z[4 * i + j] = value[j];
}

/* ---- vector ---- */

SC_BODY void sc_body_fill(int64_t i, float *z, float a) { z[i] = a; }

SC_BODY void sc_body_axpby(int64_t i, float *z, float a, const float *x, float b, const float *y)
{
    z[i] = a * x[i] + b * y[i];
}

SC_BODY void sc_body_multiply(int64_t i, float *z, const float *x, const float *y)
{
    z[i] = x[i] * y[i];
}

/* ---- complex ---- */

SC_BODY void sc_body_cmultiply(int64_t i, float *z, const float *x, const float *y, float sign)
{
    sc_pair zero = {0, 0};
    sc_store(z, i, sc_multiply_add(zero, sc_load(x, i), sc_load(y, i), sign));
}

/* row of the batch, col of n */
SC_BODY void sc_body_mask(int64_t row, int64_t col, float *z, const float *weight, const float *x,
                          int64_t n)
{
    int64_t i = 2 * (row * n + col);
    z[i] = weight[col] * x[i];
    z[i + 1] = weight[col] * x[i + 1];
}

/* row: coil */
SC_BODY void sc_body_coils_forward(int64_t row, int64_t col, float *y, const float *maps,
                                   const float *x, int sets, int coils, int64_t n)
{
    sc_pair sum = {0, 0};
    for (int m = 0; m < sets; m++)
        sum = sc_multiply_add(sum, sc_load(maps, (m * (int64_t)coils + row) * n + col),
                              sc_load(x, m * n + col), 1);
    sc_store(y, row * n + col, sum);
}

/* row: set */
SC_BODY void sc_body_coils_adjoint(int64_t row, int64_t col, float *x, const float *maps,
                                   const float *y, int coils, int64_t n)
{
    sc_pair sum = {0, 0};
    for (int c = 0; c < coils; c++)
        sum = sc_multiply_add(sum, sc_load(maps, (row * coils + c) * n + col),
                              sc_load(y, c * n + col), -1);
    sc_store(x, row * n + col, sum);
}

/* max(1 - threshold / length, 0), and 0 for length 0 */
SC_BODY float sc_shrinkage(float length, float threshold)
{
    return length > threshold ? 1 - threshold / length : 0.0f;
}

SC_BODY void sc_body_soft(int64_t i, float *z, const float *x, float threshold)
{
    sc_pair p = sc_load(x, i);
    float scale = sc_shrinkage(sqrtf(p.re * p.re + p.im * p.im), threshold);
    z[2 * i] = scale * p.re;
    z[2 * i + 1] = scale * p.im;
}

SC_BODY void sc_body_shrink(int64_t i, float *z, const float *x, float threshold, int d, int64_t n)
{
    float square = 0;
    for (int a = 0; a < d; a++) {
        sc_pair p = sc_load(x, a * n + i);
        square += p.re * p.re + p.im * p.im;
    }
    float scale = sc_shrinkage(sqrtf(square), threshold);
    for (int a = 0; a < d; a++) {
        sc_pair p = sc_load(x, a * n + i);
        p.re *= scale;
        p.im *= scale;
        sc_store(z, a * n + i, p);
    }
}

/* ---- differences: row counts (dim[0], dim[1]), col is along dim[2] ---- */

/* Index along `axis` (0 to 2) and the step in elements to its next neighbour. */
SC_BODY int64_t sc_axis_index(int64_t *step, int axis, int64_t row, int64_t col, sc_dims s)
{
    if (axis == 2) {
        *step = 1;
        return col;
    }
    *step = axis == 1 ? s.dim[2] : s.dim[1] * s.dim[2];
    return axis == 1 ? row % s.dim[1] : row / s.dim[1];
}

SC_BODY void sc_body_gradient(int64_t row, int64_t col, float *g, const float *x, sc_dims s)
{
    int64_t i = row * s.dim[2] + col, n = s.dim[0] * s.dim[1] * s.dim[2];
    sc_pair here = sc_load(x, i);
    for (int a = 0; a < s.d; a++) {
        int64_t step, along = sc_axis_index(&step, 3 - s.d + a, row, col, s);
        sc_pair difference = {0, 0};
        if (along + 1 < s.dim[3 - s.d + a]) {
            sc_pair next = sc_load(x, i + step);
            difference.re = next.re - here.re;
            difference.im = next.im - here.im;
        }
        sc_store(g, a * n + i, difference);
    }
}

/* The exact transpose: g[i-1] - g[i], without g[last], which multiplied nothing. */
SC_BODY void sc_body_gradient_adjoint(int64_t row, int64_t col, float *x, const float *g, sc_dims s)
{
    int64_t i = row * s.dim[2] + col, n = s.dim[0] * s.dim[1] * s.dim[2];
    sc_pair sum = {0, 0};
    for (int a = 0; a < s.d; a++) {
        int64_t step, along = sc_axis_index(&step, 3 - s.d + a, row, col, s);
        if (along > 0) {
            sc_pair before = sc_load(g, a * n + i - step);
            sum.re += before.re;
            sum.im += before.im;
        }
        if (along + 1 < s.dim[3 - s.d + a]) {
            sc_pair here = sc_load(g, a * n + i);
            sum.re -= here.re;
            sum.im -= here.im;
        }
    }
    sc_store(x, i, sum);
}

/* ---- wavelet: one level along an axis of (outer, length, inner), periodic ----
 * low_j = sum_m x[2j+1-m] low[m], high_j the same with high[m] = (-1)^(m+1) low[taps-1-m]. */

SC_BODY float sc_high(sc_taps f, int m)
{
    float tap = f.low[f.n - 1 - m];
    return m % 2 ? tap : -tap;
}

SC_BODY int64_t sc_wrap(int64_t i, int64_t n)
{
    while (i < 0) /* at most taps / n times */
        i += n;
    while (i >= n)
        i -= n;
    return i;
}

SC_BODY void sc_wavelet_pair(int64_t o, int64_t j, int64_t i, float *z, const float *x, sc_taps f,
                             int64_t length, int64_t inner)
{
    sc_pair low = {0, 0}, high = {0, 0};
    int64_t first = o * length * inner + i;
    for (int m = 0; m < f.n; m++) {
        sc_pair p = sc_load(x, first + sc_wrap(2 * j + 1 - m, length) * inner);
        float h = sc_high(f, m);
        low.re += f.low[m] * p.re;
        low.im += f.low[m] * p.im;
        high.re += h * p.re;
        high.im += h * p.im;
    }
    sc_store(z, first + j * inner, low);
    sc_store(z, first + (length / 2 + j) * inner, high);
}

/* x[p] gathers every (j, m) with 2j+1-m = p modulo the length: m has the parity of p+1. */
SC_BODY void sc_wavelet_gather(int64_t o, int64_t p, int64_t i, float *x, const float *z, sc_taps f,
                               int64_t length, int64_t inner)
{
    sc_pair sum = {0, 0};
    int64_t first = o * length * inner + i, half = length / 2;
    for (int m = (int)((p + 1) % 2); m < f.n; m += 2) {
        int64_t j = sc_wrap((p + m - 1) / 2, half); /* p + m is odd */
        sc_pair low = sc_load(z, first + j * inner);
        sc_pair high = sc_load(z, first + (half + j) * inner);
        float h = sc_high(f, m);
        sum.re += f.low[m] * low.re + h * high.re;
        sum.im += f.low[m] * low.im + h * high.im;
    }
    sc_store(x, first + p * inner, sum);
}

/* along the last axis (inner 1): row is outer, col along the axis */
SC_BODY void sc_body_wavelet_last(int64_t row, int64_t col, float *z, const float *x, sc_taps f,
                                  int64_t length)
{
    sc_wavelet_pair(row, col, 0, z, x, f, length, 1);
}

SC_BODY void sc_body_wavelet_last_adjoint(int64_t row, int64_t col, float *x, const float *z,
                                          sc_taps f, int64_t length)
{
    sc_wavelet_gather(row, col, 0, x, z, f, length, 1);
}

/* across another axis: row counts (outer, position), col is inner */
SC_BODY void sc_body_wavelet_across(int64_t row, int64_t col, float *z, const float *x, sc_taps f,
                                    int64_t length, int64_t inner)
{
    int64_t half = length / 2;
    sc_wavelet_pair(row / half, row % half, col, z, x, f, length, inner);
}

SC_BODY void sc_body_wavelet_across_adjoint(int64_t row, int64_t col, float *x, const float *z,
                                            sc_taps f, int64_t length, int64_t inner)
{
    sc_wavelet_gather(row / length, row % length, col, x, z, f, length, inner);
}

/* ---- Fourier: the phases that centre a transform ----
 * With c = n/2 the centred transform is
 *   X[k] = exp(2 pi i c (k-c) / n) sum_j x[j] exp(2 pi i c j / n) exp(-2 pi i j k / n).
 * phase: (dim[0] + dim[1] + dim[2]) complex numbers, one table after the other; sign -1 conjugates
 * (the inverse). For even n all are +1 or -1, exactly. row counts (batch, dim[0], dim[1]). */
SC_BODY void sc_body_phase(int64_t row, int64_t col, float *z, const float *x, const float *phase,
                           float sign, float scale, sc_dims s)
{
    int64_t i = row * s.dim[2] + col;
    sc_pair zero = {0, 0}, p = {scale, 0};
    p = sc_multiply_add(zero, sc_load(phase, row / s.dim[1] % s.dim[0]), p, sign);
    p = sc_multiply_add(zero, sc_load(phase, s.dim[0] + row % s.dim[1]), p, sign);
    p = sc_multiply_add(zero, sc_load(phase, s.dim[0] + s.dim[1] + col), p, sign);
    sc_store(z, i, sc_multiply_add(zero, p, sc_load(x, i), 1));
}

/* ---- reductions: blocks of 4096 elements in 256 lanes, lane l sums elements l, l+256, ...; the
 * lanes are added as a tree, the blocks one after the other: the same order in every row. ---- */

#define SC_REDUCE_LANES 256
#define SC_REDUCE_BLOCK 4096

SC_BODY double sc_reduce_add(double a, double b) { return a + b; }
SC_BODY double sc_reduce_max(double a, double b) { return a > b ? a : b; } /* NaN b is dropped */

SC_BODY double sc_body_dot(int64_t i, const float *x, const float *y)
{
    return (double)x[i] * (double)y[i];
}

SC_BODY double sc_body_max_abs(int64_t i, const float *x)
{
    float a = fabsf(x[i]);
    return a > 0 ? a : 0; /* NaN counts as 0 */
}

SC_BODY double sc_body_count_not_finite(int64_t i, const float *x)
{
    return x[i] - x[i] == 0 ? 0 : 1; /* infinity and NaN minus themselves are NaN */
}

#endif
