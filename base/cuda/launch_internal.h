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

/* Indices in 32 bits where they fit: a 64-bit division costs more than most bodies. */
#define SC_NET(name, pointers)                                                                     \
    static __global__ void kernel_net_##name(int64_t rows, int64_t columns, sc_net_##name k)       \
    {                                                                                              \
        if (rows * columns < ((int64_t)1 << 30)) {                                                 \
            const uint32_t n = (uint32_t)(rows * columns), width = (uint32_t)columns;              \
            for (uint32_t i = blockIdx.x * blockDim.x + threadIdx.x; i < n;                        \
                 i += gridDim.x * blockDim.x)                                                      \
                sc_body_net_##name(i / width, i % width, k);                                       \
        } else {                                                                                   \
            SC_CUDA_STRIDES(i, rows *columns)                                                      \
            sc_body_net_##name(i / columns, i % columns, k);                                       \
        }                                                                                          \
    }                                                                                              \
    void sc_cuda_launch_net_##name(cudaStream_t stream, int64_t rows, int64_t columns,             \
                                   sc_net_##name k)                                                \
    {                                                                                              \
        if (rows * columns > 0)                                                                    \
            kernel_net_##name<<<sc_cuda_grid(rows *columns), SC_CUDA_THREADS, 0, stream>>>(        \
                rows, columns, k);                                                                 \
    }

/* One block a row, in strides of the grid; lanes add as a tree, as in reductions. */
template <typename T, typename F>
static __device__ T sc_cuda_tree(T *lane, T value, F combine)
{
    const int l = (int)threadIdx.x;
    lane[l] = value;
    for (int width = SC_REDUCE_LANES / 2; width > 0; width /= 2) {
        __syncthreads();
        if (l < width)
            lane[l] = combine(lane[l], lane[l + width]);
    }
    __syncthreads();
    T all = lane[0];
    __syncthreads(); /* nobody may write lanes before all have read */
    return all;
}

#define SC_NET_ROWS(name, pointers, peak)                                                          \
    static __global__ void kernel_net_##name(int64_t rows, int64_t columns, sc_net_##name k)       \
    {                                                                                              \
        __shared__ double lane[SC_REDUCE_LANES];                                                   \
        for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {                             \
            float m = 0;                                                                           \
            double s = 0;                                                                          \
            if (peak) {                                                                            \
                m = -INFINITY;                                                                     \
                for (int64_t j = threadIdx.x; j < columns; j += SC_REDUCE_LANES)                   \
                    m = fmaxf(m, sc_peak_##name(row, j, k));                                       \
                m = sc_cuda_tree((float *)lane, m, [](float a, float b) { return fmaxf(a, b); });  \
            }                                                                                      \
            for (int64_t j = threadIdx.x; j < columns; j += SC_REDUCE_LANES)                       \
                s += sc_term_##name(row, j, m, k);                                                 \
            s = sc_cuda_tree(lane, s, [](double a, double b) { return a + b; });                   \
            for (int64_t j = threadIdx.x; j < columns; j += SC_REDUCE_LANES)                       \
                sc_finish_##name(row, j, m, s, k);                                                 \
        }                                                                                          \
    }                                                                                              \
    void sc_cuda_launch_net_##name(cudaStream_t stream, int64_t rows, int64_t columns,             \
                                   sc_net_##name k)                                                \
    {                                                                                              \
        if (rows > 0 && columns > 0)                                                               \
            kernel_net_##name<<<(unsigned)(rows < 65536 ? rows : 65536), SC_REDUCE_LANES, 0,       \
                                stream>>>(rows, columns, k);                                       \
    }

#endif /* SC_CUDA_LAUNCH */
#endif
