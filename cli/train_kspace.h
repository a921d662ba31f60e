/* Training images are cut to the block of k-space that their scanner filled: zero-filled ones would
 * teach a prior that fine detail does not exist.
 */
#ifndef SC_CLI_TRAIN_KSPACE_H
#define SC_CLI_TRAIN_KSPACE_H

#include "base/array.h"
#include "base/device.h"

/* CSV with the columns subject, contrast, kspace_rows, kspace_cols. */
typedef struct {
    char *text; /* the file, fields ended by 0; NULL: no table */
    struct {
        const char *subject, *contrast;
        double rows, cols;
    } *line;
    int count;
} sc_occupancy;

sc_status sc_occupancy_read(sc_occupancy *table, const char *path);
void sc_occupancy_free(sc_occupancy *table); /* empties it; empty is fine */

/* Shares of rows and columns, 1 without a table. SC_ERR_INPUT if the table lacks the subject. */
sc_status sc_occupancy_find(double share[2], const sc_occupancy *table, const char *subject,
                            const char *contrast);

/* out: page (y, x) with its k-space cropped to `to`, both axes about index n/2; of real pages the
 * magnitude, up to a factor; or their own values where those mean something (`values`: CT, whose
 * air may be negative). On failure it is empty. */
sc_status sc_crop_kspace(sc_array *out, const sc_array *page, const int64_t to[2], bool values,
                         const sc_device *device);

#endif
