/* A scan as a set of independent two-dimensional problems.
 *
 * 2D multi-slice: one plane a slice. 3D: where one axis is fully sampled, an inverse unitary DFT
 * along it makes the rest independent: along kz if every (ky, kx) is sampled alike for all kz
 * (planes (ky, kx), one a z), else along the readout kx (planes (kz, ky), one an x). A readout
 * that is sampled in part (asymmetric echo) is zero-filled. The unitary DFT leaves the noise
 * white, so the covariance of a sample holds for the planes too.
 *
 * Samples come multiplied by the root of the number of averages: the noise of all of them is that
 * of a sample measured once, and the operator has the same weight.
 */
#ifndef SC_RECON_PLANE_H
#define SC_RECON_PLANE_H

#include "base/scan.h"

typedef enum { SC_PLANES_SLICES, SC_PLANES_Z, SC_PLANES_X } sc_planes_kind;

typedef struct {
    sc_planes_kind kind;
    int64_t count;      /* planes of one frame */
    int64_t ny, nx;     /* of one plane */
    bool zero_filled;   /* the axis of the DFT was sampled in part */
    int64_t out_slices; /* of the wanted image volume of one frame, [slice, y, x] */
} sc_planes;

/* SC_ERR_UNSUPPORTED: a 3D scan undersampled along all three axes. Looks at the mask only. */
sc_status sc_planes_of(sc_planes *planes, const sc_scan *scan);

typedef struct {
    int coils;
    int64_t ny, nx;
    sc_c32 *y;                 /* (coil, ny, nx), 0 where not measured */
    float *weight;             /* (ny, nx): root of the number of averages, 0 = not measured */
    sc_c32 *calibration;       /* (coil, ny, nx) calibration-only lines, or NULL */
    float *calibration_weight; /* (ny, nx), or NULL */
} sc_plane;

/* SC_ERR_INPUT: not finite or all zero, with the place in the message. *plane is empty on failure.
 */
sc_status sc_plane_read(sc_plane *plane, const sc_scan *scan, const sc_planes *planes,
                        int64_t frame, int64_t index);
void sc_plane_free(sc_plane *plane);

#endif
