/* Matrix product by oneDNN, cut into strips along the longer side of C. The cut follows from the
 * shape alone and each strip is run by one thread, so the bytes do not depend on the number of
 * threads. (OpenBLAS knows processors by name: on a Xeon newer than itself 0.3.21 falls back to
 * SSE3, a quarter of oneDNN's speed.) */
#include "base/cpu/cpu_internal.h"
#include <assert.h>
#include <cblas.h>
#include <oneapi/dnnl/dnnl.h>
#include <omp.h>

#define STRIP 512

void sc_cpu_gemm_setup(void) { openblas_set_num_threads(1); } /* LAPACK's */

/* In the calling thread. Sizes are positive and dense: oneDNN refuses only for want of memory. */
static void strip_product(char ta, char tb, int64_t m, int64_t n, int64_t k, float alpha,
                          const float *a, int64_t lda, const float *b, int64_t ldb, float beta,
                          float *c, int64_t ldc)
{
    int before = omp_get_max_threads();
    omp_set_num_threads(1);
    dnnl_status_t done = dnnl_sgemm(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    if (done != dnnl_success)
        cblas_sgemm(CblasRowMajor, ta == 'T' ? CblasTrans : CblasNoTrans,
                    tb == 'T' ? CblasTrans : CblasNoTrans, (blasint)m, (blasint)n, (blasint)k,
                    alpha, a, (blasint)lda, b, (blasint)ldb, beta, c, (blasint)ldc);
    omp_set_num_threads(before);
}

void sc_cpu_sgemm(const sc_device *device, float *c, const float *a, const float *b, int64_t m,
                  int64_t n, int64_t k, bool transpose_a, bool transpose_b, float alpha, float beta)
{
    assert(m > 0 && n > 0 && k > 0);
    const int64_t row = m >= n ? STRIP : m, column = m >= n ? n : STRIP; /* size of a strip */
    const int64_t strips = m >= n ? (m + STRIP - 1) / STRIP : (n + STRIP - 1) / STRIP;
    const int64_t lda = transpose_a ? m : k, ldb = transpose_b ? k : n;
#pragma omp parallel for schedule(static)                                                          \
    num_threads(device->threads) if (strips > 1 && m * n * k > SC_CPU_SERIAL)
    for (int64_t s = 0; s < strips; s++) {
        int64_t i = m >= n ? s * STRIP : 0, j = m >= n ? 0 : s * STRIP;
        int64_t rows = row < m - i ? row : m - i, columns = column < n - j ? column : n - j;
        strip_product(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', rows, columns, k, alpha,
                      a + (transpose_a ? i : i * lda), lda, b + (transpose_b ? j * ldb : j), ldb,
                      beta, c + i * n + j, n);
    }
}
