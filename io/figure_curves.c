/* Curves over common axes: loss against step, error against acceleration. */
#include "io/figure.h"
#include "io/figure_internal.h"
#include "io/png_internal.h"

#include <math.h>
#include <stdio.h>

enum { WIDTH = 760, HEIGHT = 480, LEFT = 84, RIGHT = 20, TOP = 40, BOTTOM = 60, CURVES = 8 };

/* Told apart without colour vision too (after Okabe and Ito). */
static const double ink[CURVES][3] = {{0, 0.45, 0.7},    {0.84, 0.37, 0}, {0, 0.62, 0.45},
                                      {0.8, 0.47, 0.65}, {0.34, 0.71, 0.91}, {0.9, 0.62, 0},
                                      {0.3, 0.3, 0.3},   {0.6, 0.5, 0}};

typedef struct {
    bool log;
    double low, high; /* in log10 where log */
    double start, length; /* pixels of low, and from low to high */
} axis;

/* NaN where the value has no place on the axis. */
static double place(const axis *a, double value)
{
    if (a->log)
        value = value > 0 ? log10(value) : NAN;
    return a->start + (value - a->low) / (a->high - a->low) * a->length;
}

static void widen(axis *a, double value)
{
    if (a->log)
        value = value > 0 ? log10(value) : NAN;
    if (!isfinite(value))
        return;
    a->low = fmin(a->low, value);
    a->high = fmax(a->high, value);
}

static sc_status fit(axis *x, axis *y, const sc_curve *curve, int curves)
{
    x->low = y->low = INFINITY;
    x->high = y->high = -INFINITY;
    for (int c = 0; c < curves; c++)
        for (int64_t i = 0; i < curve[c].n; i++)
            if (isfinite(curve[c].x[i]) && isfinite(curve[c].y[i]) &&
                (!x->log || curve[c].x[i] > 0) && (!y->log || curve[c].y[i] > 0)) {
                widen(x, curve[c].x[i]);
                widen(y, curve[c].y[i]);
            }
    if (!(x->low <= x->high))
        return sc_fail(SC_ERR_INPUT, "figure: no point can be drawn");
    axis *both[2] = {x, y};
    for (int k = 0; k < 2; k++) {
        double spare = 0.03 * (both[k]->high - both[k]->low);
        if (!(spare > 0))
            spare = both[k]->low == 0 ? 1 : 0.1 * fabs(both[k]->low);
        both[k]->low -= spare;
        both[k]->high += spare;
    }
    return SC_OK;
}

/* 1, 2 or 5 times a power of ten, for about `wanted` steps. */
static double nice_step(double range, int wanted)
{
    double raw = range / wanted, unit = pow(10, floor(log10(raw))), times = raw / unit;
    return unit * (times < 1.5 ? 1 : times < 3.5 ? 2 : times < 7.5 ? 5 : 10);
}

static void draw_tick(cairo_t *cr, const axis *a, bool vertical, double value, const char *label)
{
    double at = a->start + (value - a->low) / (a->high - a->low) * a->length;
    cairo_set_source_rgb(cr, 0.88, 0.88, 0.88);
    cairo_move_to(cr, vertical ? LEFT : at, vertical ? at : TOP);
    cairo_line_to(cr, vertical ? WIDTH - RIGHT : at, vertical ? at : HEIGHT - BOTTOM);
    cairo_stroke(cr);
    cairo_set_source_rgb(cr, 0.2, 0.2, 0.2);
    if (vertical)
        sc_figure_text(cr, LEFT - 8, at + 4, 12, 1, LEFT - 30, label);
    else
        sc_figure_text(cr, at, HEIGHT - BOTTOM + 18, 12, 0.5, 0, label);
}

static void draw_ticks(cairo_t *cr, const axis *a, bool vertical)
{
    double step = nice_step(a->high - a->low, 6);
    if (a->log && step < 1 && a->high - a->low > 1)
        step = 1;
    for (double i = ceil(a->low / step); i * step <= a->high; i++) {
        char label[32];
        sc_figure_number(label, a->log ? pow(10, i * step) : i * step);
        draw_tick(cr, a, vertical, i * step, label);
    }
}

/* A dot for a point without neighbours. */
static void draw_dot(cairo_t *cr, double x, double y)
{
    cairo_new_sub_path(cr);
    cairo_arc(cr, x, y, 3, 0, 2 * M_PI);
    cairo_fill(cr);
}

static void draw_curve(cairo_t *cr, const axis *x, const axis *y, const sc_curve *curve, int number)
{
    int run = 0; /* points since the last break */
    double px = 0, py = 0;
    cairo_set_source_rgb(cr, ink[number][0], ink[number][1], ink[number][2]);
    cairo_set_line_width(cr, 1.8);
    for (int64_t i = 0; i <= curve->n; i++) {
        double nx = i < curve->n ? place(x, curve->x[i]) : NAN;
        double ny = i < curve->n ? place(y, curve->y[i]) : NAN;
        if (isfinite(nx) && isfinite(ny)) {
            run++ ? cairo_line_to(cr, nx, ny) : cairo_move_to(cr, nx, ny);
            px = nx;
            py = ny;
            continue;
        }
        cairo_stroke(cr);
        if (run == 1)
            draw_dot(cr, px, py);
        run = 0;
    }
    if (!curve->name)
        return;
    double at = TOP + 18 + 18 * number;
    cairo_move_to(cr, WIDTH - RIGHT - 34, at - 4);
    cairo_line_to(cr, WIDTH - RIGHT - 10, at - 4);
    cairo_stroke(cr);
    sc_figure_text(cr, WIDTH - RIGHT - 40, at, 13, 1, 300, curve->name);
}

static void draw_labels(cairo_t *cr, const char *title, const char *x_label, const char *y_label)
{
    cairo_set_source_rgb(cr, 0.1, 0.1, 0.1);
    if (title)
        sc_figure_text(cr, WIDTH / 2.0, 26, 16, 0.5, WIDTH - 40, title);
    if (x_label)
        sc_figure_text(cr, (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 16, 14, 0.5, 0, x_label);
    if (!y_label)
        return;
    cairo_save(cr);
    cairo_translate(cr, 20, (TOP + HEIGHT - BOTTOM) / 2.0);
    cairo_rotate(cr, -M_PI / 2);
    sc_figure_text(cr, 0, 0, 14, 0.5, 0, y_label);
    cairo_restore(cr);
}

sc_status sc_figure_draw_plot(cairo_surface_t **surface, const sc_plot *plot)
{
    sc_status status;
    cairo_t *cr = NULL;
    axis x = {.log = plot->log_x, .start = LEFT, .length = WIDTH - LEFT - RIGHT};
    axis y = {.log = plot->log_y, .start = HEIGHT - BOTTOM, .length = -(HEIGHT - TOP - BOTTOM)};
    *surface = NULL;
    if (plot->curves < 1 || plot->curves > CURVES)
        return sc_fail(SC_ERR_USAGE, "figure: %d curves, expected 1 to %d", plot->curves, CURVES);
    SC_TRY(fit(&x, &y, plot->curve, plot->curves));
    *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, WIDTH, HEIGHT);
    SC_TRY(sc_cairo_check(cairo_surface_status(*surface)));
    cr = cairo_create(*surface);
    cairo_set_source_rgb(cr, 1, 1, 1);
    cairo_paint(cr);
    cairo_set_line_width(cr, 1);
    draw_ticks(cr, &x, false);
    draw_ticks(cr, &y, true);
    cairo_set_source_rgb(cr, 0.2, 0.2, 0.2);
    cairo_rectangle(cr, LEFT, TOP, WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
    cairo_stroke(cr);
    for (int c = 0; c < plot->curves; c++)
        draw_curve(cr, &x, &y, &plot->curve[c], c);
    draw_labels(cr, plot->title, plot->x_label, plot->y_label);
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

sc_status sc_figure_curves(const char *path, const sc_curve *curve, int curves, const char *title,
                           const char *x_label, const char *y_label, bool log_x, bool log_y)
{
    cairo_surface_t *surface;
    const sc_plot plot = {curve, curves, title, x_label, y_label, log_x, log_y};
    sc_status status = sc_figure_draw_plot(&surface, &plot);
    if (status != SC_OK)
        return status;
    status = sc_png_write_surface(path, surface);
    cairo_surface_destroy(surface);
    return status;
}
