/* A head-like object for tests: ellipses with soft edges and some texture, and its scan. */
#ifndef SC_TEST_PHANTOM_H
#define SC_TEST_PHANTOM_H

#include "base/device.h"
#include "base/memory.h"
#include "recon/simulate.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define OK(expression)                                                                             \
    do {                                                                                           \
        if ((expression) != SC_OK) {                                                               \
            print_message("%s\n", sc_message());                                                   \
            fail();                                                                                \
        }                                                                                          \
    } while (0)

#define NEAR(a, b, tolerance) assert_true(fabs((double)(a) - (double)(b)) <= (tolerance))

static inline double phantom_value(double x, double y, double z)
{
    static const double e[][6] = {/* x, y, a, b, tilt, value */
                                  {0, 0, .34, .43, 0, 1},        {0, 0, .31, .40, 0, -.6},
                                  {.09, .03, .05, .14, .3, -.3}, {-.09, .03, .06, .15, -.3, -.3},
                                  {0, -.15, .09, .09, 0, .3},    {.02, .22, .03, .03, 0, .5},
                                  {-.15, -.2, .02, .04, .5, .4}, {.16, -.18, .04, .02, 0, .35}};
    double v = 0;
    for (size_t i = 0; i < sizeof e / sizeof *e; i++) {
        double c = cos(e[i][4]), s = sin(e[i][4]), u = x - e[i][0], w = y - e[i][1];
        double r = hypot((c * u + s * w) / e[i][2], (c * w - s * u) / e[i][3]) * (1 + z * z);
        v += e[i][5] * 0.5 * (1 - tanh((r - 1) * 60 * fmin(e[i][2], e[i][3])));
    }
    double inside = hypot(x / .31, y / .40) < 1 ? 1 : 0;
    return fmax(v, 0) * (1 + 0.1 * inside * sin(60 * x + 9 * y) * cos(50 * y));
}

static inline void phantom(sc_volume *volume, int64_t slices, int64_t ny, int64_t nx)
{
    *volume = (sc_volume){0};
    OK(sc_array_create(&volume->data, SC_F32, 3, (int64_t[]){slices, ny, nx}));
    for (int64_t i = 0; i < slices * ny * nx; i++)
        ((float *)volume->data.data)[i] = (float)phantom_value(
            (double)(i % nx - nx / 2) / (double)nx, (double)(i / nx % ny - ny / 2) / (double)ny,
            ((double)(i / nx / ny) + 0.5) / (double)slices - 0.5);
}

static inline void phantom_scan(sc_scan *scan, sc_volume *truth, int64_t slices, int64_t ny,
                                int64_t nx, const sc_simulate_options *options)
{
    sc_volume volume;
    sc_device *device;
    OK(sc_device_create_cpu(&device, 2));
    phantom(&volume, slices, ny, nx);
    OK(sc_simulate(scan, truth, &volume, options, device));
    sc_volume_free(&volume);
    sc_device_free(device);
}

#endif
