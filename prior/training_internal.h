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

/* *set is empty on failure. */
sc_status sc_image_set_create(sc_image_set *set, const sc_image_source *source);
void sc_image_set_free(sc_image_set *set);
int sc_image_set_pick(const sc_image_set *set, double u); /* u in [0, 1) */

struct sc_training {
    sc_network *network;
    const sc_device *device;
    sc_options options;
    sc_image_set train, val; /* val: source NULL if none */
    sc_run *run, *val_run;   /* val_run: made by the first validation */
    int64_t count;           /* floats in theta */
    float *theta, *ema, *m, *v, *gradient; /* (count) */
    float *x0, *x, *d;                     /* (batch part, crop, crop, channels) */
    double *sigma;                         /* (batch part) */
    sc_training_state state;
    char *command; /* of the first run, from the checkpoint; NULL before one is loaded */
};

/* lambda(sigma) */
double sc_training_weight(const sc_training *training, double sigma);

#endif
