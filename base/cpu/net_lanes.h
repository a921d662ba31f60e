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
/* the first n lanes, 0 < n */
SC_LANE_INLINE lane_mask v_first(int n) { return (lane_mask)(n >= 16 ? 0xffff : (1 << n) - 1); }
SC_LANE_INLINE vec v_load_some(const float *p, lane_mask m) { return _mm512_maskz_loadu_ps(m, p); }
SC_LANE_INLINE void v_store_some(float *p, vec x, lane_mask m) { _mm512_mask_storeu_ps(p, m, x); }
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
#endif

#endif
