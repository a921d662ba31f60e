/* Class-conditional sampling (Song et al. 2021, section 5): a classifier p_t(c | x) of noisy images
 * turns a prior's score into that of one class,
 *     s(x, t | c) = s(x, t) + guidance grad_x log p_t(c | x),
 * exactly so with guidance 1 and the posterior probabilities of the classes. As a denoiser of
 * x0 + sigma z:
 *     D(x, sigma | c) = D(x, sigma) + guidance sigma^2 grad_x log p(c | x, sigma).
 */
#ifndef SC_PRIOR_CLASSIFIER_H
#define SC_PRIOR_CLASSIFIER_H

#include "prior/score.h"

typedef struct sc_classifier sc_classifier;
struct sc_classifier {
    int channels, classes;
    const char *const *class_name; /* (classes) */
    /* log_p (n, classes) of x (n, h, w, channels) = x0 + sigma z, host memory, one sigma an image;
     * g, unless NULL: the gradient of log_p of class `c` with respect to x. Thread-safe. */
    sc_status (*evaluate)(const sc_classifier *self, double *log_p, float *g, int c, const float *x,
                          const double *sigma, int n, int h, int w);
    void (*destroy)(sc_classifier *self);
    void *impl;
    char hash[65]; /* SHA-256 of its file, "" if none */
};

/* A network with `classes` (prior/network/network.h) of a weights file, on a CPU. It sees images
 * reduced to half their size by means of 2 x 2 pixels, whose noise is sigma / 2; log p is the
 * log-softmax of the evidence's mean over all places. Each image is evaluated alone. Rows and
 * columns beyond a multiple of 2^levels at the end are not seen. SC_ERR_INPUT: an image below it. */
sc_status sc_classifier_load(sc_classifier **classifier, const char *path, int threads);
void sc_classifier_free(sc_classifier *classifier); /* NULL is fine */

/* Index of a class; SC_ERR_USAGE names those that there are. */
sc_status sc_classifier_find(int *c, const sc_classifier *classifier, const char *name);

/* The prior of class c; both are borrowed and must outlive it. SC_ERR_INPUT: other channels. It has
 * no derivative. */
sc_status sc_score_guide(sc_score **guided, const sc_score *score, const sc_classifier *classifier,
                         int c, double guidance);

/* ---- for whoever trains one ---- */

#define SC_CLASSIFIER_REDUCE 2

/* small (h / 2, w / 2, channels): means of 2 x 2 pixels; and its transpose, from a gradient */
void sc_classifier_reduce(float *small, const float *x, int h, int w, int channels);
void sc_classifier_spread(float *g, const float *small, int h, int w, int channels);
/* log_p (classes) from the evidence (places, classes), which becomes the gradient of log_p of c
 * with respect to it; c < 0: it stays */
void sc_classifier_log_p(double *log_p, float *evidence, int64_t places, int classes, int c);

#endif
