/* The DICOM that is written: legal by dciodvfy and dcentvfy, in the place that dcm2niix finds,
 * the same bytes for the same run, and honest about what is not known. */
#include "tests/io/io_volume.h"

#include "io/dicom.h"
#include "io/nifti.h"

static const sc_dicom_options options = {
    .run = "input 12ab, method annealed, prior 34cd, seed 1",
    .source = "5f1c0de5f1c0de5f1c0de5f1c0de5f1c",
    .derivation = "Annealed proximal, 12 evaluations, acceleration 4, seed 1",
    .prior = "mr 1, SHA-256 34cd",
    .software = "scorecon 0.1.0",
    .acquisition = "2D",
};

static sc_header some_header(void)
{
    sc_header header;
    sc_header_clear(&header);
    strcpy(header.patient_name, "M\xc3\xbcller^J\xc3\xbcrgen");
    strcpy(header.patient_id, "4711");
    strcpy(header.patient_birth_date, "1970-01-31");
    strcpy(header.patient_sex, "M");
    strcpy(header.patient_position, "HFS");
    strcpy(header.study_date, "2024-03-05");
    strcpy(header.study_time, "12:33:11.5");
    strcpy(header.vendor, "A Vendor");
    strcpy(header.model, "A Model");
    strcpy(header.sequence_type, "TurboSpinEcho");
    header.field_tesla = 3;
    header.frequency_hz = 123.2e6;
    header.tr_ms = 4000;
    header.te_ms = 12.5;
    header.flip_deg = 150;
    return header;
}

/* Write to scratch/<name>; returns the status of the first failure. */
static sc_status write_to(const char *name, const sc_volume *volume, const sc_header *header,
                          const sc_dicom_options *chosen)
{
    sc_outdir *outdir = NULL;
    assert_good(sc_outdir_create(&outdir, in_scratch(name)));
    sc_status status = sc_dicom_write_series(outdir, "dicom", volume, header, chosen);
    if (status == SC_OK)
        return sc_outdir_commit(outdir);
    sc_outdir_discard(outdir);
    return status;
}

static void forget(const char *name) { run_command("rm -rf '%s'", in_scratch(name)); }

/* Writes the series, dumps dciodvfy's lines to a file and counts those with Error. */
static void assert_legal(const char *name)
{
    const char *folder = in_scratch(name), *log = in_scratch("vfy.txt");
    run_command("for f in %s/dicom/*; do dciodvfy -new $f; done >%s 2>&1; dcentvfy %s/dicom/* "
                ">>%s 2>&1", folder, log, folder, log);
    if (run_command("grep -q Error %s", log) == 0)
        run_command("cat %s >&2", log);
    assert_int_not_equal(run_command("grep -q Error %s", log), 0);
    assert_int_equal(run_command("grep -q MRImage %s", log), 0);
}

static void need_dicom3tools(void)
{
    skip_unless("command -v dciodvfy", "dciodvfy (package dicom3tools) is missing");
}

static void full_header_is_legal_in_every_plane(void **state)
{
    (void)state;
    need_dicom3tools();
    sc_header header = some_header();
    for (int i = 0; i < PLANES; i++) {
        sc_volume v = make_volume(&planes[i], SC_F32, 4, 10, 12);
        assert_good(write_to("legal", &v, &header, &options));
        assert_legal("legal");
        print_message("%s: dciodvfy says Error of none of %lld files\n", planes[i].name,
                      (long long)v.data.dim[0]);
        forget("legal");
        sc_volume_free(&v);
    }
}

static void empty_header_is_legal_and_stays_empty(void **state)
{
    (void)state;
    need_dicom3tools();
    sc_header header;
    sc_header_clear(&header);
    sc_volume v = make_volume(&planes[0], SC_F32, 1, 10, 12);
    v.geometry.thickness_mm = 0;
    const sc_dicom_options bare = {.run = "r", .source = "s"};
    assert_good(write_to("empty", &v, &header, &bare));
    assert_legal("empty");
    forget("empty");
    sc_volume_free(&v);
}

static void long_and_foreign_texts_are_legal(void **state)
{
    (void)state;
    need_dicom3tools();
    sc_header header = some_header();
    memset(header.protocol, 'p', sizeof header.protocol - 1);
    memset(header.station, 's', sizeof header.station - 1);
    strcpy(header.institution, "Klinik\\S\xc3\xbc""d\nHaus \xff 3");
    strcpy(header.patient_name, "\xe5\xb1\xb1\xe7\x94\xb0^\xe5\xa4\xaa\xe9\x83\x8e=a=b=c=d");
    strcpy(header.study_date, "yesterday");
    strcpy(header.study_time, "25:00");
    strcpy(header.study_uid, "1.2.x");
    strcpy(header.patient_sex, "w");
    char comment[3000];
    memset(comment, 'c', sizeof comment);
    comment[sizeof comment - 1] = 0;
    sc_dicom_options chosen = options;
    chosen.comment = chosen.derivation = chosen.description = comment;
    sc_volume v = make_volume(&planes[0], SC_F32, 2, 10, 12);
    assert_good(write_to("long", &v, &header, &chosen));
    assert_legal("long");
    forget("long");
    sc_volume_free(&v);
}

/* Turn axis `axis` of an affine that has n voxels along it. */
static void turn_axis(double affine[3][4], int axis, int64_t n)
{
    for (int i = 0; i < 3; i++) {
        affine[i][3] += (double)(n - 1) * affine[i][axis];
        affine[i][axis] = -affine[i][axis];
    }
}

/* dcm2niix stores rows bottom-up, and slices by position along the normal: its affine is ours
 * with the row axis turned (INTEGRATION.md section 2), and the slices' where they went down. */
static void assert_place(const sc_volume *written, const sc_volume *found, const char *name, bool down)
{
    double expected[3][4];
    const int64_t *n = written->data.dim;
    memcpy(expected, written->geometry.affine, sizeof expected);
    turn_axis(expected, 1, n[1]);
    if (down)
        turn_axis(expected, 2, n[0]);
    double difference = affine_difference(expected, found->geometry.affine);
    print_message("%s: dcm2niix's affine differs by %.1e mm\n", name, difference);
    assert_true(difference < 1e-3);

    const float *x = written->data.data, *y = found->data.data;
    for (int64_t k = 0; k < n[0]; k++)
        for (int64_t j = 0; j < n[1]; j++)
            for (int64_t i = 0; i < n[2]; i++) {
                int64_t k2 = down ? n[0] - 1 - k : k;
                double stored = (double)y[(k2 * n[1] + n[1] - 1 - j) * n[2] + i];
                /* the largest value is 1008, stored as 32767 */
                assert_true(fabs((double)x[(k * n[1] + j) * n[2] + i] - stored * 1008 / 32767) < 0.02);
            }
}

static void dcm2niix_finds_the_scans_geometry(void **state)
{
    (void)state;
    skip_unless("command -v dcm2niix", "dcm2niix is missing");
    sc_header header = some_header();
    for (int i = 0; i < PLANES; i++) {
        sc_volume v = make_volume(&planes[i], SC_F32, 6, 10, 12), found;
        assert_good(write_to("place", &v, &header, &options));
        assert_int_equal(run_command("dcm2niix -b n -z n -f out -o %s %s/dicom >/dev/null 2>&1",
                                     in_scratch("place"), in_scratch("place")), 0);
        assert_good(sc_nifti_read(&found, in_scratch("place/out.nii")));
        assert_place(&v, &found, planes[i].name, planes[i].step < 0);
        forget("place");
        sc_volume_free(&v);
        sc_volume_free(&found);
    }
}

static void same_run_same_bytes_other_run_other_uids(void **state)
{
    (void)state;
    sc_header header = some_header();
    sc_volume v = make_volume(&planes[4], SC_F32, 3, 10, 12);
    sc_dicom_options other = options;
    other.run = "input 12ab, method annealed, prior 34cd, seed 2";
    assert_good(write_to("a", &v, &header, &options));
    assert_good(write_to("b", &v, &header, &options));
    assert_good(write_to("c", &v, &header, &other));
    assert_int_equal(run_command("diff -r %s %s", in_scratch("a"), in_scratch("b")), 0);
    assert_int_not_equal(run_command("diff -qr %s %s >/dev/null", in_scratch("a"), in_scratch("c")), 0);
    forget("a"), forget("b"), forget("c");
    sc_volume_free(&v);
}

/* Value of an attribute by dcmdump, which is DCMTK's own; "" if it is not there. */
static const char *dumped(const char *file, const char *tag)
{
    static char line[256];
    char command[512];
    snprintf(command, sizeof command, "dcmdump -q +P %s +L '%s' 2>/dev/null | head -1", tag, file);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    if (!fgets(line, sizeof line, pipe))
        line[0] = 0;
    pclose(pipe);
    return line;
}

static const sc_dicom_map standard_deviation = {"STD_DEV", "standard deviation of the magnitude"};

/* A map of small values, one of them unknown, beside the image of the same run. */
static sc_volume write_map(const char *name)
{
    sc_header header = some_header();
    sc_dicom_options chosen = options;
    sc_volume v = make_volume(&planes[4], SC_F32, 3, 10, 12);
    for (int64_t i = 0; i < sc_array_count(&v.data); i++)
        ((float *)v.data.data)[i] *= 1e-7f;
    ((float *)v.data.data)[17] = NAN;
    chosen.run = "input 12ab, method annealed, prior 34cd, seed 1 std";
    chosen.map = &standard_deviation;
    assert_good(write_to(name, &v, &header, &chosen));
    return v;
}

static void maps_are_legal_secondary_captures(void **state)
{
    (void)state;
    need_dicom3tools();
    sc_volume v = write_map("map");
    const char *folder = in_scratch("map"), *log = in_scratch("vfy.txt");
    run_command("for f in %s/dicom/*; do dciodvfy -new $f; done >%s 2>&1; dcentvfy %s/dicom/* "
                ">>%s 2>&1", folder, log, folder, log);
    if (run_command("grep -q Error %s", log) == 0)
        run_command("cat %s >&2", log);
    assert_int_not_equal(run_command("grep -q Error %s", log), 0);
    assert_int_equal(run_command("grep -q SCImage %s", log), 0);
    forget("map");
    sc_volume_free(&v);
}

static void maps_say_that_they_are_no_anatomy(void **state)
{
    (void)state;
    skip_unless("command -v dcmdump", "dcmdump (package dcmtk) is missing");
    sc_volume v = write_map("map"), found;
    sc_header header = some_header();
    char file[256], series[256];
    snprintf(file, sizeof file, "%s", in_scratch("map/dicom/0001.dcm"));
    const char *const expected[][2] = {{"0008,0008", "DERIVED\\SECONDARY\\OTHER\\STD_DEV"},
                                       {"0008,0060", "[OT]"},
                                       {"0008,103e", "MAP, NOT ANATOMY: standard deviation"},
                                       {"0020,4000", "not anatomy"},
                                       {"0008,2111", "not anatomy"}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_non_null(strstr(dumped(file, expected[i][0]), expected[i][1]));
    assert_string_equal(dumped(file, "0018,0081"), ""); /* no echo time: it is no MR image */
    /* beside an image it is a series of its own, in the same study and place, and a reader of images
     * passes it over */
    assert_good(write_to("image", &v, &header, &(sc_dicom_options){.run = "r", .source = "s",
                                                                     .map = &standard_deviation}));
    snprintf(series, sizeof series, "%s", dumped(file, "0020,000e"));
    assert_string_not_equal(series, dumped(in_scratch("image/dicom/0001.dcm"), "0020,000e"));
    assert_refused(sc_dicom_read_series(&found, NULL, in_scratch("map")), SC_ERR_INPUT, "");
    forget("map"), forget("image");
    sc_volume_free(&v);
}

/* dcm2niix applies the rescale: real values come out, in the scan's place. */
static void maps_have_real_values_in_other_programs(void **state)
{
    (void)state;
    skip_unless("command -v dcm2niix", "dcm2niix is missing");
    sc_volume v = write_map("map"), found;
    assert_int_equal(run_command("dcm2niix -b n -z n -f out -o %s %s/dicom >/dev/null 2>&1",
                                 in_scratch("map"), in_scratch("map")), 0);
    assert_good(sc_nifti_read(&found, in_scratch("map/out.nii")));
    const int64_t *n = v.data.dim;
    const float *x = v.data.data, *y = found.data.data;
    double worst = 0, largest = 0;
    bool down = planes[4].step < 0;
    for (int64_t k = 0; k < n[0]; k++)
        for (int64_t j = 0; j < n[1]; j++)
            for (int64_t i = 0; i < n[2]; i++) {
                double wanted = (double)x[(k * n[1] + j) * n[2] + i];
                int64_t k2 = down ? n[0] - 1 - k : k;
                if (isnan(wanted))
                    wanted = 0;
                largest = fmax(largest, wanted);
                worst = fmax(worst,
                             fabs(wanted - (double)y[(k2 * n[1] + n[1] - 1 - j) * n[2] + i]));
            }
    print_message("dcm2niix's values are off by %.1e of the largest\n", worst / largest);
    assert_true(worst < 5e-5 * largest);
    forget("map");
    sc_volume_free(&v);
    sc_volume_free(&found);
}

static void unusable_volumes_get_one_line(void **state)
{
    (void)state;
    sc_header header = some_header();
    sc_volume v = make_volume(&planes[0], SC_F32, 3, 4, 5);
    v.geometry.known = false;
    assert_refused(write_to("bad", &v, &header, &options), SC_ERR_INPUT, "--geometry");
    v.geometry.known = true;
    v.geometry.slices = 2;
    assert_refused(write_to("bad", &v, &header, &options), SC_ERR_INPUT, "describes 2 slices");
    v.geometry.slices = 3;
    v.geometry.affine[2][2] = 0;
    assert_refused(write_to("bad", &v, &header, &options), SC_ERR_INPUT, "in one place");
    v.geometry.affine[2][2] = 4;
    v.geometry.affine[0][1] = 1;
    assert_refused(write_to("bad", &v, &header, &options), SC_ERR_INPUT, "right angles");
    v.geometry.affine[0][1] = 0;
    ((float *)v.data.data)[7] = NAN;
    assert_refused(write_to("bad", &v, &header, &options), SC_ERR_INPUT, "value 7 is not finite");
    assert_false(sc_path_exists(in_scratch("bad")));
    sc_volume_free(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_header_is_legal_in_every_plane),
        cmocka_unit_test(empty_header_is_legal_and_stays_empty),
        cmocka_unit_test(long_and_foreign_texts_are_legal),
        cmocka_unit_test(dcm2niix_finds_the_scans_geometry),
        cmocka_unit_test(same_run_same_bytes_other_run_other_uids),
        cmocka_unit_test(maps_are_legal_secondary_captures),
        cmocka_unit_test(maps_say_that_they_are_no_anatomy),
        cmocka_unit_test(maps_have_real_values_in_other_programs),
        cmocka_unit_test(unusable_volumes_get_one_line),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
