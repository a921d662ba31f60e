/* Geometry of slice stacks, LPS mm. The scanner gives the point of the FFT centre, voxel index
 * (nx/2, ny/2) by integer division; DICOM wants the centre of the first voxel:
 *     first = centre - (nx/2) dx r - (ny/2) dy p.
 */
#include "base/volume.h"
#include "base/memory.h"
#include <math.h>
#include <string.h>

void sc_geometry_free(sc_geometry *geometry)
{
    if (!geometry)
        return;
    sc_free(geometry->slice_position);
    *geometry = (sc_geometry){0};
}

sc_status sc_geometry_copy(sc_geometry *copy, const sc_geometry *geometry)
{
    *copy = (sc_geometry){0};
    double *position = NULL;
    if (geometry->slice_position) {
        sc_status status = SC_ALLOC(&position, geometry->slices * 3, "slice positions");
        if (status != SC_OK)
            return status;
        memcpy(position, geometry->slice_position, (size_t)geometry->slices * 3 * sizeof *position);
    }
    *copy = *geometry;
    copy->slice_position = position;
    return SC_OK;
}

void sc_volume_free(sc_volume *volume)
{
    if (!volume)
        return;
    sc_array_free(&volume->data);
    sc_geometry_free(&volume->geometry);
    *volume = (sc_volume){0};
}

static double dot(const double a[3], const double b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

/* Unit r, and unit p exactly orthogonal to it, from directions good to 1e-3. */
static sc_status orthonormal(double r[3], double p[3], const double read[3], const double phase[3])
{
    double rr = sqrt(dot(read, read)), pp = sqrt(dot(phase, phase)), rp = dot(read, phase);
    /* negated, so that NaN fails too */
    if (!(fabs(rr - 1) <= 1e-3 && fabs(pp - 1) <= 1e-3 && fabs(rp) <= 1e-3))
        return sc_fail(
            SC_ERR_INPUT,
            "geometry: expected orthonormal directions to 1e-3, found lengths %g and %g, "
            "dot product %g",
            rr, pp, rp);
    for (int a = 0; a < 3; a++)
        r[a] = read[a] / rr;
    double along = dot(r, phase);
    for (int a = 0; a < 3; a++)
        p[a] = phase[a] - along * r[a];
    double length = sqrt(dot(p, p));
    for (int a = 0; a < 3; a++)
        p[a] /= length;
    return SC_OK;
}

static sc_status check_sizes(int64_t slices, double fov_x_mm, double fov_y_mm, double thickness_mm,
                             int64_t nx, int64_t ny)
{
    if (slices < 1 || nx < 1 || ny < 1)
        return sc_fail(SC_ERR_INPUT,
                       "geometry: expected positive sizes, found %lld slices of %lld x %lld",
                       (long long)slices, (long long)nx, (long long)ny);
    if (!(fov_x_mm > 0 && fov_y_mm > 0 && thickness_mm >= 0 && isfinite(fov_x_mm) &&
          isfinite(fov_y_mm) && isfinite(thickness_mm)))
        return sc_fail(SC_ERR_INPUT,
                       "geometry: expected a positive field of view, found %g x %g mm, "
                       "thickness %g mm",
                       fov_x_mm, fov_y_mm, thickness_mm);
    return SC_OK;
}

/* Step between slices: from the positions, or along r x p where there is only one. */
static void slice_step(double step[3], const sc_geometry *geometry, const double r[3],
                       const double p[3])
{
    const double *first = geometry->slice_position;
    const double *last = first + 3 * (geometry->slices - 1);
    /* an unknown thickness must not make the affine singular */
    double single = geometry->thickness_mm > 0 ? geometry->thickness_mm : 1;
    for (int a = 0; a < 3; a++) {
        int b = (a + 1) % 3, c = (a + 2) % 3;
        step[a] = geometry->slices > 1 ? (last[a] - first[a]) / (double)(geometry->slices - 1)
                                       : single * (r[b] * p[c] - r[c] * p[b]);
    }
}

sc_status sc_geometry_from_centre(sc_geometry *geometry, const double *centre, int64_t slices,
                                  const double read[3], const double phase[3], double fov_x_mm,
                                  double fov_y_mm, double thickness_mm, int64_t nx, int64_t ny)
{
    sc_geometry made = {.known = true, .slices = slices, .thickness_mm = thickness_mm};
    double r[3], p[3], step[3];
    sc_status status;
    *geometry = (sc_geometry){0};
    SC_TRY(check_sizes(slices, fov_x_mm, fov_y_mm, thickness_mm, nx, ny));
    SC_TRY(orthonormal(r, p, read, phase));
    SC_TRY(SC_ALLOC(&made.slice_position, slices * 3, "slice positions"));
    double dx = fov_x_mm / (double)nx, dy = fov_y_mm / (double)ny;
    for (int64_t i = 0; i < slices * 3; i++) {
        int a = (int)(i % 3);
        made.slice_position[i] =
            centre[i] - (double)(nx / 2) * dx * r[a] - (double)(ny / 2) * dy * p[a];
        if (!isfinite(centre[i]))
            SC_TRY(sc_fail(SC_ERR_INPUT, "geometry: position of slice %lld is not finite",
                           (long long)(i / 3)));
    }
    slice_step(step, &made, r, p);
    for (int a = 0; a < 3; a++) {
        const double row[4] = {r[a] * dx, p[a] * dy, step[a], made.slice_position[a]};
        memcpy(made.affine[a], row, sizeof row);
    }
    *geometry = made;
    made.slice_position = NULL;
cleanup:
    sc_geometry_free(&made);
    return status;
}
