/* A factor times an operator that is borrowed: y = a A x. For putting measurements of different
 * noise on one footing, and for weighing the parts of a stack.
 */
#include "operators/operator_internal.h"

typedef struct {
    sc_op op;
    const sc_op *inner;
    float factor;
} scaled_op;

static void scale(const sc_op *op, float *z, float factor, const sc_shape *shape)
{
    op->device->kernels->axpby(op->device, z, factor, z, 0, z, sc_shape_floats(shape));
}

static void forward(const sc_op *op, void *y, const void *x, void *work)
{
    const scaled_op *self = (const scaled_op *)op;
    sc_op_forward(self->inner, y, x, work);
    scale(op, y, self->factor, &op->range);
}

static void adjoint(const sc_op *op, void *x, const void *y, void *work)
{
    const scaled_op *self = (const scaled_op *)op;
    sc_op_adjoint(self->inner, x, y, work);
    scale(op, x, self->factor, &op->domain);
}

static void normal(const sc_op *op, void *z, const void *x, void *work)
{
    const scaled_op *self = (const scaled_op *)op;
    sc_op_normal(self->inner, z, x, work);
    scale(op, z, self->factor * self->factor, &op->domain);
}

static void destroy(sc_op *op) { sc_free(op); }

sc_status sc_op_scaled(sc_op **op, const sc_op *inner, double factor)
{
    scaled_op *self = NULL;
    sc_status status = SC_OK;
    *op = NULL;
    SC_TRY(SC_ALLOC(&self, 1, "scaled operator"));
    self->inner = inner;
    self->factor = (float)factor;
    self->op = (sc_op){.name = inner->name,
                       .device = inner->device,
                       .domain = inner->domain,
                       .range = inner->range,
                       .forward = forward,
                       .adjoint = adjoint,
                       .normal = normal,
                       .destroy = destroy,
                       .describe = sc_op_describe,
                       .flops = inner->flops};
    sc_op_set_work(&self->op, inner->work_bytes);
    *op = &self->op;
cleanup:
    return status;
}
