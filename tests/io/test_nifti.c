/* NIfTI: round trips, headers made by hand, and a head volume that other programs wrote. */
#include "tests/io/io_volume.h"

#include "io/nifti.h"

#include <zlib.h>

static void round_trip_keeps_voxels_and_place(void **state)
{
    (void)state;
    const char *const names[] = {"v.nii", "v.nii.gz"};
    for (int i = 0; i < PLANES; i++)
        for (int gz = 0; gz < 2; gz++) {
            sc_dtype dtype = i % 2 ? SC_C32 : SC_F32;
            sc_volume out = make_volume(&planes[i], dtype, 3, 5, 7), in;
            assert_good(sc_nifti_write(in_scratch(names[gz]), &out));
            assert_good(sc_nifti_read(&in, in_scratch(names[gz])));
            assert_int_equal(in.data.dtype, dtype);
            assert_int_equal(in.data.dim[0], 3);
            assert_int_equal(in.data.dim[2], 7);
            assert_memory_equal(in.data.data, out.data.data, sc_array_bytes(&out.data));
            assert_true(in.geometry.known);
            assert_int_equal(in.geometry.slices, 3);
            /* float32 positions of 150 mm */
            assert_true(affine_difference(in.geometry.affine, out.geometry.affine) < 1e-5);
            sc_volume_free(&out);
            sc_volume_free(&in);
        }
}

static void unknown_place_stays_unknown(void **state)
{
    (void)state;
    sc_volume out = make_volume(NULL, SC_F32, 1, 2, 3), in;
    assert_good(sc_nifti_write(in_scratch("v.nii"), &out));
    assert_good(sc_nifti_read(&in, in_scratch("v.nii")));
    assert_false(in.geometry.known);
    sc_volume_free(&out);
    sc_volume_free(&in);
}

static void same_volume_same_bytes(void **state)
{
    (void)state;
    sc_volume out = make_volume(&planes[4], SC_F32, 3, 5, 7);
    assert_good(sc_nifti_write(in_scratch("a.nii.gz"), &out));
    assert_good(sc_nifti_write(in_scratch("b.nii.gz"), &out));
    assert_int_equal(run_command("cmp -s %s %s", in_scratch("a.nii.gz"), in_scratch("b.nii.gz")), 0);
    sc_volume_free(&out);
}

/* A version 1 file of 2 x 2 x 1 int16, to be damaged. */
typedef struct {
    unsigned char byte[352 + 8];
} small_file;

static void put(small_file *file, size_t offset, const void *value, size_t bytes)
{
    memcpy(file->byte + offset, value, bytes);
}

static void put_i16(small_file *file, size_t offset, int16_t value)
{
    put(file, offset, &value, sizeof value);
}

static void put_f32(small_file *file, size_t offset, float value)
{
    put(file, offset, &value, sizeof value);
}

static small_file make_small(void)
{
    small_file file = {{0}};
    const int32_t size = 348;
    const int16_t dim[8] = {3, 2, 2, 1, 1, 1, 1, 1}, voxel[4] = {1, -2, 300, 4};
    put(&file, 0, &size, 4);
    put(&file, 40, dim, sizeof dim);
    put_i16(&file, 70, 4);
    put_i16(&file, 72, 16);
    put_f32(&file, 108, 352);
    put(&file, 344, "n+1", 4);
    put(&file, 352, voxel, sizeof voxel);
    return file;
}

static void slope_and_intercept_are_applied(void **state)
{
    (void)state;
    small_file file = make_small();
    put_f32(&file, 112, 0.5f);
    put_f32(&file, 116, 10);
    put_file(in_scratch("s.nii"), &file, sizeof file);
    sc_volume v;
    assert_good(sc_nifti_read(&v, in_scratch("s.nii")));
    const float expected[4] = {10.5f, 9, 160, 12};
    assert_memory_equal(v.data.data, expected, sizeof expected);
    sc_volume_free(&v);
}

static void other_byte_order_is_read(void **state)
{
    (void)state;
    const struct {
        size_t from, count, size;
    } swap[] = {{0, 1, 4}, {40, 8, 2}, {70, 2, 2}, {108, 1, 4}, {352, 4, 2}};
    small_file file = make_small();
    for (size_t k = 0; k < sizeof swap / sizeof *swap; k++)
        for (size_t i = 0; i < swap[k].count; i++)
            for (size_t a = 0; a < swap[k].size / 2; a++) {
                unsigned char *p = file.byte + swap[k].from + i * swap[k].size;
                unsigned char keep = p[a];
                p[a] = p[swap[k].size - 1 - a];
                p[swap[k].size - 1 - a] = keep;
            }
    put_file(in_scratch("s.nii"), &file, sizeof file);
    sc_volume v;
    assert_good(sc_nifti_read(&v, in_scratch("s.nii")));
    const float expected[4] = {1, -2, 300, 4};
    assert_memory_equal(v.data.data, expected, sizeof expected);
    sc_volume_free(&v);
}

/* The quaternion of a half turn about z: LPS axes along RAS ones. */
static void qform_counts_where_there_is_no_sform(void **state)
{
    (void)state;
    small_file file = make_small();
    const float pixdim[4] = {1, 2, 3, 4};
    put(&file, 76, pixdim, sizeof pixdim);
    put_i16(&file, 252, 1);
    put_f32(&file, 264, 1); /* quatern_d */
    put_f32(&file, 268, 5);
    put_f32(&file, 272, 6);
    put_f32(&file, 276, 7);
    put_file(in_scratch("s.nii"), &file, sizeof file);
    sc_volume v;
    assert_good(sc_nifti_read(&v, in_scratch("s.nii")));
    const double expected[3][4] = {{2, 0, 0, -5}, {0, 3, 0, -6}, {0, 0, 4, 7}};
    assert_true(v.geometry.known);
    assert_true(affine_difference(v.geometry.affine, expected) < 1e-6);
    sc_volume_free(&v);
}

static void put_i16_dim1(small_file *f) { put_i16(f, 42, 32767); }
static void put_dim0(small_file *f) { put_i16(f, 40, 9); }
static void put_negative(small_file *f) { put_i16(f, 44, -2); }
static void put_series(small_file *f) { put_i16(f, 40, 4), put_i16(f, 48, 3); }
static void put_colour(small_file *f) { put_i16(f, 70, 128); }
static void put_size(small_file *f) { put_i16(f, 0, 349); }
static void put_pair(small_file *f) { put(f, 344, "ni1", 4); }
static void put_magic(small_file *f) { put(f, 344, "abc", 4); }
static void put_offset(small_file *f) { put_f32(f, 108, 12); }
static void put_far(small_file *f) { put_f32(f, 108, 1e30f); }
static void put_slope(small_file *f) { put_f32(f, 112, NAN); }

static const struct {
    void (*damage)(small_file *);
    sc_status code;
    const char *message;
} damages[] = {
    {put_i16_dim1, SC_ERR_FORMAT, "asks for 131420 bytes"},
    {put_dim0, SC_ERR_FORMAT, "dim[0] is 9"},
    {put_negative, SC_ERR_FORMAT, "dim[2] is -2"},
    {put_series, SC_ERR_UNSUPPORTED, "dim[4] is 3, expected one volume"},
    {put_colour, SC_ERR_UNSUPPORTED, "datatype 128"},
    {put_size, SC_ERR_FORMAT, "header size 349"},
    {put_pair, SC_ERR_UNSUPPORTED, "two files"},
    {put_magic, SC_ERR_FORMAT, "wrong magic"},
    {put_offset, SC_ERR_FORMAT, "offset 12 lies inside"},
    {put_far, SC_ERR_FORMAT, "offset -1"},
    {put_slope, SC_ERR_FORMAT, "scl_slope nan"},
};

static void damaged_headers_get_one_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        small_file file = make_small();
        damages[i].damage(&file);
        put_file(in_scratch("d.nii"), &file, sizeof file);
        sc_volume v;
        assert_refused(sc_nifti_read(&v, in_scratch("d.nii")), damages[i].code, damages[i].message);
        assert_non_null(strstr(sc_message(), "d.nii: "));
        assert_null(v.data.data);
    }
}

static void cut_files_get_one_line(void **state)
{
    (void)state;
    const size_t lengths[] = {0, 3, 100, 348, 352, 359};
    small_file file = make_small();
    sc_volume v;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        put_file(in_scratch("c.nii"), &file, lengths[i]);
        assert_refused(sc_nifti_read(&v, in_scratch("c.nii")), SC_ERR_FORMAT, "c.nii: ");
    }
    assert_refused(sc_nifti_read(&v, in_scratch("none.nii")), SC_ERR_IO, "none.nii");
    assert_refused(sc_nifti_read(&v, scratch), SC_ERR_IO, scratch);
}

static void cut_and_boasting_gzip_get_one_line(void **state)
{
    (void)state;
    sc_volume out = make_volume(&planes[0], SC_F32, 4, 16, 16), v;
    assert_good(sc_nifti_write(in_scratch("g.nii.gz"), &out));
    assert_int_equal(run_command("head -c 500 %s > %s", in_scratch("g.nii.gz"), in_scratch("h.nii.gz")), 0);
    assert_refused(sc_nifti_read(&v, in_scratch("h.nii.gz")), SC_ERR_FORMAT, "h.nii.gz: ");

    small_file file = make_small();
    for (size_t offset = 42; offset < 48; offset += 2)
        put_i16(&file, offset, 32767);
    gzFile gz = gzopen(in_scratch("b.nii.gz"), "wb");
    assert_int_equal(gzwrite(gz, &file, sizeof file), sizeof file);
    gzclose(gz);
    assert_refused(sc_nifti_read(&v, in_scratch("b.nii.gz")), SC_ERR_FORMAT, "asks for");
    sc_volume_free(&out);
}

/* A T1 head in MNI space, 181 x 217 x 181 at 1 mm, written by MRIcron. */
static void head_of_mricron_is_where_it_says(void **state)
{
    (void)state;
    const char *path = "/usr/share/mricron/templates/ch2.nii.gz";
    skip_unless("test -f /usr/share/mricron/templates/ch2.nii.gz", "package mricron-data is missing");
    sc_volume v;
    assert_good(sc_nifti_read(&v, path));
    assert_int_equal(v.data.dim[0], 181);
    assert_int_equal(v.data.dim[1], 217);
    assert_int_equal(v.data.dim[2], 181);
    assert_true(v.geometry.known);
    const double expected[3][4] = {{-1, 0, 0, 90}, {0, -1, 0, 125}, {0, 0, 1, -71}};
    if (affine_difference(v.geometry.affine, expected) > 1.5)
        for (int i = 0; i < 3; i++)
            print_error("%g %g %g %g\n", v.geometry.affine[i][0], v.geometry.affine[i][1],
                        v.geometry.affine[i][2], v.geometry.affine[i][3]);
    assert_true(affine_difference(v.geometry.affine, expected) <= 1.5);
    sc_volume_free(&v);
}

static void probe_knows_its_own(void **state)
{
    (void)state;
    small_file file = make_small();
    assert_true(sc_nifti_probe(&file, sizeof file));
    assert_false(sc_nifti_probe(&file, 100));
    assert_false(sc_nifti_probe("\x93NUMPY", 6));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip_keeps_voxels_and_place),
        cmocka_unit_test(unknown_place_stays_unknown),
        cmocka_unit_test(same_volume_same_bytes),
        cmocka_unit_test(slope_and_intercept_are_applied),
        cmocka_unit_test(other_byte_order_is_read),
        cmocka_unit_test(qform_counts_where_there_is_no_sform),
        cmocka_unit_test(damaged_headers_get_one_line),
        cmocka_unit_test(cut_files_get_one_line),
        cmocka_unit_test(cut_and_boasting_gzip_get_one_line),
        cmocka_unit_test(head_of_mricron_is_where_it_says),
        cmocka_unit_test(probe_knows_its_own),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
