/* Mean and variance of what a sampler draws, without Monte Carlo. For Gaussian data N(m, v) the
 * denoiser is D = m + v / (v + sigma^2) (x - m), so a sampler maps the numbers that it draws to an
 * image by an affine function, as long as its steps do not depend on norms. The image here has one
 * number for each draw: number 0 is drawn a path on which all noise is 0, number j one on which
 * draw j alone is 1. Then mean = x_0, variance = sum over j of (x_j - x_0)^2, up to rounding.
 *
 * The start is drawn from the diffused data themselves, so that nothing but the steps is wrong.
 */
#ifndef CONVERGENCE_MOMENTS_H
#define CONVERGENCE_MOMENTS_H

#include <base/memory.h>
#include <math.h>
#include <prior/sample.h>
#include <string.h>

typedef struct {
    double mean, variance;
} moments;

typedef struct {
    moments data, start; /* start: what the draw INIT is, in units of the sampler's own */
    int steps;
} gaussian_run;

static inline sc_status gaussian_denoise(const sc_score *self, float *d, const float *x,
                                         const double *sigma, int n, int h, int w)
{
    const moments *data = self->impl;
    int64_t count = (int64_t)h * w * self->channels;
    for (int k = 0; k < n; k++) {
        double shrink = data->variance / (data->variance + sigma[k] * sigma[k]);
        for (int64_t i = k * count; i < (k + 1) * count; i++)
            d[i] = (float)(data->mean + shrink * (x[i] - data->mean));
    }
    return SC_OK;
}

/* Number 1 is the draw INIT, 2 + k that of predictor step k, 2 + steps + k that of a corrector. */
static inline void unit_noise(void *self, float *z, int64_t n, int image, uint32_t draw,
                              uint32_t step)
{
    const gaussian_run *run = self;
    (void)image;
    for (int64_t i = 0; i < n; i++)
        z[i] = draw == SC_DRAW_INIT ? (float)run->start.mean : 0;
    if (draw == SC_DRAW_INIT)
        z[1] += (float)sqrt(run->start.variance);
    else
        z[2 + (draw == SC_DRAW_PREDICTOR ? 0 : run->steps) + (int)step] = 1;
}

/* Published samplers start in the SDE's x with std sigma_max or 1, the others in x / mean with
 * std / mean; what they draw is divided by that. */
static inline moments start_of(const moments *data, const sc_sde *sde, bool published)
{
    double mean = sc_sde_mean(sde, 1), std = sc_sde_std(sde, 1);
    double unit = published && sde->kind != SC_SDE_VE ? 1 : std;
    return (moments){mean * data->mean / unit,
                     (mean * mean * data->variance + std * std) / (unit * unit)};
}

/* The law that is drawn as steps grow: the data, diffused to the least level and denoised. */
static inline moments moments_limit(const moments *data, double sigma)
{
    return (moments){data->mean,
                     data->variance * data->variance / (data->variance + sigma * sigma)};
}

/* The last level of a grid: published times end at 1e-5 or 1e-3, levels at those of the score. */
static inline double moments_least(const sc_sde *sde, const char *grid)
{
    double t = sc_sample_time_min(sde);
    bool in_time = strcmp(grid, "time") == 0 || strcmp(grid, "published") == 0;
    return in_time ? sc_sde_std(sde, t) / sc_sde_mean(sde, t) : sc_sde_noise_min(sde);
}

/* Does the sampler work in the SDE's own x? */
static inline bool moments_published(const char *sampler)
{
    return strcmp(sampler, "heun") && strcmp(sampler, "edm") && strncmp(sampler, "dpm", 3);
}

/* W2 distance of two Gaussians */
static inline double moments_distance(const moments *a, const moments *b)
{
    return hypot(a->mean - b->mean, sqrt(a->variance) - sqrt(b->variance));
}

/* Of corrector annealed with one step, or none. */
static inline sc_status moments_of(moments *found, const moments *data, const sc_sde *sde,
                                   const sc_options *options, bool published)
{
    sc_status status = SC_OK;
    gaussian_run run = {*data, start_of(data, sde, published),
                        (int)sc_options_get(options, "steps")};
    const int count = 2 + run.steps * (sc_options_get(options, "corrector") > 0 ? 2 : 1);
    const sc_score score = {.name = "gaussian",
                            .sde = *sde,
                            .channels = 1,
                            .denoise = gaussian_denoise,
                            .impl = &run.data};
    const sc_sample_noise noise = {&run, unit_noise};
    const sc_sample_job job = {.score = &score, .n = 1, .h = 1, .w = count, .noise = &noise};
    float *x = NULL;
    *found = (moments){0};
    SC_TRY(SC_ALLOC(&x, count, "moments"));
    SC_TRY(sc_prior_draw(x, &job, options));
    *found = (moments){x[0], 0};
    for (int j = 1; j < count; j++)
        found->variance += ((double)x[j] - x[0]) * ((double)x[j] - x[0]);
cleanup:
    sc_free(x);
    return status;
}

#endif
