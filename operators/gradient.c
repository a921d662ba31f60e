/* Forward differences along the last axes, the last difference 0 (Neumann): (batch..., dim...) ->
 * (rank, batch..., dim...) for one image (no batch). ||D||^2 <= 4 rank.
 */
#include "operators/operator_internal.h"
#include <assert.h>

typedef struct {
    sc_op op;
    int rank;
} gradient_op;

static void forward(const sc_op *op, void *y, const void *x, void *work)
{
    (void)work;
    int rank = ((const gradient_op *)op)->rank;
    op->device->kernels->gradient(op->device, y, x, rank, op->domain.dim + op->domain.rank - rank);
}

static void adjoint(const sc_op *op, void *x, const void *y, void *work)
{
    (void)work;
    int rank = ((const gradient_op *)op)->rank;
    op->device->kernels->gradient_adjoint(op->device, x, y, rank,
                                          op->domain.dim + op->domain.rank - rank);
}

static void destroy(sc_op *op) { sc_free(op); }

sc_status sc_op_gradient(sc_op **op, const sc_device *device, const sc_shape *shape, int rank)
{
    gradient_op *self = NULL;
    sc_status status = SC_OK;
    *op = NULL;
    assert(shape->dtype == SC_C32 && sc_shape_batch(shape, rank) == 1);
    SC_TRY(SC_ALLOC(&self, 1, "gradient operator"));
    self->rank = rank;
    self->op = (sc_op){.name = "gradient",
                       .device = device,
                       .domain = *shape,
                       .range = sc_shape_make(SC_C32, rank, rank, shape->dim + shape->rank - rank),
                       .forward = forward,
                       .adjoint = adjoint,
                       .destroy = destroy,
                       .describe = sc_op_describe,
                       .flops = 2.0 * rank * (double)sc_shape_elements(shape)};
    sc_op_set_work(&self->op, 0);
    *op = &self->op;
cleanup:
    return status;
}
