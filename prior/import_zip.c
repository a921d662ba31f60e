/* The directory of a zip archive (PKWARE APPNOTE 6.3), as far as torch.save writes one: stored
 * entries, zip64 where sizes need it. Only the central directory says where things are; each local
 * header must agree with it.
 */
#include "base/memory.h"
#include "prior/import_internal.h"
#include <stdlib.h>
#include <string.h>

#define ENTRIES_LIMIT 200000
#define DIRECTORY_LIMIT ((int64_t)64 << 20)
#define END_BYTES 22
#define END64_BYTES 56
#define LOCATOR_BYTES 20
#define CENTRAL_BYTES 46
#define LOCAL_BYTES 30
#define COMMENT_LIMIT 65535

static uint64_t number(const unsigned char *p, int bytes)
{
    uint64_t x = 0;
    for (int i = bytes - 1; i >= 0; i--)
        x = x << 8 | p[i];
    return x;
}

typedef struct {
    uint64_t entries, bytes, offset;
    int64_t end; /* where the directory must end at the latest */
} directory;

static sc_status cut_short(const char *what)
{
    return sc_fail(SC_ERR_FORMAT, "not a zip archive of torch.save, or cut short: %s", what);
}

/* The zip64 end record, which a locator in front of the ordinary one points to. */
static sc_status read_end64(directory *d, const sc_import_file *file, int64_t end)
{
    sc_status status = SC_OK;
    unsigned char locator[LOCATOR_BYTES], record[END64_BYTES];
    if (end < LOCATOR_BYTES)
        return SC_OK;
    SC_TRY(sc_import_file_part(file, locator, end - LOCATOR_BYTES, LOCATOR_BYTES));
    if (number(locator, 4) != 0x07064b50)
        return SC_OK;
    uint64_t at = number(locator + 8, 8);
    if (at > (uint64_t)(end - LOCATOR_BYTES))
        return cut_short("its zip64 end record lies outside the file");
    SC_TRY(sc_import_file_part(file, record, (int64_t)at, END64_BYTES));
    if (number(record, 4) != 0x06064b50)
        return cut_short("no zip64 end record where its locator says");
    *d = (directory){number(record + 32, 8), number(record + 40, 8), number(record + 48, 8),
                     (int64_t)at};
cleanup:
    return status;
}

static sc_status read_end(directory *d, const sc_import_file *file)
{
    sc_status status = SC_OK;
    unsigned char *tail = NULL;
    int64_t n = file->bytes < END_BYTES + COMMENT_LIMIT ? file->bytes : END_BYTES + COMMENT_LIMIT;
    int64_t base = file->bytes - n, i = n - END_BYTES;
    SC_TRY(SC_ALLOC(&tail, n, "end of the archive"));
    SC_TRY(sc_import_file_part(file, tail, base, (size_t)n));
    /* from the back: the record whose comment reaches the end of the file */
    while (i >= 0 && (number(tail + i, 4) != 0x06054b50 ||
                      i + END_BYTES + (int64_t)number(tail + i + 20, 2) != n))
        i--;
    if (i < 0)
        SC_TRY(cut_short("no end record"));
    *d = (directory){number(tail + i + 10, 2), number(tail + i + 12, 4), number(tail + i + 16, 4),
                     base + i};
    SC_TRY(read_end64(d, file, base + i));
    if (d->offset > (uint64_t)d->end || d->bytes > (uint64_t)d->end - d->offset)
        SC_TRY(cut_short("its directory lies outside the file"));
    if (d->entries > ENTRIES_LIMIT || d->bytes > (uint64_t)DIRECTORY_LIMIT ||
        d->entries > d->bytes / CENTRAL_BYTES)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "a directory of %llu entries in %llu bytes",
                       (unsigned long long)d->entries, (unsigned long long)d->bytes));
cleanup:
    sc_free(tail);
    return status;
}

/* Fields that are all ones in the central record stand in the zip64 extra field, in this order. */
static sc_status read_extra64(uint64_t *size, uint64_t *packed, uint64_t *header,
                              const unsigned char *extra, size_t n)
{
    uint64_t *field[3] = {size, packed, header};
    for (size_t at = 0; at + 4 <= n;) {
        size_t id = number(extra + at, 2), bytes = number(extra + at + 2, 2);
        if (bytes > n - at - 4)
            break;
        at += 4;
        if (id == 1) {
            size_t used = 0;
            for (int i = 0; i < 3; i++) {
                if (*field[i] != UINT32_MAX)
                    continue;
                if (used + 8 > bytes)
                    return sc_fail(SC_ERR_FORMAT, "zip64 field is cut short");
                *field[i] = number(extra + at + used, 8);
                used += 8;
            }
            return SC_OK;
        }
        at += bytes;
    }
    return SC_OK;
}

static sc_status check_local(sc_zip_entry *entry, const sc_import_file *file, size_t name_bytes,
                             int64_t limit)
{
    sc_status status = SC_OK;
    unsigned char local[LOCAL_BYTES];
    char name[sizeof entry->name];
    SC_TRY(sc_import_file_part(file, local, entry->header, LOCAL_BYTES));
    if (number(local, 4) != 0x04034b50 || number(local + 26, 2) != name_bytes)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "no local header of that name where the directory says"));
    SC_TRY(sc_import_file_part(file, name, entry->header + LOCAL_BYTES, name_bytes));
    if (memcmp(name, entry->name, name_bytes) != 0 ||
        (number(local + 8, 2) != 0) != entry->packed)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "local header and directory disagree"));
    entry->begin = entry->header + LOCAL_BYTES + (int64_t)name_bytes + (int64_t)number(local + 28, 2);
    if (entry->begin > limit || entry->bytes > limit - entry->begin)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "%lld bytes at byte %lld, but the data end at byte %lld",
                       (long long)entry->bytes, (long long)entry->begin, (long long)limit));
cleanup:
    return status;
}

/* One central record; *used: its bytes. limit: where the archive's data end. */
static sc_status read_entry(sc_zip_entry *entry, size_t *used, const sc_import_file *file,
                            const unsigned char *p, size_t left, int64_t limit)
{
    sc_status status = SC_OK;
    char printed[64] = "";
    *used = 0;
    if (left < CENTRAL_BYTES || number(p, 4) != 0x02014b50)
        return cut_short("its directory is damaged");
    size_t name = number(p + 28, 2), extra = number(p + 30, 2), comment = number(p + 32, 2);
    uint64_t packed = number(p + 20, 4), size = number(p + 24, 4), header = number(p + 42, 4);
    if (name + extra + comment > left - CENTRAL_BYTES)
        return cut_short("its directory is damaged");
    *used = CENTRAL_BYTES + name + extra + comment;
    sc_printable(printed, p + CENTRAL_BYTES, name);
    if (name == 0 || name >= sizeof entry->name || memchr(p + CENTRAL_BYTES, 0, name))
        SC_TRY(sc_fail(SC_ERR_FORMAT, "a name of %zu bytes, or with a zero byte", name));
    memcpy(entry->name, p + CENTRAL_BYTES, name);
    entry->name[name] = 0;
    SC_TRY(read_extra64(&size, &packed, &header, p + CENTRAL_BYTES + name, extra));
    if (number(p + 8, 2) & 1)
        SC_TRY(sc_fail(SC_ERR_UNSUPPORTED, "is encrypted"));
    if (header > (uint64_t)limit || packed > (uint64_t)limit)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "%llu bytes at byte %llu, but the data end at byte %lld",
                       (unsigned long long)packed, (unsigned long long)header, (long long)limit));
    entry->packed = number(p + 10, 2) != 0 || packed != size;
    entry->header = (int64_t)header;
    entry->bytes = (int64_t)packed;
    SC_TRY(check_local(entry, file, name, limit));
cleanup:
    return sc_context(status, "entry %s", printed);
}

static int by_header(const void *a, const void *b)
{
    const sc_zip_entry *x = a, *y = b;
    return (x->header > y->header) - (x->header < y->header);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const sc_zip_entry *)a)->name, ((const sc_zip_entry *)b)->name);
}

/* Sorted by header for the first test and by name for the second, which order stays. */
static sc_status check_entries(sc_zip *zip)
{
    qsort(zip->entry, (size_t)zip->count, sizeof *zip->entry, by_header);
    for (int i = 1; i < zip->count; i++) {
        const sc_zip_entry *a = &zip->entry[i - 1], *b = &zip->entry[i];
        if (a->begin + a->bytes > b->header)
            return sc_fail(SC_ERR_FORMAT, "entries %.60s and %.60s overlap", a->name, b->name);
    }
    qsort(zip->entry, (size_t)zip->count, sizeof *zip->entry, by_name);
    for (int i = 1; i < zip->count; i++)
        if (by_name(&zip->entry[i - 1], &zip->entry[i]) == 0)
            return sc_fail(SC_ERR_FORMAT, "entry %.60s occurs twice", zip->entry[i].name);
    return SC_OK;
}

sc_status sc_zip_open(sc_zip *zip, const sc_import_file *file)
{
    sc_status status = SC_OK;
    directory d;
    unsigned char *p = NULL;
    size_t at = 0, used;
    *zip = (sc_zip){0};
    SC_TRY(read_end(&d, file));
    if (!d.entries)
        SC_TRY(cut_short("it is empty"));
    SC_TRY(SC_ALLOC(&p, d.bytes, "directory of the archive"));
    SC_TRY(sc_import_file_part(file, p, (int64_t)d.offset, d.bytes));
    SC_TRY(SC_ALLOC(&zip->entry, d.entries, "list of entries"));
    for (; zip->count < (int)d.entries; zip->count++, at += used)
        SC_TRY(read_entry(&zip->entry[zip->count], &used, file, p + at, d.bytes - at,
                          (int64_t)d.offset));
    SC_TRY(check_entries(zip));
cleanup:
    sc_free(p);
    if (status != SC_OK)
        sc_zip_free(zip);
    return status;
}

sc_status sc_zip_check_stored(const sc_zip *zip)
{
    for (int i = 0; i < zip->count; i++)
        if (zip->entry[i].packed)
            return sc_fail(SC_ERR_UNSUPPORTED, "entry %.60s: is compressed, expected stored as "
                           "torch.save does", zip->entry[i].name);
    return SC_OK;
}

void sc_zip_free(sc_zip *zip)
{
    sc_free(zip->entry);
    *zip = (sc_zip){0};
}

const sc_zip_entry *sc_zip_find(const sc_zip *zip, const char *name)
{
    int low = 0, high = zip->count;
    while (low < high) {
        int middle = (low + high) / 2, order = strcmp(zip->entry[middle].name, name);
        if (order == 0)
            return &zip->entry[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}
