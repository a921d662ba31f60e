/* cuFFT and cuBLAS of the fake runtime, by FFTW and OpenBLAS. */
#include "tests/fake_cuda/fake.h"
#include <cblas.h>
#include <cublas_v2.h>
#include <cufft.h>
#include <fftw3.h>
#include <stdlib.h>
#include <string.h>

#define PLANS 64

static struct {
    bool used;
    int rank;
    long long n[3], batch;
    cudaStream_t stream;
} plans[PLANS];

cufftResult cufftCreate(cufftHandle *plan)
{
    int error;
    if (sc_fake_injected("cufftCreate", &error))
        return (cufftResult)error;
    for (int i = 0; i < PLANS; i++)
        if (!plans[i].used) {
            memset(&plans[i], 0, sizeof plans[i]);
            plans[i].used = true;
            *plan = i + 1;
            sc_fake_count(1);
            return CUFFT_SUCCESS;
        }
    return CUFFT_ALLOC_FAILED;
}

cufftResult cufftMakePlanMany64(cufftHandle plan, int rank, long long *n, long long *inembed,
                                long long istride, long long idist, long long *onembed,
                                long long ostride, long long odist, cufftType type, long long batch,
                                size_t *work)
{
    int error;
    (void)inembed, (void)onembed, (void)istride, (void)ostride, (void)idist, (void)odist;
    if (sc_fake_injected("cufftMakePlanMany64", &error))
        return (cufftResult)error;
    if (type != CUFFT_C2C || rank < 1 || rank > 3)
        return CUFFT_EXEC_FAILED;
    plans[plan - 1].rank = rank;
    plans[plan - 1].batch = batch;
    memcpy(plans[plan - 1].n, n, (size_t)rank * sizeof *n);
    *work = 0;
    return CUFFT_SUCCESS;
}

cufftResult cufftSetStream(cufftHandle plan, cudaStream_t stream)
{
    plans[plan - 1].stream = stream;
    return CUFFT_SUCCESS;
}

cufftResult cufftDestroy(cufftHandle plan)
{
    plans[plan - 1].used = false;
    sc_fake_count(-1);
    return CUFFT_SUCCESS;
}

static void transform(int plan, cufftComplex *in, cufftComplex *out, int direction)
{
    fftwf_iodim64 axes[3], many;
    long long stride = 1;
    for (int a = plans[plan].rank - 1; a >= 0; a--) {
        axes[a] = (fftwf_iodim64){.n = plans[plan].n[a], .is = stride, .os = stride};
        stride *= plans[plan].n[a];
    }
    many = (fftwf_iodim64){.n = plans[plan].batch, .is = stride, .os = stride};
    fftwf_plan fft =
        fftwf_plan_guru64_dft(plans[plan].rank, axes, 1, &many, (fftwf_complex *)in,
                              (fftwf_complex *)out, direction, FFTW_ESTIMATE | FFTW_UNALIGNED);
    fftwf_execute(fft);
    fftwf_destroy_plan(fft);
}

cufftResult cufftExecC2C(cufftHandle plan, cufftComplex *in, cufftComplex *out, int direction)
{
    int error;
    if (sc_fake_injected("cufftExecC2C", &error))
        return (cufftResult)error;
    if (!sc_fake_begin(plans[plan - 1].stream, "cufft"))
        return CUFFT_EXEC_FAILED;
    sc_fake_argument(&in, true);
    sc_fake_argument(&out, true);
    if (sc_fake_arguments_good())
        transform(plan - 1, in, out, direction);
    sc_fake_end();
    return CUFFT_SUCCESS;
}

struct cublasContext {
    cudaStream_t stream;
};

cublasStatus_t cublasCreate(cublasHandle_t *handle)
{
    int error;
    if (sc_fake_injected("cublasCreate", &error))
        return (cublasStatus_t)error;
    *handle = calloc(1, sizeof **handle);
    sc_fake_count(1);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDestroy(cublasHandle_t handle)
{
    free(handle);
    sc_fake_count(-1);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream)
{
    handle->stream = stream;
    return CUBLAS_STATUS_SUCCESS;
}

typedef struct {
    cublasOperation_t transpose_a, transpose_b;
    int m, n, k, lda, ldb, ldc, batch;
    float alpha, beta;
    const float *a, *b;
    float *c;
    long long stride_a, stride_b, stride_c;
} product;

static void repeat_product(cudaStream_t stream, const void *arguments)
{
    const product *p = arguments;
    if (!sc_fake_begin(stream, "cublas"))
        return;
    sc_fake_argument(&p->a, true);
    sc_fake_argument(&p->b, true);
    sc_fake_argument(&p->c, true);
    for (int i = 0; i < p->batch && sc_fake_arguments_good(); i++)
        cblas_sgemm(CblasColMajor, p->transpose_a ? CblasTrans : CblasNoTrans,
                    p->transpose_b ? CblasTrans : CblasNoTrans, p->m, p->n, p->k, p->alpha,
                    p->a + i * p->stride_a, p->lda, p->b + i * p->stride_b, p->ldb, p->beta,
                    p->c + i * p->stride_c, p->ldc);
    sc_fake_end();
}

static cublasStatus_t multiply(const char *name, cublasHandle_t handle, const product *p)
{
    int error;
    if (sc_fake_injected(name, &error))
        return (cublasStatus_t)error;
    if (!sc_fake_record(handle->stream, repeat_product, p, sizeof *p))
        repeat_product(handle->stream, p);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSgemm(cublasHandle_t handle, cublasOperation_t transpose_a,
                           cublasOperation_t transpose_b, int m, int n, int k, const float *alpha,
                           const float *a, int lda, const float *b, int ldb, const float *beta,
                           float *c, int ldc)
{
    return multiply("cublasSgemm", handle,
                    &(product){transpose_a, transpose_b, m, n, k, lda, ldb, ldc, 1, *alpha, *beta,
                               a, b, c, 0, 0, 0});
}

cublasStatus_t cublasSgemmStridedBatched(cublasHandle_t handle, cublasOperation_t transpose_a,
                                         cublasOperation_t transpose_b, int m, int n, int k,
                                         const float *alpha, const float *a, int lda,
                                         long long stride_a, const float *b, int ldb,
                                         long long stride_b, const float *beta, float *c, int ldc,
                                         long long stride_c, int batch)
{
    return multiply("cublasSgemmStridedBatched", handle,
                    &(product){transpose_a, transpose_b, m, n, k, lda, ldb, ldc, batch, *alpha,
                               *beta, a, b, c, stride_a, stride_b, stride_c});
}
