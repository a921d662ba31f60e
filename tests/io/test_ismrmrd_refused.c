/* What damaged, foreign and contradicting ISMRMRD files get: one clear line and no scan. */
#define _GNU_SOURCE /* memmem */
#include "tests/io/ismrmrd_file.h"

static sc_scan scan;

static void a_bad_header_gets_one_line(void **state)
{
    (void)state;
#define HEAD "<ismrmrdHeader xmlns=\"http://www.ismrm.org/ISMRMRD\">"
#define SIZE(x, y, z) "<matrixSize><x>" x "</x><y>" y "</y><z>" z "</z></matrixSize>"
#define GRID(size)                                                                                 \
    "<encoding><encodedSpace>" size "</encodedSpace><reconSpace>" size                             \
    "</reconSpace><trajectory>cartesian</trajectory></encoding></ismrmrdHeader>"
    static const struct {
        const char *xml, *message;
    } bad[] = {
        {"", "not well-formed"},
        {"<ismrmrdHeader>", "not well-formed"},
        {"<other/>", "not <ismrmrdHeader>"},
        {HEAD "</ismrmrdHeader>", "no <encoding>"},
        {"<!DOCTYPE x [<!ENTITY a \"b\">]>" HEAD "</ismrmrdHeader>", "document type"},
        {HEAD GRID(SIZE("0", "1", "1")), "<x> is 0"},
        {HEAD GRID(SIZE("2", "70000", "1")), "<y> is 70000"},
        {HEAD GRID(SIZE("2", "1.5", "1")), "<y> is 1.5"},
        {HEAD GRID(SIZE("2", "1", "many")), "'many'"},
        {HEAD GRID("<matrixSize><x>2</x><y>1</y></matrixSize>"), "no matrixSize <z>"},
        {HEAD "<encoding></encoding></ismrmrdHeader>", "<encodedSpace> has no matrixSize"},
        {HEAD "<acquisitionSystemInformation><relativeReceiverNoiseBandwidth>-1"
              "</relativeReceiverNoiseBandwidth></acquisitionSystemInformation>" GRID(
                  SIZE("2", "1", "1")),
         "relativeReceiverNoiseBandwidth"},
    };
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        begin_with(bad[k].xml, 1);
        add(line_of(2), 1);
        made_refused(SC_ERR_FORMAT, bad[k].message);
    }
}

static void refused_line(sc_readout r, sc_status code, const char *message)
{
    matrix(4, 4, 1);
    begin(2);
    add(line_of(4), 1);
    add(r, 2);
    made_refused(code, message);
}

static void contradicting_readouts_get_one_line(void **state)
{
    (void)state;
    sc_readout r = line_of(4);
    r.step1 = 9;
    refused_line(r, SC_ERR_FORMAT, "readout 1: lands on");
    r = line_of(4);
    r.step2 = 1;
    refused_line(r, SC_ERR_FORMAT, "partition 1");
    r = line_of(5);
    refused_line(r, SC_ERR_FORMAT, "5 samples for an encoded matrix of 4");
    r = line_of(4);
    r.channels = 2;
    refused_line(r, SC_ERR_FORMAT, "2 channels, expected 1");
    r = line_of(4);
    r.discard_pre = r.discard_post = 2;
    refused_line(r, SC_ERR_FORMAT, "to be discarded");
    r = line_of(4);
    r.encoding = 1;
    refused_line(r, SC_ERR_FORMAT, "encoding 1, the header describes 1");
    for (int flag = 53; flag <= 56; flag++) {
        r = line_of(4);
        r.flags = SC_FLAG(flag);
        refused_line(r, SC_ERR_UNSUPPORTED, "compressed");
    }
}

static void non_cartesian_and_imageless_scans_get_one_line(void **state)
{
    (void)state;
    static const char *const kinds[] = {"radial", "spiral", "goldenangle", "other"};
    for (int k = 0; k < 4; k++) {
        matrix(4, 4, 1);
        strcpy(made_xml.encoding[0].trajectory, kinds[k]);
        begin(1);
        add(line_of(4), 1);
        made_refused(SC_ERR_UNSUPPORTED, kinds[k]);
    }
    matrix(4, 4, 1);
    begin(1);
    sc_readout r = line_of(4);
    r.flags = SC_FLAG(SC_FLAG_NOISE);
    add(r, 1);
    made_refused(SC_ERR_INPUT, "none of 1 readouts is an imaging readout");
    matrix(65535, 65535, 65535);
    begin(1);
    add(line_of(4), 1);
    made_refused(SC_ERR_FORMAT, "4 samples for 1 frames");
    matrix(4, 4, 2);
    begin(2);
    r = line_of(4);
    add(r, 1);
    r.slice = 1;
    add(r, 1);
    made_refused(SC_ERR_UNSUPPORTED, "2 slabs");
}

static void values_that_are_no_numbers_or_nothing_get_one_line(void **state)
{
    (void)state;
    static const sc_c32 zero[4];
    sc_c32 bad[4] = {1, NAN, INFINITY, 2};
    for (int k = 0; k < 3; k++) {
        matrix(8, 1, 1);
        wanted(k == 1 ? 4 : 8, 1, 1); /* counted before oversampling smears them */
        begin(2);
        sc_readout r = line_of(4);
        r.center = 3;
        add(r, 1);
        r.slice = 1;
        add_samples(r, k == 2 ? zero : bad);
        made_refused(SC_ERR_INPUT, k == 2 ? "slice 1: k-space is all zero"
                                          : "slice 1: k-space holds 2 NaN or Inf");
    }
    matrix(4, 1, 1);
    begin(2);
    sc_readout r = line_of(4);
    add(r, 1);
    r.flags = SC_FLAG(SC_FLAG_NOISE);
    add_samples(r, bad);
    made_refused(SC_ERR_INPUT, "noise samples hold NaN");
}

static void a_header_that_lies_about_its_samples_gets_one_line(void **state)
{
    (void)state;
    matrix(64, 1, 1);
    begin(1);
    sc_readout r = line_of(16);
    r.dwell_us = 1234.5f; /* to find the header in the file; number_of_samples is 144 before it */
    add(r, 1);
    FILE *file = fopen(finish(), "r+b");
    static char bytes[1 << 20];
    size_t n = fread(bytes, 1, sizeof bytes, file);
    const float mark = 1234.5f;
    char *found = memmem(bytes, n, &mark, sizeof mark);
    assert_non_null(found);
    assert_int_equal(found[34 - 178], 16);
    for (int samples = 15; samples <= 255; samples += 240) {
        fseek(file, found + 34 - 178 - bytes, SEEK_SET);
        fputc(samples, file);
        fflush(file);
        assert_refused(sc_scan_read(&scan, in_scratch("made.h5"), NULL), SC_ERR_FORMAT,
                       samples == 15 ? "asks for 30 numbers, it has 32" : "for an encoded matrix");
    }
    fclose(file);
}

static void a_cut_file_gets_one_line_wherever_it_is_cut(void **state)
{
    (void)state;
    matrix(16, 16, 1);
    begin(16);
    for (uint16_t y = 0; y < 16; y++) {
        sc_readout r = line_of(16);
        r.step1 = y;
        add(r, y + 1.0f);
    }
    FILE *file = fopen(finish(), "rb");
    static char bytes[1 << 20];
    size_t n = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    for (size_t length = 1; length < n; length += n / 60) {
        put_file(in_scratch("cut.h5"), bytes, length);
        sc_status status = sc_scan_read(&scan, in_scratch("cut.h5"), NULL);
        assert_int_equal(status, SC_ERR_FORMAT);
        assert_non_null(strstr(sc_message(), "cut.h5: "));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bad_header_gets_one_line),
        cmocka_unit_test(contradicting_readouts_get_one_line),
        cmocka_unit_test(non_cartesian_and_imageless_scans_get_one_line),
        cmocka_unit_test(values_that_are_no_numbers_or_nothing_get_one_line),
        cmocka_unit_test(a_header_that_lies_about_its_samples_gets_one_line),
        cmocka_unit_test(a_cut_file_gets_one_line_wherever_it_is_cut),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
