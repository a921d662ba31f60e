/* ops: the kernels of device->kernels->net one by one, forward and vector-Jacobian product. What an
 * operation is follows from its name: fir_up, fir121_down, naive_up, ddpm_down_conv, nin, ...;
 * "_odd" and the like say nothing. Kernels read device memory, so this is for a device whose memory
 * is the host's. */
#include "parity.h"
#include <base/kernel_net.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define OPERATION 2e-6
#define EMBEDDING 3e-5 /* absolute */
#define FOURIER 2e-4

typedef struct {
    const parity *p;
    const sc_device *device;
    const sc_net_kernels *net;
    const reference *r;
    char name[96];
    tensor in[3], out, v, gin[3];
    int n, h, w, c; /* of in[0] */
} operation;

static void compare(const operation *o, const char *kind, const char *what, const double *ours,
                    const tensor *theirs)
{
    char name[128];
    snprintf(name, sizeof name, "%s.%s", o->name, what);
    if (theirs->v)
        report_compare(o->p->report, kind, name, ours, theirs->v, theirs->count,
                       RELATIVE(OPERATION));
}

static void compare_out(const operation *o, const float *y)
{
    compare(o, "forward", "out", from_engine(y, &o->out), &o->out);
}

static void compare_input_gradient(const operation *o, const float *gx)
{
    compare(o, "vector-Jacobian product", "gin0", from_engine(gx, &o->gin[0]), &o->gin[0]);
}

/* Gradients of weights have the file's layout already. */
static void compare_weight_gradient(const operation *o, int i, const float *g)
{
    char what[8];
    snprintf(what, sizeof what, "gin%d", i);
    if (o->gin[i].v)
        compare(o, "vector-Jacobian product", what, to_doubles(g, o->gin[i].count), &o->gin[i]);
}

/* ---- convolutions ---- */

typedef struct {
    sc_conv *conv;
    void *packed, *scratch;
} conv_plan;

static sc_status plan_conv(conv_plan *c, const operation *o, const sc_conv_shape *shape,
                           const float *weight, const float *bias)
{
    sc_status status = SC_OK;
    size_t packed, scratch;
    *c = (conv_plan){0};
    SC_TRY(o->net->conv_create(o->device, &c->conv, shape));
    o->net->conv_bytes(c->conv, &packed, &scratch);
    c->packed = pool((int64_t)packed, 1);
    c->scratch = pool((int64_t)scratch, 1);
    SC_TRY(o->net->conv_pack(c->conv, c->packed, weight, bias, c->scratch));
cleanup:
    return status;
}

static sc_conv_shape conv_shape(const operation *o, int h, int w, int in, int out, int kernel)
{
    return (sc_conv_shape){.n = o->n,
                           .h = h,
                           .w = w,
                           .in = in,
                           .out = out,
                           .kernel = kernel,
                           .stride = 1,
                           .pad_low = kernel / 2,
                           .pad_high = kernel / 2,
                           .out_stride = (int64_t)in * kernel * kernel,
                           .in_stride = (int64_t)kernel * kernel,
                           .scale = 1,
                           .backward = 1};
}

/* y and the gradients of x and W for one convolution; the bias is in[2] where there is one. */
static sc_status run_conv(const operation *o, const sc_conv_shape *shape, const float *x, float *y,
                          float *gx)
{
    sc_status status = SC_OK;
    conv_plan c;
    float *weight = to_floats(o->in[1].v, o->in[1].count);
    float *bias = shape->bias ? to_floats(o->in[2].v, o->in[2].count) : NULL;
    float *gweight = POOL(float, o->in[1].count), *gbias = POOL(float, shape->out);
    float *v = to_engine(&o->v);
    SC_TRY(plan_conv(&c, o, shape, weight, bias));
    SC_TRY(o->net->conv_forward(c.conv, y, x, c.packed, c.scratch));
    SC_TRY(o->net->conv_backward_data(c.conv, gx, v, c.packed, 0, c.scratch));
    SC_TRY(o->net->conv_backward_weights(c.conv, gweight, bias ? gbias : NULL, x, v, c.scratch));
    compare_weight_gradient(o, 1, gweight);
    compare_weight_gradient(o, 2, gbias);
cleanup:
    o->net->conv_free(c.conv);
    return status;
}

static sc_status plain_conv(const operation *o, const sc_conv_shape *shape)
{
    float *y = POOL(float, o->out.count), *gx = POOL(float, o->in[0].count);
    sc_status status = run_conv(o, shape, to_engine(&o->in[0]), y, gx);
    if (status == SC_OK) {
        compare_out(o, y);
        compare_input_gradient(o, gx);
    }
    return status;
}

/* pad right and below by 1, 3x3, stride 2 */
static sc_status ddpm_down_conv(const operation *o)
{
    sc_conv_shape shape = conv_shape(o, o->h, o->w, o->c, (int)o->in[1].dim[0], 3);
    shape.stride = 2;
    shape.pad_low = 0;
    return plain_conv(o, &shape);
}

/* The matrix is stored [in, out]. */
static sc_status nin(const operation *o)
{
    sc_conv_shape shape = conv_shape(o, o->h, o->w, o->c, (int)o->in[1].dim[1], 1);
    shape.out_stride = 1;
    shape.in_stride = shape.out;
    shape.bias = o->in[2].v != NULL;
    return plain_conv(o, &shape);
}

/* ---- resampling ---- */

/* "fir_", "fir121_": the digits are the kernel, [1,3,3,1] without. Up: kernel x 2 an axis. Pads for
 * n samples: down ceil((n-2)/2) before, up ceil((n-2)/2) + 1. */
static sc_fir fir_of(const char *name, int up, int down)
{
    sc_fir f = {.up = up, .down = down};
    size_t digits = strspn(name + 3, "0123456789");
    const char *text = digits ? name + 3 : "1331";
    f.taps = (int)(digits ? digits : 4);
    double sum = 0;
    for (int i = 0; i < f.taps && i < SC_FIR_TAPS; i++)
        sum += text[i] - '0';
    for (int i = 0; i < f.taps && i < SC_FIR_TAPS; i++)
        f.tap[i] = (float)(up * (text[i] - '0') / sum);
    f.pad = (f.taps - 1) / 2 + (up > 1);
    return f;
}

static sc_status fir_resample(const operation *o, int up, int down)
{
    sc_fir f = fir_of(o->name, up, down);
    int oh = (int)o->out.dim[2], ow = (int)o->out.dim[3];
    float *y = POOL(float, o->out.count), *gx = POOL(float, o->in[0].count);
    if (f.taps > SC_FIR_TAPS)
        return sc_fail(SC_ERR_UNSUPPORTED, "%s: a kernel of more than %d samples", o->name,
                       SC_FIR_TAPS);
    o->net->fir_forward(o->device, y, to_engine(&o->in[0]), &f, o->n, o->h, o->w, oh, ow, o->c);
    o->net->fir_backward(o->device, gx, to_engine(&o->v), &f, o->n, o->h, o->w, oh, ow, o->c, 0);
    compare_out(o, y);
    compare_input_gradient(o, gx);
    return SC_OK;
}

static sc_status fir_up(const operation *o) { return fir_resample(o, 2, 1); }
static sc_status fir_down(const operation *o) { return fir_resample(o, 1, 2); }

/* Filter without decimation, then 3x3 with stride 2: pads 2 and 2 in all. */
static sc_status fir_conv_down(const operation *o)
{
    sc_status status = SC_OK;
    sc_fir f = fir_of(o->name, 1, 1);
    int kernel = (int)o->in[1].dim[2], pads = (f.taps - 2) + (kernel - 1);
    int h = o->h + pads - f.taps + 1, w = o->w + pads - f.taps + 1;
    int64_t count = (int64_t)o->n * h * w * o->c;
    float *filtered = POOL(float, count), *gfiltered = POOL(float, count);
    float *y = POOL(float, o->out.count), *gx = POOL(float, o->in[0].count);
    sc_conv_shape shape = conv_shape(o, h, w, o->c, (int)o->in[1].dim[0], kernel);
    shape.stride = 2;
    shape.pad_low = shape.pad_high = 0;
    f.pad = (pads + 1) / 2;
    o->net->fir_forward(o->device, filtered, to_engine(&o->in[0]), &f, o->n, o->h, o->w, h, w,
                        o->c);
    SC_TRY(run_conv(o, &shape, filtered, y, gfiltered));
    o->net->fir_backward(o->device, gx, gfiltered, &f, o->n, o->h, o->w, h, w, o->c, 0);
    compare_out(o, y);
    compare_input_gradient(o, gx);
cleanup:
    return status;
}

static sc_status resample(const operation *o, sc_resample_kind kind)
{
    float *y = POOL(float, o->out.count), *gx = POOL(float, o->in[0].count);
    o->net->resample_forward(o->device, y, to_engine(&o->in[0]), kind, o->n, o->h, o->w, o->c);
    o->net->resample_backward(o->device, gx, to_engine(&o->v), kind, o->n, o->h, o->w, o->c, 0);
    compare_out(o, y);
    compare_input_gradient(o, gx);
    return SC_OK;
}

static sc_status up(const operation *o) { return resample(o, SC_RESAMPLE_NEAREST_UP); }
static sc_status mean_down(const operation *o) { return resample(o, SC_RESAMPLE_MEAN_DOWN); }

/* ---- pointwise, norm, attention ---- */

/* SiLU lives in the linear layer: the identity matrix of its activated input. */
static sc_status swish(const operation *o)
{
    int n = (int)o->in[0].count;
    float *identity = POOL(float, (int64_t)n *n), *zero = POOL(float, n), *y = POOL(float, n);
    float *gx = POOL(float, n), *gw = POOL(float, (int64_t)n *n), *gb = POOL(float, n);
    float *x = to_floats(o->in[0].v, n);
    for (int i = 0; i < n; i++)
        identity[(int64_t)i * n + i] = 1;
    o->net->linear_forward(o->device, y, x, identity, zero, 1, n, n, 1);
    o->net->linear_backward(o->device, gx, gw, gb, to_floats(o->v.v, n), x, identity, 1, n, n, 1,
                            0);
    compare(o, "forward", "out", to_doubles(y, n), &o->out);
    compare(o, "vector-Jacobian product", "gin0", to_doubles(gx, n), &o->gin[0]);
    return SC_OK;
}

typedef struct {
    sc_norm_shape shape;
    sc_norm_input input;
    float *moments;
    void *scratch;
} norm_plan;

static norm_plan plan_norm(const operation *o, int groups, const float *x, const float *weight,
                           const float *bias)
{
    norm_plan m = {.shape = {.n = o->n,
                             .c = {o->c, 0},
                             .groups = groups,
                             .pixels = (int64_t)o->h * o->w,
                             .epsilon = 1e-6f},
                   .input = {.x = {x, NULL}, .weight = weight, .bias = bias}};
    m.moments = POOL(float, (int64_t)o->n *groups * 2);
    m.scratch = pool((int64_t)o->net->norm_scratch(&m.shape), 1);
    return m;
}

/* "groupnorm12_3groups" */
static sc_status groupnorm(const operation *o)
{
    const char *under = strchr(o->name, '_');
    int groups = under ? atoi(under + 1) : 0;
    if (groups < 1 || o->c % groups)
        return sc_fail(SC_ERR_FORMAT, "%s: the name does not say the number of groups", o->name);
    norm_plan m = plan_norm(o, groups, to_engine(&o->in[0]), to_floats(o->in[1].v, o->c),
                            to_floats(o->in[2].v, o->c));
    float *y = POOL(float, o->out.count), *gx = POOL(float, o->in[0].count);
    float *gw = POOL(float, o->c), *gb = POOL(float, o->c);
    const sc_norm_gradient g = {.x = {gx, NULL}, .weight = gw, .bias = gb};
    o->net->norm_forward(o->device, y, m.moments, &m.input, &m.shape, m.scratch);
    o->net->norm_backward(o->device, &g, to_engine(&o->v), m.moments, &m.input, &m.shape,
                          m.scratch);
    compare_out(o, y);
    compare_input_gradient(o, gx);
    compare_weight_gradient(o, 1, gw);
    compare_weight_gradient(o, 2, gb);
    return SC_OK;
}

static float *weights(const operation *o, const char *what)
{
    tensor t = tensor_get(o->r, "%s.%s", o->name, what);
    return t.v ? to_floats(t.v, t.count) : NULL;
}

static sc_status plan_nin(conv_plan *c, const operation *o, int i, float scale)
{
    char W[16], b[16];
    snprintf(W, sizeof W, "NIN_%d.W", i);
    snprintf(b, sizeof b, "NIN_%d.b", i);
    float *weight = weights(o, W), *bias = weights(o, b);
    sc_conv_shape shape = conv_shape(o, o->h, o->w, o->c, o->c, 1);
    shape.out_stride = 1;
    shape.in_stride = o->c;
    shape.bias = 1;
    shape.scale = scale;
    shape.accumulate = i == 3;
    *c = (conv_plan){0};
    if (!weight || !bias)
        return sc_fail(SC_ERR_FORMAT, "%s has no weights of NIN_%d", o->name, i);
    return plan_conv(c, o, &shape, weight, bias);
}

/* (x + NIN_3(attention(NIN_0..2(norm(x))))) / sqrt 2, min(C / 4, 32) groups */
static sc_status attn(const operation *o)
{
    sc_status status = SC_OK;
    int64_t count = o->in[0].count, pixels = (int64_t)o->h * o->w;
    float root = (float)sqrt(.5), *x = to_engine(&o->in[0]), *v = to_engine(&o->v);
    float *qkv[3], *g[3], *h = POOL(float, count), *mixed = POOL(float, count);
    float *y = POOL(float, count), *gmixed = POOL(float, count), *gh = POOL(float, count);
    float *gx = POOL(float, count), *gw = POOL(float, o->c), *gb = POOL(float, o->c);
    norm_plan m = plan_norm(o, o->c / 4 < 32 ? o->c / 4 : 32, x, weights(o, "GroupNorm_0.weight"),
                            weights(o, "GroupNorm_0.bias"));
    void *scratch = pool((int64_t)o->net->attention_scratch(o->device, o->n, pixels, o->c), 1);
    conv_plan c[4] = {{0}};
    for (int i = 0; i < 4; i++)
        SC_TRY(plan_nin(&c[i], o, i, i < 3 ? 1 : root));
    o->net->norm_forward(o->device, h, m.moments, &m.input, &m.shape, m.scratch);
    for (int i = 0; i < 3; i++) {
        qkv[i] = POOL(float, count);
        g[i] = POOL(float, count);
        SC_TRY(o->net->conv_forward(c[i].conv, qkv[i], h, c[i].packed, c[i].scratch));
    }
    o->net->attention_forward(o->device, mixed, qkv[0], qkv[1], qkv[2], o->n, pixels, o->c,
                              scratch);
    o->net->affine(o->device, y, x, NULL, root, 0, o->n, count / o->n, 0);
    SC_TRY(o->net->conv_forward(c[3].conv, y, mixed, c[3].packed, c[3].scratch));

    SC_TRY(o->net->conv_backward_data(c[3].conv, gmixed, v, c[3].packed, 0, c[3].scratch));
    o->net->attention_backward(o->device, g[0], g[1], g[2], gmixed, mixed, qkv[0], qkv[1], qkv[2],
                               o->n, pixels, o->c, scratch);
    for (int i = 0; i < 3; i++)
        SC_TRY(o->net->conv_backward_data(c[i].conv, gh, g[i], c[i].packed, i > 0, c[i].scratch));
    o->net->affine(o->device, gx, v, NULL, root, 0, o->n, count / o->n, 0);
    const sc_norm_gradient grad = {.x = {gx, NULL}, .add = {1, 0}, .weight = gw, .bias = gb};
    o->net->norm_backward(o->device, &grad, gh, m.moments, &m.input, &m.shape, m.scratch);
    compare_out(o, y);
    compare_input_gradient(o, gx);
cleanup:
    for (int i = 0; i < 4; i++)
        o->net->conv_free(c[i].conv);
    return status;
}

/* ---- which operation a name is ---- */

static const struct {
    const char *start, *part; /* the name begins so and, if given, holds this */
    sc_status (*run)(const operation *o);
} operations[] = {
    {"fir", "_conv_down", fir_conv_down},
    {"fir", "_up", fir_up},
    {"fir", "_down", fir_down},
    {"naive_up", NULL, up},
    {"nearest_up", NULL, up},
    {"naive_down", NULL, mean_down},
    {"ddpm_down_conv", NULL, ddpm_down_conv},
    {"nin", NULL, nin},
    {"groupnorm", NULL, groupnorm},
    {"attn", NULL, attn},
    {"swish", NULL, swish},
};

static sc_status run_operation(const operation *o)
{
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
        if (strncmp(o->name, operations[i].start, strlen(operations[i].start)) == 0 &&
            (!operations[i].part || strstr(o->name, operations[i].part)))
            return operations[i].run(o);
    report_absent(o->p->report, "forward", o->name, "no kernel of that name");
    return SC_OK;
}

static void check_operation(const parity *p, const reference *r, const char *name)
{
    operation o = {.p = p,
                   .device = p->device,
                   .net = p->device->kernels->net,
                   .r = r,
                   .out = tensor_get(r, "%s.out", name),
                   .v = tensor_get(r, "%s.v", name)};
    snprintf(o.name, sizeof o.name, "%s", name);
    for (int i = 0; i < 3; i++) {
        o.in[i] = tensor_get(r, "%s.in%d", name, i);
        o.gin[i] = tensor_get(r, "%s.gin%d", name, i);
    }
    if (o.in[0].rank == 4) {
        o.n = (int)o.in[0].dim[0];
        o.c = (int)o.in[0].dim[1];
        o.h = (int)o.in[0].dim[2];
        o.w = (int)o.in[0].dim[3];
    }
    if (run_operation(&o) != SC_OK)
        report_failure(p->report, "forward", name, sc_message());
}

/* ---- embeddings ---- */

static void check_positional(const parity *p, const reference *r, const char *name, int width)
{
    tensor labels = tensor_get(r, "temb.labels"), theirs = tensor_get(r, "%s", name);
    int half = width / 2;
    if (!labels.v || theirs.count != labels.count * width)
        return;
    float *frequency = POOL(float, half), *y = POOL(float, theirs.count);
    for (int j = 0; j < half; j++)
        frequency[j] = expf((float)j * -(float)(log(10000.) / (half - 1))); /* as published */
    p->device->kernels->net->embed(p->device, y, to_floats(labels.v, labels.count), frequency,
                                   SC_EMBED_POSITIONAL, (int)labels.count, width);
    report_compare(p->report, "positional embedding", name, to_doubles(y, theirs.count), theirs.v,
                   theirs.count, ABSOLUTE(EMBEDDING));
}

static void check_fourier(const parity *p, const reference *r)
{
    tensor W = tensor_get(r, "fourier.W"), out = tensor_get(r, "fourier.out");
    tensor exact = tensor_get(r, "fourier.out64"), sigma = tensor_get(r, "fourier.sigma");
    tensor logarithm = tensor_get(r, "fourier.log_sigma");
    if (!W.v || !out.v || !logarithm.v)
        return;
    float *y = POOL(float, out.count);
    double *log_sigma = POOL(double, sigma.count);
    p->device->kernels->net->embed(p->device, y, to_floats(logarithm.v, logarithm.count),
                                   to_floats(W.v, W.count), SC_EMBED_FOURIER_FLOAT,
                                   (int)logarithm.count, (int)(2 * W.count));
    report_compare(p->report, "Fourier embedding", "fourier.out", to_doubles(y, out.count), out.v,
                   out.count, ABSOLUTE(FOURIER));
    if (exact.v) {
        double own = 0;
        for (int64_t i = 0; i < out.count; i++)
            own = fmax(own, fabs(out.v[i] - exact.v[i]));
        report_compare(p->report, "Fourier embedding", "fourier.out64", to_doubles(y, out.count),
                       exact.v, exact.count, ABSOLUTE(FOURIER));
        report_note(p->report, "published float32 is off by up to %.1e", own);
    }
    for (int64_t i = 0; i < sigma.count; i++)
        log_sigma[i] = log(sigma.v[i]);
    if (sigma.v)
        report_compare(p->report, "Fourier embedding", "fourier.log_sigma", log_sigma, logarithm.v,
                       sigma.count, ABSOLUTE(1e-6));
}

sc_status check_operations(const parity *p, const reference *r)
{
    if (!p->device->kernels->net)
        return sc_fail(SC_ERR_UNSUPPORTED, "this device has no network kernels");
    if (strcmp(p->device->kernels->name, "cpu") != 0) {
        report_absent(p->report, "forward", "operations", "compared on the CPU only");
        return SC_OK;
    }
    for (int i = 0; i < reference_count(r); i++) {
        char operation_name[96];
        const char *name = reference_name(r, i), *end = strstr(name, ".out");
        int width;
        if (sscanf(name, "temb.dim%d", &width) == 1 && width >= 4)
            check_positional(p, r, name, width);
        if (!end || end[4] || strncmp(name, "fourier", 7) == 0)
            continue;
        snprintf(operation_name, sizeof operation_name, "%.*s", (int)(end - name), name);
        check_operation(p, r, operation_name);
    }
    check_fourier(p, r);
    return SC_OK;
}
