/* The network engine: NCSN++ family (Song et al. 2021, appendix H), built from a configuration,
 * memory planned once, forward and backward. Tensors NHWC float32.
 *
 * Parameters live in one flat vector theta, gradients in one of the same layout; `parameter` names
 * each tensor's offset and shape. So optimiser, EMA and weights file are loops over one vector.
 *
 * Preconditioning (Karras et al. 2022, EDM, table 1): D = c_skip x + c_out F(c_in x, c_noise),
 * or NCSN++'s own: s = F(x, sigma) / sigma.
 */
#ifndef SC_PRIOR_NETWORK_H
#define SC_PRIOR_NETWORK_H

#include "base/device.h"

typedef struct {
    int channels;            /* of the image: 2 complex, 1 real */
    int nf;                  /* base width */
    int levels;              /* number of resolutions */
    int ch_mult[8];          /* width of level l = nf * ch_mult[l] */
    int num_res_blocks;      /* a level on the way down; one more on the way up */
    int attention[8];        /* 1: attention after each block of that level */
    int attention_middle;    /* 1: the middle block has attention */
    int embedding_fourier;   /* 1 Fourier features of ln sigma, 0 positional */
    double fourier_scale;
    int skip_rescale;        /* residual sums / sqrt 2 */
    int precondition_edm;    /* 1 EDM, 0 published (scale by sigma) */
    double sigma_data;       /* EDM */
    int scale_by_sigma;      /* published: 1 VE, s = F(x, ln sigma) / sigma; 0 VP, D from F(c_in x, 999 t) */
    int resblock_biggan;     /* 1 BigGAN blocks, which also resample; 0 DDPM blocks */
    int resamp_with_conv;    /* resampling between DDPM blocks has a convolution */
    int fir;                 /* resampling by FIR [1,3,3,1] instead of nearest and mean */
    int centred;             /* 0: the network sees 2 x - 1 */
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
/* D (n,h,w,channels) = denoised x; sigma (n). */
sc_status sc_run_denoise(sc_run *run, float *d, const float *x, const double *sigma);
/* After denoise of the same run: gradient of <grad_d, D> with respect to theta, added to
 * grad_theta (flat), and to x if grad_x is not NULL. */
sc_status sc_run_backward(sc_run *run, float *grad_theta, float *grad_x, const float *grad_d);
/* One line a step: layer, parameters, shape, flops, bytes, place in memory; then the sums.
 * *text is to be freed with sc_free. */
sc_status sc_run_describe(const sc_run *run, char **text);

#endif
