/* train --classifier: which folder an image lies in, told from a noisy image. */
#ifndef SC_CLI_TRAIN_CLASSIFIER_H
#define SC_CLI_TRAIN_CLASSIFIER_H

#include "cli/command.h"
#include "prior/classifier_train.h"

/* Trains, prints the accuracy at each noise level, writes `path`. config NULL: the default. */
sc_status sc_train_classifier(const sc_cli *cli, const char *path, const sc_image_source *train,
                              const sc_image_source *val, const sc_network_config *config,
                              const sc_options *options, const sc_training_about *about,
                              double hours);

#endif
