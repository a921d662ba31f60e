/* The layers of the network in double precision, channels first, as slow as they read; written from
 * the description of the published networks. naive_network.h makes the whole of them.
 */
#ifndef NAIVE_LAYERS_H
#define NAIVE_LAYERS_H

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

static inline double naive_act(double x, int nonlinearity)
{
    switch (nonlinearity) {
    case SC_ACTIVATION_SWISH: return naive_silu(x);
    case SC_ACTIVATION_ELU: return x > 0 ? x : exp(x) - 1;
    case SC_ACTIVATION_RELU: return x > 0 ? x : 0;
    default: return x > 0 ? x : .2 * x;
    }
}

/* groups 0: min(c / 4, 32); act: a nonlinearity, or -1 */
static inline naive_image naive_norm_of(naive_image x, const double *weight, const double *bias,
                                        int groups, int act)
{
    groups = groups ? groups : x.c / 4 < 32 ? x.c / 4 : 32;
    int size = x.c / groups, pixels = x.h * x.w;
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
            y.v[g * size * pixels + i] = act < 0 ? z : naive_act(z, act);
        }
    }
    return y;
}

static inline naive_image naive_norm(naive_image x, const double *weight, const double *bias,
                                     int silu)
{
    return naive_norm_of(x, weight, bias, 0, silu ? SC_ACTIVATION_SWISH : -1);
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

/* upfirdn by its definition: zeros after every sample, padding, true convolution with k x k, every
 * down-th sample. */
static inline naive_image naive_upfirdn(naive_image x, const double *k, int taps, int up, int down,
                                        int pad0, int pad1)
{
    naive_image s = naive_new(x.c, up * x.h + pad0 + pad1, up * x.w + pad0 + pad1);
    for (int c = 0; c < x.c; c++)
        for (int i = 0; i < x.h; i++)
            for (int j = 0; j < x.w; j++)
                s.v[naive_at(&s, c, up * i + pad0, up * j + pad0)] = naive_get(&x, c, i, j);
    naive_image y = naive_new(x.c, (s.h - taps) / down + 1, (s.w - taps) / down + 1);
    for (int c = 0; c < y.c; c++)
        for (int i = 0; i < y.h; i++)
            for (int j = 0; j < y.w; j++)
                for (int a = 0; a < taps; a++)
                    for (int b = 0; b < taps; b++)
                        y.v[naive_at(&y, c, i, j)] +=
                            k[taps - 1 - a] * k[taps - 1 - b] *
                            naive_get(&s, c, down * i + a, down * j + b);
    free(s.v);
    return y;
}

static inline int naive_half(int p) { return p < 0 ? -((1 - p) / 2) : p / 2; } /* floor */

/* The kernel of a resampling: sum 1, or 2 an axis on the way up. */
static inline void naive_kernel(double k[SC_FIR_TAPS_MAX], const sc_network_config *c, int up)
{
    double sum = 0;
    for (int i = 0; i < c->fir_taps; i++)
        sum += c->fir_kernel[i];
    for (int i = 0; i < c->fir_taps; i++)
        k[i] = (up ? 2 : 1) * c->fir_kernel[i] / sum;
}

static inline naive_image naive_fir_resample(naive_image x, int up, const sc_network_config *c)
{
    double k[SC_FIR_TAPS_MAX];
    int p = c->fir_taps - 2;
    naive_kernel(k, c, up);
    return up ? naive_upfirdn(x, k, c->fir_taps, 2, 1, (p + 1) / 2 + 1, p / 2)
              : naive_upfirdn(x, k, c->fir_taps, 1, 2, (p + 1) / 2, p / 2);
}

static inline naive_image naive_plain_resample(naive_image x, int up)
{
    naive_image y = up ? naive_new(x.c, 2 * x.h, 2 * x.w) : naive_new(x.c, x.h / 2, x.w / 2);
    for (int c = 0; c < y.c; c++)
        for (int i = 0; i < y.h; i++)
            for (int j = 0; j < y.w; j++) {
                double mean = 0;
                for (int a = 0; a < 4 && !up; a++)
                    mean += naive_get(&x, c, 2 * i + a / 2, 2 * j + a % 2) / 4;
                y.v[naive_at(&y, c, i, j)] = up ? naive_get(&x, c, i / 2, j / 2) : mean;
            }
    return y;
}

static inline naive_image naive_resample(naive_image x, int up, const sc_network_config *c)
{
    return c->fir ? naive_fir_resample(x, up, c) : naive_plain_resample(x, up);
}

/* Fused FIR and convolution, down: FIR, then stride 2 without padding. */
static inline naive_image naive_fir_conv_down(naive_image x, const double *W, const double *bias,
                                              int out, const sc_network_config *c)
{
    double k[SC_FIR_TAPS_MAX];
    int p = c->fir_taps;
    naive_kernel(k, c, 0);
    naive_image u = naive_upfirdn(x, k, c->fir_taps, 1, 1, (p + 1) / 2, p / 2);
    naive_image y = naive_conv(u, W, bias, out, 3, 2, 0, 0);
    free(u.v);
    return y;
}

/* Fused, up: transposed convolution of stride 2 (zeros after every sample but the last, then all
 * positions where the kernel touches them: 2 n + 1), then FIR, then the bias. */
static inline naive_image naive_fir_conv_up(naive_image x, const double *W, const double *bias,
                                            int out, const sc_network_config *c)
{
    double k[SC_FIR_TAPS_MAX], *none = calloc((size_t)out, sizeof *none);
    int p = c->fir_taps - 4;
    naive_kernel(k, c, 1);
    naive_image s = naive_new(x.c, 2 * x.h - 1, 2 * x.w - 1);
    for (int ch = 0; ch < x.c; ch++)
        for (int i = 0; i < x.h; i++)
            for (int j = 0; j < x.w; j++)
                s.v[naive_at(&s, ch, 2 * i, 2 * j)] = naive_get(&x, ch, i, j);
    naive_image u = naive_conv(s, W, none, out, 3, 1, 2, 2);
    naive_image y =
        naive_upfirdn(u, k, c->fir_taps, 1, 1, naive_half(p + 1) + 1, naive_half(p) + 1);
    for (int i = 0; i < out * y.h * y.w; i++)
        y.v[i] += bias[i / (y.h * y.w)];
    free(s.v);
    free(u.v);
    free(none);
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

/* width numbers; ln of the label where that is what is embedded */
static inline void naive_embedding(double *e, double label, int fourier, const double *W, int width)
{
    int half = width / 2;
    e[width - 1] = 0;
    for (int j = 0; j < half; j++) {
        double a = fourier ? 2 * M_PI * W[j] * label : label * exp(-j * log(10000.) / (half - 1));
        e[j] = sin(a);
        e[half + j] = cos(a);
    }
}

#endif
