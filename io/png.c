/* PNG by cairo, into memory and from there through the one door for files. */
#include "io/png.h"
#include "base/file.h"
#include "base/memory.h"
#include "io/png_internal.h"

#include <math.h>
#include <string.h>

sc_status sc_cairo_check(cairo_status_t code)
{
    if (code == CAIRO_STATUS_SUCCESS)
        return SC_OK;
    return sc_fail(code == CAIRO_STATUS_NO_MEMORY ? SC_ERR_MEMORY : SC_ERR_INTERNAL,
                   "drawing a picture: %s", cairo_status_to_string(code));
}

typedef struct {
    unsigned char *data;
    size_t used, room;
    sc_status status;
} growing;

static cairo_status_t append(void *closure, const unsigned char *data, unsigned length)
{
    growing *g = closure;
    if (g->used + length > g->room) {
        unsigned char *larger;
        size_t room = 2 * (g->used + length) + 4096;
        g->status = SC_ALLOC(&larger, room, "PNG file");
        if (g->status != SC_OK)
            return CAIRO_STATUS_NO_MEMORY;
        if (g->used)
            memcpy(larger, g->data, g->used);
        sc_free(g->data);
        g->data = larger;
        g->room = room;
    }
    memcpy(g->data + g->used, data, length);
    g->used += length;
    return CAIRO_STATUS_SUCCESS;
}

sc_status sc_png_write_surface(const char *path, cairo_surface_t *surface)
{
    sc_status status;
    growing file = {0};
    SC_TRY(sc_cairo_check(cairo_surface_status(surface)));
    cairo_status_t code = cairo_surface_write_to_png_stream(surface, append, &file);
    SC_TRY(file.status);
    SC_TRY(sc_cairo_check(code));
    SC_TRY(sc_file_write(path, file.data, file.used));
cleanup:
    sc_free(file.data);
    return status;
}

sc_status sc_png_write_gray(const char *path, const float *image, int64_t ny, int64_t nx,
                            double low, double high)
{
    sc_status status;
    if (nx < 1 || ny < 1 || nx > 32767 || ny > 32767) /* cairo's limit */
        return sc_fail(SC_ERR_UNSUPPORTED, "PNG of %lld x %lld pixels, at most 32767 x 32767",
                       (long long)nx, (long long)ny);
    /* An alpha-only surface is a grey PNG of 8 bits. */
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_A8, (int)nx, (int)ny);
    SC_TRY(sc_cairo_check(cairo_surface_status(surface)));
    cairo_surface_flush(surface);
    unsigned char *row = cairo_image_surface_get_data(surface);
    double scale = high > low ? 255 / (high - low) : 0;
    for (int64_t j = 0; j < ny; j++, row += cairo_image_surface_get_stride(surface))
        for (int64_t i = 0; i < nx; i++) {
            double grey = ((double)image[j * nx + i] - low) * scale;
            row[i] = (unsigned char)nearbyint(fmin(fmax(grey, 0), 255)); /* fmax drops NaN */
        }
    cairo_surface_mark_dirty(surface);
    SC_TRY(sc_png_write_surface(path, surface));
cleanup:
    cairo_surface_destroy(surface);
    return status;
}

/* Bisection on the value: no copy of the image, no sorting. */
double sc_png_white(const float *image, int64_t n)
{
    double low = 0, high = 0;
    int64_t finite = 0;
    for (int64_t i = 0; i < n; i++)
        if (isfinite(image[i])) {
            finite++;
            high = fmax(high, (double)image[i]);
        }
    for (int step = 0; step < 30 && high > low; step++) {
        double middle = 0.5 * (low + high);
        int64_t below = 0;
        for (int64_t i = 0; i < n; i++)
            below += (double)image[i] <= middle; /* false for NaN */
        if ((double)below < 0.999 * (double)finite)
            low = middle;
        else
            high = middle;
    }
    return high > 0 ? high : 1;
}
