/* Planes of a scan (see plane.h). The DFT for one position is a sum over the samples, so planes
 * need no copy of the whole volume and can be made by any thread in any order. */
#include "recon/plane.h"
#include "base/memory.h"
#include <assert.h>
#include <math.h>
#include <string.h>

static const float *mask_of(const sc_scan *scan, int64_t image)
{
    return (const float *)scan->mask.data + image * scan->nz * scan->ny * scan->nx;
}

/* Does mask(kz, ky, kx) not depend on kz? */
static bool constant_along_z(const float *mask, int64_t nz, int64_t plane)
{
    for (int64_t z = 1; z < nz; z++)
        for (int64_t i = 0; i < plane; i++)
            if (mask[z * plane + i] != mask[i])
                return false;
    return true;
}

/* Is mask(line, kx) = line(line) * readout(kx), readout 0 or 1? *full: readout is 1 everywhere. */
static bool separable_along_x(const float *mask, int64_t lines, int64_t nx, bool *full)
{
    int64_t first = 0, peak = nx / 2;
    while (first < lines && !(mask[first * nx + peak] > 0))
        first++;
    if (first == lines)
        return false;
    *full = true;
    const float *readout = mask + first * nx;
    for (int64_t x = 0; x < nx; x++)
        *full = *full && readout[x] > 0;
    for (int64_t l = 0; l < lines; l++)
        for (int64_t x = 0; x < nx; x++) {
            float expected = readout[x] > 0 ? mask[l * nx + peak] : 0;
            if (mask[l * nx + x] != expected)
                return false;
        }
    return true;
}

sc_status sc_planes_of(sc_planes *planes, const sc_scan *scan)
{
    *planes = (sc_planes){.kind = SC_PLANES_SLICES,
                          .count = scan->slices,
                          .ny = scan->ny,
                          .nx = scan->nx,
                          .out_slices = scan->slices};
    if (scan->nz == 1)
        return SC_OK;
    assert(scan->slices == 1);
    planes->count = scan->nz;
    planes->out_slices = scan->image_nz;
    bool z = true, x = true, full = true;
    for (int64_t frame = 0; frame < scan->frames; frame++) {
        bool whole = true;
        z = z && constant_along_z(mask_of(scan, frame), scan->nz, scan->ny * scan->nx);
        x = x && separable_along_x(mask_of(scan, frame), scan->nz * scan->ny, scan->nx, &whole);
        full = full && whole;
    }
    planes->kind = SC_PLANES_Z;
    if (z)
        return SC_OK;
    if (!x)
        return sc_fail(SC_ERR_UNSUPPORTED,
                       "%s: 3D sampling that changes along all three axes is not supported; one "
                       "axis must be fully sampled",
                       scan->source);
    planes->kind = SC_PLANES_X;
    planes->count = scan->nx;
    planes->ny = scan->nz;
    planes->nx = scan->ny;
    planes->zero_filled = !full;
    return SC_OK;
}

/* (nz, ny, nx) -> one plane at position p of the transformed axis; window [from, to) of it. */
static void transform(sc_c32 *plane, const sc_c32 *volume, const sc_scan *scan, sc_planes_kind kind,
                      int64_t p, int64_t from, int64_t to)
{
    int64_t ny = scan->ny, nx = scan->nx, nz = scan->nz;
    if (kind == SC_PLANES_Z) {
        memset(plane, 0, (size_t)(ny * nx) * sizeof *plane);
        for (int64_t z = from; z < to; z++) {
            double angle = 2 * M_PI * (double)((z - nz / 2) * (p - nz / 2) % nz) / (double)nz;
            sc_c32 w = (sc_c32)(cexp(I * angle) / sqrt((double)nz));
            for (int64_t i = 0; i < ny * nx; i++)
                plane[i] += w * volume[z * ny * nx + i];
        }
        return;
    }
    for (int64_t line = 0; line < nz * ny; line++)
        plane[line] = 0;
    for (int64_t x = from; x < to; x++) {
        double angle = 2 * M_PI * (double)((x - nx / 2) * (p - nx / 2) % nx) / (double)nx;
        sc_c32 w = (sc_c32)(cexp(I * angle) / sqrt((double)nx));
        for (int64_t line = 0; line < nz * ny; line++)
            plane[line] += w * volume[line * nx + x];
    }
}

/* Weight of a plane: that of the axis's centre. For calibration, 0 unless the whole window is. */
static void plane_weight(float *weight, const float *mask, const sc_scan *scan, sc_planes_kind kind,
                         int64_t from, int64_t to)
{
    int64_t ny = scan->ny, nx = scan->nx, nz = scan->nz;
    bool z = kind == SC_PLANES_Z;
    int64_t points = z ? ny * nx : nz * ny, stride = z ? ny * nx : 1, step = z ? 1 : nx;
    int64_t centre = z ? nz / 2 : nx / 2;
    for (int64_t i = 0; i < points; i++) {
        const float *m = mask + i * step;
        weight[i] = m[centre * stride] > 0 ? sqrtf(m[centre * stride]) : 0;
        for (int64_t k = from; k < to; k++)
            if (!(m[k * stride] > 0))
                weight[i] = 0;
    }
}

static sc_status check_plane(const sc_plane *plane, const sc_scan *scan, int64_t frame,
                             int64_t index)
{
    int64_t count = plane->coils * plane->ny * plane->nx, bad = 0, filled = 0, sampled = 0;
    for (int64_t i = 0; i < count; i++) {
        bad += !isfinite(crealf(plane->y[i])) || !isfinite(cimagf(plane->y[i]));
        filled += plane->y[i] != 0;
    }
    for (int64_t i = 0; i < plane->ny * plane->nx; i++)
        sampled += plane->weight[i] > 0;
    if (bad)
        return sc_fail(SC_ERR_INPUT,
                       "%s: frame %lld slice %lld: k-space holds %lld NaN or infinite values",
                       scan->source, (long long)frame, (long long)index, (long long)bad);
    if (!sampled)
        return sc_fail(SC_ERR_INPUT, "%s: frame %lld slice %lld: nothing was sampled", scan->source,
                       (long long)frame, (long long)index);
    if (!filled)
        return sc_fail(SC_ERR_INPUT, "%s: frame %lld slice %lld: k-space is all zero", scan->source,
                       (long long)frame, (long long)index);
    return SC_OK;
}

void sc_plane_free(sc_plane *plane)
{
    if (plane) {
        sc_free(plane->y);
        sc_free(plane->weight);
        sc_free(plane->calibration);
        sc_free(plane->calibration_weight);
        *plane = (sc_plane){0};
    }
}

/* The run of calibrated positions around the centre of the transformed axis. */
static void calibration_window(int64_t *from, int64_t *to, const sc_scan *scan, sc_planes_kind kind)
{
    int64_t nz = scan->nz, ny = scan->ny, nx = scan->nx;
    bool z = kind == SC_PLANES_Z;
    int64_t n = z ? nz : nx, stride = z ? ny * nx : 1;
    const float *mask = (const float *)scan->calibration_mask.data +
                        (z ? ny / 2 * nx + nx / 2 : (nz / 2 * ny + ny / 2) * nx);
    *from = n / 2;
    *to = n / 2;
    while (*to < n && mask[*to * stride] > 0)
        ++*to;
    while (*from > 0 && mask[(*from - 1) * stride] > 0)
        --*from;
}

static sc_status read_calibration(sc_plane *plane, const sc_scan *scan, const sc_planes *planes,
                                  int64_t index)
{
    if (!scan->calibration.data)
        return SC_OK;
    sc_status status = SC_OK;
    int64_t points = plane->ny * plane->nx, volume = scan->nz * scan->ny * scan->nx;
    int64_t slice = planes->kind == SC_PLANES_SLICES ? index : 0, from = 0, to = 0;
    const sc_c32 *data = (const sc_c32 *)scan->calibration.data + slice * scan->coils * volume;
    const float *mask = (const float *)scan->calibration_mask.data + slice * volume;
    SC_TRY(SC_ALLOC(&plane->calibration, plane->coils * points, "calibration"));
    SC_TRY(SC_ALLOC(&plane->calibration_weight, points, "calibration mask"));
    if (planes->kind == SC_PLANES_SLICES) {
        memcpy(plane->calibration, data, (size_t)(plane->coils * points) * sizeof *data);
        for (int64_t i = 0; i < points; i++)
            plane->calibration_weight[i] = mask[i] > 0 ? 1 : 0;
        return SC_OK;
    }
    calibration_window(&from, &to, scan, planes->kind);
    plane_weight(plane->calibration_weight, mask, scan, planes->kind, from, to);
    for (int c = 0; c < plane->coils; c++)
        transform(plane->calibration + c * points, data + c * volume, scan, planes->kind, index,
                  from, to);
cleanup:
    return status;
}

sc_status sc_plane_read(sc_plane *plane, const sc_scan *scan, const sc_planes *planes,
                        int64_t frame, int64_t index)
{
    assert(frame >= 0 && frame < scan->frames && index >= 0 && index < planes->count);
    sc_status status = SC_OK;
    int64_t points = planes->ny * planes->nx, volume = scan->nz * scan->ny * scan->nx;
    bool slices = planes->kind == SC_PLANES_SLICES;
    int64_t image = slices ? frame * scan->slices + index : frame;
    const sc_c32 *data = (const sc_c32 *)scan->kspace.data + image * scan->coils * volume;
    *plane = (sc_plane){.coils = (int)scan->coils, .ny = planes->ny, .nx = planes->nx};
    SC_TRY(SC_ALLOC(&plane->y, plane->coils * points, "k-space plane"));
    SC_TRY(SC_ALLOC(&plane->weight, points, "mask"));
    if (slices) {
        memcpy(plane->y, data, (size_t)(plane->coils * points) * sizeof *data);
        for (int64_t i = 0; i < points; i++)
            plane->weight[i] = mask_of(scan, image)[i] > 0 ? sqrtf(mask_of(scan, image)[i]) : 0;
    } else {
        int64_t n = planes->kind == SC_PLANES_Z ? scan->nz : scan->nx;
        plane_weight(plane->weight, mask_of(scan, image), scan, planes->kind, 0, 0);
        for (int c = 0; c < plane->coils; c++)
            transform(plane->y + c * points, data + c * volume, scan, planes->kind, index, 0, n);
    }
    for (int c = 0; c < plane->coils; c++)
        for (int64_t i = 0; i < points; i++)
            plane->y[c * points + i] *= plane->weight[i];
    SC_TRY(check_plane(plane, scan, frame, index));
    SC_TRY(read_calibration(plane, scan, planes, index));
cleanup:
    if (status != SC_OK)
        sc_plane_free(plane);
    return status;
}
