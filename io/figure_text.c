/* Text and colours of figures. */
#include "io/figure.h"
#include "io/figure_internal.h"

#include <math.h>
#include <stdio.h>

void sc_figure_text(cairo_t *cr, double x, double y, double size, double align, double room,
                    const char *text)
{
    cairo_text_extents_t extents;
    cairo_select_font_face(cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(cr, size);
    cairo_text_extents(cr, text, &extents);
    if (room > 0 && extents.x_advance > room) {
        cairo_set_font_size(cr, size * room / extents.x_advance);
        cairo_text_extents(cr, text, &extents);
    }
    cairo_move_to(cr, x - align * extents.x_advance, y);
    cairo_show_text(cr, text);
}

void sc_figure_number(char text[32], double value)
{
    bool plain = fabs(value) >= 1e4 && fabs(value) < 1e7;
    snprintf(text, 32, plain ? "%.0f" : "%.4g", value == 0 ? 0 : value); /* no "-0" */
}

static const double gray[][3] = {{0, 0, 0}, {255, 255, 255}};
static const double heat[][3] = {
    {0, 0, 0}, {70, 10, 100}, {185, 45, 75}, {245, 140, 20}, {255, 250, 170}};
static const double diverging[][3] = {
    {30, 50, 140}, {110, 150, 220}, {245, 245, 245}, {225, 120, 100}, {140, 20, 35}};

static const struct {
    const double (*stop)[3]; /* evenly spaced, linear between */
    int count;
} maps[] = {
    [SC_COLOR_GRAY] = {gray, 2},
    [SC_COLOR_HEAT] = {heat, 5},
    [SC_COLOR_DIVERGING] = {diverging, 5},
};

void sc_color(unsigned char rgb[3], sc_color_map map, double value)
{
    int last = maps[map].count - 1;
    double at = fmin(fmax(value, 0), 1) * last; /* fmax drops NaN */
    int stop = at >= last ? last - 1 : (int)at;
    double part = at - stop;
    for (int i = 0; i < 3; i++)
        rgb[i] = (unsigned char)nearbyint((1 - part) * maps[map].stop[stop][i] +
                                          part * maps[map].stop[stop + 1][i]);
}
