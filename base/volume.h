/* An image with its place in the patient: array [slice, y, x] + affine + units.
 *
 * Patient coordinates are LPS in mm (DICOM). `affine` maps (column i, row j, slice k, 1) of voxel
 * centres to LPS: columns are r*dx, p*dy, step between slices, position of voxel (0,0,0).
 */
#ifndef SC_BASE_VOLUME_H
#define SC_BASE_VOLUME_H

#include "base/array.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    bool known;             /* false: nothing below may be used or written */
    double affine[3][4];    /* voxel index (i, j, k) -> LPS mm; slices equidistant */
    double *slice_position; /* (slices, 3) LPS mm of voxel (0,0) of each slice, or NULL: affine */
    int64_t slices;
    double thickness_mm; /* slice thickness; 0: unknown */
} sc_geometry;

typedef struct {
    sc_array data; /* f32 or c32 (slice, y, x) */
    sc_geometry geometry;
    char units[16]; /* "", "HU", "a.u." */
} sc_volume;

void sc_geometry_free(sc_geometry *geometry);
sc_status sc_geometry_copy(sc_geometry *copy, const sc_geometry *geometry);
void sc_volume_free(sc_volume *volume);

/* Geometry of one slice stack from scanner facts (INTEGRATION.md section 2).
 * centre (slices, 3): LPS mm of voxel index (nx/2, ny/2) of each slice (the FFT centre);
 * read, phase: unit vectors of increasing column and row; fov_mm of x and y.
 * SC_ERR_INPUT if the directions are not orthonormal to 1e-3 or a size is not positive. */
sc_status sc_geometry_from_centre(sc_geometry *geometry, const double *centre, int64_t slices,
                                  const double read[3], const double phase[3], double fov_x_mm,
                                  double fov_y_mm, double thickness_mm, int64_t nx, int64_t ny);

#ifdef __cplusplus
}
#endif
#endif
