#include "io/tiff.h"
#include "base/file.h"
#include "base/memory.h"
#include <stdio.h>
#include <string.h>
#include <tiffio.h>

#define FILE_LIMIT ((size_t)4 << 30)
#define PIXEL_LIMIT ((int64_t)1 << 31)
#define PIXELS_PER_BYTE 4096 /* of a compressed file */
#define PAGE_LIMIT 65535
#define SIDE_LIMIT 65535
#define STRIP_LIMIT ((tmsize_t)1 << 30) /* bytes libtiff may allocate at once */

/* ---- libtiff on memory: reading and writing see a buffer, messages stay with us ---- */

typedef struct {
    char *data;
    size_t size, capacity, position;
    bool writable;
    char message[256]; /* of libtiff */
} buffer;

static tmsize_t buffer_read(thandle_t handle, void *out, tmsize_t n)
{
    buffer *b = (buffer *)handle;
    if (b->position >= b->size || n <= 0)
        return 0;
    size_t count = (size_t)n < b->size - b->position ? (size_t)n : b->size - b->position;
    memcpy(out, b->data + b->position, count);
    b->position += count;
    return (tmsize_t)count;
}

static int buffer_grow(buffer *b, size_t size)
{
    if (size <= b->capacity)
        return 1;
    size_t capacity = size + size / 2 + 4096;
    char *data;
    if (sc_alloc((void **)&data, capacity, 1, "TIFF file") != SC_OK)
        return 0;
    if (b->size)
        memcpy(data, b->data, b->size);
    sc_free(b->data);
    b->data = data;
    b->capacity = capacity;
    return 1;
}

static tmsize_t buffer_write(thandle_t handle, void *in, tmsize_t n)
{
    buffer *b = (buffer *)handle;
    if (!b->writable || n < 0 || !buffer_grow(b, b->position + (size_t)n))
        return -1;
    memcpy(b->data + b->position, in, (size_t)n);
    b->position += (size_t)n;
    if (b->position > b->size)
        b->size = b->position;
    return n;
}

static toff_t buffer_seek(thandle_t handle, toff_t offset, int whence)
{
    buffer *b = (buffer *)handle;
    toff_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? b->position : b->size;
    b->position = (size_t)(base + offset);
    return b->position;
}

static int buffer_close(thandle_t handle) { return (void)handle, 0; }

static toff_t buffer_size(thandle_t handle) { return ((buffer *)handle)->size; }

static int keep_message(TIFF *tiff, void *self, const char *module, const char *format,
                        va_list arguments)
{
    buffer *b = self;
    (void)tiff, (void)module;
    if (!b->message[0]) /* the first says what is wrong, later ones what followed */
        vsnprintf(b->message, sizeof b->message, format, arguments);
    return 1;
}

static int drop_message(TIFF *tiff, void *self, const char *module, const char *format,
                        va_list arguments)
{
    return (void)tiff, (void)self, (void)module, (void)format, (void)arguments, 1;
}

static TIFF *open_buffer(buffer *b, const char *mode)
{
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    if (!options)
        return NULL;
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, STRIP_LIMIT);
    TIFFOpenOptionsSetErrorHandlerExtR(options, keep_message, b);
    TIFFOpenOptionsSetWarningHandlerExtR(options, drop_message, b);
    TIFF *tiff = TIFFClientOpenExt("memory", mode, (thandle_t)b, buffer_read, buffer_write,
                                   buffer_seek, buffer_close, buffer_size, NULL, NULL, options);
    TIFFOpenOptionsFree(options);
    return tiff;
}

static const char *reason(const buffer *b) { return b->message[0] ? b->message : "no reason given"; }

/* ---- reading ---- */

typedef struct {
    uint32_t width, height;
    uint16_t bits, format, photometric;
} layout;

static sc_status read_layout(layout *l, TIFF *tiff)
{
    uint16_t samples = 1, planar = PLANARCONFIG_CONTIG;
    *l = (layout){.bits = 1, .format = SAMPLEFORMAT_UINT, .photometric = PHOTOMETRIC_MINISBLACK};
    TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &l->width);
    TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &l->height);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &l->bits);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &l->format);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &samples);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &planar);
    TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &l->photometric);
    if (l->width < 1 || l->height < 1 || l->width > SIDE_LIMIT || l->height > SIDE_LIMIT)
        return sc_fail(SC_ERR_FORMAT, "size %u x %u, expected 1 to %d", l->height, l->width,
                       SIDE_LIMIT);
    bool whole = l->format == SAMPLEFORMAT_UINT && (l->bits == 8 || l->bits == 16);
    bool real = l->format == SAMPLEFORMAT_IEEEFP && l->bits == 32;
    if (samples != 1 || (!whole && !real) || l->photometric > PHOTOMETRIC_MINISBLACK)
        return sc_fail(SC_ERR_UNSUPPORTED, "expected grey pixels of 8 or 16 bit or 32-bit float, "
                       "found %u samples of %u bit", samples, l->bits);
    if (TIFFIsTiled(tiff))
        return sc_fail(SC_ERR_UNSUPPORTED, "tiles; expected strips");
    return SC_OK;
}

static bool same_layout(const layout *a, const layout *b)
{
    return a->width == b->width && a->height == b->height && a->bits == b->bits &&
           a->format == b->format && a->photometric == b->photometric;
}

static void convert_row(float *out, const void *row, const layout *l)
{
    float top = l->bits == 8 ? 255 : 65535;
    for (uint32_t i = 0; i < l->width; i++) {
        if (l->bits == 32) {
            memcpy(&out[i], (const char *)row + 4 * (size_t)i, 4);
            continue;
        }
        float v = l->bits == 8 ? ((const uint8_t *)row)[i] : ((const uint16_t *)row)[i];
        out[i] = l->photometric == PHOTOMETRIC_MINISWHITE ? top - v : v;
    }
}

static sc_status read_page(float *out, TIFF *tiff, const layout *l, const buffer *b)
{
    void *row = NULL;
    sc_status status = SC_OK;
    tmsize_t bytes = TIFFScanlineSize(tiff);
    if (bytes != (tmsize_t)((size_t)l->width * l->bits / 8))
        return sc_fail(SC_ERR_FORMAT, "rows of %lld bytes", (long long)bytes);
    SC_TRY(sc_alloc(&row, (size_t)bytes, 1, "TIFF row"));
    for (uint32_t y = 0; y < l->height; y++) {
        if (TIFFReadScanline(tiff, row, y, 0) != 1)
            SC_TRY(sc_fail(SC_ERR_FORMAT, "row %u: %s", y, reason(b)));
        convert_row(out + (size_t)y * l->width, row, l);
    }
cleanup:
    sc_free(row);
    return status;
}

/* Number of pages, without trusting the file: the chain of directories may be long or a ring. */
static sc_status count_pages(int *pages, TIFF *tiff)
{
    int n = 1;
    while (n <= PAGE_LIMIT && TIFFReadDirectory(tiff) == 1)
        n++;
    *pages = n;
    return n <= PAGE_LIMIT ? SC_OK
                           : sc_fail(SC_ERR_FORMAT, "more than %d pages", PAGE_LIMIT);
}

static sc_status read_pages(sc_array *pages, TIFF *tiff, const buffer *b, int *page)
{
    sc_status status = SC_OK;
    layout first, l;
    int count;
    int64_t total;
    SC_TRY(read_layout(&first, tiff));
    SC_TRY(count_pages(&count, tiff));
    const int64_t dim[3] = {count, first.height, first.width};
    SC_TRY(sc_shape_count(&total, 3, dim, PIXEL_LIMIT));
    /* no real image packs tighter; a header gone wrong asks for gigabytes */
    if (total / PIXELS_PER_BYTE > (int64_t)b->size)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "%lld pixels in a file of %zu bytes", (long long)total,
                       b->size));
    SC_TRY(sc_array_create(pages, SC_F32, 3, dim));
    for (*page = 0; *page < count; (*page)++) {
        if (!TIFFSetDirectory(tiff, (uint16_t)*page))
            SC_TRY(sc_fail(SC_ERR_FORMAT, "%s", reason(b)));
        SC_TRY(read_layout(&l, tiff));
        if (!same_layout(&l, &first))
            SC_TRY(sc_fail(SC_ERR_FORMAT, "%u x %u pixels of %u bit, the first page has %u x %u of "
                           "%u bit", l.height, l.width, l.bits, first.height, first.width,
                           first.bits));
        sc_array view = sc_array_slice(pages, *page);
        SC_TRY(read_page(view.data, tiff, &l, b));
    }
cleanup:
    return status;
}

sc_status sc_tiff_parse(sc_array *pages, const void *data, size_t bytes, const char *name)
{
    buffer b = {.data = (char *)data, .size = bytes, .capacity = bytes};
    int page = 0;
    *pages = (sc_array){0};
    TIFF *tiff = open_buffer(&b, "rm");
    if (!tiff)
        return sc_fail(SC_ERR_FORMAT, "%s: not a TIFF file: %s", name, reason(&b));
    sc_status status = read_pages(pages, tiff, &b, &page);
    TIFFClose(tiff);
    if (status != SC_OK) {
        sc_array_free(pages);
        sc_context(status, "%s: page %d", name, page + 1);
    }
    return status;
}

sc_status sc_tiff_read(sc_array *pages, const char *path)
{
    void *data;
    size_t bytes;
    *pages = (sc_array){0};
    sc_status status = sc_file_read(&data, &bytes, path, FILE_LIMIT);
    if (status != SC_OK)
        return status;
    status = sc_tiff_parse(pages, data, bytes, path);
    sc_free(data);
    return status;
}

/* ---- writing ---- */

static int write_page(TIFF *tiff, float *x, uint32_t height, uint32_t width)
{
    int good = TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, width) &&
               TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, height) &&
               TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, 32) &&
               TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, 1) &&
               TIFFSetField(tiff, TIFFTAG_SAMPLEFORMAT, SAMPLEFORMAT_IEEEFP) &&
               TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK) &&
               TIFFSetField(tiff, TIFFTAG_COMPRESSION, COMPRESSION_ADOBE_DEFLATE) &&
               TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, height);
    for (uint32_t y = 0; good && y < height; y++)
        good = TIFFWriteScanline(tiff, x + (size_t)y * width, y, 0) == 1;
    return good && TIFFWriteDirectory(tiff) == 1;
}

sc_status sc_tiff_write(const char *path, const sc_array *pages)
{
    int rank = pages->rank;
    if (pages->dtype != SC_F32 || rank < 2 || rank > 3)
        return sc_fail(SC_ERR_USAGE, "%s: TIFF takes float32 (page, y, x)", path);
    int64_t count = rank == 3 ? pages->dim[0] : 1;
    int64_t height = pages->dim[rank - 2], width = pages->dim[rank - 1];
    if (count > PAGE_LIMIT || height > SIDE_LIMIT || width > SIDE_LIMIT)
        return sc_fail(SC_ERR_USAGE, "%s: %lld pages of %lld x %lld are too large for TIFF", path,
                       (long long)count, (long long)height, (long long)width);
    buffer b = {.writable = true};
    TIFF *tiff = open_buffer(&b, "wm");
    int good = tiff != NULL;
    for (int64_t p = 0; good && p < count; p++)
        good = write_page(tiff, (float *)pages->data + p * height * width, (uint32_t)height,
                          (uint32_t)width);
    if (tiff)
        TIFFClose(tiff);
    sc_status status = good ? sc_file_write(path, b.data, b.size)
                            : sc_fail(SC_ERR_IO, "%s: %s", path, reason(&b));
    sc_free(b.data);
    return status;
}
