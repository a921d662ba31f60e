/* The CPU row of the network table. */
#include "base/cpu/net_internal.h"

const sc_net_kernels sc_cpu_net = {
    .conv_create = sc_cpu_conv_create,
    .conv_free = sc_cpu_conv_free,
    .conv_bytes = sc_cpu_conv_bytes,
    .conv_describe = sc_cpu_conv_describe,
    .conv_pack = sc_cpu_conv_pack,
    .conv_forward = sc_cpu_conv_forward,
    .conv_backward_data = sc_cpu_conv_backward_data,
    .conv_backward_weights = sc_cpu_conv_backward_weights,
    .norm_scratch = sc_cpu_norm_scratch,
    .norm_forward = sc_cpu_norm_forward,
    .norm_backward = sc_cpu_norm_backward,
    .attention_scratch = sc_cpu_attention_scratch,
    .attention_forward = sc_cpu_attention_forward,
    .attention_backward = sc_cpu_attention_backward,
    .linear_forward = sc_cpu_linear_forward,
    .linear_backward = sc_cpu_linear_backward,
    .embed = sc_cpu_embed,
    .resample_forward = sc_cpu_resample_forward,
    .resample_backward = sc_cpu_resample_backward,
    .affine = sc_cpu_affine,
};
