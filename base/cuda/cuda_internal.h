/* The CUDA row, host side: plain C against the CUDA runtime, cuFFT and cuBLAS. Kernels are
 * launched through sc_cuda_launch_<name> (kernels.cu), one for each entry of kernel_list.h.
 *
 * The first failure is kept in the context; after it every call does nothing, and sync says why.
 */
#ifndef SC_BASE_CUDA_INTERNAL_H
#define SC_BASE_CUDA_INTERNAL_H

#include "base/cuda_module_internal.h"
#include "base/kernel_bodies.h"
#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include <pthread.h>
#include <stdatomic.h>

#define SC_CUDA_PARTIALS 16384 /* blocks of a reduction summed on the host at once */

typedef struct {
    cudaStream_t stream;
    cublasHandle_t blas;
    struct cudnnContext *dnn; /* cuDNN's handle, once a network needs it */
    double *partial; /* (SC_CUDA_PARTIALS) on the device */
    double *sums;    /* the same on the host */
    pthread_mutex_t reduction; /* partial and sums: one caller at a time */
    pthread_mutex_t library;   /* cuBLAS, cuFFT and cuDNN likewise */
    pthread_mutex_t lock;      /* failed and reason */
    atomic_bool failed;
    char reason[160];
} sc_cuda_context;

static inline sc_cuda_context *sc_cuda_of(const sc_device *device) {
    return (sc_cuda_context *)device->context;
}

/* What this thread records (record.c), or NULL. */
typedef struct {
    sc_cuda_context *cuda;
    cudaStream_t stream;
    bool failed;
    char reason[160];
} sc_cuda_capture;

extern _Thread_local sc_cuda_capture *sc_cuda_capturing;

/* Where this thread issues its work. */
static inline cudaStream_t sc_cuda_stream(const sc_cuda_context *cuda)
{
    return sc_cuda_capturing && sc_cuda_capturing->cuda == cuda ? sc_cuda_capturing->stream
                                                                : cuda->stream;
}

/* Around calls of cuBLAS and cuDNN. */
void sc_cuda_library_lock(sc_cuda_context *cuda);
void sc_cuda_library_unlock(sc_cuda_context *cuda);

sc_status sc_cuda_record_begin(const sc_device *device);
sc_status sc_cuda_record_end(const sc_device *device, sc_recording **recording);
void sc_cuda_replay(const sc_recording *recording);
void sc_cuda_recording_free(sc_recording *recording);

/* Keep the first failure, of the recording if this thread records: `what` failed with `why`. */
void sc_cuda_failed(sc_cuda_context *cuda, const char *what, const char *why);

/* true if the call was good; otherwise the failure is kept. */
bool sc_cuda_good(sc_cuda_context *cuda, cudaError_t error, const char *what);

/* SC_OK, or the failure that was kept. */
sc_status sc_cuda_status(const sc_cuda_context *cuda);

/* The kernel `phase`, for fft.c. */
void sc_cuda_phase(const sc_device *device, int64_t rows, int64_t columns, float *z,
                   const float *x, const float *phase, float sign, float scale, sc_dims dims);

sc_status sc_cuda_fft_create(const sc_device *device, sc_fft **fft, int rank, const int64_t *dim,
                             int64_t batch);
void sc_cuda_fft(const sc_fft *fft, sc_c32 *z, const sc_c32 *x, bool inverse);
void sc_cuda_fft_plain(const sc_fft *fft, sc_c32 *z, bool inverse);
void sc_cuda_fft_free(sc_fft *fft);
void sc_cuda_sgemm(const sc_device *device, float *c, const float *a, const float *b, int64_t m,
                   int64_t n, int64_t k, bool transpose_a, bool transpose_b, float alpha,
                   float beta);

/* The network's table and its cuDNN handle; without cuDNN the table is declined. */
#ifdef SC_HAVE_CUDNN
extern const sc_net_kernels sc_cuda_net;
#define SC_CUDA_NET &sc_cuda_net
#define SC_CUDA_NET_REFUSAL ""
void sc_cuda_dnn_close(sc_cuda_context *cuda);
void sc_cuda_dnn_stream(sc_cuda_context *cuda, cudaStream_t stream);
#else
#define SC_CUDA_NET NULL
#define SC_CUDA_NET_REFUSAL ", no networks: built without cuDNN"
static inline void sc_cuda_dnn_close(sc_cuda_context *cuda) { (void)cuda; }
static inline void sc_cuda_dnn_stream(sc_cuda_context *cuda, cudaStream_t stream)
{
    (void)cuda, (void)stream;
}
#endif

#include "base/cuda/launch_list_internal.h"

#endif
