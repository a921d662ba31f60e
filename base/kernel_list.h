/* Every kernel body of kernel_bodies.h with its parameters: included several times, with
 * SC_KERNEL1 (index), SC_KERNEL2 (row, column) and SC_REDUCTION (index, combination) defined to
 * what a row makes of it. No include guard.
 */
SC_KERNEL1(normal, (float *z, int64_t count, sc_stream s), (z, count, s))

SC_KERNEL1(fill, (float *z, float a), (z, a))
SC_KERNEL1(axpby, (float *z, float a, const float *x, float b, const float *y), (z, a, x, b, y))
SC_KERNEL1(multiply, (float *z, const float *x, const float *y), (z, x, y))

SC_KERNEL1(cmultiply, (float *z, const float *x, const float *y, float sign), (z, x, y, sign))
SC_KERNEL2(mask, (float *z, const float *weight, const float *x, int64_t n), (z, weight, x, n))
SC_KERNEL2(coils_forward,
           (float *y, const float *maps, const float *x, int sets, int coils, int64_t n),
           (y, maps, x, sets, coils, n))
SC_KERNEL2(coils_adjoint, (float *x, const float *maps, const float *y, int coils, int64_t n),
           (x, maps, y, coils, n))
SC_KERNEL1(soft, (float *z, const float *x, float threshold), (z, x, threshold))
SC_KERNEL1(shrink, (float *z, const float *x, float threshold, int d, int64_t plane),
           (z, x, threshold, d, plane))

SC_KERNEL2(gradient, (float *g, const float *x, sc_dims s), (g, x, s))
SC_KERNEL2(gradient_adjoint, (float *x, const float *g, sc_dims s), (x, g, s))

SC_KERNEL2(wavelet_last, (float *z, const float *x, sc_taps f, int64_t length), (z, x, f, length))
SC_KERNEL2(wavelet_last_adjoint, (float *x, const float *z, sc_taps f, int64_t length),
           (x, z, f, length))
SC_KERNEL2(wavelet_across, (float *z, const float *x, sc_taps f, int64_t length, int64_t inner),
           (z, x, f, length, inner))
SC_KERNEL2(wavelet_across_adjoint,
           (float *x, const float *z, sc_taps f, int64_t length, int64_t inner),
           (x, z, f, length, inner))

SC_KERNEL2(phase,
           (float *z, const float *x, const float *phase, float sign, float scale, sc_dims s),
           (z, x, phase, sign, scale, s))

SC_REDUCTION(dot, sc_reduce_add, (const float *x, const float *y), (x, y))
SC_REDUCTION(max_abs, sc_reduce_max, (const float *x), (x))
SC_REDUCTION(count_not_finite, sc_reduce_add, (const float *x), (x))

#undef SC_KERNEL1
#undef SC_KERNEL2
#undef SC_REDUCTION
