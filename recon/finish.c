/* Estimates become images in the scan's units (see finish.h). */
#include "recon/finish.h"
#include <assert.h>
#include <math.h>

sc_status sc_finish_volume(sc_array *volume, sc_dtype dtype, const sc_scan *scan,
                           const sc_calibration *calibration)
{
    assert(dtype == SC_C32 || dtype == SC_F32);
    return sc_array_create(
        volume, dtype, 3,
        (int64_t[]){calibration->planes.out_slices, scan->image_ny, scan->image_nx});
}

/* Where pixel (y, x) of plane `index` lies in the volume [slice, y, x]; -1: cropped away. */
typedef struct {
    const sc_array *volume;
    const sc_planes *planes;
    int64_t index;
} place;

static int64_t cropped(int64_t j, int64_t measured, int64_t wanted)
{
    int64_t i = j - measured / 2 + wanted / 2;
    return i >= 0 && i < wanted ? i : -1;
}

static int64_t voxel(const place *p, int64_t y, int64_t x)
{
    const int64_t *dim = p->volume->dim;
    const sc_planes *planes = p->planes;
    int64_t s = p->index;
    if (planes->kind == SC_PLANES_X) { /* the plane is (z, y) at one x */
        s = cropped(y, planes->ny, dim[0]);
        y = cropped(x, planes->nx, dim[1]);
        x = cropped(p->index, planes->count, dim[2]);
    } else {
        if (planes->kind == SC_PLANES_Z)
            s = cropped(s, planes->count, dim[0]);
        y = cropped(y, planes->ny, dim[1]);
        x = cropped(x, planes->nx, dim[2]);
    }
    return s < 0 || y < 0 || x < 0 ? -1 : (s * dim[1] + y) * dim[2] + x;
}

static double factor(const sc_problem *problem, int64_t i)
{
    return problem->scale * (problem->shading ? problem->shading[i] : 1);
}

/* Root sum of squares over the sets with the phase of the first. */
static double complex combine(const sc_c32 *x, int sets, int64_t i, int64_t n)
{
    double complex first = x[i];
    if (sets == 1)
        return first;
    double sum = 0, size = cabs(first);
    for (int s = 0; s < sets; s++) {
        double complex v = x[s * n + i];
        sum += creal(v) * creal(v) + cimag(v) * cimag(v);
    }
    return size > 0 ? sqrt(sum) / size * first : sqrt(sum);
}

sc_status sc_finish_image(sc_array *volume, const sc_estimate *estimate, const sc_problem *problem,
                          const sc_calibration *calibration, int64_t index, int64_t sample)
{
    const sc_array *from = sample < 0 ? &estimate->mean : &estimate->samples;
    int64_t n = problem->ny * problem->nx;
    if (sample >= 0 && (!from->data || sample >= from->dim[0]))
        return sc_fail(SC_ERR_USAGE, "sample %lld of %lld wanted", (long long)sample,
                       (long long)(from->data ? from->dim[0] : 0));
    const sc_c32 *x = from->data;
    if (sample > 0)
        x += sample * problem->sets * n;
    place p = {volume, &calibration->planes, index};
    for (int64_t i = 0; i < n; i++) {
        int64_t to = voxel(&p, i / problem->nx, i % problem->nx);
        if (to < 0)
            continue;
        double complex v = factor(problem, i) * combine(x, problem->sets, i, n);
        if (volume->dtype == SC_C32)
            ((sc_c32 *)volume->data)[to] = (sc_c32)v;
        else
            ((float *)volume->data)[to] = (float)cabs(v);
    }
    return SC_OK;
}

static sc_status place_map(sc_array *volume, const sc_array *map, const sc_problem *problem,
                           const sc_calibration *calibration, int64_t index, bool scaled)
{
    assert(volume->dtype == SC_F32 && map->dtype == SC_F32);
    assert(sc_array_count(map) == problem->ny * problem->nx);
    place p = {volume, &calibration->planes, index};
    for (int64_t i = 0; i < problem->ny * problem->nx; i++) {
        int64_t to = voxel(&p, i / problem->nx, i % problem->nx);
        if (to >= 0)
            ((float *)volume->data)[to] =
                (float)((scaled ? factor(problem, i) : 1) * ((const float *)map->data)[i]);
    }
    return SC_OK;
}

sc_status sc_finish_map(sc_array *volume, const sc_array *map, const sc_problem *problem,
                        const sc_calibration *calibration, int64_t index)
{
    return place_map(volume, map, problem, calibration, index, true);
}

sc_status sc_finish_ratio(sc_array *volume, const sc_array *map, const sc_problem *problem,
                          const sc_calibration *calibration, int64_t index)
{
    return place_map(volume, map, problem, calibration, index, false);
}
