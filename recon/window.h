/* Ratios of sums over a small square window: how maps of few samples become readable without a bias
 * of their own. */
#ifndef SC_RECON_WINDOW_H
#define SC_RECON_WINDOW_H

#include "base/array.h"

enum { SC_WINDOW_RADIUS = 3 }; /* 7 x 7 pixels */

/* ratio f32 (y, x) = sum_W numerator / sum_W denominator, both (ny * nx), over the window's pixels
 * inside the support (NULL: all). NaN outside the support, and where the denominator is not
 * positive. *ratio is empty on entry and on failure. */
sc_status sc_window_ratio(sc_array *ratio, const double *numerator, const double *denominator,
                          const float *support, int64_t ny, int64_t nx);

#endif
