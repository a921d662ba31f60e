/* The weights file of a prior, format "scorecon-prior-1": safetensors with one F32 tensor for each
 * parameter of the network, by its published name and shape, and this __metadata__ (all texts):
 *
 *   format            scorecon-prior-1
 *   network           JSON, sc_network_config_print
 *   sde               JSON {"kind": "ve", "sigma_min": 0.002, "sigma_max": 50}: what it was trained
 *                     for; that of the network's configuration, but with EDM's preconditioning
 *   normalisation     what image the network expects ("99.9th percentile of magnitude = 1")
 *   modality, anatomy MR, brain
 *   licence           of the weights, which the training data decide
 *   data              what they were trained on, with attribution
 *   training          JSON: images, steps, seed, validation, command
 *   program           scorecon 0.1.0
 *   classes           of a classifier (network.classes, prior/classifier.h): their names, with | in
 *                     between; a prior has none
 */
#ifndef SC_PRIOR_WEIGHTS_H
#define SC_PRIOR_WEIGHTS_H

#include "prior/network/network.h"
#include "prior/sde.h"

#define SC_WEIGHTS_FORMAT "scorecon-prior-1"
#define SC_WEIGHTS_NORMALISATION "99.9th percentile of magnitude over the slice = 1"
#define SC_WEIGHTS_NORMALISATION_CT "(HU + 1000) / 2000"
#define SC_WEIGHTS_NORMALISATION_PUBLISHED "published: values from 0 to 1"
#define SC_WEIGHTS_NORMALISATION_CENTRED "published: values from -1 to 1" /* 2 x - 1 */
#define SC_WEIGHTS_LIMIT ((size_t)4 << 30) /* bytes of a weights file */

typedef struct {
    sc_sde sde;
    char *normalisation, *modality, *anatomy, *licence, *data, *training, *program,
        *classes; /* owned */
} sc_weights_record;

void sc_weights_record_free(sc_weights_record *record);

typedef struct {
    sc_network *network;
    float *theta; /* sc_network_parameter_count floats */
    sc_weights_record record;
    char hash[65]; /* SHA-256 of the file */
} sc_weights;

/* Strict: every expected tensor with the right shape and finite values, none left over, and no
 * sde that contradicts the network's. On failure *weights is empty and the message names file,
 * tensor or field, expected and found. */
sc_status sc_weights_read(sc_weights *weights, const char *path);
void sc_weights_free(sc_weights *weights); /* empties it; empty is fine */

/* Write atomically. Weights that are not finite are refused (SC_ERR_NUMERIC). */
sc_status sc_weights_write(const char *path, const sc_network *network, const float *theta,
                           const sc_weights_record *record);

/* sde as JSON text and back. */
sc_status sc_sde_print(char **json, const sc_sde *sde);
sc_status sc_sde_parse(sc_sde *sde, const char *json);

#endif
