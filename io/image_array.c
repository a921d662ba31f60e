/* Images in files that hold just an array: .npy, cfl, TIFF, and recon's own output folder. */
#include "base/file.h"
#include "base/memory.h"
#include "io/cfl.h"
#include "io/dicom.h"
#include "io/geometry_internal.h"
#include "io/image_internal.h"
#include "io/nifti.h"
#include "io/npy.h"
#include "io/tiff.h"

#include <string.h>

static sc_status to_float(sc_array *array)
{
    sc_array x = {0};
    sc_status status = sc_array_create(&x, SC_F32, array->rank, array->dim);
    if (status != SC_OK)
        return status;
    int64_t count = sc_array_count(array);
    float *to = x.data;
    for (int64_t i = 0; i < count; i++)
        to[i] = array->dtype == SC_U8    ? (float)((const uint8_t *)array->data)[i]
                : array->dtype == SC_I32 ? (float)((const int32_t *)array->data)[i]
                                         : (float)((const double *)array->data)[i];
    sc_array_free(array);
    *array = x;
    return SC_OK;
}

/* (slice, y, x): leading axes of size 1 go, missing ones come. Takes the array. */
static sc_status take(sc_volume *volume, sc_array *array, const char *path)
{
    sc_status status = SC_OK;
    int first = 0;
    while (array->rank - first > 3 && array->dim[first] == 1)
        first++;
    if (array->rank - first > 3 || array->rank < 2)
        SC_TRY(sc_fail(SC_ERR_INPUT, "%s: array of %d axes, expected (y, x) or (slice, y, x)", path,
                       array->rank - first));
    if (array->dtype != SC_F32 && array->dtype != SC_C32)
        SC_TRY(to_float(array));
    int64_t dim[3] = {1, 1, 1};
    for (int i = first; i < array->rank; i++)
        dim[3 - array->rank + i] = array->dim[i];
    volume->data = *array;
    volume->data.rank = 3;
    memcpy(volume->data.dim, dim, sizeof dim);
    volume->geometry.slices = dim[0];
    *array = (sc_array){0};
cleanup:
    sc_array_free(array);
    return status;
}

sc_status sc_image_read_npy(sc_volume *volume, const char *path)
{
    sc_array array;
    sc_status status = sc_npy_read(&array, path);
    return status == SC_OK ? take(volume, &array, path) : status;
}

sc_status sc_image_read_tiff(sc_volume *volume, const char *path)
{
    sc_array array;
    sc_status status = sc_tiff_read(&array, path);
    return status == SC_OK ? take(volume, &array, path) : status;
}

/* Which BART dimensions are slice, y and x; with READ or PHS1 of size 1 the image is 2D. */
static sc_status bart_axes(int axis[3], const int64_t dim[SC_BART_DIMS], const char *path)
{
    static const int planes[3][3] = {{SC_BART_PHS2, SC_BART_PHS1, SC_BART_READ},
                                     {SC_BART_READ, SC_BART_PHS1, SC_BART_PHS2},
                                     {SC_BART_PHS1, SC_BART_PHS2, SC_BART_READ}};
    memcpy(axis, planes[dim[SC_BART_READ] == 1 ? 1 : dim[SC_BART_PHS1] == 1 ? 2 : 0],
           3 * sizeof *axis);
    if (dim[axis[0]] == 1)
        axis[0] = SC_BART_SLICE;
    for (int i = 0; i < SC_BART_DIMS; i++)
        if (dim[i] > 1 && i != axis[0] && i != axis[1] && i != axis[2])
            return sc_fail(SC_ERR_INPUT, "%s: dimension %d has size %lld, expected one image or a "
                                         "stack of slices", path, i, (long long)dim[i]);
    return SC_OK;
}

sc_status sc_image_read_cfl(sc_volume *volume, const char *path)
{
    sc_array file;
    int64_t dim[SC_BART_DIMS], step[SC_BART_DIMS] = {1};
    int axis[3];
    sc_status status;
    SC_TRY(sc_cfl_read(&file, dim, path));
    for (int i = 1; i < SC_BART_DIMS; i++)
        step[i] = step[i - 1] * dim[i - 1];
    SC_TRY(bart_axes(axis, dim, path));
    const int64_t shape[3] = {dim[axis[0]], dim[axis[1]], dim[axis[2]]};
    SC_TRY(sc_array_create(&volume->data, SC_C32, 3, shape));
    const sc_c32 *from = file.data;
    sc_c32 *to = volume->data.data;
    for (int64_t row = 0; row < shape[0] * shape[1]; row++)
        for (int64_t x = 0; x < shape[2]; x++)
            *to++ = from[row / shape[1] * step[axis[0]] + row % shape[1] * step[axis[1]] +
                         x * step[axis[2]]];
    volume->geometry.slices = shape[0];
cleanup:
    sc_array_free(&file);
    return status;
}

static sc_status read_dicom(sc_volume *volume, const char *path)
{
    return sc_dicom_read_series(volume, NULL, path);
}

/* What recon --format may have left in its folder, the most exact first. */
static const struct {
    const char *name;
    sc_status (*read)(sc_volume *volume, const char *path);
} contents[] = {
    {"image.npy", sc_image_read_npy},
    {"image.cfl", sc_image_read_cfl},
    {"image.nii.gz", sc_nifti_read},
    {"dicom", read_dicom},
};
enum { CONTENTS = sizeof contents / sizeof *contents };

static bool holds(const char *folder, const char *name)
{
    char path[4096];
    return sc_path_join(path, sizeof path, folder, name) == SC_OK && sc_path_exists(path);
}

static int find_content(const char *folder)
{
    int i = 0;
    while (i < CONTENTS && !holds(folder, contents[i].name))
        i++;
    return i;
}

bool sc_image_is_out(const char *path)
{
    return holds(path, "record.json") && find_content(path) < CONTENTS;
}

/* A record that does not say, or whose image has several frames, leaves the place unknown. */
static sc_status place(sc_volume *volume, const char *path)
{
    sc_status status;
    void *text = NULL;
    size_t bytes;
    json_t *record = NULL;
    json_error_t error;
    const int64_t *dim = volume->data.dim;
    SC_TRY(sc_file_read(&text, &bytes, path, (size_t)64 << 20));
    record = json_loadb(text, bytes, 0, &error);
    if (!record)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "%s: line %d: %s", path, error.line, error.text));
    const json_t *geometry = json_object_get(record, "geometry");
    const json_t *frames = json_object_get(json_object_get(record, "data"), "frames");
    if (json_is_object(geometry) && !(json_is_integer(frames) && json_integer_value(frames) > 1))
        SC_TRY(sc_geometry_from_json(&volume->geometry, geometry, dim[0], dim[1], dim[2]));
cleanup:
    json_decref(record);
    sc_free(text);
    return status;
}

sc_status sc_image_read_out(sc_volume *volume, const char *path)
{
    char name[4096];
    sc_status status;
    int found = find_content(path);
    if (found == CONTENTS)
        return sc_fail(SC_ERR_IO, "%s: holds no image", path);
    SC_TRY(sc_path_join(name, sizeof name, path, contents[found].name));
    SC_TRY(contents[found].read(volume, name));
    if (volume->geometry.known)
        goto cleanup;
    SC_TRY(sc_path_join(name, sizeof name, path, "record.json"));
    SC_TRY(place(volume, name));
cleanup:
    if (status != SC_OK)
        sc_volume_free(volume);
    return status;
}
