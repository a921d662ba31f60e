/* Plots and a panel in one picture: how a training goes, at a glance. */
#include "io/figure_internal.h"
#include "io/png_internal.h"

#include <math.h>
#include <stddef.h>

enum { PARTS = 8 };

static sc_status compose(const char *path, cairo_surface_t *const part[PARTS], int parts)
{
    sc_status status;
    int width = 0, height = 0;
    for (int i = 0; i < parts; i++) {
        width = (int)fmax(width, cairo_image_surface_get_width(part[i]));
        height += cairo_image_surface_get_height(part[i]);
    }
    cairo_surface_t *page = cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height);
    cairo_t *cr = cairo_create(page);
    cairo_set_source_rgb(cr, 1, 1, 1);
    cairo_paint(cr);
    for (int i = 0, top = 0; i < parts; i++) {
        cairo_set_source_surface(cr, part[i], 0, top);
        cairo_paint(cr);
        top += cairo_image_surface_get_height(part[i]);
    }
    SC_TRY(sc_cairo_check(cairo_status(cr)));
    SC_TRY(sc_png_write_surface(path, page));
cleanup:
    cairo_destroy(cr);
    cairo_surface_destroy(page);
    return status;
}

sc_status sc_figure_report(const char *path, const sc_plot *plot, int plots, const sc_tile *tile,
                           int rows, int columns, int width)
{
    sc_status status = SC_OK;
    cairo_surface_t *part[PARTS];
    int parts = 0;
    if (plots >= PARTS)
        return sc_fail(SC_ERR_USAGE, "figure: %d plots, at most %d", plots, PARTS - 1);
    for (int i = 0; i < plots; i++) {
        status = sc_figure_draw_plot(&part[parts], &plot[i]);
        if (status != SC_OK && status != SC_ERR_INPUT)
            SC_TRY(status);
        parts += status == SC_OK;
    }
    status = SC_OK;
    if (rows > 0) {
        SC_TRY(sc_figure_draw_panel(&part[parts], tile, rows, columns, width, NULL, false));
        parts++;
    }
    if (!parts)
        SC_TRY(sc_fail(SC_ERR_INPUT, "figure: nothing to draw"));
    SC_TRY(compose(path, part, parts));
cleanup:
    for (int i = 0; i < parts; i++)
        cairo_surface_destroy(part[i]);
    return status;
}
