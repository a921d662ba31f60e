/* NIfTI-1 and -2 (.nii, .nii.gz): read and write a volume with its place in the patient.
 *
 * NIfTI's world is RAS, ours LPS: the first two rows of the affine change sign. The sform counts
 * if it has a code, else the qform; a file with neither has no known geometry.
 */
#ifndef SC_IO_NIFTI_H
#define SC_IO_NIFTI_H

#include "base/volume.h"

#ifdef __cplusplus
extern "C" {
#endif

/* *volume: f32, or c32 from complex files, (slice, y, x) = NIfTI's (k, j, i), scaled by scl_slope.
 * One volume: a 4th and higher dimension must be 1. The header is checked against the length of
 * the file before anything is allocated. SC_ERR_FORMAT: not NIfTI, cut, or contradictory;
 * SC_ERR_UNSUPPORTED: several volumes, colour, a .hdr/.img pair. On failure *volume is empty. */
sc_status sc_nifti_read(sc_volume *volume, const char *path);

/* f32 or c32 (slice, y, x); gzip if path ends in .gz. qform and sform from the geometry, code 1
 * (scanner); a sheared stack has an sform only; codes are 0 where the geometry is unknown. */
sc_status sc_nifti_write(const char *path, const sc_volume *volume);

/* Are these the first bytes of a .nii file, or of a gzip file? (348 bytes are enough) */
bool sc_nifti_probe(const void *head, size_t bytes);

#ifdef __cplusplus
}
#endif
#endif
