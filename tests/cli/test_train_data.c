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

/* Where the process has a nameless scratch file open. */
static void find_scratch(char *place, size_t size)
{
    char link[64];
    place[0] = 0;
    for (int i = 3; i < 64 && !strstr(place, "scorecon-scratch"); i++) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", i);
        ssize_t n = readlink(link, place, size - 1);
        place[n > 0 ? n : 0] = 0;
    }
}

static void what_memory_does_not_hold_goes_beside_the_output_or_to_tmpdir(void **state)
{
    (void)state;
    char beside[128], place[256];
    float pixels[4] = {1, 2, 3, 4};
    snprintf(beside, sizeof beside, "%s/prior.safetensors", folder);
    setenv("TMPDIR", folder, 1);
    const char *const outputs[] = {NULL, beside};
    for (int i = 0; i < 2; i++) {
        sc_slice_store *spilling;
        int index;
        const sc_array slice = sc_array_view(SC_F32, 2, (int64_t[]){2, 2}, pixels);
        sc_array back;
        assert_int_equal(sc_slice_store_create_beside(&spilling, 0, outputs[i]), SC_OK);
        assert_int_equal(sc_slice_store_add(spilling, &index, &slice), SC_OK);
        find_scratch(place, sizeof place);
        if (strncmp(place, folder, strlen(folder)) != 0 || !strstr(place, "(deleted)"))
            fail_msg("the scratch file is '%s', expected it deleted in %s", place, folder);
        assert_int_equal(sc_slice_store_get(spilling, &back, index), SC_OK);
        assert_memory_equal(back.data, pixels, sizeof pixels);
        sc_slice_store_free(spilling);
        if (i == 0)
            setenv("TMPDIR", "/nowhere", 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_image_of_odd_size_keeps_its_last_row_and_column),
        cmocka_unit_test(what_memory_does_not_hold_goes_beside_the_output_or_to_tmpdir),
        cmocka_unit_test(what_is_too_large_is_cut_to_even_sizes),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
