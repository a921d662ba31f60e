/* The CUDA row of the network's table, and its elementwise, gather and linear kernels: how many
 * indices each has and what it gets. */
#include "base/cuda/net_internal.h"

/* ---- sums over chunks, a level of SC_NET_CHUNK at a time ---- */

size_t sc_cuda_gather_doubles(int64_t images, int64_t chunks, int64_t width)
{
    int64_t first = images * chunks * width; /* then two buffers in turn, the first the larger */
    int64_t second = chunks > 1 ? images * sc_cuda_chunks(chunks) * width : 0;
    return (size_t)(first + second);
}

double *sc_cuda_gather_sums(const sc_device *device, double *sums, int64_t images, int64_t chunks,
                            int64_t width)
{
    double *from = sums, *to = sums + images * chunks * width;
    while (chunks > 1) {
        int64_t results = sc_cuda_chunks(chunks);
        run_net_gather(device, images * results, width,
                       (sc_net_gather){to, from, results, chunks, width});
        double *done = to;
        to = from; /* read, and large enough for all further levels */
        from = done;
        chunks = results;
    }
    return from;
}

/* ---- elementwise and gather ---- */

static void affine(const sc_device *device, float *z, const float *x, const float *a, float scale,
                   float b, int n, int64_t count, int add)
{
    run_net_affine(device, n, count, (sc_net_affine){z, x, a, scale, b, count, add});
}

static void embed(const sc_device *device, float *y, const float *label, const float *frequency,
                  sc_embed_kind kind, int n, int width)
{
    run_net_embed(device, n, width / 2, (sc_net_embed){y, label, frequency, (int)kind, width});
}

static void resample_forward(const sc_device *device, float *y, const float *x,
                             sc_resample_kind kind, int n, int h, int w, int c)
{
    const int up = kind == SC_RESAMPLE_NEAREST_UP;
    const int zh = up ? 2 * h : h / 2, zw = up ? 2 * w : w / 2;
    run_net_resample(device, (int64_t)n * zh * zw, c,
                     (sc_net_resample){y, x, zh, zw, h, w, c, up ? 1.f : .25f, up, 0});
}

static void resample_backward(const sc_device *device, float *gx, const float *gy,
                              sc_resample_kind kind, int n, int h, int w, int c, int add)
{
    const int up = kind == SC_RESAMPLE_NEAREST_UP;
    const int yh = up ? 2 * h : h / 2, yw = up ? 2 * w : w / 2;
    run_net_resample(device, (int64_t)n * h * w, c,
                     (sc_net_resample){gx, gy, h, w, yh, yw, c, up ? 1.f : .25f, !up, add});
}

static void fir_forward(const sc_device *device, float *y, const float *x, const sc_fir *f, int n,
                        int h, int w, int out_h, int out_w, int c)
{
    run_net_fir(device, (int64_t)n * out_h * out_w, c,
                (sc_net_fir){y, x, *f, out_h, out_w, h, w, c, 0, 0});
}

static void fir_backward(const sc_device *device, float *gx, const float *gy, const sc_fir *f,
                         int n, int h, int w, int out_h, int out_w, int c, int add)
{
    run_net_fir(device, (int64_t)n * h * w, c,
                (sc_net_fir){gx, gy, *f, h, w, out_h, out_w, c, 1, add});
}

static void activate_forward(const sc_device *device, float *y, const float *x,
                             sc_activate_kind kind, int64_t count)
{
    run_net_activate(device, 1, count, (sc_net_activate){y, NULL, x, (int)kind, 0});
}

static void activate_backward(const sc_device *device, float *gx, const float *gy, const float *x,
                              sc_activate_kind kind, int64_t count, int add)
{
    run_net_activate(device, 1, count, (sc_net_activate){gx, gy, x, (int)kind, add});
}

static void copy_columns(const sc_device *device, float *z, int64_t z_stride, const float *x,
                         int64_t x_stride, int64_t rows, int64_t columns, int add)
{
    run_net_copy_columns(device, rows, columns,
                         (sc_net_copy_columns){z, x, z_stride, x_stride, add});
}

static void dropout(const sc_device *device, float *z, float p, sc_key key, uint32_t draw,
                    uint32_t step, int n, int64_t count)
{
    const sc_stream stream = {(uint32_t)key.seed, (uint32_t)(key.seed >> 32), draw << 20 | step,
                              key.slice, key.sample};
    const uint32_t threshold = (uint32_t)((double)p * 4294967296.0);
    run_net_dropout(device, n, (count + 3) / 4,
                    (sc_net_dropout){z, count, threshold, (float)(1 / (1 - (double)p)), stream});
}

/* ---- linear ---- */

static void linear_forward(const sc_device *device, float *y, const float *x, const float *weight,
                           const float *bias, int n, int in, int out, int silu)
{
    run_net_linear(device, (int64_t)n * out, in,
                   (sc_net_linear){y, x, weight, bias, in, out, silu});
}

static void linear_backward(const sc_device *device, float *gx, float *gweight, float *gbias,
                            const float *gy, const float *x, const float *weight, int n, int in,
                            int out, int silu, int add)
{
    run_net_linear_gradient_b(device, 1, out, (sc_net_linear_gradient_b){gbias, gy, n, out});
    run_net_linear_gradient_w(device, out, in,
                              (sc_net_linear_gradient_w){gweight, gy, x, n, in, out, silu});
    if (gx)
        run_net_linear_gradient_x(
            device, n, in, (sc_net_linear_gradient_x){gx, gy, x, weight, in, out, silu, add});
}

const sc_net_kernels sc_cuda_net = {
    .conv_create = sc_cuda_conv_create,
    .conv_free = sc_cuda_conv_free,
    .conv_bytes = sc_cuda_conv_bytes,
    .conv_describe = sc_cuda_conv_describe,
    .conv_pack = sc_cuda_conv_pack,
    .conv_forward = sc_cuda_conv_forward,
    .conv_backward_data = sc_cuda_conv_backward_data,
    .conv_backward_weights = sc_cuda_conv_backward_weights,
    .norm_scratch = sc_cuda_norm_scratch,
    .norm_forward = sc_cuda_norm_forward,
    .norm_backward = sc_cuda_norm_backward,
    .attention_scratch = sc_cuda_attention_scratch,
    .attention_forward = sc_cuda_attention_forward,
    .attention_backward = sc_cuda_attention_backward,
    .linear_forward = linear_forward,
    .linear_backward = linear_backward,
    .embed = embed,
    .resample_forward = resample_forward,
    .resample_backward = resample_backward,
    .fir_forward = fir_forward,
    .fir_backward = fir_backward,
    .activate_forward = activate_forward,
    .activate_backward = activate_backward,
    .copy_columns = copy_columns,
    .dropout = dropout,
    .affine = affine,
};
