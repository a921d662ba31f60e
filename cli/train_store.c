#include "cli/train_store.h"
#include "base/file.h"
#include "base/memory.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    sc_array slice; /* data NULL: in the file, at `offset` */
    int64_t offset, bytes;
} entry;

struct sc_slice_store {
    entry *entry;
    int count, capacity;
    int64_t limit;
    sc_store_size size;
    char *path; /* of the scratch file, for messages: it has no name any more */
    int file;   /* -1: none yet */
    void *buffer; /* one slice from the file */
    size_t buffer_bytes;
};

sc_status sc_slice_store_create(sc_slice_store **store, int64_t limit, const char *folder)
{
    sc_status status = SC_OK;
    sc_slice_store *s = NULL;
    size_t bytes = strlen(folder) + 32;
    *store = NULL;
    SC_TRY(SC_ALLOC(&s, 1, "slices"));
    s->file = -1;
    s->limit = limit;
    SC_TRY(SC_ALLOC(&s->path, bytes, "path"));
    snprintf(s->path, bytes, "%s/scorecon-scratch-XXXXXX", folder);
    *store = s;
    s = NULL;
cleanup:
    sc_slice_store_free(s);
    return status;
}

sc_status sc_slice_store_create_beside(sc_slice_store **store, int64_t limit, const char *output)
{
    char folder[4096];
    const char *slash = output ? strrchr(output, '/') : NULL, *place = getenv("TMPDIR");
    if (!output)
        return sc_slice_store_create(store, limit, place && place[0] ? place : "/tmp");
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - output) + 1 : 1,
             slash ? output : ".");
    return sc_slice_store_create(store, limit, folder);
}

void sc_slice_store_free(sc_slice_store *store)
{
    if (!store)
        return;
    for (int i = 0; i < store->count; i++)
        sc_array_free(&store->entry[i].slice);
    if (store->file >= 0)
        close(store->file);
    sc_free(store->entry);
    sc_free(store->path);
    sc_free(store->buffer);
    sc_free(store);
}

static sc_status grow(sc_slice_store *s)
{
    if (s->count < s->capacity)
        return SC_OK;
    int capacity = s->capacity ? 2 * s->capacity : 256;
    entry *larger;
    sc_status status = SC_ALLOC(&larger, capacity, "list of slices");
    if (status != SC_OK)
        return status;
    if (s->count)
        memcpy(larger, s->entry, (size_t)s->count * sizeof *larger);
    sc_free(s->entry);
    s->entry = larger;
    s->capacity = capacity;
    return SC_OK;
}

static sc_status open_scratch(sc_slice_store *s)
{
    if (s->file >= 0)
        return SC_OK;
    s->file = mkstemp(s->path);
    if (s->file < 0)
        return sc_fail(SC_ERR_IO, "%s: %s (scratch file for images beyond --memory)", s->path,
                       strerror(errno));
    unlink(s->path);
    return SC_OK;
}

sc_status sc_slice_store_add(sc_slice_store *s, int *index, const sc_array *slice)
{
    sc_status status = SC_OK;
    int64_t bytes = (int64_t)sc_array_bytes(slice);
    entry *e;
    SC_TRY(grow(s));
    e = &s->entry[s->count];
    *e = (entry){.slice = *slice, .bytes = bytes};
    e->slice.data = NULL;
    e->slice.owned = false;
    if (s->size.memory_bytes + bytes <= s->limit) {
        SC_TRY(sc_array_copy(&e->slice, slice));
        s->size.memory_bytes += bytes;
        s->size.in_memory++;
    } else {
        SC_TRY(open_scratch(s));
        e->offset = s->size.file_bytes;
        SC_TRY(sc_file_write_all(s->file, slice->data, (size_t)bytes, s->path));
        s->size.file_bytes += bytes;
    }
    s->size.slices++;
    *index = s->count++;
cleanup:
    return status;
}

static sc_status read_scratch(const sc_slice_store *s, size_t bytes, int64_t offset)
{
    char *to = s->buffer;
    while (bytes > 0) {
        ssize_t got = pread(s->file, to, bytes, offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return sc_fail(SC_ERR_IO, "%s: %s", s->path, got ? strerror(errno) : "is cut");
        to += got;
        offset += got;
        bytes -= (size_t)got;
    }
    return SC_OK;
}

sc_status sc_slice_store_get(sc_slice_store *s, sc_array *slice, int index)
{
    sc_status status = SC_OK;
    const entry *e = &s->entry[index];
    *slice = e->slice;
    slice->owned = false;
    if (slice->data)
        return SC_OK;
    size_t bytes = (size_t)e->bytes;
    if (bytes > s->buffer_bytes) {
        sc_free(s->buffer);
        s->buffer_bytes = 0;
        SC_TRY(sc_alloc(&s->buffer, bytes, 1, "slice"));
        s->buffer_bytes = bytes;
    }
    SC_TRY(read_scratch(s, bytes, e->offset));
    slice->data = s->buffer;
cleanup:
    return status;
}

sc_store_size sc_slice_store_size(const sc_slice_store *store) { return store->size; }
