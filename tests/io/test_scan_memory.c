/* Reading and writing a scan with the n-th allocation failing, n = 1, 2, 3, ...: a clear error each
 * time, nothing left behind, nothing half-written. Linked with --wrap=sc_alloc. */
#include "tests/io/io_test.h"

#include "base/memory.h"
#include "base/random.h"
#include "io/scan_internal.h"

sc_status __real_sc_alloc(void **p, size_t count, size_t size, const char *what);
sc_status __wrap_sc_alloc(void **p, size_t count, size_t size, const char *what);

static int left = -1; /* allocations that succeed; negative: all */

sc_status __wrap_sc_alloc(void **p, size_t count, size_t size, const char *what)
{
    if (left == 0) {
        *p = NULL;
        return sc_fail(SC_ERR_MEMORY, "no memory for %s", what);
    }
    left -= left > 0;
    return __real_sc_alloc(p, count, size, what);
}

static void make_scan(sc_scan *scan)
{
    const int64_t dim[6] = {2, 2, 2, 1, 6, 8}, noise[2] = {2, 20};
    *scan = (sc_scan){.readout = 'x', .image_nx = 8, .image_ny = 6, .image_nz = 1};
    sc_header_clear(&scan->header);
    assert_good(sc_array_create(&scan->kspace, SC_C32, 6, dim));
    sc_random_normal(scan->kspace.data, 2 * sc_array_count(&scan->kspace), (sc_key){.seed = 1},
                     SC_DRAW_TEST, 0);
    assert_good(sc_scan_from_kspace(scan));
    for (int f = 0; f < 2; f++)
        scan->frame[f].repetition = (uint16_t)f;
    assert_good(sc_array_create(&scan->noise, SC_C32, 2, noise));
    const double centre[6] = {0, 0, 0, 0, 0, 5}, read[3] = {1, 0, 0}, phase[3] = {0, 1, 0};
    assert_good(sc_geometry_from_centre(&scan->geometry, centre, 2, read, phase, 8, 6, 4, 8, 6));
}

static sc_scan input;
static sc_scan_write_options options;

static sc_status write_ismrmrd(void)
{
    return sc_scan_write_ismrmrd(in_scratch("w.h5"), &input, &options);
}

static sc_status write_cfl(void) { return sc_scan_write_cfl(in_scratch("w"), &input); }

static sc_status read_file(const char *name)
{
    sc_scan scan;
    sc_status status = sc_scan_read(&scan, in_scratch(name), NULL);
    if (status != SC_OK)
        assert_null(scan.kspace.data);
    sc_scan_free(&scan);
    return status;
}

static sc_status read_ismrmrd(void) { return read_file("r.h5"); }
static sc_status read_cfl(void) { return read_file("r"); }

static sc_status describe(void)
{
    char *text;
    sc_status status = sc_scan_describe(&text, &input, true, true);
    sc_free(text);
    return status;
}

/* How many allocations the step makes, after failing each. */
static int fail_each(sc_status (*step)(void))
{
    for (int n = 0;; n++) {
        left = n;
        sc_status status = step();
        left = -1;
        if (status == SC_OK) {
            unlink(in_scratch("w.h5"));
            unlink(in_scratch("w.cfl"));
            return n;
        }
        assert_int_equal(status, SC_ERR_MEMORY);
        assert_non_null(strstr(sc_message(), "no memory for"));
        assert_int_equal(access(in_scratch("w.h5"), F_OK), -1);
        assert_int_equal(access(in_scratch("w.cfl"), F_OK), -1);
    }
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    make_scan(&input);
    options = sc_scan_write_options_default();
    options.oversampling = 2;
    options.flag_calibration = true;
    assert_good(sc_scan_write_ismrmrd(in_scratch("r.h5"), &input, &options));
    assert_good(sc_scan_write_cfl(in_scratch("r"), &input));
    assert_true(fail_each(read_ismrmrd) > 10);
    assert_true(fail_each(read_cfl) > 3);
    assert_true(fail_each(describe) > 0);
    assert_true(fail_each(write_cfl) > 0);
    assert_true(fail_each(write_ismrmrd) > 5);
    sc_scan_free(&input);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_may_fail)};
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
