/* Winograd's kernels for AVX-512. */
#if defined(__x86_64__)
#define SC_LANES 16
#define SC_WINOGRAD_KERNELS sc_winograd_avx512
#define SC_WINOGRAD_NAME "Winograd F(4x4) AVX-512"
#include "base/cpu/net_winograd_body.h"
#endif
