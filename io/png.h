/* Grey PNG of an image: for eyes, not for numbers. */
#ifndef SC_IO_PNG_H
#define SC_IO_PNG_H

#include "base/status.h"
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* image (ny, nx), row 0 on top: low and below is black, high and above white; NaN is black.
 * Written atomically; the same image gives the same bytes. */
sc_status sc_png_write_gray(const char *path, const float *image, int64_t ny, int64_t nx,
                            double low, double high);

/* Grey in the way every preview is scaled: 0 to the 99.9th percentile of the finite values of n. */
double sc_png_white(const float *image, int64_t n);

#ifdef __cplusplus
}
#endif
#endif
