#include "cli/train_data.h"
#include "base/file.h"
#include "base/memory.h"
#include "io/tiff.h"
#include <fts.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CSV_LIMIT ((size_t)16 << 20)
#define CSV_COLUMNS 64
#define NAME_SIZE 256 /* of a file; names of images are longer */
#define SAME_SHARE 0.02 /* pixels this close to square are square */

/* ---- the table of occupied shares ---- */

typedef struct {
    char *text; /* the file, fields ended by 0 */
    struct {
        const char *subject, *contrast;
        double rows, cols;
    } *line;
    int count;
} occupancy;

static void occupancy_free(occupancy *table)
{
    sc_free(table->text);
    sc_free(table->line);
    *table = (occupancy){0};
}

/* Cut a line at its commas. */
static int split(char *field[CSV_COLUMNS], char *line)
{
    int n = 0;
    line[strcspn(line, "\r")] = 0;
    for (char *next = line; next && n < CSV_COLUMNS; n++)
        field[n] = strsep(&next, ",");
    return n;
}

static sc_status find_columns(int column[4], char *header)
{
    static const char *const wanted[4] = {"subject", "contrast", "kspace_rows", "kspace_cols"};
    char *field[CSV_COLUMNS];
    int n = split(field, header);
    for (int k = 0; k < 4; k++) {
        column[k] = -1;
        for (int i = 0; i < n; i++)
            if (strcmp(field[i], wanted[k]) == 0)
                column[k] = i;
        if (column[k] < 0)
            return sc_fail(SC_ERR_FORMAT, "no column '%s'", wanted[k]);
    }
    return SC_OK;
}

static sc_status read_share(double *share, const char *text)
{
    char *end;
    *share = strtod(text, &end);
    if (end == text || *end || !(*share > 0 && *share <= 1))
        return sc_fail(SC_ERR_FORMAT, "share of k-space is '%.40s', expected 0 to 1", text);
    return SC_OK;
}

static sc_status parse_occupancy(occupancy *table)
{
    sc_status status = SC_OK;
    int column[4], number = 1;
    char *field[CSV_COLUMNS], *next = table->text, *line = strsep(&next, "\n");
    size_t lines = 1;
    for (const char *c = next; c && *c; c++)
        lines += *c == '\n';
    SC_TRY(find_columns(column, line));
    SC_TRY(sc_alloc((void **)&table->line, lines, sizeof *table->line, "table of k-space shares"));
    while ((line = strsep(&next, "\n"))) {
        number++;
        if (!*line)
            continue;
        int n = split(field, line), i = table->count++;
        for (int k = 0; k < 4; k++)
            if (column[k] >= n)
                SC_TRY(sc_fail(SC_ERR_FORMAT, "line %d has %d fields", number, n));
        table->line[i].subject = field[column[0]];
        table->line[i].contrast = field[column[1]];
        SC_TRY(sc_context(read_share(&table->line[i].rows, field[column[2]]), "line %d", number));
        SC_TRY(sc_context(read_share(&table->line[i].cols, field[column[3]]), "line %d", number));
    }
cleanup:
    return status;
}

static sc_status read_occupancy(occupancy *table, const char *path)
{
    size_t bytes;
    *table = (occupancy){0};
    sc_status status = sc_file_read((void **)&table->text, &bytes, path, CSV_LIMIT);
    if (status == SC_OK)
        status = sc_context(parse_occupancy(table), "%s", path);
    if (status != SC_OK)
        occupancy_free(table);
    return status;
}

static sc_status find_shares(double share[2], const occupancy *table, const char *subject,
                             const char *contrast)
{
    share[0] = share[1] = 1;
    if (!table->text)
        return SC_OK;
    for (int i = 0; i < table->count; i++)
        if (strcmp(table->line[i].subject, subject) == 0 &&
            strcmp(table->line[i].contrast, contrast) == 0) {
            share[0] = table->line[i].rows;
            share[1] = table->line[i].cols;
            return SC_OK;
        }
    return sc_fail(SC_ERR_INPUT, "%s/%s is not in the table of k-space shares", contrast, subject);
}

/* ---- one page ---- */

static int64_t even_share(int64_t n, double share) { return 2 * (int64_t)floor(share * (double)n / 2 + 1e-9); }

static sc_status transform(sc_c32 *z, const int64_t dim[2], bool inverse, const sc_device *device)
{
    sc_fft *plan;
    sc_status status = device->kernels->fft_create(device, &plan, 2, dim, 1);
    if (status != SC_OK)
        return status;
    device->kernels->fft(plan, z, z, inverse);
    device->kernels->fft_free(plan);
    return SC_OK;
}

/* out: magnitude of page after cropping its k-space to `to`, both axes about index n/2. */
static sc_status crop_kspace(sc_array *out, const sc_array *page, const int64_t to[2],
                             const sc_device *device)
{
    sc_status status = SC_OK;
    sc_c32 *full = NULL, *part = NULL;
    const int64_t *from = page->dim;
    int64_t n = from[0] * from[1], m = to[0] * to[1];
    *out = (sc_array){0};
    SC_TRY(SC_ALLOC(&full, n, "k-space"));
    SC_TRY(SC_ALLOC(&part, m, "k-space"));
    SC_TRY(sc_array_create(out, SC_F32, 2, to));
    for (int64_t i = 0; i < n; i++)
        full[i] = ((const float *)page->data)[i];
    SC_TRY(transform(full, from, false, device));
    int64_t top = from[0] / 2 - to[0] / 2, left = from[1] / 2 - to[1] / 2;
    for (int64_t y = 0; y < to[0]; y++)
        memcpy(part + y * to[1], full + (y + top) * from[1] + left, (size_t)to[1] * sizeof *part);
    SC_TRY(transform(part, to, true, device));
    for (int64_t i = 0; i < m; i++)
        ((float *)out->data)[i] = cabsf(part[i]);
cleanup:
    sc_free(full);
    sc_free(part);
    if (status != SC_OK)
        sc_array_free(out);
    return status;
}

/* ---- the list ---- */

static sc_status grow(sc_train_data *data)
{
    if (data->count < data->capacity)
        return SC_OK;
    sc_status status = SC_OK;
    int capacity = data->capacity ? 2 * data->capacity : 256;
    sc_array *image = NULL;
    char **name = NULL;
    double *weight = NULL;
    SC_TRY(SC_ALLOC(&image, capacity, "image list"));
    SC_TRY(SC_ALLOC(&name, capacity, "image list"));
    SC_TRY(SC_ALLOC(&weight, capacity, "image list"));
    for (int i = 0; i < data->count; i++) {
        image[i] = data->image[i];
        name[i] = data->name[i];
        weight[i] = data->weight[i];
    }
    sc_free(data->image);
    sc_free(data->name);
    sc_free(data->weight);
    data->image = image;
    data->name = name;
    data->weight = weight;
    data->capacity = capacity;
    return SC_OK;
cleanup:
    sc_free(image);
    sc_free(name);
    sc_free(weight);
    return status;
}

static sc_status add_page(sc_train_data *data, const sc_array *page, const double share[2],
                          double weight, const char *name, const sc_device *device)
{
    sc_status status = SC_OK;
    int64_t to[2] = {even_share(page->dim[0], share[0]), even_share(page->dim[1], share[1])};
    SC_TRY(grow(data));
    int i = data->count;
    if (to[0] < 1 || to[1] < 1)
        SC_TRY(sc_fail(SC_ERR_INPUT, "image of %lld x %lld is too small", (long long)page->dim[0],
                       (long long)page->dim[1]));
    SC_TRY(crop_kspace(&data->image[i], page, to, device));
    data->weight[i] = weight;
    data->count++;
    SC_TRY(sc_string_copy(&data->name[i], name));
cleanup:
    return status;
}

static sc_status add_file(sc_train_data *data, const char *path, const char *contrast,
                          const char *subject, const occupancy *table, int matrix,
                          const sc_device *device)
{
    sc_status status = SC_OK;
    sc_array pages;
    double share[2];
    char name[2 * NAME_SIZE + 32];
    SC_TRY(sc_tiff_read(&pages, path));
    SC_TRY(find_shares(share, table, subject, contrast));
    double limit = (double)matrix / (double)pages.dim[1];
    share[0] = fmin(share[0], limit);
    share[1] = fmin(share[1], limit);
    double smaller = fmin(share[0], share[1]);
    bool square = fabs(share[0] - share[1]) < SAME_SHARE;
    for (int64_t p = 0; p < pages.dim[0]; p++) {
        sc_array page = sc_array_slice(&pages, p);
        snprintf(name, sizeof name, "%s/%s:%lld", contrast, subject, (long long)p + 1);
        SC_TRY(add_page(data, &page, share, square ? 1 : 0.5, name, device));
        if (!square)
            SC_TRY(add_page(data, &page, (double[2]){smaller, smaller}, 0.5, name, device));
    }
cleanup:
    sc_array_free(&pages);
    return status;
}

static bool is_tiff(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && (strcasecmp(dot, ".tif") == 0 || strcasecmp(dot, ".tiff") == 0);
}

/* A page weighs 1 so far: make each contrast weigh the root of its pages. */
static void balance(sc_train_data *data)
{
    for (int first = 0, last; first < data->count; first = last) {
        const char *name = data->name[first];
        size_t length = strcspn(name, "/") + 1;
        double pages = 0;
        for (last = first; last < data->count && strncmp(data->name[last], name, length) == 0; last++)
            pages += data->weight[last];
        for (int i = first; i < last; i++)
            data->weight[i] /= sqrt(pages);
    }
}

static int by_name(const FTSENT **a, const FTSENT **b) { return strcmp((*a)->fts_name, (*b)->fts_name); }

static sc_status add_folder(sc_train_data *data, const char *folder, const occupancy *table,
                            int matrix, const sc_device *device)
{
    sc_status status = SC_OK;
    char *const roots[] = {(char *)folder, NULL};
    FTS *tree = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, by_name);
    FTSENT *entry;
    if (!tree)
        return sc_fail(SC_ERR_IO, "%s: cannot be opened", folder);
    while ((entry = fts_read(tree))) {
        char subject[NAME_SIZE];
        if (entry->fts_info == FTS_NS || entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR)
            SC_TRY(sc_fail(SC_ERR_IO, "%s: %s", entry->fts_path, strerror(entry->fts_errno)));
        if (entry->fts_info != FTS_F || !is_tiff(entry->fts_name))
            continue;
        snprintf(subject, sizeof subject, "%s", entry->fts_name);
        *strrchr(subject, '.') = 0;
        SC_TRY(add_file(data, entry->fts_path, entry->fts_parent->fts_name, subject, table, matrix,
                        device));
    }
    if (data->count == 0)
        SC_TRY(sc_fail(SC_ERR_INPUT, "%s: no .tif or .tiff files in it", folder));
    balance(data);
cleanup:
    fts_close(tree);
    return status;
}

static sc_status get_image(void *self, sc_array *image, int index)
{
    const sc_train_data *data = self;
    *image = sc_array_view(SC_F32, 2, data->image[index].dim, data->image[index].data);
    return SC_OK;
}

static const char *get_name(void *self, int index) { return ((sc_train_data *)self)->name[index]; }

sc_status sc_train_data_load(sc_train_data *data, const char *folder, const char *occupied,
                             int matrix, const sc_device *device)
{
    sc_status status = SC_OK;
    occupancy table = {0};
    *data = (sc_train_data){0};
    if (occupied)
        SC_TRY(read_occupancy(&table, occupied));
    SC_TRY(add_folder(data, folder, &table, matrix, device));
    data->source = (sc_image_source){.self = data, .count = data->count, .weight = data->weight,
                                     .get = get_image, .name = get_name};
cleanup:
    occupancy_free(&table);
    if (status != SC_OK)
        sc_train_data_free(data);
    return status;
}

void sc_train_data_free(sc_train_data *data)
{
    for (int i = 0; i < data->count; i++) {
        sc_array_free(&data->image[i]);
        sc_free(data->name[i]);
    }
    sc_free(data->image);
    sc_free(data->name);
    sc_free(data->weight);
    *data = (sc_train_data){0};
}
