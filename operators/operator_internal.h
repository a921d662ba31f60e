/* What the operators share: the workspace, creation, copies between device buffers. */
#ifndef SC_OPERATORS_OPERATOR_INTERNAL_H
#define SC_OPERATORS_OPERATOR_INTERNAL_H

#include "base/memory.h"
#include "operators/operator.h"

static inline size_t sc_shape_bytes(const sc_shape *shape)
{
    return (size_t)sc_shape_floats(shape) * sizeof(float);
}

/* Bytes of a piece of workspace, rounded up so that the next piece stays aligned to 64. */
static inline size_t sc_work_size(size_t bytes) { return (bytes + 63) / 64 * 64; }

/* Cut `bytes` off the front of the workspace. */
static inline void *sc_work_take(void **work, size_t bytes)
{
    char *piece = *work;
    *work = piece + sc_work_size(bytes);
    return piece;
}

static inline void sc_copy(const sc_device *device, void *z, const void *x, int64_t floats)
{
    device->kernels->axpby(device, z, 1, x, 0, x, floats);
}

/* Shape (lead..., dim...) with `lead` in front; lead 0: no leading axis. */
sc_shape sc_shape_make(sc_dtype dtype, int64_t lead, int rank, const int64_t *dim);

/* Elements of the first (rank - last) axes. */
int64_t sc_shape_batch(const sc_shape *shape, int last);

/* Workspace of an operator whose own functions need `own` bytes each: the default normal keeps
 * A x beside it. Call after forward, adjoint, normal, domain and range are set. */
void sc_op_set_work(sc_op *op, size_t own);

/* Device memory filled from the host. NULL on failure. */
sc_status sc_device_copy_in(const sc_device *device, void **p, const void *host, size_t count,
                            size_t size);

/* z[box] = x[box]: a box of complex elements between two arrays of other strides (in elements)
 * of the two leading axes; the last axis is contiguous in both. */
void sc_copy_box(const sc_device *device, sc_c32 *z, const int64_t z_stride[2], const sc_c32 *x,
                 const int64_t x_stride[2], const int64_t box[3]);

/* "name 8 x 230 x 180 -> ..." */
void sc_shape_text(const sc_shape *shape, char *text, size_t size);

/* describe: name, domain and range. */
void sc_op_describe(const sc_op *op, char *text, size_t size);

#endif
