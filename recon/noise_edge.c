/* Noise covariance from the outermost sampled k-space.
 *
 * Signal reaches into the corners, and a mask may leave the corners out (elliptical Poisson-disc
 * masks end at radius 1, where a brain scan's power is half signal). But signal and noise differ
 * between coils: the covariance in a ring is C + a S, with S of low rank and strongly correlated
 * between neighbouring coils, and its shape is known from the inner k-space, where it rules:
 * S ~ Sigma(inner) - Sigma(outer). What is not known is a. It is chosen so that Sigma - a S is
 * least correlated between the coils, that is, log det of its correlation matrix is largest.
 * Where the power no longer falls between the last two rings, nothing is subtracted.
 *
 * Bias: noise that is correlated like the signal is taken for signal. On a real 8-coil scan, sigma
 * came out within 12 % in every coil for five masks (README.md).
 */
#include "base/memory.h"
#include "recon/noise_internal.h"
#include <float.h>
#include <lapacke.h>
#include <math.h>
#include <string.h>

#define BINS 4096
#define RINGS 2
#define SLICES_MAX 16 /* enough for the statistics */

typedef struct {
    double from, to; /* radius */
    int64_t count;
    double complex *sum; /* (coil, coil): covariance per real component after finish() */
} band;

/* Radius in units of the Nyquist frequency; an axis of one sample has none. */
static double axis(int64_t i, int64_t n)
{
    return n > 1 ? 2.0 * (double)(i - n / 2) / (double)n : 0;
}

typedef struct {
    const sc_scan *scan;
    int64_t points, step; /* points of one slice; every step-th (frame, slice) is looked at */
    double *radius;       /* (kz, ky, kx) */
} geometry;

static sc_status geometry_create(geometry *g, const sc_scan *scan)
{
    int64_t total = scan->frames * scan->slices;
    *g = (geometry){.scan = scan,
                    .points = scan->nz * scan->ny * scan->nx,
                    .step = (total + SLICES_MAX - 1) / SLICES_MAX};
    sc_status status = SC_ALLOC(&g->radius, g->points, "k-space radius");
    if (status != SC_OK)
        return status;
    int64_t i = 0;
    for (int64_t z = 0; z < scan->nz; z++)
        for (int64_t y = 0; y < scan->ny; y++)
            for (int64_t x = 0; x < scan->nx; x++) {
                double a = axis(z, scan->nz), b = axis(y, scan->ny), c = axis(x, scan->nx);
                g->radius[i++] = sqrt(a * a + b * b + c * c);
            }
    return SC_OK;
}

static const sc_c32 *coil_data(const geometry *g, int64_t image, int64_t c)
{
    return (const sc_c32 *)g->scan->kspace.data + (image * g->scan->coils + c) * g->points;
}

/* Weight of a sample (number of averages), 0 where nothing was measured. */
static double weight(const geometry *g, int64_t image, int64_t i)
{
    double w = ((const float *)g->scan->mask.data)[image * g->points + i];
    if (!(w > 0))
        return 0;
    for (int64_t c = 0; c < g->scan->coils; c++)
        if (coil_data(g, image, c)[i] != 0)
            return w;
    return 0;
}

static int64_t histogram(const geometry *g, int64_t count[BINS])
{
    int64_t total = 0;
    memset(count, 0, BINS * sizeof *count);
    for (int64_t image = 0; image < g->scan->frames * g->scan->slices; image += g->step)
        for (int64_t i = 0; i < g->points; i++)
            if (weight(g, image, i) > 0) {
                count[(int)(g->radius[i] / 1.7321 * (BINS - 1))]++; /* 1.7321 > sqrt(3) */
                total++;
            }
    return total;
}

static void add_sample(band *b, const geometry *g, int64_t image, int64_t i, double w)
{
    int64_t coils = g->scan->coils;
    for (int64_t c = 0; c < coils; c++) {
        double complex yc = w * (double complex)coil_data(g, image, c)[i];
        for (int64_t d = 0; d <= c; d++)
            b->sum[c * coils + d] += yc * conj((double complex)coil_data(g, image, d)[i]);
    }
    b->count++;
}

/* Covariance of every band. */
static void accumulate(band *bands, int n, const geometry *g)
{
    int64_t coils = g->scan->coils;
    for (int64_t image = 0; image < g->scan->frames * g->scan->slices; image += g->step)
        for (int64_t i = 0; i < g->points; i++)
            for (int b = 0; b < n; b++) {
                if (g->radius[i] < bands[b].from || g->radius[i] >= bands[b].to)
                    continue;
                double w = weight(g, image, i);
                if (w > 0)
                    add_sample(&bands[b], g, image, i, w);
            }
    for (int b = 0; b < n; b++)
        for (int64_t c = 0; c < coils && bands[b].count > 0; c++)
            for (int64_t d = 0; d <= c; d++) {
                double complex v = bands[b].sum[c * coils + d] / (2.0 * (double)bands[b].count);
                bands[b].sum[c * coils + d] = v;
                bands[b].sum[d * coils + c] = conj(v);
            }
}

static double trace(const double complex *m, int n)
{
    double sum = 0;
    for (int c = 0; c < n; c++)
        sum += creal(m[c * n + c]);
    return sum;
}

/* log det of the correlation matrix of Sigma - t S; -inf where it is not positive definite. */
static double independence(double complex *work, const double complex *sigma,
                           const double complex *s, double t, int n)
{
    double value = 0;
    for (int i = 0; i < n * n; i++)
        work[i] = sigma[i] - t * s[i];
    for (int c = 0; c < n; c++) {
        double d = creal(work[c * n + c]);
        if (!(d > 0))
            return -INFINITY;
        value -= log(d);
    }
    if (LAPACKE_zpotrf(LAPACK_ROW_MAJOR, 'L', n, work, n) != 0)
        return -INFINITY;
    for (int c = 0; c < n; c++)
        value += 2 * log(creal(work[c * n + c]));
    return value;
}

/* How much of S is in Sigma: a grid, then a golden section around its best point. */
static double signal_in(double complex *work, const double complex *sigma, const double complex *s,
                        int n)
{
    double high = INFINITY;
    for (int c = 0; c < n; c++)
        if (creal(s[c * n + c]) > 0)
            high = fmin(high, creal(sigma[c * n + c]) / creal(s[c * n + c]));
    if (!isfinite(high))
        return 0;
    for (double low = 0, i = 0; i < 40; i++) { /* the largest t that leaves it positive definite */
        double middle = 0.5 * (low + high);
        if (isinf(independence(work, sigma, s, middle, n)))
            high = middle;
        else
            low = middle;
    }
    const int grid = 32;
    int best = 0;
    double value = -INFINITY;
    for (int i = 0; i < grid; i++) {
        double v = independence(work, sigma, s, high * i / grid, n);
        if (v > value) {
            value = v;
            best = i;
        }
    }
    double a = high * fmax(best - 1, 0) / grid, b = high * (best + 1) / grid;
    const double golden = 0.6180339887498949;
    for (int i = 0; i < 40; i++) {
        double p = b - golden * (b - a), q = a + golden * (b - a);
        if (independence(work, sigma, s, p, n) > independence(work, sigma, s, q, n))
            b = q;
        else
            a = p;
    }
    return 0.5 * (a + b);
}

/* C = weighted mean over the rings of Sigma - a S. Rings with less signal weigh more. */
static void separate(sc_noise *noise, double complex *s, double complex *work, const band *ring,
                     const band *inner)
{
    int n = noise->coils;
    double total = 0, norm = 0;
    for (int i = 0; i < n * n; i++)
        s[i] = inner->sum[i] - ring[0].sum[i];
    norm = trace(s, n);
    /* one coil, or no more power inside than outside: nothing to tell signal from noise by */
    bool separable = n > 1 && norm > 0;
    for (int i = 0; i < n * n && separable; i++)
        s[i] /= norm;
    for (int r = 0; r < RINGS; r++) {
        double t = separable ? signal_in(work, ring[r].sum, s, n) : 0;
        double share = t / trace(ring[r].sum, n);
        double w = (double)ring[r].count * (1 - share) * (1 - share);
        if (!separable && r > 0)
            break;
        for (int i = 0; i < n * n; i++)
            noise->covariance[i] += w * (ring[r].sum[i] - t * s[i]);
        total += w;
        noise->signal_share += w * share;
        noise->samples += ring[r].count;
    }
    for (int i = 0; i < n * n; i++)
        noise->covariance[i] /= total;
    noise->signal_share /= total;
}

/* Bands from the histogram: two outer rings of `wanted` samples each, and an inner one. */
static void place_bands(band bands[RINGS + 1], const int64_t count[BINS], int64_t wanted)
{
    double to = INFINITY, bin = 1.7321 / (BINS - 1);
    int i = BINS - 1, last = -1;
    for (int r = 0; r < RINGS; r++) {
        int64_t have = 0;
        while (i > 0 && have < wanted) {
            have += count[i];
            if (have > 0 && last < 0)
                last = i;
            i--;
        }
        bands[r].from = (i + 1) * bin;
        bands[r].to = to;
        to = bands[r].from;
    }
    bands[RINGS].from = 0.2 * last * bin;
    bands[RINGS].to = fmin(0.4 * last * bin, to);
}

sc_status sc_noise_edge(sc_noise *noise, double *edge_power, const sc_scan *scan)
{
    sc_status status = SC_OK;
    geometry g = {0};
    band bands[RINGS + 1] = {{0}};
    double complex *s = NULL, *work = NULL;
    int64_t *count = NULL;
    int n = (int)scan->coils, squared = n * n;
    SC_TRY(geometry_create(&g, scan));
    SC_TRY(SC_ALLOC(&count, BINS, "histogram"));
    int64_t total = histogram(&g, count);
    if (total < 16 * (int64_t)n) {
        status = sc_fail(SC_ERR_INPUT, "%s: %lld measured samples are too few for %d coils",
                         scan->source, (long long)total, n);
        goto cleanup;
    }
    /* 50 a coil give sigma to 7 % in each coil alone and the covariance a condition number that
     * can be inverted; never more than an eighth of the samples */
    int64_t wanted = total / 100, least = 50 * (int64_t)n;
    if (wanted < least)
        wanted = least < total / 8 ? least : total / 8;
    place_bands(bands, count, wanted);
    for (int b = 0; b <= RINGS; b++)
        SC_TRY(SC_ALLOC(&bands[b].sum, squared, "ring covariance"));
    SC_TRY(SC_ALLOC(&s, squared, "signal covariance"));
    SC_TRY(SC_ALLOC(&work, squared, "work"));
    accumulate(bands, RINGS + 1, &g);
    double outer = trace(bands[0].sum, n), next = trace(bands[1].sum, n);
    if (!(outer > 0) || !isfinite(outer)) {
        status = sc_fail(SC_ERR_INPUT, "%s: the outermost k-space holds no noise (variance %g)",
                         scan->source, outer / n);
        goto cleanup;
    }
    *edge_power = outer / n;
    double chance = sqrt(1.0 / (double)(n * bands[0].count) + 1.0 / (double)(n * bands[1].count));
    memset(noise->covariance, 0, (size_t)squared * sizeof *noise->covariance);
    noise->samples = 0;
    noise->signal_share = 0;
    if (next < outer * (1 + 2 * chance)) { /* a plateau: noise only */
        memcpy(noise->covariance, bands[0].sum, (size_t)squared * sizeof *noise->covariance);
        noise->samples = bands[0].count;
    } else
        separate(noise, s, work, bands, &bands[RINGS]);
    /* statistics, and a quarter of the variance that was subtracted as a guess of its error; where
     * nothing could be told apart (one coil), the fall of the power says how much is at stake */
    double doubt = noise->signal_share / fmax(1 - noise->signal_share, 0.05) / 4;
    if (n == 1 && next > outer * (1 + 2 * chance))
        doubt = fmin(next / outer - 1, 1);
    noise->relative_error = hypot(0.5 / sqrt((double)noise->samples), 0.5 * doubt);
cleanup:
    for (int b = 0; b <= RINGS; b++)
        sc_free(bands[b].sum);
    sc_free(g.radius);
    sc_free(count);
    sc_free(s);
    sc_free(work);
    return status;
}
