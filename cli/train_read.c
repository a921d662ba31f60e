/* Files below a folder become training slices. A .npy stack is read a slice at a time, so that it
 * may be larger than memory; other files are decoded whole, one at a time.
 */
#include "cli/train_data_internal.h"
#include "cli/train_kspace.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include "io/dicom.h"
#include "io/image.h"
#include "io/npy.h"
#include <fts.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define NAME_SIZE 256
#define SAME_SHARE 0.02 /* pixels this close to square are square */

/* A DICOM series seen before. */
typedef struct {
    char hash[65];
    int series;
} known_series;

typedef struct {
    sc_train_data *data;
    sc_occupancy table;
    int matrix;
    const sc_device *device;
    known_series *known;
    int known_count, known_capacity;
    int foreign, without_images; /* files that were passed over */
    const sc_progress *progress;
    double bytes, all_bytes; /* of files read, of all */
} reader;

/* One file under way: what its slices are called. */
typedef struct {
    char contrast[NAME_SIZE], subject[NAME_SIZE];
    int series;
    bool hu;
    double bytes; /* size of the file */
} origin;

/* ---- slices ---- */

/* A whole axis stays as it is; what is cut gets an even length. */
static int64_t share_of(int64_t n, double share)
{
    return share >= 1 ? n : 2 * (int64_t)floor(share * (double)n / 2 + 1e-9);
}

static sc_status add_version(reader *r, const sc_array *slice, const double share[2], double weight,
                             const origin *from, int64_t number)
{
    sc_status status = SC_OK;
    const int64_t to[2] = {share_of(slice->dim[0], share[0]),
                           share_of(slice->dim[1], share[1])};
    const sc_train_name name = {from->contrast, from->subject, from->series, number, from->hu};
    sc_array cut = {0};
    if (to[0] < 1 || to[1] < 1)
        SC_TRY(sc_fail(SC_ERR_INPUT, "image of %lld x %lld is too small", (long long)slice->dim[0],
                       (long long)slice->dim[1]));
    SC_TRY(sc_crop_kspace(&cut, slice, to, from->hu, r->device));
    SC_TRY(sc_train_data_add(r->data, &cut, &name, weight));
cleanup:
    sc_array_free(&cut);
    return status;
}

/* Before a Fourier transform spreads them over the slice. */
static sc_status check_finite(const sc_array *slice, int64_t number)
{
    int64_t n = sc_array_count(slice) * (slice->dtype == SC_C32 ? 2 : 1), bad = 0;
    for (int64_t i = 0; i < n; i++)
        bad += !isfinite(((const float *)slice->data)[i]);
    if (bad == 0)
        return SC_OK;
    return sc_fail(SC_ERR_INPUT, "slice %lld holds %lld values that are not finite",
                   (long long)number + 1, (long long)bad);
}

/* A slice cut differently along its axes has stretched pixels; a second version, cut alike along
 * both, keeps them as they were. */
static sc_status add_slice(reader *r, const sc_array *slice, const origin *from, int64_t number)
{
    sc_status status = SC_OK;
    double share[2], limit = (double)r->matrix / (double)slice->dim[0];
    SC_TRY(check_finite(slice, number));
    SC_TRY(sc_occupancy_find(share, &r->table, from->subject, from->contrast));
    share[0] = fmin(share[0], limit);
    share[1] = fmin(share[1], limit);
    double smaller = fmin(share[0], share[1]);
    bool square = fabs(share[0] - share[1]) < SAME_SHARE;
    SC_TRY(add_version(r, slice, share, square ? 1 : 0.5, from, number));
    if (!square)
        SC_TRY(add_version(r, slice, (double[2]){smaller, smaller}, 0.5, from, number));
cleanup:
    return status;
}

static sc_status add_stack(reader *r, const sc_array *stack, const origin *from)
{
    sc_status status = SC_OK;
    for (int64_t k = 0; status == SC_OK && k < stack->dim[0]; k++) {
        sc_array slice = sc_array_slice(stack, k);
        status = add_slice(r, &slice, from, k);
    }
    return status;
}

/* ---- masks and labels ---- */

#define FEWEST_VALUES 3 /* of an image */

/* The first different values of a file's slices. */
typedef struct {
    int count;
    float value[FEWEST_VALUES][2]; /* real, imaginary */
} values;

static void note_values(values *v, const sc_array *slice)
{
    const float *x = slice->data;
    const bool pairs = slice->dtype == SC_C32;
    for (int64_t i = 0; v->count < FEWEST_VALUES && i < sc_array_count(slice); i++) {
        const float re = x[pairs ? 2 * i : i], im = pairs ? x[2 * i + 1] : 0;
        int k = 0;
        if (!isfinite(re) || !isfinite(im)) { /* an error of its own */
            v->count = FEWEST_VALUES;
            return;
        }
        while (k < v->count && !(v->value[k][0] == re && v->value[k][1] == im))
            k++;
        if (k < v->count)
            continue;
        v->value[k][0] = re, v->value[k][1] = im;
        v->count++;
    }
}

/* A sampling mask or a segmentation, which would teach the prior nothing of images. */
static bool is_mask(const values *v, const char *path)
{
    if (v->count >= FEWEST_VALUES)
        return false;
    sc_log(SC_LOG_WARN, "%s holds %d different value%s, as a mask does: it is left out", path,
           v->count, v->count == 1 ? "" : "s");
    return true;
}

/* ---- files ---- */

/* Hounsfield units as CT priors see them. */
static void normalise_hu(sc_volume *volume, origin *from)
{
    from->hu = strcmp(volume->units, "HU") == 0;
    float *x = volume->data.data;
    for (int64_t i = 0; from->hu && i < sc_array_count(&volume->data); i++)
        x[i] = (x[i] + 1000) / 2000;
}

static sc_status add_image_file(reader *r, const char *path, origin *from)
{
    sc_volume volume;
    values seen = {0};
    sc_status status = sc_image_read(&volume, path);
    from->series = r->data->series++;
    if (status == SC_OK)
        note_values(&seen, &volume.data);
    if (status == SC_OK && !is_mask(&seen, path))
        status = sc_context(add_stack(r, &volume.data, from), "%s", path);
    sc_volume_free(&volume);
    return status;
}

static sc_status to_float(sc_array *slice)
{
    sc_array out;
    if (slice->dtype != SC_U8)
        return SC_OK;
    sc_status status = sc_array_create(&out, SC_F32, slice->rank, slice->dim);
    if (status != SC_OK)
        return status;
    for (int64_t i = 0; i < sc_array_count(slice); i++)
        ((float *)out.data)[i] = ((const unsigned char *)slice->data)[i];
    sc_array_free(slice);
    *slice = out;
    return SC_OK;
}

static sc_status tell_progress(const reader *r, double bytes)
{
    return sc_progress_step(r->progress, "reading", r->bytes + bytes, r->all_bytes);
}

static sc_status read_slice(sc_array *slice, const char *path, int64_t k)
{
    sc_array_free(slice);
    sc_status status = sc_npy_read_slice(slice, path, k);
    return status == SC_OK ? to_float(slice) : status;
}

static sc_status add_npy_file(reader *r, const char *path, origin *from)
{
    sc_status status = SC_OK;
    values seen = {0};
    int64_t dim[SC_MAX_RANK];
    int rank;
    bool fortran;
    sc_array slice = {0};
    SC_TRY(sc_npy_shape(&rank, dim, &fortran, path));
    if (rank != 3 || fortran)
        return add_image_file(r, path, from);
    from->series = r->data->series++;
    for (int64_t k = 0; k < dim[0] && seen.count < FEWEST_VALUES; k++) {
        SC_TRY(read_slice(&slice, path, k));
        note_values(&seen, &slice);
    }
    if (is_mask(&seen, path))
        goto cleanup;
    for (int64_t k = 0; k < dim[0]; k++) {
        SC_TRY(tell_progress(r, from->bytes * (double)k / (double)dim[0]));
        SC_TRY(read_slice(&slice, path, k));
        SC_TRY(sc_context(add_slice(r, &slice, from, k), "%s", path));
    }
cleanup:
    sc_array_free(&slice);
    return status;
}

/* Number of the series that `header` belongs to. */
static sc_status find_series(reader *r, int *series, const sc_header *header)
{
    char text[512], hash[65];
    int n = snprintf(text, sizeof text, "%s|%s|%s|%s", header->patient_id, header->study_uid,
                     header->series_description, header->protocol);
    sc_sha256(hash, text, (size_t)n);
    for (int i = r->known_count; i-- > 0;)
        if (strcmp(r->known[i].hash, hash) == 0) {
            *series = r->known[i].series;
            return SC_OK;
        }
    if (r->known_count == r->known_capacity) {
        int capacity = r->known_capacity ? 2 * r->known_capacity : 64;
        known_series *larger;
        sc_status status = SC_ALLOC(&larger, capacity, "list of series");
        if (status != SC_OK)
            return status;
        if (r->known_count)
            memcpy(larger, r->known, (size_t)r->known_count * sizeof *larger);
        sc_free(r->known);
        r->known = larger;
        r->known_capacity = capacity;
    }
    *series = r->data->series++;
    r->known[r->known_count].series = *series;
    memcpy(r->known[r->known_count++].hash, hash, sizeof hash);
    return SC_OK;
}

/* Names of patients stay out of names: a subject is a hash of its identifier. */
static void name_patient(origin *from, const sc_header *header)
{
    char hash[65];
    const char *id = header->patient_id[0] ? header->patient_id : header->study_uid;
    sc_sha256(hash, id, strlen(id));
    snprintf(from->subject, sizeof from->subject, "%.16s", hash);
    snprintf(from->contrast, sizeof from->contrast, "%s",
             header->series_description[0] ? header->series_description : "DICOM");
    for (char *c = from->contrast; *c; c++)
        if (*c == '/')
            *c = '_';
}

static sc_status add_dicom_file(reader *r, const char *path, origin *from)
{
    sc_volume volume;
    sc_header header;
    sc_status status = sc_dicom_read_series(&volume, &header, path);
    if (status == SC_ERR_INPUT) { /* reports, plans, raw data */
        r->without_images++;
        sc_log(SC_LOG_DEBUG, "%s", sc_message());
        return SC_OK;
    }
    if (status == SC_OK) {
        normalise_hu(&volume, from);
        name_patient(from, &header);
        status = find_series(r, &from->series, &header);
    }
    if (status == SC_OK)
        status = sc_context(add_stack(r, &volume.data, from), "%s", path);
    sc_volume_free(&volume);
    return status;
}

static const struct {
    const char *format; /* as sc_image_recognise says */
    sc_status (*add)(reader *r, const char *path, origin *from);
} formats[] = {
    {"TIFF", add_image_file},
    {"NIfTI", add_image_file},
    {"npy", add_npy_file},
    {"DICOM", add_dicom_file},
};

/* Extensions that promise an image: such a file must be one. */
static bool promises(const char *name)
{
    static const char *const ends[] = {".tif", ".tiff", ".nii", ".nii.gz", ".npy", ".dcm"};
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t m = strlen(ends[i]);
        if (n >= m && strcasecmp(name + n - m, ends[i]) == 0)
            return true;
    }
    return false;
}

static void cut_at(char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    if (n > m && strcasecmp(text + n - m, end) == 0)
        text[n - m] = 0;
}

static void name_file(origin *from, const FTSENT *entry)
{
    snprintf(from->contrast, sizeof from->contrast, "%s", entry->fts_parent->fts_name);
    snprintf(from->subject, sizeof from->subject, "%s", entry->fts_name);
    cut_at(from->subject, ".gz");
    char *dot = strrchr(from->subject, '.');
    if (dot && dot > from->subject)
        *dot = 0;
    if (strncmp(from->subject, "sub-", 4) == 0)
        from->subject[strcspn(from->subject, "_")] = 0;
}

static sc_status add_file(reader *r, const FTSENT *entry)
{
    const char *format = NULL;
    origin from = {.series = -1, .bytes = (double)entry->fts_statp->st_size};
    sc_status status = sc_image_recognise(&format, entry->fts_path);
    name_file(&from, entry);
    for (size_t i = 0; status == SC_OK && i < sizeof formats / sizeof *formats; i++)
        if (strcmp(format, formats[i].format) == 0)
            return formats[i].add(r, entry->fts_path, &from);
    if (status != SC_OK && (status != SC_ERR_FORMAT || promises(entry->fts_name)))
        return status;
    r->foreign++;
    return SC_OK;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* All files below `path`, in order of name. */
static sc_status visit(reader *r, const char *path, sc_status (*file)(reader *, const FTSENT *))
{
    sc_status status = SC_OK;
    char *const roots[] = {(char *)path, NULL};
    FTS *tree = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, by_name);
    FTSENT *entry;
    if (!tree)
        return sc_fail(SC_ERR_IO, "%s: cannot be opened", path);
    while ((entry = fts_read(tree))) {
        if (entry->fts_info == FTS_NS || entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR)
            SC_TRY(sc_fail(SC_ERR_IO, "%s: %s", entry->fts_path, strerror(entry->fts_errno)));
        if (entry->fts_info == FTS_F)
            SC_TRY(file(r, entry));
    }
cleanup:
    fts_close(tree);
    return status;
}

static sc_status count_bytes(reader *r, const FTSENT *entry)
{
    r->all_bytes += (double)entry->fts_statp->st_size;
    return SC_OK;
}

static sc_status read_file(reader *r, const FTSENT *entry)
{
    sc_status status = add_file(r, entry);
    if (status != SC_OK)
        return status;
    r->bytes += (double)entry->fts_statp->st_size;
    return tell_progress(r, 0);
}

static sc_status add_all(reader *r, const char *path)
{
    sc_status status = SC_OK;
    SC_TRY(visit(r, path, count_bytes));
    SC_TRY(tell_progress(r, 0));
    SC_TRY(visit(r, path, read_file));
    if (r->foreign + r->without_images > 0)
        sc_log(SC_LOG_INFO, "%s: %d files are no images, %d DICOM files hold none", path,
               r->foreign, r->without_images);
cleanup:
    return status;
}

sc_status sc_train_data_read(sc_train_data *data, const char *path, const char *occupied,
                             int matrix, const sc_device *device, const sc_progress *progress)
{
    reader r = {.data = data, .matrix = matrix, .device = device, .progress = progress};
    sc_status status = SC_OK;
    if (occupied)
        SC_TRY(sc_occupancy_read(&r.table, occupied));
    SC_TRY(add_all(&r, path));
cleanup:
    sc_occupancy_free(&r.table);
    sc_free(r.known);
    return status;
}
