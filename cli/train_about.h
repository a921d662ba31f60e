/* What a new prior says of itself: its modality, anatomy, licence and data. */
#ifndef SC_CLI_TRAIN_ABOUT_H
#define SC_CLI_TRAIN_ABOUT_H

#include "prior/training.h"

typedef struct {
    sc_training_about about; /* without command and program; borrows the texts */
    char *text[5];
    bool told; /* by a file of its own */
} sc_train_about;

/* From the JSON file `path`; where it is NULL, what the prior `init` says of itself, because a
 * fine-tuned prior holds what its first training data left in it, licence included. Either may be
 * NULL; without both all is empty. SC_ERR_FORMAT: a key is missing or no text. */
sc_status sc_train_about_read(sc_train_about *about, const char *path, const char *init);
/* For a run that goes on from a checkpoint, which says `kept`: that, but for what a file of its own
 * told; the prior that the run began from is the checkpoint's. A failure leaves it to be freed. */
sc_status sc_train_about_resume(sc_train_about *about, const sc_training_about *kept);
void sc_train_about_free(sc_train_about *about); /* empties it; empty is fine */

#endif
