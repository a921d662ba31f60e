/* The functions of the CPU row's network table; contracts in base/kernel_net.h. */
#ifndef SC_BASE_CPU_NET_INTERNAL_H
#define SC_BASE_CPU_NET_INTERNAL_H

#include "base/kernel_net.h"

sc_status sc_cpu_conv_create(const sc_device *device, sc_conv **conv, const sc_conv_shape *shape);
void sc_cpu_conv_free(sc_conv *conv);
void sc_cpu_conv_bytes(const sc_conv *conv, size_t *packed, size_t *scratch);
const char *sc_cpu_conv_describe(const sc_conv *conv);
sc_status sc_cpu_conv_pack(sc_conv *conv, void *packed, const float *weight, const float *bias,
                           void *scratch);
sc_status sc_cpu_conv_forward(sc_conv *conv, float *y, const float *x, const void *packed,
                              void *scratch);
sc_status sc_cpu_conv_backward_data(sc_conv *conv, float *gx, const float *gy, const void *packed,
                                    int add, void *scratch);
sc_status sc_cpu_conv_backward_weights(sc_conv *conv, float *gweight, float *gbias, const float *x,
                                       const float *gy, void *scratch);

size_t sc_cpu_norm_scratch(const sc_norm_shape *s);
void sc_cpu_norm_forward(const sc_device *device, float *y, float *moments,
                         const sc_norm_input *input, const sc_norm_shape *s, void *scratch);
void sc_cpu_norm_backward(const sc_device *device, const sc_norm_gradient *gradient,
                          const float *gy, const float *moments, const sc_norm_input *input,
                          const sc_norm_shape *s, void *scratch);

size_t sc_cpu_attention_scratch(const sc_device *device, int n, int64_t pixels, int c);
void sc_cpu_attention_forward(const sc_device *device, float *y, const float *q, const float *k,
                              const float *v, int n, int64_t pixels, int c, void *scratch);
void sc_cpu_attention_backward(const sc_device *device, float *gq, float *gk, float *gv,
                               const float *gy, const float *y, const float *q, const float *k,
                               const float *v, int n, int64_t pixels, int c, void *scratch);

void sc_cpu_linear_forward(const sc_device *device, float *y, const float *x, const float *weight,
                           const float *bias, int n, int in, int out, int silu);
void sc_cpu_linear_backward(const sc_device *device, float *gx, float *gweight, float *gbias,
                            const float *gy, const float *x, const float *weight, int n, int in,
                            int out, int silu, int add);
void sc_cpu_embed(const sc_device *device, float *y, const float *label, const float *frequency,
                  sc_embed_kind kind, int n, int width);

void sc_cpu_resample_forward(const sc_device *device, float *y, const float *x,
                             sc_resample_kind kind, int n, int h, int w, int c);
void sc_cpu_resample_backward(const sc_device *device, float *gx, const float *gy,
                              sc_resample_kind kind, int n, int h, int w, int c, int add);
void sc_cpu_fir_forward(const sc_device *device, float *y, const float *x, const sc_fir *f, int n,
                        int h, int w, int out_h, int out_w, int c);
void sc_cpu_fir_backward(const sc_device *device, float *gx, const float *gy, const sc_fir *f,
                         int n, int h, int w, int out_h, int out_w, int c, int add);

void sc_cpu_activate_forward(const sc_device *device, float *y, const float *x,
                             sc_activate_kind kind, int64_t count);
void sc_cpu_activate_backward(const sc_device *device, float *gx, const float *gy, const float *x,
                              sc_activate_kind kind, int64_t count, int add);
void sc_cpu_copy_columns(const sc_device *device, float *z, int64_t z_stride, const float *x,
                         int64_t x_stride, int64_t rows, int64_t columns, int add);
void sc_cpu_dropout(const sc_device *device, float *z, float p, sc_key key, uint32_t draw,
                    uint32_t step, int n, int64_t count);
void sc_cpu_affine(const sc_device *device, float *z, const float *x, const float *a, float scale,
                   float b, int n, int64_t count, int add);

#endif
