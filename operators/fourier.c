/* Centred unitary FFT over the last axes: index n/2 is the origin on both sides (REFERENCE of the
 * convention: y = fftshift(DFT(ifftshift(x))) / sqrt(N), for odd sizes too). A^H A = I.
 */
#include "operators/operator_internal.h"
#include <math.h>

typedef struct {
    sc_op op;
    sc_fft *fft;
} fourier_op;

static void forward(const sc_op *op, void *y, const void *x, void *work)
{
    (void)work;
    op->device->kernels->fft(((const fourier_op *)op)->fft, y, x, false);
}

static void adjoint(const sc_op *op, void *x, const void *y, void *work)
{
    (void)work;
    op->device->kernels->fft(((const fourier_op *)op)->fft, x, y, true);
}

static void normal(const sc_op *op, void *z, const void *x, void *work)
{
    (void)work;
    sc_copy(op->device, z, x, sc_shape_floats(&op->domain));
}

static void destroy(sc_op *op)
{
    fourier_op *self = (fourier_op *)op;
    if (self->fft)
        op->device->kernels->fft_free(self->fft);
    sc_free(self);
}

sc_status sc_op_fourier(sc_op **op, const sc_device *device, const sc_shape *shape, int rank)
{
    fourier_op *self = NULL;
    sc_status status = SC_OK;
    int64_t batch = sc_shape_batch(shape, rank), count = sc_shape_elements(shape);
    *op = NULL;
    SC_TRY(SC_ALLOC(&self, 1, "Fourier operator"));
    self->op = (sc_op){.name = "Fourier",
                       .device = device,
                       .domain = *shape,
                       .range = *shape,
                       .forward = forward,
                       .adjoint = adjoint,
                       .normal = normal,
                       .destroy = destroy,
                       .describe = sc_op_describe,
                       .flops = 5.0 * (double)count * log2((double)(count / batch))};
    SC_TRY(device->kernels->fft_create(device, &self->fft, rank, shape->dim + shape->rank - rank,
                                       batch));
    sc_op_set_work(&self->op, 0);
    *op = &self->op;
    self = NULL;
cleanup:
    if (self)
        destroy(&self->op);
    return status;
}
