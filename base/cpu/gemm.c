/* Matrix product by OpenBLAS, cut into strips along the longer side of C. The cut follows from the
 * shape alone and OpenBLAS runs each strip in one thread, so the bytes do not depend on the number
 * of threads. */
#include "base/cpu/cpu_internal.h"
#include <assert.h>
#include <cblas.h>
#include <limits.h>

#define STRIP 512

void sc_cpu_gemm_setup(void) { openblas_set_num_threads(1); }

void sc_cpu_sgemm(const sc_device *device, float *c, const float *a, const float *b, int64_t m,
                  int64_t n, int64_t k, bool transpose_a, bool transpose_b, float alpha, float beta)
{
    assert(m <= INT_MAX && n <= INT_MAX && k <= INT_MAX);
    const int64_t row = m >= n ? STRIP : m, column = m >= n ? n : STRIP; /* size of a strip */
    const int64_t strips = m >= n ? (m + STRIP - 1) / STRIP : (n + STRIP - 1) / STRIP;
    const int64_t lda = transpose_a ? m : k, ldb = transpose_b ? k : n;
#pragma omp parallel for schedule(static)                                                          \
    num_threads(device->threads) if (strips > 1 && m * n * k > SC_CPU_SERIAL)
    for (int64_t s = 0; s < strips; s++) {
        int64_t i = m >= n ? s * STRIP : 0, j = m >= n ? 0 : s * STRIP;
        int64_t rows = row < m - i ? row : m - i, columns = column < n - j ? column : n - j;
        cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans,
                    transpose_b ? CblasTrans : CblasNoTrans, (int)rows, (int)columns, (int)k, alpha,
                    a + (transpose_a ? i : i * lda), (int)lda, b + (transpose_b ? j * ldb : j),
                    (int)ldb, beta, c + i * n + j, (int)n);
    }
}
