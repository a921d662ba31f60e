/* What panels and curves draw with: text in one font, numbers as people write them. */
#ifndef SC_IO_FIGURE_INTERNAL_H
#define SC_IO_FIGURE_INTERNAL_H

#include <cairo.h>

/* Text with its baseline at y; align 0: starts at x, 0.5: centred, 1: ends there. Shrunk to
 * `room` pixels if that is > 0. */
void sc_figure_text(cairo_t *cr, double x, double y, double size, double align, double room,
                    const char *text);

/* "0.25", "3e-05": four digits, no trailing zeros. */
void sc_figure_number(char text[32], double value);

#endif
