/* Retrospective undersampling: drop the samples where a mask file says 0.
 *
 * The mask's axes are lined up with (frame, slice or kz, ky, kx) from the right, and an axis of
 * size 1 stands for all, as NumPy does it. One axis alone is that of the phase-encoding lines.
 */
#include "base/memory.h"
#include "io/npy.h"
#include "io/scan_internal.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* 1 where the mask file is not 0, as u8 in the file's shape on our axes. */
static sc_status load(sc_array *mask, const char *path)
{
    sc_status status = SC_OK;
    sc_scan cfl = {0};
    sc_array file = {0};
    const char *format;
    SC_TRY(sc_scan_recognise(&format, path));
    if (!strcmp(format, "cfl")) {
        SC_TRY(sc_scan_cfl_load(&cfl, path));
        if (cfl.coils != 1)
            SC_TRY(sc_fail(SC_ERR_FORMAT, "a mask for %lld coils, expected one for all",
                           (long long)cfl.coils));
        const int64_t dim[4] = {cfl.frames, cfl.nz > 1 ? cfl.nz : cfl.slices, cfl.ny, cfl.nx};
        file = cfl.kspace;
        file.rank = 4;
        memcpy(file.dim, dim, sizeof dim);
        cfl.kspace = (sc_array){0};
    } else if (!strcmp(format, "npy"))
        SC_TRY(sc_npy_read(&file, path));
    else
        SC_TRY(sc_fail(SC_ERR_FORMAT, "%s is no mask, expected .npy or cfl", format));
    SC_TRY(sc_array_create(mask, SC_U8, file.rank, file.dim));
    int64_t n = sc_array_count(mask);
    for (int64_t i = 0; i < n; i++) {
        double v = file.dtype == SC_U8    ? ((uint8_t *)file.data)[i]
                   : file.dtype == SC_F32 ? (double)((float *)file.data)[i]
                                          : (double)crealf(((sc_c32 *)file.data)[i]);
        if (!(v >= 0))
            SC_TRY(sc_fail(SC_ERR_INPUT, "mask holds %g, expected 0 or 1", v));
        ((uint8_t *)mask->data)[i] = v != 0;
    }
cleanup:
    sc_array_free(&file);
    sc_scan_free(&cfl);
    return status;
}

static void shape_text(char text[128], const sc_array *mask)
{
    int n = 0;
    for (int a = 0; a < mask->rank; a++)
        n += snprintf(text + n, 128 - (size_t)n, "%s%lld", a ? " x " : "", (long long)mask->dim[a]);
}

/* stride[a] of the mask along (frame, stack, ky, kx); 0 where it is the same for all. */
static sc_status line_up(int64_t stride[4], const sc_array *mask, const int64_t want[4],
                         char readout)
{
    int64_t dim[4] = {1, 1, 1, 1}, step = 1;
    int skip = 0;
    while (mask->rank - skip > 4 && mask->dim[skip] == 1)
        skip++;
    int rank = mask->rank - skip;
    bool fits = rank <= 4;
    for (int a = 0; fits && a < rank; a++)
        dim[4 - rank + a] = mask->dim[skip + a];
    if (rank == 1 && readout != 'y' && (dim[3] == want[2] || dim[3] != want[3])) {
        dim[2] = dim[3]; /* lines are counted along ky */
        dim[3] = 1;
    }
    for (int a = 3; a >= 0; a--) {
        fits = fits && (dim[a] == want[a] || dim[a] == 1);
        stride[a] = dim[a] == 1 ? 0 : step;
        step *= dim[a];
    }
    char found[128];
    shape_text(found, mask);
    return fits ? SC_OK
                : sc_fail(SC_ERR_INPUT, "mask of %s for a scan of %lld x %lld", found,
                          (long long)want[2], (long long)want[3]);
}

static void drop(sc_scan *scan, const uint8_t *mask, const int64_t want[4], const int64_t *stride)
{
    int64_t lines = want[0] * want[1] * want[2], plane = scan->nz * scan->ny * scan->nx;
    for (int64_t l = 0; l < lines; l++) {
        int64_t y = l % want[2], s = l / want[2] % want[1], f = l / want[2] / want[1];
        const uint8_t *keep = mask + f * stride[0] + s * stride[1] + y * stride[2];
        /* frame and slice or partition: the coil axis lies between slice and kz */
        int64_t image = scan->nz > 1 ? f : f * scan->slices + s;
        int64_t at = ((scan->nz > 1 ? s : 0) * scan->ny + y) * scan->nx;
        float *count = (float *)scan->mask.data + image * plane + at;
        sc_c32 *v = (sc_c32 *)scan->kspace.data + image * scan->coils * plane + at;
        for (int64_t x = 0; x < scan->nx; x++) {
            if (keep[x * stride[3]])
                continue;
            count[x] = 0;
            for (int64_t c = 0; c < scan->coils; c++)
                v[c * plane + x] = 0;
        }
    }
}

sc_status sc_scan_apply_mask(sc_scan *scan, const char *path)
{
    sc_array mask = {0};
    int64_t stride[4];
    const int64_t want[4] = {scan->frames, scan->nz > 1 ? scan->nz : scan->slices, scan->ny,
                             scan->nx};
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    sc_status status = SC_OK;
    SC_TRY(load(&mask, path));
    SC_TRY(line_up(stride, &mask, want, scan->readout));
    drop(scan, mask.data, want, stride);
    status = sc_scan_check(scan);
    if (status != SC_OK)
        status = sc_fail(SC_ERR_INPUT, "the mask leaves an image without samples");
cleanup:
    sc_array_free(&mask);
    return strstr(sc_message(), name) ? status : sc_context(status, "%s", name);
}
