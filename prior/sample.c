#include "prior/sample.h"
#include "base/memory.h"
#include <assert.h>
#include <math.h>

void sc_sample_levels(double *sigma, const sc_sde *sde, int steps)
{
    double low = pow(sde->sigma_min, 1.0 / SC_SAMPLE_RHO);
    double high = pow(sde->sigma_max, 1.0 / SC_SAMPLE_RHO);
    for (int k = 0; k < steps; k++)
        sigma[k] = pow(high + k / (steps - 1.0) * (low - high), SC_SAMPLE_RHO);
    sigma[steps] = 0;
}

typedef struct {
    const sc_score *score;
    int h, w;
    int64_t n; /* numbers in an image */
    float *d;  /* denoised */
    float *slope, *next;
} sampler;

/* slope = (x - D(x, sigma)) / sigma = dx/dsigma */
static sc_status find_slope(float *slope, const sampler *s, const float *x, double sigma)
{
    sc_status status = sc_score_denoise(s->score, s->d, x, &sigma, 1, s->h, s->w);
    for (int64_t i = 0; status == SC_OK && i < s->n; i++)
        slope[i] = (float)(((double)x[i] - s->d[i]) / sigma);
    return status;
}

/* Heun's rule from sigma to `to`; Euler's for the last step, where the slope at 0 is unknown. */
static sc_status step(float *x, const sampler *s, double sigma, double to)
{
    sc_status status = SC_OK;
    double h = to - sigma;
    SC_TRY(find_slope(s->slope, s, x, sigma));
    for (int64_t i = 0; i < s->n; i++)
        s->next[i] = (float)(x[i] + h * s->slope[i]);
    if (to > 0) {
        float *d = s->d; /* find_slope may write the slope over D */
        SC_TRY(find_slope(d, s, s->next, to));
        for (int64_t i = 0; i < s->n; i++)
            s->next[i] = (float)(x[i] + h * ((double)s->slope[i] + d[i]) / 2);
    }
    for (int64_t i = 0; i < s->n; i++)
        x[i] = s->next[i];
cleanup:
    return status;
}

sc_status sc_prior_sample(float *x, const sc_score *score, int h, int w, int steps, sc_key key,
                          const sc_progress *progress)
{
    sc_status status = SC_OK;
    sampler s = {.score = score, .h = h, .w = w, .n = (int64_t)h * w * score->channels};
    double *sigma = NULL;
    assert(steps >= 2);
    if (score->sde.kind != SC_SDE_VE)
        return sc_fail(SC_ERR_UNSUPPORTED, "sampling needs a VE prior");
    SC_TRY(SC_ALLOC(&sigma, steps + 1, "noise levels"));
    SC_TRY(SC_ALLOC(&s.d, s.n, "denoised image"));
    SC_TRY(SC_ALLOC(&s.slope, s.n, "sampler"));
    SC_TRY(SC_ALLOC(&s.next, s.n, "sampler"));
    sc_sample_levels(sigma, &score->sde, steps);
    sc_random_normal(x, s.n, key, SC_DRAW_INIT, 0);
    for (int64_t i = 0; i < s.n; i++)
        x[i] *= (float)sigma[0];
    for (int k = 0; k < steps; k++) {
        SC_TRY(sc_progress_step(progress, "sampling", k, steps));
        SC_TRY(step(x, &s, sigma[k], sigma[k + 1]));
    }
    SC_TRY(sc_progress_step(progress, "sampling", steps, steps));
cleanup:
    sc_free(sigma);
    sc_free(s.d);
    sc_free(s.slope);
    sc_free(s.next);
    return status;
}
