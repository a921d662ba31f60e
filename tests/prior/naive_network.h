/* The specification of the network in double precision, layer by layer, channels first, as slow
 * as it reads. Written from the description of the published networks; shares no code with the
 * engine but the names and shapes of the parameters.
 */
#ifndef NAIVE_NETWORK_H
#define NAIVE_NETWORK_H

#include "prior/network/network.h"
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* (c, h, w) of one image */
typedef struct {
    int c, h, w;
    double *v;
} naive_image;

static inline naive_image naive_new(int c, int h, int w)
{
    return (naive_image){c, h, w, calloc((size_t)c * (size_t)h * (size_t)w, sizeof(double))};
}

static inline size_t naive_at(const naive_image *x, int c, int i, int j)
{
    return ((size_t)c * (size_t)x->h + (size_t)i) * (size_t)x->w + (size_t)j;
}

static inline double naive_get(const naive_image *x, int c, int i, int j)
{
    return i < 0 || j < 0 || i >= x->h || j >= x->w ? 0 : x->v[naive_at(x, c, i, j)];
}

/* W [out, in, k, k] */
static inline naive_image naive_conv(naive_image x, const double *W, const double *bias, int out,
                                     int k, int stride, int low, int high)
{
    naive_image y = naive_new(out, (x.h + low + high - k) / stride + 1,
                              (x.w + low + high - k) / stride + 1);
    for (int o = 0; o < out; o++)
        for (int i = 0; i < y.h; i++)
            for (int j = 0; j < y.w; j++) {
                double sum = bias[o];
                for (int c = 0; c < x.c; c++)
                    for (int a = 0; a < k; a++)
                        for (int b = 0; b < k; b++)
                            sum += W[((o * x.c + c) * k + a) * k + b] *
                                   naive_get(&x, c, stride * i + a - low, stride * j + b - low);
                y.v[naive_at(&y, o, i, j)] = sum;
            }
    return y;
}

/* W [in, out] */
static inline naive_image naive_nin(naive_image x, const double *W, const double *bias, int out)
{
    naive_image y = naive_new(out, x.h, x.w);
    for (int o = 0; o < out; o++)
        for (int p = 0; p < x.h * x.w; p++) {
            double sum = bias[o];
            for (int c = 0; c < x.c; c++)
                sum += W[c * out + o] * x.v[c * x.h * x.w + p];
            y.v[o * x.h * x.w + p] = sum;
        }
    return y;
}

static inline double naive_silu(double x) { return x / (1 + exp(-x)); }

static inline naive_image naive_norm(naive_image x, const double *weight, const double *bias,
                                     int silu)
{
    int groups = x.c / 4 < 32 ? x.c / 4 : 32, size = x.c / groups, pixels = x.h * x.w;
    naive_image y = naive_new(x.c, x.h, x.w);
    for (int g = 0; g < groups; g++) {
        const double *u = x.v + g * size * pixels;
        double mean = 0, variance = 0, count = size * pixels;
        for (int i = 0; i < size * pixels; i++)
            mean += u[i] / count;
        for (int i = 0; i < size * pixels; i++)
            variance += (u[i] - mean) * (u[i] - mean) / count;
        for (int i = 0; i < size * pixels; i++) {
            int c = g * size + i / pixels;
            double z = (u[i] - mean) / sqrt(variance + 1e-6) * weight[c] + bias[c];
            y.v[g * size * pixels + i] = silu ? naive_silu(z) : z;
        }
    }
    return y;
}

static inline naive_image naive_attention(naive_image q, naive_image k, naive_image v)
{
    int pixels = q.h * q.w;
    naive_image y = naive_new(q.c, q.h, q.w);
    double *p = malloc((size_t)pixels * sizeof *p);
    for (int i = 0; i < pixels; i++) {
        double most = -INFINITY, sum = 0;
        for (int j = 0; j < pixels; j++) {
            p[j] = 0;
            for (int c = 0; c < q.c; c++)
                p[j] += q.v[c * pixels + i] * k.v[c * pixels + j] / sqrt(q.c);
            most = p[j] > most ? p[j] : most;
        }
        for (int j = 0; j < pixels; j++)
            sum += p[j] = exp(p[j] - most);
        for (int c = 0; c < q.c; c++)
            for (int j = 0; j < pixels; j++)
                y.v[c * pixels + i] += p[j] / sum * v.v[c * pixels + j];
    }
    free(p);
    return y;
}

/* FIR by its definition: insert zeros, pad, convolve with [1,3,3,1] (sum 1, times 2 an axis on the
 * way up), keep every second sample. */
static inline double naive_fir_sample(const naive_image *x, int c, int i, int j, int up)
{
    static const double k[4] = {1. / 8, 3. / 8, 3. / 8, 1. / 8};
    double sum = 0;
    for (int a = 0; a < 4; a++)
        for (int b = 0; b < 4; b++) {
            int p = (up ? i : 2 * i) + a - (up ? 2 : 1), q = (up ? j : 2 * j) + b - (up ? 2 : 1);
            if (up && (p % 2 || q % 2))
                continue;
            sum += (up ? 4 : 1) * k[a] * k[b] * naive_get(x, c, up ? p / 2 : p, up ? q / 2 : q);
        }
    return sum;
}

static inline naive_image naive_resample(naive_image x, int up, int fir)
{
    naive_image y = up ? naive_new(x.c, 2 * x.h, 2 * x.w) : naive_new(x.c, x.h / 2, x.w / 2);
    for (int c = 0; c < y.c; c++)
        for (int i = 0; i < y.h; i++)
            for (int j = 0; j < y.w; j++) {
                double mean = 0;
                for (int a = 0; a < 4 && !up; a++)
                    mean += naive_get(&x, c, 2 * i + a / 2, 2 * j + a % 2) / 4;
                double plain = up ? naive_get(&x, c, i / 2, j / 2) : mean;
                y.v[naive_at(&y, c, i, j)] = fir ? naive_fir_sample(&x, c, i, j, up) : plain;
            }
    return y;
}

static inline naive_image naive_concat(naive_image a, naive_image b)
{
    naive_image y = naive_new(a.c + b.c, a.h, a.w);
    size_t pixels = (size_t)a.h * (size_t)a.w;
    memcpy(y.v, a.v, sizeof(double) * (size_t)a.c * pixels);
    memcpy(y.v + (size_t)a.c * pixels, b.v, sizeof(double) * (size_t)b.c * pixels);
    return y;
}

static inline naive_image naive_residual(naive_image a, naive_image b, int rescale)
{
    naive_image y = naive_new(a.c, a.h, a.w);
    assert(a.c == b.c && a.h == b.h && a.w == b.w);
    for (int i = 0; i < a.c * a.h * a.w; i++)
        y.v[i] = (a.v[i] + b.v[i]) * (rescale ? sqrt(.5) : 1);
    return y;
}

/* y (out) = W [out, in] x + bias */
static inline void naive_linear(double *y, const double *x, const double *W, const double *bias,
                                int in, int out, int silu)
{
    for (int o = 0; o < out; o++) {
        y[o] = bias[o];
        for (int j = 0; j < in; j++)
            y[o] += W[o * in + j] * (silu ? naive_silu(x[j]) : x[j]);
    }
}

static inline void naive_embedding(double *e, double label, int fourier, const double *W, int nf)
{
    int half = fourier ? nf : nf / 2;
    for (int j = 0; j < half; j++) {
        double a = fourier ? 2 * M_PI * W[j] * label : label * exp(-j * log(10000.) / (half - 1));
        e[j] = sin(a);
        e[half + j] = cos(a);
    }
}

/* The whole network; every image made is kept until the end. */
typedef struct {
    const sc_network *network;
    const double *theta;
    const sc_network_config *config;
    int module;
    double time[8192];
    double *made[4096];
    int count;
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

static inline naive_image naive_block(naive_net *n, naive_image x, int out, int direction)
{
    const sc_network_config *c = n->config;
    int m = n->module++, in = x.c;
    double dense[1024];
    naive_image h = naive_keep(n, naive_norm(x, naive_theta(n, m, "GroupNorm_0.weight"),
                                             naive_theta(n, m, "GroupNorm_0.bias"), 1));
    if (direction) {
        h = naive_keep(n, naive_resample(h, direction < 0, c->fir));
        x = naive_keep(n, naive_resample(x, direction < 0, c->fir));
    }
    h = naive_keep(n, naive_conv(h, naive_theta(n, m, "Conv_0.weight"),
                                 naive_theta(n, m, "Conv_0.bias"), out, 3, 1, 1, 1));
    naive_linear(dense, n->time, naive_theta(n, m, "Dense_0.weight"),
                 naive_theta(n, m, "Dense_0.bias"), 4 * c->nf, out, 1);
    for (int i = 0; i < out * h.h * h.w; i++)
        h.v[i] += dense[i / (h.h * h.w)];
    h = naive_keep(n, naive_norm(h, naive_theta(n, m, "GroupNorm_1.weight"),
                                 naive_theta(n, m, "GroupNorm_1.bias"), 1));
    h = naive_keep(n, naive_conv(h, naive_theta(n, m, "Conv_1.weight"),
                                 naive_theta(n, m, "Conv_1.bias"), out, 3, 1, 1, 1));
    if (c->resblock_biggan && (in != out || direction))
        x = naive_keep(n, naive_conv(x, naive_theta(n, m, "Conv_2.weight"),
                                     naive_theta(n, m, "Conv_2.bias"), out, 1, 1, 0, 0));
    else if (in != out)
        x = naive_keep(n, naive_nin(x, naive_theta(n, m, "NIN_0.W"), naive_theta(n, m, "NIN_0.b"),
                                    out));
    return naive_keep(n, naive_residual(x, h, c->skip_rescale));
}

static inline naive_image naive_attend(naive_net *n, naive_image x)
{
    int m = n->module++;
    naive_image h = naive_keep(n, naive_norm(x, naive_theta(n, m, "GroupNorm_0.weight"),
                                             naive_theta(n, m, "GroupNorm_0.bias"), 0)), qkv[3];
    for (int i = 0; i < 3; i++) {
        char W[16], b[16];
        snprintf(W, sizeof W, "NIN_%d.W", i);
        snprintf(b, sizeof b, "NIN_%d.b", i);
        qkv[i] = naive_keep(n, naive_nin(h, naive_theta(n, m, W), naive_theta(n, m, b), x.c));
    }
    h = naive_keep(n, naive_attention(qkv[0], qkv[1], qkv[2]));
    h = naive_keep(n, naive_nin(h, naive_theta(n, m, "NIN_3.W"), naive_theta(n, m, "NIN_3.b"), x.c));
    return naive_keep(n, naive_residual(x, h, n->config->skip_rescale));
}

static inline naive_image naive_change(naive_net *n, naive_image x, int direction)
{
    const sc_network_config *c = n->config;
    if (c->resblock_biggan)
        return naive_block(n, x, x.c, direction);
    int m = n->module++;
    if (!c->resamp_with_conv)
        return naive_keep(n, naive_resample(x, direction < 0, c->fir));
    const double *W = naive_theta(n, m, "Conv_0.weight"), *b = naive_theta(n, m, "Conv_0.bias");
    if (direction > 0)
        return naive_keep(n, naive_conv(x, W, b, x.c, 3, 2, 0, 1));
    x = naive_keep(n, naive_resample(x, 1, 0));
    return naive_keep(n, naive_conv(x, W, b, x.c, 3, 1, 1, 1));
}

static inline void naive_time(naive_net *n, double label)
{
    int nf = n->config->nf, fourier = n->config->embedding_fourier;
    double e[2048], hidden[8192];
    const double *W = fourier ? naive_theta(n, n->module++, "W") : NULL;
    naive_embedding(e, label, fourier, W, nf);
    naive_linear(hidden, e, naive_theta(n, n->module, "weight"), naive_theta(n, n->module, "bias"),
                 fourier ? 2 * nf : nf, 4 * nf, 0);
    n->module++;
    naive_linear(n->time, hidden, naive_theta(n, n->module, "weight"),
                 naive_theta(n, n->module, "bias"), 4 * nf, 4 * nf, 1);
    n->module++;
}

/* F(x, label) */
static inline naive_image naive_forward(naive_net *n, naive_image x, double label)
{
    const sc_network_config *c = n->config;
    naive_image skip[256], h;
    int skips = 0;
    naive_time(n, label);
    int m = n->module++;
    skip[skips++] = naive_keep(n, naive_conv(x, naive_theta(n, m, "weight"),
                                             naive_theta(n, m, "bias"), c->nf, 3, 1, 1, 1));
    for (int level = 0; level < c->levels; level++) {
        for (int i = 0; i < c->num_res_blocks; i++) {
            h = naive_block(n, skip[skips - 1], c->nf * c->ch_mult[level], 0);
            skip[skips++] = c->attention[level] ? naive_attend(n, h) : h;
        }
        if (level + 1 < c->levels) {
            h = naive_change(n, skip[skips - 1], 1);
            skip[skips++] = h;
        }
    }
    h = skip[skips - 1];
    h = naive_block(n, h, h.c, 0);
    h = c->attention_middle ? naive_attend(n, h) : h;
    h = naive_block(n, h, h.c, 0);
    for (int level = c->levels - 1; level >= 0; level--) {
        for (int i = 0; i <= c->num_res_blocks; i++)
            h = naive_block(n, naive_keep(n, naive_concat(h, skip[--skips])),
                            c->nf * c->ch_mult[level], 0);
        h = c->attention[level] ? naive_attend(n, h) : h;
        h = level ? naive_change(n, h, -1) : h;
    }
    m = n->module++;
    h = naive_keep(n, naive_norm(h, naive_theta(n, m, "weight"), naive_theta(n, m, "bias"), 1));
    m = n->module++;
    return naive_keep(n, naive_conv(h, naive_theta(n, m, "weight"), naive_theta(n, m, "bias"),
                                    c->channels, 3, 1, 1, 1));
}

/* D (h, w, channels) of one image, by the published formulas of each parametrisation. */
static inline void naive_denoise(double *d, const double *x, double sigma, int h, int w,
                                 const sc_network *network, const double *theta)
{
    const sc_network_config *c = sc_network_configuration(network);
    naive_net n = {.network = network, .theta = theta, .config = c};
    double s = c->sigma_data, norm = sqrt(sigma * sigma + s * s);
    double in = 1, skip = 1, out = sigma, label = log(sigma);
    if (c->precondition_edm) {
        in = 1 / norm, skip = s * s / (norm * norm), out = sigma * s / norm, label = log(sigma) / 4;
    } else if (!c->scale_by_sigma) { /* variance preserving: log-snr as a function of time */
        double bd = 19.9, bm = .1;
        label = 999 * (sqrt(bm * bm + 2 * bd * log(1 + sigma * sigma)) - bm) / bd;
        in = 1 / sqrt(1 + sigma * sigma), out = -sigma;
    }
    naive_image u = naive_keep(&n, naive_new(c->channels, h, w));
    for (int k = 0; k < c->channels; k++)
        for (int p = 0; p < h * w; p++)
            u.v[k * h * w + p] = (c->centred ? 1 : 2) * in * x[p * c->channels + k] -
                                 (c->centred ? 0 : 1);
    naive_image f = naive_forward(&n, u, label);
    for (int k = 0; k < c->channels; k++)
        for (int p = 0; p < h * w; p++)
            d[p * c->channels + k] = skip * x[p * c->channels + k] + out * f.v[k * h * w + p];
    for (int i = 0; i < n.count; i++)
        free(n.made[i]);
}

#endif
