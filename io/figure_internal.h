/* What panels and curves draw with: text in one font, numbers as people write them. */
#ifndef SC_IO_FIGURE_INTERNAL_H
#define SC_IO_FIGURE_INTERNAL_H

#include "io/figure.h"
#include <cairo.h>

/* Text with its baseline at y; align 0: starts at x, 0.5: centred, 1: ends there. Shrunk to
 * `room` pixels if that is > 0. */
void sc_figure_text(cairo_t *cr, double x, double y, double size, double align, double room,
                    const char *text);

/* "0.25", "3e-05": four digits, no trailing zeros. */
void sc_figure_number(char text[32], double value);

/* What sc_figure_curves and sc_figure_panel write, as surfaces of their own; NULL on failure. */
sc_status sc_figure_draw_plot(cairo_surface_t **surface, const sc_plot *plot);
sc_status sc_figure_draw_panel(cairo_surface_t **surface, const sc_tile *tile, int rows,
                               int columns, int width, const char *heading, bool bar);

#endif
