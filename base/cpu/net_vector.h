/* What the CPU network kernels share: clones of hot loops for the vector width found at run time,
 * and an exponential that vectorises.
 *
 * A function marked SC_CLONES must not hold an OpenMP region: the compiler outlines those before
 * it clones, and the outlined body would stay at the baseline. Regions call the clones.
 */
#ifndef SC_BASE_CPU_NET_VECTOR_H
#define SC_BASE_CPU_NET_VECTOR_H

#include <stdint.h>

#if defined(__x86_64__) && defined(__linux__)
#define SC_CLONES __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define SC_CLONES
#endif

/* e^x to 1e-7 relative for |x| <= 87, clamped beyond: x = k ln 2 + r, |r| <= ln 2 / 2, Taylor of
 * degree 7 in r (remainder 0.35^8 / 8! = 5e-9), 2^k by its exponent bits. Adding 1.5 * 2^23
 * rounds to an integer in the low bits of the mantissa. */
static inline float sc_fast_exp(float x)
{
    const float magic = 12582912.f;
    x = x > 87.f ? 87.f : x;
    x = x < -87.f ? -87.f : x;
    union {
        float f;
        uint32_t u;
    } shifted = {.f = x * 1.44269504f + magic}, power;
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

static inline float sc_sigmoid(float z) { return 1.f / (1.f + sc_fast_exp(-z)); }

/* d/dz z sigmoid(z), s = sigmoid(z) */
static inline float sc_silu_slope(float z, float s) { return s * (1.f + z * (1.f - s)); }

#endif
