/* Context, memory and table of the CUDA row. */
#include "base/cuda/cuda_internal.h"
#include "base/memory.h"
#include <stdio.h>
#include <string.h>

void sc_cuda_failed(sc_cuda_context *cuda, const char *what, const char *why)
{
    sc_cuda_capture *capture = sc_cuda_capturing;
    if (capture && capture->cuda == cuda) {
        if (!capture->failed)
            snprintf(capture->reason, sizeof capture->reason, "%s: %s", what, why);
        capture->failed = true;
        return;
    }
    pthread_mutex_lock(&cuda->lock);
    if (!cuda->failed)
        snprintf(cuda->reason, sizeof cuda->reason, "CUDA: %s: %s", what, why);
    cuda->failed = true;
    pthread_mutex_unlock(&cuda->lock);
}

bool sc_cuda_good(sc_cuda_context *cuda, cudaError_t error, const char *what)
{
    if (error != cudaSuccess)
        sc_cuda_failed(cuda, what, cudaGetErrorString(error));
    return error == cudaSuccess;
}

sc_status sc_cuda_status(const sc_cuda_context *cuda)
{
    return cuda->failed ? sc_fail(SC_ERR_IO, "%s", cuda->reason) : SC_OK;
}

/* ---- launches: nothing after a failure ---- */

#define SC_RUN(name, ...)                                                                          \
    sc_cuda_context *cuda = sc_cuda_of(device);                                                    \
    if (cuda->failed)                                                                              \
        return;                                                                                    \
    sc_cuda_launch_##name(sc_cuda_stream(cuda), __VA_ARGS__);                                           \
    sc_cuda_good(cuda, cudaGetLastError(), #name);

#define SC_KERNEL1(name, parameters, arguments)                                                    \
    static void run_##name(const sc_device *device, int64_t indices, SC_LIST parameters)           \
    {                                                                                              \
        SC_RUN(name, indices, SC_LIST arguments)                                                   \
    }
#define SC_KERNEL2(name, parameters, arguments)                                                    \
    static void run_##name(const sc_device *device, int64_t rows, int64_t columns,                 \
                           SC_LIST parameters)                                                     \
    {                                                                                              \
        SC_RUN(name, rows, columns, SC_LIST arguments)                                             \
    }

static bool fetch_sums(sc_cuda_context *cuda, int64_t blocks, const char *name)
{
    size_t bytes = (size_t)blocks * sizeof(double);
    return sc_cuda_good(cuda, cudaGetLastError(), name) &&
           sc_cuda_good(cuda,
                        cudaMemcpyAsync(cuda->sums, cuda->partial, bytes, cudaMemcpyDeviceToHost,
                                        cuda->stream),
                        name) &&
           sc_cuda_good(cuda, cudaStreamSynchronize(cuda->stream), name);
}

/* After a failure a reduction is NaN: an iteration that tests its residual stops. */
#define SC_REDUCTION(name, combine, parameters, arguments)                                         \
    static double run_##name(const sc_device *device, int64_t count, SC_LIST parameters)           \
    {                                                                                              \
        sc_cuda_context *cuda = sc_cuda_of(device);                                                \
        const int64_t blocks = (count + SC_REDUCE_BLOCK - 1) / SC_REDUCE_BLOCK;                    \
        double total = 0;                                                                          \
        pthread_mutex_lock(&cuda->reduction);                                                      \
        for (int64_t first = 0; first < blocks && !cuda->failed; first += SC_CUDA_PARTIALS) {      \
            int64_t rest = blocks - first, n = rest < SC_CUDA_PARTIALS ? rest : SC_CUDA_PARTIALS;  \
            sc_cuda_launch_##name(cuda->stream, cuda->partial, first, n, count,                    \
                                  SC_LIST arguments);                                              \
            if (fetch_sums(cuda, n, #name))                                                        \
                for (int64_t b = 0; b < n; b++)                                                    \
                    total = combine(total, cuda->sums[b]);                                         \
        }                                                                                          \
        pthread_mutex_unlock(&cuda->reduction);                                                    \
        return cuda->failed ? NAN : total;                                                         \
    }

#include "base/kernel_list.h"
#include "base/kernel_slots_internal.h"

/* The phases of fft.c, which does not see the functions above. */
void sc_cuda_phase(const sc_device *device, int64_t rows, int64_t columns, float *z, const float *x,
                   const float *phase, float sign, float scale, sc_dims dims)
{
    run_phase(device, rows, columns, z, x, phase, sign, scale, dims);
}

/* ---- memory ---- */

static sc_status allocate(const sc_device *device, void **p, size_t bytes)
{
    sc_cuda_context *cuda = sc_cuda_of(device);
    *p = NULL;
    if (cuda->failed || bytes == 0)
        return sc_cuda_status(cuda);
    cudaError_t error = cudaMalloc(p, bytes);
    if (error == cudaErrorMemoryAllocation) { /* the device goes on without it */
        (void)cudaGetLastError();
        *p = NULL;
        return sc_fail(SC_ERR_MEMORY, "CUDA: no device memory for %zu bytes", bytes);
    }
    if (!sc_cuda_good(cuda, error, "allocation") ||
        !sc_cuda_good(cuda, cudaMemsetAsync(*p, 0, bytes, cuda->stream), "clearing memory"))
        return sc_cuda_status(cuda);
    return SC_OK;
}

static void release(const sc_device *device, void *p)
{
    sc_cuda_good(sc_cuda_of(device), cudaFree(p), "release");
}

static sc_status copy(const sc_device *device, void *to, const void *from, size_t bytes,
                      enum cudaMemcpyKind kind, const char *what)
{
    sc_cuda_context *cuda = sc_cuda_of(device);
    if (!cuda->failed && bytes > 0 &&
        sc_cuda_good(cuda, cudaMemcpyAsync(to, from, bytes, kind, cuda->stream), what))
        sc_cuda_good(cuda, cudaStreamSynchronize(cuda->stream), what);
    return sc_cuda_status(cuda);
}

static sc_status upload(const sc_device *device, void *to, const void *from, size_t bytes)
{
    return copy(device, to, from, bytes, cudaMemcpyHostToDevice, "upload");
}

static sc_status download(const sc_device *device, void *to, const void *from, size_t bytes)
{
    return copy(device, to, from, bytes, cudaMemcpyDeviceToHost, "download");
}

static sc_status synchronise(const sc_device *device)
{
    sc_cuda_context *cuda = sc_cuda_of(device);
    if (!cuda->failed)
        sc_cuda_good(cuda, cudaStreamSynchronize(cuda->stream), "a kernel");
    return sc_cuda_status(cuda);
}

/* ---- context ---- */

static void destroy(sc_device *device)
{
    sc_cuda_context *cuda = sc_cuda_of(device);
    if (!cuda)
        return;
    if (cuda->partial)
        (void)cudaFree(cuda->partial);
    sc_cuda_dnn_close(cuda);
    if (cuda->blas)
        (void)cublasDestroy(cuda->blas);
    if (cuda->stream)
        (void)cudaStreamDestroy(cuda->stream);
    pthread_mutex_destroy(&cuda->lock);
    pthread_mutex_destroy(&cuda->library);
    pthread_mutex_destroy(&cuda->reduction);
    sc_free(cuda->sums);
    sc_free(cuda);
    device->context = NULL;
}

static const sc_kernels kernels = {
    .name = "cuda",
    .alloc = allocate,
    .release = release,
    .upload = upload,
    .download = download,
    .sync = synchronise,
    .destroy = destroy,
    SC_ELEMENTWISE_SLOTS,
    .fft_create = sc_cuda_fft_create,
    .fft = sc_cuda_fft,
    .fft_plain = sc_cuda_fft_plain,
    .fft_free = sc_cuda_fft_free,
    .sgemm = sc_cuda_sgemm,
    .net = SC_CUDA_NET,
    .record_begin = sc_cuda_record_begin,
    .record_end = sc_cuda_record_end,
    .replay = sc_cuda_replay,
    .recording_free = sc_cuda_recording_free,
};

static sc_status refuse(cudaError_t error, const char *what)
{
    return error == cudaSuccess
               ? SC_OK
               : sc_fail(SC_ERR_UNSUPPORTED, "CUDA: %s: %s", what, cudaGetErrorString(error));
}

static sc_status check_gpu(void)
{
    int count = 0, version = 0;
    /* without a driver the runtime speaks of an insufficient version */
    if (cudaDriverGetVersion(&version) == cudaSuccess && version == 0)
        return sc_fail(SC_ERR_UNSUPPORTED, "CUDA: no driver");
    sc_status status = refuse(cudaGetDeviceCount(&count), "no usable GPU");
    if (status == SC_OK && count == 0)
        status = sc_fail(SC_ERR_UNSUPPORTED, "CUDA: no GPU");
    return status;
}

static void describe(sc_device *device)
{
    struct cudaDeviceProp facts;
    int version = 0;
    (void)cudaDriverGetVersion(&version);
    if (cudaGetDeviceProperties(&facts, 0) == cudaSuccess)
        snprintf(device->description, sizeof device->description, "%.40s, %.0f GiB, CUDA %d.%d%s",
                 facts.name, (double)facts.totalGlobalMem / (1 << 30), version / 1000,
                 version % 1000 / 10, SC_CUDA_NET_REFUSAL);
}

sc_status sc_cuda_open(sc_device *device)
{
    sc_cuda_context *cuda = NULL;
    sc_status status;
    SC_TRY(check_gpu());
    SC_TRY(SC_ALLOC(&cuda, 1, "CUDA context"));
    pthread_mutex_init(&cuda->lock, NULL);
    pthread_mutex_init(&cuda->library, NULL);
    pthread_mutex_init(&cuda->reduction, NULL);
    device->kernels = &kernels;
    device->context = cuda;
    SC_TRY(SC_ALLOC(&cuda->sums, SC_CUDA_PARTIALS, "CUDA sums"));
    SC_TRY(refuse(cudaStreamCreateWithFlags(&cuda->stream, cudaStreamNonBlocking), "stream"));
    SC_TRY(refuse(cudaMalloc((void **)&cuda->partial, SC_CUDA_PARTIALS * sizeof(double)),
                  "first allocation"));
    if (cublasCreate(&cuda->blas) != CUBLAS_STATUS_SUCCESS ||
        cublasSetStream(cuda->blas, cuda->stream) != CUBLAS_STATUS_SUCCESS)
        SC_TRY(sc_fail(SC_ERR_UNSUPPORTED, "CUDA: cuBLAS does not start"));
    describe(device);
cleanup:
    if (status != SC_OK && cuda) {
        destroy(device);
        device->kernels = NULL;
    }
    return status;
}
