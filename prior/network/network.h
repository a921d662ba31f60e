/* The network engine: NCSN++ family (Song et al. 2021, appendix H), built from a configuration,
 * memory planned once, forward and backward. Tensors NHWC float32.
 *
 * Parameters live in one flat vector theta, gradients in one of the same layout; `parameter` names
 * each tensor's offset and shape. So optimiser, EMA and weights file are loops over one vector.
 *
 * Preconditioning (Karras et al. 2022, EDM, table 1): D = c_skip x + c_out F(c_in x, c_noise),
 * or as published for VE, VP and sub-VP, continuous and discrete (precondition.c).
 */
#ifndef SC_PRIOR_NETWORK_H
#define SC_PRIOR_NETWORK_H

#include "base/device.h"
#include "prior/sde.h"

typedef enum { SC_PYRAMID_NONE, SC_PYRAMID_SKIP, SC_PYRAMID_RESIDUAL } sc_pyramid;
typedef enum { SC_COMBINE_SUM, SC_COMBINE_CAT } sc_combine;
typedef enum { SC_ACTIVATION_SWISH, SC_ACTIVATION_ELU, SC_ACTIVATION_RELU, SC_ACTIVATION_LRELU
} sc_activation;

#define SC_FIR_TAPS_MAX 8

/* A JSON key a field; those of sde are "sde" (ve, vp, subvp), "sigma_min", "sigma_max", "beta_min"
 * and "beta_max". Choices are texts: "progressive" none, output_skip, residual;
 * "progressive_input" none, input_skip, residual; "progressive_combine" sum, cat; "nonlinearity"
 * swish, elu, relu, lrelu. */
typedef struct {
    int channels;            /* of the image: 2 complex, 1 real */
    int nf;                  /* base width */
    int levels;              /* number of resolutions */
    int ch_mult[8];          /* width of level l = nf * ch_mult[l] */
    int num_res_blocks;      /* a level on the way down; one more on the way up */
    int attention[8];        /* 1: attention after each block of that level */
    int attention_middle;    /* 1: the middle block has attention */
    int conditional;         /* 0: blocks are not told the noise level */
    int nonlinearity;        /* sc_activation */
    int norm_groups;         /* 0: min(C / 4, 32) as in NCSN++; plain DDPM 32 */
    int embedding_fourier;   /* 1 Fourier features of ln of the label, 0 positional of the label */
    double fourier_scale;
    int skip_rescale;        /* residual sums / sqrt 2 */
    int resblock_biggan;     /* 1 BigGAN blocks, which also resample; 0 DDPM blocks */
    int resamp_with_conv;    /* resampling between DDPM blocks has a convolution */
    int fir;                 /* resampling by FIR instead of nearest and mean */
    double fir_kernel[SC_FIR_TAPS_MAX]; /* of each axis; [1,3,3,1] */
    int fir_taps;            /* its length */
    int progressive;         /* sc_pyramid: output_skip or residual sums over the levels, up */
    int progressive_input;   /* sc_pyramid: the input, reduced, joins every level on the way down */
    int progressive_combine; /* sc_combine, of input_skip */
    double dropout;          /* probability; in training only */
    double init_scale;       /* of the last convolution of a block; 0 is 1e-10 */
    int centred;             /* 0: the network sees 2 x - 1 */
    int precondition_edm;    /* 1 EDM, 0 published: what follows */
    double sigma_data;       /* EDM */
    sc_sde sde;              /* published: what the network was trained for */
    int continuous;          /* published: 1 labels from a continuous time, 0 from num_scales */
    int num_scales;          /* published: N, length of the tables of sigma and beta */
    int classes;             /* 0: a denoiser. Else a classifier of noisy images: down, middle, and a
                                head of so many channels on the lowest level; EDM's input */
    int scale_by_sigma;      /* published: output divided by the label (Fourier) or by
                                sigmas[(int)label] (positional), sigmas descending */
} sc_network_config;

typedef struct {
    char name[96]; /* published name, "all_modules.4.Conv_0.weight" */
    int rank;
    int64_t dim[4]; /* in the file's (PyTorch) order: conv [out, in, kh, kw] */
    int64_t offset, count; /* floats in theta */
    int frozen;            /* not trained (Fourier W) */
} sc_parameter;

typedef struct sc_network sc_network;

/* The network of the shipped prior. */
sc_network_config sc_network_config_default(void);
/* From a JSON object; keys that are absent keep the default. SC_ERR_FORMAT names the key, the
 * range and what was found, unknown keys too. */
sc_status sc_network_config_parse(sc_network_config *config, const char *json);
/* *json: text to be freed with sc_free. */
sc_status sc_network_config_print(char **json, const sc_network_config *config);
/* SC_ERR_FORMAT names the field that is out of its range. */
sc_status sc_network_config_check(const sc_network_config *config);

/* A network's structure; no image size yet. */
sc_status sc_network_create(sc_network **network, const sc_network_config *config);
void sc_network_free(sc_network *network);
const sc_network_config *sc_network_configuration(const sc_network *network);
int64_t sc_network_parameter_count(const sc_network *network); /* floats in theta */
int sc_network_parameters(const sc_network *network, const sc_parameter **parameter);
int sc_network_multiple(const sc_network *network); /* h and w must be multiples: 2^(levels-1) */

/* Published initialisation (default_init of score_sde) into theta. */
void sc_network_initialise(const sc_network *network, float *theta, uint64_t seed);

/* A run: memory planned for (n, h, w), with or without backward. One a thread. */
typedef struct sc_run sc_run;
sc_status sc_run_create(sc_run **run, const sc_network *network, const sc_device *device, int n,
                        int h, int w, int with_backward);
void sc_run_free(sc_run *run);
size_t sc_run_bytes(const sc_run *run);
double sc_run_flops(const sc_run *run); /* multiply-adds * 2 of one forward */
/* Tell the run that theta changed (it keeps reordered weights). */
sc_status sc_run_set_theta(sc_run *run, const float *theta);
/* Three ways to evaluate, all (n,h,w,channels) and with one condition an image. SC_ERR_INPUT if the
 * network knows no such noise level.
 * denoise: D(x, sigma), x = x0 + sigma z, whatever the parametrisation.
 * score: s(x, t) for x of the configuration's SDE at time t, as published (get_score_fn).
 * forward: the network's own output for its own label: sigma or an index (VE), 999 t or an index
 * (VP); EDM ln(sigma) / 4. */
sc_status sc_run_denoise(sc_run *run, float *d, const float *x, const double *sigma);
sc_status sc_run_score(sc_run *run, float *s, const float *x, const double *t);
sc_status sc_run_forward(sc_run *run, float *output, const float *x, const double *label);
/* A classifier's evidence (n, h / m, w / m, classes) for each class at each place of the lowest
 * level, m the multiple: F(x / sqrt(sigma^2 + sigma_data^2), ln(sigma) / 4). The other three are for
 * denoisers. */
sc_status sc_run_classify(sc_run *run, float *evidence, const float *x, const double *sigma);
/* After any of them: gradient of <grad, result> with respect to theta, added to grad_theta (flat),
 * and to x in grad_x. Either may be NULL: not wanted, and without grad_theta convolutions do half
 * the work. */
sc_status sc_run_backward(sc_run *run, float *grad_theta, float *grad_x, const float *grad);
/* Dropout (config.dropout) in the evaluations that follow and their backward: image i draws from
 * (seed, slice, sample + i) of the key and from step, below 2^20; slice below 2^20 too. NULL, as a
 * run begins: none. */
void sc_run_set_dropout(sc_run *run, const sc_key *key, uint32_t step);
/* Called in every evaluation with the output (n,h,w,channels; host memory, valid in the call) of
 * each published module, "all_modules.4" or "all_modules.4.Conv_0"; what is fused is taken apart,
 * which costs time. A module that is one convolution (Downsample, Upsample) may be shown by the
 * convolution's name alone. "embedding" is the first stage of a positional one. NULL: none. */
typedef void (*sc_run_observer)(void *user, const char *module, const float *value, int n, int h,
                                int w, int channels);
void sc_run_observe(sc_run *run, sc_run_observer observer, void *user);
/* One line a step: layer, parameters, shape, flops, bytes, place in memory; then the sums.
 * *text is to be freed with sc_free. */
sc_status sc_run_describe(const sc_run *run, char **text);

#endif
