/* Centred unitary FFT by FFTW. One plan transforms one image in place; images of a batch go to
 * the threads, so a result depends neither on their number nor on the image's place in the batch.
 * FFTW_ESTIMATE: planning by measuring would make bytes depend on the clock.
 */
#include "base/cpu/cpu_internal.h"
#include "base/fft_phase_internal.h"
#include "base/kernel_bodies.h"
#include "base/memory.h"
#include <assert.h>
#include <fftw3.h>
#include <pthread.h>

struct sc_fft {
    sc_dims dims;
    int64_t batch, image; /* images, elements of one */
    int threads;
    float scale, *phases;
    int64_t phase_count;
    fftwf_plan plan[2][2]; /* [inverse][unaligned] */
};

/* FFTW's planner is not reentrant. */
static pthread_mutex_t planner = PTHREAD_MUTEX_INITIALIZER;

static fftwf_plan make_plan(const sc_fft *fft, sc_c32 *x, int sign, unsigned flags)
{
    fftwf_iodim64 axes[3];
    int64_t stride = 1;
    int d = fft->dims.d;
    for (int a = d - 1; a >= 0; a--) {
        int64_t n = fft->dims.dim[3 - d + a];
        axes[a] = (fftwf_iodim64){.n = n, .is = stride, .os = stride};
        stride *= n;
    }
    return fftwf_plan_guru64_dft(d, axes, 0, NULL, (fftwf_complex *)x, (fftwf_complex *)x, sign,
                                 FFTW_ESTIMATE | flags);
}

static sc_status make_plans(sc_fft *fft)
{
    sc_c32 *x;
    sc_status status = SC_ALLOC(&x, fft->image, "image of a Fourier transform");
    if (status != SC_OK)
        return status;
    pthread_mutex_lock(&planner);
    for (int inverse = 0; inverse < 2; inverse++)
        for (int unaligned = 0; unaligned < 2; unaligned++) {
            fftwf_plan plan = make_plan(fft, x, inverse ? FFTW_BACKWARD : FFTW_FORWARD,
                                        unaligned ? FFTW_UNALIGNED : 0);
            fft->plan[inverse][unaligned] = plan;
            if (!plan)
                status = SC_ERR_MEMORY;
        }
    pthread_mutex_unlock(&planner);
    sc_free(x);
    if (status != SC_OK)
        return sc_fail(status, "FFTW makes no plan for %lld x %lld x %lld",
                       (long long)fft->dims.dim[0], (long long)fft->dims.dim[1],
                       (long long)fft->dims.dim[2]);
    return SC_OK;
}

sc_status sc_cpu_fft_create(const sc_device *device, sc_fft **fft, int rank, const int64_t *dim,
                            int64_t batch)
{
    assert(rank >= 1 && rank <= 3 && batch >= 1);
    *fft = NULL;
    sc_fft *self = NULL;
    sc_status status;
    SC_TRY(SC_ALLOC(&self, 1, "Fourier transform"));
    *self =
        (sc_fft){.dims = {rank, {1, 1, 1}}, .batch = batch, .image = 1, .threads = device->threads};
    for (int a = 0; a < rank; a++) {
        self->dims.dim[3 - rank + a] = dim[a];
        self->image *= dim[a];
    }
    self->scale = (float)(1 / sqrt((double)self->image));
    SC_TRY(sc_fft_phases(&self->phases, &self->phase_count, self->dims));
    SC_TRY(make_plans(self));
    *fft = self;
    self = NULL;
cleanup:
    sc_cpu_fft_free(self);
    return status;
}

static void apply_phases(const sc_fft *fft, float *z, const float *x, const float *phases,
                         float sign, float scale)
{
    sc_dims s = fft->dims;
    for (int64_t row = 0; row < s.dim[0] * s.dim[1]; row++)
        for (int64_t col = 0; col < s.dim[2]; col++)
            sc_body_phase(row, col, z, x, phases, sign, scale, s);
}

/* With an odd number of elements every other image of a batch is unaligned: treat all alike. */
static fftwf_plan plan_for(const sc_fft *fft, const sc_c32 *z, bool inverse)
{
    return fft->plan[inverse][fft->image % 2 || (uintptr_t)z % 16];
}

static int fft_threads(const sc_fft *fft)
{
    return fft->batch > 1 && fft->batch * fft->image > SC_CPU_SERIAL ? fft->threads : 1;
}

void sc_cpu_fft(const sc_fft *fft, sc_c32 *z, const sc_c32 *x, bool inverse)
{
    const float *before = fft->phases, *after = fft->phases + 2 * fft->phase_count;
    const float sign = inverse ? -1 : 1;
    const fftwf_plan plan = plan_for(fft, z, inverse);
#pragma omp parallel for schedule(static) num_threads(fft_threads(fft))
    for (int64_t b = 0; b < fft->batch; b++) {
        sc_c32 *image = z + b * fft->image;
        apply_phases(fft, (float *)image, (const float *)(x + b * fft->image), before, sign, 1);
        fftwf_execute_dft(plan, (fftwf_complex *)image, (fftwf_complex *)image);
        apply_phases(fft, (float *)image, (const float *)image, after, sign, fft->scale);
    }
}

void sc_cpu_fft_plain(const sc_fft *fft, sc_c32 *z, bool inverse)
{
    const fftwf_plan plan = plan_for(fft, z, inverse);
#pragma omp parallel for schedule(static) num_threads(fft_threads(fft))
    for (int64_t b = 0; b < fft->batch; b++) {
        fftwf_complex *image = (fftwf_complex *)(z + b * fft->image);
        fftwf_execute_dft(plan, image, image);
    }
}

void sc_cpu_fft_free(sc_fft *fft)
{
    if (!fft)
        return;
    pthread_mutex_lock(&planner);
    for (int i = 0; i < 4; i++)
        if (fft->plan[i / 2][i % 2])
            fftwf_destroy_plan(fft->plan[i / 2][i % 2]);
    pthread_mutex_unlock(&planner);
    sc_free(fft->phases);
    sc_free(fft);
}
