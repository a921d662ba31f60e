/* Training images of the command line: every TIFF, NIfTI, .npy and DICOM file below a folder,
 * recognised by content, as 2D slices; each cut to the block of k-space that the scanner filled
 * where a table says so.
 *
 * A slice is named contrast/subject:slice. TIFF, NIfTI, .npy: the contrast is the file's folder,
 * the subject its name without extension (of "sub-X_..." its sub-X). DICOM: the contrast is the
 * series description, the subject a hash of PatientID. Contrasts are drawn with frequency ~ square
 * root of their number of slices. CT in Hounsfield units becomes (HU + 1000) / 2000, other images
 * are scaled one by one. Slices without signal are left out: empty ones, and those whose
 * 99.9th percentile is below 1/20 of the largest of their file or series.
 */
#ifndef SC_CLI_TRAIN_DATA_H
#define SC_CLI_TRAIN_DATA_H

#include "base/device.h"
#include "base/progress.h"
#include "cli/train_store.h"
#include "prior/augment.h"

typedef struct {
    int slice; /* in the store */
    char *name;
    size_t contrast_length, subject_length; /* "contrast/subject:slice" */
    int series;
    bool hu; /* CT: (HU + 1000) / 2000, not to be scaled */
    double scale, weight;
} sc_train_image;

typedef struct {
    sc_slice_store *store; /* borrowed */
    sc_train_image *image;
    int count, capacity, series;
    int left_out; /* slices with too little signal beside the others of their series */
    double *weight, *scale; /* scale: of CT, else NULL */
    sc_image_source source; /* of the above */
} sc_train_data;

/* `path`: a folder, or one file. `occupied`: CSV with the columns subject, contrast, kspace_rows,
 * kspace_cols, one line per file contrast/subject; NULL: slices as they are. matrix: largest number
 * of rows. Sources of one store take turns: one thread. progress may be NULL. */
sc_status sc_train_data_load(sc_train_data *data, sc_slice_store *store, const char *path,
                             const char *occupied, int matrix, const sc_device *device,
                             const sc_progress *progress);

/* A share of the subjects, at least one and not all, moves to `val`: those whose names have the
 * smallest hashes, so that the choice depends on nothing else. */
sc_status sc_train_data_split(sc_train_data *data, sc_train_data *val, double share);

int sc_train_data_subjects(const sc_train_data *data);
void sc_train_data_free(sc_train_data *data); /* empties it; empty is fine */

#endif
