/* Inputs of a run, known by hash: a file, a folder (DICOM), a BART pair. Names lose their folders,
 * which often name people. */
#include "base/file.h"
#include "base/memory.h"
#include "io/cfl.h"
#include "io/record_internal.h"

#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char *without_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

static sc_status add_entry(sc_record *record, const char *path, int64_t bytes, const char *hex)
{
    char name[256]; /* a folder may end in a slash */
    snprintf(name, sizeof name, "%s", path);
    for (size_t n = strlen(name); n > 1 && name[n - 1] == '/'; n--)
        name[n - 1] = 0;
    json_t *entry = json_object();
    int bad = json_object_set_new(entry, "file", sc_record_string(without_folder(name)));
    bad |= json_object_set_new(entry, "bytes", json_integer(bytes));
    bad |= json_object_set_new(entry, "sha256", json_string(hex));
    if (bad) {
        json_decref(entry);
        entry = NULL; /* the list then says what is wrong */
    }
    return sc_record_append(record, "input", entry);
}

static sc_status add_file(sc_record *record, const char *path)
{
    char hex[65];
    int64_t bytes;
    sc_status status;
    SC_TRY(sc_file_size(&bytes, path));
    SC_TRY(sc_file_sha256(hex, path));
    SC_TRY(add_entry(record, path, bytes, hex));
cleanup:
    return status;
}

static sc_status add_pair(sc_record *record, const char *path)
{
    char part[4096];
    size_t length = strlen(path);
    if (length > 4 && (strcmp(path + length - 4, ".cfl") == 0 || strcmp(path + length - 4, ".hdr") == 0))
        length -= 4;
    if (length + 5 > sizeof part)
        return sc_fail(SC_ERR_USAGE, "%.60s...: path too long", path);
    memcpy(part, path, length);
    memcpy(part + length, ".cfl", 5);
    sc_status status = add_file(record, part);
    memcpy(part + length, ".hdr", 5);
    return status == SC_OK ? add_file(record, part) : status;
}

static int by_name(const FTSENT **a, const FTSENT **b) { return strcmp((*a)->fts_name, (*b)->fts_name); }

/* One hash for all: sha256 over (hash of all before, hash of the next file). */
static sc_status add_folder(sc_record *record, const char *path)
{
    sc_status status = SC_OK;
    char chain[129] = "", *roots[2] = {(char *)(uintptr_t)path, NULL};
    int64_t bytes = 0;
    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
    if (!walk)
        return sc_fail(SC_ERR_IO, "%s: cannot open: %s", path, strerror(errno));
    for (FTSENT *entry; (entry = fts_read(walk)) != NULL;) {
        if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR)
            SC_TRY(sc_fail(SC_ERR_IO, "%s: %s", entry->fts_path, strerror(entry->fts_errno)));
        if (entry->fts_info != FTS_F)
            continue;
        char hex[65];
        SC_TRY(sc_file_sha256(hex, entry->fts_path));
        memcpy(chain + strlen(chain), hex, sizeof hex);
        sc_sha256(hex, chain, strlen(chain));
        memcpy(chain, hex, sizeof hex);
        bytes += entry->fts_statp->st_size;
    }
    SC_TRY(add_entry(record, path, bytes, chain));
cleanup:
    fts_close(walk);
    return status;
}

sc_status sc_record_add_input(sc_record *record, const char *path)
{
    struct stat info;
    bool there = stat(path, &info) == 0;
    if (there && S_ISDIR(info.st_mode))
        return add_folder(record, path);
    if (sc_cfl_probe(path))
        return add_pair(record, path);
    return add_file(record, path);
}

void sc_record_input_hash(const sc_record *record, char hex[65])
{
    char chain[129] = "";
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(record->root, "input"), i, entry) {
        const char *next = json_string_value(json_object_get(entry, "sha256"));
        snprintf(chain + strlen(chain), 65, "%s", next ? next : "");
        sc_sha256(hex, chain, strlen(chain));
        memcpy(chain, hex, 65);
    }
    if (chain[0] == 0)
        sc_sha256(hex, "", 0);
}
