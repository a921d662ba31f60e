/* A prior of one channel as a prior of complex images: its denoiser on the real and on the
 * imaginary part, each as if it were an image of its own (score-MRI: Chung and Ye 2022,
 * "Score-based diffusion models for accelerated MRI", Medical Image Analysis 80).
 *
 * A heuristic: such a prior was trained on magnitudes, which have no phase and are not negative; it
 * takes the parts for independent. Its score is exact for images whose parts are.
 *
 * With b the prior's `black` and c = 1 - b, a part r of the image is c r + b to the prior, so that
 *     D(r, sigma) = (D'(c r + b, c sigma) - b) / c,    s(r, sigma) = c s'(c r + b, c sigma).
 */
#ifndef SC_PRIOR_COMPLEX_SCORE_H
#define SC_PRIOR_COMPLEX_SCORE_H

#include "prior/score.h"

/* *score has two channels and owns `real` (one channel), which is untouched on failure; texts and
 * hash are those of `real`, and it has a derivative if `real` has. Both parts of all images are one
 * batch of `real`. The sde has the noise levels of `real` in units of the image: the same SDE where
 * black is 0, otherwise VE. */
sc_status sc_score_complex(sc_score **score, sc_score *real);

#endif
