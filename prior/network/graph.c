/* The graph of NCSN++ and DDPM++ (Song et al. 2021, appendix H; U-Net of Ho et al. 2020, blocks of
 * Brock et al. 2019, pyramids of Karras et al. 2020) from a configuration: modules in the published
 * order, so that module i owns "all_modules.i". The plain DDPM network is the same graph with fixed
 * groups, DDPM blocks and no rescaling.
 *
 * Down: res blocks, each pushed as a skip; middle; up: res blocks over [h, skip]. The
 * concatenation never exists: the norm and the shortcut read both halves.
 */
#include "base/memory.h"
#include "prior/network/build_internal.h"
#include <assert.h>
#include <math.h>
#include <stdio.h>

#define INIT_ZERO 1e-10 /* published init_scale 0: a block starts as the identity */
#define INIT_NIN 0.1

static double init_last(const sc_builder *b)
{
    return b->net->config.init_scale > 0 ? b->net->config.init_scale : INIT_ZERO;
}

/* Dense_0 of a block on the embedding, SC_NONE without one: its weights exist all the same. */
static int shift_of(sc_builder *b, int module, int p)
{
    if (b->time == SC_NONE)
        return SC_NONE;
    int shift = sc_build_linear(b, b->time, p, 1);
    sc_build_name(b, shift, module, ".Dense_0");
    return shift;
}

/* Residual block over [x0, x1] to `out` channels; direction as in sc_build_resample, 0 none. */
static int block(sc_builder *b, int x0, int x1, int out, int direction)
{
    const sc_network_config *c = &b->net->config;
    int m = b->module++, in = sc_build_channels(b, x0) + sc_build_channels(b, x1);
    int norm_0 = sc_build_norm_parameters(b, m, "GroupNorm_0.", in);
    int conv_0 = sc_build_conv_parameters(b, m, "Conv_0.", in, out, 3, 1);
    int dense = sc_build_linear_parameters(b, m, "Dense_0.", 4 * c->nf, out);
    int norm_1 = sc_build_norm_parameters(b, m, "GroupNorm_1.", out);
    int conv_1 = sc_build_conv_parameters(b, m, "Conv_1.", out, out, 3, init_last(b));
    int shortcut = SC_NONE;
    if (c->resblock_biggan && (in != out || direction))
        shortcut = sc_build_conv_parameters(b, m, "Conv_2.", in, out, 1, 1);
    else if (in != out)
        shortcut = sc_build_nin_parameters(b, m, "NIN_0.", in, out, INIT_NIN);

    int h = sc_build_norm(b, x0, x1, SC_NONE, norm_0, 1);
    if (direction) {
        h = sc_build_resample(b, h, direction);
        x0 = sc_build_resample(b, x0, direction);
    }
    h = sc_build_conv(b, h, conv_0);
    sc_build_name(b, h, m, ".Conv_0");
    h = sc_build_norm(b, h, SC_NONE, shift_of(b, m, dense), norm_1, 1);
    if (c->dropout > 0)
        sc_build_dropout(b, h, m);
    int y = sc_build_tensor(b, sc_build_level(b, h), out);
    sc_build_shortcut_into(b, y, x0, x1, shortcut, b->residual);
    sc_build_conv_into(b, y, h, conv_1, b->residual, 1);
    sc_build_name(b, y, m, "");
    return y;
}

static int attend(sc_builder *b, int x)
{
    static const char *const name[4] = {"NIN_0.", "NIN_1.", "NIN_2.", "NIN_3."};
    static const char *const output[3] = {".NIN_0", ".NIN_1", ".NIN_2"};
    int m = b->module++, c = sc_build_channels(b, x), p[4], qkv[3];
    int first = sc_build_norm_parameters(b, m, "GroupNorm_0.", c);
    for (int i = 0; i < 4; i++)
        p[i] = sc_build_nin_parameters(b, m, name[i], c, c, i < 3 ? INIT_NIN : init_last(b));
    int h = sc_build_norm(b, x, SC_NONE, SC_NONE, first, 0);
    sc_build_name(b, h, m, ".GroupNorm_0");
    for (int i = 0; i < 3; i++) {
        qkv[i] = sc_build_conv(b, h, p[i]);
        sc_build_name(b, qkv[i], m, output[i]);
    }
    int mixed = sc_build_attention(b, qkv), y = sc_build_tensor(b, sc_build_level(b, x), c);
    sc_build_scale_into(b, y, x, b->residual, 0);
    sc_build_conv_into(b, y, mixed, p[3], b->residual, 1);
    sc_build_name(b, y, m, "");
    return y;
}

/* The parameters of a module that resamples with a convolution. */
static int resample_parameters(sc_builder *b, int module, int in, int out)
{
    const char *prefix = b->net->config.fir ? "Conv2d_0." : "Conv_0.";
    return sc_build_conv_parameters(b, module, prefix, in, out, 3, 1);
}

/* Between levels: a BigGAN block, or with DDPM blocks a module of its own, which without
 * convolutions owns no parameters. */
static int change_level(sc_builder *b, int x, int direction)
{
    const sc_network_config *config = &b->net->config;
    int c = sc_build_channels(b, x);
    if (config->resblock_biggan)
        return block(b, x, SC_NONE, c, direction);
    int m = b->module++, y;
    if (config->resamp_with_conv) {
        int p = resample_parameters(b, m, c, c);
        y = sc_build_tensor(b, sc_build_level(b, x) + direction, c);
        sc_build_resample_conv_into(b, y, x, p, direction, 1.f);
    } else {
        y = sc_build_resample(b, x, direction);
    }
    sc_build_name(b, y, m, "");
    return y;
}

static void push(sc_builder *b, int x) { b->skip[b->skips++] = x; }
static int top(const sc_builder *b) { return b->skip[b->skips - 1]; }

static void embedding(sc_builder *b)
{
    const sc_network_config *c = &b->net->config;
    int width = c->embedding_fourier ? 2 * c->nf : c->nf, frequencies = SC_NONE;
    b->time = SC_NONE;
    b->net->label = sc_build_tensor(b, -1, 1);
    b->net->tensor[b->net->label].gradient = false;
    if (c->embedding_fourier)
        frequencies = sc_build_fourier_parameters(b, b->module++, c->nf);
    if (!c->conditional)
        return;
    int m = b->module++;
    int first = sc_build_linear_parameters(b, m, "", width, 4 * c->nf);
    int second = sc_build_linear_parameters(b, b->module++, "", 4 * c->nf, 4 * c->nf);
    int x = sc_build_embed(b, b->net->label, width, frequencies);
    if (c->embedding_fourier)
        sc_build_name(b, x, m - 1, "");
    else
        snprintf(b->net->tensor[x].module, sizeof b->net->tensor[x].module, "embedding");
    x = sc_build_linear(b, x, first, 0);
    sc_build_name(b, x, m, "");
    b->time = sc_build_linear(b, x, second, 1);
    sc_build_name(b, b->time, m + 1, "");
}

/* What the published network resamples its pyramids with is no part of its list of modules. */
static void name_pyramid(sc_builder *b, const char *name)
{
    sc_tensor *t = &b->net->tensor[b->pyramid];
    snprintf(t->module, sizeof t->module, "%s", name);
}

/* The input, reduced once more, joins h. input_skip: projected, then added or put in front of the
 * channels of h. */
static int input_skip(sc_builder *b, int h)
{
    int c = sc_build_channels(b, h), m = b->module++, y;
    b->pyramid = sc_build_resample(b, b->pyramid, 1);
    name_pyramid(b, "pyramid_downsample");
    int p = sc_build_conv_parameters(b, m, "Conv_0.", sc_build_channels(b, b->pyramid), c, 1, 1);
    if (b->net->config.progressive_combine == SC_COMBINE_CAT) {
        int projected = sc_build_conv(b, b->pyramid, p);
        sc_build_name(b, projected, m, ".Conv_0");
        y = sc_build_concat(b, projected, h);
    } else {
        y = sc_build_tensor(b, sc_build_level(b, h), c);
        sc_build_conv_into(b, y, b->pyramid, p, 1.f, 0);
        sc_build_scale_into(b, y, h, 1.f, 1);
    }
    sc_build_name(b, y, m, "");
    return y;
}

/* residual: y = scale (resampled pyramid + h) is the new pyramid, and goes on as h. */
static int pyramid_residual(sc_builder *b, int h, int direction)
{
    int c = sc_build_channels(b, h), y = sc_build_tensor(b, sc_build_level(b, h), c);
    int p = resample_parameters(b, b->module++, sc_build_channels(b, b->pyramid), c);
    sc_build_resample_conv_into(b, y, b->pyramid, p, direction, b->residual);
    sc_build_scale_into(b, y, h, b->residual, 1);
    return b->pyramid = y;
}

static void down(sc_builder *b)
{
    const sc_network_config *c = &b->net->config;
    for (int level = 0; level < c->levels; level++) {
        for (int i = 0; i < c->num_res_blocks; i++) {
            int h = block(b, top(b), SC_NONE, b->channels[level], 0);
            push(b, c->attention[level] ? attend(b, h) : h);
        }
        if (level + 1 == c->levels)
            return;
        int h = change_level(b, top(b), 1);
        if (c->progressive_input == SC_PYRAMID_SKIP)
            h = input_skip(b, h);
        else if (c->progressive_input == SC_PYRAMID_RESIDUAL)
            h = pyramid_residual(b, h, 1);
        push(b, h);
    }
}

/* act(norm(h)) through a 3x3 convolution: two modules. */
static int head(sc_builder *b, int h, int channels, double initial, int *p)
{
    int c = sc_build_channels(b, h);
    h = sc_build_norm(b, h, SC_NONE, SC_NONE, sc_build_norm_parameters(b, b->module++, "", c), 1);
    *p = sc_build_conv_parameters(b, b->module++, "", c, channels, 3, initial);
    return h;
}

/* The output's pyramid at one level; returns what goes on as h. */
static int output_pyramid(sc_builder *b, int h, bool first)
{
    const sc_network_config *c = &b->net->config;
    bool residual = c->progressive == SC_PYRAMID_RESIDUAL;
    int p;
    if (residual && !first)
        return pyramid_residual(b, h, -1);
    int x = head(b, h, residual ? sc_build_channels(b, h) : c->channels,
                 residual ? 1 : init_last(b), &p);
    if (first) {
        b->pyramid = sc_build_conv(b, x, p);
        sc_build_name(b, b->pyramid, b->module - 1, "");
    } else {
        b->pyramid = sc_build_resample(b, b->pyramid, -1);
        name_pyramid(b, "pyramid_upsample");
        sc_build_conv_into(b, b->pyramid, x, p, 1.f, 1);
    }
    return h;
}

static int up(sc_builder *b, int h)
{
    const sc_network_config *c = &b->net->config;
    for (int level = c->levels - 1; level >= 0; level--) {
        for (int i = 0; i <= c->num_res_blocks; i++)
            h = block(b, h, b->skip[--b->skips], b->channels[level], 0);
        if (c->attention[level])
            h = attend(b, h);
        if (c->progressive != SC_PYRAMID_NONE)
            h = output_pyramid(b, h, level == c->levels - 1);
        if (level > 0)
            h = change_level(b, h, -1);
    }
    return h;
}

static int middle(sc_builder *b)
{
    int c = sc_build_channels(b, top(b)), h = block(b, top(b), SC_NONE, c, 0);
    if (b->net->config.attention_middle)
        h = attend(b, h);
    return block(b, h, SC_NONE, c, 0);
}

static void whole(sc_builder *b)
{
    sc_network *net = b->net;
    const sc_network_config *c = &net->config;
    int p;
    embedding(b);
    b->pyramid = net->input = sc_build_tensor(b, 0, c->channels);
    int m = b->module++;
    p = sc_build_conv_parameters(b, m, "", c->channels, c->nf, 3, 1);
    push(b, sc_build_conv(b, net->input, p));
    sc_build_name(b, top(b), m, "");
    down(b);
    if (c->classes) {
        int h = head(b, middle(b), c->classes, 1, &p);
        net->output = sc_build_conv(b, h, p);
        sc_build_name(b, net->output, b->module - 1, "");
        return;
    }
    int h = up(b, middle(b));
    if (c->progressive == SC_PYRAMID_SKIP) {
        net->output = b->pyramid;
    } else {
        h = head(b, h, c->channels, init_last(b), &p);
        net->output = sc_build_conv(b, h, p);
        sc_build_name(b, net->output, b->module - 1, "");
    }
    assert(b->skips == 0);
}

sc_status sc_network_build(sc_network *net)
{
    sc_status status = SC_OK;
    const sc_network_config *c = &net->config;
    sc_builder b = {.net = net, .residual = c->skip_rescale ? (float)sqrt(.5) : 1.f};
    for (int i = 0; i < c->levels; i++)
        b.channels[i] = c->nf * c->ch_mult[i];
    /* a block makes at most 17 nodes, tensors or parameters, attention included 29, a change of
     * level with both pyramids 32 */
    int most = 32 * (c->levels * (2 * c->num_res_blocks + 6) + 4);
    assert(c->levels * (c->num_res_blocks + 1) + 1 < SC_SKIPS_MAX);
    SC_TRY(SC_ALLOC(&net->tensor, most, "network"));
    SC_TRY(SC_ALLOC(&net->node, most, "network"));
    SC_TRY(SC_ALLOC(&net->parameter, most, "network"));
    SC_TRY(SC_ALLOC(&net->initial, most, "network"));
    whole(&b);
    assert(net->tensors <= most && net->nodes <= most && net->parameters <= most);
    SC_TRY(b.status);
cleanup:
    return status;
}
