/* Sampling masks, deterministic in their key.
 *
 *   full            everything
 *   lines:R:C       every R-th line of the first axis through the centre, and C centre lines
 *   random:R:C      n / R lines in all: C centre lines, the others without replacement with density
 *                   exp(-d^2 / (2 (0.2 n)^2)) + 0.05, d lines from the centre
 *   poisson:R:C     n m / R points in all, on the ellipse: C x C in the centre, around it a
 *                   Poisson disc whose smallest distance grows with the radius
 */
#ifndef SC_RECON_SAMPLING_H
#define SC_RECON_SAMPLING_H

#include "base/array.h"
#include "base/random.h"

/* mask (ny, nx): 1 sampled, 0 not; the centre is n/2. SC_ERR_USAGE names what is wrong with spec.
 */
sc_status sc_sampling_mask(float *mask, int64_t ny, int64_t nx, const char *spec, sc_key key);

#endif
