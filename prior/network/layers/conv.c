/* Convolution layer: y (+)= scale * (W * x + bias). Also NIN, a matrix over channels stored
 * [in, out], and convolutions of one half of a concatenation, which read a slice of W. */
#include "prior/network/network_internal.h"

static sc_status prepare(sc_step *s)
{
    sc_status status = SC_OK;
    const sc_node *node = s->node;
    const int64_t *dim = s->network->parameter[node->parameter[0]].dim;
    int64_t taps = (int64_t)node->kernel * node->kernel;
    sc_conv_shape shape = {
        .n = s->n, .h = s->h, .w = s->w, .in = s->c[0], .out = s->out_c,
        .kernel = node->kernel, .stride = node->stride,
        .pad_low = node->pad_low, .pad_high = node->pad_high,
        .out_stride = node->transposed ? 1 : dim[1] * taps,
        .in_stride = node->transposed ? dim[1] : taps,
        .bias = node->parameter[1] != SC_NONE, .accumulate = node->accumulate,
        .scale = node->scale, .backward = s->with_backward,
    };
    SC_TRY(s->device->kernels->net->conv_create(s->device, &s->conv, &shape));
    s->device->kernels->net->conv_bytes(s->conv, &s->state_bytes, &s->scratch_bytes);
    s->flops = 2.0 * (double)taps * s->c[0] * s->out_c * (double)s->n * s->out_h * s->out_w;
cleanup:
    return status;
}

/* Where this convolution's slice of the weight begins. */
static int64_t weight_offset(const sc_step *s)
{
    const sc_node *node = s->node;
    int64_t taps = (int64_t)node->kernel * node->kernel;
    int64_t columns = s->network->parameter[node->parameter[0]].dim[1];
    return node->first_channel * (node->transposed ? columns : taps);
}

static sc_status set_theta(sc_step *s)
{
    return s->device->kernels->net->conv_pack(s->conv, s->state, s->theta[0] + weight_offset(s),
                                              s->theta[1], s->scratch);
}

static sc_status forward(const sc_step *s)
{
    return s->device->kernels->net->conv_forward(s->conv, s->y, s->x[0], s->state, s->scratch);
}

static sc_status backward(const sc_step *s)
{
    sc_status status = SC_OK;
    const sc_net_kernels *net = s->device->kernels->net;
    if (!s->data_only)
        SC_TRY(net->conv_backward_weights(s->conv, s->gtheta[0] + weight_offset(s), s->gtheta[1],
                                          s->x[0], s->gy, s->scratch));
    if (s->gx[0])
        SC_TRY(net->conv_backward_data(s->conv, s->gx[0], s->gy, s->state, s->add[0], s->scratch));
cleanup:
    return status;
}

static void release(sc_step *s)
{
    s->device->kernels->net->conv_free(s->conv);
    s->conv = NULL;
}

const sc_layer sc_layer_conv = {"conv", SC_READS_IN0, prepare, set_theta, forward, backward, release};
