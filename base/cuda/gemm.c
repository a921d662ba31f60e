/* Matrix product by cuBLAS, which counts columns first: C' = op(B)' op(A)'. */
#include "base/cuda/cuda_internal.h"
#include <assert.h>
#include <limits.h>

void sc_cuda_sgemm(const sc_device *device, float *c, const float *a, const float *b, int64_t m,
                   int64_t n, int64_t k, bool transpose_a, bool transpose_b, float alpha,
                   float beta)
{
    assert(m <= INT_MAX && n <= INT_MAX && k <= INT_MAX);
    sc_cuda_context *cuda = sc_cuda_of(device);
    if (cuda->failed)
        return;
    sc_cuda_library_lock(cuda);
    cublasStatus_t result =
        cublasSgemm(cuda->blas, transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N,
                    transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N, (int)n, (int)m, (int)k, &alpha, b,
                    (int)(transpose_b ? k : n), a, (int)(transpose_a ? m : k), &beta, c, (int)n);
    sc_cuda_library_unlock(cuda);
    if (result != CUBLAS_STATUS_SUCCESS)
        sc_cuda_failed(cuda, "sgemm", "cuBLAS does not run the product");
}
