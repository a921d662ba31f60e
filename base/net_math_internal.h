/* Scalar functions of the network's kernels, for every row: an exponential that vectorises, the
 * sigmoid, and the slope of SiLU. */
#ifndef SC_BASE_NET_MATH_INTERNAL_H
#define SC_BASE_NET_MATH_INTERNAL_H

#include "base/kernel_bodies.h"

/* e^x to 1e-7 relative for |x| <= 87, clamped beyond: x = k ln 2 + r, |r| <= ln 2 / 2, Taylor of
 * degree 7 in r (remainder 0.35^8 / 8! = 5e-9), 2^k by its exponent bits. Adding 1.5 * 2^23
 * rounds to an integer in the low bits of the mantissa. */
SC_BODY float sc_fast_exp(float x)
{
    const float magic = 12582912.f;
    x = x > 87.f ? 87.f : x;
    x = x < -87.f ? -87.f : x;
    union {
        float f;
        uint32_t u;
    } shifted, power;
    shifted.f = x * 1.44269504f + magic;
    float k = shifted.f - magic;
    float r = (x - k * 0.693359375f) + k * 2.12194440e-4f;
    float p = 1.f / 5040;
    p = p * r + 1.f / 720;
    p = p * r + 1.f / 120;
    p = p * r + 1.f / 24;
    p = p * r + 1.f / 6;
    p = p * r + .5f;
    p = p * r + 1.f;
    p = p * r + 1.f;
    power.u = (shifted.u << 23) + 0x3f800000u; /* the magic's own bits leave on the left */
    return p * power.f;
}

/* bfloat16: the upper half of a float, rounded to nearest, ties to even; NaN stays NaN. */
SC_BODY uint16_t sc_bf16_of(float x)
{
    union {
        float f;
        uint32_t u;
    } bits;
    bits.f = x;
    if ((bits.u & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(bits.u >> 16 | 0x40u);
    return (uint16_t)((bits.u + 0x7fffu + (bits.u >> 16 & 1u)) >> 16);
}

SC_BODY float sc_float_of(uint16_t x)
{
    union {
        float f;
        uint32_t u;
    } bits;
    bits.u = (uint32_t)x << 16;
    return bits.f;
}

SC_BODY float sc_sigmoid(float z) { return 1.f / (1.f + sc_fast_exp(-z)); }

/* d/dz z sigmoid(z), s = sigmoid(z) */
SC_BODY float sc_silu_slope(float z, float s) { return s * (1.f + z * (1.f - s)); }

#endif
