/* Prototypes of the launches, for C and for nvcc. A launch only enqueues; what went wrong is in
 * cudaGetLastError. Reductions leave one partial result a block of 4096 elements, starting with
 * block `first`. */
#ifndef SC_BASE_CUDA_LAUNCH_LIST_INTERNAL_H
#define SC_BASE_CUDA_LAUNCH_LIST_INTERNAL_H

#include "base/kernel_bodies.h"
#include "base/net_indexed_internal.h"
#include <cuda_runtime_api.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef SC_LIST
#define SC_LIST(...) __VA_ARGS__
#endif

#define SC_KERNEL1(name, parameters, arguments)                                                    \
    void sc_cuda_launch_##name(cudaStream_t stream, int64_t indices, SC_LIST parameters);
#define SC_KERNEL2(name, parameters, arguments)                                                    \
    void sc_cuda_launch_##name(cudaStream_t stream, int64_t rows, int64_t columns,                 \
                               SC_LIST parameters);
#define SC_REDUCTION(name, combine, parameters, arguments)                                         \
    void sc_cuda_launch_##name(cudaStream_t stream, double *partial, int64_t first,                \
                               int64_t blocks, int64_t count, SC_LIST parameters);
#include "base/kernel_list.h"

/* Network kernels: their arguments are one struct. */
#define SC_NET(name, pointers)                                                                     \
    void sc_cuda_launch_net_##name(cudaStream_t stream, int64_t rows, int64_t columns,             \
                                   sc_net_##name k);
#define SC_NET_ROWS(name, pointers, peak) SC_NET(name, pointers)
#include "base/net_list_internal.h"

#ifdef __cplusplus
}
#endif
#endif
