/* FIR filter that doubles, halves or keeps the size (base/kernel_net.h, sc_fir). */
#include "prior/network/network_internal.h"

static sc_status forward(const sc_step *s)
{
    s->device->kernels->net->fir_forward(s->device, s->y, s->x[0], &s->node->fir, s->n, s->h, s->w,
                                         s->out_h, s->out_w, s->c[0]);
    return SC_OK;
}

static sc_status backward(const sc_step *s)
{
    if (s->gx[0])
        s->device->kernels->net->fir_backward(s->device, s->gx[0], s->gy, &s->node->fir, s->n, s->h,
                                              s->w, s->out_h, s->out_w, s->c[0], s->add[0]);
    return SC_OK;
}

const sc_layer sc_layer_fir = {.name = "fir", .forward = forward, .backward = backward};
