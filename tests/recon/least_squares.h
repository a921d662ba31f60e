/* Least squares with a little Tikhonov for tests: what any method would see of a problem. */
#ifndef SC_TEST_LEAST_SQUARES_H
#define SC_TEST_LEAST_SQUARES_H

#include "phantom.h"
#include "recon/conjugate_gradient.h"
#include "recon/problem.h"

static inline void least_squares(sc_estimate *estimate, const sc_problem *p)
{
    sc_cg_work work;
    sc_cg_options o = {.a = 1, .b = 1e-3, .iterations = 40, .tolerance = 1e-5};
    int64_t n = sc_shape_elements(&p->A->domain);
    sc_c32 *x, *rhs;
    *estimate = (sc_estimate){0};
    OK(sc_array_create(&estimate->mean, SC_C32, 3, (int64_t[]){p->sets, p->ny, p->nx}));
    OK(SC_DEVICE_ALLOC(p->device, &x, n));
    OK(SC_DEVICE_ALLOC(p->device, &rhs, n));
    OK(sc_cg_work_create(&work, p->A));
    sc_op_adjoint(p->A, rhs, p->y, work.op_work);
    OK(sc_cg_solve((float *)x, (const float *)rhs, p->A, &o, false, &work, NULL, NULL));
    OK(p->device->kernels->download(p->device, estimate->mean.data, x, (size_t)n * sizeof *x));
    sc_cg_work_free(&work, p->A);
    sc_device_release(p->device, x);
    sc_device_release(p->device, rhs);
}

#endif
