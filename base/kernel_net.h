/* Kernels of the neural network: the sub-table `net` of a device's kernels.
 *
 * Tensors are float32, NHWC: (n, h, w, c), or (n, pixels, c) where the image's shape does not
 * matter. Outputs first, inputs next, sizes last. Pointers are device memory. Kernels never
 * allocate: scratch memory is the caller's, its size asked for beforehand. Gradients are written,
 * or added where a flag says so; gradients of parameters are always added.
 *
 * The result of every forward kernel is independent of the number of threads, byte for byte.
 * The gradient of convolution weights is a sum over images and rows that each thread does for
 * its share: it is reproducible for one number of threads.
 */
#ifndef SC_BASE_KERNEL_NET_H
#define SC_BASE_KERNEL_NET_H

#include "base/device.h"
#include "base/random.h"

#ifdef __cplusplus
extern "C" {
#endif

/* y (n, h', w', out) = scale * (conv(x, W) + bias), added to y if `accumulate`.
 * Cross-correlation, zero padding pad_low above and left, pad_high below and right;
 * h' = (h + pad_low + pad_high - kernel) / stride + 1.
 * W[o][i][ky][kx] lies at out_stride o + in_stride i + kernel ky + kx, so that one conv may read
 * a slice of input channels, or a matrix stored [in, out]. */
typedef struct {
    int n, h, w, in, out, kernel, stride, pad_low, pad_high;
    int64_t out_stride, in_stride;
    int bias;       /* 1: there is a bias */
    int accumulate; /* forward adds to y */
    float scale;
    int backward;   /* the backward kernels will be used */
} sc_conv_shape;

typedef struct sc_conv sc_conv; /* a plan; used by one thread at a time */

/* Group normalisation over the concatenation [x0, x1] of two tensors, with a shift (n, c) added
 * to every pixel first, and SiLU after it:
 *     u = [x0, x1] + shift,  z = (u - mean) / sqrt(var + epsilon) * weight + bias,  y = silu(z).
 * c[1] = 0: no second tensor; shift NULL: none. Group boundaries may fall inside x0 or x1. */
typedef struct {
    int n, c[2], groups, silu;
    int64_t pixels;
    float epsilon;
} sc_norm_shape;

typedef struct {
    const float *x[2] /* (n, pixels, c[i]) */;
    const float *shift /* (n, c[0] + c[1]) */;
    const float *weight, *bias /* (c[0] + c[1]) */;
} sc_norm_input;

typedef struct {
    float *x[2];        /* NULL: not wanted */
    int add[2];         /* 1: added to x[i], 0: written */
    float *shift;       /* written; NULL if there is none */
    float *weight, *bias; /* added */
} sc_norm_gradient;

typedef enum { SC_RESAMPLE_NEAREST_UP, SC_RESAMPLE_MEAN_DOWN } sc_resample_kind;

/* Separable filter with change of sampling (upfirdn), each axis:
 *     y[o] = sum_a tap[taps - 1 - a] s[down o + a - pad],  s[up i] = x[i], 0 elsewhere.
 * Factors are 1 or 2. The length of y is the caller's: positions beyond the data read zeros. */
#define SC_FIR_TAPS 8
typedef struct {
    int taps, up, down, pad;
    float tap[SC_FIR_TAPS];
} sc_fir;

/* Activations other than SiLU, which norm and linear do themselves: x > 0 passes; below it
 * e^x - 1, 0, or x / 5. */
typedef enum { SC_ACTIVATE_ELU, SC_ACTIVATE_RELU, SC_ACTIVATE_LEAKY } sc_activate_kind;

/* Angle of frequency w at label c: 2 pi c w in double (EDM), as published in float32 and in this
 * order ((c w) 2) pi, or c w in float32. */
typedef enum { SC_EMBED_FOURIER, SC_EMBED_FOURIER_FLOAT, SC_EMBED_POSITIONAL } sc_embed_kind;

struct sc_net_kernels {
    /* convolution; packed (packed bytes) keeps reordered weights, scratch is for any one call */
    sc_status (*conv_create)(const sc_device *, sc_conv **, const sc_conv_shape *);
    void (*conv_free)(sc_conv *);
    void (*conv_bytes)(const sc_conv *, size_t *packed, size_t *scratch);
    const char *(*conv_describe)(const sc_conv *); /* the implementation, for --plan */
    sc_status (*conv_pack)(sc_conv *, void *packed, const float *weight, const float *bias,
                           void *scratch);
    sc_status (*conv_forward)(sc_conv *, float *y, const float *x, const void *packed,
                              void *scratch);
    sc_status (*conv_backward_data)(sc_conv *, float *gx, const float *gy, const void *packed,
                                    int add, void *scratch);
    sc_status (*conv_backward_weights)(sc_conv *, float *gweight, float *gbias, const float *x,
                                       const float *gy, void *scratch);

    /* group normalisation; moments (n, groups, 2) are mean and 1/std, kept for backward */
    size_t (*norm_scratch)(const sc_norm_shape *);
    void (*norm_forward)(const sc_device *, float *y, float *moments, const sc_norm_input *,
                         const sc_norm_shape *, void *scratch);
    void (*norm_backward)(const sc_device *, const sc_norm_gradient *, const float *gy,
                          const float *moments, const sc_norm_input *, const sc_norm_shape *,
                          void *scratch);

    /* y = softmax(q k^T / sqrt c) v per image; all (n, pixels, c) */
    size_t (*attention_scratch)(const sc_device *, int n, int64_t pixels, int c);
    void (*attention_forward)(const sc_device *, float *y, const float *q, const float *k,
                              const float *v, int n, int64_t pixels, int c, void *scratch);
    void (*attention_backward)(const sc_device *, float *gq, float *gk, float *gv,
                               const float *gy, const float *y, const float *q, const float *k,
                               const float *v, int n, int64_t pixels, int c, void *scratch);

    /* y (n, out) = W (out, in) act(x) + bias, act SiLU or identity */
    void (*linear_forward)(const sc_device *, float *y, const float *x, const float *weight,
                           const float *bias, int n, int in, int out, int silu);
    /* gx NULL: not wanted */
    void (*linear_backward)(const sc_device *, float *gx, float *gweight, float *gbias,
                            const float *gy, const float *x, const float *weight, int n, int in,
                            int out, int silu, int add);

    /* y (n, width) = [sin(angle), cos(angle), 0 if width is odd] of width / 2 frequencies */
    void (*embed)(const sc_device *, float *y, const float *label, const float *frequency,
                  sc_embed_kind, int n, int width);

    /* y (n, h', w', c) from x (n, h, w, c), h' = 2 h or h / 2 rounded down */
    void (*resample_forward)(const sc_device *, float *y, const float *x, sc_resample_kind, int n,
                             int h, int w, int c);
    void (*resample_backward)(const sc_device *, float *gx, const float *gy, sc_resample_kind,
                              int n, int h, int w, int c, int add);

    /* y (n, out_h, out_w, c) from x (n, h, w, c) */
    void (*fir_forward)(const sc_device *, float *y, const float *x, const sc_fir *, int n, int h,
                        int w, int out_h, int out_w, int c);
    void (*fir_backward)(const sc_device *, float *gx, const float *gy, const sc_fir *, int n,
                         int h, int w, int out_h, int out_w, int c, int add);

    /* y = act(x); gx (+)= act'(x) gy */
    void (*activate_forward)(const sc_device *, float *y, const float *x, sc_activate_kind,
                             int64_t count);
    void (*activate_backward)(const sc_device *, float *gx, const float *gy, const float *x,
                              sc_activate_kind, int64_t count, int add);

    /* z[r z_stride + i] (+)= x[r x_stride + i], r < rows, i < columns: channels in and out of a
     * wider tensor */
    void (*copy_columns)(const sc_device *, float *z, int64_t z_stride, const float *x,
                         int64_t x_stride, int64_t rows, int64_t columns, int add);

    /* z (n, count) *= 0 with probability p, 1 / (1 - p) otherwise; element e of image i uses word
     * e % 4 of the Philox block with counter (e / 4, draw << 20 | step, key.slice, key.sample + i):
     * dropped if the word is below p 2^32. */
    void (*dropout)(const sc_device *, float *z, float p, sc_key key, uint32_t draw, uint32_t step,
                    int n, int64_t count);

    /* z[i] = a[i] x[i] + b (+ z[i] if add) for each image i of `count` floats; a NULL: all `scale` */
    void (*affine)(const sc_device *, float *z, const float *x, const float *a, float scale,
                   float b, int n, int64_t count, int add);
};

extern const sc_net_kernels sc_cpu_net; /* the CPU row */

#ifdef __cplusplus
}
#endif
#endif
