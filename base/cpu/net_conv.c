/* Convolution on the CPU: the first kind that serves the shape. */
#include "base/cpu/net_conv_internal.h"

static const sc_conv_kind *const kinds[] = {&sc_conv_winograd, &sc_conv_direct};

sc_status sc_cpu_conv_create(const sc_device *device, sc_conv **conv, const sc_conv_shape *shape)
{
    sc_status status = SC_OK;
    *conv = NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && !*conv && status == SC_OK; i++)
        status = kinds[i]->create(device, conv, shape);
    return status;
}

void sc_cpu_conv_free(sc_conv *conv)
{
    if (conv)
        conv->kind->free(conv);
}

void sc_cpu_conv_bytes(const sc_conv *conv, size_t *packed, size_t *scratch)
{
    conv->kind->bytes(conv, packed, scratch);
}

const char *sc_cpu_conv_describe(const sc_conv *conv) { return conv->kind->describe(conv); }

sc_status sc_cpu_conv_pack(sc_conv *conv, void *packed, const float *weight, const float *bias,
                           void *scratch)
{
    return conv->kind->pack(conv, packed, weight, bias, scratch);
}

sc_status sc_cpu_conv_forward(sc_conv *conv, float *y, const float *x, const void *packed,
                              void *scratch)
{
    return conv->kind->forward(conv, y, x, packed, scratch);
}

sc_status sc_cpu_conv_backward_data(sc_conv *conv, float *gx, const float *gy, const void *packed,
                                    int add, void *scratch)
{
    return conv->kind->backward_data(conv, gx, gy, packed, add, scratch);
}

sc_status sc_cpu_conv_backward_weights(sc_conv *conv, float *gweight, float *gbias, const float *x,
                                       const float *gy, void *scratch)
{
    return conv->kind->backward_weights(conv, gweight, gbias, x, gy, scratch);
}
