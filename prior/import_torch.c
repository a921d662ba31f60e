/* Either container of torch.save. Zip (since 1.6): TOP/data.pkl, TOP/data/KEY. Legacy: pickles of
 * a magic number, the protocol 1001, the system, the object and the list of storage keys; then per
 * key a count and the numbers. Storages stay in the file; tensors are read one by one, strided.
 */
#include "base/memory.h"
#include "prior/import.h"
#include "prior/import_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- file ---- */

sc_status sc_import_file_open(sc_import_file *file, const char *path)
{
    struct stat info;
    *file = (sc_import_file){path, open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), 0};
    if (file->descriptor < 0)
        return sc_fail(SC_ERR_IO, "cannot open: %s", strerror(errno));
    if (fstat(file->descriptor, &info) != 0 || !S_ISREG(info.st_mode)) {
        sc_import_file_close(file);
        return sc_fail(SC_ERR_IO, "not a regular file");
    }
    file->bytes = info.st_size;
    return SC_OK;
}

void sc_import_file_close(sc_import_file *file)
{
    if (file->descriptor >= 0)
        close(file->descriptor);
    file->descriptor = -1;
}

sc_status sc_import_file_part(const sc_import_file *file, void *to, int64_t offset, size_t bytes)
{
    if (offset < 0 || offset > file->bytes || bytes > (uint64_t)(file->bytes - offset))
        return sc_fail(SC_ERR_FORMAT, "cut short: %zu bytes expected at byte %lld of %lld", bytes,
                       (long long)offset, (long long)file->bytes);
    for (size_t done = 0; done < bytes;) {
        ssize_t n = pread(file->descriptor, (char *)to + done, bytes - done, offset + (off_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return sc_fail(SC_ERR_IO, "cannot read: %s",
                           n < 0 ? strerror(errno) : "became shorter while being read");
        done += (size_t)n;
    }
    return SC_OK;
}

/* ---- zip ---- */

/* The folder, with its slash, that holds data.pkl. */
static sc_status find_top(char top[SC_ZIP_NAME], const sc_zip *zip)
{
    static const char name[] = "data.pkl";
    int found = 0;
    for (int i = 0; i < zip->count; i++) {
        const char *slash = strchr(zip->entry[i].name, '/');
        if (!slash || strcmp(slash + 1, name) != 0)
            continue;
        found++;
        snprintf(top, SC_ZIP_NAME, "%.*s", (int)(slash + 1 - zip->entry[i].name), zip->entry[i].name);
    }
    return found == 1 ? SC_OK
                      : sc_fail(SC_ERR_FORMAT, "expected one TOP/data.pkl in the archive, found %d: "
                                "not a checkpoint of torch.save", found);
}

static const sc_zip_entry *entry_of(const sc_zip *zip, const char *top, const char *name)
{
    char path[2 * SC_ZIP_NAME];
    snprintf(path, sizeof path, "%s%s", top, name);
    return sc_zip_find(zip, path);
}

static sc_status check_byte_order(const sc_checkpoint_file *c, const char *top)
{
    char text[8] = "";
    const sc_zip_entry *entry = entry_of(&c->zip, top, "byteorder");
    if (!entry)
        return SC_OK; /* torch before 2.1 knew no other than little */
    size_t n = entry->bytes < 7 ? (size_t)entry->bytes : 7;
    sc_status status = sc_import_file_part(&c->file, text, entry->begin, n);
    if (status == SC_OK && strcmp(text, "little") != 0) {
        char printed[64];
        status = sc_fail(SC_ERR_UNSUPPORTED, "byteorder is '%s', expected little",
                         sc_printable(printed, text, n));
    }
    return status;
}

static sc_status locate_in_zip(sc_checkpoint_file *c, const char *top)
{
    for (size_t i = 0; i < c->pickle.storage.count; i++) {
        const sc_torch_storage *s = sc_pickle_storage(&c->pickle, (int64_t)i);
        char name[128], key[64];
        sc_printable(key, s->key, s->key_bytes);
        snprintf(name, sizeof name, "data/%.*s", (int)s->key_bytes, (const char *)s->key);
        const sc_zip_entry *entry = entry_of(&c->zip, top, name);
        int64_t bytes = s->count * (s->dtype ? s->dtype->size : 1);
        if (!entry)
            return sc_fail(SC_ERR_FORMAT, "storage data/%s is missing", key);
        if (entry->bytes != bytes)
            return sc_fail(SC_ERR_FORMAT, "storage data/%s: expected %lld bytes, found %lld", key,
                           (long long)bytes, (long long)entry->bytes);
        c->begin[i] = entry->begin;
    }
    return SC_OK;
}

static sc_status read_object(sc_checkpoint_file *c, const sc_zip_entry *entry)
{
    sc_status status = SC_OK;
    size_t used;
    if ((uint64_t)entry->bytes > SC_PICKLE_LIMIT)
        return sc_fail(SC_ERR_FORMAT, "%lld bytes, at most %zu are allowed",
                       (long long)entry->bytes, SC_PICKLE_LIMIT);
    SC_TRY(sc_alloc(&c->bytes, (size_t)entry->bytes + 1, 1, "pickle"));
    SC_TRY(sc_import_file_part(&c->file, c->bytes, entry->begin, (size_t)entry->bytes));
    SC_TRY(sc_pickle_read(&c->pickle, &used, c->bytes, (size_t)entry->bytes));
    if (used != (size_t)entry->bytes)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "byte %zu: %zu bytes follow STOP", used,
                       (size_t)entry->bytes - used));
cleanup:
    return sc_context(status, "data.pkl");
}

static sc_status open_zip(sc_checkpoint_file *c)
{
    sc_status status = SC_OK;
    char top[SC_ZIP_NAME];
    SC_TRY(sc_zip_open(&c->zip, &c->file));
    SC_TRY(find_top(top, &c->zip));
    if (entry_of(&c->zip, top, "constants.pkl"))
        SC_TRY(sc_fail(SC_ERR_UNSUPPORTED, "is TorchScript, which holds code; expected what "
                       "torch.save makes of a state dict"));
    SC_TRY(sc_zip_check_stored(&c->zip));
    SC_TRY(check_byte_order(c, top));
    SC_TRY(read_object(c, entry_of(&c->zip, top, "data.pkl")));
    SC_TRY(SC_ALLOC(&c->begin, c->pickle.storage.count, "storages"));
    SC_TRY(locate_in_zip(c, top));
cleanup:
    return status;
}

/* ---- legacy ---- */

static const unsigned char magic[10] = {0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};

typedef struct {
    const unsigned char *data; /* the start of the file, with all pickles in it */
    size_t bytes, at;
} window;

static sc_status next_pickle(sc_pickle *pickle, window *w, const char *what)
{
    size_t used;
    sc_status status = sc_pickle_read(pickle, &used, w->data + w->at, w->bytes - w->at);
    if (status != SC_OK)
        return sc_context(status, "%s from byte %zu", what, w->at);
    w->at += used;
    return SC_OK;
}

/* Magic number, protocol and system. */
static sc_status read_preamble(window *w)
{
    sc_status status = SC_OK;
    sc_pickle pickle = {0};
    const sc_pickle_value *little = NULL;
    SC_TRY(next_pickle(&pickle, w, "magic number"));
    const sc_pickle_value *v = sc_pickle_at(&pickle, pickle.result);
    if (v->kind != SC_PICKLE_LONG || v->count != sizeof magic || memcmp(v->as.text, magic, sizeof magic))
        SC_TRY(sc_fail(SC_ERR_FORMAT, "a pickle, but not one of torch.save: no magic number"));
    sc_pickle_free(&pickle);
    SC_TRY(next_pickle(&pickle, w, "protocol"));
    v = sc_pickle_at(&pickle, pickle.result);
    if (v->kind != SC_PICKLE_WHOLE || v->as.whole != 1001)
        SC_TRY(sc_fail(SC_ERR_UNSUPPORTED, "torch.save's protocol is not 1001"));
    sc_pickle_free(&pickle);
    SC_TRY(next_pickle(&pickle, w, "system"));
    v = sc_pickle_at(&pickle, pickle.result);
    if (v->kind == SC_PICKLE_DICT)
        SC_TRY(sc_pickle_find(&little, &pickle, v, "little_endian"));
    if (!little || little->kind != SC_PICKLE_BOOL || !little->as.whole)
        SC_TRY(sc_fail(SC_ERR_UNSUPPORTED, "little_endian is not true in the file's system"));
cleanup:
    sc_pickle_free(&pickle);
    return status;
}

static int64_t storage_of_key(const sc_pickle *p, const sc_pickle_value *key)
{
    for (size_t i = 0; i < p->storage.count && key->kind == SC_PICKLE_TEXT; i++) {
        const sc_torch_storage *s = sc_pickle_storage(p, (int64_t)i);
        if (s->key_bytes == key->count && memcmp(s->key, key->as.text, key->count) == 0)
            return (int64_t)i;
    }
    return -1;
}

/* One storage in the file: its count, then its numbers; *at moves behind it. */
static sc_status locate_one(sc_checkpoint_file *c, int64_t *at, int64_t index)
{
    const sc_torch_storage *s = sc_pickle_storage(&c->pickle, index);
    int64_t count, size = s->dtype ? s->dtype->size : 1;
    char key[64];
    sc_printable(key, s->key, s->key_bytes);
    if (c->begin[index])
        return sc_fail(SC_ERR_FORMAT, "storage %s occurs twice", key);
    sc_status status = sc_import_file_part(&c->file, &count, *at, sizeof count);
    if (status != SC_OK)
        return status;
    c->begin[index] = *at + (int64_t)sizeof count;
    if (count != s->count)
        return sc_fail(SC_ERR_FORMAT, "storage %s at byte %lld: expected %lld numbers, found %lld",
                       key, (long long)*at, (long long)s->count, (long long)count);
    if (count * size > c->file.bytes - c->begin[index])
        return sc_fail(SC_ERR_FORMAT, "storage %s: %lld bytes at byte %lld, but the file has %lld",
                       key, (long long)(count * size), (long long)c->begin[index],
                       (long long)c->file.bytes);
    *at = c->begin[index] + count * size;
    return SC_OK;
}

static sc_status locate_in_legacy(sc_checkpoint_file *c, window *w)
{
    sc_status status = SC_OK;
    sc_pickle keys = {0};
    SC_TRY(next_pickle(&keys, w, "list of storages"));
    const sc_pickle_value *list = sc_pickle_at(&keys, keys.result);
    int64_t at = (int64_t)w->at;
    if (list->kind != SC_PICKLE_LIST || list->count != c->pickle.storage.count)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "list of storages: expected a list of %zu, found %s of %u",
                       c->pickle.storage.count, sc_pickle_kind_name(list->kind), list->count));
    uint32_t cell = list->count ? list->as.cell.first : 0;
    for (; cell; cell = sc_pickle_cell_at(&keys, cell)->next) {
        const sc_pickle_value *key = sc_pickle_at(&keys, sc_pickle_cell_at(&keys, cell)->value);
        int64_t index = storage_of_key(&c->pickle, key);
        if (index < 0)
            SC_TRY(sc_fail(SC_ERR_FORMAT, "list of storages: an entry that no tensor uses"));
        SC_TRY(locate_one(c, &at, index));
    }
    if (at != c->file.bytes)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "storages end at byte %lld, the file at %lld", (long long)at,
                       (long long)c->file.bytes));
cleanup:
    sc_pickle_free(&keys);
    return status;
}

static sc_status open_legacy(sc_checkpoint_file *c)
{
    sc_status status = SC_OK;
    window w = {0};
    w.bytes = (uint64_t)c->file.bytes < SC_PICKLE_LIMIT ? (size_t)c->file.bytes : SC_PICKLE_LIMIT;
    SC_TRY(sc_alloc(&c->bytes, w.bytes + 1, 1, "pickles"));
    SC_TRY(sc_import_file_part(&c->file, c->bytes, 0, w.bytes));
    w.data = c->bytes;
    SC_TRY(read_preamble(&w));
    SC_TRY(next_pickle(&c->pickle, &w, "object"));
    SC_TRY(SC_ALLOC(&c->begin, c->pickle.storage.count, "storages"));
    SC_TRY(locate_in_legacy(c, &w));
cleanup:
    return status;
}

/* ---- either ---- */

/* A zip whose first entry is TOP/data.pkl, or a pickle that begins with the magic number. */
bool sc_import_recognise(const char *path)
{
    enum { LOCAL = 30, NAME = 26 }; /* bytes of a local header; where the name's length stands */
    static const char name[] = "/data.pkl";
    sc_import_file file;
    unsigned char head[LOCAL + SC_ZIP_NAME] = {0};
    if (sc_import_file_open(&file, path) != SC_OK)
        return false;
    size_t n = file.bytes < (int64_t)sizeof head ? (size_t)file.bytes : sizeof head;
    bool read = sc_import_file_part(&file, head, 0, n) == SC_OK;
    sc_import_file_close(&file);
    size_t length = head[NAME] | (size_t)head[NAME + 1] << 8, end = sizeof name - 1;
    if (read && memcmp(head, "PK\3\4", 4) == 0)
        return length > end && length < SC_ZIP_NAME &&
               memcmp(head + LOCAL + length - end, name, end) == 0;
    return read && n > 14 && memcmp(head, "\x80\2\x8a\n", 4) == 0 &&
           memcmp(head + 4, magic, sizeof magic) == 0;
}

static bool is_tar(const sc_import_file *file)
{
    char text[5];
    return file->bytes >= 512 && sc_import_file_part(file, text, 257, sizeof text) == SC_OK &&
           memcmp(text, "ustar", sizeof text) == 0;
}

sc_status sc_checkpoint_open(sc_checkpoint_file *c, const char *path)
{
    sc_status status = SC_OK;
    unsigned char head[4] = {0};
    *c = (sc_checkpoint_file){.file.descriptor = -1};
    SC_TRY(sc_import_file_open(&c->file, path));
    if (c->file.bytes >= (int64_t)sizeof head)
        SC_TRY(sc_import_file_part(&c->file, head, 0, sizeof head));
    if (is_tar(&c->file))
        SC_TRY(sc_fail(SC_ERR_UNSUPPORTED, "is a tar archive of an early PyTorch; load it and "
                       "torch.save it with PyTorch 1.0 or later"));
    if (memcmp(head, "PK\3\4", 4) == 0)
        SC_TRY(open_zip(c));
    else if (head[0] == 0x80)
        SC_TRY(open_legacy(c));
    else
        SC_TRY(sc_fail(SC_ERR_FORMAT, "not a checkpoint of torch.save: neither zip nor pickle"));
cleanup:
    if (status != SC_OK)
        sc_checkpoint_close(c);
    return sc_context(status, "%s", path);
}

void sc_checkpoint_close(sc_checkpoint_file *c)
{
    sc_import_file_close(&c->file);
    sc_pickle_free(&c->pickle);
    sc_zip_free(&c->zip);
    sc_free(c->bytes);
    sc_free(c->begin);
    *c = (sc_checkpoint_file){.file.descriptor = -1};
}

/* to[C order] = from[sum of index * stride] */
static void gather(float *to, const float *from, const sc_torch_tensor *t, int64_t count)
{
    int64_t index[SC_MAX_RANK] = {0}, at = 0;
    for (int64_t i = 0; i < count; i++) {
        to[i] = from[at];
        for (int axis = t->rank - 1; axis >= 0; axis--) {
            at += t->stride[axis];
            if (++index[axis] < t->dim[axis])
                break;
            at -= t->dim[axis] * t->stride[axis];
            index[axis] = 0;
        }
    }
}

sc_status sc_checkpoint_tensor(float *to, const sc_checkpoint_file *c, const sc_torch_tensor *t)
{
    sc_status status = SC_OK;
    void *raw = NULL;
    float *numbers = NULL;
    int64_t count = 1;
    for (int i = 0; i < t->rank; i++)
        count *= t->dim[i]; /* at most the extent: span() */
    if (!t->dtype->convert)
        return sc_fail(SC_ERR_FORMAT, "holds %s, expected a float type", t->dtype->name);
    if (!count)
        return SC_OK;
    SC_TRY(sc_alloc(&raw, (size_t)t->extent, (size_t)t->dtype->size, "tensor"));
    SC_TRY(SC_ALLOC(&numbers, t->extent, "tensor"));
    SC_TRY(sc_import_file_part(&c->file, raw, c->begin[t->storage] + t->first,
                               (size_t)t->extent * (size_t)t->dtype->size));
    t->dtype->convert(numbers, raw, t->extent);
    gather(to, numbers, t, count);
cleanup:
    sc_free(raw);
    sc_free(numbers);
    return status;
}
