/* The averaged weights of a training as a prior, with the record of how they came about. */
#include "base/memory.h"
#include "prior/training_internal.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *describe_validation(const sc_validation *validation)
{
    json_t *levels = json_object();
    for (int i = 0; i < SC_VALIDATION_LEVELS; i++) {
        char name[32];
        snprintf(name, sizeof name, "%g", sc_validation_sigma[i]);
        json_object_set_new(levels, name, json_real(validation->rmse[i]));
    }
    return json_pack("{s:i, s:f, s:o}", "images", validation->images, "loss", validation->loss,
                     "rmse_per_sigma", levels);
}

/* JSON text, to be freed with free; NULL without memory. */
static char *describe_training(const sc_training *t, const sc_training_about *about,
                               const sc_validation *validation)
{
    json_t *object = json_object(), *options = json_object();
    for (int i = 0; t->options.table[i].name; i++)
        json_object_set_new(options, t->options.table[i].name, json_real(t->options.value[i]));
    json_object_set_new(object, "images", json_integer(t->state.images));
    json_object_set_new(object, "steps", json_integer(t->state.step));
    json_object_set_new(object, "data_fingerprint", json_string(t->train.fingerprint));
    json_object_set_new(object, "data_images",
                        json_integer(t->train.source ? t->train.source->count : 0));
    json_object_set_new(object, "command", json_string(about->command));
    if (about->init)
        json_object_set_new(object, "fine_tuned_from", json_string(about->init));
    json_object_set_new(object, "options", options);
    if (validation && validation->images)
        json_object_set_new(object, "validation", describe_validation(validation));
    char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(object);
    return text;
}

sc_status sc_training_export(const sc_training *t, const char *path,
                             const sc_training_about *about, const sc_validation *validation)
{
    char *training = describe_training(t, about, validation);
    if (!training)
        return sc_fail(SC_ERR_MEMORY, "%s: no memory for the training record", path);
    bool known = t->train.source && t->train.source->scale;
    const char *normalisation = known ? SC_WEIGHTS_NORMALISATION_CT : SC_WEIGHTS_NORMALISATION;
    /* borrowed texts: this record is not freed */
    sc_weights_record record = {.sde = t->loss_kind.sde,
                                .normalisation = (char *)normalisation,
                                .modality = (char *)about->modality,
                                .anatomy = (char *)about->anatomy,
                                .licence = (char *)about->licence,
                                .data = (char *)about->data,
                                .training = training,
                                .program = (char *)about->program};
    sc_status status = sc_weights_write(path, t->network, t->ema, &record);
    free(training);
    return status;
}
