/* Where readouts go: every flag, counter and rule of placement, by hand-made files. */
#include "tests/io/ismrmrd_file.h"

static sc_scan scan;

static void a_line_lands_on_its_row(void **state)
{
    (void)state;
    matrix(6, 5, 1);
    begin(2);
    for (uint16_t y = 1; y < 4; y += 2) {
        sc_readout r = line_of(6);
        r.channels = 3;
        r.step1 = y;
        add(r, y);
    }
    read_made(&scan, NULL);
    assert_true(scan.frames == 1 && scan.slices == 1 && scan.coils == 3 && scan.nz == 1 &&
                scan.ny == 5 && scan.nx == 6 && scan.readout == 'x');
    for (int y = 0; y < 5; y++)
        for (int x = 0; x < 6; x++) {
            bool there = y == 1 || y == 3;
            assert_true(mask_at(&scan, 0, 0, 0, y, x) == (float)there);
            for (int c = 0; c < 3; c++)
                assert_true(kspace_at(&scan, 0, 0, c, 0, y, x) ==
                            (there ? sample_value((float)y, c, x) : 0));
        }
    assert_false(scan.geometry.known);
    assert_true(isnan(scan.header.tr_ms) && !scan.header.patient_name[0]);
    assert_null(scan.noise.data);
    assert_null(scan.calibration.data);
    sc_scan_free(&scan);
}

static void partial_fourier_lands_as_the_format_text_says(void **state)
{
    (void)state;
    matrix(2, 140, 1);
    made_xml.encoding[0].step[1] = (sc_ismrmrd_limit){true, 0, 83, 28};
    begin(84);
    for (uint16_t y = 0; y < 84; y++) {
        sc_readout r = line_of(2);
        r.step1 = y;
        add(r, y + 1.0f);
    }
    read_made(&scan, NULL);
    for (int y = 0; y < 140; y++)
        assert_true(mask_at(&scan, 0, 0, 0, y, 0) == (y >= 42 && y <= 125 ? 1.0f : 0.0f));
    assert_true(kspace_at(&scan, 0, 0, 0, 0, 70, 0) == 29);
    sc_scan_free(&scan);
}

static void asymmetric_echoes_leave_a_gap_on_either_side(void **state)
{
    (void)state;
    matrix(8, 2, 1);
    begin(2);
    sc_readout r = line_of(6);
    r.center = 2; /* the centre early: two samples in front are missing */
    add(r, 1);
    r.center = 4;
    r.step1 = 1;
    add(r, 1);
    read_made(&scan, NULL);
    for (int x = 0; x < 8; x++) {
        assert_true(mask_at(&scan, 0, 0, 0, 0, x) == (x >= 2));
        assert_true(mask_at(&scan, 0, 0, 0, 1, x) == (x < 6));
    }
    assert_true(kspace_at(&scan, 0, 0, 0, 0, 0, 4) == sample_value(1, 0, 2));
    assert_true(kspace_at(&scan, 0, 0, 0, 0, 1, 4) == sample_value(1, 0, 4));
    sc_scan_free(&scan);
}

static void discarded_samples_do_not_count(void **state)
{
    (void)state;
    matrix(6, 1, 1);
    begin(1);
    sc_readout r = line_of(9);
    r.discard_pre = 2;
    r.discard_post = 1;
    r.center = 5;
    add(r, 1);
    read_made(&scan, NULL);
    for (int x = 0; x < 6; x++)
        assert_true(kspace_at(&scan, 0, 0, 0, 0, 0, x) == sample_value(1, 0, x + 2));
    sc_scan_free(&scan);
}

static void a_reversed_readout_is_turned_around_its_centre(void **state)
{
    (void)state;
    matrix(8, 3, 1);
    begin(3);
    sc_c32 forward[7], backward[7];
    for (int s = 0; s < 7; s++)
        forward[s] = backward[6 - s] = (float)(s + 1) - (float)s * I;
    sc_readout r = line_of(7);
    r.center = 3;
    r.discard_pre = 1;
    add_samples(r, forward);
    r.step1 = 1;
    r.flags = SC_FLAG(SC_FLAG_REVERSE);
    r.discard_pre = 0;
    r.discard_post = 1;
    r.center = 3;
    add_samples(r, backward);
    r.step1 = 2; /* centre off the middle of the stored samples */
    r.discard_post = 0;
    r.center = 2;
    add_samples(r, backward);
    read_made(&scan, NULL);
    for (int x = 0; x < 8; x++) {
        assert_true(kspace_at(&scan, 0, 0, 0, 0, 0, x) == kspace_at(&scan, 0, 0, 0, 0, 1, x));
        assert_true(mask_at(&scan, 0, 0, 0, 0, x) == mask_at(&scan, 0, 0, 0, 1, x));
    }
    assert_true(kspace_at(&scan, 0, 0, 0, 0, 2, 4) == backward[2]);
    assert_true(kspace_at(&scan, 0, 0, 0, 0, 2, 3) == backward[3]);
    sc_scan_free(&scan);
}

static void a_centre_beyond_the_samples_means_the_middle(void **state)
{
    (void)state;
    matrix(8, 1, 1);
    wanted(4, 1, 1);
    begin(1);
    sc_readout r = line_of(4); /* oversampling is gone from the samples, not from the header */
    r.center = 4;
    add(r, 1);
    read_made(&scan, NULL);
    assert_int_equal(scan.nx, 4);
    for (int x = 0; x < 4; x++)
        assert_true(kspace_at(&scan, 0, 0, 0, 0, 0, x) == sample_value(1, 0, x));
    sc_scan_free(&scan);
}

static void averages_are_combined_and_counted(void **state)
{
    (void)state;
    matrix(2, 2, 1);
    begin(5);
    sc_readout r = line_of(2);
    static const float value[3] = {1, 5, 6};
    for (r.average = 0; r.average < 3; r.average++)
        add(r, value[r.average]);
    r.average = 0;
    r.step1 = 1;
    add(r, 7);
    r.segment = 1;
    add(r, 9);
    const char *path = finish();
    assert_good(sc_scan_read(&scan, path, NULL));
    assert_true(kspace_at(&scan, 0, 0, 0, 0, 0, 0) == 4 && mask_at(&scan, 0, 0, 0, 0, 0) == 3);
    assert_true(kspace_at(&scan, 0, 0, 0, 0, 1, 0) == 8 && mask_at(&scan, 0, 0, 0, 1, 0) == 2);
    sc_scan_free(&scan);
    sc_scan_options options = sc_scan_options_default();
    options.average = 1;
    assert_good(sc_scan_read(&scan, path, &options));
    assert_true(kspace_at(&scan, 0, 0, 0, 0, 0, 0) == 5 && mask_at(&scan, 0, 0, 0, 0, 0) == 1);
    assert_true(mask_at(&scan, 0, 0, 0, 1, 0) == 0);
    sc_scan_free(&scan);
}

static void of_a_line_repeated_in_one_average_the_last_counts(void **state)
{
    (void)state;
    matrix(2, 1, 1);
    begin(3);
    add(line_of(2), 1);
    add(line_of(2), 2);
    add(line_of(2), 3);
    read_made(&scan, NULL);
    assert_true(kspace_at(&scan, 0, 0, 0, 0, 0, 0) == 3 && mask_at(&scan, 0, 0, 0, 0, 0) == 1);
    sc_scan_free(&scan);
}

static void contrasts_sets_phases_and_repetitions_are_frames(void **state)
{
    (void)state;
    matrix(2, 1, 1);
    begin(6);
    const sc_frame wanted_order[6] = {{0, 0, 0, 0}, {0, 4, 0, 0}, {0, 0, 0, 9},
                                      {0, 0, 3, 0}, {2, 0, 0, 0}, {2, 4, 3, 9}};
    for (int i = 5; i >= 0; i--) { /* written backwards */
        sc_readout r = line_of(2);
        r.contrast = wanted_order[i].contrast;
        r.repetition = wanted_order[i].repetition;
        r.set = wanted_order[i].set;
        r.phase = wanted_order[i].phase;
        add(r, (float)i + 1);
    }
    const char *path = finish();
    assert_good(sc_scan_read(&scan, path, NULL));
    assert_int_equal(scan.frames, 6);
    for (int f = 0; f < 6; f++) {
        assert_memory_equal(&scan.frame[f], &wanted_order[f], sizeof *scan.frame);
        assert_true(kspace_at(&scan, f, 0, 0, 0, 0, 0) == (float)f + 1);
    }
    sc_scan_free(&scan);
    sc_scan_options options = sc_scan_options_default();
    options.contrast = 2;
    options.repetition = 0;
    assert_good(sc_scan_read(&scan, path, &options));
    assert_true(scan.frames == 1 && kspace_at(&scan, 0, 0, 0, 0, 0, 0) == 5);
    sc_scan_free(&scan);
    options.repetition = 1;
    assert_refused(sc_scan_read(&scan, path, &options), SC_ERR_USAGE, "of the chosen slice");
    options = sc_scan_options_default();
    options.slice = 30;
    assert_refused(sc_scan_read(&scan, path, &options), SC_ERR_USAGE,
                   "made.h5: slice: expected 0 to 0, found 30");
    options = sc_scan_options_default();
    options.contrast = 3;
    assert_refused(sc_scan_read(&scan, path, &options), SC_ERR_USAGE,
                   "made.h5: contrast: expected 0 to 2, found 3");
    options = sc_scan_options_default();
    options.repetition = 7;
    assert_refused(sc_scan_read(&scan, path, &options), SC_ERR_USAGE, "repetition: expected 0 to ");
}

static void only_imaging_readouts_make_the_image(void **state)
{
    (void)state;
    static const int aside[] = {23, 24, 26, 27, 28, 29, 30, 31};
    matrix(2, 2, 1);
    begin(9);
    sc_readout r = line_of(2);
    add(r, 1);
    r.step1 = 1;
    for (int i = 0; i < 8; i++) {
        r.flags = SC_FLAG(aside[i]) | SC_FLAG(7);
        add(r, 50);
    }
    read_made(&scan, NULL);
    assert_true(mask_at(&scan, 0, 0, 0, 0, 0) == 1 && mask_at(&scan, 0, 0, 0, 1, 0) == 0);
    sc_scan_free(&scan);
}

static void calibration_lines_are_kept_apart_unless_asked_for(void **state)
{
    (void)state;
    matrix(2, 4, 1);
    begin(6);
    sc_readout r = line_of(2);
    add(r, 1); /* imaging alone */
    r.step1 = 1;
    r.flags = SC_FLAG(SC_FLAG_CALIBRATION);
    add(r, 2);
    r.average = 1;
    add(r, 4);
    r.average = 0;
    r.step1 = 2;
    r.flags = SC_FLAG(SC_FLAG_CALIBRATION_AND_IMAGING);
    add(r, 5);
    r.repetition = 1;
    add(r, 6);
    r.repetition = 3; /* a later frame's calibration is of another time */
    r.step1 = 3;
    r.flags = SC_FLAG(SC_FLAG_CALIBRATION);
    add(r, 7);
    const char *path = finish();
    assert_good(sc_scan_read(&scan, path, NULL));
    assert_int_equal(scan.frames, 2);
    const float *cal = scan.calibration_mask.data;
    const sc_c32 *data = scan.calibration.data;
    assert_true(cal[0] == 0 && cal[2] == 2 && cal[4] == 1 && cal[6] == 0);
    assert_true(data[2] == 3 && data[4] == 5);
    assert_true(mask_at(&scan, 0, 0, 0, 0, 0) == 1 && mask_at(&scan, 0, 0, 0, 1, 0) == 0 &&
                mask_at(&scan, 0, 0, 0, 2, 0) == 1);
    sc_scan_free(&scan);
    sc_scan_options options = sc_scan_options_default();
    options.calibration_as_data = true;
    assert_good(sc_scan_read(&scan, path, &options));
    assert_true(mask_at(&scan, 0, 0, 0, 1, 0) == 2 && kspace_at(&scan, 0, 0, 0, 0, 1, 0) == 3);
    sc_scan_free(&scan);
}

static void calibration_of_another_matrix_finds_the_same_centre(void **state)
{
    (void)state;
    matrix(8, 8, 1);
    made_xml.encodings = 2;
    made_xml.encoding[1] = made_xml.encoding[0]; /* same field of view, fewer samples */
    made_xml.encoding[1].encoded.matrix[0] = made_xml.encoding[1].encoded.matrix[1] = 4;
    made_xml.encoding[1].step[1] = (sc_ismrmrd_limit){true, 0, 3, 2};
    begin(3);
    sc_readout r = line_of(8);
    r.step1 = 4;
    add(r, 1);
    r = line_of(4);
    r.encoding = 1;
    r.flags = SC_FLAG(SC_FLAG_CALIBRATION);
    r.step1 = 2;
    add(r, 2);
    r.step1 = 0;
    add(r, 3);
    read_made(&scan, NULL);
    const sc_c32 *cal = scan.calibration.data;
    const float *mask = scan.calibration_mask.data;
    assert_true(cal[4 * 8 + 4] == sample_value(2, 0, 2) && cal[2 * 8 + 2] == sample_value(3, 0, 0));
    assert_true(mask[4 * 8 + 1] == 0 && mask[4 * 8 + 2] == 1 && mask[4 * 8 + 6] == 0);
    sc_scan_free(&scan);
}

static void partitions_of_a_3d_scan_are_placed_by_step_2(void **state)
{
    (void)state;
    matrix(2, 3, 6);
    wanted(2, 3, 4);
    made_xml.encoding[0].step[2] = (sc_ismrmrd_limit){true, 0, 3, 1};
    begin(4);
    for (uint16_t z = 0; z < 4; z++) {
        sc_readout r = line_of(2);
        r.step2 = z;
        add(r, z + 1.0f);
    }
    read_made(&scan, NULL);
    assert_true(scan.nz == 6 && scan.slices == 1 && scan.image_nz == 4);
    for (int z = 0; z < 6; z++)
        assert_true(kspace_at(&scan, 0, 0, 0, z, 0, 0) == (z >= 2 ? (float)z - 1 : 0));
    sc_scan_free(&scan);
}

static void noise_is_scaled_by_dwell_times_and_bandwidth(void **state)
{
    (void)state;
    static const struct {
        float noise_dwell, dwell;
        double bandwidth, scale;
    } cases[] = {{5, 5, NAN, 1.1229577231219765},
                 {5, 5, 1, 1},
                 {10, 2.5f, 1, 2},
                 {10, 2.5f, 0.25, 4},
                 {0, 5, 0.793, 1},
                 {5, 0, NAN, 1}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        matrix(2, 1, 1);
        made_xml.noise_bandwidth = cases[k].bandwidth;
        begin(3);
        sc_readout r = line_of(3);
        r.channels = 2;
        r.flags = SC_FLAG(SC_FLAG_NOISE);
        r.dwell_us = cases[k].noise_dwell;
        r.discard_pre = 1; /* noise is noise everywhere */
        r.encoding = 77;
        add(r, 1);
        add(r, 2);
        r = line_of(2);
        r.channels = 2;
        r.dwell_us = cases[k].dwell;
        add(r, 3);
        read_made(&scan, NULL);
        assert_true(scan.noise.rank == 2 && scan.noise.dim[0] == 2 && scan.noise.dim[1] == 6);
        const sc_c32 *n = scan.noise.data;
        for (int c = 0; c < 2; c++)
            for (int s = 0; s < 6; s++)
                assert_true(cabs((double complex)n[6 * c + s] / cases[k].scale -
                                 (double complex)sample_value(s < 3 ? 1 : 2, c, s % 3)) < 1e-4);
        sc_scan_free(&scan);
    }
}

/* ---- the header ---- */

static void header_facts_are_found_or_absent(void **state)
{
    (void)state;
    begin_with(
        "<?xml version=\"1.0\"?><m:ismrmrdHeader xmlns:m=\"http://www.ismrm.org/ISMRMRD\">"
        "<m:newElement>1</m:newElement>"
        "<m:subjectInformation><m:patientName>A &amp; B</m:patientName>"
        "<m:patientWeight_kg>70.5</m:patientWeight_kg></m:subjectInformation>"
        "<m:acquisitionSystemInformation><m:systemFieldStrength_T> 2.89 "
        "</m:systemFieldStrength_T></m:acquisitionSystemInformation>"
        "<m:experimentalConditions><m:H1resonanceFrequency_Hz>0</m:H1resonanceFrequency_Hz>"
        "</m:experimentalConditions><m:encoding><m:encodedSpace><m:matrixSize><m:x>2</m:x>"
        "<m:y>1</m:y><m:z>1</m:z></m:matrixSize></m:encodedSpace><m:reconSpace><m:matrixSize>"
        "<m:x>2</m:x><m:y>1</m:y><m:z>1</m:z></m:matrixSize></m:reconSpace>"
        "<m:trajectory>Cartesian</m:trajectory></m:encoding>"
        "<m:sequenceParameters><m:TR>500</m:TR><m:TE>3.5</m:TE><m:TE>7</m:TE>"
        "<m:flipAngle_deg>ten</m:flipAngle_deg></m:sequenceParameters></m:ismrmrdHeader>",
        1);
    add(line_of(2), 1);
    read_made(&scan, NULL);
    const sc_header *h = &scan.header;
    assert_string_equal(h->patient_name, "A & B");
    assert_true(h->weight_kg == 70.5 && h->field_tesla == 2.89 && h->tr_ms == 500 &&
                h->te_ms == 3.5);
    assert_true(isnan(h->flip_deg) && isnan(h->frequency_hz) && isnan(h->ti_ms));
    assert_string_equal(h->institution, "");
    sc_scan_free(&scan);
}

static void the_group_is_found_or_chosen(void **state)
{
    (void)state;
    skip_unless(PYTHON " -c 'import h5py'", "no h5py");
    matrix(4, 1, 1);
    begin(1);
    add(line_of(4), 1);
    const char *path = finish();
    assert_int_equal(run_command(PYTHON " -c \"import h5py; f=h5py.File('%s','r+'); "
                                        "f.move('dataset','first'); f.create_group('other')\"",
                                 path),
                     0);
    assert_good(sc_scan_read(&scan, path, NULL));
    sc_scan_free(&scan);
    assert_int_equal(run_command(PYTHON " -c \"import h5py; f=h5py.File('%s','r+'); "
                                        "f.copy('first','second')\"",
                                 path),
                     0);
    assert_refused(sc_scan_read(&scan, path, NULL), SC_ERR_USAGE, "2 measurements");
    sc_scan_options options = sc_scan_options_default();
    options.group = "second";
    assert_good(sc_scan_read(&scan, path, &options));
    sc_scan_free(&scan);
    options.group = "third";
    assert_refused(sc_scan_read(&scan, path, &options), SC_ERR_FORMAT, "no 'third'");
    options.group = "other";
    assert_refused(sc_scan_read(&scan, path, &options), SC_ERR_FORMAT, "no 'xml'");
    /* a link to another file is not followed */
    assert_int_equal(run_command(PYTHON " -c \"import h5py; f=h5py.File('%s/l.h5','w'); "
                                        "f['dataset']=h5py.ExternalLink('made.h5','/first')\"",
                                 scratch),
                     0);
    assert_refused(sc_scan_read(&scan, in_scratch("l.h5"), NULL), SC_ERR_FORMAT, "no group with");
    options.group = "dataset";
    assert_refused(sc_scan_read(&scan, in_scratch("l.h5"), &options), SC_ERR_FORMAT,
                   "no 'dataset'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_lands_on_its_row),
        cmocka_unit_test(partial_fourier_lands_as_the_format_text_says),
        cmocka_unit_test(asymmetric_echoes_leave_a_gap_on_either_side),
        cmocka_unit_test(discarded_samples_do_not_count),
        cmocka_unit_test(a_reversed_readout_is_turned_around_its_centre),
        cmocka_unit_test(a_centre_beyond_the_samples_means_the_middle),
        cmocka_unit_test(averages_are_combined_and_counted),
        cmocka_unit_test(of_a_line_repeated_in_one_average_the_last_counts),
        cmocka_unit_test(contrasts_sets_phases_and_repetitions_are_frames),
        cmocka_unit_test(only_imaging_readouts_make_the_image),
        cmocka_unit_test(calibration_lines_are_kept_apart_unless_asked_for),
        cmocka_unit_test(calibration_of_another_matrix_finds_the_same_centre),
        cmocka_unit_test(partitions_of_a_3d_scan_are_placed_by_step_2),
        cmocka_unit_test(noise_is_scaled_by_dwell_times_and_bandwidth),
        cmocka_unit_test(header_facts_are_found_or_absent),
        cmocka_unit_test(the_group_is_found_or_chosen),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
