/* A score model: what images look like, as s(x, t) = grad_x log p_t(x) per real component.
 *
 * The primitive is the denoiser D(x, sigma) = E[x0 | x0 + sigma z = x]; by Tweedie
 * s = (D - x) / sigma^2 (VE). Images are NHWC with `channels` real channels: a complex image
 * (y, x) is two channels and the same bytes. Implementations: network, Gaussian mixture (the test
 * prior), a caller's own function.
 */
#ifndef SC_PRIOR_SCORE_H
#define SC_PRIOR_SCORE_H

#include "base/device.h"
#include "prior/sde.h"

typedef struct sc_score sc_score;
struct sc_score {
    const char *name;
    sc_sde sde;
    int channels; /* 2: complex */
    double black; /* what 0 of an image with values from 0 to 1 is to a prior of one channel, whose 1
                   * is 1: 0, or -1 where it was trained on 2 x - 1; others 0 */
    /* D (n, h, w, channels) from x, host memory; sigma: std of the noise per real component, one
     * per image. h and w are arbitrary: an implementation pads by reflection. Thread-safe. */
    sc_status (*denoise)(const sc_score *self, float *d, const float *x, const double *sigma,
                         int n, int h, int w);
    /* The same, and g = J^T v with J the Jacobian of D with respect to x. NULL: there is none. */
    sc_status (*denoise_vjp)(const sc_score *self, float *d, float *g, const float *x,
                             const double *sigma, const float *v, int n, int h, int w);
    /* bytes of memory one call takes and its flops, for --plan */
    void (*cost)(const sc_score *self, size_t *bytes, double *flops, int n, int h, int w);
    void (*destroy)(sc_score *self);
    void *impl;
    char hash[65];       /* SHA-256 of the weights file, "" if none */
    char modality[16];   /* "MR", "CT", "" = any */
    char anatomy[32];    /* "brain", ... */
    char licence[128];
};

sc_status sc_score_denoise(const sc_score *score, float *d, const float *x, const double *sigma,
                           int n, int h, int w);
/* D, and g (n, h, w, channels): the gradient of <v, D(x, sigma)> with respect to x. d and g are not
 * x or v. SC_ERR_UNSUPPORTED for a score without it. */
sc_status sc_score_denoise_vjp(const sc_score *score, float *d, float *g, const float *x,
                               const double *sigma, const float *v, int n, int h, int w);
/* s = (D - x) / sigma^2 */
sc_status sc_score_evaluate(const sc_score *score, float *s, const float *x, const double *sigma,
                            int n, int h, int w);
void sc_score_free(sc_score *score); /* NULL is fine */

/* Network from a safetensors weights file (prior/weights.h has the format). */
sc_status sc_score_load(sc_score **score, const char *path, int threads);
/* The same on a device of the caller's, which must outlive the score. Where the device has no
 * network kernels (kernels->net is NULL): SC_ERR_UNSUPPORTED. */
sc_status sc_score_load_on(sc_score **score, const char *path, const sc_device *device);

/* Gaussian mixture over vectors of length d = h * w * channels: weight (k), mean (k, d), and
 * covariance (k, d, d). The exact score of REFERENCE.md 5.1. Inputs are copied. */
sc_status sc_score_mixture(sc_score **score, int channels, int k, int d, const double *weight,
                           const double *mean, const double *covariance);

#endif
