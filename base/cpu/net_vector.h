/* What the CPU network kernels share: clones of hot loops for the vector width found at run time,
 * and the scalar functions of every row, with an exponential that vectorises.
 *
 * A function marked SC_CLONES must not hold an OpenMP region: the compiler outlines those before
 * it clones, and the outlined body would stay at the baseline. Regions call the clones.
 */
#ifndef SC_BASE_CPU_NET_VECTOR_H
#define SC_BASE_CPU_NET_VECTOR_H

#include "base/net_math_internal.h"
#include <stdint.h>

#if defined(__x86_64__) && defined(__linux__)
#define SC_CLONES __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define SC_CLONES
#endif

#endif
