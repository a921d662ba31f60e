/* How the CPU runs a kernel body: tiles of 4096 columns over the device's threads. Every element
 * is computed by one thread from its index, so the bytes do not depend on the number of threads.
 */
#ifndef SC_BASE_CPU_LOOPS_INTERNAL_H
#define SC_BASE_CPU_LOOPS_INTERNAL_H

#include "base/cpu/cpu_internal.h"
#include "base/kernel_bodies.h"

#define SC_CPU_TILE 4096
#define SC_CPU_PARTIALS 1024 /* blocks of a reduction summed between two parallel loops */

#define SC_LIST(...) __VA_ARGS__

static inline int sc_cpu_threads(const sc_device *device, int64_t elements)
{
    return elements > SC_CPU_SERIAL ? device->threads : 1;
}

/* clang-format off: it takes a pragma inside a macro for code */
#define SC_CPU_LOOP(name, parameters, call)                                                        \
    static void run_tiles_##name(const sc_device *device, int64_t rows, int64_t columns,           \
                                 SC_LIST parameters)                                               \
    {                                                                                              \
        const int threads = sc_cpu_threads(device, rows * columns);                                \
        _Pragma("omp parallel for collapse(2) schedule(static) num_threads(threads)") for (        \
            int64_t row = 0; row < rows; row++) for (int64_t tile = 0; tile < columns;             \
                                                     tile += SC_CPU_TILE)                          \
        {                                                                                          \
            int64_t end = tile + SC_CPU_TILE < columns ? tile + SC_CPU_TILE : columns;             \
            _Pragma("omp simd") for (int64_t col = tile; col < end; col++) call;                   \
        }                                                                                          \
    }

#define SC_KERNEL1(name, parameters, arguments)                                                    \
    SC_CPU_LOOP(name, parameters, sc_body_##name(col, SC_LIST arguments))                          \
    static inline void run_##name(const sc_device *device, int64_t n, SC_LIST parameters)          \
    {                                                                                              \
        run_tiles_##name(device, 1, n, SC_LIST arguments);                                         \
    }

#define SC_KERNEL2(name, parameters, arguments)                                                    \
    SC_CPU_LOOP(name, parameters, sc_body_##name(row, col, SC_LIST arguments))                     \
    static inline void run_##name(const sc_device *device, int64_t rows, int64_t columns,          \
                                  SC_LIST parameters)                                              \
    {                                                                                              \
        run_tiles_##name(device, rows, columns, SC_LIST arguments);                                \
    }

static inline double sc_lane_tree(double *lane, double (*combine)(double, double))
{
    for (int width = SC_REDUCE_LANES / 2; width > 0; width /= 2)
        for (int l = 0; l < width; l++)
            lane[l] = combine(lane[l], lane[l + width]);
    return lane[0];
}

#define SC_REDUCTION(name, combine, parameters, arguments)                                         \
    static double block_##name(int64_t first, int64_t n, SC_LIST parameters)                       \
    {                                                                                              \
        double lane[SC_REDUCE_LANES] = {0};                                                        \
        int64_t end = first + SC_REDUCE_BLOCK < n ? first + SC_REDUCE_BLOCK : n;                   \
        for (int64_t i = first; i < end; i += SC_REDUCE_LANES) {                                   \
            int lanes = end - i < SC_REDUCE_LANES ? (int)(end - i) : SC_REDUCE_LANES;              \
            for (int l = 0; l < lanes; l++)                                                        \
                lane[l] = combine(lane[l], sc_body_##name(i + l, SC_LIST arguments));              \
        }                                                                                          \
        return sc_lane_tree(lane, combine);                                                        \
    }                                                                                              \
    static double run_##name(const sc_device *device, int64_t n, SC_LIST parameters)               \
    {                                                                                              \
        double total = 0, partial[SC_CPU_PARTIALS];                                                \
        int64_t blocks = (n + SC_REDUCE_BLOCK - 1) / SC_REDUCE_BLOCK;                              \
        const int threads = sc_cpu_threads(device, n);                                             \
        for (int64_t group = 0; group < blocks; group += SC_CPU_PARTIALS) {                        \
            int64_t rest = blocks - group,                                                         \
                    count = rest < SC_CPU_PARTIALS ? rest : SC_CPU_PARTIALS;                       \
            _Pragma("omp parallel for schedule(static) num_threads(threads)") for (int64_t b = 0;  \
                                                                                   b < count; b++) \
                partial[b] = block_##name((group + b) * SC_REDUCE_BLOCK, n, SC_LIST arguments);    \
            for (int64_t b = 0; b < count; b++)                                                    \
                total = combine(total, partial[b]);                                                \
        }                                                                                          \
        return total;                                                                              \
    }
/* clang-format on */

#include "base/kernel_list.h"

#endif
