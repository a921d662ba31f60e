/* Inside the engine. A network is a list of tensors, a list of nodes in the order of execution and
 * a list of parameters; none knows the image size. A run gives each node a step: sizes, memory,
 * plan.
 *
 * Tensors live at a level: (n, h >> level, w >> level, channels); level -1: (n, channels). A margin
 * makes both sides that much longer: what a FIR hands to the convolution fused with it.
 * Several nodes may write one tensor: the first sets it, the others add (`accumulate`). That is
 * how sums of residuals are made, in place.
 */
#ifndef SC_PRIOR_NETWORK_INTERNAL_H
#define SC_PRIOR_NETWORK_INTERNAL_H

#include "base/kernel_net.h"
#include "prior/network/network.h"
#include <stdbool.h>

#define SC_NODE_INPUTS 3
#define SC_NODE_PARAMETERS 2
#define SC_NONE (-1)

typedef struct {
    int level, channels, margin;
    bool gradient; /* backward must know its gradient */
    char module[48]; /* published name of the module whose output it is, "" if none */
} sc_tensor;

typedef struct sc_layer sc_layer;

typedef struct {
    const sc_layer *layer;
    int in[SC_NODE_INPUTS], out; /* tensors, SC_NONE where absent */
    int parameter[SC_NODE_PARAMETERS];
    int accumulate; /* adds to its output, which an earlier node has set */
    float scale;    /* of what it writes */
    int kernel, stride, pad_low, pad_high; /* convolution */
    int transposed;    /* its matrix is stored [in, out] (NIN) */
    int first_channel; /* of the weight's inputs that this convolution reads */
    int silu;          /* norm: after it; linear: before it */
    int groups;        /* norm */
    int activation;    /* activate: sc_activate_kind */
    sc_resample_kind resample;
    sc_fir fir;
    int embed;  /* sc_embed_kind */
    int module; /* dropout: index of its block, which keys its draws */
} sc_node;

/* Initial values: a positive number is the scale of variance scaling. */
#define SC_INITIAL_ZERO 0.0
#define SC_INITIAL_ONE (-1.0)
#define SC_INITIAL_FOURIER (-2.0)

struct sc_network {
    sc_network_config config;
    sc_tensor *tensor;
    sc_node *node;
    sc_parameter *parameter;
    double *initial; /* a parameter each: what sc_network_initialise draws */
    int tensors, nodes, parameters;
    int input, label, output; /* tensors: what the network sees, what is embedded, F */
    int64_t theta;            /* floats */
};

#define SC_DROPOUT_BLOCKS 4096 /* more than a network has modules */

typedef struct {
    bool on;
    sc_key key;
    uint32_t step;
} sc_dropout;

/* A node with sizes and memory. Pointers are set once the memory is planned. */
typedef struct {
    const sc_network *network;
    const sc_node *node;
    const sc_device *device;
    int n, h, w;                       /* of the input */
    int out_h, out_w;
    int c[SC_NODE_INPUTS], out_c;
    bool with_backward;
    const sc_dropout *dropout; /* of the run */
    size_t state_bytes, scratch_bytes; /* lives as long as the run; lives within one call */
    double flops;                      /* forward */
    sc_conv *conv;
    void *state, *scratch;
    const float *x[SC_NODE_INPUTS];
    float *y;
    float *gx[SC_NODE_INPUTS]; /* NULL: not wanted */
    int add[SC_NODE_INPUTS];   /* the gradient is added to what is there */
    bool idle;                 /* in backward */
    bool data_only;            /* in backward: gtheta is not wanted, though it may be written */
    float *gy;
    const float *theta[SC_NODE_PARAMETERS];
    float *gtheta[SC_NODE_PARAMETERS];
} sc_step;

/* Which tensors backward reads: bits of the inputs, and the output. */
enum { SC_READS_IN0 = 1, SC_READS_IN1 = 2, SC_READS_IN2 = 4, SC_READS_OUT = 8 };

struct sc_layer {
    const char *name;
    unsigned backward_reads;
    sc_status (*prepare)(sc_step *step); /* sizes of memory, flops, plan; may be NULL */
    sc_status (*set_theta)(sc_step *step); /* may be NULL */
    sc_status (*forward)(const sc_step *step);
    sc_status (*backward)(const sc_step *step); /* NULL: nothing to do */
    void (*release)(sc_step *step);             /* may be NULL */
};

/* prior/network/layers/, one file each */
extern const sc_layer sc_layer_conv, sc_layer_norm, sc_layer_attention, sc_layer_linear,
    sc_layer_embed, sc_layer_resample, sc_layer_fir, sc_layer_scale, sc_layer_activate,
    sc_layer_concat, sc_layer_dropout;

/* graph.c: the graph of a configuration whose fields are in range. SC_ERR_FORMAT if some number of
 * channels does not divide into its groups. */
sc_status sc_network_build(sc_network *network);
/* network.c: SC_OK if the graph can be built. */
sc_status sc_network_check_graph(const sc_network_config *config);

/* A buffer of one arena: alive from step `first` to step `last`, both included. */
typedef struct {
    size_t bytes, offset;
    int first, last;
} sc_buffer;

/* plan.c: offsets (multiples of 64) so that buffers alive together do not overlap. */
sc_status sc_plan_offsets(size_t *arena_bytes, sc_buffer *buffer, int count);

struct sc_run {
    const sc_network *network;
    const sc_device *device;
    int n, h, w;
    bool with_backward, has_theta, has_forward;
    sc_dropout dropout;
    sc_run_observer observer;
    void *observer_user;
    float *before, *half; /* host, of the observer: a sum before a step, half a convolution */
    sc_step *step;     /* a node each */
    sc_buffer *buffer; /* values, gradients, states, and the fixed ones of run.c */
    int buffers;
    sc_recording *recording; /* of one evaluation, once it has been seen to repeat */
    int64_t evaluations;
    char *arena; /* device memory, as all that follows but the host's */
    size_t arena_bytes;
    float *theta, *gtheta;
    float *image, *result;   /* x and result; in backward their gradients */
    float *coefficient;      /* (4, n): in, skip, out, noise */
    float *host_coefficient; /* host (4, n) */
    float *host_gradient;    /* host: gradient of theta on its way out */
};

/* observe.c: before and after step i of an evaluation that is observed. */
sc_status sc_run_observe_before(sc_run *run, int i);
sc_status sc_run_observe_after(sc_run *run, int i);

/* precondition.c: result = skip x + out F(in x, noise), where noise is what is embedded. The rules
 * give the network's output for a label, the score at a time, the denoised image at a sigma;
 * SC_ERR_INPUT if the network knows no such noise level. */
typedef struct {
    double in, skip, out, noise;
} sc_precondition;
typedef sc_status sc_precondition_rule(sc_precondition *p, const sc_network_config *config,
                                       double condition);
sc_precondition_rule sc_precondition_forward, sc_precondition_score, sc_precondition_denoise,
    sc_precondition_classify; /* a classifier: of x0 + sigma z, no skip */

#endif
