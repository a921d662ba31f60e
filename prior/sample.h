/* Images drawn from the prior alone: the deterministic second-order sampler of Karras et al. 2022
 * (algorithm 1, REFERENCE 1.4), from noise of sigma_max to the prior's sigma_min. Good for looking
 * at what a prior has learned.
 */
#ifndef SC_PRIOR_SAMPLE_H
#define SC_PRIOR_SAMPLE_H

#include "base/progress.h"
#include "base/random.h"
#include "prior/score.h"

#define SC_SAMPLE_RHO 7

/* sigma (steps + 1): falling from sigma_max to sigma_min with exponent SC_SAMPLE_RHO, then 0. */
void sc_sample_levels(double *sigma, const sc_sde *sde, int steps);

/* x (h, w, channels) of the score, from noise of `key`; 2 steps - 1 evaluations. VE only
 * (SC_ERR_UNSUPPORTED). Progress counts evaluated levels. */
sc_status sc_prior_sample(float *x, const sc_score *score, int h, int w, int steps, sc_key key,
                          const sc_progress *progress);

#endif
