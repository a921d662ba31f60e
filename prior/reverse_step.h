/* Steps of the reverse process (Song et al. 2021, section 4 and appendices E to G), for VE, VP and
 * sub-VP with N levels. Score and noise z are given, so a step is a formula and nothing else:
 *
 *   reverse diffusion   m = x - f_i + G_i^2 s,           x' = m + G_i z
 *   Euler-Maruyama      m = x - (f - g^2 s) / N,         x' = m + g z / sqrt N
 *   ancestral, VE       m = x + (sigma_i^2 - sigma_{i-1}^2) s,
 *                       x' = m + sqrt(sigma_{i-1}^2 (sigma_i^2 - sigma_{i-1}^2) / sigma_i^2) z
 *   ancestral, VP       m = (x + beta_i s) / sqrt(1 - beta_i),  x' = m + sqrt(beta_i) z
 *   Langevin            m = x + e s, x' = m + sqrt(2 e) z,  e = 2 alpha_i (snr |z| / |s|)^2
 *   annealed Langevin   the same with e = 2 alpha_i (snr std(t))^2
 *
 * i = trunc(t (N - 1)); alpha_i = 1 for VE. f_i, G_i: VE 0, sqrt(sigma_i^2 - sigma_{i-1}^2) with
 * sigma_{-1} = 0; VP (sqrt(alpha_i) - 1) x, sqrt(beta_i); sub-VP f / N, g / sqrt N.
 */
#ifndef SC_PRIOR_REVERSE_STEP_H
#define SC_PRIOR_REVERSE_STEP_H

#include "prior/sde.h"
#include <stdbool.h>

typedef enum { SC_PREDICT_REVERSE, SC_PREDICT_EULER, SC_PREDICT_ANCESTRAL } sc_predictor;
typedef enum { SC_CORRECT_LANGEVIN, SC_CORRECT_ANNEALED } sc_corrector;

typedef struct {
    const sc_sde *sde;
    int levels;      /* N */
    int n;           /* images */
    int64_t count;   /* numbers in an image */
    const double *t; /* (n), in (0, 1] */
} sc_reverse_step;

/* f_i (n, count) and G_i (n) of the discretised SDE. Either may be NULL. */
void sc_reverse_discretise(double *f, double *g, const sc_reverse_step *step, const float *x);

/* next and mean (n, count) may be x; mean may be NULL; so may z: no noise, the denoising step at
 * the end. flow: the probability flow, half the score and no noise. SC_ERR_UNSUPPORTED: ancestral
 * with sub-VP or with flow. */
sc_status sc_reverse_predict(float *next, float *mean, sc_predictor predictor,
                             const sc_reverse_step *step, const float *x, const float *score,
                             const float *z, bool flow);

/* A step of any length, from t to an earlier time, both in [0, 1]: what the tables have from a
 * level to the next is here made of mean and std at both ends. VE: sigma_i, sigma_{i-1} are the
 * stds; VP: alpha_i = (mean(t) / mean(to))^2; Euler-Maruyama, and sub-VP: f and g at t, 1 / N is
 * t - to. */
typedef struct {
    const sc_sde *sde;
    double t, to;
    int64_t count; /* numbers in all images */
} sc_reverse_interval;

sc_status sc_reverse_predict_to(float *next, float *mean, sc_predictor predictor,
                                const sc_reverse_interval *interval, const float *x,
                                const float *score, const float *z, bool flow);

/* e (n), the step sizes used, may be NULL. `batch_norm`: |z| and |s| of Langevin are means over
 * the batch of the images' norms, as published, so that images influence each other; otherwise
 * each image's own. */
void sc_reverse_correct(float *next, float *mean, double *e, sc_corrector corrector,
                        const sc_reverse_step *step, double snr, bool batch_norm, const float *x,
                        const float *score, const float *z);

/* dx/dt of the probability flow: f - g^2 s / 2 (n, count). */
void sc_reverse_flow(double *drift, const sc_reverse_step *step, const float *x,
                     const float *score);

#endif
