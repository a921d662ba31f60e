/* Volumes for the tests of image formats: values that tell every voxel from its neighbours, and
 * stacks in the planes that scanners use. */
#ifndef SC_TESTS_IO_IO_VOLUME_H
#define SC_TESTS_IO_IO_VOLUME_H

#include "base/volume.h"
#include "tests/io/io_test.h"

#include <math.h>

/* Unit directions of increasing column and row index, position of the first voxel; step between
 * slices in multiples of the normal. */
typedef struct {
    const char *name;
    double row[3], column[3], first[3], dx, dy, step;
} stack_plane;

static const stack_plane planes[] = {
    {"axial", {1, 0, 0}, {0, 1, 0}, {-103.5, -87.25, 20}, 2.5, 1.25, 4},
    {"axial, slices downwards", {1, 0, 0}, {0, 1, 0}, {-103.5, -87.25, 20}, 2.5, 1.25, -4},
    {"sagittal", {0, 1, 0}, {0, 0, -1}, {10, -148, 126}, 1.5, 2, 5.5},
    {"coronal", {1, 0, 0}, {0, 0, -1}, {-90, 31.7, 88}, 1, 3, 3.6},
    {"oblique", {0, 0, 0}, {0, 0, 0}, {-71.03, 12.5, -44.125}, 2.5, 3, 3.6},
};
enum { PLANES = sizeof planes / sizeof *planes };

/* Rotations by 5, -12 and 20 degrees about x, y and z: no direction is along an axis. */
static void double_oblique(double r[3], double p[3])
{
    const double a = 5 * M_PI / 180, b = -12 * M_PI / 180, c = 20 * M_PI / 180;
    r[0] = cos(b) * cos(c);
    r[1] = cos(b) * sin(c);
    r[2] = -sin(b);
    p[0] = sin(a) * sin(b) * cos(c) - cos(a) * sin(c);
    p[1] = sin(a) * sin(b) * sin(c) + cos(a) * cos(c);
    p[2] = sin(a) * cos(b);
}

static void place_stack(sc_geometry *geometry, const stack_plane *plane, int64_t slices)
{
    double r[3], p[3];
    memcpy(r, plane->row, sizeof r);
    memcpy(p, plane->column, sizeof p);
    if (r[0] == 0 && r[1] == 0 && r[2] == 0)
        double_oblique(r, p);
    *geometry = (sc_geometry){.known = true, .slices = slices, .thickness_mm = 3};
    for (int i = 0; i < 3; i++) {
        int j = (i + 1) % 3, k = (i + 2) % 3;
        geometry->affine[i][0] = r[i] * plane->dx;
        geometry->affine[i][1] = p[i] * plane->dy;
        geometry->affine[i][2] = (r[j] * p[k] - r[k] * p[j]) * plane->step;
        geometry->affine[i][3] = plane->first[i];
    }
}

static inline sc_volume make_volume(const stack_plane *plane, sc_dtype dtype, int64_t slices, int64_t ny,
                             int64_t nx)
{
    sc_volume volume = {0};
    const int64_t dim[3] = {slices, ny, nx};
    assert_good(sc_array_create(&volume.data, dtype, 3, dim));
    float *x = volume.data.data;
    int64_t floats = sc_array_count(&volume.data) * (dtype == SC_C32 ? 2 : 1);
    for (int64_t i = 0; i < floats; i++)
        x[i] = (float)(i * 37 % 1009);
    if (plane)
        place_stack(&volume.geometry, plane, slices);
    return volume;
}

/* Largest difference of two affines, mm. */
static inline double affine_difference(const double a[3][4], const double b[3][4])
{
    double worst = 0;
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 4; j++)
            worst = fmax(worst, fabs(a[i][j] - b[i][j]));
    return worst;
}

#endif
