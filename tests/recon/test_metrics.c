/* Metrics against an independent implementation (numpy) and against the published numbers of a
 * real scan. */
#include "phantom.h"
#include "real_scans.h"
#include "recon/metrics.h"

#define NY 33
#define NX 28

static float x[NY * NX], r[NY * NX];
static unsigned char disc[NY * NX];

static void images(void)
{
    for (int i = 0; i < NY * NX; i++) {
        int b = i / NX, a = i % NX;
        r[i] = (float)((b * 37 + a * 101 + b * a) % 64 / 64.0 + (b > 8 && a < 20) * 1.5);
        x[i] = r[i] * 0.9f + (float)((b * 11 + a * 7) % 16 / 40.0);
        disc[i] = (b - 16) * (b - 16) + (a - 13) * (a - 13) < 120;
    }
}

/* The numbers were computed by numpy in double; images are float. */
static void metrics_are_those_of_numpy(void **state)
{
    (void)state;
    sc_metrics m;
    images();
    OK(sc_metrics_compare(&m, x, r, NY, NX, NULL));
    NEAR(m.psnr, 24.2813936683, 1e-5);
    NEAR(m.nrmse, 0.1002553940, 1e-7);
    NEAR(m.ssim, 0.9386900810, 1e-6);
    NEAR(m.ssim_uniform, 0.9303491824, 1e-6);
    NEAR(m.hfen, 0.1051789706, 1e-6);
    assert_int_equal(m.points, NY * NX);
}

static void region_and_factor_are_those_of_numpy(void **state)
{
    (void)state;
    sc_metrics m;
    sc_metrics_options o = {.region = disc, .fit = true};
    images();
    OK(sc_metrics_compare(&m, x, r, NY, NX, &o));
    NEAR(m.factor, 0.9988249873, 1e-7);
    NEAR(m.psnr, 25.1324792068, 1e-5);
    NEAR(m.nrmse, 0.0773939685, 1e-7);
    NEAR(m.ssim, 0.9566282640, 1e-6);
    NEAR(m.ssim_uniform, 0.9625264928, 1e-6);
    NEAR(m.hfen, 0.1141719101, 1e-6);
}

static void equal_images_are_perfect(void **state)
{
    (void)state;
    sc_metrics m;
    images();
    OK(sc_metrics_compare(&m, r, r, NY, NX, NULL));
    assert_true(isinf(m.psnr) && m.psnr > 0);
    assert_true(m.nrmse == 0 && m.hfen == 0);
    NEAR(m.ssim, 1, 1e-12);
    for (int i = 0; i < NY * NX; i++)
        x[i] = 17 * r[i];
    OK(sc_metrics_compare(&m, x, r, NY, NX, &(sc_metrics_options){.fit = true}));
    NEAR(m.factor, 1.0 / 17, 1e-7);
    assert_true(m.psnr > 120);
}

static void senseless_input_is_refused(void **state)
{
    (void)state;
    sc_metrics m;
    unsigned char none[NY * NX] = {0};
    images();
    assert_int_equal(sc_metrics_compare(&m, x, r, NY, NX, &(sc_metrics_options){.region = none}),
                     SC_ERR_INPUT);
    x[5] = NAN;
    assert_int_equal(sc_metrics_compare(&m, x, r, NY, NX, NULL), SC_ERR_INPUT);
    memset(r, 0, sizeof r);
    memset(x, 0, sizeof x);
    assert_int_equal(sc_metrics_compare(&m, x, r, NY, NX, NULL), SC_ERR_INPUT);
}

/* The root sum of squares of the full scan against its reference: 39.04 dB and 0.9209 on the
 * support, 46.70 dB on the head, as stated beside the data. */
static void a_real_scan_gives_the_stated_numbers(void **state)
{
    (void)state;
    sc_scan scan;
    sc_device *device;
    sc_fft *fft;
    static float rss[230 * 180], reference[230 * 180];
    static unsigned char support[230 * 180], head[230 * 180];
    sc_metrics m;
    skip_without("brain8ch_full.cfl");
    read_scan(&scan, "brain8ch_full", NULL);
    read_npy(reference, "brain8ch_full_reference.npy", 230, 180, sizeof *reference);
    read_npy(support, "brain8ch_full_support.npy", 230, 180, 1);
    read_npy(head, "brain8ch_full_head.npy", 230, 180, 1);
    OK(sc_device_create_cpu(&device, 2));
    OK(device->kernels->fft_create(device, &fft, 2, (int64_t[]){230, 180}, 8));
    sc_c32 *k = scan.kspace.data;
    device->kernels->fft(fft, k, k, true);
    for (int i = 0; i < 230 * 180; i++) {
        double sum = 0;
        for (int c = 0; c < 8; c++)
            sum += pow(cabs((double complex)k[c * 230 * 180 + i]), 2);
        rss[i] = (float)sqrt(sum);
    }
    OK(sc_metrics_compare(&m, rss, reference, 230, 180,
                          &(sc_metrics_options){.region = support, .fit = true}));
    NEAR(m.psnr, 39.04, 0.006);
    NEAR(m.ssim, 0.9209, 0.00006);
    NEAR(m.peak, 148.26, 0.006);
    OK(sc_metrics_compare(&m, rss, reference, 230, 180,
                          &(sc_metrics_options){.region = head, .fit = true}));
    NEAR(m.psnr, 46.70, 0.006);
    device->kernels->fft_free(fft);
    sc_device_free(device);
    sc_scan_free(&scan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_are_those_of_numpy),
        cmocka_unit_test(region_and_factor_are_those_of_numpy),
        cmocka_unit_test(equal_images_are_perfect),
        cmocka_unit_test(senseless_input_is_refused),
        cmocka_unit_test(a_real_scan_gives_the_stated_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
