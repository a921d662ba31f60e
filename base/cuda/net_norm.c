/* Group normalisation on the GPU. Two passes over the data: sums a channel by chunks of pixels,
 * then apply with SiLU; between them sums are gathered and become one table of coefficients
 * (image, SC_NORM_ROWS, channel), which is small. Equations in base/net_norm_internal.h. */
#include "base/cuda/net_internal.h"

typedef struct {
    const sc_device *device;
    int n, channels;
    sc_norm_sizes sizes;
    float *table;
    double *sums;
} work;

static work work_of(const sc_device *device, const sc_norm_shape *s, void *scratch)
{
    work w = {.device = device, .n = s->n, .channels = s->c[0] + s->c[1],
              .sizes = {s->pixels, sc_cuda_chunks(s->pixels), s->c[0], s->c[1], s->groups, s->silu,
                        s->epsilon}};
    size_t table = sizeof(float) * (size_t)w.n * SC_NORM_ROWS * (size_t)w.channels;
    w.table = scratch;
    w.sums = (double *)((char *)scratch + sc_cuda_align(table));
    return w;
}

size_t sc_cuda_norm_scratch(const sc_norm_shape *s)
{
    work w = work_of(NULL, s, NULL);
    size_t table = sizeof(float) * (size_t)w.n * SC_NORM_ROWS * (size_t)w.channels;
    return sc_cuda_align(table) +
           sizeof(double) * sc_cuda_gather_doubles(w.n, w.sizes.chunks,
                                                   SC_NORM_GRADIENT_SUMS * (int64_t)w.channels);
}

static void make_coefficients(const work *w, const float *moments, const sc_norm_input *input)
{
    run_net_norm_coefficients(w->device, w->n, w->channels,
                              (sc_net_norm_coefficients){w->table, moments, input->shift,
                                                         input->weight, input->bias, w->sizes});
}

void sc_cuda_norm_forward(const sc_device *device, float *y, float *moments,
                          const sc_norm_input *input, const sc_norm_shape *s, void *scratch)
{
    const work w = work_of(device, s, scratch);
    run_net_norm_sums(device, w.n * w.sizes.chunks, w.channels,
                      (sc_net_norm_sums){w.sums, input->x[0], input->x[1], w.sizes});
    const double *sums = sc_cuda_gather_sums(device, w.sums, w.n, w.sizes.chunks,
                                             SC_NORM_SUMS * (int64_t)w.channels);
    run_net_norm_moments(device, w.n, s->groups,
                         (sc_net_norm_moments){moments, sums, input->shift, w.sizes});
    make_coefficients(&w, moments, input);
    run_net_norm_apply(device, w.n * s->pixels, w.channels,
                       (sc_net_norm_apply){y, input->x[0], input->x[1], w.table, w.sizes});
}

void sc_cuda_norm_backward(const sc_device *device, const sc_norm_gradient *gradient,
                           const float *gy, const float *moments, const sc_norm_input *input,
                           const sc_norm_shape *s, void *scratch)
{
    const work w = work_of(device, s, scratch);
    make_coefficients(&w, moments, input);
    run_net_norm_gradient_sums(
        device, w.n * w.sizes.chunks, w.channels,
        (sc_net_norm_gradient_sums){w.sums, gy, input->x[0], input->x[1], w.table, w.sizes});
    const double *sums = sc_cuda_gather_sums(device, w.sums, w.n, w.sizes.chunks,
                                             SC_NORM_GRADIENT_SUMS * (int64_t)w.channels);
    run_net_norm_gradient_coefficients(
        device, w.n, w.channels,
        (sc_net_norm_gradient_coefficients){w.table, gradient->shift, sums, moments, input->weight,
                                            w.sizes});
    run_net_norm_parameters(
        device, 1, w.channels,
        (sc_net_norm_parameters){gradient->weight, gradient->bias, sums, w.n, w.channels});
    if (gradient->x[0] || gradient->x[1])
        run_net_norm_gradient_apply(
            device, w.n * s->pixels, w.channels,
            (sc_net_norm_gradient_apply){gradient->x[0], gradient->x[1], gy, input->x[0],
                                         input->x[1], w.table, gradient->add[0], gradient->add[1],
                                         w.sizes});
}
