/* Images drawn from the prior alone, to look at what it has learned. Any prior, any SDE:
 *
 * sc_prior_sample: the deterministic second-order sampler of Karras et al. 2022 (algorithm 1,
 *     REFERENCE 1.4) in x0 + sigma z, from the largest noise level of the SDE to its smallest, the
 *     one good choice where few evaluations are wanted.
 * sc_prior_sample_pc: the published predictor-corrector samplers (Song et al. 2021, algorithm 1) in
 *     the SDE's own x: at each of N times, corrector steps, then one predictor step, both given the
 *     score s = (mean D(x / mean, std / mean) - x) / std^2; the last mean is the image.
 */
#ifndef SC_PRIOR_SAMPLE_H
#define SC_PRIOR_SAMPLE_H

#include "base/option.h"
#include "base/progress.h"
#include "base/random.h"
#include "prior/reverse_step.h"
#include "prior/score.h"

#define SC_SAMPLE_RHO 7

/* Times below are not sampled: 1e-5 for VE, 1e-3 for VP and sub-VP, as published. */
double sc_sample_time_min(const sc_sde *sde);

/* sigma (steps + 1): falling from the largest std / mean to the smallest with exponent
 * SC_SAMPLE_RHO, then 0. */
void sc_sample_levels(double *sigma, const sc_sde *sde, int steps);

/* x (h, w, channels) of the score, from noise of `key`; 2 steps - 1 evaluations. Progress counts
 * evaluated levels. */
sc_status sc_prior_sample(float *x, const sc_score *score, int h, int w, int steps, sc_key key,
                          const sc_progress *progress);

typedef struct {
    sc_predictor predictor;
    int steps;           /* N: levels of the SDE's tables, and times */
    sc_corrector corrector;
    int corrector_steps; /* at each time; 0: none */
    double snr;
    bool flow; /* probability flow: no noise */
} sc_pc_plan;

/* The same with steps (corrector_steps + 1) evaluations; norms of the corrector are the image's
 * own. SC_ERR_UNSUPPORTED: ancestral with sub-VP or with flow; SC_ERR_USAGE: VP or sub-VP with
 * steps of at most beta_max; SC_ERR_NUMERIC: it diverged. */
sc_status sc_prior_sample_pc(float *x, const sc_score *score, int h, int w, const sc_pc_plan *plan,
                             sc_key key, const sc_progress *progress);

/* Both behind one table of options: sampler, steps (0: 32, or 1000 of the published ones),
 * corrector, corrector-steps, snr. */
extern const sc_option sc_sample_options[];
sc_status sc_prior_sample_by(float *x, const sc_score *score, int h, int w,
                             const sc_options *options, sc_key key, const sc_progress *progress);

#endif
