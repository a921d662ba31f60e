/* The hot loops of group normalisation over `vec`, included once a vector width. */
#include "base/cpu/net_lanes.h"
#include "base/cpu/net_norm_internal.h"

#define L SC_LANES

/* Two vectors of channels at a time, so that four sums are under way. */
SC_LANE_KERNEL void sum(float *a, float *b, const float *x, int64_t pixels, int64_t stride, int c)
{
    for (int i = 0; i < c; i += 2 * L) {
        const int left = c - i;
        const lane_mask m0 = v_first(left), m1 = v_first(left > L ? left - L : 0);
        vec a0 = v_zero(), a1 = a0, b0 = a0, b1 = a0;
        for (int64_t p = 0; p < pixels; p++) {
            vec u0 = v_load_some(x + p * stride + i, m0);
            vec u1 = v_load_some(x + p * stride + i + L, m1);
            a0 = v_add(a0, u0);
            a1 = v_add(a1, u1);
            b0 = v_fma(u0, u0, b0);
            b1 = v_fma(u1, u1, b1);
        }
        v_store_some(a + i, a0, m0);
        v_store_some(b + i, b0, m0);
        v_store_some(a + i + L, a1, m1);
        v_store_some(b + i + L, b1, m1);
    }
}

SC_LANE_INLINE void apply_row(float *y, const float *x, const float *f, int C, int c,
                              const int silu)
{
    for (int i = 0; i < c; i += L) {
        const lane_mask m = v_first(c - i);
        vec z = v_fma(v_load_some(f + i, m), v_load_some(x + i, m), v_load_some(f + C + i, m));
        v_store_some(y + i, silu ? v_mul(z, v_sigmoid(z)) : z, m);
    }
}

SC_LANE_KERNEL void apply(float *y, const float *x, const float *f, int C, int64_t pixels,
                          int64_t stride, int c, int silu)
{
    for (int64_t p = 0; p < pixels; p++)
        if (silu)
            apply_row(y + p * C, x + p * stride, f, C, c, 1);
        else
            apply_row(y + p * C, x + p * stride, f, C, c, 0);
}

/* gy silu'(z) */
SC_LANE_INLINE vec before_silu(vec gy, vec z)
{
    vec s = v_sigmoid(z);
    return v_mul(gy, v_mul(s, v_fma(z, v_sub(v_all(1.f), s), v_all(1.f))));
}

SC_LANE_KERNEL void sum_gradient(float *A, float *B, float *U, const float *gy, const float *x,
                                 const float *f, int C, int64_t pixels, int64_t stride, int c,
                                 int silu)
{
    for (int i = 0; i < c; i += L) {
        const lane_mask m = v_first(c - i);
        const vec f0 = v_load_some(f + i, m), f1 = v_load_some(f + C + i, m);
        const vec f2 = v_load_some(f + 2 * C + i, m), f3 = v_load_some(f + 3 * C + i, m);
        vec a = v_zero(), b = a, sums = a;
        for (int64_t p = 0; p < pixels; p++) {
            vec v = v_load_some(x + p * stride + i, m), g = v_load_some(gy + p * C + i, m);
            vec u = v_fma(f2, v, f3), z = v_fma(f0, v, f1);
            vec gz = silu ? before_silu(g, z) : g;
            a = v_add(a, gz);
            b = v_fma(gz, u, b);
            sums = v_add(sums, u);
        }
        v_store_some(A + i, a, m);
        v_store_some(B + i, b, m);
        v_store_some(U + i, sums, m);
    }
}

SC_LANE_KERNEL void apply_gradient(float *gx, const float *gy, const float *x, const float *f,
                                   int C, int64_t pixels, int64_t stride, int c, int silu, int add)
{
    for (int64_t p = 0; p < pixels; p++)
        for (int i = 0; i < c; i += L) {
            const lane_mask m = v_first(c - i);
            vec v = v_load_some(x + p * stride + i, m), g = v_load_some(gy + p * C + i, m);
            vec z = v_fma(v_load_some(f + i, m), v, v_load_some(f + C + i, m));
            vec gz = silu ? before_silu(g, z) : g;
            vec to = v_fma(v_load_some(f + 2 * C + i, m), v, v_load_some(f + 3 * C + i, m));
            to = v_fma(v_load_some(f + 4 * C + i, m), gz, to);
            float *out = gx + p * stride + i;
            v_store_some(out, add ? v_add(to, v_load_some(out, m)) : to, m);
        }
}

const sc_norm_kernels SC_NORM_KERNELS = {sum, apply, sum_gradient, apply_gradient};
