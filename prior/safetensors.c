#include "prior/safetensors.h"
#include "base/file.h"
#include "base/memory.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_LIMIT ((size_t)16 << 20)
#define TENSORS_LIMIT 100000
#define PREFIX 8 /* bytes of the header's length */

struct sc_safetensors {
    void *data; /* the whole file */
    json_t *header;
    sc_safetensor *tensor;
    int count;
    char hash[65];
};

static const struct {
    const char *name;
    sc_dtype dtype;
} dtypes[] = {{"F32", SC_F32}, {"F64", SC_F64}, {"BF16", SC_BF16},
              {"U8", SC_U8},   {"I32", SC_I32}, {"I64", SC_I64}};

#define DTYPES (sizeof dtypes / sizeof *dtypes)

static const char *dtype_name(sc_dtype dtype)
{
    for (size_t i = 0; i < DTYPES; i++)
        if (dtypes[i].dtype == dtype)
            return dtypes[i].name;
    return NULL;
}

static sc_status read_dtype(sc_array *array, const json_t *entry)
{
    const char *text = json_string_value(json_object_get(entry, "dtype"));
    for (size_t i = 0; text && i < DTYPES; i++)
        if (strcmp(text, dtypes[i].name) == 0) {
            array->dtype = dtypes[i].dtype;
            return SC_OK;
        }
    return sc_fail(SC_ERR_FORMAT, "dtype is %s, expected F32, F64, BF16, U8, I32 or I64",
                   text ? text : "missing");
}

/* Shape and number of elements; a scalar has rank 0 in the file and rank 1 here. */
static sc_status read_shape(sc_array *array, int64_t *count, const json_t *entry, size_t room)
{
    const json_t *shape = json_object_get(entry, "shape");
    size_t rank = json_array_size(shape);
    if (!json_is_array(shape) || rank > SC_MAX_RANK)
        return sc_fail(SC_ERR_FORMAT, "shape is missing or has more than %d axes", SC_MAX_RANK);
    array->rank = rank ? (int)rank : 1;
    array->dim[0] = 1;
    *count = 1;
    for (size_t i = 0; i < rank; i++) {
        const json_t *axis = json_array_get(shape, i);
        json_int_t n = json_integer_value(axis);
        if (!json_is_integer(axis) || n < 0 || (n && *count > (int64_t)room / n))
            return sc_fail(SC_ERR_FORMAT, "axis %zu of the shape is %lld: larger than the file", i,
                           (long long)n);
        array->dim[i] = n;
        *count *= n;
    }
    return SC_OK;
}

static sc_status read_tensor(sc_safetensor *tensor, const char *name, const json_t *entry,
                             char *data, size_t room)
{
    sc_status status = SC_OK;
    int64_t count = 0;
    sc_array *array = &tensor->array;
    const json_t *offsets = json_object_get(entry, "data_offsets");
    const json_t *first = json_array_get(offsets, 0), *last = json_array_get(offsets, 1);
    *tensor = (sc_safetensor){.name = name};
    if (!json_is_object(entry))
        SC_TRY(sc_fail(SC_ERR_FORMAT, "expected dtype, shape and data_offsets"));
    SC_TRY(read_dtype(array, entry));
    SC_TRY(read_shape(array, &count, entry, room));
    if (json_array_size(offsets) != 2 || !json_is_integer(first) || !json_is_integer(last))
        SC_TRY(sc_fail(SC_ERR_FORMAT, "data_offsets are missing or not two whole numbers"));
    json_int_t begin = json_integer_value(first), end = json_integer_value(last);
    if (begin < 0 || end < begin || (uint64_t)end > room)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "data_offsets %lld to %lld, but the file holds %zu bytes",
                       (long long)begin, (long long)end, room));
    if ((uint64_t)(end - begin) != (uint64_t)count * sc_dtype_size(array->dtype))
        SC_TRY(sc_fail(SC_ERR_FORMAT, "shape and dtype need %lld bytes, data_offsets give %lld",
                       (long long)count * (long long)sc_dtype_size(array->dtype),
                       (long long)(end - begin)));
    array->data = data + begin;
cleanup:
    return sc_context(status, "tensor %s", name);
}

static int by_offset(const void *a, const void *b)
{
    const char *p = ((const sc_safetensor *)a)->array.data, *q = ((const sc_safetensor *)b)->array.data;
    return (p > q) - (p < q);
}

/* Bytes of a tensor, also of an empty one. */
static size_t tensor_bytes(const sc_safetensor *tensor)
{
    size_t bytes = sc_dtype_size(tensor->array.dtype);
    for (int i = 0; i < tensor->array.rank; i++)
        bytes *= (size_t)tensor->array.dim[i];
    return bytes;
}

/* Sorted by offset, tensors follow each other exactly. */
static sc_status check_cover(const sc_safetensors *file, const char *data, size_t room)
{
    const char *expected = data;
    for (int i = 0; i < file->count; i++) {
        const sc_safetensor *tensor = &file->tensor[i];
        const char *begin = tensor->array.data;
        if (begin != expected)
            return sc_fail(SC_ERR_FORMAT, "tensor %s begins at byte %td of the data, expected %td "
                           "(%s)", tensor->name, begin - data, expected - data,
                           begin < expected ? "overlap" : "gap");
        expected = begin + tensor_bytes(tensor);
    }
    if (expected != data + room)
        return sc_fail(SC_ERR_FORMAT, "tensors end at byte %td of the data, the file at %zu",
                       expected - data, room);
    return SC_OK;
}

static sc_status check_metadata(const json_t *metadata)
{
    const char *key;
    json_t *value;
    if (metadata && !json_is_object(metadata))
        return sc_fail(SC_ERR_FORMAT, "__metadata__ is not an object");
    json_object_foreach((json_t *)metadata, key, value)
        if (!json_is_string(value))
            return sc_fail(SC_ERR_FORMAT, "__metadata__: %s is not a text", key);
    return SC_OK;
}

static uint64_t read_prefix(const unsigned char *p)
{
    uint64_t n = 0;
    for (int i = PREFIX - 1; i >= 0; i--)
        n = n << 8 | p[i];
    return n;
}

static sc_status parse_header(sc_safetensors *file, size_t bytes)
{
    json_error_t error;
    char *text = (char *)file->data + PREFIX;
    uint64_t length = bytes >= PREFIX ? read_prefix(file->data) : 0;
    if (bytes < PREFIX || length > HEADER_LIMIT || length > bytes - PREFIX)
        return sc_fail(SC_ERR_FORMAT, "not a safetensors file (or cut short): %zu bytes, header "
                       "of %llu", bytes, (unsigned long long)length);
    file->header = json_loadb(text, (size_t)length, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(file->header))
        return sc_fail(SC_ERR_FORMAT, "header is no JSON object: %s (byte %d)", error.text,
                       error.position);
    return check_metadata(json_object_get(file->header, "__metadata__"));
}

static sc_status parse_tensors(sc_safetensors *file, size_t bytes)
{
    sc_status status = SC_OK;
    const char *name;
    json_t *entry;
    char *data = (char *)file->data + PREFIX + read_prefix(file->data);
    size_t room = bytes - (size_t)(data - (char *)file->data);
    size_t entries = json_object_size(file->header);
    if (entries > TENSORS_LIMIT)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "%zu tensors, expected at most %d", entries, TENSORS_LIMIT));
    SC_TRY(SC_ALLOC(&file->tensor, entries, "list of tensors"));
    json_object_foreach(file->header, name, entry)
        if (strcmp(name, "__metadata__") != 0) {
            SC_TRY(read_tensor(&file->tensor[file->count], name, entry, data, room));
            file->count++;
        }
    if (file->count)
        qsort(file->tensor, (size_t)file->count, sizeof *file->tensor, by_offset);
    SC_TRY(check_cover(file, data, room));
cleanup:
    return status;
}

/* Takes ownership of data. */
static sc_status open_data(sc_safetensors **file, void *data, size_t bytes, const char *name)
{
    sc_status status = SC_OK;
    sc_safetensors *f = NULL;
    *file = NULL;
    SC_TRY(SC_ALLOC(&f, 1, "safetensors"));
    f->data = data;
    data = NULL;
    SC_TRY(parse_header(f, bytes));
    SC_TRY(parse_tensors(f, bytes));
    sc_sha256(f->hash, f->data, bytes);
    *file = f;
    f = NULL;
cleanup:
    sc_free(data);
    sc_safetensors_free(f);
    return sc_context(status, "%s", name);
}

sc_status sc_safetensors_read(sc_safetensors **file, const char *path, size_t limit)
{
    void *data;
    size_t bytes;
    *file = NULL;
    sc_status status = sc_file_read(&data, &bytes, path, limit);
    return status == SC_OK ? open_data(file, data, bytes, path) : status;
}

sc_status sc_safetensors_parse(sc_safetensors **file, const void *data, size_t bytes,
                               const char *name)
{
    char *copy;
    *file = NULL;
    sc_status status = SC_ALLOC(&copy, bytes + 1, "safetensors");
    if (status != SC_OK)
        return status;
    memcpy(copy, data, bytes);
    return open_data(file, copy, bytes, name);
}

void sc_safetensors_free(sc_safetensors *file)
{
    if (!file)
        return;
    json_decref(file->header);
    sc_free(file->tensor);
    sc_free(file->data);
    sc_free(file);
}

int sc_safetensors_count(const sc_safetensors *file) { return file->count; }

const sc_safetensor *sc_safetensors_tensor(const sc_safetensors *file, int index)
{
    return &file->tensor[index];
}

const sc_safetensor *sc_safetensors_find(const sc_safetensors *file, const char *name)
{
    for (int i = 0; i < file->count; i++)
        if (strcmp(file->tensor[i].name, name) == 0)
            return &file->tensor[i];
    return NULL;
}

const char *sc_safetensors_metadata(const sc_safetensors *file, const char *key)
{
    return json_string_value(json_object_get(json_object_get(file->header, "__metadata__"), key));
}

const char *sc_safetensors_hash(const sc_safetensors *file) { return file->hash; }

static json_t *describe(const sc_safetensor *tensor, size_t begin)
{
    json_t *shape = json_array();
    for (int i = 0; i < tensor->array.rank; i++)
        json_array_append_new(shape, json_integer(tensor->array.dim[i]));
    return json_pack("{s:s, s:o, s:[I,I]}", "dtype", dtype_name(tensor->array.dtype), "shape",
                     shape, "data_offsets", (json_int_t)begin,
                     (json_int_t)(begin + tensor_bytes(tensor)));
}

/* Header text, padded with blanks so that the data start at a multiple of 64. */
static sc_status print_header(char **text, size_t *length, size_t *room, const sc_safetensor *tensor,
                              int count, const sc_metadata *metadata, int metadata_count)
{
    json_t *header = json_object(), *meta = json_object();
    size_t offset = 0;
    int failed = !header || !meta;
    for (int i = 0; i < metadata_count; i++)
        failed |= json_object_set_new(meta, metadata[i].key, json_string(metadata[i].value));
    failed |= json_object_set(header, "__metadata__", meta);
    for (int i = 0; i < count; i++) {
        failed |= json_object_set_new(header, tensor[i].name, describe(&tensor[i], offset));
        offset += tensor_bytes(&tensor[i]);
    }
    char *compact = failed ? NULL : json_dumps(header, JSON_COMPACT);
    json_decref(meta);
    json_decref(header);
    if (!compact)
        return sc_fail(SC_ERR_MEMORY, "safetensors header: no memory, or a text is not UTF-8");
    size_t used = strlen(compact);
    *room = offset;
    *length = (PREFIX + used + 63) / 64 * 64 - PREFIX;
    sc_status status = SC_ALLOC(text, *length, "safetensors header");
    if (status == SC_OK) {
        memset(*text, ' ', *length);
        memcpy(*text, compact, used);
    }
    free(compact);
    return status;
}

sc_status sc_safetensors_print(void **data, size_t *bytes, const sc_safetensor *tensor, int count,
                               const sc_metadata *metadata, int metadata_count)
{
    sc_status status = SC_OK;
    char *header = NULL;
    size_t length = 0, room = 0;
    *data = NULL;
    SC_TRY(print_header(&header, &length, &room, tensor, count, metadata, metadata_count));
    *bytes = PREFIX + length + room;
    SC_TRY(sc_alloc(data, *bytes, 1, "safetensors file"));
    unsigned char *p = *data;
    for (int i = 0; i < PREFIX; i++)
        *p++ = (unsigned char)(length >> (8 * i));
    memcpy(p, header, length);
    p += length;
    for (int i = 0; i < count; i++) {
        memcpy(p, tensor[i].array.data, tensor_bytes(&tensor[i]));
        p += tensor_bytes(&tensor[i]);
    }
cleanup:
    sc_free(header);
    return status;
}

sc_status sc_safetensors_write(const char *path, const sc_safetensor *tensor, int count,
                               const sc_metadata *metadata, int metadata_count)
{
    void *data = NULL;
    size_t bytes;
    sc_status status =
        sc_safetensors_print(&data, &bytes, tensor, count, metadata, metadata_count);
    if (status == SC_OK)
        status = sc_file_write(path, data, bytes);
    sc_free(data);
    return status;
}
