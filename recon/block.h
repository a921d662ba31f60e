/* The calibration block of a plane: the fully sampled centre of k-space, found by growing.
 *
 * It may come from the measured lines, from separate calibration lines, or from both together.
 * One contrast alone is preferred: the union is taken only where it makes the block a quarter
 * larger than the better of the two alone.
 */
#ifndef SC_RECON_BLOCK_H
#define SC_RECON_BLOCK_H

#include "recon/plane.h"

typedef struct {
    int64_t y0, x0, ny, nx; /* ny = 0: none */
} sc_block;

/* Largest block by growing from the centre n/2 in both directions, at most `limit` a side. */
sc_block sc_block_grow(const float *weight /*(ny,nx)*/, int64_t ny, int64_t nx, int64_t limit);

/* *data (coil, block->ny, block->nx), owned by the caller. NULL and block->ny 0 where the centre
 * is not sampled. Values are means over averages (not weighted). */
sc_status sc_block_read(sc_c32 **data, sc_block *block, const sc_plane *plane, int64_t limit);

#endif
