/* Legal texts, numbers and UIDs for DICOM. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/dicom_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void texts_are_mended_or_dropped(void **state)
{
    (void)state;
    static const struct {
        sc_dicom_vr vr;
        const char *text, *legal;
        bool clipped;
    } rows[] = {
        {SC_VR_LO, "  Head T2 ", "Head T2", false},
        {SC_VR_LO, "a\\b\tc", "a/b c", false},
        {SC_VR_SH, "12345678901234567", "1234567890123456", true},
        {SC_VR_SH, "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", false},
        {SC_VR_LO, "\xff\xc3", "??", true},
        {SC_VR_LO, "\xed\xa0\x80", "???", true}, /* a surrogate */
        {SC_VR_PN, "a=b=c=d", "a=b=c", true},
        {SC_VR_ST, "two\nlines\\x", "two\nlines\\x", false},
        {SC_VR_CS, "derived", "DERIVED", false},
        {SC_VR_CS, "a-b", "", true},
        {SC_VR_DA, "2024-03-05", "20240305", false},
        {SC_VR_DA, "2024-13-05", "", true},
        {SC_VR_DA, "", "", false},
        {SC_VR_DA, NULL, "", false},
        {SC_VR_TM, "12:33:11.5", "123311.5", false},
        {SC_VR_TM, "12:33:11.123456789", "123311.123456", false},
        {SC_VR_TM, "12:33", "1233", false},
        {SC_VR_TM, "24:00:00", "", true},
        {SC_VR_TM, "12:33:11.", "", true},
        {SC_VR_TM, "12:33:1a", "", true},
        {SC_VR_UI, "1.2.840.0.5", "1.2.840.0.5", false},
        {SC_VR_UI, "1.02.3", "", true},
        {SC_VR_UI, "1..3", "", true},
        {SC_VR_UI, "1.3.", "", true},
        {SC_VR_UI, ".1.3", "", true},
        {SC_VR_UI, "1.2.3456789012345678901234567890123456789012345678901234567890123", "", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char legal[SC_DICOM_TEXT_SIZE];
        bool clipped;
        bool any = sc_dicom_text(legal, rows[i].text, rows[i].vr, &clipped);
        assert_string_equal(legal, rows[i].legal);
        assert_int_equal(any, legal[0] != 0);
        if (clipped != rows[i].clipped)
            print_error("row %zu: %s\n", i, rows[i].text);
        assert_int_equal(clipped, rows[i].clipped);
    }
}

static void decimal_strings_keep_all_digits_that_fit(void **state)
{
    (void)state;
    static const double values[] = {0, 1, -1.0 / 3, 1e-300, -123.456789012345, 4095,
                                    0.99619469809174555, -1e300 / 3, 1e13 / 3};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char text[17];
        sc_dicom_ds(text, values[i]);
        double back = atof(text);
        assert_true(fabs(back - values[i]) <= 2e-9 * fabs(values[i]));
    }
    char text[17];
    sc_dicom_ds(text, -0.0);
    assert_string_equal(text, "0");
}

static void uids_are_legal_and_depend_on_every_word(void **state)
{
    (void)state;
    char a[SC_DICOM_UID_SIZE], b[SC_DICOM_UID_SIZE], legal[SC_DICOM_TEXT_SIZE];
    sc_dicom_uid(a, "series", "run", 0);
    for (int i = 0; i < 200; i++) {
        sc_dicom_uid(b, "series", "run", i);
        assert_true(sc_dicom_text(legal, b, SC_VR_UI, NULL));
        assert_true(strlen(b) <= 44);
        assert_int_equal(strcmp(a, b) == 0, i == 0);
    }
    sc_dicom_uid(b, "study", "run", 0);
    assert_string_not_equal(a, b);
    sc_dicom_uid(b, "series", "run2", 0);
    assert_string_not_equal(a, b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_mended_or_dropped),
        cmocka_unit_test(decimal_strings_keep_all_digits_that_fit),
        cmocka_unit_test(uids_are_legal_and_depend_on_every_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
