/* ESPIRiT: patterns, projector, crop, number of sets (see espirit.h). */
#include "base/memory.h"
#include "recon/compress.h"
#include "recon/espirit_internal.h"
#include "recon/hankel.h"
#include <assert.h>
#include <lapacke.h>
#include <string.h>

/* Two sets are needed where two images overlap: there the second eigenvalue is 1. Noise and the
 * rim of the object give 0.8 here and there. Real brain scans: 0 % above 0.9 with one set, 17 %
 * where the head is larger than the field of view. */
#define SECOND_EIGENVALUE 0.9
#define SECOND_SHARE 0.02
/* With nearly all patterns kept there is only noise, and every eigenvalue is 1. */
#define NOISE_RANK 0.8

sc_espirit_options sc_espirit_default(void)
{
    return (sc_espirit_options){.kernel = 6, .threshold = 0.001, .crop = 0.8, .sets = 0};
}

void sc_espirit_free(sc_espirit_maps *out)
{
    if (out) {
        sc_free(out->maps);
        sc_free(out->eigenvalue);
        *out = (sc_espirit_maps){0};
    }
}

static void kernel_free(sc_espirit_kernel *kernel)
{
    sc_free(kernel->q);
    sc_free(kernel->reference);
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

static sc_status kernel_create(sc_espirit_kernel *kernel, const sc_c32 *block, int coils,
                               int64_t cy, int64_t cx, const sc_espirit_options *options)
{
    sc_status status = SC_OK;
    double complex *a = NULL, *v = NULL;
    double *value = NULL;
    int rows, n, kept = 0, k = options->kernel;
    *kernel =
        (sc_espirit_kernel){.coils = coils, .pairs = coils * (coils + 1) / 2, .width = 2 * k - 1};
    SC_TRY(SC_ALLOC(&kernel->q, kernel->pairs * kernel->width * kernel->width, "coil kernels"));
    SC_TRY(SC_ALLOC(&kernel->reference, coils, "principal coil"));
    SC_TRY(principal_coil(kernel->reference, block, coils, cy * cx));
    SC_TRY(sc_hankel(&a, &rows, &n, block, coils, cy, cx, k));
    SC_TRY(SC_ALLOC(&v, (int64_t)n * n, "patterns"));
    SC_TRY(SC_ALLOC(&value, n, "patterns"));
    SC_TRY(sc_hankel_patterns(v, value, a, rows, n));
    /* eigenvalues are squares of singular values, so the ratio is the threshold itself */
    while (kept < n && value[n - 1 - kept] > options->threshold * value[n - 1])
        kept++;
    if (kept == 0) {
        status = sc_fail(SC_ERR_INPUT, "calibration: the centre of k-space holds no signal");
        goto cleanup;
    }
    kernel->rank = (double)kept / (rows < n ? rows : n);
    SC_TRY(sum_patterns(kernel, v, n, kept, k));
cleanup:
    sc_free(a);
    sc_free(v);
    sc_free(value);
    return status;
}

/* Crop, and count where the second eigenvalue says that two images overlap. */
static void finish_maps(sc_espirit_maps *out, const sc_espirit_options *options, double rank,
                        sc_c32 *vectors)
{
    int64_t n = out->ny * out->nx, support = 0, second = 0;
    for (int64_t i = 0; i < n; i++) {
        bool inside = out->eigenvalue[i] > options->crop;
        support += inside;
        second += inside && out->eigenvalue[n + i] > SECOND_EIGENVALUE;
    }
    out->second_share = support > 0 ? (double)second / (double)support : 0;
    out->sets = options->sets ? options->sets : 1 + (out->second_share > SECOND_SHARE);
    if (out->coils == 1 || (!options->sets && rank > NOISE_RANK))
        out->sets = 1;
    for (int s = 0; s < out->sets; s++)
        for (int c = 0; c < out->coils; c++)
            for (int64_t i = 0; i < n; i++)
                if (!(out->eigenvalue[s * n + i] > options->crop))
                    vectors[(s * out->coils + c) * n + i] = 0;
    out->maps = vectors;
}

sc_status sc_espirit(sc_espirit_maps *out, const sc_c32 *block, int coils, int64_t cy, int64_t cx,
                     int64_t ny, int64_t nx, const sc_espirit_options *options, int threads)
{
    assert(coils >= 1 && options->kernel >= 1 && options->sets >= 0 && options->sets <= 2);
    sc_status status = SC_OK;
    sc_espirit_kernel kernel = {0};
    sc_c32 *vectors = NULL;
    *out = (sc_espirit_maps){.coils = coils, .ny = ny, .nx = nx};
    if (cy < options->kernel || cx < options->kernel)
        return sc_fail(SC_ERR_INPUT,
                       "calibration: the fully sampled centre of k-space is %lld x %lld; maps need "
                       "at least %d x %d, or give maps",
                       (long long)cy, (long long)cx, options->kernel, options->kernel);
    SC_TRY(kernel_create(&kernel, block, coils, cy, cx, options));
    SC_TRY(SC_ALLOC(&vectors, 2 * coils * ny * nx, "coil maps"));
    SC_TRY(SC_ALLOC(&out->eigenvalue, 2 * ny * nx, "eigenvalues"));
    SC_TRY(sc_espirit_eigen(vectors, out->eigenvalue, &kernel, ny, nx, threads));
    finish_maps(out, options, kernel.rank, vectors);
    vectors = NULL;
cleanup:
    kernel_free(&kernel);
    sc_free(vectors);
    if (status != SC_OK)
        sc_espirit_free(out);
    return status;
}
