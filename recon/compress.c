/* SVD coil compression (see compress.h). */
#include "recon/compress.h"
#include "base/memory.h"
#include <assert.h>
#include <lapacke.h>
#include <string.h>

void sc_coil_covariance_add(double complex *sum, const sc_c32 *y, int coils, int64_t n)
{
    for (int c = 0; c < coils; c++)
        for (int d = 0; d <= c; d++) {
            double complex s = 0;
            for (int64_t i = 0; i < n; i++)
                s += (double complex)y[c * n + i] * conj((double complex)y[d * n + i]);
            sum[c * coils + d] += s;
            if (d != c)
                sum[d * coils + c] += conj(s);
        }
}

/* p (rows, columns) = a^H-or-a times b, small matrices. */
static void product(double complex *p, const double complex *a, const double complex *b, int rows,
                    int columns, int inner)
{
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++) {
            double complex s = 0;
            for (int i = 0; i < inner; i++)
                s += a[r * inner + i] * b[i * columns + c];
            p[r * columns + c] = s;
        }
}

sc_status sc_compress(sc_whitener *w, const double complex *covariance, double keep, int most)
{
    assert(keep > 0 && keep <= 1 && most >= 1);
    sc_status status = SC_OK;
    int n = w->virtual_coils, coils = w->coils, kept = 0;
    double complex *v = NULL, *uh = NULL, *u = NULL, *matrix = NULL, *inverse = NULL;
    double *value = NULL, total = 0, sum = 0;
    SC_TRY(SC_ALLOC(&v, (int64_t)n * n, "coil eigenvectors"));
    SC_TRY(SC_ALLOC(&value, n, "coil eigenvalues"));
    memcpy(v, covariance, (size_t)n * (size_t)n * sizeof *v);
    if (LAPACKE_zheevd(LAPACK_ROW_MAJOR, 'V', 'L', n, v, n, value) != 0) {
        status = sc_fail(SC_ERR_NUMERIC, "coil compression: no eigenvectors for %d coils", n);
        goto cleanup;
    }
    for (int i = 0; i < n; i++)
        total += value[i];
    while (kept < n && kept < most && sum < keep * total)
        sum += value[n - 1 - kept++];
    kept = kept > 0 ? kept : 1;
    SC_TRY(SC_ALLOC(&u, (int64_t)n * kept, "compression"));
    SC_TRY(SC_ALLOC(&uh, (int64_t)n * kept, "compression"));
    SC_TRY(SC_ALLOC(&matrix, (int64_t)kept * coils, "compression"));
    SC_TRY(SC_ALLOC(&inverse, (int64_t)kept * coils, "compression"));
    for (int i = 0; i < n; i++)
        for (int k = 0; k < kept; k++) {
            u[i * kept + k] = v[i * n + n - 1 - k]; /* strongest first */
            uh[k * n + i] = conj(u[i * kept + k]);
        }
    product(matrix, uh, w->matrix, kept, coils, n);
    product(inverse, w->inverse, u, coils, kept, n);
    sc_free(w->matrix);
    sc_free(w->inverse);
    w->matrix = matrix;
    w->inverse = inverse;
    w->virtual_coils = kept;
    matrix = inverse = NULL;
cleanup:
    sc_free(v);
    sc_free(value);
    sc_free(u);
    sc_free(uh);
    sc_free(matrix);
    sc_free(inverse);
    return status;
}
