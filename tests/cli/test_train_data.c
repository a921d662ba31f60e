/* Files below a folder become the list of training images. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/train_data.h"
#include "io/npy.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64], path[96];
static sc_device *device;
static sc_slice_store *store;

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/scorecon-train-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/image.npy", folder);
    assert_int_equal(sc_device_create_cpu(&device, 1), SC_OK);
    return sc_slice_store_create(&store, 1 << 20, folder) != SC_OK;
}

static int remove_folder(void **state)
{
    (void)state;
    sc_slice_store_free(store);
    sc_device_free(device);
    unlink(path);
    return rmdir(folder);
}

/* Values from 1 upwards, which no rounding to even sizes could keep. */
static void write_image(int64_t ny, int64_t nx)
{
    sc_array x;
    assert_int_equal(sc_array_create(&x, SC_F32, 3, (int64_t[]){1, ny, nx}), SC_OK);
    for (int64_t i = 0; i < ny * nx; i++)
        ((float *)x.data)[i] = (float)(1 + i % 97);
    assert_int_equal(sc_npy_write(path, &x), SC_OK);
    sc_array_free(&x);
}

static void expect_size(int64_t ny, int64_t nx, int matrix, int64_t rows, int64_t columns)
{
    sc_train_data data;
    sc_array slice;
    write_image(ny, nx);
    assert_int_equal(sc_train_data_load(&data, store, folder, NULL, matrix, device, NULL), SC_OK);
    assert_int_equal(data.source.count, 1);
    assert_int_equal(data.source.get(data.source.self, &slice, 0), SC_OK);
    assert_int_equal(slice.dim[0], rows);
    assert_int_equal(slice.dim[1], columns);
    for (int64_t i = 0; rows == ny && i < ny * nx; i++)
        assert_float_equal(((float *)slice.data)[i], (float)(1 + i % 97), 1e-3);
    sc_train_data_free(&data);
}

static void an_image_of_odd_size_keeps_its_last_row_and_column(void **state)
{
    (void)state;
    expect_size(33, 31, 256, 33, 31);
    expect_size(32, 31, 256, 32, 31);
    expect_size(33, 30, 33, 33, 30);
}

static void what_is_too_large_is_cut_to_even_sizes(void **state)
{
    (void)state;
    expect_size(65, 33, 32, 32, 16);
    expect_size(64, 64, 32, 32, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_image_of_odd_size_keeps_its_last_row_and_column),
        cmocka_unit_test(what_is_too_large_is_cut_to_even_sizes),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
