/* What brings the slices of a stack to common units and phase (stack.h). */
#include "base/memory.h"
#include "recon/conjugate_gradient.h"
#include "recon/stack.h"
#include <math.h>

/* The image whose phase is looked at: CG-SENSE, early and a little regularised, as for the scale.
 */
enum { PHASE_STEPS = 10 };
#define PHASE_LAMBDA 0.003
/* Low resolution: a Gaussian over k-space with a standard deviation of this share of it. Coil maps
 * and B0 change over a quarter of the field of view; noise and anatomy must not come through. */
#define PHASE_BAND 0.04

/* image <- its low frequencies, on the slice's device. */
static sc_status low_pass(const sc_problem *slice, sc_c32 *image)
{
    const sc_device *device = slice->device;
    const sc_kernels *k = device->kernels;
    int64_t ny = slice->ny, nx = slice->nx, n = ny * nx;
    sc_status status = SC_OK;
    sc_fft *fft = NULL;
    float *window = NULL, *on_device = NULL;
    SC_TRY(SC_ALLOC(&window, n, "window"));
    SC_TRY(SC_DEVICE_ALLOC(device, &on_device, n));
    for (int64_t p = 0; p < n; p++) {
        double y = (double)(p / nx - ny / 2) / (PHASE_BAND * (double)ny);
        double x = (double)(p % nx - nx / 2) / (PHASE_BAND * (double)nx);
        window[p] = (float)exp(-(x * x + y * y) / 2);
    }
    SC_TRY(k->upload(device, on_device, window, (size_t)n * sizeof *window));
    SC_TRY(k->fft_create(device, &fft, 2, (int64_t[]){ny, nx}, 1));
    k->fft(fft, image, image, false);
    k->mask(device, image, on_device, image, 1, n);
    k->fft(fft, image, image, true);
    SC_TRY(k->sync(device));
cleanup:
    if (fft)
        k->fft_free(fft);
    sc_device_release(device, on_device);
    sc_free(window);
    return status;
}

/* image (y, x), host: the first set at low resolution */
static sc_status look(sc_c32 *image, const sc_problem *slice)
{
    sc_status status = SC_OK;
    const sc_device *device = slice->device;
    int64_t floats = sc_shape_floats(&slice->A->domain);
    sc_cg_work work = {0};
    float *x = NULL, *rhs = NULL;
    sc_cg_options options = {
        .a = 1, .b = PHASE_LAMBDA, .iterations = PHASE_STEPS, .tolerance = 1e-4};
    SC_TRY(sc_cg_work_create(&work, slice->A));
    SC_TRY(SC_DEVICE_ALLOC(device, &x, floats));
    SC_TRY(SC_DEVICE_ALLOC(device, &rhs, floats));
    sc_op_adjoint(slice->A, rhs, slice->y, work.op_work);
    SC_TRY(sc_cg_solve(x, rhs, slice->A, &options, false, &work, NULL, NULL));
    SC_TRY(low_pass(slice, (sc_c32 *)x));
    SC_TRY(device->kernels->download(device, image, x,
                                     (size_t)(slice->ny * slice->nx) * sizeof *image));
cleanup:
    sc_cg_work_free(&work, slice->A);
    sc_device_release(device, x);
    sc_device_release(device, rhs);
    return status;
}

static double intensity(const sc_problem *slice, int64_t p)
{
    return slice->scale * (slice->shading ? slice->shading[p] : 1);
}

static bool inside(const sc_problem *slice, int64_t p)
{
    return !slice->support || slice->support[p] > 0;
}

/* What is 1 image unit of D_z: the mean intensity of the brightest slice, geometric over its
 * support. So weights are about 1 at most, and slices that hold only noise count for little. */
static double common_intensity(const sc_problem *slice, int slices)
{
    double brightest = 0;
    int64_t n = slice->ny * slice->nx;
    for (int k = 0; k < slices; k++) {
        double sum = 0;
        int64_t count = 0;
        for (int64_t p = 0; p < n; p++)
            if (inside(&slice[k], p) && intensity(&slice[k], p) > 0) {
                sum += log(intensity(&slice[k], p));
                count++;
            }
        if (count > 0)
            brightest = fmax(brightest, exp(sum / (double)count));
    }
    return brightest > 0 ? brightest : 1;
}

sc_status sc_stack_weights(sc_c32 **weight, float **pair, const sc_problem *slice, int slices,
                           double slope)
{
    sc_status status = SC_OK;
    int64_t n = slice->ny * slice->nx;
    double unit = common_intensity(slice, slices);
    *weight = NULL, *pair = NULL;
    SC_TRY(SC_ALLOC(weight, slices * n, "slice weights"));
    SC_TRY(SC_ALLOC(pair, (slices - 1) * n, "slice weights"));
    for (int k = 0; k < slices; k++) {
        sc_c32 *w = *weight + k * n;
        SC_TRY(look(w, &slice[k]));
        for (int64_t p = 0; p < n; p++) {
            double complex z = (double complex)w[p];
            double size = cabs(z);
            w[p] = (sc_c32)(intensity(&slice[k], p) / unit * (size > 0 ? conj(z) / size : 1));
        }
    }
    for (int k = 0; k + 1 < slices; k++)
        for (int64_t p = 0; p < n; p++)
            (*pair)[k * n + p] =
                inside(&slice[k], p) && inside(&slice[k + 1], p) ? (float)slope : 0;
cleanup:
    if (status != SC_OK) {
        sc_free(*weight);
        sc_free(*pair);
        *weight = NULL, *pair = NULL;
    }
    return status;
}
