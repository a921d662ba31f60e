/* Noise covariance from prescans and from the data, where the truth is known. */
#include "phantom.h"
#include "recon/noise.h"
#include "recon/whiten.h"
#include <lapacke.h>

static void prescan_covariance_is_exact_to_its_statistics(void **state)
{
    (void)state;
    const int N = 20000;
    sc_c32 *e, *z;
    sc_noise noise;
    OK(SC_ALLOC(&e, 2 * N, "noise"));
    OK(SC_ALLOC(&z, 2 * N, "noise"));
    sc_random_normal((float *)z, 4 * N, (sc_key){.seed = 11}, SC_DRAW_TEST, 0);
    for (int i = 0; i < N; i++) { /* C = [4, 1i; -1i, 2] */
        e[i] = 2 * z[i];
        e[N + i] = -0.5f * I * z[i] + sqrtf(1.75f) * z[N + i];
    }
    OK(sc_noise_prescan(&noise, e, 2, N));
    assert_int_equal(noise.source, SC_NOISE_PRESCAN);
    NEAR(creal(noise.covariance[0]), 4, 4 * 4 / sqrt(N));
    NEAR(creal(noise.covariance[3]), 2, 4 * 2 / sqrt(N));
    NEAR(creal(noise.covariance[1]), 0, 0.1);
    NEAR(cimag(noise.covariance[1]), 1, 0.1);
    NEAR(sc_noise_sigma(&noise), sqrt(3), 0.02);
    sc_noise_free(&noise);
    assert_int_equal(sc_noise_prescan(&noise, e, 2, 7), SC_ERR_INPUT);
    assert_null(noise.covariance);
    sc_free(e);
    sc_free(z);
}

/* sigma of a coil over the true one; the true one is that of the prescan */
static double compare(const sc_scan *scan, double *worst, sc_noise *noise)
{
    sc_noise truth;
    double mean = 0;
    OK(sc_noise_prescan(&truth, scan->noise.data, (int)scan->coils, scan->noise.dim[1]));
    sc_scan blind = *scan;
    blind.noise = (sc_array){0};
    OK(sc_noise_estimate(noise, &blind));
    assert_true(noise->source != SC_NOISE_PRESCAN);
    *worst = 0;
    for (int c = 0; c < truth.coils; c++) {
        int i = c * (truth.coils + 1);
        double r = sqrt(creal(noise->covariance[i]) / creal(truth.covariance[i]));
        mean += r / truth.coils;
        *worst = fmax(*worst, fabs(r - 1));
    }
    sc_noise_free(&truth);
    return mean;
}

static void noise_is_found_under_every_kind_of_mask(void **state)
{
    (void)state;
    const char *const masks[] = {"full", "lines:4:24", "random:4:24", "poisson:8:24"};
    const double levels[] = {0.003, 0.01, 0.05};
    for (size_t m = 0; m < 4; m++)
        for (size_t l = 0; l < 3; l++) {
            sc_scan scan;
            sc_noise noise;
            double worst;
            sc_simulate_options o = sc_simulate_default();
            o.mask = masks[m];
            o.noise = levels[l];
            o.correlation = 0.2;
            o.noise_samples = 100000;
            o.seed = m * 10 + l;
            phantom_scan(&scan, NULL, 1, 200, 168, &o);
            double mean = compare(&scan, &worst, &noise);
            print_message(
                "%-13s noise %.3f: sigma %.3f of the truth, worst coil off by %.3f, stated "
                "+- %.2f, signal %.2f, calibration %.2f\n",
                masks[m], levels[l], mean, worst, noise.relative_error, noise.signal_share,
                noise.calibration_ratio);
            assert_true(worst < 0.15 || worst < 3 * noise.relative_error);
            sc_noise_free(&noise);
            sc_scan_free(&scan);
        }
}

/* Greatest and least noise variance of a whitened channel: eigenvalues of C^-1 truth. */
static void whitened(double *least, double *greatest, const sc_noise *noise, const sc_noise *truth)
{
    int n = noise->coils;
    double complex *a, *b;
    double *value;
    OK(SC_ALLOC(&a, (int64_t)n * n, "test"));
    OK(SC_ALLOC(&b, (int64_t)n * n, "test"));
    OK(SC_ALLOC(&value, n, "test"));
    memcpy(a, truth->covariance, (size_t)(n * n) * sizeof *a);
    memcpy(b, noise->covariance, (size_t)(n * n) * sizeof *b);
    assert_int_equal(LAPACKE_zhegvd(LAPACK_ROW_MAJOR, 1, 'N', 'L', n, a, n, b, n, value), 0);
    *least = value[0];
    *greatest = value[n - 1];
    sc_free(a);
    sc_free(b);
    sc_free(value);
}

/* A small matrix, little noise: signal far above the noise in all of k-space. What is left of it in
 * the estimate must not have its shape, or whitening turns the coils that see most down. */
static void strong_signal_at_the_edge_leaves_no_shape(void **state)
{
    (void)state;
    const struct {
        const char *mask;
        float gain; /* of coil 0: a matter of the receiver, not of its noise */
    } cases[] = {{"lines:4:24", 1}, {"random:4:24", 1}, {"lines:4:24", 10}, {"random:4:24", 0.2f}};
    for (size_t m = 0; m < sizeof cases / sizeof *cases; m++) {
        sc_scan scan;
        sc_noise noise, truth;
        double worst, least, greatest;
        sc_simulate_options o = sc_simulate_default();
        o.mask = cases[m].mask;
        o.noise = 0.0001;
        o.correlation = 0.2;
        o.noise_samples = 100000;
        phantom_scan(&scan, NULL, 1, 96, 80, &o);
        for (int64_t i = 0; i < 96 * 80; i++)
            ((sc_c32 *)scan.kspace.data)[i] *= cases[m].gain;
        for (int64_t i = 0; i < scan.noise.dim[1]; i++)
            ((sc_c32 *)scan.noise.data)[i] *= cases[m].gain;
        double mean = compare(&scan, &worst, &noise);
        OK(sc_noise_prescan(&truth, scan.noise.data, (int)scan.coils, scan.noise.dim[1]));
        whitened(&least, &greatest, &noise, &truth);
        print_message("%-11s gain %4.1f: sigma %.3f of the truth, signal %.2f, whitened variances "
                      "%.2f to %.2f\n",
                      cases[m].mask, (double)cases[m].gain, mean, noise.signal_share, least,
                      greatest);
        assert_int_equal(noise.source, SC_NOISE_CALIBRATION);
        assert_true(least > 0.5 && greatest < 2.5);
        assert_true(fabs(mean - 1) < 0.15);
        sc_noise_free(&noise);
        sc_noise_free(&truth);
        sc_scan_free(&scan);
    }
}

static void pure_noise_is_measured_without_bias(void **state)
{
    (void)state;
    sc_scan scan;
    sc_noise noise;
    double worst;
    sc_simulate_options o = sc_simulate_default();
    o.mask = "random:3:24";
    phantom_scan(&scan, NULL, 1, 120, 120, &o);
    sc_random_normal(scan.kspace.data, 2 * sc_array_count(&scan.kspace), (sc_key){.seed = 4},
                     SC_DRAW_TEST, 0);
    for (int64_t i = 0; i < sc_array_count(&scan.kspace); i++)
        if (!(((float *)scan.mask.data)[i % (120 * 120)] > 0))
            ((sc_c32 *)scan.kspace.data)[i] = 0;
    sc_random_normal(scan.noise.data, 2 * sc_array_count(&scan.noise), (sc_key){.seed = 5},
                     SC_DRAW_TEST, 0);
    NEAR(compare(&scan, &worst, &noise), 1, 0.03);
    assert_true(worst < 0.12);
    sc_noise_free(&noise);
    sc_scan_free(&scan);
}

static void multiply(sc_array *a, float f)
{
    for (int64_t i = 0; i < sc_array_count(a); i++)
        ((sc_c32 *)a->data)[i] *= f;
}

static void noise_scales_with_the_data(void **state)
{
    (void)state;
    sc_scan scan;
    sc_noise one, other;
    sc_simulate_options o = sc_simulate_default();
    o.noise_samples = 0;
    phantom_scan(&scan, NULL, 1, 100, 90, &o);
    OK(sc_noise_estimate(&one, &scan));
    const float factors[] = {1e-12f, 1e25f}; /* the second on top of the first */
    double total = 1;
    for (int f = 0; f < 2; f++) {
        multiply(&scan.kspace, factors[f]);
        total *= factors[f];
        OK(sc_noise_estimate(&other, &scan));
        for (int i = 0; i < 64; i++)
            assert_true(cabs(other.covariance[i] / total / total - one.covariance[i]) <
                        1e-5 * creal(one.covariance[0]));
        assert_int_equal(other.source, one.source);
        sc_noise_free(&other);
    }
    sc_noise_free(&one);
    sc_scan_free(&scan);
}

static void a_prescan_in_other_units_is_not_believed(void **state)
{
    (void)state;
    sc_scan scan;
    sc_noise noise;
    char text[256];
    sc_simulate_options o = sc_simulate_default();
    phantom_scan(&scan, NULL, 1, 100, 90, &o);
    OK(sc_noise_estimate(&noise, &scan));
    assert_int_equal(noise.source, SC_NOISE_PRESCAN);
    double sigma = sc_noise_sigma(&noise);
    sc_noise_free(&noise);
    multiply(&scan.noise, 50);
    OK(sc_noise_estimate(&noise, &scan));
    assert_int_not_equal(noise.source, SC_NOISE_PRESCAN);
    assert_true(sc_noise_sigma(&noise) < 1.3 * sigma && sc_noise_sigma(&noise) > 0.7 * sigma);
    sc_noise_describe(&noise, text, sizeof text);
    assert_non_null(strstr(text, "prescan says"));
    sc_noise_free(&noise);
    sc_scan_free(&scan);
}

/* One coil cannot tell signal from noise: the number is an upper bound, and its error says so. */
static void a_single_coil_gets_an_honest_error(void **state)
{
    (void)state;
    sc_scan scan;
    sc_noise noise;
    double worst;
    sc_simulate_options o = sc_simulate_default();
    o.coils = 1;
    o.noise = 0.003;
    o.mask = "poisson:3:24";
    phantom_scan(&scan, NULL, 1, 60, 60, &o);
    double mean = compare(&scan, &worst, &noise);
    print_message("one coil: sigma %.2f of the truth, stated +- %.2f\n", mean,
                  noise.relative_error);
    assert_true(worst < 0.1 || worst < 3 * noise.relative_error);
    sc_noise_free(&noise);
    sc_scan_free(&scan);
}

static void no_data_is_one_clear_line(void **state)
{
    (void)state;
    sc_scan scan;
    sc_noise noise;
    sc_simulate_options o = sc_simulate_default();
    o.noise_samples = 0;
    phantom_scan(&scan, NULL, 1, 64, 64, &o);
    memset(scan.kspace.data, 0, sc_array_bytes(&scan.kspace));
    assert_int_equal(sc_noise_estimate(&noise, &scan), SC_ERR_INPUT);
    assert_null(noise.covariance);
    sc_scan_free(&scan);
}

/* A simulation without noise, a dead coil, the same coil twice: each still has a covariance that
 * whitens. */
static void no_coil_is_without_noise(void **state)
{
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        sc_scan scan;
        sc_noise noise;
        sc_whitener whitener;
        sc_simulate_options o = sc_simulate_default();
        o.mask = "lines:4:24";
        o.noise = kind == 0 ? 0 : 0.003;
        phantom_scan(&scan, NULL, 1, 128, 120, &o);
        int64_t n = scan.ny * scan.nx;
        sc_c32 *k = scan.kspace.data;
        if (kind == 1)
            memset(k + n, 0, (size_t)n * sizeof *k);
        if (kind == 2)
            memcpy(k + n, k, (size_t)n * sizeof *k);
        sc_array_free(&scan.noise);
        OK(sc_noise_estimate(&noise, &scan));
        OK(sc_whitener_create(&whitener, &noise));
        assert_true(sc_noise_sigma(&noise) > 0);
        sc_whitener_free(&whitener);
        sc_noise_free(&noise);
        sc_scan_free(&scan);
    }
}

static void given_noise_is_alike_in_all_coils_and_independent(void **state)
{
    (void)state;
    sc_noise noise;
    char text[256];
    OK(sc_noise_given(&noise, 3, 0.25));
    for (int c = 0; c < 3; c++)
        for (int d = 0; d < 3; d++)
            assert_true(noise.covariance[c * 3 + d] == (c == d ? 0.0625 : 0));
    NEAR(sc_noise_sigma(&noise), 0.25, 1e-12);
    sc_noise_describe(&noise, text, sizeof text);
    assert_non_null(strstr(text, "as given: sigma 0.25"));
    sc_noise_free(&noise);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prescan_covariance_is_exact_to_its_statistics),
        cmocka_unit_test(noise_is_found_under_every_kind_of_mask),
        cmocka_unit_test(strong_signal_at_the_edge_leaves_no_shape),
        cmocka_unit_test(pure_noise_is_measured_without_bias),
        cmocka_unit_test(noise_scales_with_the_data),
        cmocka_unit_test(a_prescan_in_other_units_is_not_believed),
        cmocka_unit_test(a_single_coil_gets_an_honest_error),
        cmocka_unit_test(no_coil_is_without_noise),
        cmocka_unit_test(given_noise_is_alike_in_all_coils_and_independent),
        cmocka_unit_test(no_data_is_one_clear_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
