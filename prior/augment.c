/* Geometry: example pixel (i, j) looks at image position M (i, j) + b. Half the examples keep the
 * pixels as they are (M a signed permutation, b whole), so that resampling's blur is not what the
 * prior learns; the others are turned by up to 12 degrees and zoomed out by up to 1.25 or in by up
 * to 1.08, each axis a little differently, with cubic interpolation (Keys 1981, a = -1/2).
 *
 * Phase (radians), as gradient echoes have it:
 *   constant + A u(y, x), u of unit maximum over the image, a random sum of linear and quadratic
 *     terms and four Fourier terms of at most 1.5 periods over the image: coils, shim, timing;
 *   + F sum of 0 to 3 local fields, as beside air-filled sinuses: w^2 / (r^2 + w^2), and the dipole
 *     4 w^2 r^2 cos(2 theta - a) / (r^2 + w^2)^2;
 *   + T cos(f v + s), v the image's value (1: its 99.9th percentile): fat, vessels and fluid have a
 *     phase of their own, with edges as sharp as the anatomy's.
 */
#include "prior/augment.h"
#include "base/memory.h"
#include <math.h>
#include <string.h>

#define MAX_TURN (12 * M_PI / 180)
#define ZOOM_OUT 1.25
#define ZOOM_IN 1.08
#define ANISOTROPY 1.08
#define DARKEST 0.5
#define BRIGHTEST 1.2
#define MAX_PHASE (1.25 * M_PI)
#define PHASE_PERIODS 1.5
#define FOURIER_TERMS 4
#define LOCAL_FIELDS 3
#define FIELD_PHASE 2.5      /* largest F */
#define FIELD_NARROWEST 0.02 /* w, as a share of half the image */
#define FIELD_WIDEST 0.25
#define TISSUE_SHARE 0.7 /* of the examples, that have such a phase */
#define TISSUE_LEAST 0.03
#define TISSUE_MOST 1.0
#define TISSUE_SWING 10.0 /* largest f */

static double draw(sc_key key, int purpose, int e)
{
    return sc_random_uniform1(e, key, SC_DRAW_DATASET + (uint32_t)purpose, 0);
}

static double between(double low, double high, double u) { return low + (high - low) * u; }

/* ---- the percentile ---- */

/* k-th smallest of x (n), which is reordered (Hoare's selection). */
static float select_kth(float *x, int64_t n, int64_t k)
{
    int64_t low = 0, high = n - 1;
    while (low < high) {
        float pivot = x[low + (high - low) / 2];
        int64_t i = low, j = high;
        while (i <= j) {
            while (x[i] < pivot)
                i++;
            while (x[j] > pivot)
                j--;
            if (i <= j) {
                float swap = x[i];
                x[i++] = x[j];
                x[j--] = swap;
            }
        }
        if (k <= j)
            high = j;
        else if (k >= i)
            low = i;
        else
            break;
    }
    return x[k];
}

sc_status sc_image_scale(double *scale, const sc_array *image)
{
    float *magnitude;
    int64_t n = sc_array_count(image), bad = 0;
    *scale = 0;
    sc_status status = SC_ALLOC(&magnitude, n, "image magnitude");
    if (status != SC_OK)
        return status;
    const float *x = image->data;
    for (int64_t i = 0; i < n; i++) {
        magnitude[i] = image->dtype == SC_C32 ? hypotf(x[2 * i], x[2 * i + 1]) : fabsf(x[i]);
        bad += !isfinite(magnitude[i]);
    }
    if (bad)
        status =
            sc_fail(SC_ERR_INPUT, "image holds %lld values that are not finite", (long long)bad);
    else
        *scale = select_kth(magnitude, n, (int64_t)(0.999 * (double)(n - 1)));
    if (status == SC_OK && !(*scale > 0))
        status = sc_fail(SC_ERR_INPUT, "image is empty: 99.9 %% of it is 0");
    sc_free(magnitude);
    return status;
}

/* ---- geometry ---- */

typedef struct {
    double m[2][2], b[2];
    bool whole; /* every position is a pixel */
} geometry;

/* Position of the window's first pixel in an image of n: inside where it fits, else the image is
 * anywhere inside the window. Half a pixel of slack on each side is no harm. */
static double window_start(double n, double crop, double u) { return (n - crop) * u; }

static geometry fixed_geometry(int h, int w, int crop)
{
    return (geometry){.m = {{1, 0}, {0, 1}}, .b = {(h - crop) / 2, (w - crop) / 2}, .whole = true};
}

static geometry random_geometry(int h, int w, int crop, unsigned without, sc_key key)
{
    double u[9];
    for (int e = 0; e < 9; e++)
        u[e] = draw(key, SC_DATASET_GEOMETRY, e);
    bool turns = !(without & SC_WITHOUT_TURN), zooms = !(without & SC_WITHOUT_ZOOM);
    bool flips = !(without & SC_WITHOUT_FLIPS);
    geometry g = {.whole = u[0] < 0.5 || !(turns || zooms)};
    double turn = g.whole || !turns ? 0 : between(-MAX_TURN, MAX_TURN, u[1]);
    double zoom = g.whole || !zooms ? 1 : exp(between(-log(ZOOM_IN), log(ZOOM_OUT), u[2]));
    double stretch = g.whole || !zooms ? 1 : exp(between(-log(ANISOTROPY), log(ANISOTROPY), u[3]));
    double flip_y = flips && u[4] < 0.5 ? -1 : 1, flip_x = flips && u[5] < 0.5 ? -1 : 1;
    double a = zoom * stretch, b = zoom / stretch;
    double m[2][2] = {{a * cos(turn) * flip_y, -a * sin(turn) * flip_x},
                      {b * sin(turn) * flip_y, b * cos(turn) * flip_x}};
    bool transpose = flips && u[6] < 0.25;
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++)
            g.m[i][j] = m[i][transpose ? 1 - j : j];
    /* the window's centre goes to a random position; extents after the zoom */
    double half = (crop - 1) / 2.0;
    double cy = window_start(h, crop * a, u[7]) + (crop * a - 1) / 2;
    double cx = window_start(w, crop * b, u[8]) + (crop * b - 1) / 2;
    g.b[0] = cy - (g.m[0][0] + g.m[0][1]) * half;
    g.b[1] = cx - (g.m[1][0] + g.m[1][1]) * half;
    if (g.whole) {
        g.b[0] = floor(g.b[0] + 0.5);
        g.b[1] = floor(g.b[1] + 0.5);
    }
    return g;
}

static void cubic_weights(double w[4], double t)
{
    w[0] = ((-0.5 * t + 1) * t - 0.5) * t;
    w[1] = (1.5 * t - 2.5) * t * t + 1;
    w[2] = ((-1.5 * t + 2) * t + 0.5) * t;
    w[3] = (0.5 * t - 0.5) * t * t;
}

/* Components (1 or 2) of the image at whole position; 0 outside. */
static void pixel(double v[2], const sc_array *image, int64_t y, int64_t x)
{
    v[0] = v[1] = 0;
    if (y < 0 || x < 0 || y >= image->dim[0] || x >= image->dim[1])
        return;
    const float *data = image->data;
    int64_t i = y * image->dim[1] + x;
    if (image->dtype == SC_C32) {
        v[0] = data[2 * i];
        v[1] = data[2 * i + 1];
    } else {
        v[0] = data[i];
    }
}

static void interpolate(double v[2], const sc_array *image, double y, double x)
{
    double wy[4], wx[4], p[2];
    int64_t y0 = (int64_t)floor(y), x0 = (int64_t)floor(x);
    cubic_weights(wy, y - (double)y0);
    cubic_weights(wx, x - (double)x0);
    v[0] = v[1] = 0;
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) {
            pixel(p, image, y0 - 1 + i, x0 - 1 + j);
            v[0] += wy[i] * wx[j] * p[0];
            v[1] += wy[i] * wx[j] * p[1];
        }
}

/* ---- phase ---- */

typedef struct {
    double y, x, width, amplitude, dipole, direction;
} local_field;

typedef struct {
    double constant, amplitude;
    double polynomial[5]; /* x, y, x^2, xy, y^2 of coordinates in [-1, 1] */
    double coefficient[FOURIER_TERMS], ky[FOURIER_TERMS], kx[FOURIER_TERMS], shift[FOURIER_TERMS];
    local_field field[LOCAL_FIELDS];
    double tissue, swing, start; /* T, f, s */
} phase_map;

static double phase_shape(const phase_map *p, double y, double x)
{
    const double *a = p->polynomial;
    double sum = a[0] * x + a[1] * y + a[2] * x * x + a[3] * x * y + a[4] * y * y;
    for (int i = 0; i < FOURIER_TERMS; i++)
        sum += p->coefficient[i] * cos(M_PI * (p->ky[i] * y + p->kx[i] * x) + p->shift[i]);
    return sum;
}

static double field_at(const local_field *f, double y, double x)
{
    double dy = y - f->y, dx = x - f->x, r2 = dy * dy + dx * dx, w2 = f->width * f->width;
    double both = r2 + w2, c = cos(f->direction), s = sin(f->direction);
    double dipole = 4 * w2 * ((dx * dx - dy * dy) * c + 2 * dx * dy * s) / (both * both);
    return f->amplitude * ((1 - f->dipole) * w2 / both + f->dipole * dipole);
}

static double log_between(double low, double high, double u)
{
    return exp(between(log(low), log(high), u));
}

/* Local fields and the phase of tissues, from draw e on. */
static void random_susceptibility(phase_map *p, int e, sc_key key)
{
    int fields = (int)((LOCAL_FIELDS + 1) * draw(key, SC_DATASET_PHASE, e++));
    for (int i = 0; i < LOCAL_FIELDS; i++) {
        local_field *f = &p->field[i];
        f->y = between(-1, 1, draw(key, SC_DATASET_PHASE, e++));
        f->x = between(-1, 1, draw(key, SC_DATASET_PHASE, e++));
        f->width = log_between(FIELD_NARROWEST, FIELD_WIDEST, draw(key, SC_DATASET_PHASE, e++));
        f->amplitude = between(-FIELD_PHASE, FIELD_PHASE, draw(key, SC_DATASET_PHASE, e++));
        f->dipole = draw(key, SC_DATASET_PHASE, e++);
        f->direction = 2 * M_PI * draw(key, SC_DATASET_PHASE, e++);
        if (i >= fields)
            f->amplitude = 0;
    }
    bool tissue = draw(key, SC_DATASET_PHASE, e++) < TISSUE_SHARE;
    double most = log_between(TISSUE_LEAST, TISSUE_MOST, draw(key, SC_DATASET_PHASE, e++));
    p->tissue = tissue ? most : 0;
    p->swing = TISSUE_SWING * draw(key, SC_DATASET_PHASE, e++);
    p->start = 2 * M_PI * draw(key, SC_DATASET_PHASE, e);
}

static phase_map random_phase(unsigned without, sc_key key)
{
    if (without & SC_WITHOUT_PHASE)
        return (phase_map){0};
    phase_map p = {.constant = 2 * M_PI * draw(key, SC_DATASET_PHASE, 0), .amplitude = 1};
    double wanted = MAX_PHASE * draw(key, SC_DATASET_PHASE, 1), largest = 1e-9;
    int e = 2;
    for (int i = 0; i < 5; i++)
        p.polynomial[i] = between(-1, 1, draw(key, SC_DATASET_PHASE, e++));
    for (int i = 0; i < FOURIER_TERMS; i++) {
        p.coefficient[i] = between(-0.7, 0.7, draw(key, SC_DATASET_PHASE, e++));
        p.ky[i] = between(-PHASE_PERIODS, PHASE_PERIODS, draw(key, SC_DATASET_PHASE, e++));
        p.kx[i] = between(-PHASE_PERIODS, PHASE_PERIODS, draw(key, SC_DATASET_PHASE, e++));
        p.shift[i] = 2 * M_PI * draw(key, SC_DATASET_PHASE, e++);
    }
    for (int i = 0; i <= 8; i++)
        for (int j = 0; j <= 8; j++)
            largest = fmax(largest, fabs(phase_shape(&p, i / 4.0 - 1, j / 4.0 - 1)));
    p.amplitude = wanted / largest;
    random_susceptibility(&p, e, key);
    return p;
}

/* Of the pixel (y, x) of this value. Coordinates over the larger side of the image, so that crops
 * see a part of the swing. */
static double phase_at(const phase_map *p, const sc_array *image, double y, double x, double value)
{
    double half = (double)(image->dim[0] > image->dim[1] ? image->dim[0] : image->dim[1]) / 2;
    y = (y - (double)image->dim[0] / 2) / half;
    x = (x - (double)image->dim[1] / 2) / half;
    double sum = p->constant + p->amplitude * phase_shape(p, y, x);
    for (int i = 0; i < LOCAL_FIELDS && p->field[i].amplitude != 0; i++)
        sum += field_at(&p->field[i], y, x);
    return sum + (p->tissue > 0 ? p->tissue * cos(p->swing * value + p->start) : 0);
}

void sc_augment(float *x, const sc_array *image, double scale, const sc_augmentation *how,
                sc_key key)
{
    int h = (int)image->dim[0], w = (int)image->dim[1], crop = how->crop;
    geometry g =
        how->fixed ? fixed_geometry(h, w, crop) : random_geometry(h, w, crop, how->without, key);
    phase_map phase = random_phase(how->without, key);
    bool as_is = how->fixed || how->without & SC_WITHOUT_BRIGHTNESS;
    double brightness =
        as_is ? 1 : exp(between(log(DARKEST), log(BRIGHTEST), draw(key, SC_DATASET_GEOMETRY, 9)));
    double factor = brightness / scale, v[2];
    for (int i = 0; i < crop; i++)
        for (int j = 0; j < crop; j++) {
            double py = g.m[0][0] * i + g.m[0][1] * j + g.b[0];
            double px = g.m[1][0] * i + g.m[1][1] * j + g.b[1];
            if (g.whole)
                pixel(v, image, (int64_t)floor(py + 0.5), (int64_t)floor(px + 0.5));
            else
                interpolate(v, image, py, px);
            float *out = x + ((size_t)i * crop + j) * how->channels;
            out[0] = (float)(factor * v[0]);
            if (how->channels == 1)
                continue;
            double value = hypot(v[0], v[1]) / scale;
            double angle = phase_at(&phase, image, py, px, value), c = cos(angle), s = sin(angle);
            out[0] = (float)(factor * (v[0] * c - v[1] * s));
            out[1] = (float)(factor * (v[0] * s + v[1] * c));
        }
}
