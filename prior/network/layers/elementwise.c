/* y (+)= scale x: the identity branch of a residual sum. */
#include "prior/network/network_internal.h"

static int64_t image_size(const sc_step *s) { return (int64_t)s->h * s->w * s->c[0]; }

static sc_status forward(const sc_step *s)
{
    s->device->kernels->net->affine(s->device, s->y, s->x[0], NULL, s->node->scale, 0.f, s->n,
                                    image_size(s), s->node->accumulate);
    return SC_OK;
}

static sc_status backward(const sc_step *s)
{
    s->device->kernels->net->affine(s->device, s->gx[0], s->gy, NULL, s->node->scale, 0.f, s->n,
                                    image_size(s), s->add[0]);
    return SC_OK;
}

const sc_layer sc_layer_scale = {.name = "scale", .forward = forward, .backward = backward};
