/* What is known of an image that is to be drawn: inpainting and colourisation (Song et al. 2021,
 * section 5 and appendix I). In the channels u = x M, M orthonormal, a mask says which numbers are
 * known. At every noise level they are replaced by themselves diffused to that level,
 *     u <- mean(t) y + std(t) z   where the mask is 1,    x <- u M^T,
 * and at the end by y. Inpainting: M = I. Colourisation: the first channel is known, M's first
 * column is 1 / sqrt(channels), so that y is sqrt(channels) times the mean of the channels.
 *
 * The unknown is drawn given the known at the same noise, not given y. Both laws become one as the
 * noise falls, but what was decided at high noise stays unless corrector steps forget it: the error
 * falls with their number (prior/README.md has the measurement).
 */
#ifndef SC_PRIOR_CONDITION_H
#define SC_PRIOR_CONDITION_H

#include <stdint.h>

typedef struct {
    const float *y;            /* (pixels, channels): u of the image, read where mask is not 0 */
    const unsigned char *mask; /* (pixels, channels) */
    const double *mix;         /* (channels, channels) u_j = sum_i x_i M_ij; NULL: M = I */
} sc_condition;

/* The known of x (pixels, channels) becomes factor y + std z. z (pixels, channels) is the noise of
 * u; NULL: none, and without mix what is known is then y to the bit if factor is 1. */
void sc_condition_impose(float *x, const sc_condition *condition, int64_t pixels, int channels,
                         double factor, double std, const float *z);

/* M (channels, channels) of the discrete cosine transform: the first column averages. */
void sc_condition_grey(double *mix, int channels);

/* u (pixels, channels) = x M; u is not x */
void sc_condition_mix(float *u, const float *x, const double *mix, int64_t pixels, int channels);

#endif
