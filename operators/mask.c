/* Weights: y = w * x with real w >= 0 over the last axes, repeated over the first: a sampling
 * pattern (0 or 1), or the square root of the number of averages. Self-adjoint; the normal is w^2.
 */
#include "operators/operator_internal.h"
#include <assert.h>

typedef struct {
    sc_op op;
    int64_t batch, n;
    float *weight, *squared; /* device (n) */
} mask_op;

static void apply(const mask_op *self, void *z, const float *weight, const void *x)
{
    const sc_device *device = self->op.device;
    if (self->op.domain.dtype == SC_C32) {
        device->kernels->mask(device, z, weight, x, self->batch, self->n);
        return;
    }
    for (int64_t i = 0; i < self->batch; i++)
        device->kernels->multiply(device, (float *)z + i * self->n, weight,
                                  (const float *)x + i * self->n, self->n);
}

static void forward(const sc_op *op, void *y, const void *x, void *work)
{
    const mask_op *self = (const mask_op *)op;
    (void)work;
    apply(self, y, self->weight, x);
}

static void normal(const sc_op *op, void *z, const void *x, void *work)
{
    const mask_op *self = (const mask_op *)op;
    (void)work;
    apply(self, z, self->squared, x);
}

static void destroy(sc_op *op)
{
    mask_op *self = (mask_op *)op;
    sc_device_release(op->device, self->weight);
    sc_device_release(op->device, self->squared);
    sc_free(self);
}

sc_status sc_op_mask(sc_op **op, const sc_device *device, const sc_shape *shape,
                     const float *weight, int64_t weight_count)
{
    mask_op *self = NULL;
    sc_status status = SC_OK;
    int64_t count = sc_shape_elements(shape);
    *op = NULL;
    assert(weight_count > 0 && count % weight_count == 0);
    SC_TRY(SC_ALLOC(&self, 1, "mask operator"));
    self->op = (sc_op){.name = "mask",
                       .device = device,
                       .domain = *shape,
                       .range = *shape,
                       .forward = forward,
                       .adjoint = forward,
                       .normal = normal,
                       .destroy = destroy,
                       .describe = sc_op_describe,
                       .flops = 2.0 * (double)count};
    self->n = weight_count;
    self->batch = count / weight_count;
    SC_TRY(sc_device_copy_in(device, (void **)&self->weight, weight, (size_t)weight_count,
                             sizeof(float)));
    SC_TRY(SC_DEVICE_ALLOC(device, &self->squared, weight_count));
    device->kernels->multiply(device, self->squared, self->weight, self->weight, weight_count);
    sc_op_set_work(&self->op, 0);
    *op = &self->op;
    self = NULL;
cleanup:
    if (self)
        destroy(&self->op);
    return status;
}
