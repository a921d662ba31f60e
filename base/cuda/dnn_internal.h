/* cuDNN's part of a context: one handle, made when the first convolution is planned. */
#ifndef SC_BASE_CUDA_DNN_INTERNAL_H
#define SC_BASE_CUDA_DNN_INTERNAL_H

#include "base/cuda/net_internal.h"
#include <cudnn.h>

/* SC_OK, or "CUDA: cuDNN: <what>: <its reason>". */
sc_status sc_cuda_dnn_check(cudnnStatus_t result, const char *what);

/* The handle, on the context's stream; the caller holds cuda->library. */
sc_status sc_cuda_dnn(sc_cuda_context *cuda, cudnnHandle_t *dnn);

/* This result says that cuDNN does not do it, not that something broke. */
bool sc_cuda_dnn_declined(cudnnStatus_t result);

#endif
