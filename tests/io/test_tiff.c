/* TIFF stacks: what is written comes back, what is damaged is refused. */
#include "base/file.h"
#include "base/memory.h"
#include "io/tiff.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static char path[64];

static int make_path(void **state)
{
    (void)state;
    strcpy(path, "test_tiff_XXXXXX");
    int descriptor = mkstemp(path);
    return descriptor < 0 ? -1 : close(descriptor);
}

static int remove_path(void **state) { return (void)state, unlink(path); }

static sc_array example(void)
{
    sc_array a;
    assert_int_equal(sc_array_create(&a, SC_F32, 3, (int64_t[]){3, 7, 5}), SC_OK);
    for (int i = 0; i < 105; i++)
        ((float *)a.data)[i] = (float)i / 3 - 7;
    return a;
}

static void floats_come_back_as_written(void **state)
{
    (void)state;
    sc_array a = example(), b;
    assert_int_equal(sc_tiff_write(path, &a), SC_OK);
    assert_int_equal(sc_tiff_read(&b, path), SC_OK);
    assert_int_equal(b.rank, 3);
    assert_memory_equal(b.dim, a.dim, 3 * sizeof *a.dim);
    assert_memory_equal(a.data, b.data, sc_array_bytes(&a));
    sc_array_free(&a);
    sc_array_free(&b);
}

/* A hand-made file: 2 x 2 pixels of 8 bit, white is zero. */
static void white_is_zero_is_turned_over(void **state)
{
    (void)state;
    static const unsigned char file[] = {
        'I', 'I', 42, 0, 12, 0, 0, 0, 0, 55, 200, 255, /* header, pixels at 8 */
        7, 0,                                          /* entries */
        0, 1, 3, 0, 1, 0, 0, 0, 2, 0, 0, 0,            /* width */
        1, 1, 3, 0, 1, 0, 0, 0, 2, 0, 0, 0,            /* height */
        2, 1, 3, 0, 1, 0, 0, 0, 8, 0, 0, 0,            /* bits */
        6, 1, 3, 0, 1, 0, 0, 0, 0, 0, 0, 0,            /* photometric */
        17, 1, 4, 0, 1, 0, 0, 0, 8, 0, 0, 0,           /* strip offset */
        22, 1, 3, 0, 1, 0, 0, 0, 2, 0, 0, 0,           /* rows per strip */
        23, 1, 4, 0, 1, 0, 0, 0, 4, 0, 0, 0,           /* strip bytes */
        0, 0, 0, 0,
    };
    sc_array a;
    assert_int_equal(sc_tiff_parse(&a, file, sizeof file, "hand-made"), SC_OK);
    const float expected[] = {255, 200, 55, 0};
    assert_int_equal(sc_array_count(&a), 4);
    assert_memory_equal(a.data, expected, sizeof expected);
    sc_array_free(&a);
}

/* Every cut of a file, and every byte turned over: a status, never a crash. */
static void damaged_files_are_refused_or_read(void **state)
{
    (void)state;
    sc_array a = example(), b;
    void *data;
    size_t bytes;
    assert_int_equal(sc_tiff_write(path, &a), SC_OK);
    assert_int_equal(sc_file_read(&data, &bytes, path, 1 << 20), SC_OK);
    for (size_t i = 0; i < bytes; i++) {
        if (sc_tiff_parse(&b, data, i, "cut") == SC_OK)
            sc_array_free(&b);
        else
            assert_null(b.data);
        ((unsigned char *)data)[i] ^= 0xff;
        if (sc_tiff_parse(&b, data, bytes, "damaged") == SC_OK)
            sc_array_free(&b);
        ((unsigned char *)data)[i] ^= 0xff;
    }
    assert_int_equal(sc_tiff_parse(&b, "hello, world", 12, "greeting.tif"), SC_ERR_FORMAT);
    assert_non_null(strstr(sc_message(), "greeting.tif"));
    sc_free(data);
    sc_array_free(&a);
}

static void shared_training_stack_is_read(void **state)
{
    (void)state;
    const char *file = SC_SHARED_DIR "/data/brain_mr/val/T2/";
    char name[512];
    snprintf(name, sizeof name, "%s../T1/TCGA_CS_4941.tif", file);
    if (!sc_path_exists(name)) {
        print_message("skipped: no %s\n", name);
        skip();
    }
    sc_array a;
    assert_int_equal(sc_tiff_read(&a, name), SC_OK);
    assert_int_equal(a.dim[1], 256);
    assert_int_equal(a.dim[2], 256);
    float largest = 0;
    for (int64_t i = 0; i < sc_array_count(&a); i++)
        largest = ((float *)a.data)[i] > largest ? ((float *)a.data)[i] : largest;
    assert_true(largest > 40 && largest <= 255);
    sc_array_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(floats_come_back_as_written, make_path, remove_path),
        cmocka_unit_test(white_is_zero_is_turned_over),
        cmocka_unit_test_setup_teardown(damaged_files_are_refused_or_read, make_path, remove_path),
        cmocka_unit_test(shared_training_stack_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
