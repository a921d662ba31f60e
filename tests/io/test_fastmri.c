/* fastMRI files written by h5py, and what a reader should make of them by NumPy. */
#include "tests/io/io_test.h"

#include "io/npy.h"
#include "io/scan.h"
#include <math.h>

static sc_scan scan;

static bool made;

/* All cases by one start of Python. */
static int make_all(void **state)
{
    scratch_make(state);
    made = run_command(PYTHON " -c 'import h5py' 2>/dev/null") == 0;
    if (!made)
        return 0;
    return run_command(PYTHON
                       " %s/tests/io/make_fastmri.py %s multicoil vlen gzip padding singlecoil "
                       "mask floatmask averages double bare narrow nan zero height real rank "
                       "badmask xml",
                       SC_SOURCE_DIR, scratch);
}

static const char *path;

static void make(const char *name)
{
    char file[32];
    if (!made) {
        print_message("skipped: no h5py\n");
        skip();
    }
    snprintf(file, sizeof file, "%s.h5", name);
    path = in_scratch(file);
}

static void assert_expected(void)
{
    sc_array want;
    char expected[300];
    snprintf(expected, sizeof expected, "%s.npy", path);
    assert_good(sc_npy_read(&want, expected));
    assert_true(scan.kspace.dim[1] == want.dim[0] && scan.kspace.dim[2] == want.dim[1] &&
                scan.kspace.dim[4] == want.dim[2] && scan.kspace.dim[5] == want.dim[3]);
    for (int64_t i = 0; i < sc_array_count(&want); i++)
        assert_true(cabsf(((sc_c32 *)want.data)[i] - ((sc_c32 *)scan.kspace.data)[i]) < 1e-5f);
    sc_array_free(&want);
}

static void files_of_h5py_are_read(void **state)
{
    (void)state;
    static const char *const cases[] = {"multicoil", "vlen",       "gzip",
                                        "padding",   "singlecoil", "mask",
                                        "floatmask", "averages",   "double"};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        make(cases[k]);
        assert_good(sc_scan_read(&scan, path, NULL));
        assert_string_equal(scan.format, "fastMRI");
        assert_true(scan.readout == 'y' && scan.ny == 8 && scan.nx == 12 && scan.image_ny == 8 &&
                    scan.image_nx == 10 && scan.header.tr_ms == 2200 && !scan.geometry.known);
        assert_string_equal(scan.header.patient_id, "");
        assert_expected();
        sc_scan_free(&scan);
    }
}

static void padding_and_unsampled_columns_do_not_count(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *columns;
    } cases[] = {
        {"padding", "011111111110"}, {"mask", "001010101010"}, {"averages", "012221222120"}};
    for (size_t k = 0; k < 3; k++) {
        make(cases[k].name);
        assert_good(sc_scan_read(&scan, path, NULL));
        for (int64_t i = 0; i < sc_array_count(&scan.mask); i++)
            assert_true(((float *)scan.mask.data)[i] == (float)(cases[k].columns[i % 12] - '0'));
        sc_scan_free(&scan);
    }
}

static void without_a_header_the_target_tells_the_image(void **state)
{
    (void)state;
    make("bare");
    assert_good(sc_scan_read(&scan, path, NULL));
    assert_true(scan.ny == 16 && scan.nx == 12 && scan.image_ny == 6 && scan.image_nx == 4);
    assert_expected();
    sc_scan_free(&scan);
}

static void narrow_volumes_want_a_square(void **state)
{
    (void)state;
    make("narrow");
    assert_good(sc_scan_read(&scan, path, NULL));
    assert_true(scan.ny == 24 && scan.nx == 12 && scan.image_ny == 12 && scan.image_nx == 12);
    assert_expected();
    sc_scan_free(&scan);
}

static void a_slice_or_average_can_be_chosen(void **state)
{
    (void)state;
    sc_scan_options options = sc_scan_options_default();
    make("averages");
    options.slice = 1;
    options.average = 2;
    options.keep_oversampling = true;
    assert_good(sc_scan_read(&scan, path, &options));
    assert_true(scan.slices == 1 && scan.ny == 16 && scan.image_ny == 8);
    assert_true(((float *)scan.mask.data)[1] == 0 && ((float *)scan.mask.data)[2] == 1);
    sc_scan_free(&scan);
    options.average = 3;
    assert_refused(sc_scan_read(&scan, path, &options), SC_ERR_USAGE, "average: expected 0 to 2, found 3");
}

static void a_line_mask_is_one_of_columns(void **state)
{
    (void)state;
    make("multicoil");
    sc_array m = sc_array_view(SC_U8, 1, (const int64_t[]){12}, "\0\1\1\0\1\1\1\1\0\0\0\0");
    assert_good(sc_npy_write(in_scratch("m.npy"), &m));
    sc_scan_options options = sc_scan_options_default();
    options.mask = in_scratch("m.npy");
    assert_good(sc_scan_read(&scan, path, &options));
    for (int64_t i = 0; i < sc_array_count(&scan.mask); i++)
        assert_true(((float *)scan.mask.data)[i] == (float)((uint8_t *)m.data)[i % 12]);
    sc_scan_free(&scan);
}

static void bad_files_get_one_line(void **state)
{
    (void)state;
    static const struct {
        const char *name, *message;
        sc_status code;
    } bad[] = {
        {"nan", ".h5: slice 1: k-space holds 1 NaN or Inf", SC_ERR_INPUT},
        {"zero", ".h5: slice 1: k-space is all zero", SC_ERR_INPUT},
        {"height", ".h5: 'kspace' has 15 readout samples, the header says 16", SC_ERR_FORMAT},
        {"real", ".h5: 'kspace': samples are not complex", SC_ERR_FORMAT},
        {"rank", ".h5: 'kspace': 2 axes", SC_ERR_FORMAT},
        {"badmask", ".h5: 'mask': expected 12 columns", SC_ERR_FORMAT},
        {"xml", ".h5: header is not well-formed XML", SC_ERR_FORMAT},
    };
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        make(bad[k].name);
        assert_refused(sc_scan_read(&scan, path, NULL), bad[k].code, bad[k].message);
        assert_null(scan.kspace.data);
    }
}

static void cut_files_get_one_line(void **state)
{
    (void)state;
    make("gzip");
    static char bytes[1 << 18];
    FILE *file = fopen(path, "rb");
    size_t n = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    for (size_t length = 1; length < n; length += n / 40) {
        put_file(in_scratch("cut.h5"), bytes, length);
        assert_int_equal(sc_scan_read(&scan, in_scratch("cut.h5"), NULL), SC_ERR_FORMAT);
        assert_non_null(strstr(sc_message(), "cut.h5: "));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_of_h5py_are_read),
        cmocka_unit_test(padding_and_unsampled_columns_do_not_count),
        cmocka_unit_test(without_a_header_the_target_tells_the_image),
        cmocka_unit_test(narrow_volumes_want_a_square),
        cmocka_unit_test(a_slice_or_average_can_be_chosen),
        cmocka_unit_test(a_line_mask_is_one_of_columns),
        cmocka_unit_test(bad_files_get_one_line),
        cmocka_unit_test(cut_files_get_one_line),
    };
    return cmocka_run_group_tests(tests, make_all, scratch_remove);
}
