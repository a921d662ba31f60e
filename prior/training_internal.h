/* The training's state, shared by the step, the checkpoint and the loop. */
#ifndef SC_PRIOR_TRAINING_INTERNAL_H
#define SC_PRIOR_TRAINING_INTERNAL_H

#include "prior/training.h"

/* Images with what is computed once: scale, and the cumulative weights for drawing. */
typedef struct {
    const sc_image_source *source;
    double *scale;      /* (count) */
    double *cumulative; /* (count), last 1 */
    char fingerprint[65];
} sc_image_set;

/* For a network of so many channels. *set is empty on failure. */
sc_status sc_image_set_create(sc_image_set *set, const sc_image_source *source, int channels);
void sc_image_set_free(sc_image_set *set);
int sc_image_set_pick(const sc_image_set *set, double u); /* u in [0, 1) */

/* One thread of a step: a device of one thread, memory for some examples, a gradient of its own. */
typedef struct {
    const sc_device *device;
    sc_device *owned; /* NULL: the caller's */
    sc_run *run;
    float *gradient; /* (count) */
    float *x, *f;    /* (part, example): noisy images, output of the network */
} sc_training_worker;

struct sc_training {
    sc_network *network;
    const sc_device *device;
    sc_options options;
    sc_loss loss_kind;
    sc_image_set train, val; /* source NULL if none */
    sc_training_worker *worker;
    int workers, part;       /* examples a worker takes at a time */
    sc_run *val_run;         /* made by the first validation */
    int64_t count, example;  /* floats in theta, in an example (crop, crop, channels) */
    float *theta, *ema, *m, *v, *gradient; /* (count) */
    float *x0, *z;                         /* (batch, example) */
    double *time, *loss;                   /* (batch): sigma, t or label; loss of each */
    int *picked;                           /* (batch) image of each, -1: given from outside */
    float *x, *d;                          /* (example), of the validation */
    sc_training_state state;
    sc_training_about about; /* owned texts; empty: nothing is said */
};

double sc_training_option(const sc_training *training, const char *name);

/* Bits of SC_WITHOUT_..., from the options. */
unsigned sc_training_left_out(const sc_training *training);

/* What sc_training_about owns in a training, freed and emptied. */
void sc_training_forget(sc_training_about *about);
/* As JSON, to be freed with sc_free, and back; NULL, of an older checkpoint, is an empty one. */
sc_status sc_training_about_print(char **json, const sc_training_about *about);
sc_status sc_training_about_parse(sc_training_about *about, const char *json);

/* Workers for the options batch and part and the device's threads. */
sc_status sc_training_start_workers(sc_training *training);
void sc_training_stop_workers(sc_training *training); /* none is fine */

/* training->gradient and ->loss from ->x0, ->z, ->time. The sums' order depends on batch and part
 * only, not on the number of threads. */
sc_status sc_training_gradient(sc_training *training);

/* x = x0 + sigma z, n numbers */
void sc_training_add_noise(float *x, const float *x0, double sigma, int64_t n, sc_key key);

/* ---- training_loss.c ---- */

bool sc_loss_is_discrete(const sc_loss *loss);

/* sc_loss_evaluate without its memory: each (n) is set, share n times the gradient of the batch's
 * mean is added (NULL: none), x and f are scratch of the batch's shape. */
sc_status sc_loss_add(double *each, float *gradient, float *x, float *f, const sc_loss *loss,
                      const sc_network *network, sc_run *run, const sc_loss_batch *batch,
                      double share);
void sc_loss_clear_frozen(float *gradient, const sc_network *network);

/* lambda(sigma) of the denoiser's loss */
double sc_loss_denoiser_weight(const sc_network_config *config, double sigma);

/* Weighted loss of an example; d, which is D(x), becomes share * dloss/dD. */
double sc_loss_denoiser(float *d, const float *x0, int64_t n, double weight, double share);

#endif
