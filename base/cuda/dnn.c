/* The cuDNN handle of a context and its errors. A failure while a plan is made belongs to the plan:
 * the device goes on. A failure of a call is the device's (net_conv.c). */
#include "base/cuda/dnn_internal.h"

sc_status sc_cuda_dnn_check(cudnnStatus_t result, const char *what)
{
    if (result == CUDNN_STATUS_SUCCESS)
        return SC_OK;
    bool memory = result == CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED ||
                  result == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED;
    sc_status code = memory                         ? SC_ERR_MEMORY
                     : sc_cuda_dnn_declined(result) ? SC_ERR_UNSUPPORTED
                                                    : SC_ERR_IO;
    return sc_fail(code, "CUDA: cuDNN: %s: %s", what, cudnnGetErrorString(result));
}

/* The codes of one reason lie in one thousand: 3000 to 3999 are "not supported". */
bool sc_cuda_dnn_declined(cudnnStatus_t result)
{
    return result >= CUDNN_STATUS_NOT_SUPPORTED &&
           result < CUDNN_STATUS_NOT_SUPPORTED + 1000;
}

sc_status sc_cuda_dnn(sc_cuda_context *cuda, cudnnHandle_t *dnn)
{
    sc_status status = SC_OK;
    if (!cuda->dnn) {
        SC_TRY(sc_cuda_dnn_check(cudnnCreate(&cuda->dnn), "does not start"));
        SC_TRY(sc_cuda_dnn_check(cudnnSetStream(cuda->dnn, cuda->stream), "stream"));
    }
    *dnn = cuda->dnn;
cleanup:
    return status;
}

void sc_cuda_dnn_stream(sc_cuda_context *cuda, cudaStream_t stream)
{
    cudnnStatus_t result = cuda->dnn ? cudnnSetStream(cuda->dnn, stream) : CUDNN_STATUS_SUCCESS;
    if (result != CUDNN_STATUS_SUCCESS)
        sc_cuda_failed(cuda, "stream of cuDNN", cudnnGetErrorString(result));
}

void sc_cuda_dnn_close(sc_cuda_context *cuda)
{
    if (cuda->dnn)
        (void)cudnnDestroy(cuda->dnn);
    cuda->dnn = NULL;
}
