/* D_z: differences between the neighbouring slices of a stack,
 *
 *     y_k = pair_k * (weight_{k+1} * x_{k+1} - weight_k * x_k),
 *
 * of the first image of each slice where a slice has several (map sets). `weight` brings slices to
 * common units and a common phase, `pair` holds the pixel's size over the distance of the two
 * slices, and 0 where one of them knows nothing. No difference leads from the last slice to the
 * first. ||D_z||^2 <= 4 max |pair weight|^2.
 */
#include "operators/operator_internal.h"
#include <assert.h>

typedef struct {
    sc_op op;
    int64_t slices, n, slice_floats; /* n: elements of an image */
    int parts;                       /* floats of an element */
    sc_c32 *weight;                  /* device (slices, n), or NULL */
    float *pair;                     /* device (slices - 1, n), or NULL */
} difference_op;

/* z = weight_k x or, conjugate, its adjoint */
static void weigh(const difference_op *self, float *z, int64_t k, const float *x, bool conjugate)
{
    const sc_device *device = self->op.device;
    if (self->weight)
        device->kernels->cmultiply(device, (sc_c32 *)z, self->weight + k * self->n,
                                   (const sc_c32 *)x, conjugate, self->n);
    else
        sc_copy(device, z, x, self->n * self->parts);
}

static void pair_up(const difference_op *self, float *z, int64_t k, const float *x)
{
    const sc_device *device = self->op.device;
    if (!self->pair)
        sc_copy(device, z, x, self->n * self->parts);
    else if (self->parts == 2)
        device->kernels->mask(device, (sc_c32 *)z, self->pair + k * self->n, (const sc_c32 *)x, 1,
                              self->n);
    else
        device->kernels->multiply(device, z, self->pair + k * self->n, x, self->n);
}

static void forward(const sc_op *op, void *y, const void *x, void *work)
{
    const difference_op *self = (const difference_op *)op;
    const sc_kernels *kernels = op->device->kernels;
    int64_t image = self->n * self->parts;
    float *below = sc_work_take(&work, (size_t)image * sizeof(float));
    float *above = sc_work_take(&work, (size_t)image * sizeof(float));
    weigh(self, below, 0, x, false);
    for (int64_t k = 0; k + 1 < self->slices; k++) {
        weigh(self, above, k + 1, (const float *)x + (k + 1) * self->slice_floats, false);
        kernels->axpby(op->device, below, 1, above, -1, below, image);
        pair_up(self, (float *)y + k * image, k, below);
        float *next = above;
        above = below, below = next;
    }
}

/* x_k = conj(weight_k) (pair_{k-1} y_{k-1} - pair_k y_k) */
static void adjoint(const sc_op *op, void *x, const void *y, void *work)
{
    const difference_op *self = (const difference_op *)op;
    const sc_kernels *kernels = op->device->kernels;
    int64_t image = self->n * self->parts;
    float *before = sc_work_take(&work, (size_t)image * sizeof(float));
    float *after = sc_work_take(&work, (size_t)image * sizeof(float));
    kernels->fill(op->device, x, 0, self->slices * self->slice_floats);
    kernels->fill(op->device, before, 0, image);
    for (int64_t k = 0; k < self->slices; k++) {
        if (k + 1 < self->slices)
            pair_up(self, after, k, (const float *)y + k * image);
        else
            kernels->fill(op->device, after, 0, image);
        kernels->axpby(op->device, before, 1, before, -1, after, image);
        weigh(self, (float *)x + k * self->slice_floats, k, before, true);
        float *next = after;
        after = before, before = next;
    }
}

static void destroy(sc_op *op)
{
    difference_op *self = (difference_op *)op;
    sc_device_release(op->device, self->weight);
    sc_device_release(op->device, self->pair);
    sc_free(self);
}

sc_status sc_op_slice_difference(sc_op **op, const sc_device *device, const sc_shape *shape,
                                 const sc_c32 *weight, const float *pair)
{
    difference_op *self = NULL;
    sc_status status = SC_OK;
    *op = NULL;
    assert(shape->rank == 4 && shape->dim[0] > 1 && (shape->dtype == SC_C32 || !weight));
    const int64_t *dim = shape->dim;
    SC_TRY(SC_ALLOC(&self, 1, "slice difference operator"));
    self->slices = dim[0];
    self->n = dim[2] * dim[3];
    self->parts = shape->dtype == SC_C32 ? 2 : 1;
    self->slice_floats = dim[1] * self->n * self->parts;
    self->op = (sc_op){.name = "slice difference",
                       .device = device,
                       .domain = *shape,
                       .range = {shape->dtype, 3, {dim[0] - 1, dim[2], dim[3]}},
                       .forward = forward,
                       .adjoint = adjoint,
                       .destroy = destroy,
                       .describe = sc_op_describe,
                       .flops = 10.0 * (double)(dim[0] * self->n)};
    if (weight)
        SC_TRY(sc_device_copy_in(device, (void **)&self->weight, weight, (size_t)(dim[0] * self->n),
                                 sizeof *weight));
    if (pair)
        SC_TRY(sc_device_copy_in(device, (void **)&self->pair, pair,
                                 (size_t)((dim[0] - 1) * self->n), sizeof *pair));
    sc_op_set_work(&self->op, 2 * sc_work_size((size_t)(self->n * self->parts) * sizeof(float)));
    *op = &self->op;
    self = NULL;
cleanup:
    if (self)
        destroy(&self->op);
    return status;
}
