/* Loops of group normalisation for AVX2 with fused multiply-add. */
#if defined(__x86_64__)
#define SC_LANES 8
#define SC_NORM_KERNELS sc_norm_avx2
#include "base/cpu/net_norm_body.h"
#endif
