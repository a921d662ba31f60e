/* Measured or guessed: the posterior's variance over the prior's, voxel by voxel.
 *
 *     share(p) = sum_W sum_k |x_k - mean|^2 / (N - 1)  /  sum_W V,    W: 7 x 7 pixels, window.h
 *
 * near 0: the data decide this voxel; near 1: they add nothing to what the prior would have said.
 *
 * What the prior would have said needs a place to say it from: an unconditional prior allows every
 * head in every position, and against that all is measured. So V is the prior's variance for
 * somebody who has seen the image at noise s = 0.5 (half of an image's bright end; where the
 * sampler `pula` begins), by Tweedie's second moment
 *
 *     V(p) = s^2 (J_re,re + J_im,im)(p),   J = dD(x, s)/dx  at  x = mean + s z.
 *
 * For a prior N(m, C) that is the diagonal of s^2 C (C + s^2)^-1 exactly, whatever x, and so of C
 * for large s. J's diagonal comes from differences of D along probes: random phases on every fourth
 * pixel, and the same times i, so 2 * 16 + 1 evaluations of the score; pixels further apart than
 * four are taken to be independent, and where they are not, the random phases make that noise and
 * not bias.
 */
#ifndef SC_RECON_PRIOR_SHARE_H
#define SC_RECON_PRIOR_SHARE_H

#include "recon/problem.h"

#define SC_PRIOR_LEVEL 0.5

enum { SC_PRIOR_SHARE_EVALUATIONS = 33 };

/* V, f32 (y, x), summed over the sets of image c32 (set, y, x), before any window. *evaluations
 * grows by what was spent. Draws SC_DRAW_PROBE of key. *variance is empty on entry and on failure.
 */
sc_status sc_prior_variance(sc_array *variance, int64_t *evaluations, const sc_score *score,
                            const sc_array *image, double s, sc_key key,
                            const sc_progress *progress);

/* share, f32 (y, x), NaN outside the support; the estimate has two samples or more. estimate's
 * count of evaluations grows. *share is empty on entry and on failure. */
sc_status sc_prior_share(sc_array *share, sc_estimate *estimate, const sc_problem *problem,
                         const sc_score *score, sc_key key, const sc_progress *progress);

#endif
