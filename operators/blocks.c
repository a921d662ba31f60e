/* Independent measurements of equal images as one operator: A (x_0, x_1, ...) = (A_0 x_0, A_1 x_1,
 * ...), such as the slices of a stack. Blocks are shared out to threads, each with a workspace;
 * every block is computed alike whoever does it.
 */
#include "operators/operator_internal.h"
#include <assert.h>
#include <omp.h>

typedef struct {
    sc_op op;
    int n, threads;
    size_t part_work; /* bytes of one thread */
    sc_op **part;
    int64_t *range_start; /* (n) in floats */
} blocks_op;

typedef void apply_part(const sc_op *part, void *out, const void *in, void *work);

static void for_parts(const blocks_op *self, apply_part *apply, float *out,
                      const int64_t *out_start, const float *in, const int64_t *in_start,
                      void *work)
{
    int64_t image = sc_shape_floats(&self->part[0]->domain);
#pragma omp parallel for schedule(static) num_threads(self->threads) if (self->threads > 1)
    for (int i = 0; i < self->n; i++) {
        char *mine = (char *)work + (size_t)omp_get_thread_num() * self->part_work;
        apply(self->part[i], out + (out_start ? out_start[i] : i * image),
              in + (in_start ? in_start[i] : i * image), mine);
    }
}

static void forward(const sc_op *op, void *y, const void *x, void *work)
{
    const blocks_op *self = (const blocks_op *)op;
    for_parts(self, sc_op_forward, y, self->range_start, x, NULL, work);
}

static void adjoint(const sc_op *op, void *x, const void *y, void *work)
{
    const blocks_op *self = (const blocks_op *)op;
    for_parts(self, sc_op_adjoint, x, NULL, y, self->range_start, work);
}

static void normal(const sc_op *op, void *z, const void *x, void *work)
{
    for_parts((const blocks_op *)op, sc_op_normal, z, NULL, x, NULL, work);
}

static void destroy(sc_op *op)
{
    blocks_op *self = (blocks_op *)op;
    for (int i = 0; self->part && i < self->n; i++)
        sc_op_free(self->part[i]);
    sc_free(self->part);
    sc_free(self->range_start);
    sc_free(self);
}

static void measure(blocks_op *self)
{
    int64_t elements = 0, floats = 0;
    for (int i = 0; i < self->n; i++) {
        const sc_op *part = self->part[i];
        self->range_start[i] = floats;
        floats += sc_shape_floats(&part->range);
        elements += sc_shape_elements(&part->range);
        self->op.flops += part->flops;
        if (part->work_bytes > self->part_work)
            self->part_work = part->work_bytes;
    }
    self->part_work = sc_work_size(self->part_work);
    self->op.range = sc_shape_make(self->part[0]->range.dtype, 0, 1, &elements);
    sc_op_set_work(&self->op, (size_t)self->threads * self->part_work);
}

sc_status sc_op_blocks(sc_op **op, const sc_device *device, sc_op **part, int n, int threads)
{
    blocks_op *self = NULL;
    sc_status status = SC_OK;
    const sc_shape *image = &part[0]->domain;
    *op = NULL;
    assert(n > 0 && threads > 0);
    for (int i = 0; i < n; i++)
        assert(sc_shape_equal(&part[i]->domain, image) &&
               part[i]->range.dtype == part[0]->range.dtype);
    SC_TRY(SC_ALLOC(&self, 1, "blocks operator"));
    self->op = (sc_op){.name = "blocks",
                       .device = device,
                       .domain = sc_shape_make(image->dtype, n, image->rank, image->dim),
                       .forward = forward,
                       .adjoint = adjoint,
                       .normal = normal,
                       .destroy = destroy,
                       .describe = sc_op_describe};
    SC_TRY(SC_ALLOC(&self->part, n, "blocks operator"));
    SC_TRY(SC_ALLOC(&self->range_start, n, "blocks operator"));
    self->n = n;
    self->threads = threads < n ? threads : n;
    for (int i = 0; i < n; i++) {
        self->part[i] = part[i];
        part[i] = NULL;
    }
    measure(self);
    *op = &self->op;
    self = NULL;
cleanup:
    if (status != SC_OK)
        for (int i = 0; i < n; i++) {
            sc_op_free(part[i]);
            part[i] = NULL;
        }
    if (self)
        destroy(&self->op);
    return status;
}
