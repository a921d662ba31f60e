/* The noise of real scans, without a prescan, against the values measured in their image corners.
 */
#include "real_scans.h"
#include "recon/noise.h"

static void compare(const char *mask, double tolerance)
{
    skip_without("brain8ch_full.cfl");
    float covariance[8 * 8 * 2];
    sc_scan scan;
    sc_noise noise;
    char text[256];
    read_bytes(covariance, sizeof covariance, "brain8ch_full_noisecov.npy",
               npy_data("brain8ch_full_noisecov.npy"));
    read_scan(&scan, "brain8ch_full", mask);
    assert_int_equal(sc_noise_estimate(&noise, &scan), SC_OK);
    sc_noise_describe(&noise, text, sizeof text);
    print_message("%s: %s; calibration ratio %.2f\n   sigma over that of the image corners:",
                  mask ? mask : "full", text, noise.calibration_ratio);
    double worst = 0;
    for (int c = 0; c < 8; c++) {
        double r = sqrt(creal(noise.covariance[c * 9]) / covariance[c * 18]);
        print_message(" %.3f", r);
        worst = fmax(worst, fabs(r - 1));
    }
    print_message("\n");
    assert_true(worst < tolerance);
    sc_noise_free(&noise);
    sc_scan_free(&scan);
}

static void noise_of_the_full_scan(void **state)
{
    (void)state;
    compare(NULL, 0.1);
}
static void noise_under_lines_r3(void **state)
{
    (void)state;
    compare("mask_lines_r3.npy", 0.12);
}
static void noise_under_random_r4(void **state)
{
    (void)state;
    compare("mask_random_r4.npy", 0.12);
}
static void noise_under_lines_r6(void **state)
{
    (void)state;
    compare("mask_lines_r6.npy", 0.12);
}
static void noise_under_poisson_r8(void **state)
{
    (void)state;
    compare("mask_poisson_r8.npy", 0.15);
}

static void other_scan(const char *name)
{
    sc_scan scan;
    sc_noise noise;
    char text[256], file[64];
    snprintf(file, sizeof file, "%s.cfl", name);
    skip_without(file);
    read_scan(&scan, name, NULL);
    assert_int_equal(sc_noise_estimate(&noise, &scan), SC_OK);
    sc_noise_describe(&noise, text, sizeof text);
    print_message("%s: %s; calibration ratio %.2f\n", name, text, noise.calibration_ratio);
    assert_true(sc_noise_sigma(&noise) > 0 && noise.relative_error < 0.5);
    sc_noise_free(&noise);
    sc_scan_free(&scan);
}

static void noise_of_other_scans(void **state)
{
    (void)state;
    other_scan("brain8ch_poisson_a");
    other_scan("brain8ch_poisson_b");
    other_scan("brain8ch_smallfov");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(noise_of_the_full_scan), cmocka_unit_test(noise_under_lines_r3),
        cmocka_unit_test(noise_under_random_r4),  cmocka_unit_test(noise_under_lines_r6),
        cmocka_unit_test(noise_under_poisson_r8), cmocka_unit_test(noise_of_other_scans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
