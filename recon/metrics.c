/* Image metrics (see metrics.h). Arithmetic in double. */
#include "recon/metrics.h"
#include "base/memory.h"
#include <math.h>

#define GAUSSIAN_RADIUS 5 /* int(3.5 * 1.5 + 0.5) */
#define UNIFORM_RADIUS 3
#define LOG_RADIUS 7

const sc_metric_definition sc_metric_definitions[] = {
    {"PSNR", "20 log10(peak / rms(x - r)) in dB, peak: largest reference value in the region"},
    {"NRMSE", "||x - r|| / ||r|| over the region"},
    {"SSIM", "Gaussian window sigma 1.5, radius 5, population covariance, K1 0.01, K2 0.03, range "
             "peak, reflected edges; mean over the region, or over pixels 5 from the edge"},
    {"SSIM7", "uniform 7 x 7 window, sample covariance, K1 0.01, K2 0.03, range peak; mean over "
              "the region, or over pixels 3 from the edge"},
    {"HFEN", "||LoG(x) - LoG(r)|| / ||LoG(r)||, Laplacian of Gaussian 15 x 15, sigma 1.5, zero "
             "outside"},
    {0},
};

/* Half-sample symmetric: -1 -> 0, n -> n - 1, as often as needed. */
static int64_t reflect(int64_t i, int64_t n)
{
    int64_t period = 2 * n;
    i = (i % period + period) % period;
    return i < n ? i : period - 1 - i;
}

/* z = x convolved with tap (2 radius + 1) along both axes; t is work. z may be x. */
static void smooth(double *z, double *t, const double *x, const double *tap, int radius, int64_t ny,
                   int64_t nx)
{
    for (int64_t i = 0; i < ny * nx; i++) {
        double sum = 0;
        for (int k = -radius; k <= radius; k++)
            sum += tap[k + radius] * x[i / nx * nx + reflect(i % nx + k, nx)];
        t[i] = sum;
    }
    for (int64_t i = 0; i < ny * nx; i++) {
        double sum = 0;
        for (int k = -radius; k <= radius; k++)
            sum += tap[k + radius] * t[reflect(i / nx + k, ny) * nx + i % nx];
        z[i] = sum;
    }
}

typedef struct {
    int64_t ny, nx;
    double *x, *r, *t; /* images after mask and factor; work */
    double *moment[5]; /* means of x, r, x x, r r, x r */
    const unsigned char *region;
    double peak;
} work;

static bool counts(const work *w, int64_t i) { return !w->region || w->region[i]; }

static double structural_similarity(work *w, const double *tap, int radius,
                                    double covariance_factor)
{
    int64_t n = w->ny * w->nx;
    for (int64_t i = 0; i < n; i++) {
        w->moment[0][i] = w->x[i];
        w->moment[1][i] = w->r[i];
        w->moment[2][i] = w->x[i] * w->x[i];
        w->moment[3][i] = w->r[i] * w->r[i];
        w->moment[4][i] = w->x[i] * w->r[i];
    }
    for (int m = 0; m < 5; m++)
        smooth(w->moment[m], w->t, w->moment[m], tap, radius, w->ny, w->nx);
    double c1 = pow(0.01 * w->peak, 2), c2 = pow(0.03 * w->peak, 2), sum = 0;
    int64_t points = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t y = i / w->nx, x = i % w->nx;
        bool edge = y < radius || x < radius || y >= w->ny - radius || x >= w->nx - radius;
        if (w->region ? !w->region[i] : edge)
            continue;
        double a = w->moment[0][i], b = w->moment[1][i];
        double va = covariance_factor * (w->moment[2][i] - a * a);
        double vb = covariance_factor * (w->moment[3][i] - b * b);
        double vab = covariance_factor * (w->moment[4][i] - a * b);
        sum += (2 * a * b + c1) * (2 * vab + c2) / ((a * a + b * b + c1) * (va + vb + c2));
        points++;
    }
    return points ? sum / (double)points : NAN; /* smaller than the window */
}

static double ssim_gaussian(work *w)
{
    double tap[2 * GAUSSIAN_RADIUS + 1], sum = 0;
    for (int k = -GAUSSIAN_RADIUS; k <= GAUSSIAN_RADIUS; k++)
        sum += tap[k + GAUSSIAN_RADIUS] = exp(-k * k / (2 * 1.5 * 1.5));
    for (int k = 0; k <= 2 * GAUSSIAN_RADIUS; k++)
        tap[k] /= sum;
    return structural_similarity(w, tap, GAUSSIAN_RADIUS, 1);
}

static double ssim_uniform(work *w)
{
    double tap[2 * UNIFORM_RADIUS + 1];
    for (int k = 0; k <= 2 * UNIFORM_RADIUS; k++)
        tap[k] = 1.0 / (2 * UNIFORM_RADIUS + 1);
    return structural_similarity(w, tap, UNIFORM_RADIUS, 49.0 / 48.0);
}

static void log_kernel(double *h)
{
    const double s2 = 1.5 * 1.5;
    const int side = 2 * LOG_RADIUS + 1;
    double total = 0, mean = 0;
    for (int i = 0; i < side * side; i++) {
        double y = i / side - LOG_RADIUS, x = i % side - LOG_RADIUS;
        total += h[i] = exp(-(x * x + y * y) / (2 * s2));
    }
    for (int i = 0; i < side * side; i++) {
        double y = i / side - LOG_RADIUS, x = i % side - LOG_RADIUS;
        h[i] *= (x * x + y * y - 2 * s2) / (s2 * s2) / total;
        mean += h[i] / (side * side);
    }
    for (int i = 0; i < side * side; i++)
        h[i] -= mean;
}

static double high_frequency_error(const work *w)
{
    const int side = 2 * LOG_RADIUS + 1;
    double h[(2 * LOG_RADIUS + 1) * (2 * LOG_RADIUS + 1)], error = 0, size = 0;
    log_kernel(h);
    for (int64_t i = 0; i < w->ny * w->nx; i++) {
        if (!counts(w, i))
            continue;
        double a = 0, b = 0;
        for (int k = 0; k < side * side; k++) {
            int64_t y = i / w->nx + k / side - LOG_RADIUS, x = i % w->nx + k % side - LOG_RADIUS;
            if (y < 0 || x < 0 || y >= w->ny || x >= w->nx)
                continue;
            a += h[k] * w->x[y * w->nx + x];
            b += h[k] * w->r[y * w->nx + x];
        }
        error += (a - b) * (a - b);
        size += b * b;
    }
    return sqrt(error / size);
}

/* Mask, factor, sums. */
static sc_status pointwise(sc_metrics *metrics, work *w, const float *x, const float *r,
                           const sc_metrics_options *options)
{
    int64_t n = w->ny * w->nx;
    double rx = 0, xx = 0, rr = 0, error = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(x[i]) || !isfinite(r[i]))
            return sc_fail(SC_ERR_INPUT, "metrics: not finite at row %lld column %lld",
                           (long long)(i / w->nx), (long long)(i % w->nx));
        if (!counts(w, i))
            continue;
        metrics->points++;
        rx += (double)r[i] * x[i];
        xx += (double)x[i] * x[i];
        rr += (double)r[i] * r[i];
        metrics->peak = fmax(metrics->peak, r[i]);
    }
    if (metrics->points == 0)
        return sc_fail(SC_ERR_INPUT, "metrics: the region is empty");
    if (!(rr > 0) || !(metrics->peak > 0))
        return sc_fail(SC_ERR_INPUT, "metrics: the reference is zero in the region");
    if (options->peak > 0)
        metrics->peak = options->peak;
    w->peak = metrics->peak;
    metrics->factor = options->fit && xx > 0 ? rx / xx : 1;
    for (int64_t i = 0; i < n; i++) {
        w->x[i] = counts(w, i) ? metrics->factor * x[i] : 0;
        w->r[i] = counts(w, i) ? r[i] : 0;
        error += (w->x[i] - w->r[i]) * (w->x[i] - w->r[i]);
    }
    metrics->nrmse = sqrt(error / rr);
    metrics->psnr = 20 * log10(metrics->peak / sqrt(error / (double)metrics->points));
    return SC_OK;
}

sc_status sc_metrics_compare(sc_metrics *metrics, const float *x, const float *r, int64_t ny,
                             int64_t nx, const sc_metrics_options *options)
{
    static const sc_metrics_options whole = {0};
    sc_status status = SC_OK;
    double *memory = NULL;
    int64_t n = ny * nx;
    options = options ? options : &whole;
    *metrics = (sc_metrics){0};
    SC_TRY(SC_ALLOC(&memory, 8 * n, "metrics"));
    work w = {.ny = ny, .nx = nx, .region = options->region};
    w.x = memory;
    w.r = memory + n;
    w.t = memory + 2 * n;
    for (int m = 0; m < 5; m++)
        w.moment[m] = memory + (3 + m) * n;
    SC_TRY(pointwise(metrics, &w, x, r, options));
    metrics->ssim = ssim_gaussian(&w);
    metrics->ssim_uniform = ssim_uniform(&w);
    metrics->hfen = high_frequency_error(&w);
cleanup:
    sc_free(memory);
    return status;
}
