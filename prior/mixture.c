/* The test prior: a Gaussian mixture sum_k w_k N(m_k, C_k) over vectors of length d, whose
 * denoiser is known in closed form. Under noise of std sigma the mixture stays one, with
 * covariances S_k = C_k + sigma^2 I (REFERENCE 5.1; VE, mean factor 1):
 *     D(x) = sum_k gamma_k [m_k + C_k S_k^-1 (x - m_k)],
 *     gamma_k ~ w_k |S_k|^-1/2 exp(-1/2 (x - m_k)^T S_k^-1 (x - m_k)).
 * With E_k the bracket, g_k = S_k^-1 (m_k - x) and s = sum_k gamma_k g_k its Jacobian gives
 *     J^T v = sum_k gamma_k [C_k S_k^-1 v + (E_k . v) (g_k - s)].
 * Each C_k = U diag(c) U^T is decomposed once, so that any sigma costs two products with U.
 * Arithmetic is double throughout. C_k = 0 (point masses) is allowed.
 */
#include "base/memory.h"
#include "prior/score.h"
#include <lapacke.h>
#include <math.h>
#include <stdbool.h>
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

/* out += factor U diag(f) p with f = c / (c + sigma^2), the share that is signal, or
 * 1 / (c + sigma^2): back from the coordinates along the eigenvectors. */
static void add_back(double *out, const mixture *mix, int k, const double *p, double factor,
                     double sigma, bool signal)
{
    int d = mix->d;
    const double *c = mix->value + (size_t)k * d;
    for (int e = 0; e < d; e++) {
        const double *u = mix->vector + ((size_t)k * d + e) * d;
        double f = factor * (signal ? c[e] : 1) / (c[e] + sigma * sigma) * p[e];
        for (int j = 0; j < d; j++)
            out[j] += f * u[j];
    }
}

/* mean += gamma E_k */
static void add_component(double *mean, const mixture *mix, int k, const double *p, double gamma,
                          double sigma)
{
    const double *m = mix->mean + (size_t)k * mix->d;
    for (int j = 0; j < mix->d; j++)
        mean[j] += gamma * m[j];
    add_back(mean, mix, k, p, gamma, sigma, true);
}

/* gamma (k), and coordinates p (k, d) of x about each mean */
static void find_shares(double *gamma, double *p, const mixture *mix, const float *x, double sigma)
{
    double largest = -INFINITY, total = 0;
    for (int i = 0; i < mix->k; i++) {
        gamma[i] = project(p + (size_t)i * mix->d, mix, i, x, sigma);
        largest = fmax(largest, gamma[i]);
    }
    for (int i = 0; i < mix->k; i++)
        total += gamma[i] = exp(gamma[i] - largest);
    for (int i = 0; i < mix->k; i++)
        gamma[i] /= total;
}

static void to_float(float *out, const double *x, int n)
{
    for (int j = 0; j < n; j++)
        out[j] = (float)x[j];
}

enum { VECTORS = 6 }; /* of length d that one image takes */

static size_t work_doubles(const mixture *mix)
{
    return (size_t)mix->k * mix->d + (size_t)mix->k + VECTORS * (size_t)mix->d;
}

static void denoise_one(float *out, const mixture *mix, const float *x, double sigma, double *work)
{
    int k = mix->k, d = mix->d;
    double *p = work, *gamma = p + (size_t)k * d, *mean = gamma + k;
    find_shares(gamma, p, mix, x, sigma);
    memset(mean, 0, (size_t)d * sizeof *mean);
    for (int i = 0; i < k; i++)
        add_component(mean, mix, i, p + (size_t)i * d, gamma[i], sigma);
    to_float(out, mean, d);
}

/* out += C S^-1 v; `along` (d) is for work */
static void add_shrunk(double *out, const mixture *mix, int k, const float *v, double gamma,
                       double sigma, double *along)
{
    int d = mix->d;
    for (int e = 0; e < d; e++) {
        const double *u = mix->vector + ((size_t)k * d + e) * d;
        along[e] = 0;
        for (int j = 0; j < d; j++)
            along[e] += u[j] * v[j];
    }
    add_back(out, mix, k, along, gamma, sigma, true);
}

static void vjp_one(float *out, float *grad, const mixture *mix, const float *x, double sigma,
                    const float *v, double *work)
{
    int k = mix->k, d = mix->d;
    double *p = work, *gamma = p + (size_t)k * d, *mean = gamma + k, *sum = mean + d;
    double *s = sum + d, *e_k = s + d, *g_k = e_k + d, *along = g_k + d, overlap = 0;
    find_shares(gamma, p, mix, x, sigma);
    memset(mean, 0, 3 * (size_t)d * sizeof *mean); /* mean, sum, s */
    for (int i = 0; i < k; i++) {
        double dot = 0;
        memset(e_k, 0, 2 * (size_t)d * sizeof *e_k); /* e_k, g_k */
        add_component(e_k, mix, i, p + (size_t)i * d, 1, sigma);
        add_back(g_k, mix, i, p + (size_t)i * d, -1, sigma, false);
        add_shrunk(sum, mix, i, v, gamma[i], sigma, along);
        for (int j = 0; j < d; j++)
            dot += e_k[j] * v[j];
        for (int j = 0; j < d; j++) {
            mean[j] += gamma[i] * e_k[j];
            sum[j] += gamma[i] * dot * g_k[j];
            s[j] += gamma[i] * g_k[j];
        }
        overlap += gamma[i] * dot;
    }
    for (int j = 0; j < d; j++)
        sum[j] -= overlap * s[j];
    to_float(out, mean, d);
    to_float(grad, sum, d);
}

/* g, v: NULL where only D is wanted */
static sc_status evaluate(const sc_score *self, float *out, float *g, const float *x,
                          const double *sigma, const float *v, int n, int h, int w)
{
    const mixture *mix = self->impl;
    if ((int64_t)h * w * self->channels != mix->d)
        return sc_fail(SC_ERR_INPUT, "mixture prior: images of %d numbers, found %d x %d x %d",
                       mix->d, h, w, self->channels);
    double *work;
    sc_status status = SC_ALLOC(&work, work_doubles(mix), "mixture prior");
    if (status != SC_OK)
        return status;
    for (int i = 0; i < n; i++) {
        size_t at = (size_t)i * mix->d;
        if (g)
            vjp_one(out + at, g + at, mix, x + at, sigma[i], v + at, work);
        else
            denoise_one(out + at, mix, x + at, sigma[i], work);
    }
    sc_free(work);
    return SC_OK;
}

static sc_status denoise(const sc_score *self, float *d, const float *x, const double *sigma,
                         int n, int h, int w)
{
    return evaluate(self, d, NULL, x, sigma, NULL, n, h, w);
}

static sc_status denoise_vjp(const sc_score *self, float *d, float *g, const float *x,
                             const double *sigma, const float *v, int n, int h, int w)
{
    return evaluate(self, d, g, x, sigma, v, n, h, w);
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
                    .denoise = denoise, .denoise_vjp = denoise_vjp, .cost = cost,
                    .destroy = destroy};
    SC_TRY(SC_ALLOC((mixture **)&s->impl, 1, "mixture prior"));
    *(mixture *)s->impl = (mixture){.k = k, .d = d};
    SC_TRY(fill(s->impl, weight, mean, covariance));
    *score = s;
cleanup:
    if (status != SC_OK)
        sc_score_free(s);
    return status;
}
