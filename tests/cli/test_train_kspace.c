/* Crops of k-space: values of CT stay what they are, other images become magnitudes. */
#include "cli/train_kspace.h"
#include "base/device.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { NY = 15, NX = 12, TO_Y = 14, TO_X = 8 };

static sc_device *device;

static int start(void **state) { return (void)state, (int)sc_device_create_cpu(&device, 1); }
static int stop(void **state) { return (void)state, sc_device_free(device), 0; }

/* Air below -1000 HU, in a slice that is cut to fewer pixels. */
static void values_of_ct_stay(void **state)
{
    (void)state;
    float page[NY * NX];
    const int64_t to[2] = {TO_Y, TO_X};
    sc_array in = sc_array_view(SC_F32, 2, (int64_t[]){NY, NX}, page), out;
    for (int i = 0; i < NY * NX; i++)
        page[i] = -0.012f;
    assert_int_equal(sc_crop_kspace(&out, &in, to, true, device), SC_OK);
    assert_int_equal(out.dim[0], TO_Y);
    assert_int_equal(out.dim[1], TO_X);
    for (int i = 0; i < TO_Y * TO_X; i++)
        assert_float_equal(((float *)out.data)[i], -0.012, 1e-6);
    sc_array_free(&out);
}

static void other_images_become_magnitudes(void **state)
{
    (void)state;
    float page[NY * NX];
    const int64_t to[2] = {TO_Y, TO_X};
    sc_array in = sc_array_view(SC_F32, 2, (int64_t[]){NY, NX}, page), out;
    for (int i = 0; i < NY * NX; i++)
        page[i] = -2;
    assert_int_equal(sc_crop_kspace(&out, &in, to, false, device), SC_OK);
    for (int i = 0; i < TO_Y * TO_X; i++)
        assert_true(((float *)out.data)[i] > 0);
    sc_array_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(values_of_ct_stay),
                                       cmocka_unit_test(other_images_become_magnitudes)};
    return cmocka_run_group_tests(tests, start, stop);
}
