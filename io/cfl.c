/* BART's cfl: a text file of sizes and a file of complex64, nothing else. The text is
 *     # Dimensions
 *     1 230 180 8 1 1 1 1 1 1 1 1 1 1 1 1
 * with further sections (# Command, # Files, # Creator) that say nothing about the data.
 */
#include "io/cfl.h"
#include "base/file.h"
#include "base/memory.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_SIZE 4096
#define HDR_LIMIT (1 << 20)

typedef struct {
    char hdr[PATH_SIZE], cfl[PATH_SIZE];
} pair;

static sc_status pair_of(pair *names, const char *path)
{
    size_t n = strlen(path);
    if (n > 4 && (!strcmp(path + n - 4, ".cfl") || !strcmp(path + n - 4, ".hdr")))
        n -= 4;
    if (n + 5 > PATH_SIZE)
        return sc_fail(SC_ERR_USAGE, "path of %zu characters is too long", n);
    snprintf(names->hdr, PATH_SIZE, "%.*s.hdr", (int)n, path);
    snprintf(names->cfl, PATH_SIZE, "%.*s.cfl", (int)n, path);
    return SC_OK;
}

bool sc_cfl_probe(const char *path)
{
    pair names;
    int64_t bytes;
    return pair_of(&names, path) == SC_OK && sc_file_size(&bytes, names.hdr) == SC_OK &&
           sc_file_size(&bytes, names.cfl) == SC_OK;
}

/* The line after "# Dimensions": 1 to 16 sizes, each at least 1. */
static sc_status parse_hdr(int64_t dim[SC_BART_DIMS], const char *text)
{
    static const char title[] = "# Dimensions";
    const char *at = strstr(text, title);
    if (!at || (at != text && at[-1] != '\n') || !(at = strchr(at, '\n')))
        return sc_fail(SC_ERR_FORMAT, "no line '# Dimensions'");
    at++;
    int n = 0;
    for (int i = 0; i < SC_BART_DIMS; i++)
        dim[i] = 1;
    for (;; n++) {
        at += strspn(at, " \t\r");
        if (*at == '\n' || *at == 0)
            break;
        char *end;
        errno = 0;
        long long size = strtoll(at, &end, 10);
        if (end == at || !strchr(" \t\r\n", *end) || errno || n == SC_BART_DIMS)
            return sc_fail(SC_ERR_FORMAT, "expected up to %d sizes after '# Dimensions'",
                           SC_BART_DIMS);
        if (size < 1)
            return sc_fail(SC_ERR_FORMAT, "dimension %d is %lld, expected at least 1", n, size);
        dim[n] = size;
        at = end;
    }
    if (n == 0)
        return sc_fail(SC_ERR_FORMAT, "no sizes after '# Dimensions'");
    return SC_OK;
}

/* Reversed, trailing BART ones trimmed, further ones dropped if more than 8 remain. */
static sc_status c_shape(int *rank, int64_t shape[SC_BART_DIMS], const int64_t dim[SC_BART_DIMS])
{
    int used = SC_BART_DIMS;
    while (used > 1 && dim[used - 1] == 1)
        used--;
    int excess = used - SC_MAX_RANK, n = 0;
    for (int i = used - 1; i >= 0; i--) {
        if (excess > 0 && dim[i] == 1)
            excess--;
        else
            shape[n++] = dim[i];
    }
    if (n > SC_MAX_RANK)
        return sc_fail(SC_ERR_UNSUPPORTED, "%d dimensions larger than 1, at most %d are read", n,
                       SC_MAX_RANK);
    *rank = n;
    return SC_OK;
}

static sc_status check_size(const int64_t dim[SC_BART_DIMS], const char *cfl)
{
    int64_t bytes, expected = sizeof(sc_c32);
    for (int i = 0; i < SC_BART_DIMS; i++)
        if (__builtin_mul_overflow(expected, dim[i], &expected))
            return sc_fail(SC_ERR_FORMAT, "the sizes overflow");
    sc_status status = sc_file_size(&bytes, cfl);
    if (status == SC_OK && bytes != expected)
        status = sc_fail(SC_ERR_FORMAT, "sizes ask for %lld bytes, %s holds %lld",
                         (long long)expected, cfl, (long long)bytes);
    return status;
}

static sc_status read_data(void *data, size_t bytes, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return sc_fail(SC_ERR_IO, "%s: %s", path, strerror(errno));
    sc_status status = SC_OK;
    if (fread(data, 1, bytes, file) != bytes)
        status = sc_fail(SC_ERR_FORMAT, "%s: file is cut short", path);
    fclose(file);
    return status;
}

sc_status sc_cfl_read(sc_array *array, int64_t bart_dim[SC_BART_DIMS], const char *path)
{
    sc_status status = SC_OK;
    pair names;
    char *text = NULL;
    size_t length;
    int rank = 0;
    int64_t dim[SC_BART_DIMS], shape[SC_BART_DIMS];
    sc_array data = {0};
    *array = data;
    if ((status = pair_of(&names, path)) != SC_OK)
        return status;
    if ((status = sc_file_read((void **)&text, &length, names.hdr, HDR_LIMIT)) != SC_OK)
        return status;
    SC_TRY(parse_hdr(dim, text));
    SC_TRY(check_size(dim, names.cfl));
    SC_TRY(c_shape(&rank, shape, dim));
    SC_TRY(sc_array_create(&data, SC_C32, rank, shape));
    SC_TRY(read_data(data.data, sc_array_bytes(&data), names.cfl));
    if (bart_dim)
        memcpy(bart_dim, dim, sizeof dim);
    *array = data;
    data = (sc_array){0};
cleanup:
    sc_free(text);
    sc_array_free(&data);
    return sc_context(status, "%s", names.hdr);
}

sc_status sc_cfl_write(const char *path, const sc_array *array,
                       const int64_t bart_dim[SC_BART_DIMS])
{
    pair names;
    int64_t dim[SC_BART_DIMS];
    char text[SC_BART_DIMS * 24 + 32];
    if (array->dtype != SC_C32)
        return sc_fail(SC_ERR_UNSUPPORTED, "%s: cfl holds complex64, not %s", path,
                       sc_dtype_name(array->dtype));
    for (int i = 0; i < SC_BART_DIMS; i++)
        dim[i] = bart_dim ? bart_dim[i] : i < array->rank ? array->dim[array->rank - 1 - i] : 1;
    int n = snprintf(text, sizeof text, "# Dimensions\n");
    for (int i = 0; i < SC_BART_DIMS; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, "%lld ", (long long)dim[i]);
    text[n - 1] = '\n';
    sc_status status = pair_of(&names, path);
    if (status != SC_OK ||
        (status = sc_file_write(names.cfl, array->data, sc_array_bytes(array))) != SC_OK)
        return status;
    if ((status = sc_file_write(names.hdr, text, (size_t)n)) != SC_OK)
        unlink(names.cfl); /* data without their sizes are no file */
    return status;
}
