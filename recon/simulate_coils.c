/* Coils, phase and interpolation for the simulator (simulate_internal.h). */
#include "recon/simulate_internal.h"
#include <math.h>

#define COIL_RADIUS 0.68 /* of the ring, fields of view: outside every object */
#define COIL_SIZE 0.30   /* softening: the near field of a loop of this size */
#define RING_SHIFT 0.22  /* two rings above 8 coils */

/* Field of a dipole m at r, softened: (3 (m r) r - m r^2) / r^5. The receiver sees B_x - i B_y. */
static double complex dipole(double mx, double my, double x, double y, double z)
{
    double r2 = x * x + y * y + z * z + COIL_SIZE * COIL_SIZE, along = 3 * (mx * x + my * y);
    double scale = 1 / (r2 * r2 * sqrt(r2));
    return CMPLX((along * x - mx * r2) * scale, -(along * y - my * r2) * scale);
}

/* Root sum of squares of the bare fields. */
static double fields(double complex *s, const sc_simulate_array *array, double x, double y,
                     double z)
{
    double sum = 0;
    for (int c = 0; c < array->coils; c++) {
        double mx = array->axis[c][0], my = array->axis[c][1];
        s[c] = dipole(mx, my, x - COIL_RADIUS * mx, y - COIL_RADIUS * my, z - array->height[c]);
        sum += creal(s[c]) * creal(s[c]) + cimag(s[c]) * cimag(s[c]);
    }
    return sqrt(sum);
}

sc_simulate_array sc_simulate_coils(int coils, double shading)
{
    sc_simulate_array array = {.coils = coils, .shading = shading};
    double complex s[SC_SIMULATE_COILS];
    int rings = coils > 8 ? 2 : 1, each = (coils + rings - 1) / rings;
    for (int c = 0; c < coils; c++) {
        int ring = c / each;
        double angle = 2 * M_PI * (c % each + 0.5 * ring) / each;
        array.axis[c][0] = cos(angle);
        array.axis[c][1] = sin(angle);
        array.height[c] = rings == 1 ? 0 : (ring ? RING_SHIFT : -RING_SHIFT);
    }
    array.centre = fields(s, &array, 0, 0, 0);
    return array;
}

void sc_simulate_sensitivity(double complex *s, const sc_simulate_array *array, double x, double y,
                             double z)
{
    double rss = fields(s, array, x, y, z), scale = pow(rss / array->centre, array->shading) / rss;
    for (int c = 0; c < array->coils; c++)
        s[c] *= scale;
}

double sc_simulate_phase(const float a[SC_SIMULATE_PHASE_TERMS], double x, double y, double z)
{
    return 0.5 * (3 * a[0] + 2 * a[1] * x + 2 * a[2] * y + 2 * a[3] * z + 6 * a[4] * x * y +
                  6 * a[5] * (x * x - y * y) + 6 * a[6] * (x * x + y * y) +
                  a[7] * cos(2 * M_PI * (x + 0.7 * y + 0.4 * z)));
}

static double keys(double t)
{
    t = fabs(t);
    if (t < 1)
        return (1.5 * t - 2.5) * t * t + 1;
    return t < 2 ? ((-0.5 * t + 2.5) * t - 4) * t + 2 : 0;
}

static double complex pixel(const void *image, sc_dtype dtype, int64_t i)
{
    return dtype == SC_C32 ? (double complex)((const sc_c32 *)image)[i]
                           : (double complex)((const float *)image)[i];
}

void sc_simulate_resample(sc_c32 *fine, int64_t ny, int64_t nx, const void *image, sc_dtype dtype,
                          int64_t h, int64_t w)
{
    for (int64_t i = 0; i < ny * nx; i++) {
        double y = (double)(i / nx - ny / 2) * (double)h / (double)ny + (double)(h / 2);
        double x = (double)(i % nx - nx / 2) * (double)w / (double)nx + (double)(w / 2);
        int64_t y0 = (int64_t)floor(y) - 1, x0 = (int64_t)floor(x) - 1;
        double complex sum = 0;
        for (int64_t b = y0; b < y0 + 4; b++)
            for (int64_t a = x0; a < x0 + 4; a++)
                if (b >= 0 && a >= 0 && b < h && a < w)
                    sum +=
                        keys(y - (double)b) * keys(x - (double)a) * pixel(image, dtype, b * w + a);
        if (dtype == SC_F32 && creal(sum) < 0)
            sum = 0;
        fine[i] = (sc_c32)sum;
    }
}
