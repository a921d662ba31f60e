/* The specification of the network in double precision, as slow as it reads. Written from the
 * description of the published networks; shares no code with the engine but the names and shapes of
 * the parameters.
 */
#ifndef NAIVE_NETWORK_H
#define NAIVE_NETWORK_H

#include "naive_layers.h"

/* The whole network; every image made is kept until the end. */
typedef struct {
    const sc_network *network;
    const double *theta;
    const sc_network_config *config;
    int module;
    double time[8192];
    double *made[4096];
    int count;
    const sc_key *dropout; /* of this image; NULL: none */
    uint32_t step;
} naive_net;

static inline naive_image naive_keep(naive_net *n, naive_image x)
{
    assert(n->count < 4096);
    n->made[n->count++] = x.v;
    return x;
}

/* A parameter by its published name; the test fails if the engine has none of that name. */
static inline const double *naive_theta(const naive_net *n, int module, const char *name)
{
    char full[96];
    snprintf(full, sizeof full, "all_modules.%d.%s", module, name);
    const sc_parameter *p;
    int count = sc_network_parameters(n->network, &p);
    for (int i = 0; i < count; i++)
        if (strcmp(p[i].name, full) == 0)
            return n->theta + p[i].offset;
    fprintf(stderr, "no parameter %s\n", full);
    abort();
}

/* A module of one weight and bias, or that of this prefix in a module. */
static inline const double *naive_weight(const naive_net *n, int m, const char *prefix,
                                         const char *which)
{
    char name[64];
    snprintf(name, sizeof name, "%s%s", prefix, which);
    return naive_theta(n, m, name);
}

static inline naive_image naive_conv_of(naive_net *n, naive_image x, int m, const char *prefix,
                                        int out, int k)
{
    return naive_keep(n, naive_conv(x, naive_weight(n, m, prefix, "weight"),
                                    naive_weight(n, m, prefix, "bias"), out, k, 1, k / 2, k / 2));
}

static inline naive_image naive_nin_of(naive_net *n, naive_image x, int m, const char *prefix,
                                       int out)
{
    return naive_keep(n, naive_nin(x, naive_weight(n, m, prefix, "W"),
                                   naive_weight(n, m, prefix, "b"), out));
}

static inline naive_image naive_normed(naive_net *n, naive_image x, int m, const char *prefix,
                                       int act)
{
    return naive_keep(n, naive_norm_of(x, naive_weight(n, m, prefix, "weight"),
                                       naive_weight(n, m, prefix, "bias"), n->config->norm_groups,
                                       act ? n->config->nonlinearity : -1));
}

/* Element e, counted with the channel fastest: word e % 4 of Philox block e / 4. */
static inline void naive_drop(const naive_net *n, naive_image h, int m)
{
    double p = n->config->dropout;
    const sc_key *key = n->dropout;
    for (int e = 0; key && e < h.c * h.h * h.w; e++) {
        uint32_t block[4], seed[2] = {(uint32_t)key->seed, (uint32_t)(key->seed >> 32)};
        uint32_t counter[4] = {(uint32_t)e / 4, (uint32_t)SC_DRAW_DROPOUT << 20 | n->step,
                               key->slice * 4096 + (uint32_t)m, key->sample};
        sc_philox(block, counter, seed);
        h.v[e % h.c * h.h * h.w + e / h.c] *= block[e % 4] < p * 4294967296. ? 0 : 1 / (1 - p);
    }
}

static inline naive_image naive_block(naive_net *n, naive_image x, int out, int direction)
{
    const sc_network_config *c = n->config;
    int m = n->module++, in = x.c;
    double dense[1024];
    naive_image h = naive_normed(n, x, m, "GroupNorm_0.", 1);
    if (direction) {
        h = naive_keep(n, naive_resample(h, direction < 0, c));
        x = naive_keep(n, naive_resample(x, direction < 0, c));
    }
    h = naive_conv_of(n, h, m, "Conv_0.", out, 3);
    double time[8192];
    for (int i = 0; i < 4 * c->nf; i++)
        time[i] = naive_act(n->time[i], c->nonlinearity);
    naive_linear(dense, time, naive_theta(n, m, "Dense_0.weight"),
                 naive_theta(n, m, "Dense_0.bias"), 4 * c->nf, out, 0);
    for (int i = 0; i < out * h.h * h.w && c->conditional; i++)
        h.v[i] += dense[i / (h.h * h.w)];
    h = naive_normed(n, h, m, "GroupNorm_1.", 1);
    naive_drop(n, h, m);
    h = naive_conv_of(n, h, m, "Conv_1.", out, 3);
    if (c->resblock_biggan && (in != out || direction))
        x = naive_conv_of(n, x, m, "Conv_2.", out, 1);
    else if (in != out)
        x = naive_nin_of(n, x, m, "NIN_0.", out);
    return naive_keep(n, naive_residual(x, h, c->skip_rescale));
}

static inline naive_image naive_attend(naive_net *n, naive_image x)
{
    int m = n->module++;
    naive_image h = naive_normed(n, x, m, "GroupNorm_0.", 0);
    naive_image q = naive_nin_of(n, h, m, "NIN_0.", x.c), k = naive_nin_of(n, h, m, "NIN_1.", x.c);
    h = naive_keep(n, naive_attention(q, k, naive_nin_of(n, h, m, "NIN_2.", x.c)));
    h = naive_nin_of(n, h, m, "NIN_3.", x.c);
    return naive_keep(n, naive_residual(x, h, n->config->skip_rescale));
}

/* Downsample and Upsample with a convolution: module m. */
static inline naive_image naive_resample_conv(naive_net *n, naive_image x, int m, int out,
                                              int direction)
{
    const sc_network_config *c = n->config;
    const char *prefix = c->fir ? "Conv2d_0." : "Conv_0.";
    const double *W = naive_weight(n, m, prefix, "weight"), *b = naive_weight(n, m, prefix, "bias");
    if (c->fir)
        return naive_keep(n, direction > 0 ? naive_fir_conv_down(x, W, b, out, c)
                                           : naive_fir_conv_up(x, W, b, out, c));
    if (direction > 0)
        return naive_keep(n, naive_conv(x, W, b, out, 3, 2, 0, 1));
    x = naive_keep(n, naive_plain_resample(x, 1));
    return naive_keep(n, naive_conv(x, W, b, out, 3, 1, 1, 1));
}

static inline naive_image naive_change(naive_net *n, naive_image x, int direction)
{
    if (n->config->resblock_biggan)
        return naive_block(n, x, x.c, direction);
    int m = n->module++;
    return n->config->resamp_with_conv ? naive_resample_conv(n, x, m, x.c, direction)
                                       : naive_keep(n, naive_resample(x, direction < 0, n->config));
}

static inline void naive_time(naive_net *n, double label)
{
    const sc_network_config *c = n->config;
    int nf = c->nf, fourier = c->embedding_fourier, width = fourier ? 2 * nf : nf;
    double e[2048], hidden[8192];
    const double *W = fourier ? naive_theta(n, n->module++, "W") : NULL;
    if (!c->conditional)
        return;
    naive_embedding(e, label, fourier, W, width);
    naive_linear(hidden, e, naive_theta(n, n->module, "weight"), naive_theta(n, n->module, "bias"),
                 width, 4 * nf, 0);
    n->module++;
    for (int i = 0; i < 4 * nf; i++)
        hidden[i] = naive_act(hidden[i], c->nonlinearity);
    naive_linear(n->time, hidden, naive_theta(n, n->module, "weight"),
                 naive_theta(n, n->module, "bias"), 4 * nf, 4 * nf, 0);
    n->module++;
}

/* The input pyramid meets h. */
static inline naive_image naive_pyramid_in(naive_net *n, naive_image *pyramid, naive_image h)
{
    const sc_network_config *c = n->config;
    if (c->progressive_input == SC_PYRAMID_NONE)
        return h;
    int m = n->module++;
    if (c->progressive_input == SC_PYRAMID_RESIDUAL) {
        *pyramid = naive_resample_conv(n, *pyramid, m, h.c, 1);
        return *pyramid = naive_keep(n, naive_residual(*pyramid, h, c->skip_rescale));
    }
    *pyramid = naive_keep(n, naive_resample(*pyramid, 0, c));
    naive_image p = naive_conv_of(n, *pyramid, m, "Conv_0.", h.c, 1);
    return naive_keep(n, c->progressive_combine == SC_COMBINE_CAT ? naive_concat(p, h)
                                                                  : naive_residual(p, h, 0));
}

/* act(norm(h)) and a convolution: two modules. */
static inline naive_image naive_head(naive_net *n, naive_image h, int out)
{
    h = naive_normed(n, h, n->module++, "", 1);
    return naive_conv_of(n, h, n->module++, "", out, 3);
}

static inline naive_image naive_pyramid_out(naive_net *n, naive_image *pyramid, naive_image h,
                                            int coarsest)
{
    const sc_network_config *c = n->config;
    int residual = c->progressive == SC_PYRAMID_RESIDUAL;
    if (c->progressive == SC_PYRAMID_NONE)
        return h;
    if (residual && !coarsest) {
        *pyramid = naive_resample_conv(n, *pyramid, n->module++, h.c, -1);
        return *pyramid = naive_keep(n, naive_residual(*pyramid, h, c->skip_rescale));
    }
    naive_image head = naive_head(n, h, residual ? h.c : c->channels);
    if (!coarsest)
        head =
            naive_keep(n, naive_residual(naive_keep(n, naive_resample(*pyramid, 1, c)), head, 0));
    *pyramid = head;
    return h;
}

static inline naive_image naive_down(naive_net *n, naive_image x, naive_image *skip, int *skips)
{
    const sc_network_config *c = n->config;
    naive_image h, pyramid = x;
    skip[(*skips)++] = naive_conv_of(n, x, n->module++, "", c->nf, 3);
    for (int level = 0; level < c->levels; level++) {
        for (int i = 0; i < c->num_res_blocks; i++) {
            h = naive_block(n, skip[*skips - 1], c->nf * c->ch_mult[level], 0);
            skip[(*skips)++] = c->attention[level] ? naive_attend(n, h) : h;
        }
        if (level + 1 < c->levels) {
            h = naive_change(n, skip[*skips - 1], 1);
            skip[(*skips)++] = naive_pyramid_in(n, &pyramid, h);
        }
    }
    return skip[*skips - 1];
}

/* F(x, label), before any division by sigma */
static inline naive_image naive_forward(naive_net *n, naive_image x, double label)
{
    const sc_network_config *c = n->config;
    naive_image skip[256], h, pyramid = {0};
    int skips = 0;
    naive_time(n, label);
    h = naive_down(n, x, skip, &skips);
    h = naive_block(n, h, h.c, 0);
    h = c->attention_middle ? naive_attend(n, h) : h;
    h = naive_block(n, h, h.c, 0);
    for (int level = c->levels - 1; level >= 0; level--) {
        for (int i = 0; i <= c->num_res_blocks; i++)
            h = naive_block(n, naive_keep(n, naive_concat(h, skip[--skips])),
                            c->nf * c->ch_mult[level], 0);
        h = c->attention[level] ? naive_attend(n, h) : h;
        h = naive_pyramid_out(n, &pyramid, h, level == c->levels - 1);
        h = level ? naive_change(n, h, -1) : h;
    }
    return c->progressive == SC_PYRAMID_SKIP ? pyramid : naive_head(n, h, c->channels);
}

/* result (h, w, channels) = skip x + out F(in x, label), what the coefficients say */
static inline void naive_evaluate(naive_net *n, double *result, const double *x, int h, int w,
                                  double in, double label, double skip, double out)
{
    const sc_network_config *c = n->config;
    naive_image u = naive_keep(n, naive_new(c->channels, h, w));
    for (int k = 0; k < c->channels; k++)
        for (int p = 0; p < h * w; p++)
            u.v[k * h * w + p] = (c->centred ? 1 : 2) * in * x[p * c->channels + k] -
                                 (c->centred ? 0 : 1);
    naive_image f = naive_forward(n, u, label);
    for (int k = 0; k < c->channels; k++)
        for (int p = 0; p < h * w; p++)
            result[p * c->channels + k] = skip * x[p * c->channels + k] + out * f.v[k * h * w + p];
    for (int i = 0; i < n->count; i++)
        free(n->made[i]);
    n->count = n->module = 0;
}

/* D (h, w, channels) of one image, by the published formulas of each parametrisation whose labels
 * are continuous. */
static inline void naive_denoise_dropped(double *d, const double *x, double sigma, int h, int w,
                                         const sc_network *network, const double *theta,
                                         const sc_key *dropout, uint32_t step)
{
    const sc_network_config *c = sc_network_configuration(network);
    naive_net n = {.network = network, .theta = theta, .config = c, .dropout = dropout,
                   .step = step};
    double s = c->sigma_data, norm = sqrt(sigma * sigma + s * s);
    double in = 1, skip = 1, out = c->scale_by_sigma ? sigma : sigma * sigma;
    double label = c->embedding_fourier ? log(sigma) : sigma;
    if (c->precondition_edm) {
        in = 1 / norm, skip = s * s / (norm * norm), out = sigma * s / norm, label = log(sigma) / 4;
    } else if (c->sde.kind == SC_SDE_VP) { /* log-snr as a function of time */
        double bd = 19.9, bm = .1;
        label = 999 * (sqrt(bm * bm + 2 * bd * log(1 + sigma * sigma)) - bm) / bd;
        in = 1 / sqrt(1 + sigma * sigma), out = -sigma;
    }
    naive_evaluate(&n, d, x, h, w, in, label, skip, out);
}

static inline void naive_denoise(double *d, const double *x, double sigma, int h, int w,
                                 const sc_network *network, const double *theta)
{
    naive_denoise_dropped(d, x, sigma, h, w, network, theta, NULL, 0);
}

#endif
