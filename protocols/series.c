#include "protocols/series.h"
#include "base/memory.h"
#include "io/cfl.h"
#include "io/figure.h"
#include "io/nifti.h"
#include "io/npy.h"
#include "io/png.h"
#include "protocols/protocol.h"
#include <complex.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define PREVIEW_TILES 12 /* at most so many slices in the preview */

/* The maps that go with an image: the name of the .npy, and behind "dicom-" of the folder. */
static const struct {
    const char *name;
    size_t offset; /* of the array in sc_series */
    sc_dicom_map dicom;
} maps[] = {
    {"std", offsetof(sc_series, std), {"STD_DEV", "standard deviation of the magnitude"}},
    {"p05", offsetof(sc_series, p05), {"PERCENTILE_5", "5 % limit of the magnitude"}},
    {"p95", offsetof(sc_series, p95), {"PERCENTILE_95", "95 % limit of the magnitude"}},
    {"chi2", offsetof(sc_series, chi2), {"RESIDUAL_CHI2", "residual over noise, 1 is noise"}},
    {"prior-share",
     offsetof(sc_series, prior_share),
     {"PRIOR_SHARE", "posterior over prior variance"}},
};
enum { MAPS = sizeof maps / sizeof *maps };

static const sc_array *map_array(const sc_series *series, int map)
{
    return (const sc_array *)(const void *)((const char *)series + maps[map].offset);
}

static sc_status create_unknown(sc_array *map, const int64_t dim[3])
{
    sc_status status = sc_array_create(map, SC_F32, 3, dim);
    for (int64_t i = 0; status == SC_OK && i < sc_array_count(map); i++)
        ((float *)map->data)[i] = NAN;
    return status;
}

sc_status sc_series_create(sc_series *series, int64_t frames, int64_t slices, int64_t ny,
                           int64_t nx, int samples, bool chi2, bool prior)
{
    sc_status status = SC_OK;
    *series = (sc_series){.frames = frames, .slices = slices, .ny = ny, .nx = nx};
    int64_t images = frames * slices;
    const int64_t dim[] = {images, ny, nx}, sample_dim[] = {samples, images, ny, nx};
    SC_TRY(sc_array_create(&series->image, SC_C32, 3, dim));
    if (samples > 0) {
        SC_TRY(sc_array_create(&series->std, SC_F32, 3, dim));
        SC_TRY(sc_array_create(&series->p05, SC_F32, 3, dim));
        SC_TRY(sc_array_create(&series->p95, SC_F32, 3, dim));
        SC_TRY(sc_array_create(&series->samples, SC_C32, 4, sample_dim));
    }
    if (samples > 0 || chi2)
        SC_TRY(create_unknown(&series->chi2, dim));
    if (samples > 0 && prior)
        SC_TRY(create_unknown(&series->prior_share, dim));
cleanup:
    if (status != SC_OK)
        sc_series_free(series);
    return status;
}

void sc_series_free(sc_series *series)
{
    if (!series)
        return;
    sc_array_free(&series->image);
    sc_array_free(&series->std);
    sc_array_free(&series->p05);
    sc_array_free(&series->p95);
    sc_array_free(&series->chi2);
    sc_array_free(&series->prior_share);
    sc_array_free(&series->samples);
    *series = (sc_series){0};
}

sc_array sc_series_frame(const sc_series *series, const sc_array *array, int64_t frame,
                         int64_t sample)
{
    int64_t images = series->frames * series->slices, n = series->ny * series->nx;
    int64_t first = (sample > 0 ? sample : 0) * images + frame * series->slices;
    return sc_array_view(array->dtype, 3, (int64_t[]){series->slices, series->ny, series->nx},
                         (char *)array->data + (size_t)(first * n) * sc_dtype_size(array->dtype));
}

sc_status sc_series_magnitude(sc_array *magnitude, const sc_series *series, int64_t frame)
{
    const int64_t dim[] = {series->slices, series->ny, series->nx};
    sc_status status = sc_array_create(magnitude, SC_F32, 3, dim);
    if (status != SC_OK)
        return status;
    int64_t n = series->slices * series->ny * series->nx;
    const sc_c32 *image = (const sc_c32 *)series->image.data + frame * n;
    float *m = magnitude->data;
    for (int64_t i = 0; i < n; i++)
        m[i] = cabsf(image[i]);
    return SC_OK;
}

/* "name" for one frame, "name-02" for the second of several. */
static void frame_name(char *text, size_t size, const sc_series *series, const char *name,
                       int64_t frame, const char *extension)
{
    if (series->frames == 1)
        snprintf(text, size, "%s%s", name, extension);
    else
        snprintf(text, size, "%s-%02lld%s", name, (long long)frame + 1, extension);
}

static sc_status write_one_npy(sc_outdir *outdir, const char *name, const sc_array *array)
{
    sc_status status = SC_OK;
    char file[64];
    const char *path;
    if (!array->data)
        return SC_OK;
    snprintf(file, sizeof file, "%s.npy", name);
    SC_TRY(sc_outdir_path(outdir, &path, file));
    SC_TRY(sc_npy_write(path, array));
cleanup:
    return status;
}

static sc_status write_npy(const sc_series *series, sc_outdir *outdir)
{
    sc_status status = write_one_npy(outdir, "image", &series->image);
    if (status == SC_OK)
        status = write_one_npy(outdir, "samples", &series->samples);
    for (int i = 0; i < MAPS && status == SC_OK; i++)
        status = write_one_npy(outdir, maps[i].name, map_array(series, i));
    return status;
}

/* BART's order for a 2D image: dims (1, ny, nx), slices in dimension 13, y fastest. */
static sc_status write_cfl(const sc_series *series, sc_outdir *outdir)
{
    sc_status status = SC_OK;
    sc_array turned = {0};
    const char *path;
    int64_t images = series->frames * series->slices, ny = series->ny, nx = series->nx;
    int64_t dims[SC_BART_DIMS] = {1, ny, nx, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, images, 1, 1};
    const sc_c32 *image = series->image.data;
    SC_TRY(sc_array_create(&turned, SC_C32, 3, (int64_t[]){images, nx, ny}));
    sc_c32 *out = turned.data;
    for (int64_t i = 0; i < images; i++)
        for (int64_t x = 0; x < nx; x++)
            for (int64_t y = 0; y < ny; y++)
                out[(i * nx + x) * ny + y] = image[(i * ny + y) * nx + x];
    SC_TRY(sc_outdir_path(outdir, &path, "image.cfl"));
    SC_TRY(sc_cfl_write(path, &turned, dims));
cleanup:
    sc_array_free(&turned);
    return status;
}

static sc_status write_frames(const sc_series *series, sc_outdir *outdir, bool nifti,
                              const sc_dicom_options *dicom)
{
    sc_status status = SC_OK;
    sc_volume volume = {.geometry = *series->geometry};
    for (int64_t frame = 0; frame < series->frames; frame++) {
        char name[64];
        const char *path;
        SC_TRY(sc_series_magnitude(&volume.data, series, frame));
        if (nifti) {
            frame_name(name, sizeof name, series, "image", frame, ".nii.gz");
            SC_TRY(sc_outdir_path(outdir, &path, name));
            SC_TRY(sc_nifti_write(path, &volume));
        } else {
            char run[96];
            sc_dicom_options options = *dicom;
            frame_name(name, sizeof name, series, "dicom", frame, "");
            snprintf(run, sizeof run, "%.70s %lld", dicom->run, (long long)frame);
            options.run = run;
            options.series_number = 901 + (int)frame;
            SC_TRY(sc_dicom_write_series(outdir, name, &volume, series->header, &options));
        }
        sc_array_free(&volume.data);
    }
cleanup:
    sc_array_free(&volume.data);
    return status;
}

/* Each map of each frame is a series of its own, beside the image's. */
static sc_status write_dicom_maps(const sc_series *series, sc_outdir *outdir,
                                  const sc_dicom_options *dicom)
{
    sc_status status = SC_OK;
    for (int i = 0; i < MAPS * series->frames; i++) {
        int map = i / (int)series->frames, frame = i % (int)series->frames;
        const sc_array *array = map_array(series, map);
        char folder[32], name[64], run[128];
        sc_dicom_options options = *dicom;
        if (!array->data)
            continue;
        sc_volume volume = {.geometry = *series->geometry,
                            .data = sc_series_frame(series, array, frame, -1)};
        snprintf(folder, sizeof folder, "dicom-%s", maps[map].name);
        frame_name(name, sizeof name, series, folder, frame, "");
        snprintf(run, sizeof run, "%.70s %d %s", dicom->run, frame, maps[map].name);
        options.run = run;
        options.map = &maps[map].dicom;
        options.series_number = 901 + frame + 1000 * (map + 1);
        SC_TRY(sc_dicom_write_series(outdir, name, &volume, series->header, &options));
    }
cleanup:
    return status;
}

/* Up to PREVIEW_TILES slices over all frames, evenly spread; below each its standard deviation. */
static sc_status write_preview(const sc_series *series, sc_outdir *outdir)
{
    sc_status status = SC_OK;
    int64_t images = series->frames * series->slices, n = series->ny * series->nx;
    int shown = images < PREVIEW_TILES ? (int)images : PREVIEW_TILES,
        rows = series->std.data ? 2 : 1;
    sc_tile tile[2 * PREVIEW_TILES] = {0};
    char title[PREVIEW_TILES][32];
    float *magnitude = NULL;
    const char *path;
    const sc_c32 *image = series->image.data;
    SC_TRY(SC_ALLOC(&magnitude, images * n, "preview"));
    for (int64_t i = 0; i < images * n; i++)
        magnitude[i] = cabsf(image[i]);
    double white = sc_png_white(magnitude, images * n);
    double widest = series->std.data ? sc_png_white(series->std.data, images * n) : 0;
    SC_TRY(sc_outdir_path(outdir, &path, "preview.png"));
    if (images == 1 && rows == 1) {
        SC_TRY(sc_png_write_gray(path, magnitude, series->ny, series->nx, 0, white));
        goto cleanup;
    }
    for (int i = 0; i < shown; i++) {
        int64_t which = i * images / shown;
        snprintf(title[i], sizeof title[i], "image %lld", (long long)which + 1);
        tile[i] = (sc_tile){.image = magnitude + which * n,
                            .ny = series->ny,
                            .nx = series->nx,
                            .high = white,
                            .title = title[i]};
        if (rows == 2)
            tile[shown + i] = (sc_tile){.image = (const float *)series->std.data + which * n,
                                        .ny = series->ny,
                                        .nx = series->nx,
                                        .high = widest,
                                        .map = SC_COLOR_HEAT,
                                        .caption = "standard deviation"};
    }
    SC_TRY(sc_figure_panel(path, tile, rows, shown, 0, NULL, rows == 2));
cleanup:
    sc_free(magnitude);
    return status;
}

sc_status sc_series_write(const sc_series *series, sc_outdir *outdir, unsigned formats,
                          const sc_dicom_options *dicom)
{
    sc_status status = SC_OK;
    if (formats & SC_FORMAT_NPY)
        SC_TRY(write_npy(series, outdir));
    if (formats & SC_FORMAT_CFL)
        SC_TRY(write_cfl(series, outdir));
    if (formats & SC_FORMAT_NIFTI)
        SC_TRY(write_frames(series, outdir, true, dicom));
    if (formats & SC_FORMAT_DICOM)
        SC_TRY(write_frames(series, outdir, false, dicom));
    if (formats & SC_FORMAT_DICOM)
        SC_TRY(write_dicom_maps(series, outdir, dicom));
    if (formats & SC_FORMAT_PNG)
        SC_TRY(write_preview(series, outdir));
cleanup:
    return status;
}
