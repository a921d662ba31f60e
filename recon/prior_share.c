/* Posterior over prior variance (prior_share.h). */
#include "recon/prior_share.h"
#include "base/memory.h"
#include "recon/window.h"
#include <assert.h>
#include <complex.h>
#include <math.h>

enum { SPACING = 4 };
#define STEP 0.1 /* of a difference, in units of s: D is smooth over s, and rounding far below */

typedef struct {
    const sc_score *score;
    int sets;
    int64_t ny, nx, n; /* n: complex values, (set, y, x) */
    double *sigma;     /* (sets) */
    sc_c32 *x, *d;     /* noisy image and what the prior makes of it */
    sc_c32 *phase, *moved, *moved_d;
} scratch;

static void drop(scratch *s)
{
    sc_free(s->sigma);
    sc_free(s->x);
    sc_free(s->d);
    sc_free(s->phase);
    sc_free(s->moved);
    sc_free(s->moved_d);
}

static sc_status denoise(const scratch *s, sc_c32 *d, const sc_c32 *x)
{
    return sc_score_denoise(s->score, (float *)d, (const float *)x, s->sigma, s->sets, (int)s->ny,
                            (int)s->nx);
}

static sc_status begin(scratch *s, const sc_score *score, const sc_array *image, double level,
                       sc_key key)
{
    sc_status status = SC_OK;
    const sc_c32 *from = image->data;
    *s = (scratch){.score = score,
                   .sets = (int)image->dim[0],
                   .ny = image->dim[1],
                   .nx = image->dim[2],
                   .n = sc_array_count(image)};
    sc_c32 **const buffers[] = {&s->x, &s->d, &s->phase, &s->moved, &s->moved_d};
    SC_TRY(SC_ALLOC(&s->sigma, s->sets, "prior variance"));
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        SC_TRY(SC_ALLOC(buffers[i], s->n, "prior variance"));
    for (int i = 0; i < s->sets; i++)
        s->sigma[i] = level;
    sc_random_uniform((float *)s->moved, s->n, key, SC_DRAW_PROBE, 1);
    for (int64_t i = 0; i < s->n; i++)
        s->phase[i] = cexpf(2 * (float)M_PI * ((float *)s->moved)[i] * I);
    sc_random_normal((float *)s->x, 2 * s->n, key, SC_DRAW_PROBE, 0);
    for (int64_t i = 0; i < s->n; i++)
        s->x[i] = from[i] + (float)level * s->x[i];
    SC_TRY(denoise(s, s->d, s->x));
cleanup:
    return status;
}

static bool on_grid(const scratch *s, int64_t i, int offset)
{
    return i / s->nx % s->ny % SPACING == offset / SPACING &&
           i % s->nx % SPACING == offset % SPACING;
}

/* variance += s^2 v^T J v on one grid of pixels, v: their phases times `turn` */
static sc_status probe(float *variance, const scratch *s, int offset, sc_c32 turn)
{
    double level = s->sigma[0];
    float h = (float)(STEP * level);
    for (int64_t i = 0; i < s->n; i++)
        s->moved[i] = s->x[i] + (on_grid(s, i, offset) ? h * turn * s->phase[i] : 0);
    sc_status status = denoise(s, s->moved_d, s->moved);
    for (int64_t i = 0; i < s->n && status == SC_OK; i++)
        if (on_grid(s, i, offset)) {
            double slope = crealf(conjf(turn * s->phase[i]) * (s->moved_d[i] - s->d[i])) / h;
            variance[i % (s->ny * s->nx)] += (float)(level * level * slope);
        }
    return status;
}

sc_status sc_prior_variance(sc_array *variance, int64_t *evaluations, const sc_score *score,
                            const sc_array *image, double level, sc_key key,
                            const sc_progress *progress)
{
    assert(image->dtype == SC_C32 && image->rank == 3 && score->channels == 2);
    sc_status status = SC_OK;
    scratch s = {0};
    const sc_c32 turns[] = {1, I};
    SC_TRY(sc_array_create(variance, SC_F32, 2, image->dim + 1));
    SC_TRY(begin(&s, score, image, level, key));
    *evaluations += 1;
    for (int k = 0; k < 2 * SPACING * SPACING; k++) {
        SC_TRY(sc_progress_step(progress, "prior variance", k, 2 * SPACING * SPACING));
        SC_TRY(probe(variance->data, &s, k / 2, turns[k % 2]));
        *evaluations += 1;
    }
cleanup:
    drop(&s);
    if (status != SC_OK)
        sc_array_free(variance);
    return status;
}

/* (pixels) sum over sets of the samples' variance, real and imaginary part together */
static void spread(double *square, const sc_estimate *estimate)
{
    const sc_array *samples = &estimate->samples;
    int64_t count = samples->dim[0], n = sc_array_count(&estimate->mean);
    int64_t pixels = samples->dim[2] * samples->dim[3];
    const float *x = samples->data, *mean = estimate->mean.data;
    for (int64_t e = 0; e < 2 * n; e++)
        for (int64_t k = 0; k < count; k++) {
            double d = (double)x[2 * k * n + e] - mean[e];
            square[e / 2 % pixels] += d * d / (double)(count - 1);
        }
}

sc_status sc_prior_share(sc_array *share, sc_estimate *estimate, const sc_problem *problem,
                         const sc_score *score, sc_key key, const sc_progress *progress)
{
    assert(estimate->samples.rank == 4 && estimate->samples.dim[0] > 1);
    sc_status status = SC_OK;
    sc_array variance = {0};
    double *posterior = NULL, *prior = NULL;
    int64_t pixels = problem->ny * problem->nx;
    SC_TRY(sc_prior_variance(&variance, &estimate->score_evaluations, score, &estimate->mean,
                             SC_PRIOR_LEVEL, key, progress));
    SC_TRY(SC_ALLOC(&posterior, pixels, "prior share"));
    SC_TRY(SC_ALLOC(&prior, pixels, "prior share"));
    spread(posterior, estimate);
    for (int64_t p = 0; p < pixels; p++)
        prior[p] = (double)((float *)variance.data)[p];
    SC_TRY(sc_window_ratio(share, posterior, prior, problem->support, problem->ny, problem->nx));
cleanup:
    sc_array_free(&variance);
    sc_free(posterior);
    sc_free(prior);
    return status;
}
