/* The graph of NCSN++ (Song et al. 2021, appendix H; U-Net of Ho et al. 2020, blocks of Brock et
 * al. 2019) from a configuration: modules in the published order, so that module i owns
 * "all_modules.i".
 *
 * Down: res blocks, each pushed as a skip; middle; up: res blocks over [h, skip]. The
 * concatenation never exists: the norm and the shortcut read both halves.
 */
#include "base/memory.h"
#include "prior/network/network_internal.h"
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define INIT_LAST 1e-10 /* published init_scale 0: a block starts as the identity */
#define INIT_NIN 0.1
#define SKIPS_MAX 1024

typedef struct {
    sc_network *net;
    int module; /* index of the next one */
    int time;   /* tensor of the time embedding */
    int skip[SKIPS_MAX], skips;
    int channels[8];
    float residual; /* scale of residual sums */
} builder;

static int tensor(builder *b, int level, int channels)
{
    b->net->tensor[b->net->tensors] = (sc_tensor){level, channels, true};
    return b->net->tensors++;
}

static int channels_of(const builder *b, int t) { return t < 0 ? 0 : b->net->tensor[t].channels; }
static int level_of(const builder *b, int t) { return b->net->tensor[t].level; }

static sc_node *node(builder *b, const sc_layer *layer, int in, int out)
{
    sc_node *n = &b->net->node[b->net->nodes++];
    *n = (sc_node){.layer = layer, .in = {in, SC_NONE, SC_NONE}, .out = out,
                   .parameter = {SC_NONE, SC_NONE}, .scale = 1.f, .kernel = 1, .stride = 1};
    return n;
}

static int parameter(builder *b, int module, const char *name, int rank, const int64_t *dim,
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
static int pair(builder *b, int module, const char *prefix, const char *weight, const char *bias,
                int rank, const int64_t *dim, int64_t outputs, double initial, double initial_bias)
{
    char name[64];
    snprintf(name, sizeof name, "%s%s", prefix, weight);
    int first = parameter(b, module, name, rank, dim, initial);
    snprintf(name, sizeof name, "%s%s", prefix, bias);
    parameter(b, module, name, 1, &outputs, initial_bias);
    return first;
}

static int conv_parameters(builder *b, int module, const char *prefix, int in, int out, int kernel,
                           double initial)
{
    const int64_t dim[4] = {out, in, kernel, kernel};
    return pair(b, module, prefix, "weight", "bias", 4, dim, out, initial, SC_INITIAL_ZERO);
}

static int nin_parameters(builder *b, int module, const char *prefix, int in, int out,
                          double initial)
{
    const int64_t dim[2] = {in, out};
    return pair(b, module, prefix, "W", "b", 2, dim, out, initial, SC_INITIAL_ZERO);
}

static int linear_parameters(builder *b, int module, const char *prefix, int in, int out)
{
    const int64_t dim[2] = {out, in};
    return pair(b, module, prefix, "weight", "bias", 2, dim, out, 1, SC_INITIAL_ZERO);
}

static int norm_parameters(builder *b, int module, const char *prefix, int channels)
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

/* y (+)= scale (W x + bias); a parameter of rank 2 is a NIN. */
static void conv_into(builder *b, int y, int x, int p, float scale, int accumulate)
{
    const sc_parameter *weight = &b->net->parameter[p];
    sc_node *n = node(b, &sc_layer_conv, x, y);
    set_pair(n, p);
    n->transposed = weight->rank == 2;
    n->kernel = n->transposed ? 1 : (int)weight->dim[2];
    n->pad_low = n->pad_high = n->kernel / 2;
    n->scale = scale;
    n->accumulate = accumulate;
}

static int conv(builder *b, int x, int p)
{
    const sc_parameter *weight = &b->net->parameter[p];
    int y = tensor(b, level_of(b, x), (int)weight->dim[weight->rank == 2]);
    conv_into(b, y, x, p, 1.f, 0);
    return y;
}

static int norm(builder *b, int x0, int x1, int shift, int p, int silu)
{
    int c = channels_of(b, x0) + channels_of(b, x1), y = tensor(b, level_of(b, x0), c);
    sc_node *n = node(b, &sc_layer_norm, x0, y);
    n->in[1] = x1;
    n->in[2] = shift;
    n->groups = c / 4 < 32 ? c / 4 : 32;
    n->silu = silu;
    set_pair(n, p);
    return y;
}

static int linear(builder *b, int x, int p, int silu)
{
    int y = tensor(b, -1, (int)b->net->parameter[p].dim[0]);
    sc_node *n = node(b, &sc_layer_linear, x, y);
    n->silu = silu;
    set_pair(n, p);
    return y;
}

static void scale_into(builder *b, int y, int x, float scale)
{
    node(b, &sc_layer_scale, x, y)->scale = scale;
}

/* direction 1: half the size, one level down; -1: twice the size */
static int resample(builder *b, int x, int direction)
{
    int fir = b->net->config.fir;
    int y = tensor(b, level_of(b, x) + direction, channels_of(b, x));
    sc_node *n = node(b, &sc_layer_resample, x, y);
    if (direction > 0)
        n->resample = fir ? SC_RESAMPLE_FIR_DOWN : SC_RESAMPLE_MEAN_DOWN;
    else
        n->resample = fir ? SC_RESAMPLE_FIR_UP : SC_RESAMPLE_NEAREST_UP;
    return y;
}

/* The shortcut of a residual sum into y: W [x0, x1], or x0 itself when p is SC_NONE. */
static void shortcut_into(builder *b, int y, int x0, int x1, int p)
{
    if (p == SC_NONE) {
        assert(x1 == SC_NONE); /* [h, skip] has more channels than either, so it is projected */
        scale_into(b, y, x0, b->residual);
        return;
    }
    conv_into(b, y, x0, p, b->residual, 0);
    if (x1 == SC_NONE)
        return;
    conv_into(b, y, x1, p, b->residual, 1);
    sc_node *second = &b->net->node[b->net->nodes - 1];
    second->first_channel = channels_of(b, x0);
    second->parameter[1] = SC_NONE; /* the bias is in the first half */
}

/* Residual block over [x0, x1] to `out` channels; direction as in resample, 0 none. */
static int block(builder *b, int x0, int x1, int out, int direction)
{
    int m = b->module++, in = channels_of(b, x0) + channels_of(b, x1);
    bool biggan = b->net->config.resblock_biggan;
    int norm_0 = norm_parameters(b, m, "GroupNorm_0.", in);
    int conv_0 = conv_parameters(b, m, "Conv_0.", in, out, 3, 1);
    int dense = linear_parameters(b, m, "Dense_0.", channels_of(b, b->time), out);
    int norm_1 = norm_parameters(b, m, "GroupNorm_1.", out);
    int conv_1 = conv_parameters(b, m, "Conv_1.", out, out, 3, INIT_LAST);
    int shortcut = SC_NONE;
    if (biggan && (in != out || direction))
        shortcut = conv_parameters(b, m, "Conv_2.", in, out, 1, 1);
    else if (in != out)
        shortcut = nin_parameters(b, m, "NIN_0.", in, out, INIT_NIN);

    int h = norm(b, x0, x1, SC_NONE, norm_0, 1);
    if (direction) {
        h = resample(b, h, direction);
        x0 = resample(b, x0, direction);
    }
    h = conv(b, h, conv_0);
    h = norm(b, h, SC_NONE, linear(b, b->time, dense, 1), norm_1, 1);
    int y = tensor(b, level_of(b, h), out);
    shortcut_into(b, y, x0, x1, shortcut);
    conv_into(b, y, h, conv_1, b->residual, 1);
    return y;
}

static int attend(builder *b, int x)
{
    static const char *const name[4] = {"NIN_0.", "NIN_1.", "NIN_2.", "NIN_3."};
    int m = b->module++, c = channels_of(b, x), p[4], qkv[3];
    int first = norm_parameters(b, m, "GroupNorm_0.", c);
    for (int i = 0; i < 4; i++)
        p[i] = nin_parameters(b, m, name[i], c, c, i < 3 ? INIT_NIN : INIT_LAST);
    int h = norm(b, x, SC_NONE, SC_NONE, first, 0);
    for (int i = 0; i < 3; i++)
        qkv[i] = conv(b, h, p[i]);
    int mixed = tensor(b, level_of(b, x), c), y = tensor(b, level_of(b, x), c);
    sc_node *n = node(b, &sc_layer_attention, qkv[0], mixed);
    n->in[1] = qkv[1];
    n->in[2] = qkv[2];
    scale_into(b, y, x, b->residual);
    conv_into(b, y, mixed, p[3], b->residual, 1);
    return y;
}

/* Between levels with DDPM blocks: up is nearest then a convolution, down a convolution of
 * stride 2 that pads right and below only. Without convolutions the module owns nothing. */
static int resample_module(builder *b, int x, int direction)
{
    int m = b->module++, c = channels_of(b, x);
    if (!b->net->config.resamp_with_conv)
        return resample(b, x, direction);
    int p = conv_parameters(b, m, "Conv_0.", c, c, 3, 1);
    if (direction < 0)
        return conv(b, resample(b, x, direction), p);
    int y = tensor(b, level_of(b, x) + 1, c);
    conv_into(b, y, x, p, 1.f, 0);
    sc_node *n = &b->net->node[b->net->nodes - 1];
    n->stride = 2;
    n->pad_low = 0;
    return y;
}

static int change_level(builder *b, int x, int direction)
{
    if (b->net->config.resblock_biggan)
        return block(b, x, SC_NONE, channels_of(b, x), direction);
    return resample_module(b, x, direction);
}

static void push(builder *b, int x) { b->skip[b->skips++] = x; }

static void embedding(builder *b)
{
    const sc_network_config *c = &b->net->config;
    b->net->label = tensor(b, -1, 1);
    int x = tensor(b, -1, c->embedding_fourier ? 2 * c->nf : c->nf / 2 * 2);
    b->net->tensor[b->net->label].gradient = b->net->tensor[x].gradient = false;
    sc_node *n = node(b, &sc_layer_embed, b->net->label, x);
    n->fourier = c->embedding_fourier;
    if (c->embedding_fourier) {
        const int64_t dim[1] = {c->nf};
        n->parameter[0] = parameter(b, b->module++, "W", 1, dim, SC_INITIAL_FOURIER);
    }
    int first = linear_parameters(b, b->module++, "", channels_of(b, x), 4 * c->nf);
    int second = linear_parameters(b, b->module++, "", 4 * c->nf, 4 * c->nf);
    b->time = linear(b, linear(b, x, first, 0), second, 1);
}

static void down(builder *b)
{
    const sc_network_config *c = &b->net->config;
    for (int level = 0; level < c->levels; level++) {
        for (int i = 0; i < c->num_res_blocks; i++) {
            int h = block(b, b->skip[b->skips - 1], SC_NONE, b->channels[level], 0);
            push(b, c->attention[level] ? attend(b, h) : h);
        }
        if (level + 1 < c->levels)
            push(b, change_level(b, b->skip[b->skips - 1], 1));
    }
}

static int up(builder *b, int h)
{
    const sc_network_config *c = &b->net->config;
    for (int level = c->levels - 1; level >= 0; level--) {
        for (int i = 0; i <= c->num_res_blocks; i++)
            h = block(b, h, b->skip[--b->skips], b->channels[level], 0);
        if (c->attention[level])
            h = attend(b, h);
        if (level > 0)
            h = change_level(b, h, -1);
    }
    return h;
}

static int middle(builder *b)
{
    int x = b->skip[b->skips - 1], c = channels_of(b, x);
    int h = block(b, x, SC_NONE, c, 0);
    if (b->net->config.attention_middle)
        h = attend(b, h);
    return block(b, h, SC_NONE, c, 0);
}

static void whole(builder *b)
{
    sc_network *net = b->net;
    const sc_network_config *c = &net->config;
    embedding(b);
    net->input = tensor(b, 0, c->channels);
    push(b, conv(b, net->input, conv_parameters(b, b->module++, "", c->channels, c->nf, 3, 1)));
    down(b);
    int h = up(b, middle(b));
    h = norm(b, h, SC_NONE, SC_NONE, norm_parameters(b, b->module++, "", channels_of(b, h)), 1);
    int last = conv_parameters(b, b->module++, "", channels_of(b, h), c->channels, 3, INIT_LAST);
    net->output = conv(b, h, last);
    assert(b->skips == 0);
}

sc_status sc_network_build(sc_network *net)
{
    sc_status status = SC_OK;
    const sc_network_config *c = &net->config;
    builder b = {.net = net, .residual = c->skip_rescale ? (float)sqrt(.5) : 1.f};
    for (int i = 0; i < c->levels; i++)
        b.channels[i] = c->nf * c->ch_mult[i];
    /* a block makes at most 12 nodes, tensors or parameters, attention included 24 */
    int most = 24 * (c->levels * (2 * c->num_res_blocks + 4) + 4);
    assert(c->levels * (c->num_res_blocks + 1) + 1 < SKIPS_MAX);
    SC_TRY(SC_ALLOC(&net->tensor, most, "network"));
    SC_TRY(SC_ALLOC(&net->node, most, "network"));
    SC_TRY(SC_ALLOC(&net->parameter, most, "network"));
    SC_TRY(SC_ALLOC(&net->initial, most, "network"));
    whole(&b);
    assert(net->tensors <= most && net->nodes <= most && net->parameters <= most);
cleanup:
    return status;
}
