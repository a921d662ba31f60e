#include "recon/classical.h"
#include "base/memory.h"
#include "recon/bart_scale.h"

sc_status sc_classical_begin(sc_classical *run, const sc_problem *problem)
{
    const sc_device *device = problem->device;
    const sc_op *A = problem->A;
    void *work = NULL;
    sc_status status = SC_OK;
    *run = (sc_classical){.problem = problem, .n = sc_shape_floats(&A->domain)};
    SC_TRY(SC_DEVICE_ALLOC(device, &run->x, run->n));
    SC_TRY(SC_DEVICE_ALLOC(device, &run->rhs, run->n));
    SC_TRY(sc_op_work_create(A, &work));
    sc_op_adjoint(A, run->rhs, problem->y, work);
    run->applications = 1;
cleanup:
    sc_device_release(device, work);
    if (status != SC_OK)
        sc_classical_end(run);
    return status;
}

void sc_classical_end(sc_classical *run)
{
    if (!run->problem)
        return;
    sc_device_release(run->problem->device, run->x);
    sc_device_release(run->problem->device, run->rhs);
    *run = (sc_classical){0};
}

sc_status sc_classical_needs_complex(const sc_problem *problem, const char *method)
{
    const sc_shape *domain = &problem->A->domain;
    if (domain->dtype == SC_C32 && domain->rank >= 3)
        return SC_OK;
    return sc_fail(SC_ERR_UNSUPPORTED, "method %s: expected a complex image, found a real one",
                   method);
}

/* ||y - A x||^2 / (2 measured sigma^2), or / (measured sigma^2) for real data */
static sc_status residual(double *value, const sc_classical *run)
{
    const sc_problem *problem = run->problem;
    const sc_device *device = problem->device;
    const sc_kernels *k = device->kernels;
    const sc_shape *range = &problem->A->range;
    int64_t m = sc_shape_floats(range);
    double parts = range->dtype == SC_C32 ? 2 : 1;
    float *difference = NULL;
    void *work = NULL;
    sc_status status = SC_OK;
    SC_TRY(SC_DEVICE_ALLOC(device, &difference, m));
    SC_TRY(sc_op_work_create(problem->A, &work));
    sc_op_forward(problem->A, difference, run->x, work);
    k->axpby(device, difference, 1, problem->y, -1, difference, m);
    double expected = parts * (double)problem->measured * problem->sigma * problem->sigma;
    *value = k->dot(device, difference, difference, m) / expected;
    SC_TRY(k->sync(device));
cleanup:
    sc_device_release(device, difference);
    sc_device_release(device, work);
    return status;
}

/* Zero where the maps say nothing: there only the regulariser has spoken. */
static void keep_support(sc_c32 *image, int64_t images, const sc_problem *problem)
{
    int64_t pixels = problem->ny * problem->nx;
    for (int64_t i = 0; problem->support && i < images; i++)
        for (int64_t p = 0; p < pixels; p++)
            image[i * pixels + p] *= problem->support[p];
}

/* The image as complex numbers, whatever its dtype on the device. */
static sc_status fetch(sc_c32 *image, const sc_classical *run)
{
    const sc_device *device = run->problem->device;
    sc_status status =
        device->kernels->download(device, image, run->x, (size_t)run->n * sizeof(float));
    if (status != SC_OK || run->problem->A->domain.dtype == SC_C32)
        return status;
    for (int64_t i = run->n - 1; i >= 0; i--) /* from the end: real i lies before complex i */
        image[i] = ((const float *)image)[i];
    return SC_OK;
}

sc_status sc_classical_estimate(sc_estimate *estimate, const sc_classical *run)
{
    const sc_problem *problem = run->problem;
    int64_t elements = sc_shape_elements(&problem->A->domain);
    const int64_t dim[3] = {elements / (problem->ny * problem->nx), problem->ny, problem->nx};
    sc_status status = SC_OK;
    SC_TRY(sc_array_create(&estimate->mean, SC_C32, 3, dim));
    SC_TRY(fetch(estimate->mean.data, run));
    keep_support(estimate->mean.data, dim[0], problem);
    SC_TRY(residual(&estimate->residual, run));
    estimate->operator_applications = run->applications;
cleanup:
    if (status != SC_OK)
        sc_array_free(&estimate->mean);
    return status;
}

sc_status sc_classical_step(double *step, sc_classical *run, sc_key key)
{
    double largest;
    sc_status status =
        sc_op_largest_eigenvalue(&largest, run->problem->A, SC_CLASSICAL_STEP_COST, key.seed);
    if (status != SC_OK)
        return status;
    run->applications += SC_CLASSICAL_STEP_COST;
    *step = largest > 0 ? 0.95 / largest : 1;
    return SC_OK;
}

sc_status sc_classical_lambda(double *lambda, const sc_problem *problem, const sc_options *options)
{
    double bart = sc_options_get(options, "lambda"), scale;
    *lambda = sc_options_get(options, "lambda-sigma") * problem->sigma;
    if (bart <= 0)
        return SC_OK;
    sc_status status = sc_bart_scaling(&scale, problem);
    if (status == SC_OK)
        *lambda = bart * scale;
    return status;
}
