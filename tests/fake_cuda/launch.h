/* The launch layer of the fake runtime: kernels.cu compiled as C, a launch is a loop. */
#include "tests/fake_cuda/fake.h"

#define SC_FAKE_IS_POINTER(x) _Generic((x), float * : 1, const float * : 1, default : 0)
#define SC_FAKE_CHECK(x) sc_fake_argument(&(x), SC_FAKE_IS_POINTER(x));
#define SC_FAKE_1(a) SC_FAKE_CHECK(a)
#define SC_FAKE_2(a, ...) SC_FAKE_CHECK(a) SC_FAKE_1(__VA_ARGS__)
#define SC_FAKE_3(a, ...) SC_FAKE_CHECK(a) SC_FAKE_2(__VA_ARGS__)
#define SC_FAKE_4(a, ...) SC_FAKE_CHECK(a) SC_FAKE_3(__VA_ARGS__)
#define SC_FAKE_5(a, ...) SC_FAKE_CHECK(a) SC_FAKE_4(__VA_ARGS__)
#define SC_FAKE_6(a, ...) SC_FAKE_CHECK(a) SC_FAKE_5(__VA_ARGS__)
#define SC_FAKE_PICK(a, b, c, d, e, f, name, ...) name
#define SC_FAKE_EACH(...)                                                                          \
    SC_FAKE_PICK(__VA_ARGS__, SC_FAKE_6, SC_FAKE_5, SC_FAKE_4, SC_FAKE_3, SC_FAKE_2, SC_FAKE_1, )  \
    (__VA_ARGS__)

#define SC_FAKE_LAUNCH(name, arguments, loops)                                                     \
    if (!sc_fake_begin(stream, #name))                                                             \
        return;                                                                                    \
    SC_FAKE_EACH arguments if (sc_fake_arguments_good()){loops} sc_fake_end();

#define SC_KERNEL1(name, parameters, arguments)                                                    \
    void sc_cuda_launch_##name(cudaStream_t stream, int64_t indices, SC_LIST parameters)           \
    {                                                                                              \
        SC_FAKE_LAUNCH(name, arguments,                                                            \
                       for (int64_t i = 0; i < indices; i++)                                       \
                           sc_body_##name(i, SC_LIST arguments);)                                  \
    }

#define SC_KERNEL2(name, parameters, arguments)                                                    \
    void sc_cuda_launch_##name(cudaStream_t stream, int64_t rows, int64_t columns,                 \
                               SC_LIST parameters)                                                 \
    {                                                                                              \
        SC_FAKE_LAUNCH(name, arguments,                                                            \
                       for (int64_t i = 0; i < rows * columns; i++)                                \
                           sc_body_##name(i / columns, i % columns, SC_LIST arguments);)           \
    }

/* Lanes and tree as on the device. */
#define SC_REDUCTION(name, combine, parameters, arguments)                                         \
    static double block_##name(int64_t start, int64_t end, SC_LIST parameters)                     \
    {                                                                                              \
        double lane[SC_REDUCE_LANES];                                                              \
        for (int l = 0; l < SC_REDUCE_LANES; l++) {                                                \
            lane[l] = 0;                                                                           \
            for (int64_t i = start + l; i < end; i += SC_REDUCE_LANES)                             \
                lane[l] = combine(lane[l], sc_body_##name(i, SC_LIST arguments));                  \
        }                                                                                          \
        for (int width = SC_REDUCE_LANES / 2; width > 0; width /= 2)                               \
            for (int l = 0; l < width; l++)                                                        \
                lane[l] = combine(lane[l], lane[l + width]);                                       \
        return lane[0];                                                                            \
    }                                                                                              \
    void sc_cuda_launch_##name(cudaStream_t stream, double *partial, int64_t first,                \
                               int64_t blocks, int64_t count, SC_LIST parameters)                  \
    {                                                                                              \
        SC_FAKE_LAUNCH(                                                                            \
            name, arguments, for (int64_t b = 0; b < blocks; b++) {                                \
                int64_t start = (first + b) * SC_REDUCE_BLOCK;                                     \
                int64_t end = start + SC_REDUCE_BLOCK < count ? start + SC_REDUCE_BLOCK : count;   \
                partial[b] = block_##name(start, end, SC_LIST arguments);                          \
            })                                                                                     \
    }

/* Network kernels: the struct of arguments begins with `pointers` pointers. */
#define SC_FAKE_NET(name, pointers, loops)                                                         \
    typedef struct {                                                                               \
        int64_t rows, columns;                                                                     \
        sc_net_##name k;                                                                           \
    } launch_##name;                                                                               \
    static void repeat_##name(cudaStream_t stream, const void *arguments)                          \
    {                                                                                              \
        const launch_##name *l = arguments;                                                        \
        sc_cuda_launch_net_##name(stream, l->rows, l->columns, l->k);                              \
    }                                                                                              \
    void sc_cuda_launch_net_##name(cudaStream_t stream, int64_t rows, int64_t columns,             \
                                   sc_net_##name k)                                                \
    {                                                                                              \
        const launch_##name launch = {rows, columns, k};                                           \
        if (sc_fake_record(stream, repeat_##name, &launch, sizeof launch))                         \
            return;                                                                                \
        if (rows * columns <= 0 || !sc_fake_begin(stream, #name))                                  \
            return;                                                                                \
        sc_fake_pointers(&k, pointers);                                                            \
        if (sc_fake_arguments_good()) {                                                            \
            loops                                                                                  \
        }                                                                                          \
        sc_fake_end();                                                                             \
    }

#define SC_NET(name, pointers)                                                                     \
    SC_FAKE_NET(name, pointers,                                                                    \
                for (int64_t i = 0; i < rows * columns; i++)                                       \
                    sc_body_net_##name(i / columns, i % columns, k);)

static inline double sc_fake_tree(double *lane, int peak)
{
    for (int width = SC_REDUCE_LANES / 2; width > 0; width /= 2)
        for (int l = 0; l < width; l++)
            lane[l] = peak ? fmax(lane[l], lane[l + width]) : lane[l] + lane[l + width];
    return lane[0];
}

#define SC_NET_ROWS(name, pointers, peak)                                                          \
    static void row_##name(int64_t row, int64_t columns, sc_net_##name k)                          \
    {                                                                                              \
        double lane[SC_REDUCE_LANES];                                                              \
        float m = 0;                                                                               \
        for (int l = 0; peak && l < SC_REDUCE_LANES; l++) {                                        \
            lane[l] = -INFINITY;                                                                   \
            for (int64_t j = l; j < columns; j += SC_REDUCE_LANES)                                 \
                lane[l] = fmax(lane[l], sc_peak_##name(row, j, k));                                \
        }                                                                                          \
        if (peak)                                                                                  \
            m = (float)sc_fake_tree(lane, 1);                                                      \
        for (int l = 0; l < SC_REDUCE_LANES; l++) {                                                \
            lane[l] = 0;                                                                           \
            for (int64_t j = l; j < columns; j += SC_REDUCE_LANES)                                 \
                lane[l] += sc_term_##name(row, j, m, k);                                           \
        }                                                                                          \
        double s = sc_fake_tree(lane, 0);                                                          \
        for (int64_t j = 0; j < columns; j++)                                                      \
            sc_finish_##name(row, j, m, s, k);                                                     \
    }                                                                                              \
    SC_FAKE_NET(name, pointers, for (int64_t row = 0; row < rows; row++) row_##name(row, columns, k);)
