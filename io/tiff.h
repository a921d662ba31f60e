/* Multi-page grey TIFF (TIFF 6.0, through libtiff): the stacks of training images. 8 and 16 bit
 * unsigned and 32-bit float pixels, one sample a pixel, strips of any compression libtiff knows.
 * Values are as stored, not scaled; "white is zero" integers are turned over.
 */
#ifndef SC_IO_TIFF_H
#define SC_IO_TIFF_H

#include "base/array.h"

#ifdef __cplusplus
extern "C" {
#endif

/* pages: f32 (page, y, x). All pages must have one size and type. SC_ERR_FORMAT names file, page
 * and fact; *pages is empty on failure. */
sc_status sc_tiff_read(sc_array *pages, const char *path);
/* The same from memory; `name` is for messages. */
sc_status sc_tiff_parse(sc_array *pages, const void *data, size_t bytes, const char *name);

/* f32 (page, y, x) or (y, x) as 32-bit float, deflated, written atomically. */
sc_status sc_tiff_write(const char *path, const sc_array *pages);

#ifdef __cplusplus
}
#endif
#endif
