#include "prior/complex_score.h"
#include "base/memory.h"
#include <assert.h>
#include <string.h>

/* Images (n, pixels, 2) to planes (n, 2, pixels) of the prior. */
static void split(float *plane, const float *x, int n, size_t pixels, double b)
{
    double c = 1 - b;
    for (int i = 0; i < n; i++, plane += 2 * pixels, x += 2 * pixels)
        for (size_t p = 0; p < pixels; p++) {
            plane[p] = (float)(c * x[2 * p] + b);
            plane[pixels + p] = (float)(c * x[2 * p + 1] + b);
        }
}

static void join(float *x, const float *plane, int n, size_t pixels, double b)
{
    double c = 1 - b;
    for (int i = 0; i < n; i++, plane += 2 * pixels, x += 2 * pixels)
        for (size_t p = 0; p < pixels; p++) {
            x[2 * p] = (float)((plane[p] - b) / c);
            x[2 * p + 1] = (float)((plane[pixels + p] - b) / c);
        }
}

static sc_status denoise(const sc_score *self, float *d, const float *x, const double *sigma,
                         int n, int h, int w)
{
    sc_status status = SC_OK;
    const sc_score *real = self->impl;
    size_t pixels = (size_t)h * (size_t)w, values = 2 * (size_t)n * pixels;
    float *in = NULL, *out = NULL;
    double *level = NULL;
    SC_TRY(SC_ALLOC(&in, values, "parts of complex images"));
    SC_TRY(SC_ALLOC(&out, values, "parts of complex images"));
    SC_TRY(SC_ALLOC(&level, 2 * (size_t)n, "noise levels"));
    for (int i = 0; i < 2 * n; i++)
        level[i] = (1 - real->black) * sigma[i / 2];
    split(in, x, n, pixels, real->black);
    SC_TRY(sc_score_denoise(real, out, in, level, 2 * n, h, w));
    join(d, out, n, pixels, real->black);
cleanup:
    sc_free(in);
    sc_free(out);
    sc_free(level);
    return status;
}

static void cost(const sc_score *self, size_t *bytes, double *flops, int n, int h, int w)
{
    const sc_score *real = self->impl;
    real->cost(real, bytes, flops, 2 * n, h, w);
    *bytes += 4 * (size_t)n * (size_t)h * (size_t)w * sizeof(float);
}

static void destroy(sc_score *self)
{
    sc_score_free(self->impl);
    sc_free(self);
}

/* A VP or sub-VP of x / c has no beta of its own; what a VE sampler asks, the range, has. */
static sc_sde sde_of(const sc_score *real)
{
    double c = 1 - real->black;
    if (real->black == 0)
        return real->sde;
    return sc_sde_ve(sc_sde_noise_min(&real->sde) / c, sc_sde_noise_max(&real->sde) / c);
}

sc_status sc_score_complex(sc_score **score, sc_score *real)
{
    *score = NULL;
    assert(real->channels == 1 && real->black < 1);
    sc_status status = SC_ALLOC(score, 1, "prior of complex images");
    if (status != SC_OK)
        return status;
    sc_score *s = *score;
    *s = (sc_score){.name = "of one channel, on real and imaginary part", .sde = sde_of(real),
                    .channels = 2, .denoise = denoise, .cost = cost, .destroy = destroy,
                    .impl = real};
    memcpy(s->hash, real->hash, sizeof s->hash);
    memcpy(s->modality, real->modality, sizeof s->modality);
    memcpy(s->anatomy, real->anatomy, sizeof s->anatomy);
    memcpy(s->licence, real->licence, sizeof s->licence);
    return SC_OK;
}
