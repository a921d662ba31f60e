/* What all operators share: dispatch, the default normal A^H (A x), workspaces, shapes and the
 * power iteration. */
#include "operators/operator_internal.h"
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

int64_t sc_shape_elements(const sc_shape *shape)
{
    int64_t count = 1;
    for (int i = 0; i < shape->rank; i++)
        count *= shape->dim[i];
    return count;
}

int64_t sc_shape_floats(const sc_shape *shape)
{
    return sc_shape_elements(shape) * (shape->dtype == SC_C32 ? 2 : 1);
}

bool sc_shape_equal(const sc_shape *a, const sc_shape *b)
{
    return a->dtype == b->dtype && a->rank == b->rank &&
           memcmp(a->dim, b->dim, (size_t)a->rank * sizeof a->dim[0]) == 0;
}

sc_shape sc_shape_make(sc_dtype dtype, int64_t lead, int rank, const int64_t *dim)
{
    sc_shape shape = {.dtype = dtype};
    assert(rank >= 1 && rank + (lead > 0) <= SC_MAX_RANK);
    if (lead > 0)
        shape.dim[shape.rank++] = lead;
    for (int i = 0; i < rank; i++)
        shape.dim[shape.rank++] = dim[i];
    return shape;
}

int64_t sc_shape_batch(const sc_shape *shape, int last)
{
    int64_t batch = 1;
    assert(last >= 1 && last <= shape->rank);
    for (int i = 0; i < shape->rank - last; i++)
        batch *= shape->dim[i];
    return batch;
}

void sc_shape_text(const sc_shape *shape, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < shape->rank && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%lld", i ? " x " : "",
                                 (long long)shape->dim[i]);
}

void sc_op_describe(const sc_op *op, char *text, size_t size)
{
    char domain[96], range[96];
    sc_shape_text(&op->domain, domain, sizeof domain);
    sc_shape_text(&op->range, range, sizeof range);
    snprintf(text, size, "%s %s -> %s", op->name, domain, range);
}

void sc_op_forward(const sc_op *op, void *y, const void *x, void *work)
{
    op->forward(op, y, x, work);
}

void sc_op_adjoint(const sc_op *op, void *x, const void *y, void *work)
{
    op->adjoint(op, x, y, work);
}

void sc_op_normal(const sc_op *op, void *z, const void *x, void *work)
{
    if (op->normal) {
        op->normal(op, z, x, work);
        return;
    }
    void *y = sc_work_take(&work, sc_shape_bytes(&op->range));
    op->forward(op, y, x, work);
    op->adjoint(op, z, y, work);
}

void sc_op_free(sc_op *op)
{
    if (op)
        op->destroy(op);
}

void sc_op_set_work(sc_op *op, size_t own)
{
    op->work_bytes = sc_work_size(own);
    if (!op->normal)
        op->work_bytes += sc_work_size(sc_shape_bytes(&op->range));
}

sc_status sc_op_work_create(const sc_op *op, void **work)
{
    /* One piece at least, so that a workspace is never NULL. */
    return sc_device_alloc(op->device, work, op->work_bytes + 64, 1);
}

sc_status sc_device_copy_in(const sc_device *device, void **p, const void *host, size_t count,
                            size_t size)
{
    sc_status status = SC_OK;
    *p = NULL;
    SC_TRY(sc_device_alloc(device, p, count, size));
    SC_TRY(device->kernels->upload(device, *p, host, count * size));
cleanup:
    if (status != SC_OK) {
        sc_device_release(device, *p);
        *p = NULL;
    }
    return status;
}

void sc_copy_box(const sc_device *device, sc_c32 *z, const int64_t z_stride[2], const sc_c32 *x,
                 const int64_t x_stride[2], const int64_t box[3])
{
    for (int64_t i = 0; i < box[0]; i++)
        for (int64_t j = 0; j < box[1]; j++)
            sc_copy(device, z + i * z_stride[0] + j * z_stride[1],
                    x + i * x_stride[0] + j * x_stride[1], 2 * box[2]);
}

sc_status sc_op_largest_eigenvalue(double *value, const sc_op *op, int iterations, uint64_t seed)
{
    const sc_device *device = op->device;
    const sc_kernels *kernels = device->kernels;
    int64_t n = sc_shape_floats(&op->domain);
    float *x = NULL, *z = NULL;
    void *work = NULL;
    sc_status status = SC_OK;

    *value = 0;
    SC_TRY(SC_DEVICE_ALLOC(device, &x, n));
    SC_TRY(SC_DEVICE_ALLOC(device, &z, n));
    SC_TRY(sc_op_work_create(op, &work));
    kernels->normal(device, x, n, (sc_key){.seed = seed}, SC_DRAW_POWER, 0);
    double squared = kernels->dot(device, x, x, n);
    for (int i = 0; i < iterations && squared > 0; i++) {
        kernels->axpby(device, x, (float)(1 / sqrt(squared)), x, 0, x, n);
        sc_op_normal(op, z, x, work);
        *value = kernels->dot(device, x, z, n); /* Rayleigh quotient of a unit vector */
        squared = kernels->dot(device, z, z, n);
        float *swap = x;
        x = z;
        z = swap;
    }
    SC_TRY(kernels->sync(device));
cleanup:
    sc_device_release(device, x);
    sc_device_release(device, z);
    sc_device_release(device, work);
    return status;
}
