/* One vector of floats, of the width that the including file asks for by SC_LANES: 16 (AVX-512) or
 * 8 (AVX2). A kernel is written once over `vec`, included by a file for each width, and chosen at
 * run time by sc_device.lanes. Explicit, because what matters here (registers, fused multiply-add,
 * masks at the end of the channels) the compiler cannot be trusted to find.
 */
#ifndef SC_BASE_CPU_NET_LANES_H
#define SC_BASE_CPU_NET_LANES_H

#include <immintrin.h>

#if SC_LANES == 16
#define SC_LANE_TARGET __attribute__((target("avx512f,avx512dq,fma")))
#define SC_ROWS_MAX 14 /* 28 of 32 registers hold sums */
typedef __m512 vec;
typedef __mmask16 lane_mask;
#else
#define SC_LANE_TARGET __attribute__((target("avx2,fma")))
#define SC_ROWS_MAX 6 /* 12 of 16 */
typedef __m256 vec;
typedef __m256i lane_mask;
#endif

#define SC_LANE_INLINE static inline __attribute__((always_inline)) SC_LANE_TARGET
#define SC_LANE_KERNEL static __attribute__((noinline)) SC_LANE_TARGET

/* towards the first cache; any address will do */
SC_LANE_INLINE void v_fetch(const float *p) { _mm_prefetch((const char *)p, _MM_HINT_T0); }

#if SC_LANES == 16
SC_LANE_INLINE vec v_zero(void) { return _mm512_setzero_ps(); }
SC_LANE_INLINE vec v_all(float x) { return _mm512_set1_ps(x); }
SC_LANE_INLINE vec v_load(const float *p) { return _mm512_loadu_ps(p); }
SC_LANE_INLINE void v_store(float *p, vec x) { _mm512_storeu_ps(p, x); }
SC_LANE_INLINE vec v_add(vec x, vec y) { return _mm512_add_ps(x, y); }
SC_LANE_INLINE vec v_sub(vec x, vec y) { return _mm512_sub_ps(x, y); }
SC_LANE_INLINE vec v_mul(vec x, vec y) { return _mm512_mul_ps(x, y); }
/* x y + z and z - x y */
SC_LANE_INLINE vec v_fma(vec x, vec y, vec z) { return _mm512_fmadd_ps(x, y, z); }
SC_LANE_INLINE vec v_fnma(vec x, vec y, vec z) { return _mm512_fnmadd_ps(x, y, z); }
/* the first n lanes */
SC_LANE_INLINE lane_mask v_first(int n) { return (lane_mask)(n >= 16 ? 0xffff : (1 << n) - 1); }
SC_LANE_INLINE vec v_load_some(const float *p, lane_mask m) { return _mm512_maskz_loadu_ps(m, p); }
SC_LANE_INLINE void v_store_some(float *p, vec x, lane_mask m) { _mm512_mask_storeu_ps(p, m, x); }
SC_LANE_INLINE vec v_clamp(vec x, float low, float high)
{
    return _mm512_max_ps(_mm512_min_ps(x, v_all(high)), v_all(low));
}
/* x 2^n of whole n; shifted is n + 1.5 2^23 */
SC_LANE_INLINE vec v_power(vec x, vec n, vec shifted)
{
    (void)shifted;
    return _mm512_scalef_ps(x, n);
}
SC_LANE_INLINE vec v_guess_reciprocal(vec x) { return _mm512_rcp14_ps(x); }
#else
SC_LANE_INLINE vec v_zero(void) { return _mm256_setzero_ps(); }
SC_LANE_INLINE vec v_all(float x) { return _mm256_set1_ps(x); }
SC_LANE_INLINE vec v_load(const float *p) { return _mm256_loadu_ps(p); }
SC_LANE_INLINE void v_store(float *p, vec x) { _mm256_storeu_ps(p, x); }
SC_LANE_INLINE vec v_add(vec x, vec y) { return _mm256_add_ps(x, y); }
SC_LANE_INLINE vec v_sub(vec x, vec y) { return _mm256_sub_ps(x, y); }
SC_LANE_INLINE vec v_mul(vec x, vec y) { return _mm256_mul_ps(x, y); }
SC_LANE_INLINE vec v_fma(vec x, vec y, vec z) { return _mm256_fmadd_ps(x, y, z); }
SC_LANE_INLINE vec v_fnma(vec x, vec y, vec z) { return _mm256_fnmadd_ps(x, y, z); }
SC_LANE_INLINE lane_mask v_first(int n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
SC_LANE_INLINE vec v_load_some(const float *p, lane_mask m) { return _mm256_maskload_ps(p, m); }
SC_LANE_INLINE void v_store_some(float *p, vec x, lane_mask m) { _mm256_maskstore_ps(p, m, x); }
SC_LANE_INLINE vec v_clamp(vec x, float low, float high)
{
    return _mm256_max_ps(_mm256_min_ps(x, v_all(high)), v_all(low));
}
SC_LANE_INLINE vec v_power(vec x, vec n, vec shifted)
{
    (void)n; /* the low bits of `shifted` are n; its own leave on the left */
    __m256i power = _mm256_slli_epi32(_mm256_castps_si256(shifted), 23);
    return v_mul(x, _mm256_castsi256_ps(_mm256_add_epi32(power, _mm256_set1_epi32(0x3f800000))));
}
SC_LANE_INLINE vec v_guess_reciprocal(vec x) { return _mm256_rcp_ps(x); }
#endif

/* 1 / (1 + e^-z) to 2e-7: -z = n ln 2 + r, |r| <= ln 2 / 2, e^r by the best polynomial of degree 6
 * (2e-9), the reciprocal by one step of Newton's from its 12 bits. */
SC_LANE_INLINE vec v_sigmoid(vec z)
{
    const vec magic = v_all(12582912.f); /* adding it rounds to whole numbers */
    vec x = v_clamp(v_sub(v_zero(), z), -87.f, 87.f);
    vec shifted = v_fma(x, v_all(1.44269504f), magic), n = v_sub(shifted, magic);
    vec r = v_fma(n, v_all(2.12194440e-4f), v_fnma(n, v_all(0.693359375f), x));
    vec p = v_fma(v_all(0.00138368341f), r, v_all(0.00837482419f));
    p = v_fma(p, r, v_all(0.0416682251f));
    p = v_fma(p, r, v_all(0.166664198f));
    p = v_fma(p, r, v_all(0.499999911f));
    p = v_fma(p, r, v_all(1.f));
    p = v_fma(p, r, v_all(1.f));
    vec d = v_add(v_all(1.f), v_power(p, n, shifted)), guess = v_guess_reciprocal(d);
    return v_mul(guess, v_fnma(d, guess, v_all(2.f)));
}

#endif
