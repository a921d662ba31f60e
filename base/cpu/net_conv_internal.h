/* Implementations of convolution behind the kernel table: a plan begins with its kind. */
#ifndef SC_BASE_CPU_NET_CONV_INTERNAL_H
#define SC_BASE_CPU_NET_CONV_INTERNAL_H

#include "base/cpu/net_internal.h"

/* As the slots conv_* of sc_net_kernels. `create` gives NULL where the kind does not serve the
 * shape on this processor. */
typedef struct {
    sc_status (*create)(const sc_device *, sc_conv **, const sc_conv_shape *);
    void (*free)(sc_conv *);
    void (*bytes)(const sc_conv *, size_t *packed, size_t *scratch);
    const char *(*describe)(const sc_conv *);
    sc_status (*pack)(sc_conv *, void *packed, const float *weight, const float *bias,
                      void *scratch);
    sc_status (*forward)(sc_conv *, float *y, const float *x, const void *packed, void *scratch);
    sc_status (*backward_data)(sc_conv *, float *gx, const float *gy, const void *packed, int add,
                               void *scratch);
    sc_status (*backward_weights)(sc_conv *, float *gweight, float *gbias, const float *x,
                                  const float *gy, void *scratch);
} sc_conv_kind;

struct sc_conv {
    const sc_conv_kind *kind;
};

extern const sc_conv_kind sc_conv_winograd, sc_conv_direct;

#endif
