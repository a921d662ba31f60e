/* Between the list of training images and its readers. */
#ifndef SC_CLI_TRAIN_DATA_INTERNAL_H
#define SC_CLI_TRAIN_DATA_INTERNAL_H

#include "cli/train_data.h"

typedef struct {
    const char *contrast, *subject;
    int series;    /* file or DICOM series, from 0 to data->series - 1 */
    int64_t slice; /* within its file, from 0 */
    bool hu;       /* values are (HU + 1000) / 2000 */
} sc_train_name;

/* A copy of a slice, f32 or c32 (y, x); nothing is added if it is empty. SC_ERR_INPUT if it holds
 * values that are not finite. */
sc_status sc_train_data_add(sc_train_data *data, const sc_array *slice, const sc_train_name *name,
                            double weight);

/* All files below `path`, in order of name (train_read.c). */
sc_status sc_train_data_read(sc_train_data *data, const char *path, const char *occupied,
                             int matrix, const sc_device *device, const sc_progress *progress);

#endif
