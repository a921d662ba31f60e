/* The pieces of a graph: what graph.c writes networks with. A function with `into` writes a tensor
 * that exists; the others make one and return it. Parameters are named by the index of their
 * module in the published list and the name inside it; functions return the first of a pair.
 */
#ifndef SC_PRIOR_BUILD_INTERNAL_H
#define SC_PRIOR_BUILD_INTERNAL_H

#include "prior/network/network_internal.h"

#define SC_SKIPS_MAX 1024

typedef struct {
    sc_network *net;
    sc_status status;
    int module; /* index of the next one */
    int time;   /* tensor of the time embedding, SC_NONE if the network is not conditional */
    int skip[SC_SKIPS_MAX], skips;
    int pyramid; /* tensor of the input's, then of the output's pyramid */
    int channels[8];
    float residual; /* scale of residual sums */
} sc_builder;

int sc_build_tensor(sc_builder *b, int level, int channels);
int sc_build_channels(const sc_builder *b, int tensor); /* 0 for SC_NONE */
int sc_build_level(const sc_builder *b, int tensor);
/* The tensor is what the published module computes: "all_modules.<module><inner>". */
void sc_build_name(sc_builder *b, int tensor, int module, const char *inner);

int sc_build_fourier_parameters(sc_builder *b, int module, int count);
int sc_build_conv_parameters(sc_builder *b, int module, const char *prefix, int in, int out,
                             int kernel, double initial);
int sc_build_nin_parameters(sc_builder *b, int module, const char *prefix, int in, int out,
                            double initial);
int sc_build_linear_parameters(sc_builder *b, int module, const char *prefix, int in, int out);
int sc_build_norm_parameters(sc_builder *b, int module, const char *prefix, int channels);

/* label (n, 1) to (n, width); p the frequencies, SC_NONE for a positional one */
int sc_build_embed(sc_builder *b, int label, int width, int p);
/* W act(x) + bias, or without act */
int sc_build_linear(sc_builder *b, int x, int p, int active);
/* act(norm([x0, x1] + shift)), or without act; x1 and shift may be SC_NONE */
int sc_build_norm(sc_builder *b, int x0, int x1, int shift, int p, int active);
/* y (+)= scale (W x + bias), zero padding that keeps the size; a parameter of rank 2 is a NIN */
void sc_build_conv_into(sc_builder *b, int y, int x, int p, float scale, int accumulate);
int sc_build_conv(sc_builder *b, int x, int p);
/* y = scale W [x0, x1], or scale x0 when p is SC_NONE */
void sc_build_shortcut_into(sc_builder *b, int y, int x0, int x1, int p, float scale);
void sc_build_scale_into(sc_builder *b, int y, int x, float scale, int accumulate);
int sc_build_attention(sc_builder *b, const int qkv[3]);
int sc_build_concat(sc_builder *b, int x0, int x1);
void sc_build_dropout(sc_builder *b, int x, int module); /* in place */

/* direction 1: half the size, one level down; -1: twice the size */
int sc_build_resample(sc_builder *b, int x, int direction);
/* y = scale (W x + bias) at the other size. down: FIR and stride 2, or stride 2 with padding to
 * the right and below only; up: FIR or nearest, then the convolution. */
void sc_build_resample_conv_into(sc_builder *b, int y, int x, int p, int direction, float scale);

#endif
