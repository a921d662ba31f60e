/* Convolution on the CPU through oneDNN, any shape: NHWC in and out, weights in the layout that
 * oneDNN likes best, bias and accumulation fused, scratch memory ours.
 *
 * A plan holds three primitives: forward, gradient of data, gradient of weights. oneDNN keeps its
 * own cache of generated code, so equal shapes are compiled once. Packed memory is
 * [weights of forward | bias | weights of the data gradient], each times `scale`, so that scaling
 * the sum of a residual block costs nothing at run time.
 */
#include "base/cpu/net_conv_internal.h"
#include "base/memory.h"
#include <oneapi/dnnl/dnnl.h>
#include <omp.h>
#include <string.h>

enum { FORWARD, DATA, WEIGHTS, PASSES };

typedef struct {
    dnnl_primitive_desc_t description;
    dnnl_primitive_t primitive;
    dnnl_memory_t x, y, weight, bias, scratch;
    size_t scratch_bytes;
} pass;

typedef struct {
    sc_conv base;
    sc_conv_shape shape;
    int threads;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_memory_desc_t x, y, any, bias, stored; /* stored: weights as the parameter vector has them */
    pass pass[PASSES];
    dnnl_memory_t plain; /* weights at `stored` strides */
    dnnl_primitive_t pack[PASSES]; /* stored -> FORWARD, DATA; WEIGHTS -> stored, added */
    size_t pack_scratch;
    size_t weight_bytes[PASSES], bias_bytes;
} direct;

static sc_status check(dnnl_status_t result, const char *what)
{
    if (result == dnnl_success)
        return SC_OK;
    return sc_fail(result == dnnl_out_of_memory ? SC_ERR_MEMORY : SC_ERR_INTERNAL,
                   "convolution: %s: oneDNN status %d", what, (int)result);
}
#define TRY(call, what) SC_TRY(check((call), (what)))

static size_t align(size_t bytes) { return (bytes + 63) / 64 * 64; }

/* oneDNN takes its number of threads from OpenMP's, at creation and at execution. */
static int enter(const direct *conv)
{
    int before = omp_get_max_threads();
    omp_set_num_threads(conv->threads);
    return before;
}

static void leave(int before) { omp_set_num_threads(before); }

static int conv_size(int size, const sc_conv_shape *s)
{
    return (size + s->pad_low + s->pad_high - s->kernel) / s->stride + 1;
}

static sc_status describe_tensors(direct *conv)
{
    sc_status status = SC_OK;
    const sc_conv_shape *s = &conv->shape;
    dnnl_dims_t x = {s->n, s->in, s->h, s->w};
    dnnl_dims_t y = {s->n, s->out, conv_size(s->h, s), conv_size(s->w, s)};
    dnnl_dims_t weight = {s->out, s->in, s->kernel, s->kernel};
    dnnl_dims_t strides = {s->out_stride, s->in_stride, s->kernel, 1}, bias = {s->out};
    TRY(dnnl_memory_desc_init_by_tag(&conv->x, 4, x, dnnl_f32, dnnl_nhwc), "input");
    TRY(dnnl_memory_desc_init_by_tag(&conv->y, 4, y, dnnl_f32, dnnl_nhwc), "output");
    TRY(dnnl_memory_desc_init_by_tag(&conv->any, 4, weight, dnnl_f32, dnnl_format_tag_any),
        "weights");
    TRY(dnnl_memory_desc_init_by_tag(&conv->bias, 1, bias, dnnl_f32, dnnl_a), "bias");
    TRY(dnnl_memory_desc_init_by_strides(&conv->stored, 4, weight, dnnl_f32, strides),
        "stored weights");
cleanup:
    return status;
}

static sc_status describe_pass(direct *conv, int which, const_dnnl_primitive_attr_t attributes)
{
    sc_status status = SC_OK;
    const sc_conv_shape *s = &conv->shape;
    const dnnl_memory_desc_t *x = &conv->x, *y = &conv->y, *w = &conv->any;
    const dnnl_memory_desc_t *bias = s->bias ? &conv->bias : NULL;
    dnnl_dims_t stride = {s->stride, s->stride}, low = {s->pad_low, s->pad_low};
    dnnl_dims_t high = {s->pad_high, s->pad_high};
    dnnl_convolution_desc_t d;
    if (which == FORWARD)
        TRY(dnnl_convolution_forward_desc_init(&d, dnnl_forward_training, dnnl_convolution_direct,
                                               x, w, bias, y, stride, low, high), "forward");
    else if (which == DATA)
        TRY(dnnl_convolution_backward_data_desc_init(&d, dnnl_convolution_direct, x, w, y, stride,
                                                     low, high), "backward data");
    else
        TRY(dnnl_convolution_backward_weights_desc_init(&d, dnnl_convolution_direct, x, w, bias, y,
                                                        stride, low, high), "backward weights");
    TRY(dnnl_primitive_desc_create(&conv->pass[which].description, &d, attributes, conv->engine,
                                   which == FORWARD ? NULL : conv->pass[FORWARD].description),
        "no implementation");
cleanup:
    return status;
}

static sc_status empty_memory(dnnl_memory_t *memory, const dnnl_memory_desc_t *description,
                              dnnl_engine_t engine)
{
    return check(dnnl_memory_create(memory, description, engine, DNNL_MEMORY_NONE), "memory");
}

static sc_status create_pass(direct *conv, int which)
{
    sc_status status = SC_OK;
    pass *p = &conv->pass[which];
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_post_ops_t sum = NULL;
    TRY(dnnl_primitive_attr_create(&attributes), "attributes");
    TRY(dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user), "scratch");
    if (which == FORWARD && conv->shape.accumulate) {
        TRY(dnnl_post_ops_create(&sum), "sum");
        TRY(dnnl_post_ops_append_sum(sum, 1.f), "sum");
        TRY(dnnl_primitive_attr_set_post_ops(attributes, sum), "sum");
    }
    SC_TRY(describe_pass(conv, which, attributes));
    TRY(dnnl_primitive_create(&p->primitive, p->description), "primitive");
    const dnnl_memory_desc_t *weight = dnnl_primitive_desc_query_md(
        p->description, which == WEIGHTS ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0);
    const dnnl_memory_desc_t *scratch =
        dnnl_primitive_desc_query_md(p->description, dnnl_query_scratchpad_md, 0);
    SC_TRY(empty_memory(&p->x, &conv->x, conv->engine));
    SC_TRY(empty_memory(&p->y, &conv->y, conv->engine));
    SC_TRY(empty_memory(&p->bias, &conv->bias, conv->engine));
    SC_TRY(empty_memory(&p->weight, weight, conv->engine));
    SC_TRY(empty_memory(&p->scratch, scratch, conv->engine));
    p->scratch_bytes = align(dnnl_memory_desc_get_size(scratch));
    conv->weight_bytes[which] = align(dnnl_memory_desc_get_size(weight));
cleanup:
    dnnl_post_ops_destroy(sum);
    dnnl_primitive_attr_destroy(attributes);
    return status;
}

/* Reorder between the parameter vector and a pass: scaled on the way in, and out of the weight
 * gradient scaled and added. */
static sc_status create_pack(direct *conv, int which)
{
    sc_status status = SC_OK;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_post_ops_t sum = NULL;
    dnnl_primitive_desc_t description = NULL;
    const dnnl_memory_desc_t *packed;
    TRY(dnnl_memory_get_memory_desc(conv->pass[which].weight, &packed), "weights");
    TRY(dnnl_primitive_attr_create(&attributes), "attributes");
    TRY(dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user), "scratch");
    TRY(dnnl_primitive_attr_set_output_scales(attributes, 1, 0, &conv->shape.scale), "scale");
    if (which == WEIGHTS) {
        TRY(dnnl_post_ops_create(&sum), "sum");
        TRY(dnnl_post_ops_append_sum(sum, 1.f), "sum");
        TRY(dnnl_primitive_attr_set_post_ops(attributes, sum), "sum");
    }
    TRY(dnnl_reorder_primitive_desc_create(&description, which == WEIGHTS ? packed : &conv->stored,
                                           conv->engine, which == WEIGHTS ? &conv->stored : packed,
                                           conv->engine, attributes), "reorder");
    TRY(dnnl_primitive_create(&conv->pack[which], description), "reorder");
    size_t scratch = align(dnnl_memory_desc_get_size(
        dnnl_primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0)));
    conv->pack_scratch = scratch > conv->pack_scratch ? scratch : conv->pack_scratch;
cleanup:
    dnnl_primitive_desc_destroy(description);
    dnnl_post_ops_destroy(sum);
    dnnl_primitive_attr_destroy(attributes);
    return status;
}

static void destroy(sc_conv *base);

static sc_status create(const sc_device *device, sc_conv **result, const sc_conv_shape *shape)
{
    sc_status status = SC_OK;
    direct *conv = NULL;
    *result = NULL;
    SC_TRY(SC_ALLOC(&conv, 1, "convolution"));
    conv->base.kind = &sc_conv_direct;
    conv->shape = *shape;
    conv->threads = device->threads;
    conv->bias_bytes = align(sizeof(float) * (size_t)shape->out);
    int before = enter(conv);
    status = check(dnnl_engine_create(&conv->engine, dnnl_cpu, 0), "engine");
    if (status == SC_OK)
        status = check(dnnl_stream_create(&conv->stream, conv->engine, dnnl_stream_default_flags),
                       "stream");
    if (status == SC_OK)
        status = describe_tensors(conv);
    for (int i = 0; i < (shape->backward ? PASSES : 1) && status == SC_OK; i++) {
        status = create_pass(conv, i);
        if (status == SC_OK)
            status = create_pack(conv, i);
    }
    if (status == SC_OK)
        status = empty_memory(&conv->plain, &conv->stored, conv->engine);
    leave(before);
    SC_TRY(status);
    *result = &conv->base;
    conv = NULL;
cleanup:
    if (conv)
        destroy(&conv->base);
    return sc_context(status, "%dx%d convolution %d to %d", shape->kernel, shape->kernel,
                      shape->in, shape->out);
}

static void free_memory(dnnl_memory_t memory)
{
    if (memory)
        dnnl_memory_destroy(memory);
}

static void destroy(sc_conv *base)
{
    direct *conv = (direct *)base;
    if (!conv)
        return;
    for (int i = 0; i < PASSES; i++) {
        pass *p = &conv->pass[i];
        free_memory(p->x);
        free_memory(p->y);
        free_memory(p->weight);
        free_memory(p->bias);
        free_memory(p->scratch);
        dnnl_primitive_destroy(p->primitive);
        dnnl_primitive_desc_destroy(p->description);
        dnnl_primitive_destroy(conv->pack[i]);
    }
    free_memory(conv->plain);
    dnnl_stream_destroy(conv->stream);
    dnnl_engine_destroy(conv->engine);
    sc_free(conv);
}

/* Scratch of one call: the pass's own, and behind it either the weight gradient with its bias, or
 * the data gradient on its way to be added. */
static void bytes(const sc_conv *base, size_t *packed, size_t *scratch)
{
    const direct *conv = (const direct *)base;
    *packed = conv->weight_bytes[FORWARD] + conv->bias_bytes + conv->weight_bytes[DATA];
    size_t own[PASSES], most = 0;
    for (int i = 0; i < PASSES; i++)
        own[i] = conv->pass[i].scratch_bytes;
    if (conv->shape.backward) {
        own[DATA] += align(dnnl_memory_desc_get_size(&conv->x));
        own[WEIGHTS] += conv->weight_bytes[WEIGHTS] + conv->bias_bytes;
    }
    for (int i = 0; i < PASSES; i++)
        most = own[i] > most ? own[i] : most;
    *scratch = most + conv->pack_scratch;
}

static const char *describe(const sc_conv *base)
{
    const direct *conv = (const direct *)base;
    const char *name = NULL;
    dnnl_primitive_desc_query(conv->pass[FORWARD].description, dnnl_query_impl_info_str, 0, &name);
    return name ? name : "oneDNN";
}

static dnnl_exec_arg_t bind(int slot, dnnl_memory_t memory, const void *data)
{
    /* oneDNN's interface knows no const; sources are only read */
    union {
        const void *in;
        void *out;
    } pointer = {.in = data};
    dnnl_memory_set_data_handle(memory, pointer.out);
    return (dnnl_exec_arg_t){slot, memory};
}

static sc_status execute(const direct *conv, dnnl_primitive_t primitive, int count,
                         const dnnl_exec_arg_t *arguments)
{
    int before = enter(conv);
    dnnl_status_t result = dnnl_primitive_execute(primitive, conv->stream, count, arguments);
    if (result == dnnl_success)
        result = dnnl_stream_wait(conv->stream);
    leave(before);
    return check(result, "execute");
}

static sc_status reorder(direct *conv, int which, const void *from, const void *to)
{
    dnnl_memory_t packed = conv->pass[which].weight;
    dnnl_exec_arg_t arguments[] = {
        bind(DNNL_ARG_FROM, which == WEIGHTS ? packed : conv->plain, from),
        bind(DNNL_ARG_TO, which == WEIGHTS ? conv->plain : packed, to),
    };
    return execute(conv, conv->pack[which], 2, arguments);
}

static sc_status pack(sc_conv *base, void *packed, const float *weight, const float *bias,
                      void *scratch)
{
    direct *conv = (direct *)base;
    sc_status status = SC_OK;
    (void)scratch;
    char *to = packed;
    SC_TRY(reorder(conv, FORWARD, weight, to));
    float *b = (float *)(to + conv->weight_bytes[FORWARD]);
    for (int i = 0; i < conv->shape.out && conv->shape.bias; i++)
        b[i] = conv->shape.scale * bias[i];
    if (conv->shape.backward)
        SC_TRY(reorder(conv, DATA, weight, to + conv->weight_bytes[FORWARD] + conv->bias_bytes));
cleanup:
    return status;
}

static sc_status forward(sc_conv *base, float *y, const float *x, const void *packed, void *scratch)
{
    const direct *conv = (const direct *)base;
    const pass *p = &conv->pass[FORWARD];
    const char *from = packed;
    dnnl_exec_arg_t arguments[] = {
        bind(DNNL_ARG_SRC, p->x, x),
        bind(DNNL_ARG_WEIGHTS, p->weight, from),
        bind(DNNL_ARG_DST, p->y, y),
        bind(DNNL_ARG_SCRATCHPAD, p->scratch, scratch),
        bind(DNNL_ARG_BIAS, p->bias, from + conv->weight_bytes[FORWARD]),
    };
    return execute(conv, p->primitive, conv->shape.bias ? 5 : 4, arguments);
}

static sc_status backward_data(sc_conv *base, float *gx, const float *gy, const void *packed,
                               int add, void *scratch)
{
    const direct *conv = (const direct *)base;
    const pass *p = &conv->pass[DATA];
    const char *from = packed;
    float *to = add ? (float *)((char *)scratch + p->scratch_bytes) : gx;
    dnnl_exec_arg_t arguments[] = {
        bind(DNNL_ARG_DIFF_SRC, p->x, to),
        bind(DNNL_ARG_WEIGHTS, p->weight, from + conv->weight_bytes[FORWARD] + conv->bias_bytes),
        bind(DNNL_ARG_DIFF_DST, p->y, gy),
        bind(DNNL_ARG_SCRATCHPAD, p->scratch, scratch),
    };
    sc_status status = execute(conv, p->primitive, 4, arguments);
    const sc_conv_shape *s = &conv->shape;
    sc_device device = {.threads = conv->threads};
    if (add && status == SC_OK)
        sc_cpu_affine(&device, gx, to, NULL, 1.f, 0.f, s->n, (int64_t)s->h * s->w * s->in, 1);
    return status;
}

static sc_status backward_weights(sc_conv *base, float *gweight, float *gbias, const float *x,
                                  const float *gy, void *scratch)
{
    direct *conv = (direct *)base;
    sc_status status = SC_OK;
    const pass *p = &conv->pass[WEIGHTS];
    char *weight = (char *)scratch + p->scratch_bytes;
    float *bias = (float *)(weight + conv->weight_bytes[WEIGHTS]);
    dnnl_exec_arg_t arguments[] = {
        bind(DNNL_ARG_SRC, p->x, x),
        bind(DNNL_ARG_DIFF_DST, p->y, gy),
        bind(DNNL_ARG_DIFF_WEIGHTS, p->weight, weight),
        bind(DNNL_ARG_SCRATCHPAD, p->scratch, scratch),
        bind(DNNL_ARG_DIFF_BIAS, p->bias, bias),
    };
    SC_TRY(execute(conv, p->primitive, conv->shape.bias ? 5 : 4, arguments));
    SC_TRY(reorder(conv, WEIGHTS, weight, gweight));
    for (int i = 0; i < conv->shape.out && conv->shape.bias; i++)
        gbias[i] += conv->shape.scale * bias[i];
cleanup:
    return status;
}

const sc_conv_kind sc_conv_direct = {create, destroy, bytes, describe, pack, forward, backward_data,
                                     backward_weights};
