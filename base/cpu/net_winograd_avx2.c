/* Winograd's kernels for AVX2 with fused multiply-add. */
#if defined(__x86_64__)
#define SC_LANES 8
#define SC_WINOGRAD_KERNELS sc_winograd_avx2
#define SC_WINOGRAD_NAME "Winograd F(4x4) AVX2"
#include "base/cpu/net_winograd_body.h"
#endif
