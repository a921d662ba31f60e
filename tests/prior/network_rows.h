/* Small networks of every kind on two rows of the kernel table: output, gradient of the image and
 * of all parameters. Rows add in different orders: relative 1e-5 of each result's norm, as against
 * the naive twin. Include after cmocka.h. */
#ifndef NETWORK_ROWS_H
#define NETWORK_ROWS_H

#include "network_fixture.h"

#define NETWORK_ROWS 12

/* Configuration `i` of NETWORK_ROWS. */
static inline sc_network_config network_of_row(int i, const char **name)
{
    static const char *const names[NETWORK_ROWS] = {
        "EDM, DDPM blocks", "EDM, BigGAN blocks", "BigGAN, FIR, residual input",
        "DDPM blocks, FIR, resampling with convolution", "DDPM blocks, resampling with convolution",
        "output and input skips, FIR", "input skips concatenated", "residual output",
        "attention in the first level", "published VE", "published VP, positional, elu",
        "dropout, leaky"};
    sc_network_config c = tiny();
    *name = names[i];
    c.fir = i == 2 || i == 3 || i == 5;
    c.resblock_biggan = i == 1 || i == 2 || i == 5 || i == 6;
    c.resamp_with_conv = i == 3 || i == 4;
    c.skip_rescale = i != 4;
    c.progressive = i == 5 ? SC_PYRAMID_SKIP : i == 7 ? SC_PYRAMID_RESIDUAL : SC_PYRAMID_NONE;
    c.progressive_input = i == 2               ? SC_PYRAMID_RESIDUAL
                          : i == 5 || i == 6 ? SC_PYRAMID_SKIP
                                               : SC_PYRAMID_NONE;
    c.progressive_combine = i == 6 ? SC_COMBINE_CAT : SC_COMBINE_SUM;
    c.attention[0] = i == 8;
    c.attention_middle = i != 7;
    c.precondition_edm = i != 9 && i != 10;
    c.embedding_fourier = c.continuous = i != 10;
    c.scale_by_sigma = i == 9;
    if (i == 10) {
        c.sde.kind = SC_SDE_VP;
        c.continuous = 1;
        c.centred = 0;
        c.nonlinearity = SC_ACTIVATION_ELU;
    }
    if (i == 11) {
        c.dropout = .3;
        c.nonlinearity = SC_ACTIVATION_LRELU;
    }
    c.channels = i % 2 ? 1 : 2;
    return c;
}

typedef struct {
    float *d, *gx, *gtheta;
} network_result;

/* What one row makes of it; with_backward 0: no gradients, and the memory plan of evaluation. */
static inline network_result evaluate_row(const sc_device *device, const sc_network *network,
                                          const float *theta, int n, int h, int w,
                                          int with_backward)
{
    const sc_network_config *c = sc_network_configuration(network);
    int64_t size = (int64_t)n * h * w * c->channels, count = sc_network_parameter_count(network);
    network_result r = {calloc((size_t)size, 4), calloc((size_t)size, 4), calloc((size_t)count, 4)};
    float *x = calloc((size_t)size, sizeof *x), *g = calloc((size_t)size, sizeof *g);
    const double sigma[4] = {.3, .9, 1.7, .05};
    sc_key key = dropout_key(0);
    sc_run *run;
    sc_random_normal(x, size, (sc_key){.seed = 21}, SC_DRAW_TEST, 0);
    sc_random_normal(g, size, (sc_key){.seed = 22}, SC_DRAW_TEST, 0);
    GOOD(sc_run_create(&run, network, device, n, h, w, with_backward));
    GOOD(sc_run_set_theta(run, theta));
    if (c->dropout > 0)
        sc_run_set_dropout(run, &key, DROPOUT_STEP);
    for (int time = 0; time < 3; time++) /* issued, recorded, replayed; nothing may be left over */
        if (sc_run_denoise(run, r.d, x, sigma) != SC_OK)
            fail_msg("%s", sc_message());
    if (with_backward)
        GOOD(sc_run_backward(run, r.gtheta, r.gx, g));
    sc_run_free(run);
    free(x), free(g);
    return r;
}

static inline void close_rows(float *x, float *y, int64_t n, const char *name, const char *what)
{
    double error = 0, norm = 0;
    for (int64_t i = 0; i < n; i++) {
        error += ((double)x[i] - y[i]) * ((double)x[i] - y[i]);
        norm += (double)y[i] * y[i];
    }
    if (!(sqrt(error) <= 1e-5 * sqrt(norm)))
        fail_msg("%s: %s: relative difference %g", name, what, sqrt(error / norm));
    free(x), free(y);
}

static inline void compare_network(const sc_device *cpu, const sc_device *other, int i,
                                   int with_backward)
{
    const char *name;
    const int n = 2, h = 8, w = 12;
    sc_network_config c = network_of_row(i, &name);
    sc_network *network;
    if (sc_network_create(&network, &c) != SC_OK)
        fail_msg("%s: %s", name, sc_message());
    int64_t count = sc_network_parameter_count(network), size = (int64_t)n * h * w * c.channels;
    float *theta = calloc((size_t)count, sizeof *theta);
    lively_theta(theta, network);
    network_result a = evaluate_row(cpu, network, theta, n, h, w, with_backward);
    network_result b = evaluate_row(other, network, theta, n, h, w, with_backward);
    close_rows(b.d, a.d, size, name, "output");
    close_rows(b.gx, a.gx, size, name, "gradient of the image");
    close_rows(b.gtheta, a.gtheta, count, name, "gradient of the parameters");
    sc_network_free(network);
    free(theta);
}

#endif
