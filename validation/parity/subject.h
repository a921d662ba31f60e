/* A network under comparison: its files, its weights, and the SDEs that it is evaluated with. */
#ifndef PARITY_SUBJECT_H
#define PARITY_SUBJECT_H

#include "parity.h"
#include <base/json.h>
#include <prior/network/network.h>

typedef struct {
    sc_sde sde;
    bool continuous;
    int levels; /* N */
    double eps;
    const char *prefix; /* of its keys: "", "subvp_cont." */
} variant;

typedef struct {
    const parity *p;
    char name[96];
    json_t *json; /* NAME.config.json */
    sc_network_config config;
    reference state, io, grads;
    sc_network *network;
    float *theta; /* from the state dict */
} subject;

sc_status subject_open(subject *s, const parity *p, const char *name);
void subject_close(subject *s);

/* theta from tensors "<prefix><parameter>"; SC_ERR_FORMAT names what is missing or misshapen. */
sc_status load_theta(float *theta, const sc_network *network, const reference *r,
                     const char *prefix);

int variant_count(const subject *s);
sc_status variant_get(variant *v, const subject *s, int i);
/* The same network told that it belongs to this SDE; to be freed. */
sc_status variant_network(sc_network **network, const subject *s, const variant *v);
/* A run with the subject's weights. */
sc_status variant_run(sc_run **run, const sc_network *network, const subject *s, int n, int h,
                      int w, bool backward);

/* Do the parameters of the candidate have these names and shapes in `r` (with `prefix`)? Do its
 * images look like `image`, and has it a continuous variant of `kind`, whose number goes to *which?
 * Its name, or NULL. */
const char *fits_weights(const parity *p, const reference *r, const char *prefix);
const char *fits_images(int *which, const parity *p, const tensor *image, sc_sde_kind kind);

sc_status check_outputs(subject *s);     /* outputs.c: outputs, scores, activations, vjp */
sc_status check_activations(subject *s); /* activations.c */
sc_status check_losses(subject *s);      /* losses.c: values, gradient norms, gradients */

#endif
