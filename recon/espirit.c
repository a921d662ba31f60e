/* ESPIRiT: patterns, projector, number of sets, crop (see espirit.h). */
#include "base/memory.h"
#include "recon/compress.h"
#include "recon/espirit_internal.h"
#include "recon/hankel.h"
#include <assert.h>
#include <lapacke.h>
#include <math.h>
#include <string.h>

/* Two sets are needed where two images overlap: there the second eigenvalue is 1. Noise and the
 * rim of the object give 0.8 here and there. Real brain scans: 0 % of the support above 0.9 with
 * one set, 17 % where the head is larger than the field of view. Between, where a head touches its
 * border, a second set is worth its freedom if what one set leaves unexplained stands far above
 * the noise: the share is held against the noise's eigenvalue over the largest. */
#define SECOND_EIGENVALUE 0.9
#define SECOND_OVER_NOISE 8000
#define SECOND_LEAST 0.016
#define SECOND_MOST 0.1
/* With nearly all patterns kept there is only noise, and every eigenvalue is 1. */
#define NOISE_RANK 0.8
/* Eigenvalues of the calibration matrix, as shares of the largest: what tells of two images, and
 * what maps are made of. Maps of strong patterns alone (BART's rule) leave out faint tissue and
 * what varies fast, which with little noise in the scan costs up to 8 dB (README.md). */
#define STRONG 0.001
#define ABOVE_NOISE 5
#define WEAKEST 1e-8
#define COARSE 64

sc_espirit_options sc_espirit_default(void)
{
    return (sc_espirit_options){.kernel = 6, .threshold = 0, .crop = 0.9, .sets = 0};
}

void sc_espirit_free(sc_espirit_maps *out)
{
    if (out) {
        sc_free(out->maps);
        sc_free(out->eigenvalue);
        *out = (sc_espirit_maps){0};
    }
}

/* What the block says of the coils, before any choice: columns of v, eigenvalues ascending. */
typedef struct {
    int coils, k, rows, n;
    double complex *v, *reference;
    double *value;
} patterns;

static void patterns_free(patterns *p)
{
    sc_free(p->v);
    sc_free(p->reference);
    sc_free(p->value);
}

/* Leading eigenvector of the coils' covariance. */
static sc_status principal_coil(double complex *reference, const sc_c32 *block, int coils,
                                int64_t n)
{
    sc_status status = SC_OK;
    double complex *v = NULL;
    double *value = NULL;
    SC_TRY(SC_ALLOC(&v, (int64_t)coils * coils, "coil covariance"));
    SC_TRY(SC_ALLOC(&value, coils, "coil covariance"));
    sc_coil_covariance_add(v, block, coils, n);
    if (LAPACKE_zheevd(LAPACK_ROW_MAJOR, 'V', 'L', coils, v, coils, value) != 0) {
        status = sc_fail(SC_ERR_NUMERIC, "coil covariance: no eigenvectors for %d coils", coils);
        goto cleanup;
    }
    for (int c = 0; c < coils; c++)
        reference[c] = v[c * coils + coils - 1];
cleanup:
    sc_free(v);
    sc_free(value);
    return status;
}

/* q[c,d][e] = 1/k^2 sum over offsets a - b = e of Pi[(c,a), (d,b)], Pi from the last `kept`
 * columns of v. */
static sc_status sum_patterns(sc_espirit_kernel *kernel, const double complex *v, int n, int kept,
                              int k)
{
    sc_status status = SC_OK;
    int kk = k * k, width = kernel->width;
    double complex *sum = NULL;
    SC_TRY(SC_ALLOC(&sum, width * width, "pattern sums"));
    for (int c = 0, pair = 0; c < kernel->coils; c++)
        for (int d = 0; d <= c; d++, pair++) {
            memset(sum, 0, (size_t)(width * width) * sizeof *sum);
            for (int a = 0; a < kk; a++)
                for (int b = 0; b < kk; b++) {
                    const double complex *p = v + (int64_t)(c * kk + a) * n + n - kept;
                    const double complex *q = v + (int64_t)(d * kk + b) * n + n - kept;
                    double re = 0, im = 0; /* Pi[(c,a),(d,b)] = sum_m p_m conj(q_m) */
                    for (int m = 0; m < kept; m++) {
                        re += creal(p[m]) * creal(q[m]) + cimag(p[m]) * cimag(q[m]);
                        im += cimag(p[m]) * creal(q[m]) - creal(p[m]) * cimag(q[m]);
                    }
                    int ey = a / k - b / k + k - 1, ex = a % k - b % k + k - 1;
                    sum[ey * width + ex] += CMPLX(re, im) / kk;
                }
            for (int i = 0; i < width * width; i++)
                kernel->q[pair * width * width + i] = (sc_c32)sum[i];
        }
cleanup:
    sc_free(sum);
    return status;
}

static sc_status patterns_create(patterns *p, const sc_c32 *block, int coils, int64_t cy,
                                 int64_t cx, int k)
{
    sc_status status = SC_OK;
    double complex *a = NULL;
    *p = (patterns){.coils = coils, .k = k};
    SC_TRY(SC_ALLOC(&p->reference, coils, "principal coil"));
    SC_TRY(principal_coil(p->reference, block, coils, cy * cx));
    SC_TRY(sc_hankel(&a, &p->rows, &p->n, block, coils, cy, cx, k));
    SC_TRY(SC_ALLOC(&p->v, (int64_t)p->n * p->n, "patterns"));
    SC_TRY(SC_ALLOC(&p->value, p->n, "patterns"));
    SC_TRY(sc_hankel_patterns(p->v, p->value, a, p->rows, p->n));
cleanup:
    sc_free(a);
    return status;
}

/* Largest eigenvalue of a calibration matrix of unit noise (Marchenko and Pastur 1967; 2 is the
 * variance of a complex sample) as a share of the block's. */
static double noise_edge(const patterns *p)
{
    double root = sqrt(p->rows) + sqrt(p->n);
    return 2 * root * root / p->value[p->n - 1];
}

static sc_status kernel_create(sc_espirit_kernel *kernel, const patterns *p, double threshold)
{
    int kept = 0, coils = p->coils;
    *kernel = (sc_espirit_kernel){.coils = coils,
                                  .pairs = coils * (coils + 1) / 2,
                                  .width = 2 * p->k - 1,
                                  .reference = p->reference};
    /* eigenvalues are squares of singular values, so the ratio is the threshold itself */
    while (kept < p->n && p->value[p->n - 1 - kept] > threshold * p->value[p->n - 1])
        kept++;
    if (kept == 0)
        return sc_fail(SC_ERR_INPUT, "calibration: the centre of k-space holds no signal");
    kernel->rank = (double)kept / (p->rows < p->n ? p->rows : p->n);
    sc_status status =
        SC_ALLOC(&kernel->q, kernel->pairs * kernel->width * kernel->width, "coil kernels");
    return status == SC_OK ? sum_patterns(kernel, p->v, p->n, kept, p->k) : status;
}

/* The second eigenvalue on a coarse grid, of strong patterns only: near the noise patterns tell of
 * everything that is not smooth, and second eigenvalues near 1 are everywhere. */
static sc_status count_sets(sc_espirit_maps *out, const patterns *p, double crop, int threads)
{
    sc_status status = SC_OK;
    sc_espirit_kernel kernel = {0};
    sc_c32 *vectors = NULL;
    float *eigenvalue = NULL;
    int64_t ny = out->ny < COARSE ? out->ny : COARSE, nx = out->nx < COARSE ? out->nx : COARSE;
    int64_t n = ny * nx, support = 0, second = 0;
    SC_TRY(kernel_create(&kernel, p, STRONG));
    SC_TRY(SC_ALLOC(&vectors, 2 * out->coils * n, "coarse coil maps"));
    SC_TRY(SC_ALLOC(&eigenvalue, 2 * n, "coarse eigenvalues"));
    SC_TRY(sc_espirit_eigen(vectors, eigenvalue, &kernel, ny, nx, threads));
    for (int64_t i = 0; i < n; i++) {
        bool inside = eigenvalue[i] > crop;
        support += inside;
        second += inside && eigenvalue[n + i] > SECOND_EIGENVALUE;
    }
    out->second_share = support > 0 ? (double)second / (double)support : 0;
    double worth = fmin(fmax(SECOND_OVER_NOISE * noise_edge(p), SECOND_LEAST), SECOND_MOST);
    out->sets = 1 + (out->second_share > worth && kernel.rank <= NOISE_RANK);
cleanup:
    sc_free(kernel.q);
    sc_free(vectors);
    sc_free(eigenvalue);
    return status;
}

static void crop_maps(sc_espirit_maps *out, double crop)
{
    int64_t n = out->ny * out->nx;
    for (int s = 0; s < out->sets; s++)
        for (int c = 0; c < out->coils; c++)
            for (int64_t i = 0; i < n; i++)
                if (!(out->eigenvalue[s * n + i] > crop))
                    out->maps[(s * out->coils + c) * n + i] = 0;
}

sc_status sc_espirit(sc_espirit_maps *out, const sc_c32 *block, int coils, int64_t cy, int64_t cx,
                     int64_t ny, int64_t nx, const sc_espirit_options *options, int threads)
{
    assert(coils >= 1 && options->kernel >= 1 && options->sets >= 0 && options->sets <= 2);
    sc_status status = SC_OK;
    patterns p = {0};
    sc_espirit_kernel kernel = {0};
    *out = (sc_espirit_maps){.coils = coils, .ny = ny, .nx = nx};
    if (cy < options->kernel || cx < options->kernel)
        return sc_fail(SC_ERR_INPUT,
                       "calibration: the fully sampled centre of k-space is %lld x %lld; maps need "
                       "at least %d x %d, or give maps",
                       (long long)cy, (long long)cx, options->kernel, options->kernel);
    SC_TRY(patterns_create(&p, block, coils, cy, cx, options->kernel));
    double threshold = options->threshold;
    if (threshold == 0)
        threshold = fmin(fmax(ABOVE_NOISE * noise_edge(&p), WEAKEST), STRONG);
    SC_TRY(kernel_create(&kernel, &p, threshold));
    SC_TRY(SC_ALLOC(&out->maps, 2 * coils * ny * nx, "coil maps"));
    SC_TRY(SC_ALLOC(&out->eigenvalue, 2 * ny * nx, "eigenvalues"));
    SC_TRY(sc_espirit_eigen(out->maps, out->eigenvalue, &kernel, ny, nx, threads));
    SC_TRY(count_sets(out, &p, options->crop, threads));
    if (options->sets)
        out->sets = options->sets;
    if (coils == 1)
        out->sets = 1;
    crop_maps(out, options->crop);
cleanup:
    patterns_free(&p);
    sc_free(kernel.q);
    if (status != SC_OK)
        sc_espirit_free(out);
    return status;
}
