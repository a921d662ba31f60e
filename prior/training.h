/* Denoising score matching (Vincent 2011; Song et al. 2021, eq. 7), by default with the denoiser as
 * primitive:
 *     L = E lambda(sigma) mean |D(x0 + sigma z, sigma) - x0|^2,
 *     lambda = 1 / sigma^2                    (std^2 weighting of the score)
 *     lambda = 1 / sigma^2 + 1 / sigma_data^2 (EDM networks; Karras et al. 2022, table 1)
 * where ln sigma is normal, or for a share of the examples uniform over the whole range, so that no
 * level of a sampler is left untrained; or one of the published losses (training_loss.h), where
 * t or the label is uniform.
 * Adam, linear warm-up and cosine decay at the end, clipping of the global gradient norm, EMA with
 * d = min(decay, (1 + n) / (10 + n)) (REFERENCE 1.3).
 *
 * All draws are functions of (seed, step, item): a run that was stopped and resumed from its
 * checkpoint gives the same bytes as one that was not.
 */
#ifndef SC_PRIOR_TRAINING_H
#define SC_PRIOR_TRAINING_H

#include "base/option.h"
#include "base/progress.h"
#include "prior/augment.h"
#include "prior/network/network.h"
#include "prior/training_loss.h"
#include "prior/weights.h"

extern const sc_option sc_training_options[];

#define SC_VALIDATION_LEVELS 5
extern const double sc_validation_sigma[SC_VALIDATION_LEVELS];

/* How the EMA weights denoise the validation images (centre crops, fixed noise). */
typedef struct {
    int images;
    double rmse[SC_VALIDATION_LEVELS]; /* RMS error per real component / sigma; 1 = no gain */
    double loss;                       /* training loss, mean over the levels */
} sc_validation;

typedef struct {
    int64_t step, images;
    double loss;          /* of the last step */
    double gradient_norm; /* before clipping */
    double rate;          /* learning rate of the last step */
} sc_training_state;

typedef struct sc_training sc_training;

/* theta by the published initialisation. Sources and device are borrowed and must outlive the
 * training; val may be NULL, and train too where every step is given its draws.
 * SC_ERR_INPUT if an image is empty or not finite, SC_ERR_USAGE for options that do not go
 * together or with the network. */
sc_status sc_training_create(sc_training **training, const sc_network_config *config,
                             const sc_options *options, const sc_image_source *train,
                             const sc_image_source *val, const sc_device *device);
void sc_training_free(sc_training *training); /* NULL is fine */

/* Start from the weights of a file, which must be of the same network. */
sc_status sc_training_start_from(sc_training *training, const char *path);

/* One update of batch images. SC_ERR_NUMERIC, with nothing changed, when loss or gradient is not
 * finite. */
sc_status sc_training_step(sc_training *training);
/* The same update with draws from outside: option batch images of crop x crop. */
sc_status sc_training_step_given(sc_training *training, const sc_loss_batch *batch);
sc_status sc_training_validate(sc_training *training, sc_validation *validation);

/* x (size, size, channels): an image drawn from the averaged weights, size that of the option crop
 * (prior/sample.h). */
sc_status sc_training_sample(sc_training *training, float *x, int steps, sc_key key);
int sc_training_sample_size(const sc_training *training, int *channels);

/* Weights as they are (sc_network_parameters has their layout), not averaged and averaged. */
const float *sc_training_theta(const sc_training *training);
const float *sc_training_ema(const sc_training *training);
/* theta and its average become these; moments and counts stay. */
void sc_training_set_theta(sc_training *training, const float *theta);
/* The loss that the options say, for the published ones with the SDE of the network's
 * configuration. */
sc_loss sc_training_loss_of(const sc_options *options, const sc_network_config *config);
const sc_training_state *sc_training_current(const sc_training *training);

/* Everything that the next step depends on, written atomically. Loading demands the same network,
 * seed and data, and logs a warning for other options that differ. On a failed load the training is
 * as it was, or must be freed (SC_ERR_FORMAT). */
sc_status sc_training_save(const sc_training *training, const char *path);
sc_status sc_training_load(sc_training *training, const char *path);

/* What goes into the record of the weights, beside what the training knows itself. */
typedef struct {
    const char *modality, *anatomy, *licence, *data;
    const char *init; /* SHA-256 of the prior that it started from; NULL: none */
    const char *command, *program; /* "scorecon 0.1.0" */
} sc_training_about;

/* Copies what about says, less command and program, into the training: its checkpoints keep it. */
sc_status sc_training_describe(sc_training *training, const sc_training_about *about);
/* What was said by describe or by the loaded checkpoint; all NULL if nothing. Borrowed. */
const sc_training_about *sc_training_described(const sc_training *training);

/* The EMA weights as a prior (prior/weights.h), written atomically. validation may be NULL. */
sc_status sc_training_export(const sc_training *training, const char *path,
                             const sc_training_about *about, const sc_validation *validation);

/* The loop: steps until `images` are seen or `hours` have passed. */
typedef struct {
    const char *checkpoint, *weights; /* paths; NULL: none */
    const sc_training_about *about;
    double checkpoint_minutes, hours; /* hours 0: no limit */
    const sc_progress *progress;
    void *self;
    /* Called after every `report_steps` steps, and with a validation after each checkpoint
     * (otherwise NULL); `loss` is the mean since the last call. */
    void (*report)(void *self, const sc_training_state *state, double loss, double images_per_s,
                   double seconds_left, const sc_validation *validation);
    int report_steps;
} sc_training_plan;

/* A checkpoint and the weights are written every checkpoint_minutes, at the end and on
 * cancellation (SC_ERR_CANCELLED). On SC_ERR_NUMERIC the last good files stay. */
sc_status sc_training_run(sc_training *training, const sc_training_plan *plan);

#endif
