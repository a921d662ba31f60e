/* The part of cuFFT that the CUDA row uses, for the fake runtime. */
#ifndef FAKE_CUFFT_H
#define FAKE_CUFFT_H

#include <cuda_runtime_api.h>

typedef enum { CUFFT_SUCCESS = 0, CUFFT_ALLOC_FAILED = 2, CUFFT_EXEC_FAILED = 6 } cufftResult;
typedef enum { CUFFT_C2C = 0x29 } cufftType;
typedef int cufftHandle;
typedef struct {
    float x, y;
} cufftComplex;

#define CUFFT_FORWARD (-1)
#define CUFFT_INVERSE 1

cufftResult cufftCreate(cufftHandle *plan);
cufftResult cufftMakePlanMany64(cufftHandle plan, int rank, long long *n, long long *inembed,
                                long long istride, long long idist, long long *onembed,
                                long long ostride, long long odist, cufftType type, long long batch,
                                size_t *work);
cufftResult cufftSetStream(cufftHandle plan, cudaStream_t stream);
cufftResult cufftExecC2C(cufftHandle plan, cufftComplex *in, cufftComplex *out, int direction);
cufftResult cufftDestroy(cufftHandle plan);

#endif
