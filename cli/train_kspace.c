/* Which part of k-space each scanner filled, and images cut to it: a table of shares (CSV), and a
 * crop of k-space about its centre.
 */
#include "cli/train_kspace.h"
#include "base/file.h"
#include "base/memory.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CSV_LIMIT ((size_t)16 << 20)
#define CSV_COLUMNS 64

void sc_occupancy_free(sc_occupancy *table)
{
    sc_free(table->text);
    sc_free(table->line);
    *table = (sc_occupancy){0};
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

static sc_status parse_occupancy(sc_occupancy *table)
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

sc_status sc_occupancy_read(sc_occupancy *table, const char *path)
{
    size_t bytes;
    *table = (sc_occupancy){0};
    sc_status status = sc_file_read((void **)&table->text, &bytes, path, CSV_LIMIT);
    if (status == SC_OK)
        status = sc_context(parse_occupancy(table), "%s", path);
    if (status != SC_OK)
        sc_occupancy_free(table);
    return status;
}

sc_status sc_occupancy_find(double share[2], const sc_occupancy *table, const char *subject,
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

/* ---- one image ---- */

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

sc_status sc_crop_kspace(sc_array *out, const sc_array *page, const int64_t to[2], bool values,
                         const sc_device *device)
{
    sc_status status = SC_OK;
    sc_c32 *full = NULL, *part = NULL;
    const int64_t *from = page->dim;
    int64_t n = from[0] * from[1], m = to[0] * to[1];
    const float gain = (float)sqrt((double)m / (double)n); /* of unitary transforms of two sizes */
    *out = (sc_array){0};
    SC_TRY(SC_ALLOC(&full, n, "k-space"));
    SC_TRY(SC_ALLOC(&part, m, "k-space"));
    SC_TRY(sc_array_create(out, page->dtype, 2, to));
    for (int64_t i = 0; i < n; i++)
        full[i] = page->dtype == SC_C32 ? ((const sc_c32 *)page->data)[i]
                                        : (sc_c32)((const float *)page->data)[i];
    SC_TRY(transform(full, from, false, device));
    int64_t top = from[0] / 2 - to[0] / 2, left = from[1] / 2 - to[1] / 2;
    for (int64_t y = 0; y < to[0]; y++)
        memcpy(part + y * to[1], full + (y + top) * from[1] + left, (size_t)to[1] * sizeof *part);
    SC_TRY(transform(part, to, true, device));
    if (page->dtype == SC_C32)
        memcpy(out->data, part, (size_t)m * sizeof *part);
    for (int64_t i = 0; page->dtype == SC_F32 && i < m; i++)
        ((float *)out->data)[i] = values ? gain * crealf(part[i]) : cabsf(part[i]);
cleanup:
    sc_free(full);
    sc_free(part);
    if (status != SC_OK)
        sc_array_free(out);
    return status;
}
