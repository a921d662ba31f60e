/* Size of the noise from the smallest singular values of the calibration matrix.
 *
 * Whitened data with unit noise have a calibration matrix S + N, S of low rank r. To first order
 * its smallest singular values are those of N with the signal's r left and right directions
 * projected out. N is simulated (a windowed matrix of white noise is not a matrix of independent
 * numbers, so Marchenko-Pastur does not hold), projected the same way, and the last quarter of
 * the singular values compared. r counts what stands above the largest singular value of N, and
 * depends on the answer, so the two are found together. (BART's estvar compares likewise, but
 * without the projection.)
 *
 * It reads high where real signal is not of low rank (motion, pulsation: by a fifth on a real
 * brain scan), never low.
 */
#include "base/memory.h"
#include "base/random.h"
#include "recon/block.h"
#include "recon/hankel.h"
#include "recon/noise_internal.h"
#include "recon/whiten.h"
#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <string.h>

#define COLUMNS_MAX 200 /* coils * kernel^2: keeps the eigenvalue problems below 0.1 s */
#define BLOCK_MAX 32
#define ROUNDS 4

typedef struct {
    int rows, n, rank;
    double complex *a, *noise;        /* (rows, n) */
    double complex *v, *gram;         /* (n, n) */
    double complex *projected;        /* (rows, n) */
    double complex *right, *left, *t; /* (n, rank), (rows, rank), rank * max(rows, n) */
    double *value, *noise_value;      /* (n) ascending */
} work;

static double singular(double eigenvalue) { return sqrt(fmax(eigenvalue, 0)); }

static void work_free(work *w)
{
    void *const parts[] = {w->a,     w->noise, w->v, w->gram,  w->projected,
                           w->right, w->left,  w->t, w->value, w->noise_value};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        sc_free(parts[i]);
}

static sc_status work_create(work *w, const sc_c32 *block, int coils, int64_t ny, int64_t nx, int k)
{
    sc_c32 *noise = NULL;
    sc_status status = SC_OK;
    SC_TRY(sc_hankel(&w->a, &w->rows, &w->n, block, coils, ny, nx, k));
    SC_TRY(SC_ALLOC(&noise, coils * ny * nx, "noise block")); /* E|n|^2 = 2 */
    sc_random_normal((float *)noise, 2 * coils * ny * nx, (sc_key){0}, SC_DRAW_SIMULATE + 0x10, 0);
    SC_TRY(sc_hankel(&w->noise, &w->rows, &w->n, noise, coils, ny, nx, k));
    int64_t n = w->n, rows = w->rows, longer = rows > n ? rows : n;
    SC_TRY(SC_ALLOC(&w->v, n * n, "patterns"));
    SC_TRY(SC_ALLOC(&w->gram, n * n, "gram matrix"));
    SC_TRY(SC_ALLOC(&w->projected, rows * n, "projected noise"));
    SC_TRY(SC_ALLOC(&w->right, n * n, "patterns"));
    SC_TRY(SC_ALLOC(&w->left, rows * n, "patterns"));
    SC_TRY(SC_ALLOC(&w->t, n * longer, "work"));
    SC_TRY(SC_ALLOC(&w->value, n, "singular values"));
    SC_TRY(SC_ALLOC(&w->noise_value, n, "singular values"));
cleanup:
    sc_free(noise);
    return status;
}

static void multiply(double complex *c, const double complex *a, CBLAS_TRANSPOSE ta, int lda,
                     const double complex *b, CBLAS_TRANSPOSE tb, int ldb, int m, int n, int k,
                     double complex alpha, double complex beta)
{
    cblas_zgemm(CblasRowMajor, ta, tb, m, n, k, &alpha, a, lda, b, ldb, &beta, c, n);
}

/* projected = (I - U U^H) N (I - V V^H) for the `rank` strongest directions of a = U Sigma V^H. */
static void project(work *w)
{
    int n = w->n, rows = w->rows, r = w->rank;
    memcpy(w->projected, w->noise, (size_t)rows * (size_t)n * sizeof *w->noise);
    if (r == 0)
        return;
    for (int i = 0; i < n; i++) /* V is the conjugate of the patterns */
        for (int m = 0; m < r; m++)
            w->right[i * r + m] = conj(w->v[i * n + n - r + m]);
    multiply(w->left, w->a, CblasNoTrans, n, w->right, CblasNoTrans, r, rows, r, n, 1, 0);
    for (int m = 0; m < r; m++) {
        double scale = 1 / singular(w->value[n - r + m]);
        for (int i = 0; i < rows; i++)
            w->left[i * r + m] *= scale;
    }
    multiply(w->t, w->projected, CblasNoTrans, n, w->right, CblasNoTrans, r, rows, r, n, 1, 0);
    multiply(w->projected, w->t, CblasNoTrans, r, w->right, CblasConjTrans, r, rows, n, r, -1, 1);
    multiply(w->t, w->left, CblasConjTrans, r, w->projected, CblasNoTrans, n, r, n, rows, 1, 0);
    multiply(w->projected, w->left, CblasNoTrans, r, w->t, CblasNoTrans, n, rows, n, r, -1, 1);
}

static sc_status noise_values(work *w)
{
    cblas_zherk(CblasRowMajor, CblasLower, CblasConjTrans, w->n, w->rows, 1, w->projected, w->n, 0,
                w->gram, w->n);
    if (LAPACKE_zheevd(LAPACK_ROW_MAJOR, 'N', 'L', w->n, w->gram, w->n, w->noise_value) != 0)
        return sc_fail(SC_ERR_NUMERIC, "noise matrix: no eigenvalues (%d x %d)", w->rows, w->n);
    return SC_OK;
}

/* Mean ratio over the last quarter of those that exist; the last few, near 0, are left out. */
static double tail_ratio(const work *w)
{
    int exist = (w->rows < w->n ? w->rows : w->n) - w->rank, from = w->n - w->rank - exist;
    int first = from + 1 + exist / 50, last = from + (exist + 3) / 4;
    double sum = 0;
    for (int i = first; i <= last; i++)
        sum += singular(w->value[i]) / singular(w->noise_value[i + w->rank]);
    return sum / (last - first + 1);
}

static sc_status compare(double *ratio, work *w)
{
    sc_status status = SC_OK;
    SC_TRY(sc_hankel_patterns(w->v, w->value, w->a, w->rows, w->n));
    w->rank = 0;
    project(w);
    SC_TRY(noise_values(w));
    double edge = singular(w->noise_value[w->n - 1]), f = 1;
    int most = (w->rows < w->n ? w->rows : w->n) * 7 / 10;
    for (int round = 0; round < ROUNDS; round++) {
        w->rank = 0;
        while (w->rank < most && singular(w->value[w->n - 1 - w->rank]) > f * edge)
            w->rank++;
        project(w);
        SC_TRY(noise_values(w));
        f = tail_ratio(w);
    }
    *ratio = f;
cleanup:
    return status;
}

sc_status sc_noise_calibration_ratio(double *ratio, const sc_noise *noise, const sc_scan *scan)
{
    sc_status status = SC_OK;
    sc_planes planes;
    sc_plane plane = {0};
    sc_block block;
    sc_c32 *data = NULL, *white = NULL;
    sc_whitener whitener = {0};
    work w = {0};
    int coils = noise->coils;
    *ratio = NAN;
    int k = (int)sqrt(COLUMNS_MAX / (double)coils);
    k = k > 6 ? 6 : k;
    SC_TRY(sc_planes_of(&planes, scan));
    SC_TRY(sc_plane_read(&plane, scan, &planes, 0, planes.count / 2));
    SC_TRY(sc_block_read(&data, &block, &plane, BLOCK_MAX));
    if (k < 2 || block.ny < 2 * k || block.nx < 2 * k)
        goto cleanup;
    SC_TRY(sc_whitener_create(&whitener, noise));
    SC_TRY(SC_ALLOC(&white, coils * block.ny * block.nx, "calibration"));
    sc_whiten(white, &whitener, data, block.ny * block.nx);
    SC_TRY(work_create(&w, white, coils, block.ny, block.nx, k));
    SC_TRY(compare(ratio, &w));
cleanup:
    sc_plane_free(&plane);
    sc_free(data);
    sc_free(white);
    sc_whitener_free(&whitener);
    work_free(&w);
    return status;
}
