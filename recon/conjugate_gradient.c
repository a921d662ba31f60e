#include "recon/conjugate_gradient.h"
#include <math.h>

/* In float32 the residual of the recursion drifts from the true one. */
enum { RECOMPUTE_EVERY = 50 };

sc_status sc_cg_work_create(sc_cg_work *work, const sc_op *A)
{
    int64_t n = sc_shape_floats(&A->domain);
    sc_status status = SC_OK;
    *work = (sc_cg_work){0};
    SC_TRY(SC_DEVICE_ALLOC(A->device, &work->r, n));
    SC_TRY(SC_DEVICE_ALLOC(A->device, &work->p, n));
    SC_TRY(SC_DEVICE_ALLOC(A->device, &work->q, n));
    SC_TRY(sc_op_work_create(A, &work->op_work));
cleanup:
    if (status != SC_OK)
        sc_cg_work_free(work, A);
    return status;
}

void sc_cg_work_free(sc_cg_work *work, const sc_op *A)
{
    sc_device_release(A->device, work->r);
    sc_device_release(A->device, work->p);
    sc_device_release(A->device, work->q);
    sc_device_release(A->device, work->op_work);
    *work = (sc_cg_work){0};
}

typedef struct {
    const sc_op *A;
    const sc_cg_options *options;
    const sc_cg_work *work;
    int64_t n, applications;
} solver;

/* q = (a A^H A + b) x */
static void apply(solver *s, float *q, const float *x)
{
    const sc_device *device = s->A->device;
    sc_op_normal(s->A, q, x, s->work->op_work);
    device->kernels->axpby(device, q, (float)s->options->a, q, (float)s->options->b, x, s->n);
    s->applications++;
}

/* r = rhs - (a A^H A + b) x */
static void residual(solver *s, const float *x, const float *rhs)
{
    const sc_device *device = s->A->device;
    apply(s, s->work->q, x);
    device->kernels->axpby(device, s->work->r, 1, rhs, -1, s->work->q, s->n);
}

/* ||A x - y||^2 without applying A: with a = 1, A^H A x = rhs - r - b x and rhs = A^H y, so it is
 * ||y||^2 - <x, rhs> - <x, r> - b ||x||^2. */
static bool explains_data(const solver *s, const float *x, const float *rhs)
{
    const sc_device *device = s->A->device;
    const sc_kernels *k = device->kernels;
    if (s->options->data_square <= 0)
        return false;
    double square = s->options->data_square - k->dot(device, x, rhs, s->n) -
                    k->dot(device, x, s->work->r, s->n) -
                    s->options->b * k->dot(device, x, x, s->n);
    return square <= s->options->residual_square;
}

/* One step along p; the new ||r||^2, or -1 where there is nothing left to do along p. */
static double step(solver *s, float *x, const float *rhs, double square, bool recompute)
{
    const sc_device *device = s->A->device;
    const sc_kernels *k = device->kernels;
    const sc_cg_work *w = s->work;
    apply(s, w->q, w->p);
    double curvature = k->dot(device, w->p, w->q, s->n);
    if (!(curvature > 0)) /* p in the null space up to rounding, or not finite */
        return curvature <= 0 ? -1 : NAN;
    float alpha = (float)(square / curvature);
    k->axpby(device, x, 1, x, alpha, w->p, s->n);
    if (recompute)
        residual(s, x, rhs);
    else
        k->axpby(device, w->r, 1, w->r, -alpha, w->q, s->n);
    double next = k->dot(device, w->r, w->r, s->n);
    k->axpby(device, w->p, 1, w->r, (float)(next / square), w->p, s->n);
    return next;
}

sc_status sc_cg_solve(float *x, const float *rhs, const sc_op *A, const sc_cg_options *options,
                      bool warm, const sc_cg_work *work, sc_cg_result *result,
                      const sc_progress *progress)
{
    const sc_device *device = A->device;
    const sc_kernels *k = device->kernels;
    solver s = {.A = A, .options = options, .work = work, .n = sc_shape_floats(&A->domain)};
    double right = k->dot(device, rhs, rhs, s.n), square = right;
    double enough = options->tolerance * options->tolerance * right;
    sc_status status = SC_OK;

    if (warm) {
        residual(&s, x, rhs);
        square = k->dot(device, work->r, work->r, s.n);
    } else {
        k->fill(device, x, 0, s.n);
        k->axpby(device, work->r, 1, rhs, 0, rhs, s.n);
    }
    k->axpby(device, work->p, 1, work->r, 0, work->r, s.n);
    for (int i = 0; i < options->iterations && square > enough; i++) {
        if (explains_data(&s, x, rhs))
            break;
        if (progress && progress->cancelled && progress->cancelled(progress->self)) {
            status = sc_fail(SC_ERR_CANCELLED, "cancelled");
            break;
        }
        double next = step(&s, x, rhs, square, (i + 1) % RECOMPUTE_EVERY == 0);
        if (next < 0)
            break;
        square = next;
    }
    if (result)
        *result = (sc_cg_result){s.applications, right > 0 ? sqrt(square / right) : 0};
    if (status == SC_OK && !isfinite(square))
        status = sc_fail(SC_ERR_NUMERIC, "conjugate gradients: the residual is not finite");
    return status;
}
