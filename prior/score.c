#include "prior/score.h"
#include "base/memory.h"
#include <assert.h>

sc_status sc_score_denoise(const sc_score *score, float *d, const float *x, const double *sigma,
                           int n, int h, int w)
{
    assert(n > 0 && h > 0 && w > 0);
    return score->denoise(score, d, x, sigma, n, h, w);
}

sc_status sc_score_denoise_vjp(const sc_score *score, float *d, float *g, const float *x,
                               const double *sigma, const float *v, int n, int h, int w)
{
    assert(n > 0 && h > 0 && w > 0 && d != x && g != x && d != v && g != v && d != g);
    if (!score->denoise_vjp)
        return sc_fail(SC_ERR_UNSUPPORTED, "prior %s has no derivative", score->name);
    return score->denoise_vjp(score, d, g, x, sigma, v, n, h, w);
}

sc_status sc_score_evaluate(const sc_score *score, float *s, const float *x, const double *sigma,
                            int n, int h, int w)
{
    assert(s != x);
    sc_status status = sc_score_denoise(score, s, x, sigma, n, h, w);
    if (status != SC_OK)
        return status;
    int64_t size = (int64_t)h * w * score->channels;
    for (int i = 0; i < n; i++) {
        double weight = 1 / (sigma[i] * sigma[i]);
        for (int64_t j = i * size; j < (i + 1) * size; j++)
            s[j] = (float)(((double)s[j] - x[j]) * weight);
    }
    return SC_OK;
}

void sc_score_free(sc_score *score)
{
    if (score)
        score->destroy(score);
}
