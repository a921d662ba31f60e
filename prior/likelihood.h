/* How likely an image is under a prior, exactly but for the solver's tolerance and the probes'
 * noise (Song et al. 2021, section 4.3 and appendix D.2). With the probability flow from the least
 * time (1e-5) to 1 and its latent z,
 *
 *     log p(x) = log p_1(z) + integral of the flow's divergence,
 *     bits per dimension = -log p(x) / (D ln 2) + offset,
 *
 * D numbers in the image, p_1 the SDE's last level. The offset counts an image in 256 steps of
 * its range as published: log2(256 / range), 8 for values from 0 to 1, 7 for -1 to 1.
 *
 * Each probe estimates the divergence without bias on a trajectory of its own; the result is
 * their mean, with its standard error.
 */
#ifndef SC_PRIOR_LIKELIHOOD_H
#define SC_PRIOR_LIKELIHOOD_H

#include "base/option.h"
#include "prior/flow.h"

typedef struct {
    double log_density, error;      /* nats; error: standard error, NAN with one probe */
    double bits, bits_error;        /* per dimension */
    int probes, evaluations, steps; /* in all probes together */
} sc_likelihood;

/* probes, probe (rademacher or gaussian), rtol, atol. */
extern const sc_option sc_likelihood_options[];

/* The published offset of a prior's images: 7 for complex ones and for a prior of values from -1 to
 * 1, 8 for others. */
double sc_likelihood_offset(const sc_score *score);

/* x (h, w, channels); latent: of the first probe's trajectory, may be NULL. Probe i is drawn from
 * (seed, slice, i): key.sample plays no part. Errors as of sc_flow_encode_traced. */
sc_status sc_likelihood_find(sc_likelihood *result, float *latent, const sc_score *score,
                             const float *x, int h, int w, const sc_options *options, double offset,
                             sc_key key, const sc_progress *progress);

#endif
