#include "recon/fista.h"
#include <math.h>

typedef struct {
    float *before, *gradient; /* (n) last result of the prox; A^H A x */
    void *op_work;
} workspace;

static void free_work(workspace *work, const sc_op *A)
{
    sc_device_release(A->device, work->before);
    sc_device_release(A->device, work->gradient);
    sc_device_release(A->device, work->op_work);
}

/* x <- x + momentum (x - before), before <- x; the relative change of x. */
static double advance(float *x, workspace *work, double momentum, int64_t n, const sc_op *A)
{
    const sc_kernels *k = A->device->kernels;
    float *difference = work->gradient;
    k->axpby(A->device, difference, 1, x, -1, work->before, n);
    k->axpby(A->device, work->before, 1, x, 0, x, n);
    k->axpby(A->device, x, 1, x, (float)momentum, difference, n);
    double size = k->dot(A->device, work->before, work->before, n);
    double change = k->dot(A->device, difference, difference, n);
    return size > 0 ? sqrt(change / size) : 0;
}

/* x <- x + step (rhs - A^H A x) */
static void descend(float *x, const float *rhs, workspace *work, double step, int64_t n,
                    const sc_op *A)
{
    const sc_kernels *k = A->device->kernels;
    sc_op_normal(A, work->gradient, x, work->op_work);
    k->axpby(A->device, x, 1, x, (float)-step, work->gradient, n);
    k->axpby(A->device, x, 1, x, (float)step, rhs, n);
}

/* All iterations, or until x stays. */
static sc_status iterate(float *x, const float *rhs, const sc_op *A, const sc_prox *prox,
                         const sc_fista_options *options, workspace *work, int64_t *count,
                         const sc_progress *progress)
{
    int64_t n = sc_shape_floats(&A->domain);
    double t = 1;
    for (int i = 0; i < options->iterations; i++) {
        sc_status status = sc_progress_step(progress, options->phase, i, options->iterations);
        if (status != SC_OK)
            return status;
        prox->apply(prox->self, x, options->step, i);
        double next = (1 + sqrt(1 + 4 * t * t)) / 2;
        double change = advance(x, work, i ? (t - 1) / next : 0, n, A);
        bool settled = i && change < options->tolerance;
        if (settled)
            A->device->kernels->axpby(A->device, x, 1, work->before, 0, work->before, n);
        if (settled && !options->end_on_data)
            return SC_OK;
        descend(x, rhs, work, options->step, n, A);
        ++*count;
        if (settled)
            return SC_OK;
        t = next;
    }
    if (!options->end_on_data)
        prox->apply(prox->self, x, options->step, options->iterations);
    return SC_OK;
}

sc_status sc_fista(float *x, const float *rhs, const sc_op *A, const sc_prox *prox,
                   const sc_fista_options *options, int64_t *applications,
                   const sc_progress *progress)
{
    int64_t n = sc_shape_floats(&A->domain), count = 0;
    workspace work = {0};
    sc_status status = SC_OK;

    SC_TRY(SC_DEVICE_ALLOC(A->device, &work.before, n));
    SC_TRY(SC_DEVICE_ALLOC(A->device, &work.gradient, n));
    SC_TRY(sc_op_work_create(A, &work.op_work));
    SC_TRY(iterate(x, rhs, A, prox, options, &work, &count, progress));
    SC_TRY(A->device->kernels->sync(A->device));
cleanup:
    if (applications)
        *applications = count;
    free_work(&work, A);
    return status;
}
