/* Stacking A = [A_0; A_1; ...]: one domain, the ranges one after the other. A^H y is the sum of
 * the parts' adjoints, and the normal the sum of their normals, added in order.
 */
#include "operators/operator_internal.h"
#include <assert.h>

typedef struct {
    sc_op op;
    int n;
    sc_op **part;
} stack_op;

static void forward(const sc_op *op, void *y, const void *x, void *work)
{
    const stack_op *self = (const stack_op *)op;
    float *out = y;
    for (int i = 0; i < self->n; i++) {
        sc_op_forward(self->part[i], out, x, work);
        out += sc_shape_floats(&self->part[i]->range);
    }
}

static void add(const sc_device *device, float *z, const float *x, int64_t n)
{
    device->kernels->axpby(device, z, 1, z, 1, x, n);
}

static void adjoint(const sc_op *op, void *x, const void *y, void *work)
{
    const stack_op *self = (const stack_op *)op;
    const float *in = y;
    float *term = sc_work_take(&work, sc_shape_bytes(&op->domain));
    for (int i = 0; i < self->n; i++) {
        sc_op_adjoint(self->part[i], i ? term : x, in, work);
        if (i)
            add(op->device, x, term, sc_shape_floats(&op->domain));
        in += sc_shape_floats(&self->part[i]->range);
    }
}

static void normal(const sc_op *op, void *z, const void *x, void *work)
{
    const stack_op *self = (const stack_op *)op;
    float *term = sc_work_take(&work, sc_shape_bytes(&op->domain));
    for (int i = 0; i < self->n; i++) {
        sc_op_normal(self->part[i], i ? term : z, x, work);
        if (i)
            add(op->device, z, term, sc_shape_floats(&op->domain));
    }
}

static void destroy(sc_op *op)
{
    stack_op *self = (stack_op *)op;
    for (int i = 0; self->part && i < self->n; i++)
        sc_op_free(self->part[i]);
    sc_free(self->part);
    sc_free(self);
}

static void measure(stack_op *self)
{
    size_t part_work = 0;
    int64_t elements = 0;
    for (int i = 0; i < self->n; i++) {
        const sc_op *part = self->part[i];
        elements += sc_shape_elements(&part->range);
        if (part->work_bytes > part_work)
            part_work = part->work_bytes;
        self->op.flops += part->flops;
    }
    self->op.range = sc_shape_make(self->op.domain.dtype, 0, 1, &elements);
    sc_op_set_work(&self->op, sc_work_size(sc_shape_bytes(&self->op.domain)) + part_work);
}

sc_status sc_op_stack(sc_op **op, sc_op **part, int n)
{
    stack_op *self = NULL;
    sc_status status = SC_OK;
    *op = NULL;
    assert(n > 0);
    for (int i = 1; i < n; i++)
        assert(sc_shape_equal(&part[i]->domain, &part[0]->domain));
    for (int i = 0; i < n; i++)
        assert(part[i]->range.dtype == part[0]->domain.dtype);
    SC_TRY(SC_ALLOC(&self, 1, "stack operator"));
    self->op = (sc_op){.name = "stack",
                       .device = part[0]->device,
                       .domain = part[0]->domain,
                       .forward = forward,
                       .adjoint = adjoint,
                       .normal = normal,
                       .destroy = destroy,
                       .describe = sc_op_describe};
    SC_TRY(SC_ALLOC(&self->part, n, "stack operator"));
    self->n = n;
    for (int i = 0; i < n; i++) {
        self->part[i] = part[i];
        part[i] = NULL;
    }
    measure(self);
    *op = &self->op;
    self = NULL;
cleanup:
    if (status != SC_OK)
        for (int i = 0; i < n; i++)
            sc_op_free(part[i]);
    if (self)
        destroy(&self->op);
    return status;
}
