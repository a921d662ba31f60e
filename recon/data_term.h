/* The likelihood of measured data y given the image x, through a = A x, datum by datum:
 *
 *     gaussian      y ~ N(a, sigma^2) per real component
 *     poisson       y ~ Poisson(scale a + background)              emission: counts linear in a
 *     transmission  y ~ Poisson(scale exp(-a) + background)        X-rays: a line integral
 *     magnitude     y = |a + n|, n complex, sigma per component    Rice 1945
 *
 * Values leave out what depends on y alone; gradients are those of the real components of a.
 * Counts: the Poisson likelihood has slopes without bound where a count is all but impossible (an
 * expectation near 0, or far above the count). There its logarithm goes on as a straight line, from
 * where the expectation is below y / (1 + 10 / sqrt(y)) (poisson) or above y + 10 sqrt(y)
 * (transmission): ten standard deviations away. A count of 0 does not tell a negative expectation
 * from zero.
 */
#ifndef SC_RECON_DATA_TERM_H
#define SC_RECON_DATA_TERM_H

#include "operators/operator.h"

typedef enum {
    SC_DATA_GAUSSIAN,
    SC_DATA_POISSON,
    SC_DATA_TRANSMISSION,
    SC_DATA_MAGNITUDE
} sc_data_law;

typedef struct {
    sc_data_law law;
    const sc_op *A; /* borrowed; real range for counts */
    const float
        *y;       /* device, borrowed: as A's range (gaussian), else one number per element of it */
    double sigma; /* gaussian, magnitude */
    double scale, background; /* counts: per unit of exp(-a) or a, and what comes without it */
    /* Optional, host, borrowed, one per element: instead of `scale` and `background`. A scale of 0:
     * a dead detector. */
    const float *scales, *backgrounds;
    int64_t measured; /* elements that count in the residual; 0: all */
} sc_data_term;

/* Evaluation of one term; to be used by one thread. */
typedef struct sc_data_eval sc_data_eval;

/* *eval is NULL on failure. SC_ERR_INPUT: a count or magnitude that is negative or not finite, a
 * negative scale or background. */
sc_status sc_data_eval_create(sc_data_eval **eval, const sc_data_term *term);
void sc_data_eval_free(sc_data_eval *eval); /* NULL is fine */

/* *value = log p(y | a), g = its gradient with respect to a. a, g: device, floats of A's range; g
 * may be a. Either result may be NULL. */
sc_status sc_data_eval_at(sc_data_eval *eval, double *value, float *g, const float *a);

/* Whether the information is 1 / sigma^2 everywhere. */
bool sc_data_eval_uniform(const sc_data_eval *eval);

/* root (device, floats of A's range) = square root of the information, of a Gaussian that is about
 * as narrow as the likelihood in the region between a and what the data alone say: for counts
 * Fisher's, at the middle of both and half a count more. It bounds the curvature of gaussian and
 * magnitude. */
sc_status sc_data_eval_root(sc_data_eval *eval, float *root, const float *a);

/* a (device, floats of A's range) = what the data alone say; a magnitude gets phase 0. */
sc_status sc_data_eval_best(sc_data_eval *eval, float *a);

/* Deviance 2 (log p(y | best) - log p(y | a)) per measured real number: about 1 when a explains the
 * data. */
sc_status sc_data_eval_residual(sc_data_eval *eval, double *residual, const float *a);

/* log(I0(z) exp(-z)) and I1(z) / I0(z) for z >= 0, modified Bessel functions, to 1e-12. */
double sc_log_bessel_i0e(double z);
double sc_bessel_ratio(double z);

#endif
