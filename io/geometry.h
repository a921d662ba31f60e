/* Where an image lies in the patient, as a small JSON file: for scans that do not say it
 * (recon --geometry FILE), and beside results for whoever needs it.
 *
 *     {
 *       "image_position_mm": [-120, -120, 35],  centre of voxel (0,0) of the first slice, LPS
 *       "row_direction":     [1, 0, 0],         unit vector of increasing column index
 *       "column_direction":  [0, 1, 0],         unit vector of increasing row index
 *       "pixel_spacing_mm":  [1.2, 1.0],        between rows, between columns (as in DICOM)
 *       "slice_spacing_mm":  4.0,               along row x column; negative: against it
 *       "slice_thickness_mm": 3.0               optional
 *     }
 *
 * "centre_mm" may stand for image_position_mm: the centre of voxel (slices/2, ny/2, nx/2), integer
 * division, which is the point that scanners give. "slice_positions_mm", one [x, y, z] for voxel
 * (0,0) of each slice, stands for position and slice spacing where slices have gaps or are sheared.
 */
#ifndef SC_IO_GEOMETRY_H
#define SC_IO_GEOMETRY_H

#include "base/volume.h"

#ifdef __cplusplus
extern "C" {
#endif

/* For an image of (slices, ny, nx). slice_spacing_mm may be missing for one slice.
 * SC_ERR_FORMAT names line or key: not JSON, unknown, missing, doubled or ill-typed keys;
 * SC_ERR_INPUT: directions not orthonormal to 1e-3, sizes not positive, another number of slices.
 * On failure *geometry is empty. */
sc_status sc_geometry_file_read(sc_geometry *geometry, const char *path, int64_t slices, int64_t ny,
                                int64_t nx);

/* Known geometry, written so that reading gives it back to 1e-12 mm. SC_ERR_INPUT if unknown. */
sc_status sc_geometry_file_write(const char *path, const sc_geometry *geometry);

#ifdef __cplusplus
}
#endif
#endif
