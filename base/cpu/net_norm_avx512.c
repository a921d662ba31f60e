/* Loops of group normalisation for AVX-512. */
#if defined(__x86_64__)
#define SC_LANES 16
#define SC_NORM_KERNELS sc_norm_avx512
#include "base/cpu/net_norm_body.h"
#endif
