/* ADMM of through_slice.h. The x-update is one system for conjugate gradients: A and sqrt(rho)
 * sigma_y D_z stacked, whose normal is what is in the brackets, the same at all noise levels.
 */
#include "recon/through_slice.h"
#include "base/memory.h"
#include <assert.h>
#include <math.h>
#include <string.h>

struct sc_through_slice {
    const sc_device *device;
    const sc_op *A, *D;
    sc_op *both; /* [A; sqrt(rho) sigma_y D], owned */
    sc_through_slice_options options;
    double sigma_y, rho;
    int samples;
    int64_t n, m;      /* floats of an image, of its differences */
    float *v, *u;      /* (samples, m) device */
    bool *begun;       /* (samples) */
    float *centre;     /* (n) d */
    float *rhs;        /* (n) */
    float *difference; /* (m) D x */
    float *wide;       /* real images: (m, 2) with imaginary parts, and the (2) that make them */
    void *work;        /* of D */
    sc_cg_work cg;
};

static sc_status stack_up(sc_through_slice *t)
{
    sc_status status = SC_OK;
    sc_op *part[2] = {NULL, NULL};
    SC_TRY(sc_op_scaled(&part[0], t->A, 1));
    SC_TRY(sc_op_scaled(&part[1], t->D, sqrt(t->rho) * t->sigma_y));
    status = sc_op_stack(&t->both, part, 2);
    return status;
cleanup:
    sc_op_free(part[0]);
    return status;
}

sc_status sc_through_slice_create(sc_through_slice **through, const sc_op *A, const sc_op *D,
                                  double sigma_y, int samples,
                                  const sc_through_slice_options *options)
{
    sc_status status = SC_OK;
    sc_through_slice *t = NULL;
    const sc_device *device = A->device;
    *through = NULL;
    assert(sc_shape_equal(&A->domain, &D->domain));
    assert(options->lambda > 0 && options->threshold > 0 && options->iterations > 0);
    SC_TRY(SC_ALLOC(&t, 1, "through-slice step"));
    t->device = device, t->A = A, t->D = D;
    t->options = *options;
    t->sigma_y = sigma_y;
    t->rho = options->lambda / options->threshold;
    t->samples = samples;
    t->n = sc_shape_floats(&A->domain);
    t->m = sc_shape_floats(&D->range);
    SC_TRY(SC_ALLOC(&t->begun, samples, "through-slice step"));
    SC_TRY(stack_up(t));
    SC_TRY(SC_DEVICE_ALLOC(device, &t->v, samples * t->m));
    SC_TRY(SC_DEVICE_ALLOC(device, &t->u, samples * t->m));
    SC_TRY(SC_DEVICE_ALLOC(device, &t->centre, t->n));
    SC_TRY(SC_DEVICE_ALLOC(device, &t->rhs, t->n));
    SC_TRY(SC_DEVICE_ALLOC(device, &t->difference, t->m));
    if (D->range.dtype == SC_F32) {
        SC_TRY(SC_DEVICE_ALLOC(device, &t->wide, 2 * t->m + 2));
        device->kernels->fill(device, t->wide + 2 * t->m, 1, 1);
    }
    SC_TRY(sc_op_work_create(D, &t->work));
    SC_TRY(sc_cg_work_create(&t->cg, t->both));
    *through = t;
    t = NULL;
cleanup:
    sc_through_slice_free(t);
    return status;
}

void sc_through_slice_free(sc_through_slice *t)
{
    if (!t)
        return;
    if (t->both)
        sc_cg_work_free(&t->cg, t->both);
    sc_op_free(t->both);
    sc_device_release(t->device, t->v);
    sc_device_release(t->device, t->u);
    sc_device_release(t->device, t->centre);
    sc_device_release(t->device, t->rhs);
    sc_device_release(t->device, t->difference);
    sc_device_release(t->device, t->wide);
    sc_device_release(t->device, t->work);
    sc_free(t->begun);
    sc_free(t);
}

size_t sc_through_slice_bytes(const sc_op *A, const sc_op *D, int samples)
{
    size_t image = (size_t)sc_shape_floats(&A->domain) * sizeof(float);
    size_t difference = (size_t)sc_shape_floats(&D->range) * sizeof(float);
    size_t work = A->work_bytes > D->work_bytes ? A->work_bytes : D->work_bytes;
    /* centre, rhs; r, p, q of the solver and a term of the stack; its range is never formed */
    size_t wide = D->range.dtype == SC_F32 ? 2 * difference : 0;
    return 6 * image + (2 * (size_t)samples + 1) * difference + wide + work + D->work_bytes;
}

void sc_through_slice_reset(sc_through_slice *t)
{
    memset(t->begun, 0, (size_t)t->samples * sizeof *t->begun);
}

/* v = soft(w, lambda / rho); the kernel is for complex numbers: real ones get an imaginary part of
 * 0 by a product with the row (1, 0). */
static void shrink(sc_through_slice *t, float *v, const float *w)
{
    const sc_kernels *k = t->device->kernels;
    float threshold = (float)t->options.threshold, *row = t->wide ? t->wide + 2 * t->m : NULL;
    if (!t->wide) {
        k->soft(t->device, (sc_c32 *)v, (const sc_c32 *)w, threshold, t->m / 2);
        return;
    }
    k->sgemm(t->device, t->wide, w, row, t->m, 2, 1, false, false, 1, 0);
    k->soft(t->device, (sc_c32 *)t->wide, (const sc_c32 *)t->wide, threshold, t->m);
    k->sgemm(t->device, v, t->wide, row, t->m, 1, 2, false, false, 1, 0);
}

/* v = soft(D x + u, lambda / rho), u = u + D x - v */
static void split(sc_through_slice *t, float *v, float *u, const float *x)
{
    const sc_kernels *k = t->device->kernels;
    sc_op_forward(t->D, t->difference, x, t->work);
    k->axpby(t->device, u, 1, u, 1, t->difference, t->m);
    shrink(t, v, u);
    k->axpby(t->device, u, 1, u, -1, v, t->m);
}

/* v as one shrinking of the differences of d makes it, u = 0 */
static void begin(sc_through_slice *t, float *v, float *u, const float *d)
{
    const sc_kernels *k = t->device->kernels;
    sc_op_forward(t->D, t->difference, d, t->work);
    shrink(t, v, t->difference);
    k->fill(t->device, u, 0, t->m);
}

/* rhs = d + kappa (aty + rho sigma_y^2 D^H (v - u)) */
static void right_hand_side(sc_through_slice *t, const float *v, const float *u, const float *aty,
                            double kappa)
{
    const sc_kernels *k = t->device->kernels;
    double weight = t->rho * t->sigma_y * t->sigma_y;
    k->axpby(t->device, t->difference, 1, v, -1, u, t->m);
    sc_op_adjoint(t->D, t->rhs, t->difference, t->work);
    k->axpby(t->device, t->rhs, (float)weight, t->rhs, 1, aty, t->n);
    k->axpby(t->device, t->rhs, (float)kappa, t->rhs, 1, t->centre, t->n);
}

sc_status sc_through_slice_step(sc_through_slice *t, float *x, const float *aty, double r,
                                int sample, int iterations, double tolerance, int64_t *applications)
{
    sc_status status = SC_OK;
    const sc_kernels *k = t->device->kernels;
    double kappa = r * r / (t->sigma_y * t->sigma_y);
    sc_cg_options options = {.a = kappa, .b = 1, .iterations = iterations, .tolerance = tolerance};
    float *v = t->v + sample * t->m, *u = t->u + sample * t->m;
    assert(sample >= 0 && sample < t->samples);
    k->axpby(t->device, t->centre, 1, x, 0, x, t->n);
    if (!t->begun[sample])
        begin(t, v, u, x);
    t->begun[sample] = true;
    for (int i = 0; i < t->options.iterations; i++) {
        sc_cg_result result = {0};
        right_hand_side(t, v, u, aty, kappa);
        status = sc_cg_solve(x, t->rhs, t->both, &options, true, &t->cg, &result, NULL);
        *applications += result.applications;
        SC_TRY(status);
        split(t, v, u, x);
    }
cleanup:
    return status;
}
