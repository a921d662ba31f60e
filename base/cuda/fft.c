/* Centred unitary FFT by cuFFT: phases, transform in place, phases and scale. */
#include "base/cuda/cuda_internal.h"
#include "base/fft_phase_internal.h"
#include "base/memory.h"
#include <assert.h>
#include <cufft.h>

struct sc_fft {
    const sc_device *device;
    sc_dims dims;
    int64_t batch;
    float scale, *phases; /* on the device: before and after */
    int64_t phase_count;
    cufftHandle plan;
    bool planned;
};

static sc_status upload_phases(sc_fft *fft)
{
    float *phases;
    sc_status status;
    SC_TRY(sc_fft_phases(&phases, &fft->phase_count, fft->dims));
    size_t bytes = (size_t)fft->phase_count * 4 * sizeof *phases;
    SC_TRY(fft->device->kernels->alloc(fft->device, (void **)&fft->phases, bytes));
    SC_TRY(fft->device->kernels->upload(fft->device, fft->phases, phases, bytes));
cleanup:
    sc_free(phases);
    return status;
}

static sc_status make_plan(sc_fft *fft)
{
    sc_cuda_context *cuda = sc_cuda_of(fft->device);
    long long n[3];
    size_t work;
    int d = fft->dims.d;
    for (int a = 0; a < d; a++)
        n[a] = fft->dims.dim[3 - d + a];
    if (cufftCreate(&fft->plan) != CUFFT_SUCCESS)
        return sc_fail(SC_ERR_MEMORY, "CUDA: cuFFT makes no plan");
    fft->planned = true;
    /* contiguous: NULL embeddings */
    if (cufftMakePlanMany64(fft->plan, d, n, NULL, 1, 0, NULL, 1, 0, CUFFT_C2C, fft->batch,
                            &work) != CUFFT_SUCCESS ||
        cufftSetStream(fft->plan, cuda->stream) != CUFFT_SUCCESS)
        return sc_fail(SC_ERR_MEMORY,
                       "CUDA: cuFFT makes no plan for %lld x %lld x %lld, batch %lld",
                       (long long)fft->dims.dim[0], (long long)fft->dims.dim[1],
                       (long long)fft->dims.dim[2], (long long)fft->batch);
    return SC_OK;
}

sc_status sc_cuda_fft_create(const sc_device *device, sc_fft **fft, int rank, const int64_t *dim,
                             int64_t batch)
{
    assert(rank >= 1 && rank <= 3 && batch >= 1);
    *fft = NULL;
    sc_fft *self = NULL;
    sc_status status;
    SC_TRY(sc_cuda_status(sc_cuda_of(device)));
    SC_TRY(SC_ALLOC(&self, 1, "Fourier transform"));
    *self = (sc_fft){.device = device, .dims = {rank, {1, 1, 1}}, .batch = batch};
    double count = 1;
    for (int a = 0; a < rank; a++) {
        self->dims.dim[3 - rank + a] = dim[a];
        count *= (double)dim[a];
    }
    self->scale = (float)(1 / sqrt(count));
    SC_TRY(upload_phases(self));
    SC_TRY(make_plan(self));
    *fft = self;
    self = NULL;
cleanup:
    sc_cuda_fft_free(self);
    return status;
}

static void centre(const sc_fft *fft, float *z, const float *x, const float *phases, float sign,
                   float scale)
{
    sc_cuda_phase(fft->device, fft->batch * fft->dims.dim[0] * fft->dims.dim[1], fft->dims.dim[2],
                  z, x, phases, sign, scale, fft->dims);
}

void sc_cuda_fft_plain(const sc_fft *fft, sc_c32 *z, bool inverse)
{
    sc_cuda_context *cuda = sc_cuda_of(fft->device);
    if (cuda->failed)
        return;
    pthread_mutex_lock(&cuda->library);
    cufftResult result = cufftExecC2C(fft->plan, (cufftComplex *)z, (cufftComplex *)z,
                                      inverse ? CUFFT_INVERSE : CUFFT_FORWARD);
    pthread_mutex_unlock(&cuda->library);
    if (result != CUFFT_SUCCESS)
        sc_cuda_failed(cuda, "fft", "cuFFT does not run the plan");
}

void sc_cuda_fft(const sc_fft *fft, sc_c32 *z, const sc_c32 *x, bool inverse)
{
    const float sign = inverse ? -1 : 1;
    centre(fft, (float *)z, (const float *)x, fft->phases, sign, 1);
    sc_cuda_fft_plain(fft, z, inverse);
    centre(fft, (float *)z, (const float *)z, fft->phases + 2 * fft->phase_count, sign, fft->scale);
}

void sc_cuda_fft_free(sc_fft *fft)
{
    if (!fft)
        return;
    if (fft->planned)
        (void)cufftDestroy(fft->plan);
    if (fft->phases)
        fft->device->kernels->release(fft->device, fft->phases);
    sc_free(fft);
}
