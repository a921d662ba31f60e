/* Cartesian parallel MR: y = M F S x with the sampling weights M, the centred unitary FFT F and
 * the coil maps S (Pruessmann et al. 2001). The normal S^H F^H M^2 F S works in place on one buffer
 * of coil images.
 */
#include "operators/operator_internal.h"
#include <assert.h>
#include <math.h>

typedef struct {
    sc_op op;
    int sets, coils;
    int64_t n;
    sc_c32 *maps;            /* device (set, coil, n) */
    float *weight, *squared; /* device (n) */
    sc_fft *fft;             /* batch: coils */
} sense_op;

static void to_coils(const sense_op *self, sc_c32 *y, const sc_c32 *x)
{
    self->op.device->kernels->coils_forward(self->op.device, y, self->maps, x, self->sets,
                                            self->coils, self->n);
}

static void from_coils(const sense_op *self, sc_c32 *x, const sc_c32 *y)
{
    self->op.device->kernels->coils_adjoint(self->op.device, x, self->maps, y, self->sets,
                                            self->coils, self->n);
}

static void weigh(const sense_op *self, sc_c32 *z, const float *weight, const sc_c32 *x)
{
    self->op.device->kernels->mask(self->op.device, z, weight, x, self->coils, self->n);
}

static void forward(const sc_op *op, void *y, const void *x, void *work)
{
    const sense_op *self = (const sense_op *)op;
    (void)work;
    to_coils(self, y, x);
    op->device->kernels->fft(self->fft, y, y, false);
    weigh(self, y, self->weight, y);
}

static void adjoint(const sc_op *op, void *x, const void *y, void *work)
{
    const sense_op *self = (const sense_op *)op;
    weigh(self, work, self->weight, y);
    op->device->kernels->fft(self->fft, work, work, true);
    from_coils(self, x, work);
}

static void normal(const sc_op *op, void *z, const void *x, void *work)
{
    const sense_op *self = (const sense_op *)op;
    const sc_kernels *kernels = op->device->kernels;
    to_coils(self, work, x);
    kernels->fft(self->fft, work, work, false);
    weigh(self, work, self->squared, work);
    kernels->fft(self->fft, work, work, true);
    from_coils(self, z, work);
}

static void destroy(sc_op *op)
{
    sense_op *self = (sense_op *)op;
    sc_device_release(op->device, self->maps);
    sc_device_release(op->device, self->weight);
    sc_device_release(op->device, self->squared);
    if (self->fft)
        op->device->kernels->fft_free(self->fft);
    sc_free(self);
}

static sc_status fill(sense_op *self, const sc_c32 *maps, const float *weight, int rank,
                      const int64_t *dim)
{
    const sc_device *device = self->op.device;
    size_t pixels = (size_t)self->n;
    sc_status status = SC_OK;
    SC_TRY(sc_device_copy_in(device, (void **)&self->maps, maps,
                             (size_t)self->sets * (size_t)self->coils * pixels, sizeof(sc_c32)));
    SC_TRY(sc_device_copy_in(device, (void **)&self->weight, weight, pixels, sizeof(float)));
    SC_TRY(SC_DEVICE_ALLOC(device, &self->squared, pixels));
    device->kernels->multiply(device, self->squared, self->weight, self->weight, self->n);
    SC_TRY(device->kernels->fft_create(device, &self->fft, rank, dim, self->coils));
cleanup:
    return status;
}

sc_status sc_op_sense(sc_op **op, const sc_device *device, const sc_c32 *maps, const float *weight,
                      int sets, int coils, int rank, const int64_t *dim)
{
    sense_op *self = NULL;
    sc_status status = SC_OK;
    *op = NULL;
    assert(sets > 0 && coils > 0);
    SC_TRY(SC_ALLOC(&self, 1, "SENSE operator"));
    self->op = (sc_op){.name = "SENSE",
                       .device = device,
                       .domain = sc_shape_make(SC_C32, sets, rank, dim),
                       .range = sc_shape_make(SC_C32, coils, rank, dim),
                       .forward = forward,
                       .adjoint = adjoint,
                       .normal = normal,
                       .destroy = destroy,
                       .describe = sc_op_describe};
    self->sets = sets;
    self->coils = coils;
    self->n = sc_shape_elements(&self->op.domain) / sets;
    double pixels = (double)self->n;
    self->op.flops = coils * pixels * (8.0 * sets + 5 * log2(pixels) + 2);
    SC_TRY(fill(self, maps, weight, rank, dim));
    sc_op_set_work(&self->op, sc_shape_bytes(&self->op.range));
    *op = &self->op;
    self = NULL;
cleanup:
    if (self)
        destroy(&self->op);
    return status;
}
