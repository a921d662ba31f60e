/* From a scan to problems (see prepare.h). */
#include "recon/prepare.h"
#include "base/memory.h"
#include "recon/compress.h"
#include "recon/conjugate_gradient.h"
#include "recon/prepare_internal.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The scale image: few steps and a little Tikhonov, so that noise amplification stays out of its
 * bright end. On a real scan at R 3 to 8 it is within 6 % of that of the full data. */
#define SCALE_STEPS 12
#define SCALE_LAMBDA 0.003
#define COMPRESS_ABOVE 12 /* coils that are taken as they are */
#define COMPRESS_MOST 16
#define COMPRESS_PLANES 16

/* clang-format off: one option a line */
const sc_option sc_prepare_table[] = {
    {"sets", SC_OPT_CHOICE, "", 0, 0, 0, "auto|1|2",
     "sets of coil maps; two where the field of view cuts the object"},
    {"noise", SC_OPT_REAL, "scan units", 0, 1e30, 0, NULL,
     "noise standard deviation per real component, in every coil, independent; 0: measured"},
    {"coils", SC_OPT_INT, "", 0, 1024, 0, NULL,
     "compress to so many coils; 0: only if there are more than 12"},
    {"energy", SC_OPT_REAL, "", 0.5, 1, 0.995, NULL, "share of the energy that compression keeps"},
    {"calibration", SC_OPT_INT, "samples", 6, 64, 24, NULL,
     "largest side of the calibration block"},
    {"kernel", SC_OPT_INT, "samples", 3, 9, 6, NULL, "window of the coil maps' calibration"},
    {"threshold", SC_OPT_REAL, "", 0, 1, 0, NULL,
     "square of the smallest singular value kept, relative; 0: what stands out of the noise"},
    {"crop", SC_OPT_REAL, "", 0, 1, 0.9, NULL, "maps are zero where their eigenvalue is below"},
    {"scale", SC_OPT_REAL, "scan units", 0, 1e30, 0, NULL,
     "image value that becomes 1; 0: measured"},
    {0},
};
/* clang-format on */

sc_prepare_options sc_prepare_default(void)
{
    return (sc_prepare_options){.values = sc_options_default(sc_prepare_table)};
}

void sc_calibration_free(sc_calibration *calibration)
{
    if (calibration) {
        sc_noise_free(&calibration->noise);
        sc_whitener_free(&calibration->whitener);
        *calibration = (sc_calibration){0};
    }
}

/* Coil covariance of the centres of k-space (or of all samples) of some planes, whitened. */
static sc_status coil_covariance(double complex *sum, const sc_calibration *calibration,
                                 const sc_scan *scan)
{
    sc_status status = SC_OK;
    const sc_planes *planes = &calibration->planes;
    sc_plane plane = {0};
    sc_c32 *data = NULL, *white = NULL;
    int64_t limit = (int64_t)sc_options_get(&calibration->options.values, "calibration");
    int64_t step = (planes->count + COMPRESS_PLANES - 1) / COMPRESS_PLANES;
    for (int64_t i = step / 2; i < planes->count; i += step) {
        sc_block block;
        SC_TRY(sc_plane_read(&plane, scan, planes, 0, i));
        SC_TRY(sc_block_read(&data, &block, &plane, limit));
        int64_t n = data ? block.ny * block.nx : plane.ny * plane.nx;
        SC_TRY(SC_ALLOC(&white, scan->coils * n, "whitened calibration"));
        sc_whiten(white, &calibration->whitener, data ? data : plane.y, n);
        sc_coil_covariance_add(sum, white, (int)scan->coils, n);
        sc_plane_free(&plane);
        sc_free(data);
        sc_free(white);
        data = white = NULL;
    }
cleanup:
    sc_plane_free(&plane);
    sc_free(data);
    sc_free(white);
    return status;
}

static sc_status compress(sc_calibration *calibration, const sc_scan *scan)
{
    const sc_options *values = &calibration->options.values;
    int wanted = (int)sc_options_get(values, "coils"), coils = (int)scan->coils;
    if (wanted ? wanted >= coils : coils <= COMPRESS_ABOVE)
        return SC_OK;
    sc_status status = SC_OK;
    double complex *covariance = NULL;
    SC_TRY(SC_ALLOC(&covariance, (int64_t)coils * coils, "coil covariance"));
    SC_TRY(coil_covariance(covariance, calibration, scan));
    if (wanted)
        SC_TRY(sc_compress(&calibration->whitener, covariance, 1, wanted));
    else
        SC_TRY(sc_compress(&calibration->whitener, covariance, sc_options_get(values, "energy"),
                           COMPRESS_MOST));
cleanup:
    sc_free(covariance);
    return status;
}

sc_status sc_calibration_create(sc_calibration *calibration, const sc_scan *scan,
                                const sc_prepare_options *options)
{
    assert(scan->kspace.rank == 6 && scan->mask.rank == 5);
    sc_status status = SC_OK;
    *calibration = (sc_calibration){.options = options ? *options : sc_prepare_default()};
    SC_TRY(sc_planes_of(&calibration->planes, scan));
    if (calibration->options.maps)
        SC_TRY(sc_prepare_check_maps(calibration->options.maps, &calibration->planes, scan->coils));
    double sigma = sc_options_get(&calibration->options.values, "noise");
    if (sigma > 0)
        SC_TRY(sc_noise_given(&calibration->noise, (int)scan->coils, sigma));
    else
        SC_TRY(sc_noise_estimate(&calibration->noise, scan));
    status = sc_whitener_create(&calibration->whitener, &calibration->noise);
    if (status != SC_OK) {
        sc_context(status, "%s", scan->source);
        goto cleanup;
    }
    SC_TRY(compress(calibration, scan));
cleanup:
    if (status != SC_OK)
        sc_calibration_free(calibration);
    return status;
}

static int ascending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* 99.9th percentile of |x|, over the sets by root sum of squares. */
static sc_status bright_end(double *value, const sc_c32 *x, int sets, int64_t n)
{
    float *magnitude = NULL;
    sc_status status = SC_OK;
    SC_TRY(SC_ALLOC(&magnitude, n, "magnitude"));
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;
        for (int s = 0; s < sets; s++)
            sum += pow(cabs((double complex)x[s * n + i]), 2);
        magnitude[i] = (float)sqrt(sum);
    }
    qsort(magnitude, (size_t)n, sizeof *magnitude, ascending);
    *value = magnitude[(int64_t)(0.999 * (double)(n - 1))];
cleanup:
    sc_free(magnitude);
    return status;
}

/* problem->y holds whitened data in their own units; *scale from a CG-SENSE image of them. */
static sc_status measure_scale(double *scale, const sc_problem *problem, double weight_most)
{
    sc_status status = SC_OK;
    const sc_op *A = problem->A;
    int64_t count = sc_shape_elements(&A->domain);
    sc_cg_work work = {0};
    sc_c32 *x = NULL, *rhs = NULL, *host = NULL;
    sc_cg_options options = {.a = 1,
                             .b = SCALE_LAMBDA * weight_most * weight_most,
                             .iterations = SCALE_STEPS,
                             .tolerance = 1e-4};
    SC_TRY(SC_DEVICE_ALLOC(problem->device, &x, count));
    SC_TRY(SC_DEVICE_ALLOC(problem->device, &rhs, count));
    SC_TRY(SC_ALLOC(&host, count, "scale image"));
    SC_TRY(sc_cg_work_create(&work, A));
    sc_op_adjoint(A, rhs, problem->y, work.op_work);
    SC_TRY(sc_cg_solve((float *)x, (const float *)rhs, A, &options, false, &work, NULL, NULL));
    SC_TRY(problem->device->kernels->download(problem->device, host, x, (size_t)count * sizeof *x));
    SC_TRY(bright_end(scale, host, problem->sets, problem->ny * problem->nx));
    if (!(*scale > 0) || !isfinite(*scale))
        status = sc_fail(SC_ERR_NUMERIC, "the first image is empty (99.9th percentile %g)", *scale);
cleanup:
    sc_cg_work_free(&work, A);
    sc_device_release(problem->device, x);
    sc_device_release(problem->device, rhs);
    sc_free(host);
    return status;
}

/* Whitened data to the device, divided by `scale`. */
static sc_status load_data(sc_problem *problem, const sc_plane *plane, const sc_whitener *whitener)
{
    sc_status status = SC_OK;
    int64_t n = plane->ny * plane->nx, count = problem->coils * n;
    sc_c32 *white = NULL, *y = NULL;
    SC_TRY(SC_ALLOC(&white, count, "whitened data"));
    sc_whiten(white, whitener, plane->y, n);
    SC_TRY(SC_DEVICE_ALLOC(problem->device, &y, count));
    problem->y = y;
    SC_TRY(
        problem->device->kernels->upload(problem->device, y, white, (size_t)count * sizeof *white));
cleanup:
    sc_free(white);
    return status;
}

static sc_status build(sc_problem *problem, sc_prepare_facts *facts, const sc_plane *plane,
                       const sc_calibration *calibration)
{
    sc_status status = SC_OK;
    int64_t n = plane->ny * plane->nx, sampled = 0;
    double most = 0;
    for (int64_t i = 0; i < n; i++) {
        sampled += plane->weight[i] > 0;
        most = fmax(most, plane->weight[i]);
    }
    problem->measured = sampled * problem->coils;
    SC_TRY(sc_op_sense(&problem->A, problem->device, problem->maps, plane->weight, problem->sets,
                       problem->coils, 2, (int64_t[]){plane->ny, plane->nx}));
    SC_TRY(load_data(problem, plane, &calibration->whitener));
    double given = sc_options_get(&calibration->options.values, "scale");
    if (given > 0) /* in scan units: over the sigma that whitening divides by */
        problem->scale = given / sc_noise_sigma(&calibration->noise);
    else
        SC_TRY(measure_scale(&problem->scale, problem, most));
    problem->sigma = 1 / problem->scale;
    problem->device->kernels->axpby(problem->device, problem->y, (float)problem->sigma, problem->y,
                                    0, problem->y, 2 * problem->coils * n);
    facts->scale = problem->scale;
    facts->sigma = problem->sigma;
    facts->acceleration = (double)n / (double)sampled;
cleanup:
    return status;
}

sc_status sc_prepare(sc_problem *problem, sc_prepare_facts *facts, const sc_scan *scan,
                     const sc_calibration *calibration, int64_t frame, int64_t slice,
                     const sc_device *device)
{
    sc_status status = SC_OK;
    sc_plane plane = {0};
    sc_prepare_facts local;
    facts = facts ? facts : &local;
    *facts = (sc_prepare_facts){0};
    *problem = (sc_problem){.device = device};
    SC_TRY(sc_plane_read(&plane, scan, &calibration->planes, frame, slice));
    problem->ny = plane.ny;
    problem->nx = plane.nx;
    SC_TRY(
        sc_prepare_maps(problem, facts, &plane, calibration, slice, device->threads, scan->source));
    SC_TRY(build(problem, facts, &plane, calibration));
cleanup:
    sc_plane_free(&plane);
    if (status != SC_OK)
        sc_problem_free(problem);
    return status;
}
