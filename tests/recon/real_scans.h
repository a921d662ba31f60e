/* Real scans for tests: BART cfl and npy masks of ../shared/data/scans, as an sc_scan.
 * Absent data: the test skips, saying so. */
#ifndef SC_TEST_REAL_SCANS_H
#define SC_TEST_REAL_SCANS_H

#include "base/memory.h"
#include "base/scan.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SC_SCANS SC_SHARED_DIR "/data/scans/"

static inline void skip_without(const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, SC_SCANS "%.64s", name);
    FILE *file = fopen(path, "rb");
    if (!file) {
        print_message("skipped: %s is not here\n", name);
        skip();
    }
    fclose(file);
}

static inline void read_bytes(void *to, size_t bytes, const char *name, long from)
{
    char path[1024];
    snprintf(path, sizeof path, SC_SCANS "%.64s", name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, from, SEEK_SET), 0);
    assert_int_equal(fread(to, 1, bytes, file), bytes);
    fclose(file);
}

/* Where the data of a version 1 .npy file begin. */
static inline long npy_data(const char *name)
{
    unsigned char head[10];
    read_bytes(head, sizeof head, name, 0);
    return 10 + head[8] + 256 * head[9];
}

/* A 2D .npy array of `bytes` an element, in C order whatever the file's order. */
static inline void read_npy(void *to, const char *name, int64_t ny, int64_t nx, size_t bytes)
{
    char head[128] = {0}, *raw;
    assert_int_equal(SC_ALLOC(&raw, (size_t)(ny * nx) * bytes, "npy"), 0);
    read_bytes(head, sizeof head - 1, name, 10);
    read_bytes(raw, (size_t)(ny * nx) * bytes, name, npy_data(name));
    bool fortran = strstr(head, "'fortran_order': True") != NULL;
    for (int64_t y = 0; y < ny; y++)
        for (int64_t x = 0; x < nx; x++)
            memcpy((char *)to + (size_t)(y * nx + x) * bytes,
                   raw + (size_t)(fortran ? x * ny + y : y * nx + x) * bytes, bytes);
    sc_free(raw);
}

static inline void scan_shape(sc_scan *scan, int64_t coils, int64_t nz, int64_t ny, int64_t nx)
{
    *scan = (sc_scan){.frames = 1,
                      .slices = 1,
                      .coils = coils,
                      .nz = nz,
                      .ny = ny,
                      .nx = nx,
                      .image_ny = ny,
                      .image_nx = nx,
                      .image_nz = nz};
    sc_header_clear(&scan->header);
    snprintf(scan->source, sizeof scan->source, "test");
    assert_int_equal(
        sc_array_create(&scan->kspace, SC_C32, 6, (int64_t[]){1, 1, coils, nz, ny, nx}), 0);
    assert_int_equal(sc_array_create(&scan->mask, SC_F32, 5, (int64_t[]){1, 1, nz, ny, nx}), 0);
}

/* name without ending; mask: npy file, or NULL. cfl is column-major (1, y, x, coil). */
static inline void read_scan(sc_scan *scan, const char *name, const char *mask)
{
    char path[1024];
    int64_t ny, nx, coils;
    long one, a, b, c;
    snprintf(path, sizeof path, SC_SCANS "%.64s.hdr", name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "# Dimensions %ld %ld %ld %ld", &one, &a, &b, &c), 4);
    fclose(file);
    ny = a, nx = b, coils = c;
    scan_shape(scan, coils, 1, ny, nx);
    sc_c32 *raw;
    unsigned char *sampled;
    assert_int_equal(SC_ALLOC(&raw, coils * ny * nx, "cfl"), 0);
    assert_int_equal(SC_ALLOC(&sampled, ny * nx, "mask"), 0);
    snprintf(path, sizeof path, "%s.cfl", name);
    read_bytes(raw, (size_t)(coils * ny * nx) * sizeof *raw, path, 0);
    if (mask)
        read_npy(sampled, mask, ny, nx, 1);
    sc_c32 *k = scan->kspace.data;
    float *m = scan->mask.data;
    for (c = 0; c < coils; c++)
        for (int64_t y = 0; y < ny; y++)
            for (int64_t x = 0; x < nx; x++) {
                sc_c32 v = raw[(c * nx + x) * ny + y];
                if (mask && !sampled[y * nx + x])
                    v = 0;
                k[(c * ny + y) * nx + x] = v;
                if (v != 0)
                    m[y * nx + x] = 1;
            }
    sc_free(raw);
    sc_free(sampled);
}

#endif
