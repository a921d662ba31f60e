/* What is in a scan, for `scorecon info`: one list of facts, printed as text or as JSON. Names,
 * dates, places and free text are told only when asked for. */
#include "base/memory.h"
#include "io/ismrmrd_internal.h"
#include "io/scan_internal.h"
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Facts of the header that say nothing about who, when and where. */
typedef struct {
    const char *name;
    size_t offset;
    bool number;
} fact;

static const fact open_facts[] = {
    {"vendor", offsetof(sc_header, vendor), false},
    {"model", offsetof(sc_header, model), false},
    {"field_tesla", offsetof(sc_header, field_tesla), true},
    {"frequency_hz", offsetof(sc_header, frequency_hz), true},
    {"sequence", offsetof(sc_header, sequence_type), false},
    {"tr_ms", offsetof(sc_header, tr_ms), true},
    {"te_ms", offsetof(sc_header, te_ms), true},
    {"ti_ms", offsetof(sc_header, ti_ms), true},
    {"flip_deg", offsetof(sc_header, flip_deg), true},
    {"patient_position", offsetof(sc_header, patient_position), false},
};

static const fact identifying_facts[] = {
    {"patient_name", offsetof(sc_header, patient_name), false},
    {"patient_id", offsetof(sc_header, patient_id), false},
    {"patient_birth_date", offsetof(sc_header, patient_birth_date), false},
    {"patient_sex", offsetof(sc_header, patient_sex), false},
    {"weight_kg", offsetof(sc_header, weight_kg), true},
    {"study_uid", offsetof(sc_header, study_uid), false},
    {"study_date", offsetof(sc_header, study_date), false},
    {"study_time", offsetof(sc_header, study_time), false},
    {"study_id", offsetof(sc_header, study_id), false},
    {"accession", offsetof(sc_header, accession), false},
    {"measurement_id", offsetof(sc_header, measurement_id), false},
    {"institution", offsetof(sc_header, institution), false},
    {"station", offsetof(sc_header, station), false},
    {"protocol", offsetof(sc_header, protocol), false},
    {"series_description", offsetof(sc_header, series_description), false},
};

enum {
    OPEN_FACTS = sizeof open_facts / sizeof *open_facts,
    IDENTIFYING_FACTS = sizeof identifying_facts / sizeof *identifying_facts
};

static void put_fact(json_t *facts, const sc_header *header, const char *name, size_t offset,
                     bool number)
{
    const char *field = (const char *)header + offset;
    double value;
    memcpy(&value, field, sizeof value);
    if (number && !isnan(value))
        json_object_set_new(facts, name, json_real(value));
    if (!number && field[0])
        json_object_set_new(facts, name, json_string(field)); /* refuses what is not UTF-8 */
}

static void put_int(json_t *facts, const char *name, int64_t value)
{
    json_object_set_new(facts, name, json_integer(value));
}

/* Rows x columns; of a 3D scan slices x rows x columns. */
static void put_size(json_t *facts, const char *name, const sc_scan *scan, int64_t z, int64_t y,
                     int64_t x)
{
    json_object_set_new(facts, name,
                        scan->nz > 1
                            ? json_pack("[I,I,I]", (json_int_t)z, (json_int_t)y, (json_int_t)x)
                            : json_pack("[I,I]", (json_int_t)y, (json_int_t)x));
}

/* Measured samples, highest average count, and samples in all, of frame 0. */
static void put_sampling(json_t *facts, const sc_scan *scan)
{
    const float *mask = scan->mask.data;
    int64_t all = scan->slices * scan->nz * scan->ny * scan->nx, measured = 0, low[3], high[3];
    float averages = 0;
    for (int64_t i = 0; i < all; i++) {
        measured += mask[i] > 0;
        averages = fmaxf(averages, mask[i]);
    }
    put_int(facts, "samples_per_slice", measured / scan->slices);
    json_object_set_new(facts, "acceleration", json_real((double)all / (double)measured));
    if (averages > 1)
        put_int(facts, "averages", (int64_t)averages);
    sc_scan_centre(low, high, scan, mask);
    put_size(facts, "fully_sampled_centre", scan, high[0] - low[0], high[1] - low[1],
             high[2] - low[2]);
    if (scan->calibration.data) {
        sc_scan_centre(low, high, scan, scan->calibration_mask.data);
        put_size(facts, "calibration_lines", scan, high[0] - low[0], high[1] - low[1],
                 high[2] - low[2]);
    }
    put_int(facts, "noise_samples", scan->noise.data ? scan->noise.dim[1] : 0);
}

static void put_geometry(json_t *facts, const sc_scan *scan)
{
    static const char *const planes[3] = {"sagittal", "coronal", "axial"};
    const sc_geometry *g = &scan->geometry;
    json_object_set_new(facts, "geometry", json_string(g->known ? "known" : "unknown"));
    if (!g->known)
        return;
    double size[3] = {0}, normal[3];
    int largest = 0;
    for (int c = 0; c < 3; c++)
        for (int a = 0; a < 3; a++)
            size[c] += g->affine[a][c] * g->affine[a][c];
    for (int a = 0; a < 3; a++) {
        int b = (a + 1) % 3, c = (a + 2) % 3;
        normal[a] = fabs(g->affine[b][0] * g->affine[c][1] - g->affine[c][0] * g->affine[b][1]);
        largest = normal[a] > normal[largest] ? a : largest;
    }
    json_object_set_new(facts, "voxel_mm", json_pack("[f,f]", sqrt(size[1]), sqrt(size[0])));
    if (g->slices > 1)
        json_object_set_new(facts, "slice_step_mm", json_real(sqrt(size[2])));
    if (g->thickness_mm > 0)
        json_object_set_new(facts, "thickness_mm", json_real(g->thickness_mm));
    /* oblique beyond about 8 degrees */
    double length = sqrt(size[0] * size[1]);
    char text[32];
    snprintf(text, sizeof text, "%s%s", normal[largest] < 0.99 * length ? "oblique " : "",
             planes[largest]);
    json_object_set_new(facts, "orientation", json_string(text));
}

static json_t *collect(const sc_scan *scan, bool identifying)
{
    json_t *facts = json_object();
    json_object_set_new(facts, "kind", json_string("scan"));
    json_object_set_new(facts, "format", json_string(scan->format));
    json_object_set_new(facts, "acquisition", json_string(scan->nz > 1 ? "3D" : "2D"));
    put_int(facts, "slices", scan->slices);
    put_int(facts, "frames", scan->frames);
    put_int(facts, "coils", scan->coils);
    put_size(facts, "matrix", scan, scan->nz, scan->ny, scan->nx);
    put_size(facts, "image", scan, scan->image_nz, scan->image_ny, scan->image_nx);
    if (scan->readout)
        json_object_set_new(facts, "readout", json_string(scan->readout == 'x' ? "x" : "y"));
    put_sampling(facts, scan);
    put_geometry(facts, scan);
    for (int i = 0; i < OPEN_FACTS; i++)
        put_fact(facts, &scan->header, open_facts[i].name, open_facts[i].offset,
                 open_facts[i].number);
    for (int i = 0; identifying && i < IDENTIFYING_FACTS; i++)
        put_fact(facts, &scan->header, identifying_facts[i].name, identifying_facts[i].offset,
                 identifying_facts[i].number);
    return facts;
}

static size_t print_value(char *to, size_t size, const json_t *value)
{
    int n = 0;
    if (json_is_string(value))
        n = snprintf(to, size, "%s", json_string_value(value));
    else if (json_is_integer(value))
        n = snprintf(to, size, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        n = snprintf(to, size, "%.6g", json_real_value(value));
    return (size_t)n < size ? (size_t)n : size - 1;
}

/* "name: value", lists with " x " between. */
static sc_status as_text(char **text, json_t *facts)
{
    const char *name;
    json_t *value, *part;
    size_t size = 64 * 1024, n = 0, i; /* facts are at most 128 bytes each */
    sc_status status = SC_ALLOC(text, size, "description");
    if (status != SC_OK)
        return status;
    json_object_foreach(facts, name, value)
    {
        n += (size_t)snprintf(*text + n, size - n, "%s: ", name);
        n += print_value(*text + n, size - n, value);
        json_array_foreach(value, i, part)
        {
            n += (size_t)snprintf(*text + n, size - n, "%s", i ? " x " : "");
            n += print_value(*text + n, size - n, part);
        }
        n += (size_t)snprintf(*text + n, size - n, "\n");
    }
    return SC_OK;
}

sc_status sc_scan_describe(char **text, const sc_scan *scan, bool json, bool identifying)
{
    json_t *facts = collect(scan, identifying);
    sc_status status = SC_OK;
    *text = NULL;
    if (!json)
        status = as_text(text, facts);
    else {
        char *dump = json_dumps(facts, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
        status = dump ? sc_string_copy(text, dump)
                      : sc_fail(SC_ERR_MEMORY, "no memory for a description");
        free(dump);
    }
    json_decref(facts);
    return status;
}
