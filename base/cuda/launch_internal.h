/* How CUDA runs a kernel body: one thread an index, in strides of the whole grid. A test compiles
 * kernels.cu as C and gives its own launch layer in SC_CUDA_LAUNCH, where a launch is a loop. */
#ifndef SC_BASE_CUDA_LAUNCH_INTERNAL_H
#define SC_BASE_CUDA_LAUNCH_INTERNAL_H

#include "base/cuda/launch_list_internal.h"

#ifdef SC_CUDA_LAUNCH
#include SC_CUDA_LAUNCH
#else

#define SC_CUDA_THREADS 256

/* Enough blocks to fill any GPU; the rest is done in strides. */
static inline unsigned sc_cuda_grid(int64_t n)
{
    int64_t blocks = (n + SC_CUDA_THREADS - 1) / SC_CUDA_THREADS;
    return (unsigned)(blocks < 65536 ? blocks : 65536);
}

#define SC_CUDA_STRIDES(i, n)                                                                      \
    for (int64_t i = blockIdx.x * (int64_t)blockDim.x + threadIdx.x; i < (n);                      \
         i += (int64_t)gridDim.x * blockDim.x)

#define SC_KERNEL1(name, parameters, arguments)                                                    \
    static __global__ void kernel_##name(int64_t indices, SC_LIST parameters)                      \
    {                                                                                              \
        SC_CUDA_STRIDES(i, indices)                                                                \
        sc_body_##name(i, SC_LIST arguments);                                                      \
    }                                                                                              \
    void sc_cuda_launch_##name(cudaStream_t stream, int64_t indices, SC_LIST parameters)           \
    {                                                                                              \
        if (indices > 0)                                                                           \
            kernel_##name<<<sc_cuda_grid(indices), SC_CUDA_THREADS, 0, stream>>>(                  \
                indices, SC_LIST arguments);                                                       \
    }

#define SC_KERNEL2(name, parameters, arguments)                                                    \
    static __global__ void kernel_##name(int64_t rows, int64_t columns, SC_LIST parameters)        \
    {                                                                                              \
        SC_CUDA_STRIDES(i, rows *columns)                                                          \
        sc_body_##name(i / columns, i % columns, SC_LIST arguments);                               \
    }                                                                                              \
    void sc_cuda_launch_##name(cudaStream_t stream, int64_t rows, int64_t columns,                 \
                               SC_LIST parameters)                                                 \
    {                                                                                              \
        if (rows * columns > 0)                                                                    \
            kernel_##name<<<sc_cuda_grid(rows *columns), SC_CUDA_THREADS, 0, stream>>>(            \
                rows, columns, SC_LIST arguments);                                                 \
    }

#define SC_REDUCTION(name, combine, parameters, arguments)                                         \
    static __global__ void kernel_##name(double *partial, int64_t first, int64_t count,            \
                                         SC_LIST parameters)                                       \
    {                                                                                              \
        __shared__ double lane[SC_REDUCE_LANES];                                                   \
        const int l = (int)threadIdx.x;                                                            \
        const int64_t start = (first + blockIdx.x) * SC_REDUCE_BLOCK;                              \
        const int64_t end = start + SC_REDUCE_BLOCK < count ? start + SC_REDUCE_BLOCK : count;     \
        double sum = 0;                                                                            \
        for (int64_t i = start + l; i < end; i += SC_REDUCE_LANES)                                 \
            sum = combine(sum, sc_body_##name(i, SC_LIST arguments));                              \
        lane[l] = sum;                                                                             \
        for (int width = SC_REDUCE_LANES / 2; width > 0; width /= 2) {                             \
            __syncthreads();                                                                       \
            if (l < width)                                                                         \
                lane[l] = combine(lane[l], lane[l + width]);                                       \
        }                                                                                          \
        if (l == 0)                                                                                \
            partial[blockIdx.x] = lane[0];                                                         \
    }                                                                                              \
    void sc_cuda_launch_##name(cudaStream_t stream, double *partial, int64_t first,                \
                               int64_t blocks, int64_t count, SC_LIST parameters)                  \
    {                                                                                              \
        if (blocks > 0)                                                                            \
            kernel_##name<<<(unsigned)blocks, SC_REDUCE_LANES, 0, stream>>>(partial, first, count, \
                                                                            SC_LIST arguments);    \
    }

#endif
#endif
