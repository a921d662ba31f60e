/* Scans become problems whose noise is white, whose maps have unit length and whose image has the
 * prior's size, whatever the units, the sampling and the place of the calibration lines. */
#include "least_squares.h"
#include "recon/finish.h"
#include "recon/prepare.h"

static sc_device *device;

typedef struct {
    sc_scan scan;
    sc_volume truth;
    sc_calibration calibration;
    sc_problem problem;
    sc_prepare_facts facts;
} setup;

static void simulate(setup *s, int64_t slices, int64_t ny, int64_t nx, const sc_simulate_options *o)
{
    *s = (setup){0};
    phantom_scan(&s->scan, &s->truth, slices, ny, nx, o);
}

static void prepare(setup *s, int64_t slice)
{
    OK(sc_calibration_create(&s->calibration, &s->scan, NULL));
    OK(sc_prepare(&s->problem, &s->facts, &s->scan, &s->calibration, 0, slice, device));
}

static void finish(setup *s)
{
    sc_problem_free(&s->problem);
    sc_calibration_free(&s->calibration);
    sc_scan_free(&s->scan);
    sc_volume_free(&s->truth);
}

/* The prepared plane, solved, into the volume. */
static void reconstruct(sc_array *volume, sc_gate *gate, const setup *s, int64_t index)
{
    sc_estimate estimate;
    least_squares(&estimate, &s->problem);
    OK(sc_finish_image(volume, &estimate, &s->problem, &s->calibration, index, -1));
    if (gate)
        OK(sc_gate_check(gate, &estimate, &s->problem, NULL));
    sc_estimate_free(&estimate);
}

static double distance(const sc_array *a, const float *b, int64_t from, int64_t n)
{
    double error = 0, size = 0;
    const float *x = a->data;
    for (int64_t i = from; i < from + n; i++) {
        error += pow(x[i] - b[i], 2);
        size += pow(b[i], 2);
    }
    return sqrt(error / size);
}

static void maps_have_unit_length_and_the_image_the_priors_size(void **state)
{
    (void)state;
    const char *const masks[] = {"full", "lines:4:24", "random:4:24", "poisson:6:24"};
    double full = 0;
    for (int m = 0; m < 4; m++) {
        setup s;
        sc_array volume;
        sc_gate gate;
        sc_simulate_options o = sc_simulate_default();
        o.mask = masks[m];
        o.correlation = 0.2;
        simulate(&s, 1, 131, 108, &o);
        prepare(&s, 0);
        int64_t n = 131 * 108;
        for (int64_t i = 0; i < n; i++) {
            double sum = 0;
            for (int c = 0; c < 8; c++)
                sum += pow(cabs((double complex)s.problem.maps[c * n + i]), 2);
            assert_true(fabs(sum - s.problem.support[i]) < 1e-5);
        }
        NEAR(s.problem.sigma * s.problem.scale, 1, 1e-12);
        full = m == 0 ? s.problem.scale : full;
        OK(sc_finish_volume(&volume, SC_F32, &s.scan, &s.calibration));
        reconstruct(&volume, &gate, &s, 0);
        double e = distance(&volume, s.truth.data.data, 0, n);
        print_message(
            "%-13s scale %.3f of the full data's, residual %.3f (%.2f to %.2f), image off "
            "by %.3f\n",
            masks[m], s.problem.scale / full, gate.residual, gate.low, gate.high, e);
        assert_true(fabs(s.problem.scale / full - 1) < 0.15);
        assert_int_equal(gate.fit, SC_FIT_GOOD);
        assert_true(e < 0.25);
        sc_array_free(&volume);
        finish(&s);
    }
}

static void multiply(sc_array *a, float f)
{
    for (int64_t i = 0; i < sc_array_count(a); i++)
        ((sc_c32 *)a->data)[i] *= f;
}

static void units_of_the_scan_do_not_matter(void **state)
{
    (void)state;
    const float factors[] = {1e-12f, 1e13f};
    for (int with_prescan = 0; with_prescan < 2; with_prescan++)
        for (int f = 0; f < 2; f++) {
            setup a, b;
            sc_simulate_options o = sc_simulate_default();
            o.noise_samples = with_prescan ? 2000 : 0;
            simulate(&a, 1, 64, 64, &o);
            simulate(&b, 1, 64, 64, &o);
            multiply(&b.scan.kspace, factors[f]);
            multiply(&b.scan.noise, factors[f]);
            prepare(&a, 0);
            prepare(&b, 0);
            double error = 0, size = 0;
            const sc_c32 *x = a.problem.y, *y = b.problem.y;
            for (int64_t i = 0; i < 8 * 64 * 64; i++) {
                error += pow(cabs((double complex)(x[i] - y[i])), 2);
                size += pow(cabs((double complex)x[i]), 2);
            }
            assert_true(sqrt(error / size) < 1e-4);
            NEAR(a.problem.sigma / b.problem.sigma, 1, 1e-4);
            for (int64_t i = 0; i < 64 * 64; i++)
                assert_true(fabs(b.problem.shading[i] / factors[f] / a.problem.shading[i] - 1) <
                                1e-4 ||
                            a.problem.shading[i] == 0);
            finish(&a);
            finish(&b);
        }
}

/* Four averages halve the noise; a scan that says so weighs them. */
static void averages_weigh_as_much_as_they_are_worth(void **state)
{
    (void)state;
    setup one, four;
    sc_simulate_options o = sc_simulate_default();
    o.mask = "lines:3:16";
    simulate(&one, 1, 60, 60, &o);
    simulate(&four, 1, 60, 60, &o);
    for (int64_t i = 0; i < 60 * 60; i++)
        ((float *)four.scan.mask.data)[i] *= 4;
    prepare(&one, 0);
    prepare(&four, 0);
    const sc_c32 *a = one.problem.y, *b = four.problem.y;
    double ratio = four.problem.scale / one.problem.scale;
    NEAR(ratio, 1, 1e-3); /* the image in whitened units is the same */
    for (int64_t i = 0; i < 8 * 60 * 60; i++)
        assert_true(cabsf(b[i] * (float)ratio - 2 * a[i]) < 1e-4f + 1e-3f * cabsf(a[i]));
    finish(&one);
    finish(&four);
}

static void given_maps_are_whitened_and_replace_calibration(void **state)
{
    (void)state;
    setup s;
    sc_array maps, volume;
    sc_prepare_options options = sc_prepare_default();
    sc_simulate_options o = sc_simulate_default();
    o.mask = "full";
    simulate(&s, 1, 64, 60, &o);
    prepare(&s, 0); /* own maps, unwhitened, times a strange factor, are given */
    int64_t n = 64 * 60;
    OK(sc_array_create(&maps, SC_C32, 4, (int64_t[]){1, 8, 64, 60}));
    sc_unwhiten(maps.data, &s.calibration.whitener, s.problem.maps, n);
    multiply(&maps, 37);
    sc_problem own = s.problem;
    sc_calibration_free(&s.calibration);
    options.maps = &maps;
    /* no calibration lines any more */
    for (int64_t i = 0; i < n; i++)
        if (i / 60 % 2) {
            ((float *)s.scan.mask.data)[i] = 0;
            for (int c = 0; c < 8; c++)
                ((sc_c32 *)s.scan.kspace.data)[c * n + i] = 0;
        }
    OK(sc_calibration_create(&s.calibration, &s.scan, &options));
    OK(sc_prepare(&s.problem, &s.facts, &s.scan, &s.calibration, 0, 0, device));
    assert_int_equal(s.facts.block.ny, 0);
    for (int64_t i = 0; i < 8 * n; i++)
        assert_true(cabsf(own.maps[i] - s.problem.maps[i]) < 1e-4f);
    OK(sc_finish_volume(&volume, SC_F32, &s.scan, &s.calibration));
    reconstruct(&volume, NULL, &s, 0);
    assert_true(distance(&volume, s.truth.data.data, 0, n) < 0.2);
    sc_array_free(&volume);
    sc_problem_free(&own);

    maps.dim[2] = 60;
    maps.dim[3] = 64;
    sc_calibration other;
    assert_int_equal(sc_calibration_create(&other, &s.scan, &options), SC_ERR_INPUT);
    assert_non_null(strstr(sc_message(), "found"));
    sc_array_free(&maps);
    finish(&s);
}

/* Data where the centre of k-space is in separate calibration lines only. */
static void separate_calibration_lines_are_used(void **state)
{
    (void)state;
    setup s, u;
    sc_simulate_options o = sc_simulate_default();
    int64_t n = 64 * 60;
    o.mask = "full";
    simulate(&s, 1, 64, 60, &o);
    simulate(&u, 1, 64, 60, &o);
    OK(sc_array_create(&s.scan.calibration, SC_C32, 5, (int64_t[]){1, 8, 1, 64, 60}));
    OK(sc_array_create(&s.scan.calibration_mask, SC_F32, 4, (int64_t[]){1, 1, 64, 60}));
    sc_c32 *k = s.scan.kspace.data, *cal = s.scan.calibration.data;
    for (int64_t i = 0; i < n; i++) {
        int64_t line = i / 60;
        bool imaging = line % 2 == 0, centre = line >= 20 && line < 44;
        ((float *)s.scan.mask.data)[i] = imaging;
        ((float *)s.scan.calibration_mask.data)[i] = centre && !imaging; /* only what is missing */
        for (int c = 0; c < 8; c++) {
            cal[c * n + i] = centre && !imaging ? k[c * n + i] : 0;
            k[c * n + i] = imaging ? k[c * n + i] : 0;
        }
    }
    prepare(&s, 0);
    prepare(&u, 0);
    assert_int_equal(s.facts.block.ny, 24);
    for (int64_t i = 0; i < n; i++) {
        double complex sum = 0;
        for (int c = 0; c < 8; c++)
            sum += conj((double complex)s.problem.maps[c * n + i]) * u.problem.maps[c * n + i];
        assert_true(cabs(sum) > 0.999 || s.problem.support[i] == 0 || u.problem.support[i] == 0);
    }
    finish(&s);
    finish(&u);
}

static void three_dimensions_become_planes(void **state)
{
    (void)state;
    setup s;
    sc_array volume;
    sc_simulate_options o = sc_simulate_default();
    o.three_d = true;
    o.mask = "poisson:3:12";
    o.noise = 0.003;
    o.coils = 5;
    simulate(&s, 26, 40, 18, &o); /* z, y, x */
    OK(sc_calibration_create(&s.calibration, &s.scan, NULL));
    assert_int_equal(s.calibration.planes.kind, SC_PLANES_X);
    assert_int_equal(s.calibration.planes.count, 18);
    OK(sc_finish_volume(&volume, SC_F32, &s.scan, &s.calibration));
    for (int64_t x = 0; x < 18; x++) {
        OK(sc_prepare(&s.problem, &s.facts, &s.scan, &s.calibration, 0, x, device));
        reconstruct(&volume, NULL, &s, x);
        sc_problem_free(&s.problem);
    }
    double e = distance(&volume, s.truth.data.data, 0, 26 * 40 * 18);
    print_message("3D by planes of x: off by %.3f\n", e);
    assert_true(e < 0.25);
    sc_array_free(&volume);
    finish(&s);

    o.mask = "lines:1:0"; /* full in z: planes of z */
    simulate(&s, 16, 40, 34, &o);
    OK(sc_calibration_create(&s.calibration, &s.scan, NULL));
    assert_int_equal(s.calibration.planes.kind, SC_PLANES_Z);
    OK(sc_prepare(&s.problem, &s.facts, &s.scan, &s.calibration, 0, 5, device));
    OK(sc_finish_volume(&volume, SC_F32, &s.scan, &s.calibration));
    reconstruct(&volume, NULL, &s, 5);
    assert_true(distance(&volume, s.truth.data.data, 5 * 40 * 34, 40 * 34) < 0.1);
    sc_array_free(&volume);
    ((float *)s.scan.mask.data)[7] = 0; /* a hole in all three axes */
    sc_planes planes;
    assert_int_equal(sc_planes_of(&planes, &s.scan), SC_ERR_UNSUPPORTED);
    finish(&s);
}

static void many_coils_are_compressed(void **state)
{
    (void)state;
    setup s;
    sc_array volume;
    sc_simulate_options o = sc_simulate_default();
    o.coils = 20;
    o.mask = "lines:3:20";
    simulate(&s, 1, 72, 64, &o);
    prepare(&s, 0);
    print_message("20 coils compressed to %d\n", s.problem.coils);
    assert_in_range(s.problem.coils, 2, 16);
    OK(sc_finish_volume(&volume, SC_F32, &s.scan, &s.calibration));
    reconstruct(&volume, NULL, &s, 0);
    assert_true(distance(&volume, s.truth.data.data, 0, 72 * 64) < 0.2);
    sc_array_free(&volume);
    finish(&s);
}

static void bad_data_get_one_clear_line(void **state)
{
    (void)state;
    setup s;
    sc_simulate_options o = sc_simulate_default();
    o.mask = "lines:4:4";
    simulate(&s, 2, 48, 48, &o);
    OK(sc_calibration_create(&s.calibration, &s.scan, NULL));
    assert_int_equal(sc_prepare(&s.problem, NULL, &s.scan, &s.calibration, 0, 0, device),
                     SC_ERR_INPUT);
    assert_non_null(strstr(sc_message(), "calibration"));
    assert_null(s.problem.A);
    sc_c32 *slice = (sc_c32 *)s.scan.kspace.data + 8 * 48 * 48;
    slice[24 * 48 + 3] = NAN;
    assert_int_equal(sc_prepare(&s.problem, NULL, &s.scan, &s.calibration, 0, 1, device),
                     SC_ERR_INPUT);
    assert_non_null(strstr(sc_message(), "slice 1"));
    assert_non_null(strstr(sc_message(), "NaN"));
    memset(slice, 0, 8 * 48 * 48 * sizeof *slice);
    assert_int_equal(sc_prepare(&s.problem, NULL, &s.scan, &s.calibration, 0, 1, device),
                     SC_ERR_INPUT);
    assert_non_null(strstr(sc_message(), "zero"));
    finish(&s);
}

static void a_slice_of_noise_alone_is_prepared(void **state)
{
    (void)state;
    setup s;
    sc_simulate_options o = sc_simulate_default();
    o.mask = "lines:2:24";
    simulate(&s, 2, 64, 64, &o);
    sc_c32 *y = s.scan.kspace.data;
    double sigma = 0;
    for (int64_t i = 0; i < s.scan.noise.dim[1]; i++)
        sigma += pow(cabs((double complex)((sc_c32 *)s.scan.noise.data)[i]), 2) / 2 /
                 (double)s.scan.noise.dim[1];
    sc_random_normal((float *)y, 2 * 8 * 64 * 64, (sc_key){.seed = 8}, SC_DRAW_TEST, 0);
    for (int64_t i = 0; i < 8 * 64 * 64; i++)
        y[i] *= ((float *)s.scan.mask.data)[i % (64 * 64)] * (float)sqrt(sigma);
    prepare(&s, 0);
    print_message("noise alone: support %.2f, sets %d, sigma %.2f\n", s.facts.support, s.facts.sets,
                  s.problem.sigma);
    assert_int_equal(s.facts.sets, 1);
    assert_true(s.problem.sigma > 0.1 && s.problem.sigma < 1);
    finish(&s);
}

static int begin(void **state)
{
    (void)state;
    return sc_device_create_cpu(&device, 2);
}

static int end(void **state)
{
    (void)state;
    sc_device_free(device);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_have_unit_length_and_the_image_the_priors_size),
        cmocka_unit_test(units_of_the_scan_do_not_matter),
        cmocka_unit_test(averages_weigh_as_much_as_they_are_worth),
        cmocka_unit_test(given_maps_are_whitened_and_replace_calibration),
        cmocka_unit_test(separate_calibration_lines_are_used),
        cmocka_unit_test(three_dimensions_become_planes),
        cmocka_unit_test(many_coils_are_compressed),
        cmocka_unit_test(bad_data_get_one_clear_line),
        cmocka_unit_test(a_slice_of_noise_alone_is_prepared),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
