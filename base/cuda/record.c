/* Work that is issued again and again, recorded once as a CUDA graph. A thread that records issues
 * on a stream of its own, so that what other threads issue meanwhile is not recorded; the graph is
 * launched on the context's stream. Recording is an optimisation: what fails in it is the
 * recording's failure, and the device goes on. */
#include "base/cuda/cuda_internal.h"
#include "base/memory.h"
#include <assert.h>
#include <stdio.h>

_Thread_local sc_cuda_capture *sc_cuda_capturing;

struct sc_recording {
    const sc_device *device;
    cudaGraphExec_t graph;
};

static bool good(sc_cuda_capture *capture, cudaError_t error, const char *what)
{
    if (error != cudaSuccess) {
        (void)cudaGetLastError();
        if (!capture->failed)
            snprintf(capture->reason, sizeof capture->reason, "%s: %s", what,
                     cudaGetErrorString(error));
        capture->failed = true;
    }
    return error == cudaSuccess;
}

static void drop(sc_cuda_capture *capture)
{
    if (capture && capture->stream)
        (void)cudaStreamDestroy(capture->stream);
    sc_free(capture);
}

sc_status sc_cuda_record_begin(const sc_device *device)
{
    sc_status status;
    sc_cuda_context *cuda = sc_cuda_of(device);
    sc_cuda_capture *capture = NULL;
    assert(!sc_cuda_capturing);
    SC_TRY(sc_cuda_status(cuda));
    SC_TRY(SC_ALLOC(&capture, 1, "recording"));
    capture->cuda = cuda;
    if (!good(capture, cudaStreamCreateWithFlags(&capture->stream, cudaStreamNonBlocking),
              "stream") ||
        !good(capture,
              cudaStreamBeginCapture(capture->stream, cudaStreamCaptureModeThreadLocal), "begin"))
        SC_TRY(sc_fail(SC_ERR_UNSUPPORTED, "CUDA: nothing is recorded: %s", capture->reason));
    sc_cuda_capturing = capture;
    capture = NULL;
cleanup:
    drop(capture);
    return status;
}

sc_status sc_cuda_record_end(const sc_device *device, sc_recording **recording)
{
    sc_status status;
    sc_cuda_capture *capture = sc_cuda_capturing;
    sc_recording *self = NULL;
    cudaGraph_t graph = NULL;
    assert(capture && capture->cuda == sc_cuda_of(device));
    *recording = NULL;
    sc_cuda_capturing = NULL;
    good(capture, cudaStreamEndCapture(capture->stream, &graph), "end");
    SC_TRY(SC_ALLOC(&self, 1, "recording"));
    self->device = device;
    if (capture->failed || !good(capture, cudaGraphInstantiate(&self->graph, graph, 0), "graph"))
        SC_TRY(sc_fail(SC_ERR_UNSUPPORTED, "CUDA: nothing is recorded: %s", capture->reason));
    *recording = self;
    self = NULL;
cleanup:
    if (graph)
        (void)cudaGraphDestroy(graph);
    sc_free(self);
    drop(capture);
    return status;
}

void sc_cuda_replay(const sc_recording *recording)
{
    sc_cuda_context *cuda = sc_cuda_of(recording->device);
    if (!cuda->failed)
        sc_cuda_good(cuda, cudaGraphLaunch(recording->graph, cuda->stream), "recorded work");
}

void sc_cuda_recording_free(sc_recording *recording)
{
    if (!recording)
        return;
    (void)cudaGraphExecDestroy(recording->graph);
    sc_free(recording);
}

/* ---- libraries issue where their thread does ---- */

static void set_streams(sc_cuda_context *cuda, cudaStream_t stream)
{
    if (cublasSetStream(cuda->blas, stream) != CUBLAS_STATUS_SUCCESS)
        sc_cuda_failed(cuda, "stream", "cuBLAS does not take it");
    sc_cuda_dnn_stream(cuda, stream);
}

void sc_cuda_library_lock(sc_cuda_context *cuda)
{
    pthread_mutex_lock(&cuda->library);
    if (sc_cuda_capturing)
        set_streams(cuda, sc_cuda_stream(cuda));
}

void sc_cuda_library_unlock(sc_cuda_context *cuda)
{
    if (sc_cuda_capturing)
        set_streams(cuda, cuda->stream);
    pthread_mutex_unlock(&cuda->library);
}
