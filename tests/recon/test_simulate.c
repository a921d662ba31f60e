/* The simulated scanner: noise and masks are what was asked for, the object is not the grid's. */
#include "phantom.h"
#include "recon/sampling.h"

static void noise_has_the_stated_size_and_correlation(void **state)
{
    (void)state;
    sc_scan scan;
    sc_volume truth;
    sc_simulate_options o = sc_simulate_default();
    o.correlation = 0.3;
    o.noise = 0.02;
    o.noise_samples = 40000;
    phantom_scan(&scan, &truth, 1, 48, 40, &o);
    const sc_c32 *e = scan.noise.data;
    double own = 0, next = 0;
    for (int64_t i = 0; i < o.noise_samples; i++) {
        double complex a = e[i], b = e[o.noise_samples + i];
        own += creal(a * conj(a)) / 2;
        next += creal(a * conj(b)) / 2;
    }
    float top = 0;
    for (int64_t i = 0; i < 48 * 40; i++)
        top = fmaxf(top, ((float *)truth.data.data)[i]);
    double sigma = sqrt(own / (double)o.noise_samples);
    assert_true(sigma > 0.9 * 0.02 * top && sigma < 1.01 * 0.02 * top);
    NEAR(next / own, 0.3, 0.02);
    sc_scan_free(&scan);
    sc_volume_free(&truth);
}

static void same_seed_same_scan(void **state)
{
    (void)state;
    sc_scan a, b;
    sc_simulate_options o = sc_simulate_default();
    o.mask = "poisson:4:12";
    phantom_scan(&a, NULL, 2, 45, 38, &o);
    phantom_scan(&b, NULL, 2, 45, 38, &o);
    assert_memory_equal(a.kspace.data, b.kspace.data, sc_array_bytes(&a.kspace));
    assert_memory_equal(a.noise.data, b.noise.data, sc_array_bytes(&a.noise));
    sc_scan_free(&b);
    o.seed = 1;
    phantom_scan(&b, NULL, 2, 45, 38, &o);
    assert_memory_not_equal(a.kspace.data, b.kspace.data, sc_array_bytes(&a.kspace));
    sc_scan_free(&a);
    sc_scan_free(&b);
}

static void what_was_not_sampled_is_zero(void **state)
{
    (void)state;
    sc_scan scan;
    sc_simulate_options o = sc_simulate_default();
    o.mask = "random:3:8";
    phantom_scan(&scan, NULL, 1, 48, 40, &o);
    const sc_c32 *y = scan.kspace.data;
    const float *mask = scan.mask.data;
    for (int64_t i = 0; i < 8 * 48 * 40; i++)
        assert_true((y[i] != 0) == (mask[i % (48 * 40)] > 0));
    sc_scan_free(&scan);
}

static int64_t count(const float *mask, int64_t n)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += mask[i] > 0;
    return sum;
}

static void masks_have_their_acceleration_and_centre(void **state)
{
    (void)state;
    static float mask[230 * 180];
    OK(sc_sampling_mask(mask, 230, 180, "lines:4:24", (sc_key){0}));
    assert_int_equal(count(mask, 230 * 180), 13500); /* as mask_lines_r3 of the real scans */
    OK(sc_sampling_mask(mask, 230, 180, "random:4:24", (sc_key){.seed = 3}));
    assert_int_equal(count(mask, 230 * 180), 58 * 180);
    for (int y = 103; y <= 126; y++)
        assert_int_equal(count(mask + y * 180, 180), 180);
    OK(sc_sampling_mask(mask, 230, 180, "poisson:8:24", (sc_key){.seed = 5}));
    assert_int_equal(count(mask, 230 * 180), 5175);
    for (int y = 103; y < 127; y++)
        assert_int_equal(count(mask + y * 180 + 78, 24), 24);
    OK(sc_sampling_mask(mask, 230, 180, "full", (sc_key){0}));
    assert_int_equal(count(mask, 230 * 180), 230 * 180);
}

static void poisson_points_keep_their_distance(void **state)
{
    (void)state;
    static float mask[128 * 128];
    int close = 0;
    OK(sc_sampling_mask(mask, 128, 128, "poisson:10:16", (sc_key){.seed = 7}));
    for (int y = 0; y < 127; y++)
        for (int x = 0; x < 127; x++) {
            bool outer = hypot(y - 64, x - 64) > 40;
            close += outer && mask[y * 128 + x] > 0 &&
                     (mask[y * 128 + x + 1] > 0 || mask[(y + 1) * 128 + x] > 0);
        }
    assert_in_range(close, 0, 10); /* the few points that complete the count */
}

static void a_wrong_mask_is_named(void **state)
{
    (void)state;
    float mask[64 * 64];
    const char *const wrong[] = {"",
                                 "lines",
                                 "lines:4",
                                 "spiral:4:24",
                                 "lines:0:8",
                                 "lines:2.5:8",
                                 "random:4:100",
                                 "poisson:-3:8",
                                 "lines:4:8:9",
                                 "lines:nan:8"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(sc_sampling_mask(mask, 64, 64, wrong[i], (sc_key){0}), SC_ERR_USAGE);
        assert_non_null(strstr(sc_message(), "mask"));
    }
}

/* The image's own grid, sampled again where the reconstruction has its pixels, is near the truth
 * but not equal: k-space was cut out of a finer one. */
static void truth_is_the_object_but_no_inverse_crime(void **state)
{
    (void)state;
    sc_scan scan;
    sc_volume truth, image;
    sc_simulate_options o = sc_simulate_default();
    o.shading = 0;
    o.noise = 0;
    phantom(&image, 1, 100, 84);
    phantom_scan(&scan, &truth, 1, 100, 84, &o);
    double error = 0, size = 0;
    const float *a = truth.data.data, *b = image.data.data;
    for (int64_t i = 0; i < 100 * 84; i++) {
        error += pow(a[i] - b[i], 2);
        size += b[i] * b[i];
    }
    assert_true(sqrt(error / size) < 0.08);
    assert_true(sqrt(error / size) > 1e-3);
    assert_null(scan.noise.data);
    sc_scan_free(&scan);
    sc_volume_free(&truth);
    sc_volume_free(&image);
}

static void geometry_follows_slices_and_matrix(void **state)
{
    (void)state;
    sc_scan scan;
    sc_volume image, truth;
    sc_device *device;
    sc_simulate_options o = sc_simulate_default();
    const double affine[3][4] = {{0.9, 0, 0.1, -50}, {0, 1.1, 0, -60}, {0, 0, 3, 20}};
    OK(sc_device_create_cpu(&device, 1));
    phantom(&image, 6, 50, 42);
    image.geometry.known = true;
    image.geometry.slices = 6;
    memcpy(image.geometry.affine, affine, sizeof affine);
    o.ny = 25;
    o.nx = 63;
    o.first = 1;
    o.step = 2;
    o.slices = 2;
    o.mask = "full";
    OK(sc_simulate(&scan, &truth, &image, &o, device));
    assert_int_equal(scan.slices, 2);
    assert_true(scan.geometry.known);
    /* the centre of slice 1 of the scan is that of slice 3 of the image */
    for (int r = 0; r < 3; r++) {
        const double *a = scan.geometry.affine[r], *b = affine[r];
        double got = a[0] * 31 + a[1] * 12 + a[2] * 1 + a[3]; /* 63/2, 25/2 */
        double want = b[0] * 21 + b[1] * 25 + b[2] * 3 + b[3];
        NEAR(got, want, 1e-9);
        NEAR(a[0], b[0] * 42 / 63, 1e-12);
        NEAR(a[1], b[1] * 2, 1e-12);
        NEAR(a[2], b[2] * 2, 1e-12);
    }
    sc_scan_free(&scan);
    sc_volume_free(&truth);
    sc_volume_free(&image);
    sc_device_free(device);
}

static void bad_options_are_refused(void **state)
{
    (void)state;
    sc_scan scan;
    sc_volume image;
    sc_device *device;
    OK(sc_device_create_cpu(&device, 1));
    phantom(&image, 2, 32, 32);
    for (int i = 0; i < 6; i++) {
        sc_simulate_options o = sc_simulate_default();
        o.coils = i == 0 ? 0 : 4;
        o.noise = i == 1 ? -1 : 0.01;
        o.correlation = i == 2 ? 0.9 : 0;
        o.first = i == 3 ? 2 : 0;
        o.ny = i == 4 ? 4 : 0;
        o.mask = i == 5 ? "lines:4:99" : "full";
        assert_int_equal(sc_simulate(&scan, NULL, &image, &o, device), SC_ERR_USAGE);
        assert_null(scan.kspace.data);
    }
    memset(image.data.data, 0, sc_array_bytes(&image.data));
    sc_simulate_options o = sc_simulate_default();
    assert_int_equal(sc_simulate(&scan, NULL, &image, &o, device), SC_ERR_INPUT);
    sc_volume_free(&image);
    sc_device_free(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(noise_has_the_stated_size_and_correlation),
        cmocka_unit_test(same_seed_same_scan),
        cmocka_unit_test(what_was_not_sampled_is_zero),
        cmocka_unit_test(masks_have_their_acceleration_and_centre),
        cmocka_unit_test(poisson_points_keep_their_distance),
        cmocka_unit_test(a_wrong_mask_is_named),
        cmocka_unit_test(truth_is_the_object_but_no_inverse_crime),
        cmocka_unit_test(geometry_follows_slices_and_matrix),
        cmocka_unit_test(bad_options_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
