/* Figures: panels of images beside each other with captions, and curves. PNG, drawn with cairo;
 * the same input gives the same bytes (on one installation: fonts differ).
 */
#ifndef SC_IO_FIGURE_H
#define SC_IO_FIGURE_H

#include "base/status.h"
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    SC_COLOR_GRAY,
    SC_COLOR_HEAT,     /* black, violet, red, yellow, white with rising lightness: errors, std */
    SC_COLOR_DIVERGING /* blue below the middle, white at it, red above: signed differences */
} sc_color_map;

/* r, g, b of 0..255 for value 0..1 (clamped; NaN gives 0). */
void sc_color(unsigned char rgb[3], sc_color_map map, double value);

typedef struct {
    const float *image; /* (ny, nx), row 0 on top; NULL: an empty place */
    int64_t ny, nx;
    double low, high; /* ends of the colour map */
    sc_color_map map;
    const char *title;   /* above; NULL: none. UTF-8 */
    const char *caption; /* below; NULL: none */
} sc_tile;

/* tile (rows, columns). All tiles are drawn in boxes of one size, `width` pixels wide (0: 240),
 * with the aspect of the first image; smaller images are enlarged without smoothing, larger ones
 * averaged. `bar`: a scale with its ends beside each row that is not grey.
 * SC_ERR_USAGE if there is no image or the figure would exceed 16384 pixels. */
sc_status sc_figure_panel(const char *path, const sc_tile *tile, int rows, int columns, int width,
                          const char *heading, bool bar);

typedef struct {
    const double *x, *y; /* (n); points that are not finite break the line */
    int64_t n;
    const char *name;
} sc_curve;

/* Lines over common axes with a legend; log_y leaves out values <= 0. At most 8 curves.
 * SC_ERR_INPUT if no point can be drawn. */
sc_status sc_figure_curves(const char *path, const sc_curve *curve, int curves, const char *title,
                           const char *x_label, const char *y_label, bool log_x, bool log_y);

/* What sc_figure_curves draws, as one thing. */
typedef struct {
    const sc_curve *curve;
    int curves;
    const char *title, *x_label, *y_label; /* NULL: none */
    bool log_x, log_y;
} sc_plot;

/* Plots under each other, and below them the panel of sc_figure_panel (rows 0: none), as one
 * picture. A plot without a point to draw is left out. SC_ERR_INPUT if nothing is left. */
sc_status sc_figure_report(const char *path, const sc_plot *plot, int plots, const sc_tile *tile,
                           int rows, int columns, int width);

#ifdef __cplusplus
}
#endif
#endif
