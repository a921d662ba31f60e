/* Images beside each other: what a reader compares by eye, on one scale each row.
 *
 *     heading
 *     title    title    title
 *     [image]  [image]  [image]  bar
 *     caption  caption  caption
 */
#include "base/memory.h"
#include "io/figure.h"
#include "io/figure_internal.h"
#include "io/png_internal.h"

#include <math.h>

enum { MARGIN = 10, TITLE = 22, CAPTION = 20, HEADING = 32, BAR = 70, LIMIT = 16384 };

typedef struct {
    const sc_tile *tile;
    int rows, columns;
    int box_width, box_height;
    bool titles, captions, heading, bar;
} layout;

static int row_height(const layout *l)
{
    return (l->titles ? TITLE : 0) + l->box_height + (l->captions ? CAPTION : 0) + MARGIN;
}

static int figure_width(const layout *l)
{
    return MARGIN + l->columns * (l->box_width + MARGIN) + (l->bar ? BAR : 0);
}

static int figure_height(const layout *l)
{
    return MARGIN + (l->heading ? HEADING : 0) + l->rows * row_height(l);
}

static sc_status lay_out(layout *l, int width, const char *heading, bool bar)
{
    const sc_tile *first = NULL;
    l->heading = heading != NULL;
    for (int i = 0; i < l->rows * l->columns; i++) {
        const sc_tile *tile = &l->tile[i];
        if (!tile->image)
            continue;
        if (tile->nx < 1 || tile->ny < 1)
            return sc_fail(SC_ERR_INTERNAL, "figure: a tile of %lld x %lld pixels",
                           (long long)tile->nx, (long long)tile->ny);
        first = first ? first : tile;
        l->titles = l->titles || tile->title;
        l->captions = l->captions || tile->caption;
        l->bar = l->bar || (bar && tile->map != SC_COLOR_GRAY);
    }
    if (!first)
        return sc_fail(SC_ERR_USAGE, "figure: no image to draw");
    double height = (double)(width > 0 ? width : 240) * (double)first->ny / (double)first->nx;
    if (l->columns > 256 || l->rows > 256 || width > LIMIT || height > LIMIT)
        return sc_fail(SC_ERR_USAGE, "figure: %d x %d tiles of %d pixels are too many", l->columns,
                       l->rows, width);
    l->box_width = width > 0 ? width : 240;
    l->box_height = (int)fmax(1, nearbyint(height));
    if (figure_width(l) > LIMIT || figure_height(l) > LIMIT)
        return sc_fail(SC_ERR_USAGE, "figure of %d x %d pixels, at most %d", figure_width(l),
                       figure_height(l), LIMIT);
    return SC_OK;
}

/* Range of source pixels under output pixel i of n: one when enlarging. */
static void cover(int64_t *from, int64_t *to, int64_t i, int64_t n, int64_t source)
{
    *from = i * source / n;
    *to = ((i + 1) * source + n - 1) / n;
    if (source < n || *to <= *from)
        *to = *from + 1;
}

static double mean_under(const sc_tile *tile, int64_t i, int64_t j, const layout *l)
{
    int64_t x0, x1, y0, y1;
    cover(&x0, &x1, i, l->box_width, tile->nx);
    cover(&y0, &y1, j, l->box_height, tile->ny);
    double sum = 0;
    for (int64_t y = y0; y < y1; y++)
        for (int64_t x = x0; x < x1; x++)
            sum += (double)tile->image[y * tile->nx + x];
    return sum / (double)((x1 - x0) * (y1 - y0));
}

/* The picture's pixels, written into the figure's surface at (left, top). */
static void draw_image(cairo_surface_t *surface, const layout *l, const sc_tile *tile, int left,
                       int top)
{
    cairo_surface_flush(surface);
    int stride = cairo_image_surface_get_stride(surface);
    unsigned char *origin = cairo_image_surface_get_data(surface) + (int64_t)top * stride;
    double scale = tile->high > tile->low ? 1 / (tile->high - tile->low) : 0;
    for (int64_t j = 0; j < l->box_height; j++) {
        uint32_t *pixel = (uint32_t *)(void *)(origin + j * stride) + left;
        for (int64_t i = 0; i < l->box_width; i++) {
            unsigned char rgb[3];
            sc_color(rgb, tile->map, (mean_under(tile, i, j, l) - tile->low) * scale);
            pixel[i] = (uint32_t)rgb[0] << 16 | (uint32_t)rgb[1] << 8 | rgb[2];
        }
    }
    cairo_surface_mark_dirty(surface);
}

/* Scale of the first coloured tile in a row. */
static void draw_bar(cairo_t *cr, const layout *l, int row, int left, int top)
{
    const sc_tile *tile = NULL;
    for (int i = 0; i < l->columns && !tile; i++) {
        const sc_tile *candidate = &l->tile[row * l->columns + i];
        if (candidate->image && candidate->map != SC_COLOR_GRAY)
            tile = candidate;
    }
    if (!tile)
        return;
    for (int j = 0; j < l->box_height; j++) {
        unsigned char rgb[3];
        sc_color(rgb, tile->map, 1 - (j + 0.5) / l->box_height);
        cairo_set_source_rgb(cr, rgb[0] / 255.0, rgb[1] / 255.0, rgb[2] / 255.0);
        cairo_rectangle(cr, left, top + j, 12, 1);
        cairo_fill(cr);
    }
    char text[32];
    cairo_set_source_rgb(cr, 0.9, 0.9, 0.9);
    sc_figure_number(text, tile->high);
    sc_figure_text(cr, left + 16, top + 11, 12, 0, BAR - 20, text);
    sc_figure_number(text, tile->low);
    sc_figure_text(cr, left + 16, top + l->box_height - 2, 12, 0, BAR - 20, text);
}

static void draw_row(cairo_t *cr, cairo_surface_t *surface, const layout *l, int row, int top)
{
    int image_top = top + (l->titles ? TITLE : 0);
    for (int column = 0; column < l->columns; column++) {
        const sc_tile *tile = &l->tile[row * l->columns + column];
        int left = MARGIN + column * (l->box_width + MARGIN);
        double middle = left + l->box_width / 2.0;
        if (!tile->image)
            continue;
        draw_image(surface, l, tile, left, image_top);
        cairo_set_source_rgb(cr, 0.95, 0.95, 0.95);
        if (tile->title)
            sc_figure_text(cr, middle, image_top - 6, 14, 0.5, l->box_width, tile->title);
        if (tile->caption)
            sc_figure_text(cr, middle, image_top + l->box_height + 15, 12, 0.5, l->box_width,
                           tile->caption);
    }
    if (l->bar)
        draw_bar(cr, l, row, MARGIN + l->columns * (l->box_width + MARGIN), image_top);
}

sc_status sc_figure_draw_panel(cairo_surface_t **surface, const sc_tile *tile, int rows,
                               int columns, int width, const char *heading, bool bar)
{
    sc_status status;
    cairo_t *cr = NULL;
    layout l = {.tile = tile, .rows = rows, .columns = columns};
    *surface = NULL;
    SC_TRY(lay_out(&l, width, heading, bar));
    *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, figure_width(&l), figure_height(&l));
    SC_TRY(sc_cairo_check(cairo_surface_status(*surface)));
    cr = cairo_create(*surface);
    cairo_set_source_rgb(cr, 0.07, 0.07, 0.08);
    cairo_paint(cr);
    if (heading) {
        cairo_set_source_rgb(cr, 1, 1, 1);
        sc_figure_text(cr, MARGIN, MARGIN + 18, 17, 0, figure_width(&l) - 2 * MARGIN, heading);
    }
    for (int row = 0; row < rows; row++)
        draw_row(cr, *surface, &l, row, MARGIN + (heading ? HEADING : 0) + row * row_height(&l));
    SC_TRY(sc_cairo_check(cairo_status(cr)));
cleanup:
    if (cr)
        cairo_destroy(cr);
    if (status != SC_OK && *surface) {
        cairo_surface_destroy(*surface);
        *surface = NULL;
    }
    return status;
}

sc_status sc_figure_panel(const char *path, const sc_tile *tile, int rows, int columns, int width,
                          const char *heading, bool bar)
{
    cairo_surface_t *surface;
    sc_status status = sc_figure_draw_panel(&surface, tile, rows, columns, width, heading, bar);
    if (status != SC_OK)
        return status;
    status = sc_png_write_surface(path, surface);
    cairo_surface_destroy(surface);
    return status;
}
