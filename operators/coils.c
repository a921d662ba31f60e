/* Coil sensitivities: y_c = sum_m S_{m,c} x_m; adjoint x_m = sum_c conj(S_{m,c}) y_c (Pruessmann
 * et al. 1999; several sets of maps: Uecker et al. 2014, soft SENSE). Maps of unit root sum of
 * squares in one set give A^H A = I on their support.
 */
#include "operators/operator_internal.h"
#include <assert.h>

typedef struct {
    sc_op op;
    int sets, coils;
    int64_t n;
    sc_c32 *maps; /* device (set, coil, n) */
} coils_op;

static void forward(const sc_op *op, void *y, const void *x, void *work)
{
    const coils_op *self = (const coils_op *)op;
    (void)work;
    op->device->kernels->coils_forward(op->device, y, self->maps, x, self->sets, self->coils,
                                       self->n);
}

static void adjoint(const sc_op *op, void *x, const void *y, void *work)
{
    const coils_op *self = (const coils_op *)op;
    (void)work;
    op->device->kernels->coils_adjoint(op->device, x, self->maps, y, self->sets, self->coils,
                                       self->n);
}

static void destroy(sc_op *op)
{
    coils_op *self = (coils_op *)op;
    sc_device_release(op->device, self->maps);
    sc_free(self);
}

sc_status sc_op_coils(sc_op **op, const sc_device *device, const sc_c32 *maps, int sets, int coils,
                      int rank, const int64_t *dim)
{
    coils_op *self = NULL;
    sc_status status = SC_OK;
    *op = NULL;
    assert(sets > 0 && coils > 0);
    SC_TRY(SC_ALLOC(&self, 1, "coil operator"));
    self->op = (sc_op){.name = "coils",
                       .device = device,
                       .domain = sc_shape_make(SC_C32, sets, rank, dim),
                       .range = sc_shape_make(SC_C32, coils, rank, dim),
                       .forward = forward,
                       .adjoint = adjoint,
                       .destroy = destroy,
                       .describe = sc_op_describe};
    self->sets = sets;
    self->coils = coils;
    self->n = sc_shape_elements(&self->op.domain) / sets;
    self->op.flops = 8.0 * sets * coils * (double)self->n;
    SC_TRY(sc_device_copy_in(device, (void **)&self->maps, maps,
                             (size_t)sets * (size_t)coils * (size_t)self->n, sizeof(sc_c32)));
    sc_op_set_work(&self->op, 0);
    *op = &self->op;
    self = NULL;
cleanup:
    if (self)
        destroy(&self->op);
    return status;
}
