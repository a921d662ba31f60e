/* cuDNN of the fake runtime, by naive sums: cross-correlation of NHWC tensors with weights
 * (out, y, x, in), result = alpha * sum + beta * result. The rankings begin with candidates that
 * the CUDA row must refuse; a call whose workspace is smaller than what was asked for fails. */
#include "base/net_math_internal.h"
#include "tests/fake_cuda/fake.h"
#include <cudnn.h>
#include <stdlib.h>

#define WORKSPACE 1024

struct cudnnContext {
    cudaStream_t stream;
};
struct cudnnTensorStruct {
    int n, c, h, w;
    cudnnDataType_t type;
};
struct cudnnFilterStruct {
    int k, c, h, w;
    cudnnDataType_t type;
};
struct cudnnConvolutionStruct {
    int pad, stride;
    cudnnMathType_t math;
};
struct cudnnActivationStruct {
    cudnnActivationMode_t mode;
};

const char *cudnnGetErrorString(cudnnStatus_t status)
{
    return status == CUDNN_STATUS_NOT_SUPPORTED ? "fake: not supported" : "fake: cuDNN failed";
}

#define INJECT(name)                                                                               \
    do {                                                                                           \
        int error_;                                                                                \
        if (sc_fake_injected(name, &error_))                                                       \
            return (cudnnStatus_t)error_;                                                          \
    } while (0)

/* Create and destroy of every kind of thing. */
#define LIFE(create, destroy, type)                                                                \
    cudnnStatus_t create(type *thing)                                                              \
    {                                                                                              \
        INJECT(#create);                                                                           \
        *thing = calloc(1, sizeof **thing);                                                        \
        sc_fake_count(1);                                                                          \
        return CUDNN_STATUS_SUCCESS;                                                               \
    }                                                                                              \
    cudnnStatus_t destroy(type thing)                                                              \
    {                                                                                              \
        free(thing);                                                                               \
        sc_fake_count(-1);                                                                         \
        return CUDNN_STATUS_SUCCESS;                                                               \
    }
LIFE(cudnnCreate, cudnnDestroy, cudnnHandle_t)
LIFE(cudnnCreateTensorDescriptor, cudnnDestroyTensorDescriptor, cudnnTensorDescriptor_t)
LIFE(cudnnCreateFilterDescriptor, cudnnDestroyFilterDescriptor, cudnnFilterDescriptor_t)
LIFE(cudnnCreateActivationDescriptor, cudnnDestroyActivationDescriptor, cudnnActivationDescriptor_t)
LIFE(cudnnCreateConvolutionDescriptor, cudnnDestroyConvolutionDescriptor,
     cudnnConvolutionDescriptor_t)

cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream)
{
    INJECT("cudnnSetStream");
    handle->stream = stream;
    return CUDNN_STATUS_SUCCESS;
}

static bool known_type(cudnnDataType_t type)
{
    return type == CUDNN_DATA_FLOAT || type == CUDNN_DATA_BFLOAT16;
}

cudnnStatus_t cudnnSetTensor4dDescriptor(cudnnTensorDescriptor_t tensor, cudnnTensorFormat_t format,
                                         cudnnDataType_t type, int n, int c, int h, int w)
{
    INJECT("cudnnSetTensor4dDescriptor");
    *tensor = (struct cudnnTensorStruct){n, c, h, w, type};
    return format == CUDNN_TENSOR_NHWC && known_type(type) && n > 0 && c > 0 && h > 0 && w > 0
               ? CUDNN_STATUS_SUCCESS
               : CUDNN_STATUS_BAD_PARAM;
}

cudnnStatus_t cudnnSetFilter4dDescriptor(cudnnFilterDescriptor_t filter, cudnnDataType_t type,
                                         cudnnTensorFormat_t format, int k, int c, int h, int w)
{
    INJECT("cudnnSetFilter4dDescriptor");
    *filter = (struct cudnnFilterStruct){k, c, h, w, type};
    return format == CUDNN_TENSOR_NHWC && known_type(type) ? CUDNN_STATUS_SUCCESS
                                                           : CUDNN_STATUS_BAD_PARAM;
}

cudnnStatus_t cudnnSetActivationDescriptor(cudnnActivationDescriptor_t activation,
                                           cudnnActivationMode_t mode, cudnnNanPropagation_t nan,
                                           double coefficient)
{
    (void)nan, (void)coefficient;
    INJECT("cudnnSetActivationDescriptor");
    activation->mode = mode;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnSetConvolution2dDescriptor(cudnnConvolutionDescriptor_t convolution, int pad_h,
                                              int pad_w, int stride_h, int stride_w, int dilation_h,
                                              int dilation_w, cudnnConvolutionMode_t mode,
                                              cudnnDataType_t type)
{
    INJECT("cudnnSetConvolution2dDescriptor");
    convolution->pad = pad_h;
    convolution->stride = stride_h;
    return pad_h == pad_w && stride_h == stride_w && dilation_h == 1 && dilation_w == 1 &&
                   mode == CUDNN_CROSS_CORRELATION && type == CUDNN_DATA_FLOAT
               ? CUDNN_STATUS_SUCCESS
               : CUDNN_STATUS_BAD_PARAM;
}

cudnnStatus_t cudnnSetConvolutionMathType(cudnnConvolutionDescriptor_t convolution,
                                          cudnnMathType_t math)
{
    INJECT("cudnnSetConvolutionMathType");
    convolution->math = math;
    return CUDNN_STATUS_SUCCESS;
}

/* ---- sizes must agree ---- */

static bool sizes_agree(cudnnTensorDescriptor_t x, cudnnFilterDescriptor_t w,
                        cudnnConvolutionDescriptor_t convolution, cudnnTensorDescriptor_t y)
{
    int h = (x->h + 2 * convolution->pad - w->h) / convolution->stride + 1;
    int wide = (x->w + 2 * convolution->pad - w->w) / convolution->stride + 1;
    return x->type == w->type && y->type == w->type && x->n == y->n && x->c == w->c && y->c == w->k && y->h == h && y->w == wide;
}

/* Not supported, then not deterministic, then too hungry, then algorithm 1. */
#define RANK(agree)                                                                                \
    if (!(agree) || asked < 4)                                                                     \
        return CUDNN_STATUS_BAD_PARAM;                                                             \
    for (int i = 0; i < 4; i++) {                                                                  \
        ranking[i].algo = i == 3;                                                                  \
        ranking[i].status = i == 0 ? CUDNN_STATUS_NOT_SUPPORTED : CUDNN_STATUS_SUCCESS;            \
        ranking[i].determinism = i == 1 ? CUDNN_NON_DETERMINISTIC : CUDNN_DETERMINISTIC;           \
        ranking[i].memory = i == 2 ? (size_t)1 << 40 : WORKSPACE;                                  \
        ranking[i].mathType = convolution->math;                                                   \
    }                                                                                              \
    *found = 4;                                                                                    \
    return CUDNN_STATUS_SUCCESS;

cudnnStatus_t cudnnGetConvolutionForwardAlgorithm_v7(
    cudnnHandle_t handle, cudnnTensorDescriptor_t x, cudnnFilterDescriptor_t w,
    cudnnConvolutionDescriptor_t convolution, cudnnTensorDescriptor_t y, int asked, int *found,
    cudnnConvolutionFwdAlgoPerf_t *ranking)
{
    (void)handle;
    INJECT("cudnnGetConvolutionForwardAlgorithm_v7");
    RANK(sizes_agree(x, w, convolution, y))
}

cudnnStatus_t cudnnGetConvolutionBackwardDataAlgorithm_v7(
    cudnnHandle_t handle, cudnnFilterDescriptor_t w, cudnnTensorDescriptor_t dy,
    cudnnConvolutionDescriptor_t convolution, cudnnTensorDescriptor_t dx, int asked, int *found,
    cudnnConvolutionBwdDataAlgoPerf_t *ranking)
{
    (void)handle;
    INJECT("cudnnGetConvolutionBackwardDataAlgorithm_v7");
    RANK(sizes_agree(dx, w, convolution, dy))
}

cudnnStatus_t cudnnGetConvolutionBackwardFilterAlgorithm_v7(
    cudnnHandle_t handle, cudnnTensorDescriptor_t x, cudnnTensorDescriptor_t dy,
    cudnnConvolutionDescriptor_t convolution, cudnnFilterDescriptor_t dw, int asked, int *found,
    cudnnConvolutionBwdFilterAlgoPerf_t *ranking)
{
    (void)handle;
    INJECT("cudnnGetConvolutionBackwardFilterAlgorithm_v7");
    RANK(sizes_agree(x, dw, convolution, dy))
}

#define WORKSPACE_SIZE(name, first, second, third, algorithm_type)                                 \
    cudnnStatus_t name(cudnnHandle_t handle, first a, second b,                                    \
                       cudnnConvolutionDescriptor_t convolution, third c,                          \
                       algorithm_type algorithm, size_t *bytes)                                    \
    {                                                                                              \
        (void)handle, (void)a, (void)b, (void)convolution, (void)c;                                \
        INJECT(#name);                                                                             \
        *bytes = WORKSPACE;                                                                        \
        return algorithm == 1 ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_BAD_PARAM;                     \
    }
WORKSPACE_SIZE(cudnnGetConvolutionForwardWorkspaceSize, cudnnTensorDescriptor_t,
               cudnnFilterDescriptor_t, cudnnTensorDescriptor_t, cudnnConvolutionFwdAlgo_t)
WORKSPACE_SIZE(cudnnGetConvolutionBackwardDataWorkspaceSize, cudnnFilterDescriptor_t,
               cudnnTensorDescriptor_t, cudnnTensorDescriptor_t, cudnnConvolutionBwdDataAlgo_t)
WORKSPACE_SIZE(cudnnGetConvolutionBackwardFilterWorkspaceSize, cudnnTensorDescriptor_t,
               cudnnTensorDescriptor_t, cudnnFilterDescriptor_t, cudnnConvolutionBwdFilterAlgo_t)

/* ---- convolution ---- */

typedef struct {
    cudnnTensorDescriptor_t x, y;
    cudnnFilterDescriptor_t w;
    int pad, stride;
} geometry;

/* Calls visit(self, x index, w index, y index) for every product of the convolution. */
typedef void visitor(const void *self, size_t x, size_t w, size_t y);

static void visit_pixel(const geometry *g, int n, int i, int j, visitor *visit, const void *self)
{
    for (int ky = 0; ky < g->w->h; ky++)
        for (int kx = 0; kx < g->w->w; kx++) {
            int yy = i * g->stride + ky - g->pad, xx = j * g->stride + kx - g->pad;
            if (yy < 0 || yy >= g->x->h || xx < 0 || xx >= g->x->w)
                continue;
            size_t at_x = (((size_t)n * g->x->h + yy) * g->x->w + xx) * g->x->c;
            size_t at_y = (((size_t)n * g->y->h + i) * g->y->w + j) * g->y->c;
            for (int o = 0; o < g->w->k; o++) {
                size_t at_w = (((size_t)o * g->w->h + ky) * g->w->w + kx) * g->w->c;
                for (int c = 0; c < g->w->c; c++)
                    visit(self, at_x + c, at_w + c, at_y + o);
            }
        }
}

static void visit_all(const geometry *g, visitor *visit, const void *self)
{
    for (int n = 0; n < g->y->n; n++)
        for (int i = 0; i < g->y->h; i++)
            for (int j = 0; j < g->y->w; j++)
                visit_pixel(g, n, i, j, visit, self);
}

typedef struct {
    double *sum;
    const float *a, *b;
} operands;

static void to_y(const void *self, size_t x, size_t w, size_t y)
{
    const operands *o = self;
    o->sum[y] += (double)o->a[x] * o->b[w];
}
static void to_x(const void *self, size_t x, size_t w, size_t y)
{
    const operands *o = self;
    o->sum[x] += (double)o->a[y] * o->b[w];
}
static void to_w(const void *self, size_t x, size_t w, size_t y)
{
    const operands *o = self;
    o->sum[w] += (double)o->a[x] * o->b[y];
}

static size_t tensor_count(cudnnTensorDescriptor_t t) { return (size_t)t->n * t->c * t->h * t->w; }

/* Everything that a call has: whose product goes where, and what is added. */
typedef struct {
    geometry g;
    visitor *visit;
    const float *a, *b, *bias; /* bias: of y's channels, or NULL */
    float *to;
    size_t count, bytes;
    void *workspace;
    float alpha, beta;
} call;

static void compute(const call *c)
{
    double *sum = calloc(c->count, sizeof *sum);
    operands o = {sum, c->a, c->b};
    visit_all(&c->g, c->visit, &o);
    for (size_t i = 0; i < c->count; i++) {
        float bias = c->bias ? c->bias[i % (size_t)c->g.y->c] : 0;
        c->to[i] = (float)(c->alpha * sum[i]) + (c->beta != 0 ? c->beta * c->to[i] : 0) + bias;
    }
    free(sum);
}

/* x and weights of bfloat16 as floats, and y back; forward only. */
static float *widened(const void *p, size_t n)
{
    const uint16_t *from = p;
    float *to = calloc(n, sizeof *to);
    for (size_t i = 0; i < n; i++)
        to[i] = sc_float_of(from[i]);
    return to;
}

static void compute_bf16(const call *original)
{
    call c = *original;
    const struct cudnnFilterStruct *w = c.g.w;
    uint16_t *y = (uint16_t *)(void *)c.to;
    float *a = widened(c.a, tensor_count(c.g.x));
    float *b = widened(c.b, (size_t)w->k * w->c * w->h * w->w);
    c.a = a, c.b = b, c.to = calloc(c.count, sizeof *c.to);
    compute(&c);
    for (size_t i = 0; i < c.count; i++)
        y[i] = sc_bf16_of(c.to[i]);
    free(a), free(b), free(c.to);
}

static void repeat_call(cudaStream_t stream, const void *arguments)
{
    const call *c = arguments;
    const void *pointers[] = {c->a, c->b, c->to, c->workspace};
    if (!sc_fake_begin(stream, "cudnn"))
        return;
    for (int i = 0; i < 4; i++)
        sc_fake_argument(&pointers[i], true);
    if (c->bias)
        sc_fake_argument(&c->bias, true);
    if (sc_fake_arguments_good())
        (c->g.w->type == CUDNN_DATA_BFLOAT16 ? compute_bf16 : compute)(c);
    sc_fake_end();
}

static cudnnStatus_t run(const char *name, cudnnHandle_t handle, call c)
{
    bool bf16 = c.g.w->type == CUDNN_DATA_BFLOAT16;
    INJECT(name);
    if (bf16 && (c.visit != to_y || c.bias || c.beta != 0))
        return CUDNN_STATUS_NOT_SUPPORTED;
    if (!sizes_agree(c.g.x, c.g.w, &(struct cudnnConvolutionStruct){c.g.pad, c.g.stride, 0}, c.g.y))
        return CUDNN_STATUS_BAD_PARAM;
    int error;
    if (c.bytes < WORKSPACE || sc_fake_injected("cudnn", &error))
        return CUDNN_STATUS_EXECUTION_FAILED;
    if (!sc_fake_record(handle->stream, repeat_call, &c, sizeof c))
        repeat_call(handle->stream, &c);
    return CUDNN_STATUS_SUCCESS;
}

static float number(const void *p) { return *(const float *)p; }

cudnnStatus_t cudnnConvolutionForward(cudnnHandle_t handle, const void *alpha,
                                      cudnnTensorDescriptor_t x_shape, const void *x,
                                      cudnnFilterDescriptor_t w_shape, const void *w,
                                      cudnnConvolutionDescriptor_t convolution,
                                      cudnnConvolutionFwdAlgo_t algorithm, void *workspace,
                                      size_t bytes, const void *beta,
                                      cudnnTensorDescriptor_t y_shape, void *y)
{
    (void)algorithm;
    return run("cudnnConvolutionForward", handle,
               (call){{x_shape, y_shape, w_shape, convolution->pad, convolution->stride}, to_y, x,
                      w, NULL, y, tensor_count(y_shape), bytes, workspace, number(alpha),
                      number(beta)});
}

cudnnStatus_t cudnnConvolutionBiasActivationForward(
    cudnnHandle_t handle, const void *alpha, cudnnTensorDescriptor_t x_shape, const void *x,
    cudnnFilterDescriptor_t w_shape, const void *w, cudnnConvolutionDescriptor_t convolution,
    cudnnConvolutionFwdAlgo_t algorithm, void *workspace, size_t bytes, const void *beta,
    cudnnTensorDescriptor_t z_shape, const void *z, cudnnTensorDescriptor_t bias_shape,
    const void *bias, cudnnActivationDescriptor_t activation, cudnnTensorDescriptor_t y_shape,
    void *y)
{
    (void)z_shape, (void)z;
    if (algorithm != CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM ||
        activation->mode != CUDNN_ACTIVATION_IDENTITY || bias_shape->c != y_shape->c ||
        number(beta) != 0)
        return CUDNN_STATUS_BAD_PARAM;
    return run("cudnnConvolutionBiasActivationForward", handle,
               (call){{x_shape, y_shape, w_shape, convolution->pad, convolution->stride}, to_y, x,
                      w, bias, y, tensor_count(y_shape), bytes, workspace, number(alpha), 0});
}

cudnnStatus_t cudnnConvolutionBackwardData(cudnnHandle_t handle, const void *alpha,
                                           cudnnFilterDescriptor_t w_shape, const void *w,
                                           cudnnTensorDescriptor_t dy_shape, const void *dy,
                                           cudnnConvolutionDescriptor_t convolution,
                                           cudnnConvolutionBwdDataAlgo_t algorithm, void *workspace,
                                           size_t bytes, const void *beta,
                                           cudnnTensorDescriptor_t dx_shape, void *dx)
{
    (void)algorithm;
    return run("cudnnConvolutionBackwardData", handle,
               (call){{dx_shape, dy_shape, w_shape, convolution->pad, convolution->stride}, to_x,
                      dy, w, NULL, dx, tensor_count(dx_shape), bytes, workspace, number(alpha),
                      number(beta)});
}

cudnnStatus_t cudnnConvolutionBackwardFilter(cudnnHandle_t handle, const void *alpha,
                                             cudnnTensorDescriptor_t x_shape, const void *x,
                                             cudnnTensorDescriptor_t dy_shape, const void *dy,
                                             cudnnConvolutionDescriptor_t convolution,
                                             cudnnConvolutionBwdFilterAlgo_t algorithm,
                                             void *workspace, size_t bytes, const void *beta,
                                             cudnnFilterDescriptor_t dw_shape, void *dw)
{
    (void)algorithm;
    return run("cudnnConvolutionBackwardFilter", handle,
               (call){{x_shape, dy_shape, dw_shape, convolution->pad, convolution->stride}, to_w, x,
                      dy, NULL, dw,
                      (size_t)dw_shape->k * dw_shape->c * dw_shape->h * dw_shape->w, bytes,
                      workspace, number(alpha), number(beta)});
}
