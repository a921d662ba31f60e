/* Images drawn from the prior alone, to look at what it has learned. Any prior, any SDE. Samplers
 * are rows of the table in sample.c:
 *
 * sample_edm.c: Heun's rule, and its stochastic form with churn (Karras et al. 2022, algorithms 1
 *     and 2); sample_dpm.c: DPM-Solver++ 2M and its SDE form (Lu et al. 2022). Both in
 *     y = x / mean = x0 + sigma z with sigma = std / mean, where VE, VP and sub-VP are one process.
 * sample_published.c: predictor-corrector (Song et al. 2021, algorithm 1) in the SDE's own x.
 * sample_ode.c: the probability flow with adaptive steps (flow.h).
 *
 * All but the last visit `steps` noise levels from the largest to the smallest; sample_grid.c says
 * which.
 */
#ifndef SC_PRIOR_SAMPLE_H
#define SC_PRIOR_SAMPLE_H

#include "base/option.h"
#include "base/progress.h"
#include "base/random.h"
#include "prior/condition.h"
#include "prior/score.h"

/* Times below are not sampled: 1e-5 for VE, 1e-3 for VP and sub-VP, as published. */
double sc_sample_time_min(const sc_sde *sde);

/* Noise of a caller's own instead of random numbers: z (n) of one image; draw and step as in
 * base/random.h. Thread-safe if samplers of one source run in parallel. */
typedef struct {
    void *self;
    void (*draw)(void *self, float *z, int64_t n, int image, uint32_t draw, uint32_t step);
} sc_sample_noise;

typedef struct {
    const sc_score *score;
    int n, h, w;                  /* images of a batch, and their size */
    sc_key key;                   /* of the first; image i has sample + i */
    const sc_sample_noise *noise; /* NULL: random numbers of the key */
    const sc_condition *condition; /* what is known of every image; NULL: nothing */
    const sc_progress *progress;  /* counts noise levels */
    int64_t *evaluations;         /* the score's, an image's each, are added; may be NULL */
} sc_sample_job;

/* sampler; steps (0: the sampler's own number); grid; corrector, corrector-steps, snr, norm;
 * churn, churn-min, churn-max, churn-noise; rtol, atol, end, denoise */
extern const sc_option sc_sample_options[];

/* What suits a condition: reverse diffusion on few levels, and many steps of the annealed corrector
 * at each, 550 evaluations. */
sc_options sc_sample_options_conditional(void);

/* x (n, h, w, channels). Where the score evaluates each image of a batch alone, an image is the
 * same bytes in any batch, unless norm is `batch`. SC_ERR_USAGE: an option that has no effect on
 * this sampler, steps of 1, or no more steps than beta_max on the published times of VP or sub-VP;
 * SC_ERR_UNSUPPORTED: ancestral with sub-VP, ode with a condition; SC_ERR_NUMERIC: it diverged. */
sc_status sc_prior_draw(float *x, const sc_sample_job *job, const sc_options *options);

/* The same for one image of `key`; sc_prior_sample: by dpm++2m, an evaluation a step. */
sc_status sc_prior_sample_by(float *x, const sc_score *score, int h, int w,
                             const sc_options *options, sc_key key, const sc_progress *progress);
sc_status sc_prior_sample(float *x, const sc_score *score, int h, int w, int steps, sc_key key,
                          const sc_progress *progress);

#endif
