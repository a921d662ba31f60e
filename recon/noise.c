/* Choosing the noise estimate (see noise.h). Prescan: no mean is removed, as in BART's whiten. */
#include "recon/noise.h"
#include "base/memory.h"
#include "recon/noise_internal.h"
#include <assert.h>
#include <lapacke.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* The edge holds noise and signal, so a prescan that says more is in other units. 1.3 leaves room
 * for the statistics of a few hundred edge samples and for filters that lower the corners. */
#define PRESCAN_OVER_EDGE 1.3
/* Below this the calibration matrix contradicts the edge by more than both errors. */
#define CALIBRATION_BELOW_EDGE 0.85
#define CALIBRATION_ROUNDS 2
/* No receiver has less noise than this share of the strongest sample, and no map is as exact: a
 * simulated scan without noise, a dead coil, a coil given twice. */
#define LEAST_NOISE 1e-6

void sc_noise_free(sc_noise *noise)
{
    if (noise) {
        sc_free(noise->covariance);
        *noise = (sc_noise){0};
    }
}

static sc_status start(sc_noise *noise, int coils)
{
    *noise = (sc_noise){.coils = coils, .edge_ratio = NAN, .calibration_ratio = NAN};
    return SC_ALLOC(&noise->covariance, (int64_t)coils * coils, "noise covariance");
}

double sc_noise_sigma(const sc_noise *noise)
{
    double trace = 0;
    for (int c = 0; c < noise->coils; c++)
        trace += creal(noise->covariance[c * noise->coils + c]);
    return sqrt(trace / noise->coils);
}

sc_status sc_noise_prescan(sc_noise *noise, const sc_c32 *samples, int coils, int64_t count)
{
    assert(coils > 0);
    sc_status status = SC_OK;
    SC_TRY(start(noise, coils));
    if (count < 4 * (int64_t)coils) {
        status = sc_fail(SC_ERR_INPUT, "noise scan: %lld samples are too few for %d coils",
                         (long long)count, coils);
        goto cleanup;
    }
    for (int c = 0; c < coils; c++)
        for (int d = 0; d <= c; d++) {
            const sc_c32 *a = samples + c * count, *b = samples + d * count;
            double complex sum = 0;
            for (int64_t i = 0; i < count; i++)
                sum += (double complex)a[i] * conj((double complex)b[i]);
            sum /= 2.0 * (double)count;
            noise->covariance[c * coils + d] = sum;
            noise->covariance[d * coils + c] = conj(sum);
        }
    for (int c = 0; c < coils; c++) {
        double variance = creal(noise->covariance[c * coils + c]);
        if (!(variance > 0) || !isfinite(variance)) {
            status = sc_fail(SC_ERR_INPUT, "noise scan: coil %d has variance %g", c, variance);
            goto cleanup;
        }
    }
    noise->source = SC_NOISE_PRESCAN;
    noise->samples = count;
    noise->relative_error = 0.5 / sqrt((double)count);
cleanup:
    if (status != SC_OK)
        sc_noise_free(noise);
    return status;
}

/* Each coil's noise given the other coils', (C^-1)_cc^(-1/2): what signal shares between coils is
 * not in it. work: (n, n). */
static sc_status own_noise(double *own, double complex *work, const sc_noise *noise)
{
    int n = noise->coils;
    memcpy(work, noise->covariance, (size_t)(n * n) * sizeof *work);
    if (LAPACKE_zpotrf(LAPACK_ROW_MAJOR, 'L', n, work, n) != 0 ||
        LAPACKE_zpotri(LAPACK_ROW_MAJOR, 'L', n, work, n) != 0)
        return sc_fail(SC_ERR_NUMERIC, "noise covariance: not positive definite (%d coils)", n);
    for (int c = 0; c < n; c++)
        own[c] = 1 / sqrt(creal(work[c * n + c]));
    return SC_OK;
}

/* The eigenvalues (n, ascending) times f^2 in sum: for f < 1 the largest are cut at one level. */
static void resize_eigenvalues(double *value, int n, double f)
{
    double wanted = 0, below = 0;
    for (int i = 0; i < n; i++)
        wanted += f * f * value[i];
    int kept = 0;
    while (f < 1 && kept < n && value[kept] * (n - kept) + below < wanted)
        below += value[kept++];
    double level = kept < n ? (wanted - below) / (n - kept) : 0;
    for (int i = 0; i < n; i++)
        value[i] = f >= 1 ? f * f * value[i] : i < kept ? value[i] : level;
}

/* Covariance times f^2 in size, in units of each coil's own noise, so that gains are no matter.
 * What is too much is signal, and that is strong in a few combinations of coils: only those are
 * lowered. Lowering all alike would leave the signal's shape, and whitening with that throws
 * away the very channels that see most. */
static sc_status resize(sc_noise *noise, double f)
{
    int n = noise->coils;
    double complex *v = NULL;
    double *value = NULL, *own = NULL;
    sc_status status = SC_OK;
    SC_TRY(SC_ALLOC(&v, (int64_t)n * n, "eigenvectors of the noise"));
    SC_TRY(SC_ALLOC(&value, n, "eigenvalues of the noise"));
    SC_TRY(SC_ALLOC(&own, n, "noise of each coil"));
    SC_TRY(own_noise(own, v, noise));
    for (int c = 0; c < n; c++)
        for (int d = 0; d < n; d++)
            v[c * n + d] = noise->covariance[c * n + d] / (own[c] * own[d]);
    if (LAPACKE_zheevd(LAPACK_ROW_MAJOR, 'V', 'L', n, v, n, value) != 0) {
        status = sc_fail(SC_ERR_NUMERIC, "noise covariance: no eigenvalues (%d coils)", n);
        goto cleanup;
    }
    resize_eigenvalues(value, n, f);
    for (int c = 0; c < n; c++)
        for (int d = 0; d < n; d++) {
            double complex sum = 0;
            for (int i = 0; i < n; i++)
                sum += v[c * n + i] * conj(v[d * n + i]) * value[i];
            noise->covariance[c * n + d] = own[c] * own[d] * sum;
        }
cleanup:
    sc_free(v);
    sc_free(value);
    sc_free(own);
    return status;
}

static double strongest_sample(const sc_scan *scan, int64_t coil)
{
    int64_t points = scan->nz * scan->ny * scan->nx;
    double strongest = 0;
    for (int64_t image = 0; image < scan->frames * scan->slices; image++) {
        const sc_c32 *k = (const sc_c32 *)scan->kspace.data + (image * scan->coils + coil) * points;
        for (int64_t i = 0; i < points; i++)
            strongest = fmax(strongest, creal(k[i] * conj((double complex)k[i])));
    }
    return strongest;
}

/* least (coil): the least variance, by a coil's own strongest sample; of a dead coil by anybody's
 */
static void least_noise(double *least, const sc_scan *scan)
{
    double any = 0;
    for (int64_t c = 0; c < scan->coils; c++) {
        least[c] = LEAST_NOISE * LEAST_NOISE * strongest_sample(scan, c);
        any = fmax(any, least[c]);
    }
    for (int64_t c = 0; c < scan->coils; c++)
        if (least[c] == 0)
            least[c] = any;
}

static void add_variance(sc_noise *noise, const double *variance)
{
    for (int c = 0; c < noise->coils; c++)
        noise->covariance[c * noise->coils + c] += variance[c];
}

/* The lower of edge and calibration matrix: what remains of the signal can only raise either. */
static sc_status from_data(sc_noise *noise, double *edge_power, const sc_scan *scan)
{
    sc_status status = SC_OK;
    double *least = NULL;
    SC_TRY(start(noise, (int)scan->coils));
    SC_TRY(SC_ALLOC(&least, scan->coils, "least noise"));
    least_noise(least, scan);
    SC_TRY(sc_noise_edge(noise, edge_power, scan));
    add_variance(noise, least);
    noise->source = SC_NOISE_EDGE;
    SC_TRY(sc_noise_calibration_ratio(&noise->calibration_ratio, noise, scan));
    if (noise->calibration_ratio < CALIBRATION_BELOW_EDGE) {
        for (int round = 0; round < CALIBRATION_ROUNDS; round++) { /* the shape decides, too */
            SC_TRY(resize(noise, noise->calibration_ratio));
            SC_TRY(sc_noise_calibration_ratio(&noise->calibration_ratio, noise, scan));
        }
        SC_TRY(resize(noise, noise->calibration_ratio));
        add_variance(noise, least);
        noise->source = SC_NOISE_CALIBRATION;
        /* the calibration matrix of real scans reads high by up to a fifth (motion, pulsation) */
        noise->relative_error = fmax(noise->relative_error, 0.2);
        noise->calibration_ratio = 1;
    }
    noise->edge_ratio = sc_noise_sigma(noise) / sqrt(*edge_power);
cleanup:
    sc_free(least);
    if (status != SC_OK)
        sc_noise_free(noise);
    return status;
}

sc_status sc_noise_estimate(sc_noise *noise, const sc_scan *scan)
{
    sc_status status = SC_OK;
    sc_noise edge = {0};
    double edge_power = 0;
    *noise = (sc_noise){0};
    int64_t count = scan->noise.data ? scan->noise.dim[1] : 0;
    if (count < 4 * scan->coils) {
        SC_TRY(from_data(noise, &edge_power, scan));
        goto cleanup;
    }
    SC_TRY(sc_noise_prescan(noise, scan->noise.data, (int)scan->coils, count));
    SC_TRY(start(&edge, (int)scan->coils));
    status = sc_noise_edge(&edge, &edge_power, scan);
    if (status == SC_ERR_INPUT) {
        status = SC_OK; /* too little data to doubt the prescan */
        goto cleanup;
    }
    SC_TRY(status);
    noise->edge_ratio = sc_noise_sigma(noise) / sqrt(edge_power);
    if (noise->edge_ratio > PRESCAN_OVER_EDGE) {
        double ratio = noise->edge_ratio;
        sc_noise_free(noise);
        SC_TRY(from_data(noise, &edge_power, scan));
        noise->edge_ratio = ratio;
    }
cleanup:
    sc_noise_free(&edge);
    if (status != SC_OK)
        sc_noise_free(noise);
    return status;
}

sc_status sc_noise_given(sc_noise *noise, int coils, double sigma)
{
    assert(coils > 0 && sigma > 0);
    sc_status status = start(noise, coils);
    for (int c = 0; c < coils && status == SC_OK; c++)
        noise->covariance[c * coils + c] = sigma * sigma;
    noise->source = SC_NOISE_GIVEN;
    return status;
}

void sc_noise_describe(const sc_noise *noise, char *text, size_t size)
{
    static const char *const from[] = {
        [SC_NOISE_PRESCAN] = "noise prescan",
        [SC_NOISE_EDGE] = "outermost k-space",
        [SC_NOISE_CALIBRATION] = "outermost k-space, size from the calibration matrix",
    };
    if (noise->source == SC_NOISE_GIVEN) {
        snprintf(text, size, "noise as given: sigma %.4g in every coil, independent",
                 sc_noise_sigma(noise));
        return;
    }
    int used = snprintf(text, size, "noise from the %s: sigma %.4g +- %.0f %%, %lld samples a coil",
                        from[noise->source], sc_noise_sigma(noise), 100 * noise->relative_error,
                        (long long)noise->samples);
    if (used < 0 || (size_t)used >= size)
        return;
    if (noise->source != SC_NOISE_PRESCAN && noise->edge_ratio > PRESCAN_OVER_EDGE)
        used += snprintf(text + used, size - (size_t)used,
                         "; the prescan says %.2g times what k-space holds and was not used",
                         noise->edge_ratio);
    if ((size_t)used < size && noise->source == SC_NOISE_EDGE)
        snprintf(text + used, size - (size_t)used, "; %.0f %% of the power there taken for signal",
                 100 * noise->signal_share);
}
