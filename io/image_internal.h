/* Arrays without a place become volumes. */
#ifndef SC_IO_IMAGE_INTERNAL_H
#define SC_IO_IMAGE_INTERNAL_H

#include "base/volume.h"

sc_status sc_image_read_npy(sc_volume *volume, const char *path);
sc_status sc_image_read_cfl(sc_volume *volume, const char *path);
sc_status sc_image_read_tiff(sc_volume *volume, const char *path);

/* A folder written by recon: image.npy, .cfl, .nii.gz or dicom/, and the geometry of record.json
 * where it fits and the image has none. */
bool sc_image_is_out(const char *path);
sc_status sc_image_read_out(sc_volume *volume, const char *path);

#endif
