/* Linear operators with exact adjoints.
 *
 * y = A x. `normal` is A^H A; it defaults to adjoint(forward) and is overridden where a fused
 * form is cheaper. Operators are immutable after creation, and usable from several threads, each
 * with its own workspace of `work_bytes` device memory. Composition (chain, stack) owns its parts.
 * Vectors are device memory of op->device, complex (or real: dtype of the shape).
 *
 * The inner product for which the adjoint holds is Re<x, y> on the real components and the
 * Hermitian product on complex ones.
 */
#ifndef SC_OPERATORS_OPERATOR_H
#define SC_OPERATORS_OPERATOR_H

#include "base/device.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    sc_dtype dtype; /* SC_C32 or SC_F32 */
    int rank;
    int64_t dim[SC_MAX_RANK];
} sc_shape;

int64_t sc_shape_elements(const sc_shape *shape);
int64_t sc_shape_floats(const sc_shape *shape); /* real components: 2x for complex */
bool sc_shape_equal(const sc_shape *a, const sc_shape *b);

typedef struct sc_op sc_op;
struct sc_op {
    const char *name;
    const sc_device *device; /* borrowed, must outlive the operator */
    sc_shape domain, range;
    size_t work_bytes;
    void (*forward)(const sc_op *self, void *y, const void *x, void *work);
    void (*adjoint)(const sc_op *self, void *x, const void *y, void *work);
    void (*normal)(const sc_op *self, void *z, const void *x, void *work);
    void (*destroy)(sc_op *self); /* frees self */
    /* one line for --plan: "coils 8 x 230 x 180"; cost in flops of one forward */
    void (*describe)(const sc_op *self, char *text, size_t size);
    double flops;
};

void sc_op_forward(const sc_op *op, void *y, const void *x, void *work);
void sc_op_adjoint(const sc_op *op, void *x, const void *y, void *work);
void sc_op_normal(const sc_op *op, void *z, const void *x, void *work);
void sc_op_free(sc_op *op); /* NULL is fine */

/* Device memory for one thread's calls; release with sc_device_release. */
sc_status sc_op_work_create(const sc_op *op, void **work);

/* Largest eigenvalue of A^H A by power iteration: a lower bound, `iterations` steps. */
sc_status sc_op_largest_eigenvalue(double *value, const sc_op *op, int iterations, uint64_t seed);

/* ---- the operators (each in its own file) ---- */

/* y = w * x, weight f32 (host, copied) over the last axes of `shape`, repeated over the first. */
sc_status sc_op_mask(sc_op **op, const sc_device *device, const sc_shape *shape,
                     const float *weight, int64_t weight_count);
/* x (set, pixels...) -> y (coil, pixels...); maps (set, coil, pixels...) on the host, copied. */
sc_status sc_op_coils(sc_op **op, const sc_device *device, const sc_c32 *maps, int sets, int coils,
                      int rank, const int64_t *dim);
/* Centred unitary FFT over the last `rank` axes of `shape`. */
sc_status sc_op_fourier(sc_op **op, const sc_device *device, const sc_shape *shape, int rank);
/* Periodic orthogonal wavelet over the last `rank` axes; any size (see wavelet.c). */
sc_status sc_op_wavelet(sc_op **op, const sc_device *device, const sc_shape *shape, int rank,
                        const char *filter /* "haar", "db2", "db4" */);
/* z = W^H soft(W x, threshold) with the image moved by `shift` (last of the three axes: x) before
 * the transform and back after it: one draw of cycle spinning. `op` is a wavelet operator with its
 * workspace; z may be x. Shifts repeat with period[axis] = 2^levels. */
void sc_op_wavelet_shrink(const sc_op *op, sc_c32 *z, const sc_c32 *x, float threshold,
                          const int64_t shift[3], void *work);
void sc_op_wavelet_period(const sc_op *op, int64_t period[3]);
/* Forward differences over the last `rank` axes: (dim...) -> (rank, dim...). */
sc_status sc_op_gradient(sc_op **op, const sc_device *device, const sc_shape *shape, int rank);
/* op[n-1] ... op[1] op[0]; takes ownership of the parts, also on failure. */
sc_status sc_op_chain(sc_op **op, sc_op **part, int n);
/* [op0; op1; ...]: one domain, ranges one after the other; takes ownership, also on failure. */
sc_status sc_op_stack(sc_op **op, sc_op **part, int n);
/* (A_0 x_0, A_1 x_1, ...) of n parts with equal domains, which become (n, dim...); takes ownership,
 * also on failure, and leaves part[i] NULL. The parts are shared out to `threads`, so theirs should
 * be a device of one thread where that is more than one. */
sc_status sc_op_blocks(sc_op **op, const sc_device *device, sc_op **part, int n, int threads);
/* factor * inner, which is borrowed. */
sc_status sc_op_scaled(sc_op **op, const sc_op *inner, double factor);
/* Between neighbouring slices, of the first set: x (slice, set, y, x) -> (slice - 1, y, x),
 * pair_k (weight_{k+1} x_{k+1} - weight_k x_k). weight (slice, y, x), complex images only, and pair
 * (slice - 1, y, x) are on the host, copied; NULL: 1. */
sc_status sc_op_slice_difference(sc_op **op, const sc_device *device, const sc_shape *shape,
                                 const sc_c32 *weight, const float *pair);
/* Cartesian parallel MR: mask * Fourier * coils with the fused normal
 * S^H F^H M^2 F S. x (set, [kz,] y, x), y (coil, [kz,] ky, kx). */
sc_status sc_op_sense(sc_op **op, const sc_device *device, const sc_c32 *maps, const float *weight,
                      int sets, int coils, int rank, const int64_t *dim);

#ifdef __cplusplus
}
#endif
#endif
