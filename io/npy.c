/* Reading and writing .npy: magic, header length, dict literal, then the elements.
 *
 *     \x93NUMPY major minor  length(u16 in version 1, u32 later)  dict literal  elements
 *
 * The size that the header promises is compared with the file's before memory is asked for, so a
 * lying header costs nothing. Elements are converted a block at a time.
 */
#include "io/npy.h"
#include "base/file.h"
#include "base/memory.h"
#include "io/npy_internal.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define HEADER_LIMIT (1 << 16)
#define BLOCK 4096 /* elements converted at a time */

static const char magic[6] = {'\x93', 'N', 'U', 'M', 'P', 'Y'};

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are little endian, and so are we");

bool sc_npy_probe(const void *head, size_t bytes)
{
    return bytes >= sizeof magic && !memcmp(head, magic, sizeof magic);
}

static sc_dtype nearest(const sc_npy_header *header)
{
    if (header->kind == 'c')
        return SC_C32;
    if (header->kind == 'b' || (header->kind == 'u' && header->size == 1))
        return SC_U8;
    return SC_F32;
}

static float half_to_float(uint16_t h)
{
    int exponent = h >> 10 & 31, fraction = h & 1023;
    float value = exponent == 0    ? ldexpf((float)fraction, -24)
                  : exponent == 31 ? (fraction ? NAN : INFINITY)
                                   : ldexpf((float)(fraction + 1024), exponent - 25);
    return h >> 15 ? -value : value;
}

#define CONVERT(name, type, expression)                                                            \
    static float name(const unsigned char *bytes)                                                  \
    {                                                                                              \
        type v;                                                                                    \
        memcpy(&v, bytes, sizeof v);                                                               \
        return expression;                                                                         \
    }
CONVERT(from_f2, uint16_t, half_to_float(v))
CONVERT(from_f4, float, v)
CONVERT(from_f8, double, (float)v)
CONVERT(from_i1, int8_t, (float)v)
CONVERT(from_i2, int16_t, (float)v)
CONVERT(from_i4, int32_t, (float)v)
CONVERT(from_i8, int64_t, (float)v)
CONVERT(from_u2, uint16_t, (float)v)
CONVERT(from_u4, uint32_t, (float)v)
CONVERT(from_u8, uint64_t, (float)v)

static const struct {
    char kind;
    int size; /* of one real component */
    float (*convert)(const unsigned char *);
} converters[] = {
    {'f', 2, from_f2}, {'f', 4, from_f4}, {'f', 8, from_f8}, {'i', 1, from_i1}, {'i', 2, from_i2},
    {'i', 4, from_i4}, {'i', 8, from_i8}, {'u', 2, from_u2}, {'u', 4, from_u4}, {'u', 8, from_u8},
};

static float (*converter(char kind, int size))(const unsigned char *)
{
    for (size_t i = 0; i < sizeof converters / sizeof *converters; i++)
        if (converters[i].kind == kind && converters[i].size == size)
            return converters[i].convert;
    return NULL;
}

static void swap(unsigned char *bytes, int64_t n, int size)
{
    for (int64_t i = 0; i < n; i++, bytes += size)
        for (int j = 0; j < size / 2; j++) {
            unsigned char b = bytes[j];
            bytes[j] = bytes[size - 1 - j];
            bytes[size - 1 - j] = b;
        }
}

/* A finite double that float32 cannot hold would turn up as Inf, blamed on the scanner. */
static sc_status check_range(const unsigned char *bytes, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        double v;
        memcpy(&v, bytes + 8 * i, sizeof v);
        if (isfinite(v) && !isfinite((float)v))
            return sc_fail(SC_ERR_INPUT, "value %g does not fit float32", v);
    }
    return SC_OK;
}

static sc_status read_exactly(FILE *file, void *data, size_t bytes)
{
    if (fread(data, 1, bytes, file) != bytes)
        return sc_fail(SC_ERR_FORMAT, "file is cut short");
    return SC_OK;
}

/* `n` real components, file order, to bytes (u8) or floats at `out`. */
static sc_status read_elements(FILE *file, void *out, int64_t n, const sc_npy_header *header)
{
    int size = header->kind == 'c' ? header->size / 2 : header->size;
    float (*convert)(const unsigned char *) =
        converter(header->kind == 'c' ? 'f' : header->kind, size);
    unsigned char block[BLOCK * 8];
    for (int64_t done = 0; done < n; done += BLOCK) {
        int64_t m = n - done < BLOCK ? n - done : BLOCK;
        sc_status status = read_exactly(file, block, (size_t)(m * size));
        if (status != SC_OK)
            return status;
        if (!convert) { /* one byte each */
            memcpy((unsigned char *)out + done, block, (size_t)m);
            continue;
        }
        if (header->swapped)
            swap(block, m, size);
        if (size == 8 && convert == from_f8 && (status = check_range(block, m)) != SC_OK)
            return status;
        for (int64_t i = 0; i < m; i++)
            ((float *)out)[done + i] = convert(block + i * size);
    }
    return SC_OK;
}

/* c (C order) = f (Fortran order): walk f in memory order, counting c's index along. */
static void from_fortran(sc_array *c, const sc_array *f)
{
    size_t size = sc_dtype_size(c->dtype);
    int64_t stride[SC_MAX_RANK], index[SC_MAX_RANK] = {0}, n = sc_array_count(c), at = 0;
    stride[c->rank - 1] = 1;
    for (int a = c->rank - 1; a > 0; a--)
        stride[a - 1] = stride[a] * c->dim[a];
    for (int64_t i = 0; i < n; i++) {
        memcpy((char *)c->data + (size_t)at * size, (char *)f->data + (size_t)i * size, size);
        for (int a = 0; a < c->rank; a++) {
            at += stride[a];
            if (++index[a] < c->dim[a])
                break;
            at -= stride[a] * c->dim[a];
            index[a] = 0;
        }
    }
}

/* The header, and the check that the file is as long as it says. */
static sc_status read_header(FILE *file, sc_npy_header *header, int64_t file_bytes)
{
    sc_status status = SC_OK;
    unsigned char start[12];
    char *text = NULL;
    if (fread(start, 1, 10, file) != 10 || !sc_npy_probe(start, 10))
        return sc_fail(SC_ERR_FORMAT, "not a .npy file");
    int major = start[6];
    if (major < 1 || major > 3)
        return sc_fail(SC_ERR_UNSUPPORTED, ".npy version %d, expected 1 to 3", major);
    uint32_t length = start[8] | (uint32_t)start[9] << 8;
    int64_t before = 10;
    if (major > 1) {
        SC_TRY(read_exactly(file, start + 10, 2));
        length |= (uint32_t)start[10] << 16 | (uint32_t)start[11] << 24;
        before = 12;
    }
    if (length > HEADER_LIMIT || before + length > file_bytes)
        return sc_fail(SC_ERR_FORMAT, "header of %u bytes in a file of %lld", (unsigned)length,
                       (long long)file_bytes);
    SC_TRY(SC_ALLOC(&text, (size_t)length + 1, "npy header"));
    SC_TRY(read_exactly(file, text, length));
    SC_TRY(sc_npy_header_parse(header, text, length));
    if (header->rank == 0)
        header->dim[header->rank++] = 1;
    int64_t count, data = file_bytes - before - length;
    SC_TRY(sc_shape_count(&count, header->rank, header->dim, INT64_MAX / 32));
    if (count * header->size != data)
        status = sc_fail(SC_ERR_FORMAT, "header promises %lld bytes of data, the file holds %lld",
                         (long long)(count * header->size), (long long)data);
cleanup:
    sc_free(text);
    return status;
}

/* A file, standing at its elements; on failure *file is NULL. */
static sc_status open_file(FILE **file, sc_npy_header *header, const char *path)
{
    int64_t bytes;
    *file = NULL;
    sc_status status = sc_file_size(&bytes, path);
    if (status != SC_OK)
        return status;
    if (!(*file = fopen(path, "rb")))
        return sc_fail(SC_ERR_IO, "%s: %s", path, strerror(errno));
    status = read_header(*file, header, bytes);
    if (status != SC_OK) {
        fclose(*file);
        *file = NULL;
    }
    return sc_context(status, "%s", path);
}

sc_status sc_npy_shape(int *rank, int64_t dim[SC_MAX_RANK], bool *fortran, const char *path)
{
    sc_npy_header header;
    FILE *file;
    sc_status status = open_file(&file, &header, path);
    if (status != SC_OK)
        return status;
    fclose(file);
    *rank = header.rank;
    *fortran = header.fortran && header.rank > 1;
    memcpy(dim, header.dim, sizeof header.dim);
    return SC_OK;
}

sc_status sc_npy_read_slice(sc_array *slice, const char *path, int64_t index)
{
    sc_npy_header header;
    FILE *file;
    *slice = (sc_array){0};
    sc_status status = open_file(&file, &header, path);
    if (status != SC_OK)
        return status;
    if (header.fortran || header.rank < 2)
        SC_TRY(sc_fail(SC_ERR_UNSUPPORTED,
                       "single slices of an array in Fortran order, or of rank 1"));
    if (index < 0 || index >= header.dim[0])
        SC_TRY(sc_fail(SC_ERR_USAGE, "slice %lld of %lld", (long long)index,
                       (long long)header.dim[0]));
    SC_TRY(sc_array_create(slice, nearest(&header), header.rank - 1, header.dim + 1));
    int64_t count = sc_array_count(slice);
    if (fseeko(file, (off_t)(index * count * header.size), SEEK_CUR) != 0)
        SC_TRY(sc_fail(SC_ERR_IO, "%s", strerror(errno)));
    SC_TRY(read_elements(file, slice->data, count * (header.kind == 'c' ? 2 : 1), &header));
cleanup:
    fclose(file);
    if (status != SC_OK)
        sc_array_free(slice);
    return sc_context(status, "%s", path);
}

sc_status sc_npy_read(sc_array *array, const char *path)
{
    sc_array raw = {0}, ordered = {0};
    sc_npy_header header;
    FILE *file;
    *array = (sc_array){0};
    sc_status status = open_file(&file, &header, path);
    if (status != SC_OK)
        return status;
    SC_TRY(sc_array_create(&raw, nearest(&header), header.rank, header.dim));
    int64_t components = sc_array_count(&raw) * (header.kind == 'c' ? 2 : 1);
    SC_TRY(read_elements(file, raw.data, components, &header));
    if (header.fortran && header.rank > 1) {
        SC_TRY(sc_array_create(&ordered, raw.dtype, raw.rank, raw.dim));
        from_fortran(&ordered, &raw);
        sc_array_free(&raw);
        raw = ordered;
        ordered = (sc_array){0};
    }
    *array = raw;
    raw = (sc_array){0};
cleanup:
    fclose(file);
    sc_array_free(&raw);
    sc_array_free(&ordered);
    return sc_context(status, "%s", path);
}

static const char *descr_of(sc_dtype dtype)
{
    static const char *const descr[] = {
        [SC_F32] = "<f4", [SC_C32] = "<c8", [SC_U8] = "|u1", [SC_I32] = "<i4", [SC_F64] = "<f8"};
    return (size_t)dtype < sizeof descr / sizeof *descr ? descr[dtype] : NULL;
}

sc_status sc_npy_write(const char *path, const sc_array *array)
{
    sc_status status = SC_OK;
    char *file = NULL, text[512];
    const char *descr = descr_of(array->dtype);
    if (!descr)
        return sc_fail(SC_ERR_UNSUPPORTED, "%s: .npy has no %s", path, sc_dtype_name(array->dtype));
    int n =
        snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr);
    for (int a = 0; a < array->rank; a++)
        n += snprintf(text + n, sizeof text - (size_t)n, "%lld,%s", (long long)array->dim[a],
                      a + 1 < array->rank ? " " : "");
    n += snprintf(text + n, sizeof text - (size_t)n, "), }");
    /* data start at a multiple of 64, the header ends with a newline */
    size_t start = ((size_t)n + 1 + 10 + 63) / 64 * 64, bytes = sc_array_bytes(array);
    SC_TRY(SC_ALLOC(&file, start + bytes, "npy file"));
    memset(file, ' ', start);
    memcpy(file, magic, sizeof magic);
    file[6] = 1;
    file[7] = 0;
    file[8] = (char)((start - 10) & 255);
    file[9] = (char)((start - 10) >> 8);
    memcpy(file + 10, text, (size_t)n);
    file[start - 1] = '\n';
    memcpy(file + start, array->data, bytes);
    SC_TRY(sc_file_write(path, file, start + bytes));
cleanup:
    sc_free(file);
    return status;
}
