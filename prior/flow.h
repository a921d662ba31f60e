/* The probability flow of a prior, for VE, VP and sub-VP (Song et al. 2021, section 4.3): the
 * ordinary differential equation whose solutions have the densities of the diffusion,
 *
 *     dx/dt = f(t) x - g(t)^2 / 2 s(x, t),
 *     s(x, t) = mean (D(u, std / mean) - u) / std^2,   u = x / mean,
 *
 * solved with adaptive steps (ode.h). From the least time to 1 it encodes an image as a latent,
 * which is noise of the SDE's last level; from 1 back it decodes. Along the way the log density
 * changes by minus the divergence of the slope; its estimate with a probe e of independent numbers
 * of mean 0 and variance 1 is e . J e (Skilling 1989, Hutchinson 1990), by one product with J^T:
 *
 *     d log p / dt = -(f |e|^2 - g^2 / (2 std^2) (e . J_D^T e - |e|^2)).
 *
 * Images are x of the SDE at the least time: with VE they hold noise of std sigma_min.
 */
#ifndef SC_PRIOR_FLOW_H
#define SC_PRIOR_FLOW_H

#include "base/option.h"
#include "base/progress.h"
#include "base/random.h"
#include "prior/ode.h"
#include "prior/score.h"

#define SC_FLOW_TOLERANCE 1e-5 /* rtol and atol, as published */
#define SC_FLOW_TIME_MIN 1e-5  /* of encoding and of likelihoods, as published */

typedef struct {
    const sc_score *score;
    int h, w;
    double rtol, atol, time_min;
    const sc_progress *progress; /* may be NULL; counts time */
} sc_flow;

/* With the published tolerances and least time. */
sc_flow sc_flow_create(const sc_score *score, int h, int w);

/* rtol, atol, start (the least time) */
extern const sc_option sc_flow_options[];
void sc_flow_set(sc_flow *flow, const sc_options *options);

/* latent, x (h, w, channels), may be the same. count: evaluations of the score and steps, may be
 * NULL. SC_ERR_NUMERIC: the steps became too small; SC_ERR_CANCELLED. */
sc_status sc_flow_encode(const sc_flow *flow, float *latent, const float *x, sc_ode_count *count);
sc_status sc_flow_decode(const sc_flow *flow, float *x, const float *latent, sc_ode_count *count);

/* The same with *gain = log p(x) - log p(latent) as `probe` (h, w, channels) estimates it; an
 * evaluation takes a forward and a backward pass. SC_ERR_UNSUPPORTED: the score has no derivative.
 */
sc_status sc_flow_encode_traced(const sc_flow *flow, float *latent, double *gain, const float *x,
                                const float *probe, sc_ode_count *count);

/* The latent that sampling starts from: noise of the SDE's last level, whose std is sigma_max (VE)
 * or 1. */
double sc_flow_latent_std(const sc_sde *sde);
void sc_flow_draw(float *latent, const sc_sde *sde, int64_t n, sc_key key);

/* What is left of the noise at the least time removed: D(x / mean, std / mean). */
sc_status sc_flow_denoise(const sc_flow *flow, float *x);

/* On the arc from a (share 0) to b (1), n numbers; out may be one of them. With theta the angle
 * between a and b, (sin((1 - share) theta) a + sin(share theta) b) / sin theta: noise stays noise,
 * where a straight line would lose a third of its variance halfway. Where sin theta is too
 * small to divide by, the straight line. */
void sc_flow_interpolate(float *out, const float *a, const float *b, double share, int64_t n);

#endif
