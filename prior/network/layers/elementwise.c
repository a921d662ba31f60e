/* Layers without parameters that act on every value alone.
 *
 * scale: y (+)= scale x, the identity branch of a residual sum. activate: y = act(x). concat: the
 * channels of two tensors side by side. dropout: in place, x times 0 or 1 / (1 - p).
 */
#include "prior/network/network_internal.h"

static int64_t image_size(const sc_step *s) { return (int64_t)s->h * s->w * s->c[0]; }

static sc_status forward_scale(const sc_step *s)
{
    s->device->kernels->net->affine(s->device, s->y, s->x[0], NULL, s->node->scale, 0.f, s->n,
                                    image_size(s), s->node->accumulate);
    return SC_OK;
}

static sc_status backward_scale(const sc_step *s)
{
    if (s->gx[0])
        s->device->kernels->net->affine(s->device, s->gx[0], s->gy, NULL, s->node->scale, 0.f, s->n,
                                        image_size(s), s->add[0]);
    return SC_OK;
}

static sc_status forward_activate(const sc_step *s)
{
    s->device->kernels->net->activate_forward(
        s->device, s->y, s->x[0], (sc_activate_kind)s->node->activation, s->n * image_size(s));
    return SC_OK;
}

static sc_status backward_activate(const sc_step *s)
{
    s->device->kernels->net->activate_backward(
        s->device, s->gx[0], s->gy, s->x[0], (sc_activate_kind)s->node->activation,
        s->n * image_size(s), s->add[0]);
    return SC_OK;
}

static sc_status forward_concat(const sc_step *s)
{
    const int64_t pixels = (int64_t)s->n * s->h * s->w;
    for (int k = 0; k < 2; k++)
        s->device->kernels->net->copy_columns(s->device, s->y + (k ? s->c[0] : 0), s->out_c,
                                              s->x[k], s->c[k], pixels, s->c[k], 0);
    return SC_OK;
}

static sc_status backward_concat(const sc_step *s)
{
    const int64_t pixels = (int64_t)s->n * s->h * s->w;
    for (int k = 0; k < 2; k++)
        if (s->gx[k])
            s->device->kernels->net->copy_columns(s->device, s->gx[k], s->c[k],
                                                  s->gy + (k ? s->c[0] : 0), s->out_c, pixels,
                                                  s->c[k], s->add[k]);
    return SC_OK;
}

/* Draws are keyed by image, step and block (SC_DROPOUT_BLOCKS blocks a slice of the key). */
static void drop(const sc_step *s, float *z)
{
    const sc_dropout *dropout = s->dropout;
    sc_key key = dropout->key;
    key.slice = key.slice * SC_DROPOUT_BLOCKS + (uint32_t)s->node->module;
    if (dropout->on)
        s->device->kernels->net->dropout(s->device, z, (float)s->network->config.dropout, key,
                                         SC_DRAW_DROPOUT, dropout->step, s->n, image_size(s));
}

static sc_status forward_dropout(const sc_step *s)
{
    drop(s, s->y);
    return SC_OK;
}

static sc_status backward_dropout(const sc_step *s)
{
    drop(s, s->gy);
    return SC_OK;
}

const sc_layer sc_layer_scale = {
    .name = "scale", .forward = forward_scale, .backward = backward_scale};
const sc_layer sc_layer_activate = {.name = "activate", .backward_reads = SC_READS_IN0,
                                    .forward = forward_activate, .backward = backward_activate};
const sc_layer sc_layer_concat = {
    .name = "concat", .forward = forward_concat, .backward = backward_concat};
const sc_layer sc_layer_dropout = {
    .name = "dropout", .forward = forward_dropout, .backward = backward_dropout};
