/* Scans of all formats: recognition, masks, round trips, other people's programs, description. */
#include "tests/io/scan_test.h"

#include "io/cfl.h"
#include "io/npy.h"

static sc_scan scan;

/* Keep every second row and the centre. */
static void undersample(sc_scan *s)
{
    int64_t rows = s->nz * s->ny, plane = rows * s->nx;
    for (int64_t i = 0; i < s->frames * s->slices; i++)
        for (int64_t r = 0; r < rows; r++) {
            int64_t y = r % s->ny;
            if (y % 2 == 0 || (y > s->ny / 2 - 3 && y < s->ny / 2 + 3))
                continue;
            for (int64_t x = r * s->nx; x < (r + 1) * s->nx; x++) {
                ((float *)s->mask.data)[i * plane + x] = 0;
                for (int64_t c = 0; c < s->coils; c++)
                    ((sc_c32 *)s->kspace.data)[(i * s->coils + c) * plane + x] = 0;
            }
        }
}

static void assert_same(const sc_array *a, const sc_array *b, float tolerance)
{
    assert_int_equal(a->rank, b->rank);
    for (int i = 0; i < a->rank; i++)
        assert_int_equal(a->dim[i], b->dim[i]);
    int64_t n = sc_array_count(a) * (a->dtype == SC_C32 ? 2 : 1);
    for (int64_t i = 0; i < n; i++)
        assert_true(fabsf(((float *)a->data)[i] - ((float *)b->data)[i]) <= tolerance);
}

/* ---- ISMRMRD written and read ---- */

static void give_geometry(sc_scan *s, double tilt)
{
    double centre[3 * 16];
    const double read[3] = {cos(tilt), sin(tilt), 0}, phase[3] = {0, 0, -1};
    for (int64_t k = 0; k < s->slices; k++) {
        centre[3 * k] = 10 - 4.5 * (double)k * sin(tilt);
        centre[3 * k + 1] = -20 + 4.5 * (double)k * cos(tilt);
        centre[3 * k + 2] = 30;
    }
    assert_good(sc_geometry_from_centre(&s->geometry, centre, s->slices, read, phase, 220, 180, 4,
                                        s->image_nx, s->image_ny));
}

static void written_scans_read_back(void **state)
{
    (void)state;
    static const int oversampling[] = {1, 2, 3};
    for (int k = 0; k < 3; k++) {
        sc_scan a;
        make_scan(&a, 2, 3, 4, 1, 15, 22);
        undersample(&a);
        give_geometry(&a, 0.3);
        strcpy(a.header.vendor, "A&B <c>");
        strcpy(a.header.patient_position, "HFS");
        a.header.te_ms = 4.25;
        a.frame[0] = (sc_frame){.contrast = 1};
        a.frame[1] = (sc_frame){.contrast = 1, .repetition = 5};
        const int64_t noise[2] = {4, 5000};
        assert_good(sc_array_create(&a.noise, SC_C32, 2, noise));
        sc_random_normal(a.noise.data, 2 * 4 * 5000, (sc_key){.seed = 2}, SC_DRAW_TEST, 0);
        sc_scan_write_options options = sc_scan_write_options_default();
        options.oversampling = oversampling[k];
        options.flag_calibration = true;
        assert_good(sc_scan_write_ismrmrd(in_scratch("w.h5"), &a, &options));
        assert_good(sc_scan_read(&scan, in_scratch("w.h5"), NULL));
        assert_same(&scan.kspace, &a.kspace, k == 0 ? 0 : 1e-5f);
        assert_same(&scan.mask, &a.mask, 0);
        assert_same(&scan.noise, &a.noise, 0);
        assert_true(scan.frame[1].contrast == 1 && scan.frame[1].repetition == 5);
        assert_string_equal(scan.header.vendor, "A&B <c>");
        assert_true(scan.header.te_ms == 4.25 && isnan(scan.header.tr_ms));
        assert_string_equal(scan.format, "ISMRMRD");
        assert_string_equal(scan.source, "w.h5");
        assert_true(scan.geometry.known && scan.geometry.thickness_mm == 4);
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 4; j++)
                assert_true(fabs(scan.geometry.affine[i][j] - a.geometry.affine[i][j]) < 1e-4);
        sc_scan_free(&scan);
        sc_scan_free(&a);
    }
}

static void three_dimensional_scans_and_averages_read_back(void **state)
{
    (void)state;
    sc_scan a;
    make_scan(&a, 1, 1, 2, 6, 8, 7);
    undersample(&a);
    for (int64_t i = 0; i < 7; i++)
        ((float *)a.mask.data)[(3 * 8 + 4) * 7 + i] = 3; /* a line with three averages */
    assert_good(sc_scan_write_ismrmrd(in_scratch("w.h5"), &a, NULL));
    assert_good(sc_scan_read(&scan, in_scratch("w.h5"), NULL));
    assert_same(&scan.kspace, &a.kspace, 1e-6f);
    assert_same(&scan.mask, &a.mask, 0);
    assert_true(!scan.geometry.known && scan.nz == 6);
    sc_scan_free(&scan);
    sc_scan_free(&a);
}

static void calibration_lines_read_back(void **state)
{
    (void)state;
    sc_scan a, b;
    make_scan(&a, 1, 2, 3, 1, 16, 8);
    make_scan(&b, 1, 2, 3, 1, 16, 8);
    undersample(&a);
    const int64_t dim[5] = {2, 3, 1, 16, 8}, mask[4] = {2, 1, 16, 8};
    assert_good(sc_array_create(&a.calibration, SC_C32, 5, dim));
    assert_good(sc_array_create(&a.calibration_mask, SC_F32, 4, mask));
    for (int64_t s = 0; s < 2; s++)
        for (int64_t i = 6 * 8; i < 10 * 8; i++) {
            ((float *)a.calibration_mask.data)[s * 128 + i] = 1;
            for (int64_t c = 0; c < 3; c++)
                ((sc_c32 *)a.calibration.data)[(s * 3 + c) * 128 + i] =
                    ((sc_c32 *)b.kspace.data)[(s * 3 + c) * 128 + i];
        }
    assert_good(sc_scan_write_ismrmrd(in_scratch("w.h5"), &a, NULL));
    assert_good(sc_scan_read(&scan, in_scratch("w.h5"), NULL));
    assert_same(&scan.kspace, &a.kspace, 0);
    assert_same(&scan.calibration, &a.calibration, 0);
    assert_same(&scan.calibration_mask, &a.calibration_mask, 0);
    sc_scan_free(&scan);
    sc_scan_free(&a);
    sc_scan_free(&b);
}

static void points_cannot_be_written_as_readouts(void **state)
{
    (void)state;
    sc_scan a;
    make_scan(&a, 1, 1, 1, 1, 4, 8);
    ((float *)a.mask.data)[3] = 0;
    assert_refused(sc_scan_write_ismrmrd(in_scratch("p.h5"), &a, NULL), SC_ERR_UNSUPPORTED,
                   "parts of a line");
    assert_int_equal(access(in_scratch("p.h5"), F_OK), -1);
    sc_scan_free(&a);
}

/* ---- other people's programs ---- */

static void keep_for_python(const sc_scan *s)
{
    assert_good(sc_npy_write(in_scratch("kspace.npy"), &s->kspace));
    assert_good(sc_npy_write(in_scratch("mask.npy"), &s->mask));
    if (s->noise.data)
        assert_good(sc_npy_write(in_scratch("noise.npy"), &s->noise));
}

static void python_agrees(const char *path)
{
    assert_int_equal(
        run_command(PYTHON " %s/tests/io/check_ismrmrd.py %s %s", SC_SOURCE_DIR, path, scratch), 0);
}

static void files_of_ismrmrd_tools_are_read_as_python_reads_them(void **state)
{
    (void)state;
    static const char *const options[] = {
        "-m 32 -c 4 -r 2 -a 2 -w 8 -C -n 0.05", "-m 33 -c 1 -r 1 -a 1 -n 0.01 -O 1",
        "-m 24 -c 3 -r 2 -a 3 -w 5 -C -k -O 3", "-m 16 -c 2 -n 0 -a 1"};
    skip_unless("command -v ismrmrd_generate_cartesian_shepp_logan", "no ismrmrd-tools");
    skip_unless(PYTHON " -c 'import h5py'", "no h5py");
    for (int k = 0; k < 4; k++) {
        run_command("rm -f %s/*.npy %s", scratch, in_scratch("g.h5"));
        assert_int_equal(run_command("ismrmrd_generate_cartesian_shepp_logan %s -o %s >/dev/null",
                                     options[k], in_scratch("g.h5")),
                         0);
        assert_good(sc_scan_read(&scan, in_scratch("g.h5"), NULL));
        keep_for_python(&scan);
        python_agrees(in_scratch("g.h5"));
        sc_scan_free(&scan);
    }
}

static void our_files_are_read_by_python_and_by_libismrmrd(void **state)
{
    (void)state;
    sc_scan a;
    skip_unless(PYTHON " -c 'import h5py'", "no h5py");
    make_scan(&a, 1, 2, 3, 1, 12, 16);
    undersample(&a);
    give_geometry(&a, 0);
    const int64_t noise[2] = {3, 100};
    assert_good(sc_array_create(&a.noise, SC_C32, 2, noise));
    sc_random_normal(a.noise.data, 600, (sc_key){.seed = 2}, SC_DRAW_TEST, 0);
    sc_scan_write_options options = sc_scan_write_options_default();
    options.oversampling = 2;
    assert_good(sc_scan_write_ismrmrd(in_scratch("o.h5"), &a, &options));
    keep_for_python(&a);
    python_agrees(in_scratch("o.h5"));
    sc_scan_free(&a);
    skip_unless("command -v ismrmrd_recon_cartesian_2d", "no ismrmrd-tools");
    assert_int_equal(run_command("ismrmrd_recon_cartesian_2d %s 2>&1 >/dev/null | grep -i error",
                                 in_scratch("o.h5")),
                     256);
    assert_int_equal(run_command(PYTHON " -c \"import h5py; d=h5py.File('%s')['dataset']; "
                                        "assert any(d[k]['data'].size for k in d if k not in "
                                        "('data','xml'))\"",
                                 in_scratch("o.h5")),
                     0);
}

/* ---- cfl and npy ---- */

static void bart_dimensions_become_our_axes(void **state)
{
    (void)state;
    static const struct {
        int64_t dim[SC_BART_DIMS];
        int64_t want[6]; /* frame, slice, coil, kz, ky, kx */
        char readout;
    } cases[] = {
        {{1, 5, 4, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, {1, 1, 3, 1, 5, 4}, 0},
        {{6, 5, 1, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, {1, 1, 3, 1, 5, 6}, 'x'},
        {{6, 1, 4, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, {1, 1, 3, 1, 4, 6}, 'x'},
        {{6, 5, 4, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, {1, 1, 3, 4, 5, 6}, 'x'},
        {{6, 5, 1, 3, 1, 2, 1, 1, 1, 1, 3, 2, 1, 4, 1, 1}, {12, 4, 3, 1, 5, 6}, 'x'},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        const int64_t *d = cases[k].dim;
        sc_array a;
        int64_t n = 1, step[SC_BART_DIMS];
        for (int i = 0; i < SC_BART_DIMS; n *= d[i++])
            step[i] = n;
        assert_good(sc_array_create(&a, SC_C32, 1, &n));
        for (int64_t i = 0; i < n; i++)
            ((sc_c32 *)a.data)[i] = (float)(i + 1);
        assert_good(sc_cfl_write(in_scratch("c"), &a, d));
        assert_good(sc_scan_read(&scan, in_scratch("c"), NULL));
        for (int i = 0; i < 6; i++)
            assert_int_equal(scan.kspace.dim[i], cases[k].want[i]);
        assert_int_equal(scan.readout, cases[k].readout);
        assert_true(scan.image_nx == scan.nx && scan.image_ny == scan.ny);
        /* the element at the end of all axes but kx, which is at 1 */
        const sc_frame *f = &scan.frame[scan.frames - 1];
        int y = d[1] > 1 ? 1 : 2, x = d[0] > 1 ? 0 : 2;
        int64_t at = step[x] + (d[y] - 1) * step[y] + 2 * step[3] + f->contrast * step[5] +
                     f->repetition * step[10] + f->phase * step[11] + (d[13] - 1) * step[13] +
                     (scan.nz > 1 ? 3 * step[2] : 0);
        assert_true(kspace_at(&scan, scan.frames - 1, scan.slices - 1, 2, scan.nz - 1, scan.ny - 1,
                              1) == (float)(at + 1));
        sc_scan_free(&scan);
        sc_array_free(&a);
    }
}

static void cfl_averages_are_combined_where_measured(void **state)
{
    (void)state;
    const int64_t dim[SC_BART_DIMS] = {2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 3, 1}, n = 12;
    sc_c32 value[12] = {1, 2, 3, 0, 4, 0, 5, 0, 7, 0, 1, 8};
    sc_array a = sc_array_view(SC_C32, 1, &n, value);
    assert_good(sc_cfl_write(in_scratch("a"), &a, dim));
    assert_good(sc_scan_read(&scan, in_scratch("a"), NULL));
    const sc_c32 *v = scan.kspace.data;
    const float *m = scan.mask.data;
    assert_true(v[0] == 4 && v[1] == 2 && v[2] == 3 && v[3] == 8);
    assert_true(m[0] == 3 && m[1] == 1 && m[2] == 3 && m[3] == 1 && scan.frames == 1);
    sc_scan_free(&scan);
}

static void a_sample_counts_unless_all_coils_are_zero(void **state)
{
    (void)state;
    sc_c32 value[8] = {0, 1e13f, 1e-12f, 0, 0, 0, 1, 3e-39f * I};
    const int64_t dim[3] = {2, 1, 4};
    sc_array a = sc_array_view(SC_C32, 3, dim, value);
    assert_good(sc_npy_write(in_scratch("s.npy"), &a));
    assert_good(sc_scan_read(&scan, in_scratch("s.npy"), NULL));
    const float *m = scan.mask.data;
    assert_true(scan.coils == 2 && m[0] == 0 && m[1] == 1 && m[2] == 1 && m[3] == 1);
    assert_memory_equal(scan.kspace.data, value, sizeof value);
    sc_scan_free(&scan);
}

static void written_cfl_reads_back(void **state)
{
    (void)state;
    static const int64_t sizes[][6] = {{2, 3, 2, 1, 5, 4}, {1, 1, 2, 3, 5, 4}};
    for (int k = 0; k < 4; k++) {
        const int64_t *n = sizes[k % 2];
        sc_scan a;
        make_scan(&a, n[0], n[1], n[2], n[3], n[4], n[5]);
        a.readout = k < 2 ? 'x' : 0;
        assert_good(sc_scan_write_cfl(in_scratch("w"), &a));
        assert_good(sc_scan_read(&scan, in_scratch("w.hdr"), NULL));
        assert_same(&scan.kspace, &a.kspace, 0);
        sc_scan_free(&scan);
        sc_scan_free(&a);
    }
}

static void slices_and_frames_can_be_chosen(void **state)
{
    (void)state;
    sc_scan a;
    make_scan(&a, 3, 4, 2, 1, 3, 5);
    assert_good(sc_scan_write_cfl(in_scratch("w"), &a));
    sc_scan_options options = sc_scan_options_default();
    options.slice = 2;
    options.repetition = 1;
    assert_good(sc_scan_read(&scan, in_scratch("w"), &options));
    assert_true(scan.frames == 1 && scan.slices == 1 && scan.frame[0].repetition == 1);
    assert_true(kspace_at(&scan, 0, 0, 1, 0, 2, 4) == kspace_at(&a, 1, 2, 1, 0, 2, 4));
    sc_scan_free(&scan);
    options.slice = 4;
    assert_refused(sc_scan_read(&scan, in_scratch("w"), &options), SC_ERR_USAGE, "slice: expected 0 to 3, found 4");
    sc_scan_free(&a);
}

/* ---- recognition, checks, description ---- */

static void foreign_files_get_one_line(void **state)
{
    (void)state;
    put_text(in_scratch("x.h5"), "this is not HDF5");
    assert_refused(sc_scan_read(&scan, in_scratch("x.h5"), NULL), SC_ERR_FORMAT,
                   "x.h5: not a scan");
    put_text(in_scratch("x.h5"), "");
    assert_refused(sc_scan_read(&scan, in_scratch("x.h5"), NULL), SC_ERR_FORMAT,
                   "x.h5: not a scan");
    put_text(in_scratch("x.h5"), "\x89HDF\r\n\x1a\n and then nothing");
    assert_refused(sc_scan_read(&scan, in_scratch("x.h5"), NULL), SC_ERR_FORMAT,
                   "x.h5: not a whole HDF5 file");
    assert_refused(sc_scan_read(&scan, in_scratch("y.h5"), NULL), SC_ERR_IO, "y.h5: No such file");
    assert_refused(sc_scan_read(&scan, scratch, NULL), SC_ERR_FORMAT, "not a scan");
    sc_array real = sc_array_view(SC_F32, 2, (const int64_t[]){1, 2}, (float[]){1, 2});
    assert_good(sc_npy_write(in_scratch("r.npy"), &real));
    assert_refused(sc_scan_read(&scan, in_scratch("r.npy"), NULL), SC_ERR_FORMAT,
                   "r.npy: not a scan: float32 samples, expected complex");
    const char *format;
    assert_good(sc_scan_recognise(&format, in_scratch("r.npy")));
    assert_string_equal(format, "npy");
}

static void not_finite_and_all_zero_arrays_get_one_line(void **state)
{
    (void)state;
    sc_c32 value[12] = {1, 2, 3, NAN, 5, INFINITY * I, 1, 2, 3, 4, 5, 6};
    sc_array a = sc_array_view(SC_C32, 4, (const int64_t[]){3, 1, 2, 2}, value);
    assert_good(sc_npy_write(in_scratch("v.npy"), &a));
    assert_refused(sc_scan_read(&scan, in_scratch("v.npy"), NULL), SC_ERR_INPUT,
                   "v.npy: slice 0: k-space holds 1 NaN or Inf");
    memset(value, 0, 8 * sizeof *value);
    value[0] = 1;
    assert_good(sc_npy_write(in_scratch("v.npy"), &a));
    assert_refused(sc_scan_read(&scan, in_scratch("v.npy"), NULL), SC_ERR_INPUT,
                   "v.npy: slice 1: k-space is all zero");
}

static void a_description_tells_who_only_when_asked(void **state)
{
    (void)state;
    sc_scan a;
    char *text;
    make_scan(&a, 1, 2, 3, 1, 16, 8);
    undersample(&a);
    give_geometry(&a, 0.5);
    strcpy(a.header.patient_name, "Name^Test");
    strcpy(a.header.model, "Model \"1\"");
    a.header.tr_ms = 12.5;
    for (int json = 0; json < 2; json++) {
        assert_good(sc_scan_describe(&text, &a, json, false));
        assert_null(strstr(text, "Name^Test"));
        assert_non_null(strstr(text, json ? "\"coils\": 3" : "coils: 3\n"));
        assert_non_null(strstr(text, json ? "\"tr_ms\": 12.5" : "tr_ms: 12.5\n"));
        assert_non_null(strstr(text, json ? "Model \\\"1\\\"" : "model: Model \"1\"\n"));
        assert_non_null(strstr(text, "oblique coronal"));
        assert_non_null(json ? strstr(text, "fully_sampled_centre")
                             : strstr(text, "fully_sampled_centre: 5 x 8\n"));
        sc_free(text);
        assert_good(sc_scan_describe(&text, &a, json, true));
        assert_non_null(strstr(text, "Name^Test"));
        sc_free(text);
    }
    sc_scan_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_scans_read_back),
        cmocka_unit_test(three_dimensional_scans_and_averages_read_back),
        cmocka_unit_test(calibration_lines_read_back),
        cmocka_unit_test(points_cannot_be_written_as_readouts),
        cmocka_unit_test(files_of_ismrmrd_tools_are_read_as_python_reads_them),
        cmocka_unit_test(our_files_are_read_by_python_and_by_libismrmrd),
        cmocka_unit_test(bart_dimensions_become_our_axes),
        cmocka_unit_test(cfl_averages_are_combined_where_measured),
        cmocka_unit_test(a_sample_counts_unless_all_coils_are_zero),
        cmocka_unit_test(written_cfl_reads_back),
        cmocka_unit_test(slices_and_frames_can_be_chosen),
        cmocka_unit_test(foreign_files_get_one_line),
        cmocka_unit_test(not_finite_and_all_zero_arrays_get_one_line),
        cmocka_unit_test(a_description_tells_who_only_when_asked),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
