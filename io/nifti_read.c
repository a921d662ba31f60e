/* NIfTI files, plain or gzipped: header first, then one slice at a time.
 *
 * A gzip stream grows at most 1032 times (the limit of deflate), so its length bounds what its
 * header may claim, as the length of a plain file does.
 */
#include "base/file.h"
#include "base/memory.h"
#include "io/nifti.h"
#include "io/nifti_internal.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <zlib.h>

typedef double element_value(const void *p);

#define ELEMENT(name, type)                                                                        \
    static double name(const void *p)                                                              \
    {                                                                                              \
        type value;                                                                                \
        memcpy(&value, p, sizeof value);                                                           \
        return (double)value;                                                                      \
    }
ELEMENT(of_u8, uint8_t)
ELEMENT(of_i8, int8_t)
ELEMENT(of_u16, uint16_t)
ELEMENT(of_i16, int16_t)
ELEMENT(of_u32, uint32_t)
ELEMENT(of_i32, int32_t)
ELEMENT(of_u64, uint64_t)
ELEMENT(of_i64, int64_t)
ELEMENT(of_f32, float)
ELEMENT(of_f64, double)

typedef struct {
    int datatype; /* NIfTI's code */
    int parts;    /* 2: complex */
    size_t size;  /* bytes of a part */
    element_value *value;
} element;

static const element elements[] = {
    {2, 1, 1, of_u8},    {256, 1, 1, of_i8},  {512, 1, 2, of_u16}, {4, 1, 2, of_i16},
    {768, 1, 4, of_u32}, {8, 1, 4, of_i32},   {1280, 1, 8, of_u64}, {1024, 1, 8, of_i64},
    {16, 1, 4, of_f32},  {64, 1, 8, of_f64},  {32, 2, 4, of_f32},  {1792, 2, 8, of_f64},
};

static const element *element_of(int datatype)
{
    for (size_t i = 0; i < sizeof elements / sizeof elements[0]; i++)
        if (elements[i].datatype == datatype)
            return &elements[i];
    return NULL;
}

bool sc_nifti_probe(const void *head, size_t bytes)
{
    const unsigned char *h = head;
    if (bytes > 3 && h[0] == 0x1f && h[1] == 0x8b && h[2] == 8)
        return true;
    return (bytes >= 348 && (memcmp(h + 344, "n+1", 4) == 0 || memcmp(h + 344, "ni1", 4) == 0)) ||
           (bytes >= 8 && (memcmp(h + 4, "n+2", 4) == 0 || memcmp(h + 4, "ni2", 4) == 0));
}

/* Exactly `bytes` from the uncompressed stream. */
static sc_status take(gzFile file, void *data, size_t bytes)
{
    char *at = data;
    while (bytes > 0) {
        unsigned part = bytes > 1u << 30 ? 1u << 30 : (unsigned)bytes;
        int got = gzread(file, at, part);
        int code = 0;
        if (got < 0) {
            const char *why = gzerror(file, &code);
            if (code == Z_ERRNO)
                why = strerror(errno);
            return sc_fail(code == Z_ERRNO ? SC_ERR_IO : SC_ERR_FORMAT, "cannot be read: %s", why);
        }
        if (got == 0)
            return sc_fail(SC_ERR_FORMAT, "NIfTI data are cut: %zu bytes are missing", bytes);
        at += got;
        bytes -= (size_t)got;
    }
    return SC_OK;
}

static void reverse_bytes(unsigned char *data, size_t count, size_t size)
{
    for (size_t i = 0; i < count; i++, data += size)
        for (size_t a = 0, b = size - 1; a < b; a++, b--) {
            unsigned char keep = data[a];
            data[a] = data[b];
            data[b] = keep;
        }
}

static sc_status read_slices(sc_array *image, gzFile file, const sc_nifti_header *h,
                             const element *e)
{
    sc_status status = SC_OK;
    unsigned char *raw = NULL;
    size_t count = (size_t)(h->nx * h->ny * e->parts);
    SC_TRY(SC_ALLOC(&raw, count * e->size, "NIfTI slice"));
    for (int64_t k = 0; k < h->nz; k++) {
        status = take(file, raw, count * e->size);
        if (status != SC_OK) {
            sc_context(status, "slice %lld", (long long)k);
            goto cleanup;
        }
        if (h->swapped)
            reverse_bytes(raw, count, e->size);
        float *x = (float *)image->data + (size_t)k * count;
        for (size_t i = 0; i < count; i++)
            x[i] = (float)(e->value(raw + i * e->size) * h->slope + h->intercept);
    }
cleanup:
    sc_free(raw);
    return status;
}

/* What the header claims against what the file can hold. */
static sc_status check_length(const sc_nifti_header *h, const element *e, int64_t file_bytes,
                              bool packed)
{
    /* in double: three sizes of 31 bits may exceed 64 */
    double count = (double)h->nx * (double)h->ny * (double)h->nz;
    double need = (double)h->offset + count * e->parts * (double)e->size;
    double have = (double)file_bytes * (packed ? 1032 : 1);
    if (need > have)
        return sc_fail(SC_ERR_FORMAT,
                       "NIfTI header asks for %.0f bytes (%lld x %lld x %lld), the file holds %s%.0f",
                       need, (long long)h->nx, (long long)h->ny, (long long)h->nz,
                       packed ? "at most " : "", have);
    return SC_OK;
}

static sc_status skip_to(gzFile file, int64_t from, int64_t to)
{
    char waste[4096];
    sc_status status = SC_OK;
    while (status == SC_OK && from < to) {
        size_t part = to - from < (int64_t)sizeof waste ? (size_t)(to - from) : sizeof waste;
        status = take(file, waste, part);
        from += (int64_t)part;
    }
    return status;
}

static void place(sc_geometry *geometry, const sc_nifti_header *h)
{
    geometry->known = h->placed;
    geometry->slices = h->nz;
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 4; j++)
            geometry->affine[i][j] = i < 2 ? -h->affine[i][j] : h->affine[i][j];
}

static sc_status read_open(sc_volume *volume, gzFile file, int64_t file_bytes)
{
    sc_status status;
    sc_nifti_header h;
    char head[SC_NIFTI_HEADER_BYTES];
    size_t head_bytes = 348;
    SC_TRY(take(file, head, head_bytes));
    int32_t size;
    memcpy(&size, head, sizeof size);
    if (size == 540 || size == (int32_t)__builtin_bswap32(540)) {
        SC_TRY(take(file, head + 348, 540 - 348));
        head_bytes = 540;
    }
    SC_TRY(sc_nifti_header_parse(&h, head, head_bytes));
    const element *e = element_of(h.datatype);
    if (!e)
        SC_TRY(sc_fail(SC_ERR_UNSUPPORTED, "NIfTI datatype %d: no numbers to reconstruct from",
                       h.datatype));
    SC_TRY(check_length(&h, e, file_bytes, !gzdirect(file)));
    SC_TRY(skip_to(file, (int64_t)head_bytes, h.offset));
    const int64_t dim[3] = {h.nz, h.ny, h.nx};
    SC_TRY(sc_array_create(&volume->data, e->parts == 2 ? SC_C32 : SC_F32, 3, dim));
    SC_TRY(read_slices(&volume->data, file, &h, e));
    place(&volume->geometry, &h);
cleanup:
    return status;
}

sc_status sc_nifti_read(sc_volume *volume, const char *path)
{
    sc_status status;
    int64_t bytes;
    gzFile file = NULL;
    *volume = (sc_volume){0};
    SC_TRY(sc_file_size(&bytes, path));
    file = gzopen(path, "rb");
    if (!file)
        SC_TRY(sc_fail(SC_ERR_IO, "%s: %s", path, errno ? strerror(errno) : "out of memory"));
    status = read_open(volume, file, bytes);
    sc_context(status, "%s", path);
cleanup:
    if (file)
        gzclose(file);
    if (status != SC_OK)
        sc_volume_free(volume);
    return status;
}
