/* What a training tells: lines on stderr, JSON lines in a file, and a picture of its losses,
 * validation and samples.
 */
#ifndef SC_CLI_TRAIN_REPORT_H
#define SC_CLI_TRAIN_REPORT_H

#include "prior/training.h"

/* Series of numbers against images seen; rows grow together. */
typedef struct {
    double *value; /* (capacity, columns) */
    int count, capacity, columns;
} sc_train_series;

typedef struct {
    bool quiet;
    const char *history, *figure; /* paths, NULL: none */
    sc_training *training;        /* borrowed: draws the samples */
    sc_train_series loss;         /* images, loss */
    sc_train_series validation;   /* images, loss, RMS error / sigma of each level */
} sc_train_reporter;

/* A resumed run goes on where the history ends at `images`: earlier lines are taken into the
 * picture, later ones, which were lost, are not. Lines that are not whole are passed over. */
sc_status sc_train_reporter_resume(sc_train_reporter *reporter, int64_t images);
void sc_train_reporter_free(sc_train_reporter *reporter);

/* For sc_training_plan; self is the reporter. What cannot be written is a warning. */
void sc_train_report(void *self, const sc_training_state *state, double loss, double images_per_s,
                     double seconds_left, const sc_validation *validation);

/* A validation on stdout, as a table or as JSON. */
void sc_train_print_evaluation(const sc_validation *validation, bool json);

#endif
