/* The CUDA row of the network's table; contracts in base/kernel_net.h. Convolutions by cuDNN,
 * products of attention by cuBLAS, the rest by the kernels of net_list_internal.h, each run here by
 * run_net_<name>. */
#ifndef SC_BASE_CUDA_NET_INTERNAL_H
#define SC_BASE_CUDA_NET_INTERNAL_H

#include "base/cuda/cuda_internal.h"
#include "base/kernel_net.h"

#define SC_NET(name, pointers)                                                                     \
    static inline void run_net_##name(const sc_device *device, int64_t rows, int64_t columns,      \
                                      sc_net_##name k)                                             \
    {                                                                                              \
        sc_cuda_context *cuda = sc_cuda_of(device);                                                \
        if (cuda->failed)                                                                          \
            return;                                                                                \
        sc_cuda_launch_net_##name(sc_cuda_stream(cuda), rows, columns, k);                         \
        sc_cuda_good(cuda, cudaGetLastError(), #name);                                             \
    }
#define SC_NET_ROWS(name, pointers, peak) SC_NET(name, pointers)
#include "base/net_list_internal.h"

static inline int64_t sc_cuda_chunks(int64_t n) { return (n + SC_NET_CHUNK - 1) / SC_NET_CHUNK; }

/* Bytes rounded up, so that what lies behind is aligned for everything. */
static inline size_t sc_cuda_align(size_t bytes) { return (bytes + 255) / 256 * 256; }

/* Doubles that sc_cuda_gather_sums needs for sums (images, chunks, width), the sums included. */
size_t sc_cuda_gather_doubles(int64_t images, int64_t chunks, int64_t width);
/* The sums over chunks (images, width), somewhere in `sums`, which is overwritten. */
double *sc_cuda_gather_sums(const sc_device *device, double *sums, int64_t images, int64_t chunks,
                            int64_t width);

sc_status sc_cuda_conv_create(const sc_device *device, sc_conv **conv, const sc_conv_shape *shape);
void sc_cuda_conv_free(sc_conv *conv);
void sc_cuda_conv_bytes(const sc_conv *conv, size_t *packed, size_t *scratch);
const char *sc_cuda_conv_describe(const sc_conv *conv);
sc_status sc_cuda_conv_pack(sc_conv *conv, void *packed, const float *weight, const float *bias,
                            void *scratch);
sc_status sc_cuda_conv_forward(sc_conv *conv, float *y, const float *x, const void *packed,
                               void *scratch);
sc_status sc_cuda_conv_backward_data(sc_conv *conv, float *gx, const float *gy, const void *packed,
                                     int add, void *scratch);
sc_status sc_cuda_conv_backward_weights(sc_conv *conv, float *gweight, float *gbias, const float *x,
                                        const float *gy, void *scratch);

size_t sc_cuda_norm_scratch(const sc_norm_shape *s);
void sc_cuda_norm_forward(const sc_device *device, float *y, float *moments,
                          const sc_norm_input *input, const sc_norm_shape *s, void *scratch);
void sc_cuda_norm_backward(const sc_device *device, const sc_norm_gradient *gradient,
                           const float *gy, const float *moments, const sc_norm_input *input,
                           const sc_norm_shape *s, void *scratch);

size_t sc_cuda_attention_scratch(const sc_device *device, int n, int64_t pixels, int c);
void sc_cuda_attention_forward(const sc_device *device, float *y, const float *q, const float *k,
                               const float *v, int n, int64_t pixels, int c, void *scratch);
void sc_cuda_attention_backward(const sc_device *device, float *gq, float *gk, float *gv,
                                const float *gy, const float *y, const float *q, const float *k,
                                const float *v, int n, int64_t pixels, int c, void *scratch);

#endif
