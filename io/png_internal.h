/* A cairo surface becomes a PNG file, whole or not at all. */
#ifndef SC_IO_PNG_INTERNAL_H
#define SC_IO_PNG_INTERNAL_H

#include "base/status.h"
#include <cairo.h>

/* Encoded in memory, then written atomically. Also reports an error that the surface is in. */
sc_status sc_png_write_surface(const char *path, cairo_surface_t *surface);

/* SC_ERR_MEMORY if a cairo object could not be made. */
sc_status sc_cairo_check(cairo_status_t code);

#endif
