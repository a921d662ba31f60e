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

/* Buffers of one call: parts in, parts out, the noise of each; of the vector, its gradient. */
typedef struct {
    float *x, *d, *v, *g;
    double *sigma;
} parts;

static void parts_free(parts *p)
{
    float *owned[] = {p->x, p->d, p->v, p->g};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        sc_free(owned[i]);
    sc_free(p->sigma);
}

static sc_status parts_create(parts *p, size_t values, const double *sigma, int n, double c)
{
    sc_status status = SC_OK;
    SC_TRY(SC_ALLOC(&p->x, values, "parts of complex images"));
    SC_TRY(SC_ALLOC(&p->d, values, "parts of complex images"));
    SC_TRY(SC_ALLOC(&p->sigma, 2 * (size_t)n, "noise levels"));
    for (int i = 0; i < 2 * n; i++)
        p->sigma[i] = c * sigma[i / 2];
cleanup:
    return status;
}

static sc_status denoise(const sc_score *self, float *d, const float *x, const double *sigma,
                         int n, int h, int w)
{
    sc_status status = SC_OK;
    const sc_score *real = self->impl;
    size_t pixels = (size_t)h * (size_t)w;
    parts p = {0};
    SC_TRY(parts_create(&p, 2 * (size_t)n * pixels, sigma, n, 1 - real->black));
    split(p.x, x, n, pixels, real->black);
    SC_TRY(sc_score_denoise(real, p.d, p.x, p.sigma, 2 * n, h, w));
    join(d, p.d, n, pixels, real->black);
cleanup:
    parts_free(&p);
    return status;
}

/* c and 1 / c cancel: D has the Jacobian of D'. */
static sc_status denoise_vjp(const sc_score *self, float *d, float *g, const float *x,
                             const double *sigma, const float *v, int n, int h, int w)
{
    sc_status status = SC_OK;
    const sc_score *real = self->impl;
    size_t pixels = (size_t)h * (size_t)w, values = 2 * (size_t)n * pixels;
    parts p = {0};
    SC_TRY(parts_create(&p, values, sigma, n, 1 - real->black));
    SC_TRY(SC_ALLOC(&p.v, values, "parts of complex images"));
    SC_TRY(SC_ALLOC(&p.g, values, "parts of complex images"));
    split(p.x, x, n, pixels, real->black);
    split(p.v, v, n, pixels, 0);
    SC_TRY(sc_score_denoise_vjp(real, p.d, p.g, p.x, p.sigma, p.v, 2 * n, h, w));
    join(d, p.d, n, pixels, real->black);
    join(g, p.g, n, pixels, 0);
cleanup:
    parts_free(&p);
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
    if (real->denoise_vjp)
        s->denoise_vjp = denoise_vjp;
    memcpy(s->hash, real->hash, sizeof s->hash);
    memcpy(s->modality, real->modality, sizeof s->modality);
    memcpy(s->anatomy, real->anatomy, sizeof s->anatomy);
    memcpy(s->licence, real->licence, sizeof s->licence);
    return SC_OK;
}
