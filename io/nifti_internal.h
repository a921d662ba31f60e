/* The fields of a NIfTI header that matter here, whichever version and byte order. */
#ifndef SC_IO_NIFTI_INTERNAL_H
#define SC_IO_NIFTI_INTERNAL_H

#include "base/volume.h"

typedef struct {
    bool swapped; /* bytes of the file in the other order */
    int64_t nx, ny, nz;
    int datatype;
    int64_t offset; /* of the data in the uncompressed file */
    double slope, intercept; /* 1, 0 if unscaled */
    bool placed;             /* affine is given */
    double affine[3][4];     /* (i, j, k, 1) -> RAS mm */
} sc_nifti_header;

#define SC_NIFTI_HEADER_BYTES 540 /* of the longer version; version 1 has 348 */

/* From the first 540 (348 suffice for version 1) bytes of a file. Messages do not name the file. */
sc_status sc_nifti_header_parse(sc_nifti_header *header, const void *data, size_t bytes);

#endif
