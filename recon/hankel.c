/* Calibration matrix and its patterns (see hankel.h). */
#include "recon/hankel.h"
#include "base/memory.h"
#include <assert.h>
#include <cblas.h>
#include <lapacke.h>

sc_status sc_hankel(double complex **a, int *rows, int *columns, const sc_c32 *block, int coils,
                    int64_t ny, int64_t nx, int k)
{
    assert(ny >= k && nx >= k && k >= 1);
    int64_t py = ny - k + 1, px = nx - k + 1, n = (int64_t)coils * k * k;
    sc_status status = SC_ALLOC(a, py * px * n, "calibration matrix");
    if (status != SC_OK)
        return status;
    *rows = (int)(py * px);
    *columns = (int)n;
    double complex *to = *a;
    for (int64_t y = 0; y < py; y++)
        for (int64_t x = 0; x < px; x++)
            for (int64_t c = 0; c < coils; c++)
                for (int64_t dy = 0; dy < k; dy++)
                    for (int64_t dx = 0; dx < k; dx++)
                        *to++ = block[(c * ny + y + dy) * nx + x + dx];
    return SC_OK;
}

sc_status sc_hankel_patterns(double complex *v, double *value, const double complex *a, int rows,
                             int n)
{
    /* v = a^H a is the conjugate of the sum over windows of p p^H; so are its eigenvectors */
    cblas_zherk(CblasRowMajor, CblasLower, CblasConjTrans, n, rows, 1, a, n, 0, v, n);
    if (LAPACKE_zheevd(LAPACK_ROW_MAJOR, 'V', 'L', n, v, n, value) != 0)
        return sc_fail(SC_ERR_NUMERIC, "calibration matrix: no eigenvectors (%d x %d)", rows, n);
    for (int64_t i = 0; i < (int64_t)n * n; i++)
        v[i] = conj(v[i]);
    return SC_OK;
}
