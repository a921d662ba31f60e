/* Convolution by cuDNN: NHWC tensors, weights packed as (out, kernel, kernel, in) times `scale`,
 * with bias times `scale` behind them, sums and gradients deterministic.
 *
 * A plan holds descriptors, one algorithm a pass and what it needs of scratch memory. cuDNN pads
 * both sides alike: an image that is padded otherwise is first given its frame of zeros in scratch.
 * Bias and sum go into cuDNN's epilogue where it has one: the sum by beta, the bias by the fused
 * call if nothing is added (whether y may be read and written there is not said), else by a kernel.
 *
 * Products are float32 (FMA); where the device allows it for evaluation, TF32 on tensor cores, or
 * bfloat16 with float32 sums: then x is rounded into scratch, and what cuDNN leaves there is widened
 * with bias and sum in one kernel. That moves 10 more bytes a value, which the faster products earn
 * back in wide layers only (BF16_CHANNELS).
 */
#include "base/cuda/dnn_internal.h"
#include "base/memory.h"
#include <stdio.h>

#define WORKSPACE_MOST ((size_t)512 << 20)
#define CANDIDATES 16
#define BF16_CHANNELS 128 /* in and out: 9 * 128 products a value */

enum { FORWARD, DATA, WEIGHTS, PASSES };

typedef enum { FLOAT32, TF32, BF16 } products;
static const char *const products_name[] = {"f32", "tf32", "bf16"};

struct sc_conv {
    const sc_device *device;
    sc_conv_shape shape;
    int h, w, pad, out_h, out_w; /* as cuDNN sees them, frame included */
    bool framed, fused;
    products products;
    cudnnTensorDescriptor_t x, y, bias;
    cudnnFilterDescriptor_t weight;
    cudnnActivationDescriptor_t identity;
    cudnnConvolutionDescriptor_t pass[PASSES];
    int algorithm[PASSES];
    size_t workspace[PASSES];
    char text[48];
};

static const char *const pass_name[PASSES] = {"forward", "data gradient", "weight gradient"};

#define TRY(call, what) SC_TRY(sc_cuda_dnn_check((call), (what)))

static bool pass_wanted(const sc_conv *c, int pass) { return pass == FORWARD || c->shape.backward; }

static int64_t taps_of(const sc_conv_shape *s) { return (int64_t)s->kernel * s->kernel; }
static int64_t weight_count(const sc_conv_shape *s) { return s->out * taps_of(s) * s->in; }
static size_t weight_bytes(const sc_conv *c)
{
    return sc_cuda_align(sizeof(float) * (size_t)weight_count(&c->shape));
}
static size_t frame_bytes(const sc_conv *c)
{
    size_t count = (size_t)c->shape.n * (size_t)c->h * (size_t)c->w * (size_t)c->shape.in;
    return c->framed ? sc_cuda_align(sizeof(float) * count) : 0;
}
static int64_t out_pixels(const sc_conv *c)
{
    return (int64_t)c->shape.n * c->out_h * c->out_w;
}
static int64_t x_count(const sc_conv *c) { return (int64_t)c->shape.n * c->h * c->w * c->shape.in; }
/* x and y in bfloat16 */
static size_t x16_bytes(const sc_conv *c)
{
    return c->products == BF16 ? sc_cuda_align(sizeof(uint16_t) * (size_t)x_count(c)) : 0;
}
static size_t y16_bytes(const sc_conv *c)
{
    size_t count = (size_t)(out_pixels(c) * c->shape.out);
    return c->products == BF16 ? sc_cuda_align(sizeof(uint16_t) * count) : 0;
}

/* ---- the plan ---- */

static void set_sizes(sc_conv *c)
{
    const sc_conv_shape *s = &c->shape;
    int frame = s->pad_low + s->pad_high;
    c->framed = s->pad_low != s->pad_high;
    c->h = s->h + (c->framed ? frame : 0);
    c->w = s->w + (c->framed ? frame : 0);
    c->pad = c->framed ? 0 : s->pad_low;
    c->out_h = (s->h + frame - s->kernel) / s->stride + 1;
    c->out_w = (s->w + frame - s->kernel) / s->stride + 1;
}

static products products_of(const sc_device *device, const sc_conv_shape *s)
{
    if (s->backward || device->precision == SC_PRECISION_FLOAT32)
        return FLOAT32;
    bool wide = s->in >= BF16_CHANNELS && s->out >= BF16_CHANNELS && s->kernel > 1;
    return device->precision == SC_PRECISION_BF16 && wide ? BF16 : TF32;
}

static cudnnDataType_t data_type(const sc_conv *c)
{
    return c->products == BF16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
}

static sc_status describe_tensor(const sc_conv *c, cudnnTensorDescriptor_t *tensor, int n,
                                 int channels, int h, int w)
{
    sc_status status;
    TRY(cudnnCreateTensorDescriptor(tensor), "tensor");
    TRY(cudnnSetTensor4dDescriptor(*tensor, CUDNN_TENSOR_NHWC, data_type(c), n, channels, h, w),
        "tensor");
cleanup:
    return status;
}

static sc_status describe(sc_conv *c)
{
    sc_status status;
    const sc_conv_shape *s = &c->shape;
    SC_TRY(describe_tensor(c, &c->x, s->n, s->in, c->h, c->w));
    SC_TRY(describe_tensor(c, &c->y, s->n, s->out, c->out_h, c->out_w));
    SC_TRY(describe_tensor(c, &c->bias, 1, s->out, 1, 1));
    TRY(cudnnCreateFilterDescriptor(&c->weight), "weights");
    TRY(cudnnSetFilter4dDescriptor(c->weight, data_type(c), CUDNN_TENSOR_NHWC, s->out, s->in,
                                   s->kernel, s->kernel),
        "weights");
    TRY(cudnnCreateActivationDescriptor(&c->identity), "identity");
    TRY(cudnnSetActivationDescriptor(c->identity, CUDNN_ACTIVATION_IDENTITY,
                                     CUDNN_NOT_PROPAGATE_NAN, 0),
        "identity");
    for (int pass = 0; pass < PASSES && pass_wanted(c, pass); pass++) {
        TRY(cudnnCreateConvolutionDescriptor(&c->pass[pass]), "description");
        TRY(cudnnSetConvolution2dDescriptor(c->pass[pass], c->pad, c->pad, s->stride, s->stride, 1,
                                            1, CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT),
            "description");
        TRY(cudnnSetConvolutionMathType(c->pass[pass], c->products == FLOAT32 ? CUDNN_FMA_MATH
                                                                             : CUDNN_DEFAULT_MATH),
            "kind of products");
    }
cleanup:
    return status;
}

typedef struct {
    int algorithm;
    bool good;
} candidate;

/* A candidate of any pass; their structs differ in the type of `algo` only. */
#define CANDIDATE(found)                                                                           \
    (candidate){(int)(found).algo,                                                                 \
                (found).status == CUDNN_STATUS_SUCCESS && (found).memory <= WORKSPACE_MOST &&      \
                    (found).determinism == CUDNN_DETERMINISTIC &&                                  \
                    (c->products != FLOAT32 || ((found).mathType != CUDNN_TENSOR_OP_MATH &&               \
                                         (found).mathType != CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION))}

static cudnnStatus_t rank_forward(const sc_conv *c, cudnnHandle_t dnn, candidate *list, int *count)
{
    cudnnConvolutionFwdAlgoPerf_t found[CANDIDATES];
    cudnnStatus_t result = cudnnGetConvolutionForwardAlgorithm_v7(
        dnn, c->x, c->weight, c->pass[FORWARD], c->y, CANDIDATES, count, found);
    for (int i = 0; result == CUDNN_STATUS_SUCCESS && i < *count; i++)
        list[i] = CANDIDATE(found[i]);
    return result;
}

static cudnnStatus_t rank_data(const sc_conv *c, cudnnHandle_t dnn, candidate *list, int *count)
{
    cudnnConvolutionBwdDataAlgoPerf_t found[CANDIDATES];
    cudnnStatus_t result = cudnnGetConvolutionBackwardDataAlgorithm_v7(
        dnn, c->weight, c->y, c->pass[DATA], c->x, CANDIDATES, count, found);
    for (int i = 0; result == CUDNN_STATUS_SUCCESS && i < *count; i++)
        list[i] = CANDIDATE(found[i]);
    return result;
}

static cudnnStatus_t rank_weights(const sc_conv *c, cudnnHandle_t dnn, candidate *list, int *count)
{
    cudnnConvolutionBwdFilterAlgoPerf_t found[CANDIDATES];
    cudnnStatus_t result = cudnnGetConvolutionBackwardFilterAlgorithm_v7(
        dnn, c->x, c->y, c->pass[WEIGHTS], c->weight, CANDIDATES, count, found);
    for (int i = 0; result == CUDNN_STATUS_SUCCESS && i < *count; i++)
        list[i] = CANDIDATE(found[i]);
    return result;
}

static cudnnStatus_t workspace_of(sc_conv *c, cudnnHandle_t dnn, int pass)
{
    size_t *bytes = &c->workspace[pass];
    if (pass == FORWARD)
        return cudnnGetConvolutionForwardWorkspaceSize(
            dnn, c->x, c->weight, c->pass[pass], c->y,
            (cudnnConvolutionFwdAlgo_t)c->algorithm[pass], bytes);
    if (pass == DATA)
        return cudnnGetConvolutionBackwardDataWorkspaceSize(
            dnn, c->weight, c->y, c->pass[pass], c->x,
            (cudnnConvolutionBwdDataAlgo_t)c->algorithm[pass], bytes);
    return cudnnGetConvolutionBackwardFilterWorkspaceSize(
        dnn, c->x, c->y, c->pass[pass], c->weight,
        (cudnnConvolutionBwdFilterAlgo_t)c->algorithm[pass], bytes);
}

/* The first of cuDNN's ranking that is deterministic and not too hungry. */
static sc_status choose(sc_conv *c, cudnnHandle_t dnn, int pass)
{
    static cudnnStatus_t (*const rank[PASSES])(const sc_conv *, cudnnHandle_t, candidate *,
                                               int *) = {rank_forward, rank_data, rank_weights};
    sc_status status;
    candidate list[CANDIDATES];
    int count = 0, i = 0;
    TRY(rank[pass](c, dnn, list, &count), pass_name[pass]);
    while (i < count && !list[i].good)
        i++;
    if (i == count)
        return sc_fail(SC_ERR_UNSUPPORTED, "CUDA: cuDNN has no algorithm for the %s",
                       pass_name[pass]);
    c->algorithm[pass] = list[i].algorithm;
    TRY(workspace_of(c, dnn, pass), pass_name[pass]);
cleanup:
    return status;
}

static void set_text(sc_conv *c)
{
    const int direct = (int)CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM;
    c->fused = c->shape.bias && !c->shape.accumulate && c->products != BF16 &&
               c->algorithm[FORWARD] == direct;
    snprintf(c->text, sizeof c->text, "cuDNN %s, algorithm %d%s", products_name[c->products],
             c->algorithm[FORWARD], c->fused ? ", bias fused" : "");
}

sc_status sc_cuda_conv_create(const sc_device *device, sc_conv **result, const sc_conv_shape *shape)
{
    sc_status status;
    sc_cuda_context *cuda = sc_cuda_of(device);
    cudnnHandle_t dnn;
    sc_conv *c = NULL;
    *result = NULL;
    SC_TRY(sc_cuda_status(cuda));
    SC_TRY(SC_ALLOC(&c, 1, "convolution"));
    c->device = device;
    c->shape = *shape;
    c->products = products_of(device, shape);
    set_sizes(c);
    SC_TRY(describe(c));
    sc_cuda_library_lock(cuda);
    status = sc_cuda_dnn(cuda, &dnn);
    for (int pass = 0; status == SC_OK && pass < PASSES && pass_wanted(c, pass); pass++)
        status = choose(c, dnn, pass);
    sc_cuda_library_unlock(cuda);
    SC_TRY(status);
    set_text(c);
    *result = c;
    c = NULL;
cleanup:
    sc_cuda_conv_free(c);
    return sc_context(status, "%dx%d convolution %d to %d", shape->kernel, shape->kernel, shape->in,
                      shape->out);
}

void sc_cuda_conv_free(sc_conv *c)
{
    if (!c)
        return;
    for (int pass = 0; pass < PASSES; pass++)
        if (c->pass[pass])
            (void)cudnnDestroyConvolutionDescriptor(c->pass[pass]);
    if (c->identity)
        (void)cudnnDestroyActivationDescriptor(c->identity);
    if (c->weight)
        (void)cudnnDestroyFilterDescriptor(c->weight);
    cudnnTensorDescriptor_t tensor[] = {c->x, c->y, c->bias};
    for (int i = 0; i < 3; i++)
        if (tensor[i])
            (void)cudnnDestroyTensorDescriptor(tensor[i]);
    sc_free(c);
}

/* Scratch of one call: the frame, x and y in bfloat16, then cuDNN's workspace, then the packed
 * gradient of weights and the sums of the bias gradient. */
static size_t bias_sum_bytes(const sc_conv *c)
{
    int64_t chunks = sc_cuda_chunks(out_pixels(c));
    return sizeof(double) * sc_cuda_gather_doubles(1, chunks, c->shape.out);
}

void sc_cuda_conv_bytes(const sc_conv *c, size_t *packed, size_t *scratch)
{
    size_t most = 0;
    for (int pass = 0; pass < PASSES; pass++) {
        size_t own = sc_cuda_align(c->workspace[pass]);
        if (pass == WEIGHTS && c->shape.backward)
            own += weight_bytes(c) + bias_sum_bytes(c);
        most = own > most ? own : most;
    }
    *packed = weight_bytes(c) + sizeof(float) * (size_t)c->shape.out;
    *scratch = frame_bytes(c) + x16_bytes(c) + y16_bytes(c) + most;
}

const char *sc_cuda_conv_describe(const sc_conv *c) { return c->text; }

/* ---- calls ---- */

static float *bias_in(const sc_conv *c, const void *packed)
{
    union {
        const void *in;
        char *out;
    } p = {.in = packed};
    return (float *)(void *)(p.out + weight_bytes(c));
}

sc_status sc_cuda_conv_pack(sc_conv *c, void *packed, const float *weight, const float *bias,
                            void *scratch)
{
    const sc_conv_shape *s = &c->shape;
    (void)scratch;
    run_net_conv_pack(c->device, s->out, taps_of(s) * s->in,
                      (sc_net_conv_pack){packed, weight, s->in, taps_of(s), s->out_stride,
                                         s->in_stride, s->scale, c->products == BF16});
    if (s->bias)
        run_net_affine(c->device, 1, s->out,
                       (sc_net_affine){bias_in(c, packed), bias, NULL, s->scale, 0, s->out, 0});
    return sc_cuda_status(sc_cuda_of(c->device));
}

static sc_net_pad frame_of(const sc_conv *c, float *to, const float *from, int add)
{
    const sc_conv_shape *s = &c->shape;
    return (sc_net_pad){to, from, c->h, c->w, s->h, s->w, s->pad_low, s->in, add};
}

/* x as cuDNN sees it. */
static const float *with_frame(const sc_conv *c, const float *x, void *scratch)
{
    if (!c->framed)
        return x;
    run_net_pad(c->device, (int64_t)c->shape.n * c->h * c->w, c->shape.in,
                frame_of(c, scratch, x, 0));
    return scratch;
}

/* The call is made under the lock; what goes wrong is kept as the device's failure. */
#define RUN(c, call, what)                                                                         \
    do {                                                                                           \
        sc_cuda_context *cuda_ = sc_cuda_of((c)->device);                                          \
        if (!cuda_->failed) {                                                                      \
            sc_cuda_library_lock(cuda_);                                                   \
            cudnnStatus_t result_ = (call);                                                        \
            sc_cuda_library_unlock(cuda_);                                                 \
            if (result_ != CUDNN_STATUS_SUCCESS)                                                   \
                sc_cuda_failed(cuda_, (what), cudnnGetErrorString(result_));                       \
        }                                                                                          \
    } while (0)

static const float one = 1, zero = 0;

static cudnnStatus_t forward_fused(sc_conv *c, float *y, const float *x, const void *packed,
                                   void *workspace)
{
    return cudnnConvolutionBiasActivationForward(
        sc_cuda_of(c->device)->dnn, &one, c->x, x, c->weight, packed, c->pass[FORWARD],
        (cudnnConvolutionFwdAlgo_t)c->algorithm[FORWARD], workspace, c->workspace[FORWARD], &zero,
        c->y, y, c->bias, bias_in(c, packed), c->identity, c->y, y);
}

/* cuDNN may decline to fuse; then it is not asked again. */
static bool try_fused(sc_conv *c, float *y, const float *x, const void *packed, void *workspace)
{
    sc_cuda_context *cuda = sc_cuda_of(c->device);
    if (!c->fused || cuda->failed)
        return false;
    sc_cuda_library_lock(cuda);
    cudnnStatus_t result = forward_fused(c, y, x, packed, workspace);
    sc_cuda_library_unlock(cuda);
    c->fused = result == CUDNN_STATUS_SUCCESS || !sc_cuda_dnn_declined(result);
    if (c->fused && result != CUDNN_STATUS_SUCCESS)
        sc_cuda_failed(cuda, "convolution", cudnnGetErrorString(result));
    return c->fused;
}

static void forward_call(sc_conv *c, void *y, const void *x, const void *packed, void *workspace,
                         bool add)
{
    sc_cuda_context *cuda = sc_cuda_of(c->device);
    RUN(c, cudnnConvolutionForward(cuda->dnn, &one, c->x, x, c->weight, packed, c->pass[FORWARD],
                                   (cudnnConvolutionFwdAlgo_t)c->algorithm[FORWARD], workspace,
                                   c->workspace[FORWARD], add ? &one : &zero, c->y, y),
        "convolution");
}

static void forward_bf16(sc_conv *c, float *y, const float *x, const void *packed, char *scratch)
{
    const sc_conv_shape *s = &c->shape;
    uint16_t *x16 = (uint16_t *)(void *)scratch;
    uint16_t *y16 = (uint16_t *)(void *)(scratch + x16_bytes(c));
    run_net_to_bf16(c->device, 1, x_count(c), (sc_net_to_bf16){x16, x});
    forward_call(c, y16, x16, packed, scratch + x16_bytes(c) + y16_bytes(c), false);
    run_net_from_bf16(c->device, out_pixels(c), s->out,
                      (sc_net_from_bf16){y, y16, s->bias ? bias_in(c, packed) : NULL, s->out,
                                         s->accumulate});
}

sc_status sc_cuda_conv_forward(sc_conv *c, float *y, const float *x, const void *packed,
                               void *scratch)
{
    sc_cuda_context *cuda = sc_cuda_of(c->device);
    char *workspace = (char *)scratch + frame_bytes(c);
    x = with_frame(c, x, scratch);
    if (c->products == BF16)
        forward_bf16(c, y, x, packed, workspace);
    if (c->products == BF16 || try_fused(c, y, x, packed, workspace))
        return sc_cuda_status(cuda);
    forward_call(c, y, x, packed, workspace, c->shape.accumulate);
    if (c->shape.bias)
        run_net_add_bias(c->device, out_pixels(c), c->shape.out,
                         (sc_net_add_bias){y, bias_in(c, packed), c->shape.out});
    return sc_cuda_status(cuda);
}

sc_status sc_cuda_conv_backward_data(sc_conv *c, float *gx, const float *gy, const void *packed,
                                     int add, void *scratch)
{
    sc_cuda_context *cuda = sc_cuda_of(c->device);
    const sc_conv_shape *s = &c->shape;
    float *to = c->framed ? scratch : gx;
    RUN(c, cudnnConvolutionBackwardData(cuda->dnn, &one, c->weight, packed, c->y, gy,
                                        c->pass[DATA],
                                        (cudnnConvolutionBwdDataAlgo_t)c->algorithm[DATA],
                                        (char *)scratch + frame_bytes(c), c->workspace[DATA],
                                        add && !c->framed ? &one : &zero, c->x, to),
        "data gradient of a convolution");
    if (c->framed)
        run_net_crop(c->device, (int64_t)s->n * s->h * s->w, s->in, frame_of(c, gx, to, add));
    return sc_cuda_status(cuda);
}

static void bias_gradient(const sc_conv *c, float *gbias, const float *gy, double *sums)
{
    const sc_conv_shape *s = &c->shape;
    int64_t chunks = sc_cuda_chunks(out_pixels(c));
    run_net_column_sums(c->device, chunks, s->out,
                        (sc_net_column_sums){sums, gy, out_pixels(c), s->out});
    double *total = sc_cuda_gather_sums(c->device, sums, 1, chunks, s->out);
    run_net_add_sums(c->device, 1, s->out, (sc_net_add_sums){gbias, total, s->scale});
}

sc_status sc_cuda_conv_backward_weights(sc_conv *c, float *gweight, float *gbias, const float *x,
                                        const float *gy, void *scratch)
{
    sc_cuda_context *cuda = sc_cuda_of(c->device);
    const sc_conv_shape *s = &c->shape;
    char *workspace = (char *)scratch + frame_bytes(c);
    char *gradient = workspace + sc_cuda_align(c->workspace[WEIGHTS]);
    x = with_frame(c, x, scratch);
    RUN(c, cudnnConvolutionBackwardFilter(cuda->dnn, &one, c->x, x, c->y, gy, c->pass[WEIGHTS],
                                          (cudnnConvolutionBwdFilterAlgo_t)c->algorithm[WEIGHTS],
                                          workspace, c->workspace[WEIGHTS], &zero, c->weight,
                                          gradient),
        "weight gradient of a convolution");
    run_net_conv_unpack(c->device, s->out, taps_of(s) * s->in,
                        (sc_net_conv_unpack){gweight, (float *)(void *)gradient, s->in, taps_of(s),
                                             s->out_stride, s->in_stride, s->scale, 0});
    if (s->bias)
        bias_gradient(c, gbias, gy, (double *)(void *)(gradient + weight_bytes(c)));
    return sc_cuda_status(cuda);
}
