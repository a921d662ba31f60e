/* Twice or half the size: nearest and mean. */
#include "prior/network/network_internal.h"

static sc_status forward(const sc_step *s)
{
    s->device->kernels->net->resample_forward(s->device, s->y, s->x[0], s->node->resample, s->n,
                                              s->h, s->w, s->c[0]);
    return SC_OK;
}

static sc_status backward(const sc_step *s)
{
    if (s->gx[0])
        s->device->kernels->net->resample_backward(s->device, s->gx[0], s->gy, s->node->resample,
                                                   s->n, s->h, s->w, s->c[0], s->add[0]);
    return SC_OK;
}

const sc_layer sc_layer_resample = {.name = "resample", .forward = forward, .backward = backward};
