/* The hot loops of group normalisation for any processor. */
#include "base/cpu/net_norm_internal.h"
#include "base/cpu/net_vector.h"
#include <string.h>

SC_CLONES static void sum_short(float *restrict a, float *restrict b, const float *restrict x,
                                int64_t pixels, int64_t stride, int c)
{
    memset(a, 0, sizeof *a * (size_t)c);
    memset(b, 0, sizeof *b * (size_t)c);
    for (int64_t p = 0; p < pixels; p++)
#pragma omp simd
        for (int i = 0; i < c; i++) {
            float u = x[p * stride + i];
            a[i] += u;
            b[i] += u * u;
        }
}

SC_CLONES static void apply(float *restrict y, const float *restrict x, const float *restrict f,
                            int C, int64_t pixels, int64_t stride, int c, int silu)
{
    for (int64_t p = 0; p < pixels; p++) {
        const float *u = x + p * stride;
        float *v = y + p * C;
        if (silu) {
#pragma omp simd
            for (int i = 0; i < c; i++) {
                float z = f[i] * u[i] + f[C + i];
                v[i] = z * sc_sigmoid(z);
            }
        } else {
#pragma omp simd
            for (int i = 0; i < c; i++)
                v[i] = f[i] * u[i] + f[C + i];
        }
    }
}

SC_CLONES static void sum_gradient(float *restrict A, float *restrict B, float *restrict U,
                                   const float *restrict gy, const float *restrict x,
                                         const float *restrict f /* (4, C) */, int C,
                                         int64_t pixels, int64_t stride, int c, int silu)
{
    memset(A, 0, sizeof *A * (size_t)c);
    memset(B, 0, sizeof *B * (size_t)c);
    memset(U, 0, sizeof *U * (size_t)c);
    for (int64_t p = 0; p < pixels; p++) {
        const float *g = gy + p * C, *v = x + p * stride;
#pragma omp simd
        for (int i = 0; i < c; i++) {
            float u = f[2 * C + i] * v[i] + f[3 * C + i];
            float z = f[i] * v[i] + f[C + i];
            float gz = silu ? g[i] * sc_silu_slope(z, sc_sigmoid(z)) : g[i];
            A[i] += gz;
            B[i] += gz * u;
            U[i] += u;
        }
    }
}

SC_CLONES static void apply_gradient(float *restrict gx, const float *restrict gy,
                                     const float *restrict x, const float *restrict f, int C,
                                     int64_t pixels, int64_t stride, int c, int silu, int add)
{
    for (int64_t p = 0; p < pixels; p++) {
        const float *g = gy + p * C, *v = x + p * stride;
        float *out = gx + p * stride;
#pragma omp simd
        for (int i = 0; i < c; i++) {
            float z = f[i] * v[i] + f[C + i];
            float gz = silu ? g[i] * sc_silu_slope(z, sc_sigmoid(z)) : g[i];
            float value = f[4 * C + i] * gz + f[3 * C + i] + f[2 * C + i] * v[i];
            out[i] = add ? out[i] + value : value;
        }
    }
}

const sc_norm_kernels sc_norm_plain = {sum_short, apply, sum_gradient, apply_gradient};
