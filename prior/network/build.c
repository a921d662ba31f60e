/* The pieces of a graph: tensors, nodes, parameters with published names. */
#include "prior/network/build_internal.h"
#include <assert.h>
#include <stdio.h>

int sc_build_tensor(sc_builder *b, int level, int channels)
{
    b->net->tensor[b->net->tensors] =
        (sc_tensor){.level = level, .channels = channels, .gradient = true};
    return b->net->tensors++;
}

int sc_build_channels(const sc_builder *b, int t) { return t < 0 ? 0 : b->net->tensor[t].channels; }
int sc_build_level(const sc_builder *b, int t) { return b->net->tensor[t].level; }

void sc_build_name(sc_builder *b, int t, int module, const char *inner)
{
    char *name = b->net->tensor[t].module;
    snprintf(name, sizeof b->net->tensor[t].module, "all_modules.%d%s", module, inner);
}

static sc_node *node(sc_builder *b, const sc_layer *layer, int in, int out)
{
    sc_node *n = &b->net->node[b->net->nodes++];
    *n = (sc_node){.layer = layer, .in = {in, SC_NONE, SC_NONE}, .out = out,
                   .parameter = {SC_NONE, SC_NONE}, .scale = 1.f, .kernel = 1, .stride = 1};
    return n;
}

static int parameter(sc_builder *b, int module, const char *name, int rank, const int64_t *dim,
                     double initial)
{
    sc_network *net = b->net;
    sc_parameter *p = &net->parameter[net->parameters];
    snprintf(p->name, sizeof p->name, "all_modules.%d.%s", module, name);
    p->rank = rank;
    p->count = 1;
    for (int i = 0; i < rank; i++)
        p->count *= p->dim[i] = dim[i];
    p->offset = net->theta;
    p->frozen = initial == SC_INITIAL_FOURIER;
    net->theta += p->count;
    net->initial[net->parameters] = initial;
    return net->parameters++;
}

/* Two parameters, "<prefix><weight>" and "<prefix><bias>"; the index of the first. */
static int pair(sc_builder *b, int module, const char *prefix, const char *weight, const char *bias,
                int rank, const int64_t *dim, int64_t outputs, double initial, double initial_bias)
{
    char name[64];
    snprintf(name, sizeof name, "%s%s", prefix, weight);
    int first = parameter(b, module, name, rank, dim, initial);
    snprintf(name, sizeof name, "%s%s", prefix, bias);
    parameter(b, module, name, 1, &outputs, initial_bias);
    return first;
}

int sc_build_fourier_parameters(sc_builder *b, int module, int count)
{
    const int64_t dim[1] = {count};
    return parameter(b, module, "W", 1, dim, SC_INITIAL_FOURIER);
}

int sc_build_conv_parameters(sc_builder *b, int module, const char *prefix, int in, int out,
                             int kernel, double initial)
{
    const int64_t dim[4] = {out, in, kernel, kernel};
    return pair(b, module, prefix, "weight", "bias", 4, dim, out, initial, SC_INITIAL_ZERO);
}

int sc_build_nin_parameters(sc_builder *b, int module, const char *prefix, int in, int out,
                            double initial)
{
    const int64_t dim[2] = {in, out};
    return pair(b, module, prefix, "W", "b", 2, dim, out, initial, SC_INITIAL_ZERO);
}

int sc_build_linear_parameters(sc_builder *b, int module, const char *prefix, int in, int out)
{
    const int64_t dim[2] = {out, in};
    return pair(b, module, prefix, "weight", "bias", 2, dim, out, 1, SC_INITIAL_ZERO);
}

int sc_build_norm_parameters(sc_builder *b, int module, const char *prefix, int channels)
{
    const int64_t dim[1] = {channels};
    return pair(b, module, prefix, "weight", "bias", 1, dim, channels, SC_INITIAL_ONE,
                SC_INITIAL_ZERO);
}

static void set_pair(sc_node *n, int first)
{
    n->parameter[0] = first;
    n->parameter[1] = first + 1;
}

static bool swish(const sc_builder *b)
{
    return b->net->config.nonlinearity == SC_ACTIVATION_SWISH;
}

/* The activations that norm and linear do not do themselves. */
static int activate(sc_builder *b, int x)
{
    static const int kind[] = {[SC_ACTIVATION_ELU] = SC_ACTIVATE_ELU,
                               [SC_ACTIVATION_RELU] = SC_ACTIVATE_RELU,
                               [SC_ACTIVATION_LRELU] = SC_ACTIVATE_LEAKY};
    int y = sc_build_tensor(b, sc_build_level(b, x), sc_build_channels(b, x));
    node(b, &sc_layer_activate, x, y)->activation = kind[b->net->config.nonlinearity];
    return y;
}

int sc_build_embed(sc_builder *b, int label, int width, int p)
{
    int y = sc_build_tensor(b, -1, width);
    b->net->tensor[label].gradient = b->net->tensor[y].gradient = false;
    sc_node *n = node(b, &sc_layer_embed, label, y);
    n->parameter[0] = p;
    n->embed = p == SC_NONE                        ? SC_EMBED_POSITIONAL
               : b->net->config.precondition_edm ? SC_EMBED_FOURIER
                                                 : SC_EMBED_FOURIER_FLOAT;
    return y;
}

int sc_build_linear(sc_builder *b, int x, int p, int active)
{
    if (active && !swish(b))
        x = activate(b, x);
    int y = sc_build_tensor(b, -1, (int)b->net->parameter[p].dim[0]);
    sc_node *n = node(b, &sc_layer_linear, x, y);
    n->silu = active && swish(b);
    set_pair(n, p);
    return y;
}

/* Channels a group: min(C / 4, 32) groups in NCSN++, a fixed number in the plain DDPM network. */
static int groups_of(sc_builder *b, int channels)
{
    int groups = channels / 4 < 32 ? channels / 4 : 32;
    if (b->net->config.norm_groups)
        groups = b->net->config.norm_groups;
    if (channels % groups && b->status == SC_OK)
        b->status = sc_fail(SC_ERR_FORMAT, "network configuration: %d channels do not divide into "
                            "%d groups", channels, groups);
    return groups;
}

int sc_build_norm(sc_builder *b, int x0, int x1, int shift, int p, int active)
{
    int c = sc_build_channels(b, x0) + sc_build_channels(b, x1);
    int y = sc_build_tensor(b, sc_build_level(b, x0), c);
    sc_node *n = node(b, &sc_layer_norm, x0, y);
    n->in[1] = x1;
    n->in[2] = shift;
    n->groups = groups_of(b, c);
    n->silu = active && swish(b);
    set_pair(n, p);
    return active && !swish(b) ? activate(b, y) : y;
}

static sc_node *conv_node(sc_builder *b, int y, int x, int p, float scale)
{
    const sc_parameter *weight = &b->net->parameter[p];
    sc_node *n = node(b, &sc_layer_conv, x, y);
    set_pair(n, p);
    n->transposed = weight->rank == 2;
    n->kernel = n->transposed ? 1 : (int)weight->dim[2];
    n->pad_low = n->pad_high = n->kernel / 2;
    n->scale = scale;
    return n;
}

void sc_build_conv_into(sc_builder *b, int y, int x, int p, float scale, int accumulate)
{
    conv_node(b, y, x, p, scale)->accumulate = accumulate;
}

int sc_build_conv(sc_builder *b, int x, int p)
{
    const sc_parameter *weight = &b->net->parameter[p];
    int y = sc_build_tensor(b, sc_build_level(b, x), (int)weight->dim[weight->rank == 2]);
    conv_node(b, y, x, p, 1.f);
    return y;
}

void sc_build_shortcut_into(sc_builder *b, int y, int x0, int x1, int p, float scale)
{
    if (p == SC_NONE) {
        assert(x1 == SC_NONE); /* [h, skip] has more channels than either, so it is projected */
        sc_build_scale_into(b, y, x0, scale, 0);
        return;
    }
    conv_node(b, y, x0, p, scale);
    if (x1 == SC_NONE)
        return;
    sc_node *second = conv_node(b, y, x1, p, scale);
    second->accumulate = 1;
    second->first_channel = sc_build_channels(b, x0);
    second->parameter[1] = SC_NONE; /* the bias is in the first half */
}

void sc_build_scale_into(sc_builder *b, int y, int x, float scale, int accumulate)
{
    sc_node *n = node(b, &sc_layer_scale, x, y);
    n->scale = scale;
    n->accumulate = accumulate;
}

int sc_build_attention(sc_builder *b, const int qkv[3])
{
    int y = sc_build_tensor(b, sc_build_level(b, qkv[0]), sc_build_channels(b, qkv[0]));
    sc_node *n = node(b, &sc_layer_attention, qkv[0], y);
    n->in[1] = qkv[1];
    n->in[2] = qkv[2];
    return y;
}

int sc_build_concat(sc_builder *b, int x0, int x1)
{
    int c = sc_build_channels(b, x0) + sc_build_channels(b, x1);
    int y = sc_build_tensor(b, sc_build_level(b, x0), c);
    node(b, &sc_layer_concat, x0, y)->in[1] = x1;
    return y;
}

void sc_build_dropout(sc_builder *b, int x, int module)
{
    node(b, &sc_layer_dropout, x, x)->module = module;
}

/* FIR of x by the factors up and down; `more` samples of padding than a plain resampling has at the
 * low end, and `margin` more on the result. */
static int fir(sc_builder *b, int x, int level, int up, int down, int more, int margin)
{
    const sc_network_config *c = &b->net->config;
    int taps = c->fir_taps, y = sc_build_tensor(b, level, sc_build_channels(b, x));
    double sum = 0;
    b->net->tensor[y].margin = margin;
    sc_node *n = node(b, &sc_layer_fir, x, y);
    n->fir = (sc_fir){.taps = taps, .up = up, .down = down, .pad = (taps - 1) / 2 + more};
    for (int i = 0; i < taps; i++)
        sum += c->fir_kernel[i];
    for (int i = 0; i < taps; i++)
        n->fir.tap[i] = (float)(up * c->fir_kernel[i] / sum);
    return y;
}

int sc_build_resample(sc_builder *b, int x, int direction)
{
    int level = sc_build_level(b, x) + direction;
    if (b->net->config.fir)
        return direction > 0 ? fir(b, x, level, 1, 2, 0, 0) : fir(b, x, level, 2, 1, 1, 0);
    int y = sc_build_tensor(b, level, sc_build_channels(b, x));
    node(b, &sc_layer_resample, x, y)->resample =
        direction > 0 ? SC_RESAMPLE_MEAN_DOWN : SC_RESAMPLE_NEAREST_UP;
    return y;
}

/* FIR and convolution commute, so that up is the FIR on a margin of one sample a side and then the
 * convolution without padding; the published form convolves first, with the same result. */
void sc_build_resample_conv_into(sc_builder *b, int y, int x, int p, int direction, float scale)
{
    int with_fir = b->net->config.fir, level = sc_build_level(b, x);
    if (direction < 0)
        x = with_fir ? fir(b, x, level - 1, 2, 1, 2, 2) : sc_build_resample(b, x, -1);
    else if (with_fir)
        x = fir(b, x, level, 1, 1, 1, 1);
    sc_node *n = conv_node(b, y, x, p, scale);
    if (direction > 0)
        n->stride = 2;
    if (with_fir)
        n->pad_low = n->pad_high = 0;
    else if (direction > 0)
        n->pad_low = 0;
}
