/* Composition A = A_{n-1} ... A_1 A_0. Intermediate vectors alternate between two buffers; the
 * normal uses that of the last part, A_0^H ... (A_{n-1}^H A_{n-1}) ... A_0.
 */
#include "operators/operator_internal.h"
#include <assert.h>

typedef struct {
    sc_op op;
    int n;
    sc_op **part;
    size_t buffer_bytes; /* of the largest intermediate vector */
} chain_op;

/* Two buffers taken from the workspace; what follows is for the parts. */
static void take_buffers(const chain_op *self, void *buffer[2], void **work)
{
    buffer[0] = sc_work_take(work, self->buffer_bytes);
    buffer[1] = sc_work_take(work, self->buffer_bytes);
}

static void forward(const sc_op *op, void *y, const void *x, void *work)
{
    const chain_op *self = (const chain_op *)op;
    void *buffer[2];
    take_buffers(self, buffer, &work);
    for (int i = 0; i < self->n; i++) {
        void *out = i == self->n - 1 ? y : buffer[i % 2];
        sc_op_forward(self->part[i], out, x, work);
        x = out;
    }
}

static void adjoint(const sc_op *op, void *x, const void *y, void *work)
{
    const chain_op *self = (const chain_op *)op;
    void *buffer[2];
    take_buffers(self, buffer, &work);
    for (int i = self->n - 1; i >= 0; i--) {
        void *out = i == 0 ? x : buffer[i % 2];
        sc_op_adjoint(self->part[i], out, y, work);
        y = out;
    }
}

static void normal(const sc_op *op, void *z, const void *x, void *work)
{
    const chain_op *self = (const chain_op *)op;
    int last = self->n - 1;
    void *buffer[2];
    take_buffers(self, buffer, &work);
    for (int i = 0; i < last; i++) {
        sc_op_forward(self->part[i], buffer[i % 2], x, work);
        x = buffer[i % 2];
    }
    void *out = last == 0 ? z : buffer[last % 2];
    sc_op_normal(self->part[last], out, x, work);
    for (int i = last - 1; i >= 0; i--) {
        x = out;
        out = i == 0 ? z : buffer[i % 2];
        sc_op_adjoint(self->part[i], out, x, work);
    }
}

static void destroy(sc_op *op)
{
    chain_op *self = (chain_op *)op;
    for (int i = 0; self->part && i < self->n; i++)
        sc_op_free(self->part[i]);
    sc_free(self->part);
    sc_free(self);
}

/* Workspace: the two buffers and that of the hungriest part. */
static void measure(chain_op *self)
{
    size_t part_work = 0;
    for (int i = 0; i < self->n; i++) {
        const sc_op *part = self->part[i];
        size_t domain = sc_shape_bytes(&part->domain), range = sc_shape_bytes(&part->range);
        size_t larger = domain > range ? domain : range;
        if (self->n > 1 && larger > self->buffer_bytes)
            self->buffer_bytes = larger;
        if (part->work_bytes > part_work)
            part_work = part->work_bytes;
        self->op.flops += part->flops;
    }
    sc_op_set_work(&self->op, 2 * sc_work_size(self->buffer_bytes) + part_work);
}

sc_status sc_op_chain(sc_op **op, sc_op **part, int n)
{
    chain_op *self = NULL;
    sc_status status = SC_OK;
    *op = NULL;
    assert(n > 0);
    for (int i = 1; i < n; i++)
        assert(sc_shape_floats(&part[i]->domain) == sc_shape_floats(&part[i - 1]->range));
    SC_TRY(SC_ALLOC(&self, 1, "chain operator"));
    self->op = (sc_op){.name = "chain",
                       .device = part[0]->device,
                       .domain = part[0]->domain,
                       .range = part[n - 1]->range,
                       .forward = forward,
                       .adjoint = adjoint,
                       .normal = normal,
                       .destroy = destroy,
                       .describe = sc_op_describe};
    SC_TRY(SC_ALLOC(&self->part, n, "chain operator"));
    self->n = n;
    for (int i = 0; i < n; i++) {
        self->part[i] = part[i];
        part[i] = NULL;
    }
    measure(self);
    *op = &self->op;
    self = NULL;
cleanup:
    if (status != SC_OK)
        for (int i = 0; i < n; i++)
            sc_op_free(part[i]);
    if (self)
        destroy(&self->op);
    return status;
}
