/* Single-head attention over all pixels of an image: inputs q, k, v. */
#include "prior/network/network_internal.h"

static sc_status prepare(sc_step *s)
{
    int64_t pixels = (int64_t)s->h * s->w;
    s->scratch_bytes = s->device->kernels->net->attention_scratch(s->device, s->n, pixels, s->c[0]);
    s->flops = 4.0 * s->n * (double)pixels * (double)pixels * s->c[0];
    return SC_OK;
}

static sc_status forward(const sc_step *s)
{
    s->device->kernels->net->attention_forward(s->device, s->y, s->x[0], s->x[1], s->x[2], s->n,
                                               (int64_t)s->h * s->w, s->c[0], s->scratch);
    return SC_OK;
}

static sc_status backward(const sc_step *s)
{
    s->device->kernels->net->attention_backward(
        s->device, s->gx[0], s->gx[1], s->gx[2], s->gy, s->y, s->x[0], s->x[1], s->x[2], s->n,
        (int64_t)s->h * s->w, s->c[0], s->scratch);
    return SC_OK;
}

const sc_layer sc_layer_attention = {
    .name = "attention",
    .backward_reads = SC_READS_IN0 | SC_READS_IN1 | SC_READS_IN2 | SC_READS_OUT,
    .prepare = prepare, .forward = forward, .backward = backward};
