/* Embedding of the noise level, and the linear layers that follow.
 *
 * Fourier (Tancik et al. 2020): [sin(2 pi W c), cos(2 pi W c)], W random and frozen.
 * Positional (Vaswani et al. 2017): [sin(c w_j), cos(c w_j)], w_j = 10000^(-j / (half - 1)).
 * Published networks were trained on float32 angles, which at large c differ visibly from exact
 * ones: frequencies and angles are rounded as there.
 */
#include "prior/network/network_internal.h"
#include <assert.h>
#include <math.h>

static sc_status prepare_embed(sc_step *s)
{
    if (s->node->embed == SC_EMBED_POSITIONAL)
        s->state_bytes = sizeof(float) * (size_t)(s->out_c / 2);
    return SC_OK;
}

static sc_status set_frequencies(sc_step *s)
{
    enum { MOST = 512 }; /* of nf / 2 */
    float frequency[MOST];
    int half = s->out_c / 2;
    if (s->node->embed != SC_EMBED_POSITIONAL)
        return SC_OK;
    assert(half <= MOST);
    const float slope = (float)-(log(10000.) / (half > 1 ? half - 1 : 1));
    for (int j = 0; j < half; j++)
        frequency[j] = (float)exp((double)((float)j * slope));
    return s->device->kernels->upload(s->device, s->state, frequency,
                                      sizeof *frequency * (size_t)half);
}

static sc_status forward_embed(const sc_step *s)
{
    const float *frequency = s->node->embed == SC_EMBED_POSITIONAL ? s->state : s->theta[0];
    s->device->kernels->net->embed(s->device, s->y, s->x[0], frequency,
                                   (sc_embed_kind)s->node->embed, s->n, s->out_c);
    return SC_OK;
}

static sc_status prepare_linear(sc_step *s)
{
    s->flops = 2.0 * s->n * s->c[0] * s->out_c;
    return SC_OK;
}

static sc_status forward_linear(const sc_step *s)
{
    s->device->kernels->net->linear_forward(s->device, s->y, s->x[0], s->theta[0], s->theta[1],
                                            s->n, s->c[0], s->out_c, s->node->silu);
    return SC_OK;
}

static sc_status backward_linear(const sc_step *s)
{
    s->device->kernels->net->linear_backward(s->device, s->gx[0], s->gtheta[0], s->gtheta[1],
                                             s->gy, s->x[0], s->theta[0], s->n, s->c[0], s->out_c,
                                             s->node->silu, s->add[0]);
    return SC_OK;
}

const sc_layer sc_layer_embed = {.name = "embed", .prepare = prepare_embed,
                                 .set_theta = set_frequencies, .forward = forward_embed};
const sc_layer sc_layer_linear = {.name = "linear", .backward_reads = SC_READS_IN0,
                                  .prepare = prepare_linear, .forward = forward_linear,
                                  .backward = backward_linear};
