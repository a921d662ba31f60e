/* A scan is doubted where k-space has no peak in its centre, along any axis, and only there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/random.h"
#include "protocols/job_internal.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { COILS = 2, NY = 40, NX = 48 };

/* Noise, and a peak of this width along each axis (0: flat along it) at an offset from n/2. */
static void make_scan(sc_scan *scan, int64_t nz, const double width[3], int64_t offset)
{
    *scan = (sc_scan){.frames = 1, .slices = 1, .coils = COILS, .nz = nz, .ny = NY, .nx = NX};
    assert_int_equal(
        sc_array_create(&scan->kspace, SC_C32, 6, (int64_t[]){1, 1, COILS, nz, NY, NX}), SC_OK);
    assert_int_equal(sc_array_create(&scan->mask, SC_F32, 5, (int64_t[]){1, 1, nz, NY, NX}), SC_OK);
    float *x = scan->kspace.data;
    sc_random_normal(x, 2 * sc_array_count(&scan->kspace), (sc_key){.seed = 1}, SC_DRAW_TEST, 0);
    for (int64_t i = 0; i < sc_array_count(&scan->kspace); i++) {
        const int64_t n[3] = {nz, NY, NX}, at[3] = {i / NX / NY % nz, i / NX % NY, i % NX};
        double signal = 100;
        for (int a = 0; a < 3; a++) {
            double d = (double)((at[a] + offset) % n[a] - n[a] / 2);
            signal *= width[a] > 0 ? 1 / (1 + d * d / width[a]) : 1;
        }
        x[2 * i] += (float)signal;
    }
    for (int64_t i = 0; i < sc_array_count(&scan->mask); i++)
        ((float *)scan->mask.data)[i] = 1;
}

static void expect(int64_t nz, const double width[3], int64_t offset, const char *doubt)
{
    sc_scan scan;
    char text[256];
    make_scan(&scan, nz, width, offset);
    assert_int_equal(sc_job_doubt(text, sizeof text, &scan), SC_OK);
    if (doubt ? !strstr(text, doubt) : text[0] != 0)
        fail_msg("expected '%s', got '%s'", doubt ? doubt : "", text);
    sc_scan_free(&scan);
}

static void a_peak_along_every_axis_is_cartesian(void **state)
{
    (void)state;
    expect(1, (double[]){0, 4, 4}, 0, NULL);
    expect(20, (double[]){4, 4, 4}, 0, NULL);
}

static void an_axis_without_peak_is_doubted(void **state)
{
    (void)state;
    expect(1, (double[]){0, 0, 4}, 0, "across its 40 rows");
    expect(1, (double[]){0, 4, 0}, 0, "across its 48 columns");
    expect(20, (double[]){0, 4, 4}, 0, "across its 20 slices");
    expect(1, (double[]){0, 4, 4}, 24, "off centre");
}

static void axes_too_short_to_tell_are_not_looked_at(void **state)
{
    (void)state;
    expect(8, (double[]){0, 4, 4}, 0, NULL);
}

static void lines_that_were_not_measured_do_not_count(void **state)
{
    (void)state;
    sc_scan scan;
    char text[256];
    make_scan(&scan, 1, (double[]){0, 4, 4}, 0);
    for (int64_t y = 0; y < NY; y++)
        if (y % 4 != 0 && (y < 14 || y > 26))
            for (int64_t x = 0; x < NX; x++)
                ((float *)scan.mask.data)[y * NX + x] = 0;
    assert_int_equal(sc_job_doubt(text, sizeof text, &scan), SC_OK);
    assert_string_equal(text, "");
    for (int64_t i = 0; i < NY * NX; i++) /* the centre alone says nothing about the edge */
        ((float *)scan.mask.data)[i] *= i / NX > 16 && i / NX < 24;
    assert_int_equal(sc_job_doubt(text, sizeof text, &scan), SC_OK);
    assert_string_equal(text, "");
    sc_scan_free(&scan);
}

/* Scans of the shared data: five Cartesian, two radial. */
static void real_scans_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool radial;
    } scans[] = {{"brain8ch_full", false},      {"brain8ch_poisson_a", false},
                 {"brain8ch_poisson_b", false}, {"brain8ch_smallfov", false},
                 {"lego16ch_radial29", true},   {"lego16ch_radial69", true}};
    for (size_t i = 0; i < sizeof scans / sizeof *scans; i++) {
        char path[512], text[256];
        sc_scan scan;
        snprintf(path, sizeof path, "%s/data/scans/%s.cfl", SC_SHARED_DIR, scans[i].name);
        if (access(path, R_OK) != 0) {
            print_message("skipped: %s is not here\n", path);
            skip();
        }
        assert_int_equal(sc_scan_read(&scan, path, NULL), SC_OK);
        assert_int_equal(sc_job_doubt(text, sizeof text, &scan), SC_OK);
        assert_true(scans[i].radial == (strstr(text, "radial") != NULL));
        sc_scan_free(&scan);
    }
}

/* The noise of make_scan has a standard deviation of 1. */
static void a_noise_far_from_the_measured_is_doubted_with_both_numbers(void **state)
{
    (void)state;
    const double given[] = {1, 2, 1e6, 1e-6};
    sc_scan scan;
    char text[256];
    make_scan(&scan, 1, (double[]){0, 4, 4}, 0);
    for (int i = 0; i < 4; i++) {
        char number[32];
        snprintf(number, sizeof number, "%.3g", given[i]);
        sc_job_doubt_noise(text, sizeof text, &scan, given[i]);
        bool far = i >= 2;
        assert_int_equal(text[0] != 0, far);
        if (far) {
            print_message("%s\n", text);
            assert_non_null(strstr(text, number));
            assert_non_null(strstr(text, "sigma"));
        }
    }
    sc_scan_free(&scan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peak_along_every_axis_is_cartesian),
        cmocka_unit_test(an_axis_without_peak_is_doubted),
        cmocka_unit_test(a_noise_far_from_the_measured_is_doubted_with_both_numbers),
        cmocka_unit_test(axes_too_short_to_tell_are_not_looked_at),
        cmocka_unit_test(lines_that_were_not_measured_do_not_count),
        cmocka_unit_test(real_scans_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
