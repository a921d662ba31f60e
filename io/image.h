/* Reading an image, whatever file it is in. Recognised by content, never by name:
 *
 *     OUT        a folder that recon wrote, in any of its formats; placed by its record.json where the
 *                format is not
 *     DICOM      a file, or a folder with one series
 *     NIfTI      .nii, .nii.gz
 *     TIFF       pages are slices
 *     npy        (y, x), (slice, y, x); more axes only if they are 1
 *     cfl        READ, PHS1, PHS2 as for scans (io/README.md); slices from SLICE, or PHS2 of 3D
 */
#ifndef SC_IO_IMAGE_H
#define SC_IO_IMAGE_H

#include "base/volume.h"

#ifdef __cplusplus
extern "C" {
#endif

/* *volume: (slice, y, x); complex files give c32, all others f32, in the file's units. Geometry
 * where the format has one. SC_ERR_FORMAT if no reader knows the file; else the reader's error,
 * with the path in front. On failure *volume is empty. */
sc_status sc_image_read(sc_volume *volume, const char *path);

/* Which reader would try; *format: its name in the list above, or NULL on failure. */
sc_status sc_image_recognise(const char **format, const char *path);

#ifdef __cplusplus
}
#endif
#endif
