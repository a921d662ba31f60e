/* The hot loops of group normalisation, over `pixels` rows of `c` channels; C is the distance
 * between pixels of y and gy. One row of the table for each vector width, and a plain one. */
#ifndef SC_BASE_CPU_NET_NORM_INTERNAL_H
#define SC_BASE_CPU_NET_NORM_INTERNAL_H

#include <stdint.h>

typedef struct {
    /* a, b (c) = sum of x and of x^2 */
    void (*sum)(float *a, float *b, const float *x, int64_t pixels, int64_t stride, int c);
    /* y = z or silu(z), z = f0 x + f1 with rows f (2, C) */
    void (*apply)(float *y, const float *x, const float *f, int C, int64_t pixels, int64_t stride,
                  int c, int silu);
    /* A, B, U (c) = sum of gz, gz u, u with z as above, gz = gy silu'(z), u = f2 x + f3 */
    void (*sum_gradient)(float *A, float *B, float *U, const float *gy, const float *x,
                         const float *f /* (4, C) */, int C, int64_t pixels, int64_t stride, int c,
                         int silu);
    /* gx (+)= f4 gz + f3 + f2 x */
    void (*apply_gradient)(float *gx, const float *gy, const float *x, const float *f /* (5, C) */,
                           int C, int64_t pixels, int64_t stride, int c, int silu, int add);
} sc_norm_kernels;

extern const sc_norm_kernels sc_norm_plain, sc_norm_avx512, sc_norm_avx2;

#endif
