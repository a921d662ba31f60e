/* The losses that train a score, with their gradient, on a given batch: nothing here is random.
 * R = mean over the values of an image, or half their sum (`sum`); a loss is the mean over a batch.
 *
 *   denoiser  lambda(sigma) mean |D(x0 + sigma z, sigma) - x0|^2, lambda of training.h; ours
 *   score     x = mean(t) x0 + std(t) z: R (std s(x, t) + z)^2,   weight std^2 (Song et al. 2021)
 *             likelihood weighting:    g(t)^2 R (s(x, t) + z / std)^2  (Song, Durkan et al. 2021)
 *   smld      x = x0 + sigma_j z:      sigma_j^2 R (F(x, j) + z / sigma_j)^2, j = 0 the largest
 *   ddpm      x = sqrt(abar_j) x0 + sqrt(1 - abar_j) z:  R (F(x, j) - z)^2
 *
 * F is the network's output for a label, s the score (REFERENCE 1.2; scores of published networks
 * by the table there). The discrete losses know VE (smld) and VP (ddpm) only, and no likelihood
 * weighting: both as published.
 */
#ifndef SC_PRIOR_TRAINING_LOSS_H
#define SC_PRIOR_TRAINING_LOSS_H

#include "prior/network/network.h"
#include "prior/sde.h"
#include <stdbool.h>

typedef enum { SC_LOSS_DENOISER, SC_LOSS_SCORE, SC_LOSS_SMLD, SC_LOSS_DDPM } sc_loss_kind;

#define SC_LOSS_TIME_MIN 1e-5 /* training draws t from there to 1 */

typedef struct {
    sc_loss_kind kind;
    sc_sde sde;      /* denoiser: VE, whose range is that of sigma */
    int levels;      /* N of smld and ddpm */
    bool sum;        /* R is half the sum instead of the mean */
    bool likelihood; /* weight g^2 instead of std^2 */
} sc_loss;

/* One line on what does not go together: loss with SDE, weighting, or the network to be trained. */
sc_status sc_loss_check(const sc_loss *loss, const sc_network_config *config);

typedef struct {
    int n, h, w;
    const float *x0;    /* (n, h, w, channels) clean images, as the network expects them */
    const float *z;     /* the same shape: unit noise */
    const double *time; /* (n): score t; smld, ddpm the label j; denoiser sigma */
} sc_loss_batch;

/* The run is of this network and the batch's shape, with its weights set. *value: the loss.
 * each (n): the loss of each image; gradient (parameter count, set, 0 where frozen): of *value
 * with respect to theta, for which the run must be made with backward. Both may be NULL.
 * SC_ERR_INPUT if a time or label is out of its range. */
sc_status sc_loss_evaluate(double *value, double *each, float *gradient, const sc_loss *loss,
                           const sc_network *network, sc_run *run, const sc_loss_batch *batch);

#endif
