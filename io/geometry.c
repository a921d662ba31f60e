/* Geometry files: strict about keys, because a misspelt one would move the patient.
 *
 * affine = [r dx | p dy | step | first voxel]; step = slice spacing along n = r x p.
 */
#include "io/geometry.h"
#include "base/file.h"
#include "base/memory.h"
#include "io/geometry_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const key_names[] = {"image_position_mm",  "centre_mm",
                                        "slice_positions_mm", "row_direction",
                                        "column_direction",   "pixel_spacing_mm",
                                        "slice_spacing_mm",   "slice_thickness_mm"};
#define KEY_LIST                                                                                   \
    "image_position_mm or centre_mm or slice_positions_mm, row_direction, column_direction, "      \
    "pixel_spacing_mm, slice_spacing_mm, slice_thickness_mm"

static sc_status check_keys(const json_t *json)
{
    const char *key;
    json_t *value;
    if (!json_is_object(json))
        return sc_fail(SC_ERR_FORMAT, "geometry: expected an object {...}");
    json_object_foreach((json_t *)(uintptr_t)json, key, value) {
        bool known = false;
        for (size_t i = 0; i < sizeof key_names / sizeof *key_names; i++)
            known = known || strcmp(key, key_names[i]) == 0;
        if (!known)
            return sc_fail(SC_ERR_FORMAT, "geometry: unknown key \"%.60s\", expected " KEY_LIST, key);
    }
    int places = (json_object_get(json, key_names[0]) != NULL) +
                 (json_object_get(json, key_names[1]) != NULL) +
                 (json_object_get(json, key_names[2]) != NULL);
    if (places != 1)
        return sc_fail(SC_ERR_FORMAT, "geometry: expected exactly one of image_position_mm, "
                                      "centre_mm and slice_positions_mm, found %d", places);
    return SC_OK;
}

static sc_status take_numbers(double *value, size_t count, const json_t *json, const char *key)
{
    if (!json_is_array(json) || json_array_size(json) != count)
        return sc_fail(SC_ERR_FORMAT, "geometry: %s: expected %zu numbers [...]", key, count);
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(json, i);
        if (!json_is_number(item))
            return sc_fail(SC_ERR_FORMAT, "geometry: %s: expected %zu numbers [...]", key, count);
        value[i] = json_number_value(item);
    }
    return SC_OK;
}

/* A key that must be there. */
static sc_status take(double *value, size_t count, const json_t *json, const char *key)
{
    const json_t *item = json_object_get(json, key);
    if (!item)
        return sc_fail(SC_ERR_FORMAT, "geometry: key %s is missing", key);
    if (count > 1)
        return take_numbers(value, count, item, key);
    if (!json_is_number(item))
        return sc_fail(SC_ERR_FORMAT, "geometry: %s: expected a number", key);
    *value = json_number_value(item);
    return SC_OK;
}

typedef struct {
    double r[3], p[3], n[3];
    double spacing[2]; /* between rows, between columns */
    double slice_spacing, thickness;
} facts;

static double dot(const double a[3], const double b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static sc_status orthonormal(facts *f)
{
    double rr = sqrt(dot(f->r, f->r)), pp = sqrt(dot(f->p, f->p)), rp = dot(f->r, f->p);
    if (!(fabs(rr - 1) <= 1e-3 && fabs(pp - 1) <= 1e-3 && fabs(rp) <= 1e-3))
        return sc_fail(SC_ERR_INPUT, "geometry: row_direction and column_direction must be "
                                     "orthonormal to 1e-3, found lengths %g and %g, product %g",
                       rr, pp, rp);
    for (int i = 0; i < 3; i++)
        f->r[i] /= rr;
    rp = dot(f->r, f->p);
    for (int i = 0; i < 3; i++)
        f->p[i] -= rp * f->r[i];
    pp = sqrt(dot(f->p, f->p));
    for (int i = 0; i < 3; i++)
        f->p[i] /= pp;
    for (int i = 0; i < 3; i++)
        f->n[i] = f->r[(i + 1) % 3] * f->p[(i + 2) % 3] - f->r[(i + 2) % 3] * f->p[(i + 1) % 3];
    return SC_OK;
}

static sc_status take_facts(facts *f, const json_t *json, int64_t slices)
{
    sc_status status;
    SC_TRY(check_keys(json));
    SC_TRY(take(f->r, 3, json, "row_direction"));
    SC_TRY(take(f->p, 3, json, "column_direction"));
    SC_TRY(take(f->spacing, 2, json, "pixel_spacing_mm"));
    if (json_object_get(json, "slice_thickness_mm")) {
        SC_TRY(take(&f->thickness, 1, json, "slice_thickness_mm"));
        if (!(f->thickness > 0))
            SC_TRY(sc_fail(SC_ERR_INPUT, "geometry: slice_thickness_mm is %g, expected > 0",
                           f->thickness));
    }
    bool listed = json_object_get(json, "slice_positions_mm") != NULL;
    f->slice_spacing = f->thickness > 0 ? f->thickness : 1; /* of one slice: keeps the affine regular */
    if (!listed && (slices > 1 || json_object_get(json, "slice_spacing_mm")))
        SC_TRY(take(&f->slice_spacing, 1, json, "slice_spacing_mm"));
    if (f->slice_spacing == 0)
        SC_TRY(sc_fail(SC_ERR_INPUT, "geometry: slice_spacing_mm is 0"));
    if (!(f->spacing[0] > 0 && f->spacing[1] > 0))
        SC_TRY(sc_fail(SC_ERR_INPUT, "geometry: pixel_spacing_mm is %g, %g, expected > 0",
                       f->spacing[0], f->spacing[1]));
    SC_TRY(orthonormal(f));
cleanup:
    return status;
}

static void fill_affine(sc_geometry *g, const facts *f, const double first[3], const double step[3])
{
    for (int i = 0; i < 3; i++) {
        g->affine[i][0] = f->r[i] * f->spacing[1];
        g->affine[i][1] = f->p[i] * f->spacing[0];
        g->affine[i][2] = step[i];
        g->affine[i][3] = first[i];
    }
}

static sc_status place_one(sc_geometry *g, const facts *f, const json_t *json, int64_t ny,
                           int64_t nx)
{
    sc_status status;
    double first[3], step[3];
    bool centre = json_object_get(json, "centre_mm") != NULL;
    SC_TRY(take(first, 3, json, centre ? "centre_mm" : "image_position_mm"));
    for (int i = 0; i < 3; i++) {
        step[i] = f->n[i] * f->slice_spacing;
        if (centre)
            first[i] -= (double)(nx / 2) * f->spacing[1] * f->r[i] +
                        (double)(ny / 2) * f->spacing[0] * f->p[i] +
                        (double)(g->slices / 2) * step[i];
    }
    fill_affine(g, f, first, step);
cleanup:
    return status;
}

static sc_status place_each(sc_geometry *g, const facts *f, const json_t *json)
{
    sc_status status;
    const json_t *list = json_object_get(json, "slice_positions_mm");
    if (!json_is_array(list) || (int64_t)json_array_size(list) != g->slices)
        SC_TRY(sc_fail(SC_ERR_INPUT, "geometry: slice_positions_mm: expected %lld positions "
                                     "[x, y, z], found %zu", (long long)g->slices,
                       json_array_size(list)));
    SC_TRY(SC_ALLOC(&g->slice_position, 3 * g->slices, "slice positions"));
    for (int64_t k = 0; k < g->slices; k++)
        SC_TRY(take_numbers(g->slice_position + 3 * k, 3, json_array_get(list, (size_t)k),
                            "slice_positions_mm"));
    double step[3];
    const double *last = g->slice_position + 3 * (g->slices - 1);
    for (int i = 0; i < 3; i++)
        step[i] = g->slices > 1 ? (last[i] - g->slice_position[i]) / (double)(g->slices - 1)
                                : f->n[i] * f->slice_spacing;
    fill_affine(g, f, g->slice_position, step);
cleanup:
    return status;
}

sc_status sc_geometry_from_json(sc_geometry *geometry, const json_t *json, int64_t slices,
                                int64_t ny, int64_t nx)
{
    sc_status status;
    facts f = {0};
    *geometry = (sc_geometry){.slices = slices};
    SC_TRY(take_facts(&f, json, slices));
    if (json_object_get(json, "slice_positions_mm"))
        SC_TRY(place_each(geometry, &f, json));
    else
        SC_TRY(place_one(geometry, &f, json, ny, nx));
    geometry->thickness_mm = f.thickness;
    geometry->known = true;
cleanup:
    if (status != SC_OK)
        sc_geometry_free(geometry);
    return status;
}

sc_status sc_geometry_file_read(sc_geometry *geometry, const char *path, int64_t slices, int64_t ny,
                                int64_t nx)
{
    sc_status status;
    void *text = NULL;
    size_t bytes;
    json_t *json = NULL;
    json_error_t error;
    *geometry = (sc_geometry){0};
    SC_TRY(sc_file_read(&text, &bytes, path, (size_t)64 << 20));
    json = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
    if (!json)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "%s: line %d: %s", path, error.line, error.text));
    status = sc_geometry_from_json(geometry, json, slices, ny, nx);
    sc_context(status, "%s", path);
cleanup:
    json_decref(json);
    sc_free(text);
    return status;
}

static json_t *numbers(const double *value, int count)
{
    json_t *list = json_array();
    for (int i = 0; list && i < count; i++)
        if (json_array_append_new(list, json_real(value[i])) != 0) {
            json_decref(list);
            list = NULL;
        }
    return list;
}

/* Positions, unless they lie evenly along the normal. */
static bool needs_list(const sc_geometry *g, const double n[3])
{
    const double step[3] = {g->affine[0][2], g->affine[1][2], g->affine[2][2]};
    double along = dot(step, n), worst = 0;
    for (int i = 0; i < 3; i++) {
        worst = fmax(worst, fabs(step[i] - along * n[i]) * (double)g->slices);
        for (int64_t k = 0; g->slice_position && k < g->slices; k++)
            worst = fmax(worst, fabs(g->slice_position[3 * k + i] - g->affine[i][3] -
                                     (double)k * step[i]));
    }
    return worst > 1e-9;
}

static json_t *positions(const sc_geometry *g)
{
    json_t *list = json_array();
    for (int64_t k = 0; list && k < g->slices; k++) {
        double x[3];
        for (int i = 0; i < 3; i++)
            x[i] = g->slice_position ? g->slice_position[3 * k + i]
                                     : g->affine[i][3] + (double)k * g->affine[i][2];
        if (json_array_append_new(list, numbers(x, 3)) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return list;
}

json_t *sc_geometry_to_json(const sc_geometry *g)
{
    double r[3], p[3], n[3], first[3], spacing[2];
    for (int i = 0; i < 3; i++) {
        r[i] = g->affine[i][0];
        p[i] = g->affine[i][1];
        first[i] = g->affine[i][3];
    }
    spacing[0] = sqrt(dot(p, p));
    spacing[1] = sqrt(dot(r, r));
    for (int i = 0; i < 3; i++) {
        r[i] /= spacing[1];
        p[i] /= spacing[0];
    }
    for (int i = 0; i < 3; i++)
        n[i] = r[(i + 1) % 3] * p[(i + 2) % 3] - r[(i + 2) % 3] * p[(i + 1) % 3];

    json_t *json = json_object();
    int bad = json_object_set_new(json, "row_direction", numbers(r, 3));
    bad |= json_object_set_new(json, "column_direction", numbers(p, 3));
    bad |= json_object_set_new(json, "pixel_spacing_mm", numbers(spacing, 2));
    if (needs_list(g, n))
        bad |= json_object_set_new(json, "slice_positions_mm", positions(g));
    else {
        const double step[3] = {g->affine[0][2], g->affine[1][2], g->affine[2][2]};
        bad |= json_object_set_new(json, "image_position_mm", numbers(first, 3));
        bad |= json_object_set_new(json, "slice_spacing_mm", json_real(dot(step, n)));
    }
    if (g->thickness_mm > 0)
        bad |= json_object_set_new(json, "slice_thickness_mm", json_real(g->thickness_mm));
    if (bad) {
        json_decref(json);
        json = NULL;
    }
    return json;
}

sc_status sc_geometry_file_write(const char *path, const sc_geometry *geometry)
{
    sc_status status;
    char *text = NULL;
    if (!geometry->known)
        return sc_fail(SC_ERR_INPUT, "%s: the geometry is not known", path);
    json_t *json = sc_geometry_to_json(geometry);
    text = json ? json_dumps(json, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(json);
    if (!text)
        return sc_fail(SC_ERR_MEMORY, "%s: not enough memory for the text", path);
    status = sc_file_write(path, text, strlen(text));
    free(text);
    return status;
}
