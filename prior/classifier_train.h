/* Training of a noise-conditional classifier (Song et al. 2021, appendix I): cross-entropy
 *     L = -E log p(c | x0 + sigma z, sigma),   ln sigma uniform,
 * on the examples that a prior is trained on (augment.h). An image's class is the text before the
 * first '/' of its name; classes are drawn alike, and images of a class too. Adam, warm-up, cosine
 * decay, averaged weights, as for priors (training.h), from the same options.
 */
#ifndef SC_PRIOR_CLASSIFIER_TRAIN_H
#define SC_PRIOR_CLASSIFIER_TRAIN_H

#include "prior/training.h"

/* Above it hardly anything tells the classes apart; sigma-max may say less. */
#define SC_CLASSIFIER_NOISE_MIN 0.01
#define SC_CLASSIFIER_NOISE_MAX 10

typedef struct {
    const sc_image_source *train, *val; /* val may be NULL */
    const sc_network_config *config;    /* without classes */
    const sc_options *options;          /* of sc_training_options */
    const sc_training_about *about;
    double hours; /* of the run; 0: no limit */
    int threads;
    const sc_progress *progress;
    void *self;
    void (*report)(void *self, int64_t images, double loss); /* every 50 updates; may be NULL */
} sc_classifier_job;

typedef struct {
    int images, classes;
    int64_t seen;                           /* training examples */
    double accuracy[SC_VALIDATION_LEVELS];  /* at sc_validation_sigma, classes weighted alike */
    double log_loss[SC_VALIDATION_LEVELS];  /* nats; ln(classes) is what a guess has */
} sc_classifier_result;

/* Small: 0.2 M parameters. */
sc_network_config sc_classifier_config_default(void);

/* Trains, validates and writes the weights atomically to `path`. result->images is 0 without
 * images to validate on. SC_ERR_INPUT: fewer than 2 or more than 64 classes, or one of the
 * validation that was not trained. */
sc_status sc_classifier_train(sc_classifier_result *result, const char *path,
                              const sc_classifier_job *job);

#endif
