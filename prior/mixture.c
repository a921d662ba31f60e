/* The test prior: a Gaussian mixture sum_k w_k N(m_k, C_k) over vectors of length d, whose
 * denoiser is known in closed form. Under noise of std sigma the mixture stays one, with
 * covariances S_k = C_k + sigma^2 I (REFERENCE 5.1; VE, mean factor 1):
 *     D(x) = sum_k gamma_k [m_k + C_k S_k^-1 (x - m_k)],
 *     gamma_k ~ w_k |S_k|^-1/2 exp(-1/2 (x - m_k)^T S_k^-1 (x - m_k)).
 * Each C_k = U diag(c) U^T is decomposed once, so that any sigma costs two products with U.
 * Arithmetic is double throughout. C_k = 0 (point masses) is allowed.
 */
#include "base/memory.h"
#include "prior/score.h"
#include <lapacke.h>
#include <math.h>
#include <string.h>

typedef struct {
    int k, d;
    double *log_weight; /* (k) */
    double *mean;       /* (k, d) */
    double *value;      /* (k, d) eigenvalues c */
    double *vector;     /* (k, d, d): row e is eigenvector e */
} mixture;

/* p = U^T (x - m), coordinates along the eigenvectors; returns log of w N(x; m, S) + const. */
static double project(double *p, const mixture *mix, int k, const float *x, double sigma)
{
    int d = mix->d;
    const double *m = mix->mean + (size_t)k * d, *c = mix->value + (size_t)k * d;
    double log_density = mix->log_weight[k];
    for (int e = 0; e < d; e++) {
        const double *u = mix->vector + ((size_t)k * d + e) * d;
        double sum = 0, variance = c[e] + sigma * sigma;
        for (int j = 0; j < d; j++)
            sum += u[j] * (x[j] - m[j]);
        p[e] = sum;
        log_density -= (log(variance) + sum * sum / variance) / 2;
    }
    return log_density;
}

/* mean += gamma [m + U diag(c / (c + sigma^2)) p] */
static void add_component(double *mean, const mixture *mix, int k, const double *p, double gamma,
                          double sigma)
{
    int d = mix->d;
    const double *m = mix->mean + (size_t)k * d, *c = mix->value + (size_t)k * d;
    for (int j = 0; j < d; j++)
        mean[j] += gamma * m[j];
    for (int e = 0; e < d; e++) {
        const double *u = mix->vector + ((size_t)k * d + e) * d;
        double factor = gamma * c[e] / (c[e] + sigma * sigma) * p[e];
        for (int j = 0; j < d; j++)
            mean[j] += factor * u[j];
    }
}

/* work: k d + k + d doubles */
static void denoise_one(float *out, const mixture *mix, const float *x, double sigma, double *work)
{
    int k = mix->k, d = mix->d;
    double *p = work, *logs = p + (size_t)k * d, *mean = logs + k;
    double largest = -INFINITY, total = 0;
    for (int i = 0; i < k; i++) {
        logs[i] = project(p + (size_t)i * d, mix, i, x, sigma);
        largest = fmax(largest, logs[i]);
    }
    for (int i = 0; i < k; i++)
        total += exp(logs[i] - largest);
    memset(mean, 0, (size_t)d * sizeof *mean);
    for (int i = 0; i < k; i++)
        add_component(mean, mix, i, p + (size_t)i * d, exp(logs[i] - largest) / total, sigma);
    for (int j = 0; j < d; j++)
        out[j] = (float)mean[j];
}

static size_t work_doubles(const mixture *mix)
{
    return (size_t)mix->k * mix->d + (size_t)mix->k + (size_t)mix->d;
}

static sc_status denoise(const sc_score *self, float *out, const float *x, const double *sigma,
                         int n, int h, int w)
{
    const mixture *mix = self->impl;
    if ((int64_t)h * w * self->channels != mix->d)
        return sc_fail(SC_ERR_INPUT, "mixture prior: images of %d numbers, found %d x %d x %d",
                       mix->d, h, w, self->channels);
    double *work;
    sc_status status = SC_ALLOC(&work, work_doubles(mix), "mixture prior");
    if (status != SC_OK)
        return status;
    for (int i = 0; i < n; i++)
        denoise_one(out + (size_t)i * mix->d, mix, x + (size_t)i * mix->d, sigma[i], work);
    sc_free(work);
    return SC_OK;
}

static void cost(const sc_score *self, size_t *bytes, double *flops, int n, int h, int w)
{
    const mixture *mix = self->impl;
    (void)h, (void)w;
    *bytes = work_doubles(mix) * sizeof(double);
    *flops = 4.0 * n * mix->k * mix->d * mix->d;
}

static void destroy(sc_score *self)
{
    mixture *mix = self->impl;
    if (mix) {
        sc_free(mix->log_weight);
        sc_free(mix->mean);
        sc_free(mix->value);
        sc_free(mix->vector);
    }
    sc_free(mix);
    sc_free(self);
}

/* Covariance k into eigenvalues and rows of eigenvectors; rounding below 0 is cut. */
static sc_status decompose(mixture *mix, int k)
{
    int d = mix->d;
    double *u = mix->vector + (size_t)k * d * d, *c = mix->value + (size_t)k * d;
    /* Column-major on a symmetric matrix: eigenvector e comes out as row e. */
    if (LAPACKE_dsyev(LAPACK_COL_MAJOR, 'V', 'U', d, u, d, c) != 0)
        return sc_fail(SC_ERR_NUMERIC, "mixture prior: covariance %d has no eigenvalues", k);
    double tolerance = 1e-10 * fmax(fabs(c[0]), fabs(c[d - 1]));
    if (!(c[0] >= -tolerance))
        return sc_fail(SC_ERR_INPUT, "mixture prior: covariance %d has the eigenvalue %g", k, c[0]);
    for (int e = 0; e < d; e++)
        c[e] = fmax(c[e], 0);
    return SC_OK;
}

static sc_status fill(mixture *mix, const double *weight, const double *mean,
                      const double *covariance)
{
    sc_status status = SC_OK;
    size_t k = (size_t)mix->k, d = (size_t)mix->d;
    SC_TRY(SC_ALLOC(&mix->log_weight, k, "mixture weights"));
    SC_TRY(SC_ALLOC(&mix->mean, k * d, "mixture means"));
    SC_TRY(SC_ALLOC(&mix->value, k * d, "mixture eigenvalues"));
    SC_TRY(SC_ALLOC(&mix->vector, k * d * d, "mixture eigenvectors"));
    memcpy(mix->mean, mean, k * d * sizeof *mean);
    memcpy(mix->vector, covariance, k * d * d * sizeof *covariance);
    for (int i = 0; i < mix->k; i++) {
        if (!(weight[i] > 0) || !isfinite(weight[i]))
            SC_TRY(sc_fail(SC_ERR_INPUT, "mixture prior: weight %d is %g, expected above 0", i,
                           weight[i]));
        mix->log_weight[i] = log(weight[i]);
        SC_TRY(decompose(mix, i));
    }
cleanup:
    return status;
}

sc_status sc_score_mixture(sc_score **score, int channels, int k, int d, const double *weight,
                           const double *mean, const double *covariance)
{
    sc_status status = SC_OK;
    sc_score *s = NULL;
    *score = NULL;
    if (channels < 1 || k < 1 || d < 1 || d % channels || d > 4096)
        return sc_fail(SC_ERR_INPUT, "mixture prior: %d components of length %d, %d channels", k,
                       d, channels);
    SC_TRY(SC_ALLOC(&s, 1, "mixture prior"));
    *s = (sc_score){.name = "mixture", .sde = sc_sde_ve(0.01, 50), .channels = channels,
                    .denoise = denoise, .cost = cost, .destroy = destroy};
    SC_TRY(SC_ALLOC((mixture **)&s->impl, 1, "mixture prior"));
    *(mixture *)s->impl = (mixture){.k = k, .d = d};
    SC_TRY(fill(s->impl, weight, mean, covariance));
    *score = s;
cleanup:
    if (status != SC_OK)
        sc_score_free(s);
    return status;
}
