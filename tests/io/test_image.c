/* Images of any format: recognised by content, one shape out. */
#include "tests/io/io_volume.h"

#include "base/file.h"
#include "io/cfl.h"
#include "io/dicom.h"
#include "io/image.h"
#include "io/nifti.h"
#include "io/npy.h"
#include "io/record.h"
#include "io/tiff.h"

/* The file holds what `expected` holds (complex files: real parts are every other float). */
static void assert_image(const char *name, const char *format, const sc_volume *expected)
{
    sc_volume v;
    const char *found;
    assert_good(sc_image_recognise(&found, in_scratch(name)));
    assert_string_equal(found, format);
    assert_good(sc_image_read(&v, in_scratch(name)));
    assert_int_equal(v.data.rank, 3);
    assert_int_equal(v.data.dtype, expected->data.dtype);
    for (int i = 0; i < 3; i++)
        assert_int_equal(v.data.dim[i], expected->data.dim[i]);
    assert_memory_equal(v.data.data, expected->data.data, sc_array_bytes(&expected->data));
    sc_volume_free(&v);
}

static void arrays_become_volumes(void **state)
{
    (void)state;
    for (int pairs = 0; pairs < 2; pairs++) {
        sc_volume v = make_volume(NULL, pairs ? SC_C32 : SC_F32, 3, 4, 5);
        sc_array x = v.data;
        assert_good(sc_npy_write(in_scratch("x"), &x));
        assert_image("x", "npy", &v);
        x.rank = 5;
        memcpy(x.dim, ((int64_t[]){1, 1, 3, 4, 5}), 5 * sizeof(int64_t));
        assert_good(sc_npy_write(in_scratch("x"), &x));
        assert_image("x", "npy", &v);
        sc_volume_free(&v);
    }
    sc_volume one = make_volume(NULL, SC_F32, 1, 4, 5);
    sc_array plane = sc_array_slice(&one.data, 0), row = sc_array_slice(&plane, 0);
    assert_good(sc_npy_write(in_scratch("x"), &plane));
    assert_image("x", "npy", &one);
    assert_good(sc_npy_write(in_scratch("x"), &row));
    sc_volume v;
    assert_refused(sc_image_read(&v, in_scratch("x")), SC_ERR_INPUT, "array of 1 axes");
    sc_volume_free(&one);
}

static void other_number_types_become_float(void **state)
{
    (void)state;
    const uint8_t bytes[6] = {0, 1, 2, 253, 254, 255};
    const double doubles[6] = {0, 1, 2, 253, 254, 255};
    sc_array u8 = sc_array_view(SC_U8, 2, (int64_t[]){2, 3}, (void *)(uintptr_t)bytes);
    sc_array f64 = sc_array_view(SC_F64, 2, (int64_t[]){2, 3}, (void *)(uintptr_t)doubles);
    sc_volume expected = make_volume(NULL, SC_F32, 1, 2, 3);
    for (int i = 0; i < 6; i++)
        ((float *)expected.data.data)[i] = (float)doubles[i];
    assert_good(sc_npy_write(in_scratch("u"), &u8));
    assert_image("u", "npy", &expected);
    assert_good(sc_npy_write(in_scratch("d"), &f64));
    assert_image("d", "npy", &expected);
    sc_volume_free(&expected);
}

static void pages_and_slices_of_other_formats(void **state)
{
    (void)state;
    sc_volume v = make_volume(&planes[4], SC_F32, 3, 8, 9);
    assert_good(sc_tiff_write(in_scratch("pages"), &v.data));
    assert_image("pages", "TIFF", &v);
    assert_good(sc_nifti_write(in_scratch("v.nii.gz"), &v));
    run_command("mv %s %s", in_scratch("v.nii.gz"), in_scratch("no-ending"));
    assert_image("no-ending", "NIfTI", &v);
    sc_volume_free(&v);
}

/* The image (slice 2, y 3, x 4) in each of BART's ways. */
static void bart_dimensions_are_found(void **state)
{
    (void)state;
    static const struct {
        int64_t dim[3], slice_dim; /* READ, PHS1, PHS2, SLICE */
        int64_t step_y, step_x, step_slice;
    } ways[] = {
        {{4, 3, 1}, 2, 4, 1, 12},
        {{4, 1, 3}, 2, 4, 1, 12},
        {{1, 3, 4}, 2, 1, 3, 12},
        {{4, 3, 2}, 1, 4, 1, 12},
    };
    sc_volume v = make_volume(NULL, SC_C32, 2, 3, 4);
    sc_volume turned = make_volume(NULL, SC_C32, 2, 3, 4);
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
        const sc_c32 *x = v.data.data;
        sc_c32 *y = turned.data.data;
        for (int64_t i = 0; i < 24; i++)
            y[i / 12 * ways[w].step_slice + i / 4 % 3 * ways[w].step_y + i % 4 * ways[w].step_x] = x[i];
        int64_t dim[SC_BART_DIMS];
        for (int i = 0; i < SC_BART_DIMS; i++)
            dim[i] = i < 3 ? ways[w].dim[i] : i == SC_BART_SLICE ? ways[w].slice_dim : 1;
        assert_good(sc_cfl_write(in_scratch("b"), &turned.data, dim));
        assert_image("b", "cfl", &v);
        assert_image("b.hdr", "cfl", &v);
    }
    int64_t coils[SC_BART_DIMS] = {4, 3, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    assert_good(sc_cfl_write(in_scratch("k"), &turned.data, coils));
    sc_volume none;
    assert_refused(sc_image_read(&none, in_scratch("k")), SC_ERR_INPUT, "dimension 3 has size 2");
    sc_volume_free(&v);
    sc_volume_free(&turned);
}

static void folders_of_dicom_and_of_recon(void **state)
{
    (void)state;
    sc_volume v = make_volume(&planes[4], SC_F32, 3, 8, 9), in;
    sc_outdir *outdir;
    sc_header header;
    const sc_dicom_options options = {.run = "r", .source = "s"};
    const char *path, *format;
    sc_record *record;
    sc_header_clear(&header);
    assert_good(sc_record_create(&record, "scorecon", "0"));
    assert_good(sc_record_set_geometry(record, "geometry", &v.geometry));
    assert_good(sc_outdir_create(&outdir, in_scratch("out")));
    assert_good(sc_dicom_write_series(outdir, "dicom", &v, &header, &options));
    assert_good(sc_outdir_path(outdir, &path, "image.npy"));
    assert_good(sc_npy_write(path, &v.data));
    assert_good(sc_outdir_path(outdir, &path, "record.json"));
    assert_good(sc_record_write(record, path));
    assert_good(sc_outdir_commit(outdir));
    sc_record_free(record);

    const char *const ways[][2] = {{"out", "OUT"}, {"out/dicom", "DICOM"}, {"out/dicom/0001.dcm", "DICOM"}};
    for (int i = 0; i < 3; i++) {
        assert_good(sc_image_recognise(&format, in_scratch(ways[i][0])));
        assert_string_equal(format, ways[i][1]);
        assert_good(sc_image_read(&in, in_scratch(ways[i][0])));
        assert_int_equal(in.data.dim[0], i < 2 ? 3 : 1);
        assert_true(in.geometry.known);
        assert_true(i == 2 || affine_difference(in.geometry.affine, v.geometry.affine) < 1e-9);
        sc_volume_free(&in);
    }
    sc_volume_free(&v);
}

static void what_is_no_image_gets_one_line(void **state)
{
    (void)state;
    sc_volume v;
    const char *format;
    put_text(in_scratch("t.dcm"), "not DICOM, whatever its name says");
    run_command("mkdir %s", in_scratch("empty"));
    assert_refused(sc_image_read(&v, in_scratch("t.dcm")), SC_ERR_FORMAT, "t.dcm: not an image");
    assert_refused(sc_image_read(&v, in_scratch("none")), SC_ERR_IO, "none: No such file");
    assert_refused(sc_image_read(&v, in_scratch("empty")), SC_ERR_INPUT, "no DICOM images");
    assert_refused(sc_image_recognise(&format, in_scratch("t.dcm")), SC_ERR_FORMAT, "expected DICOM");
    assert_null(format);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_become_volumes),
        cmocka_unit_test(other_number_types_become_float),
        cmocka_unit_test(pages_and_slices_of_other_formats),
        cmocka_unit_test(bart_dimensions_are_found),
        cmocka_unit_test(folders_of_dicom_and_of_recon),
        cmocka_unit_test(what_is_no_image_gets_one_line),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
