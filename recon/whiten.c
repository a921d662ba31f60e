/* Cholesky whitening (see whiten.h). */
#include "recon/whiten.h"
#include "base/memory.h"
#include <assert.h>
#include <lapacke.h>
#include <string.h>

void sc_whitener_free(sc_whitener *whitener)
{
    if (whitener) {
        sc_free(whitener->matrix);
        sc_free(whitener->inverse);
        *whitener = (sc_whitener){0};
    }
}

sc_status sc_whitener_create(sc_whitener *whitener, const sc_noise *noise)
{
    sc_status status = SC_OK;
    int n = noise->coils;
    *whitener = (sc_whitener){.coils = n, .virtual_coils = n};
    SC_TRY(SC_ALLOC(&whitener->matrix, (int64_t)n * n, "whitening matrix"));
    SC_TRY(SC_ALLOC(&whitener->inverse, (int64_t)n * n, "whitening matrix"));
    for (int c = 0; c < n; c++) /* lower triangle; the rest stays 0 */
        memcpy(whitener->inverse + c * n, noise->covariance + c * n,
               (size_t)(c + 1) * sizeof *noise->covariance);
    lapack_int fault = LAPACKE_zpotrf(LAPACK_ROW_MAJOR, 'L', n, whitener->inverse, n);
    memcpy(whitener->matrix, whitener->inverse, (size_t)n * n * sizeof *whitener->matrix);
    if (fault == 0)
        fault = LAPACKE_ztrtri(LAPACK_ROW_MAJOR, 'L', 'N', n, whitener->matrix, n);
    if (fault != 0)
        status = sc_fail(SC_ERR_NUMERIC,
                         "noise covariance is not positive definite at coil %d of %d: a coil "
                         "without signal, or twice the same",
                         (int)fault - 1, n);
cleanup:
    if (status != SC_OK)
        sc_whitener_free(whitener);
    return status;
}

static void transform(sc_c32 *y, const double complex *matrix, const sc_c32 *x, int rows,
                      int columns, int64_t n)
{
    assert(y != x);
    for (int64_t i = 0; i < n; i++)
        for (int r = 0; r < rows; r++) {
            double re = 0, im = 0; /* not complex *: that checks for infinities */
            for (int c = 0; c < columns; c++) {
                double complex m = matrix[r * columns + c];
                double a = crealf(x[c * n + i]), b = cimagf(x[c * n + i]);
                re += creal(m) * a - cimag(m) * b;
                im += creal(m) * b + cimag(m) * a;
            }
            y[r * n + i] = CMPLXF((float)re, (float)im);
        }
}

void sc_whiten(sc_c32 *y, const sc_whitener *w, const sc_c32 *x, int64_t n)
{
    transform(y, w->matrix, x, w->virtual_coils, w->coils, n);
}

void sc_unwhiten(sc_c32 *x, const sc_whitener *w, const sc_c32 *y, int64_t n)
{
    transform(x, w->inverse, y, w->coils, w->virtual_coils, n);
}
