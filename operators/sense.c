/* Cartesian parallel MR: y = M F S x with the sampling weights M, the centred unitary FFT F and
 * the coil maps S (Pruessmann et al. 2001).
 *
 * Centring costs no pass over the data. With c = n/2 on every axis, F = Q D P / sqrt(n), D the
 * plain transform, P = exp(2 pi i c j / n), Q = exp(2 pi i c (k - c) / n). The maps carry P, the
 * weights Q / sqrt(n); in the normal S^H F^H M^2 F S, Q^H Q = 1 leaves the real weights M^2 / n.
 */
#include "operators/operator_internal.h"
#include <assert.h>
#include <math.h>
#include <string.h>

typedef struct {
    sc_op op;
    int sets, coils;
    int64_t n;
    sc_c32 *maps;   /* device (set, coil, n): P S */
    sc_c32 *weight; /* device (n): M Q / sqrt(n) */
    float *squared; /* device (n): M^2 / n */
    sc_fft *fft;    /* batch: coils */
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

/* z = weight y, or conj(weight) y, coil by coil */
static void weigh(const sense_op *self, sc_c32 *z, const sc_c32 *y, bool conjugate)
{
    const sc_device *device = self->op.device;
    for (int c = 0; c < self->coils; c++)
        device->kernels->cmultiply(device, z + c * self->n, self->weight, y + c * self->n,
                                   conjugate, self->n);
}

static void forward(const sc_op *op, void *y, const void *x, void *work)
{
    const sense_op *self = (const sense_op *)op;
    (void)work;
    to_coils(self, y, x);
    op->device->kernels->fft_plain(self->fft, y, false);
    weigh(self, y, y, false);
}

static void adjoint(const sc_op *op, void *x, const void *y, void *work)
{
    const sense_op *self = (const sense_op *)op;
    weigh(self, work, y, true);
    op->device->kernels->fft_plain(self->fft, work, true);
    from_coils(self, x, work);
}

static void normal(const sc_op *op, void *z, const void *x, void *work)
{
    const sense_op *self = (const sense_op *)op;
    const sc_kernels *k = op->device->kernels;
    to_coils(self, work, x);
    k->fft_plain(self->fft, work, false);
    k->mask(op->device, work, self->squared, work, self->coils, self->n);
    k->fft_plain(self->fft, work, true);
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

/* exp(2 pi i (n/2) (j - first) / n); the exponent is reduced as an integer, so that the phase is
 * exactly +1 or -1 for even n. */
static void phases(sc_c32 *phase, int64_t n, int64_t first)
{
    for (int64_t j = 0; j < n; j++) {
        int64_t r = n / 2 * (j + n - first) % n;
        double angle = 2 * M_PI * (double)r / (double)n;
        phase[j] = 2 * r % n == 0 ? (r == 0 ? 1 : -1) : (float)cos(angle) + I * (float)sin(angle);
    }
}

/* x *= P, or Q, over the last axes of x (batch, dim...) with count elements, on the host */
static sc_status turn(sc_c32 *x, int64_t count, int rank, const int64_t *dim, bool after)
{
    int64_t inner = 1;
    for (int a = rank - 1; a >= 0; a--) {
        sc_c32 *phase;
        sc_status status = SC_ALLOC(&phase, dim[a], "phases");
        if (status != SC_OK)
            return status;
        phases(phase, dim[a], after ? dim[a] / 2 : 0);
        for (int64_t i = 0; i < count; i++)
            x[i] *= phase[i / inner % dim[a]];
        inner *= dim[a];
        sc_free(phase);
    }
    return SC_OK;
}

static sc_status fill_maps(sense_op *self, const sc_c32 *maps, int rank, const int64_t *dim)
{
    int64_t count = self->sets * self->coils * self->n;
    sc_c32 *turned = NULL;
    sc_status status = SC_OK;
    SC_TRY(SC_ALLOC(&turned, count, "coil maps"));
    memcpy(turned, maps, (size_t)count * sizeof *maps);
    SC_TRY(turn(turned, count, rank, dim, false));
    SC_TRY(sc_device_copy_in(self->op.device, (void **)&self->maps, turned, (size_t)count,
                             sizeof *turned));
cleanup:
    sc_free(turned);
    return status;
}

static sc_status fill_weights(sense_op *self, const float *weight, int rank, const int64_t *dim)
{
    const sc_device *device = self->op.device;
    size_t n = (size_t)self->n;
    double scale = 1 / sqrt((double)self->n);
    sc_c32 *turned = NULL;
    float *squared = NULL;
    sc_status status = SC_OK;
    SC_TRY(SC_ALLOC(&turned, n, "sampling weights"));
    SC_TRY(SC_ALLOC(&squared, n, "sampling weights"));
    for (size_t i = 0; i < n; i++) {
        double scaled = weight[i] * scale;
        turned[i] = (float)scaled;
        squared[i] = (float)(scaled * scaled);
    }
    SC_TRY(turn(turned, self->n, rank, dim, true));
    SC_TRY(sc_device_copy_in(device, (void **)&self->weight, turned, n, sizeof *turned));
    SC_TRY(sc_device_copy_in(device, (void **)&self->squared, squared, n, sizeof *squared));
cleanup:
    sc_free(turned);
    sc_free(squared);
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
    self->op.flops = coils * pixels * (8.0 * sets + 5 * log2(pixels) + 6);
    SC_TRY(fill_maps(self, maps, rank, dim));
    SC_TRY(fill_weights(self, weight, rank, dim));
    SC_TRY(device->kernels->fft_create(device, &self->fft, rank, dim, coils));
    sc_op_set_work(&self->op, sc_shape_bytes(&self->op.range));
    *op = &self->op;
    self = NULL;
cleanup:
    if (self)
        destroy(&self->op);
    return status;
}
