/* Training images from a folder of TIFF stacks, held in memory as float32.
 *
 * Images that a scanner zero-filled teach a prior that fine detail does not exist. With a table of
 * the occupied share of k-space, each page is cropped in k-space to that block, which changes its
 * size (256 x 256 becomes 256 x 198) and stretches its pixels; where the two axes' shares differ, a
 * second version cropped to the smaller share on both axes has square pixels. Pages with more rows
 * than `matrix` are first cut to as many.
 */
#ifndef SC_CLI_TRAIN_DATA_H
#define SC_CLI_TRAIN_DATA_H

#include "base/device.h"
#include "prior/augment.h"

typedef struct {
    sc_array *image; /* f32 (y, x) */
    char **name;     /* "T1/TCGA_CS_4941.tif:3" */
    double *weight;
    int count, capacity;
    sc_image_source source; /* of the above */
} sc_train_data;

/* All *.tif and *.tiff below `folder`, in order of name. `occupied`: CSV with the columns subject,
 * contrast, kspace_rows, kspace_cols, one line per file contrast/subject.tif; NULL: pages as they
 * are. Sub-folders (contrasts) are drawn with frequency ~ square root of their number of pages. */
sc_status sc_train_data_load(sc_train_data *data, const char *folder, const char *occupied,
                             int matrix, const sc_device *device);
void sc_train_data_free(sc_train_data *data);

#endif
