/* Group normalisation of one tensor or the concatenation of two (inputs 0 and 1), after adding
 * a vector per image (input 2: the time embedding), with SiLU. Its state is mean and 1/std. */
#include "prior/network/network_internal.h"

#define EPSILON 1e-6f /* of the published networks */

static sc_norm_shape shape_of(const sc_step *s)
{
    return (sc_norm_shape){.n = s->n, .c = {s->c[0], s->c[1]}, .groups = s->node->groups,
                           .silu = s->node->silu, .pixels = (int64_t)s->h * s->w,
                           .epsilon = EPSILON};
}

static sc_norm_input input_of(const sc_step *s)
{
    return (sc_norm_input){.x = {s->x[0], s->x[1]}, .shift = s->x[2], .weight = s->theta[0],
                           .bias = s->theta[1]};
}

static sc_status prepare(sc_step *s)
{
    sc_norm_shape shape = shape_of(s);
    s->state_bytes = sizeof(float) * 2 * (size_t)s->n * (size_t)s->node->groups;
    s->scratch_bytes = s->device->kernels->net->norm_scratch(&shape);
    return SC_OK;
}

static sc_status forward(const sc_step *s)
{
    sc_norm_shape shape = shape_of(s);
    sc_norm_input input = input_of(s);
    s->device->kernels->net->norm_forward(s->device, s->y, s->state, &input, &shape, s->scratch);
    return SC_OK;
}

static sc_status backward(const sc_step *s)
{
    sc_norm_shape shape = shape_of(s);
    sc_norm_input input = input_of(s);
    sc_norm_gradient gradient = {.x = {s->gx[0], s->gx[1]}, .add = {s->add[0], s->add[1]},
                                 .shift = s->gx[2], .weight = s->gtheta[0], .bias = s->gtheta[1]};
    s->device->kernels->net->norm_backward(s->device, &gradient, s->gy, s->state, &input, &shape,
                                           s->scratch);
    return SC_OK;
}

const sc_layer sc_layer_norm = {.name = "norm",
                                .backward_reads = SC_READS_IN0 | SC_READS_IN1 | SC_READS_IN2,
                                .prepare = prepare, .forward = forward, .backward = backward};
