/* Import of published priors: training checkpoints of score_sde (Song et al. 2021) and score-MRI as
 * torch.save writes them, zip or legacy, or a state dict alone, also as safetensors.
 *
 * The pickle inside is read as data: a whitelist of names, none of them executed. Averaged (EMA)
 * weights are a list in the order of the trained parameters; what is not trained (the Fourier
 * frequencies) comes from the model's own state. Strict: every parameter of the network that the
 * configuration describes is there, with its shape, and nothing is left over but `sigmas`, which
 * must agree with the configuration.
 */
#ifndef SC_PRIOR_IMPORT_H
#define SC_PRIOR_IMPORT_H

#include "prior/weights.h"

typedef struct {
    const char *checkpoint, *config; /* paths; config: prior/score_sde_config.h */
    bool raw;                        /* the last weights of the training, not their average */
    const char *modality, *anatomy, *licence, *data, *program; /* for the record; NULL: not stated */
} sc_import_options;

/* Is this file what torch.save writes? By its first bytes. */
bool sc_import_recognise(const char *path);

/* On failure *weights is empty and the message names file, tensor or byte, expected and found.
 * The record's `training` says where the weights come from; the hash is empty until written. */
sc_status sc_import_read(sc_weights *weights, const sc_import_options *options);

#endif
