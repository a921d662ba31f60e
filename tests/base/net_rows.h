/* The network's kernels of two rows on the same inputs: convolutions of every kind that networks
 * have, norms whose groups cross the seam of two tensors, gradients written and added, odd sizes.
 * Rows add in different orders: relative 1e-5 of each result's norm. */
#ifndef SC_TESTS_BASE_NET_ROWS_H
#define SC_TESTS_BASE_NET_ROWS_H

#include "base/kernel_net.h"
#include "kernel_check.h"

#define NET_BUFFERS 16

/* Buffers of one row, all drawn, results too: what is added to must be there. */
typedef struct {
    const sc_device *device;
    const sc_net_kernels *net;
    float *buffer[NET_BUFFERS];
    int64_t count[NET_BUFFERS];
    int buffers;
} net_row;

static inline float *net_buffer(net_row *r, int64_t count)
{
    float *host = random_floats(count, 100 + (uint64_t)r->buffers), *p;
    assert_true(r->buffers < NET_BUFFERS);
    assert_int_equal(SC_DEVICE_ALLOC(r->device, &p, count), SC_OK);
    assert_int_equal(
        r->device->kernels->upload(r->device, p, host, (size_t)count * sizeof *p), SC_OK);
    sc_free(host);
    r->buffer[r->buffers] = p;
    r->count[r->buffers++] = count;
    return p;
}

/* Scratch is not compared: rows need different sizes. */
static inline void *net_scratch(const net_row *r, size_t bytes)
{
    char *p;
    assert_int_equal(SC_DEVICE_ALLOC(r->device, &p, bytes > 0 ? bytes : 1), SC_OK);
    return p;
}

static inline void net_conv_shape(net_row *r, const sc_conv_shape *s)
{
    sc_conv *conv;
    size_t packed_bytes, scratch_bytes;
    int64_t taps = (int64_t)s->kernel * s->kernel;
    int frame = s->pad_low + s->pad_high - s->kernel;
    int64_t h = (s->h + frame) / s->stride + 1, w = (s->w + frame) / s->stride + 1;
    float *x = net_buffer(r, (int64_t)s->n * s->h * s->w * s->in);
    float *y = net_buffer(r, s->n * h * w * s->out), *gx = net_buffer(r, r->count[0]);
    float *gy = net_buffer(r, r->count[1]), *weight = net_buffer(r, 2 * taps * s->in * s->out);
    float *gweight = net_buffer(r, r->count[4]), *bias = net_buffer(r, s->out);
    float *gbias = net_buffer(r, s->out);
    assert_int_equal(r->net->conv_create(r->device, &conv, s), SC_OK);
    r->net->conv_bytes(conv, &packed_bytes, &scratch_bytes);
    void *packed = net_scratch(r, packed_bytes), *scratch = net_scratch(r, scratch_bytes);
    assert_int_equal(r->net->conv_pack(conv, packed, weight, bias, scratch), SC_OK);
    assert_int_equal(r->net->conv_forward(conv, y, x, packed, scratch), SC_OK);
    if (s->backward) {
        assert_int_equal(r->net->conv_backward_data(conv, gx, gy, packed, s->accumulate, scratch),
                         SC_OK);
        assert_int_equal(r->net->conv_backward_weights(conv, gweight, s->bias ? gbias : NULL, x, gy,
                                                       scratch),
                         SC_OK);
    }
    assert_non_null(r->net->conv_describe(conv));
    r->net->conv_free(conv);
    sc_device_release(r->device, packed);
    sc_device_release(r->device, scratch);
}

#define NET_CASE(name) static inline void net_##name(net_row *r)

NET_CASE(conv_3x3)
{
    net_conv_shape(r, &(sc_conv_shape){.n = 2, .h = 9, .w = 7, .in = 5, .out = 6, .kernel = 3,
                                       .stride = 1, .pad_low = 1, .pad_high = 1, .out_stride = 45,
                                       .in_stride = 9, .bias = 1, .scale = 1, .backward = 1});
}
NET_CASE(conv_added) /* no bias of its own, scaled, added to a sum */
{
    net_conv_shape(r, &(sc_conv_shape){.n = 2, .h = 6, .w = 8, .in = 4, .out = 4, .kernel = 3,
                                       .stride = 1, .pad_low = 1, .pad_high = 1, .out_stride = 36,
                                       .in_stride = 9, .accumulate = 1, .scale = .7f,
                                       .backward = 1});
}
NET_CASE(conv_added_with_bias)
{
    net_conv_shape(r, &(sc_conv_shape){.n = 3, .h = 6, .w = 8, .in = 4, .out = 8, .kernel = 3,
                                       .stride = 1, .pad_low = 1, .pad_high = 1, .out_stride = 36,
                                       .in_stride = 9, .bias = 1, .accumulate = 1, .scale = .7f,
                                       .backward = 1});
}
NET_CASE(conv_stride_2) /* pads right and below only */
{
    net_conv_shape(r, &(sc_conv_shape){.n = 2, .h = 8, .w = 10, .in = 4, .out = 4, .kernel = 3,
                                       .stride = 2, .pad_high = 1, .out_stride = 36,
                                       .in_stride = 9, .bias = 1, .scale = 1, .backward = 1});
}
NET_CASE(conv_stride_2_added)
{
    net_conv_shape(r, &(sc_conv_shape){.n = 2, .h = 8, .w = 6, .in = 4, .out = 8, .kernel = 3,
                                       .stride = 2, .pad_high = 1, .out_stride = 36,
                                       .in_stride = 9, .bias = 1, .accumulate = 1, .scale = .5f,
                                       .backward = 1});
}
NET_CASE(conv_nin) /* a matrix stored [in, out] */
{
    net_conv_shape(r, &(sc_conv_shape){.n = 2, .h = 5, .w = 7, .in = 6, .out = 8, .kernel = 1,
                                       .stride = 1, .out_stride = 1, .in_stride = 8, .bias = 1,
                                       .scale = 1, .backward = 1});
}
NET_CASE(conv_slice) /* reads a slice of wider weights */
{
    net_conv_shape(r, &(sc_conv_shape){.n = 1, .h = 12, .w = 34, .in = 4, .out = 5, .kernel = 1,
                                       .stride = 1, .out_stride = 8, .in_stride = 1, .scale = 2,
                                       .backward = 1});
}
NET_CASE(conv_forward_only)
{
    net_conv_shape(r, &(sc_conv_shape){.n = 1, .h = 5, .w = 5, .in = 2, .out = 3, .kernel = 3,
                                       .stride = 1, .pad_low = 1, .pad_high = 1, .out_stride = 18,
                                       .in_stride = 9, .bias = 1, .scale = 1});
}

static inline void net_norm_of(net_row *r, const sc_norm_shape *s, int with_shift, int add)
{
    int C = s->c[0] + s->c[1];
    int64_t pixels = s->n * s->pixels;
    float *x0 = net_buffer(r, pixels * s->c[0]), *y = net_buffer(r, pixels * C);
    float *x1 = s->c[1] ? net_buffer(r, pixels * s->c[1]) : NULL;
    float *shift = net_buffer(r, (int64_t)s->n * C), *weight = net_buffer(r, C);
    float *bias = net_buffer(r, C), *moments = net_buffer(r, (int64_t)2 * s->n * s->groups);
    sc_norm_input input = {{x0, x1}, with_shift ? shift : NULL, weight, bias};
    void *scratch = net_scratch(r, r->net->norm_scratch(s));
    r->net->norm_forward(r->device, y, moments, &input, s, scratch);
    float *gx0 = net_buffer(r, pixels * s->c[0]);
    float *gx1 = s->c[1] ? net_buffer(r, pixels * s->c[1]) : NULL;
    float *gshift = net_buffer(r, (int64_t)s->n * C), *gweight = net_buffer(r, C);
    float *gbias = net_buffer(r, C), *gy = net_buffer(r, pixels * C);
    sc_norm_gradient gradient = {{add == 2 ? NULL : gx0, gx1}, {add, !add},
                                 with_shift ? gshift : NULL, gweight, gbias};
    r->net->norm_backward(r->device, &gradient, gy, moments, &input, s, scratch);
    sc_device_release(r->device, scratch);
}

NET_CASE(norm)
{
    net_norm_of(r, &(sc_norm_shape){.n = 2, .c = {12, 0}, .groups = 3, .silu = 1, .pixels = 77,
                                    .epsilon = 1e-6f}, 1, 0);
}
NET_CASE(norm_of_two) /* a group of 6 of 18 channels spans both */
{
    net_norm_of(r, &(sc_norm_shape){.n = 3, .c = {10, 8}, .groups = 3, .silu = 1, .pixels = 35,
                                    .epsilon = 1e-6f}, 0, 1);
}
NET_CASE(norm_without_silu)
{
    net_norm_of(r, &(sc_norm_shape){.n = 1, .c = {8, 8}, .groups = 2, .pixels = 1,
                                    .epsilon = 1e-6f}, 1, 2);
}
NET_CASE(norm_of_many_pixels) /* three levels of chunks */
{
    net_norm_of(r, &(sc_norm_shape){.n = 2, .c = {4, 0}, .groups = 1, .silu = 1, .pixels = 40000,
                                    .epsilon = 1e-6f}, 1, 0);
}

static inline void net_attention_of(net_row *r, int n, int64_t pixels, int c)
{
    int64_t size = n * pixels * c;
    float *y = net_buffer(r, size), *q = net_buffer(r, size), *k = net_buffer(r, size);
    float *v = net_buffer(r, size), *gq = net_buffer(r, size), *gk = net_buffer(r, size);
    float *gv = net_buffer(r, size), *gy = net_buffer(r, size);
    void *scratch = net_scratch(r, r->net->attention_scratch(r->device, n, pixels, c));
    r->net->attention_forward(r->device, y, q, k, v, n, pixels, c, scratch);
    r->net->attention_backward(r->device, gq, gk, gv, gy, y, q, k, v, n, pixels, c, scratch);
    sc_device_release(r->device, scratch);
}

NET_CASE(attention) { net_attention_of(r, 3, 35, 8); }
NET_CASE(attention_wide) { net_attention_of(r, 1, 300, 16); }

NET_CASE(linear)
{
    const int n = 3, in = 37, out = 11;
    float *y = net_buffer(r, n * out), *x = net_buffer(r, n * in), *w = net_buffer(r, out * in);
    float *bias = net_buffer(r, out), *gy = net_buffer(r, n * out), *gx = net_buffer(r, n * in);
    float *gw = net_buffer(r, out * in), *gb = net_buffer(r, out), *y2 = net_buffer(r, n * out);
    float *gx2 = net_buffer(r, n * in);
    r->net->linear_forward(r->device, y, x, w, bias, n, in, out, 1);
    r->net->linear_forward(r->device, y2, x, w, bias, n, in, out, 0);
    r->net->linear_backward(r->device, gx, gw, gb, gy, x, w, n, in, out, 1, 0);
    r->net->linear_backward(r->device, gx2, gw, gb, gy, x, w, n, in, out, 0, 1);
    r->net->linear_backward(r->device, NULL, gw, gb, gy, x, w, n, in, out, 1, 0);
}

NET_CASE(embed)
{
    float *label = net_buffer(r, 3), *frequency = net_buffer(r, 7);
    for (int kind = 0; kind < 3; kind++)
        r->net->embed(r->device, net_buffer(r, 3 * 15), label, frequency, (sc_embed_kind)kind, 3,
                      15 - kind % 2);
}

NET_CASE(resample)
{
    const int n = 2, h = 6, w = 10, c = 3;
    float *x = net_buffer(r, n * h * w * c), *up = net_buffer(r, 4 * n * h * w * c);
    float *down = net_buffer(r, n * h * w * c / 4);
    for (int add = 0; add < 2; add++) {
        r->net->resample_backward(r->device, net_buffer(r, r->count[0]), up,
                                  SC_RESAMPLE_NEAREST_UP, n, h, w, c, add);
        r->net->resample_backward(r->device, net_buffer(r, r->count[0]), down,
                                  SC_RESAMPLE_MEAN_DOWN, n, h, w, c, add);
    }
    r->net->resample_forward(r->device, net_buffer(r, r->count[1]), x, SC_RESAMPLE_NEAREST_UP, n,
                             h, w, c);
    r->net->resample_forward(r->device, net_buffer(r, r->count[2]), x, SC_RESAMPLE_MEAN_DOWN, n, h,
                             w, c);
}

NET_CASE(resample_odd) /* the mean drops an odd size's last row and column */
{
    const int n = 2, h = 7, w = 5, c = 3;
    float *x = net_buffer(r, n * h * w * c);
    r->net->resample_forward(r->device, net_buffer(r, n * 3 * 2 * c), x, SC_RESAMPLE_MEAN_DOWN, n,
                             h, w, c);
    r->net->resample_backward(r->device, net_buffer(r, r->count[0]), r->buffer[1],
                              SC_RESAMPLE_MEAN_DOWN, n, h, w, c, 0);
    r->net->resample_backward(r->device, net_buffer(r, r->count[0]), r->buffer[1],
                              SC_RESAMPLE_MEAN_DOWN, n, h, w, c, 1);
}

NET_CASE(fir)
{
    static const sc_fir filters[] = {
        {.taps = 4, .up = 2, .down = 1, .pad = 2, .tap = {.25f, .75f, .75f, .25f}},
        {.taps = 4, .up = 1, .down = 2, .pad = 1, .tap = {.125f, .375f, .4f, .125f}},
        {.taps = 5, .up = 1, .down = 1, .pad = 2, .tap = {.1f, .2f, .3f, .25f, .15f}},
    };
    const int n = 2, h = 6, w = 8, c = 3;
    float *x = net_buffer(r, n * h * w * c);
    for (int i = 0; i < 3; i++) {
        const sc_fir *f = &filters[i];
        int oh = h * f->up / f->down, ow = w * f->up / f->down;
        float *y = net_buffer(r, n * oh * ow * c);
        r->net->fir_forward(r->device, y, x, f, n, h, w, oh, ow, c);
        for (int add = 0; add < 2; add++)
            r->net->fir_backward(r->device, net_buffer(r, r->count[0]), y, f, n, h, w, oh, ow, c,
                                 add);
    }
}

NET_CASE(activate)
{
    const int64_t n = 501;
    float *x = net_buffer(r, n), *gy = net_buffer(r, n);
    for (int kind = 0; kind < 3; kind++) {
        r->net->activate_forward(r->device, net_buffer(r, n), x, (sc_activate_kind)kind, n);
        r->net->activate_backward(r->device, net_buffer(r, n), gy, x, (sc_activate_kind)kind, n,
                                  kind % 2);
    }
}

NET_CASE(copy_columns)
{
    float *narrow = net_buffer(r, 10 * 3), *wide = net_buffer(r, 10 * 7);
    r->net->copy_columns(r->device, wide + 2, 7, narrow, 3, 10, 3, 0);
    r->net->copy_columns(r->device, net_buffer(r, 30), 3, wide + 4, 7, 10, 3, 1);
}

NET_CASE(dropout)
{
    sc_key key = {.seed = 5, .slice = 3, .sample = 7};
    r->net->dropout(r->device, net_buffer(r, 3 * 211), .3f, key, SC_DRAW_DROPOUT, 9, 3, 211);
}

NET_CASE(affine)
{
    float *x = net_buffer(r, 3 * 50), *a = net_buffer(r, 3);
    r->net->affine(r->device, net_buffer(r, 150), x, a, 0, .5f, 3, 50, 0);
    r->net->affine(r->device, net_buffer(r, 150), x, NULL, -.3f, 0, 3, 50, 1);
}

static const struct {
    const char *name;
    void (*run)(net_row *);
} net_cases[] = {
#define NET_ENTRY(name) {#name, net_##name}
    NET_ENTRY(conv_3x3), NET_ENTRY(conv_added), NET_ENTRY(conv_added_with_bias),
    NET_ENTRY(conv_stride_2), NET_ENTRY(conv_stride_2_added), NET_ENTRY(conv_nin),
    NET_ENTRY(conv_slice), NET_ENTRY(conv_forward_only), NET_ENTRY(norm), NET_ENTRY(norm_of_two),
    NET_ENTRY(norm_without_silu), NET_ENTRY(norm_of_many_pixels), NET_ENTRY(attention),
    NET_ENTRY(attention_wide), NET_ENTRY(linear), NET_ENTRY(embed), NET_ENTRY(resample),
    NET_ENTRY(resample_odd), NET_ENTRY(fir), NET_ENTRY(activate), NET_ENTRY(copy_columns),
    NET_ENTRY(dropout), NET_ENTRY(affine),
};

static inline float *net_download(const net_row *r, int i)
{
    float *host;
    assert_int_equal(SC_ALLOC(&host, r->count[i], "test"), SC_OK);
    assert_int_equal(r->device->kernels->download(r->device, host, r->buffer[i],
                                                  (size_t)r->count[i] * sizeof *host),
                     SC_OK);
    return host;
}

static inline void free_net_row(net_row *r)
{
    for (int i = 0; i < r->buffers; i++)
        sc_device_release(r->device, r->buffer[i]);
}

static inline void compare_net_case(const sc_device *cpu, const sc_device *other, size_t which)
{
    net_row a = {.device = cpu, .net = cpu->kernels->net};
    net_row b = {.device = other, .net = other->kernels->net};
    net_cases[which].run(&a);
    net_cases[which].run(&b);
    for (int i = 0; i < a.buffers; i++) {
        char what[64];
        float *x = net_download(&a, i), *y = net_download(&b, i);
        snprintf(what, sizeof what, "%s, buffer %d", net_cases[which].name, i);
        check_close(y, x, a.count[i], 1e-5, what);
        sc_free(x), sc_free(y);
    }
    free_net_row(&a);
    free_net_row(&b);
}

static inline void compare_net_rows(const sc_device *cpu, const sc_device *other)
{
    for (size_t i = 0; i < sizeof net_cases / sizeof *net_cases; i++)
        compare_net_case(cpu, other, i);
}

#endif
