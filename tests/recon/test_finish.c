/* Images come out in the scan's units and place, and a result that does not explain its data does
 * not pass. */
#include "least_squares.h"
#include "recon/finish.h"

static sc_device *device;

/* A problem of 5 x 6 pixels with known scale and shading, two sets. */
enum { NY = 5, NX = 6, N = NY * NX };
static float shading[N];
static sc_c32 mean[2 * N];

static void little(sc_problem *p, sc_estimate *e, int sets)
{
    *p = (sc_problem){.ny = NY, .nx = NX, .sets = sets, .scale = 10, .shading = shading};
    *e = (sc_estimate){.mean = sc_array_view(SC_C32, 3, (int64_t[]){sets, NY, NX}, mean)};
    for (int i = 0; i < N; i++) {
        shading[i] = (float)(1 + i % 3);
        mean[i] = (float)i * I;
        mean[N + i] = (float)(2 * i);
    }
}

static void image_is_scale_times_shading_times_x(void **state)
{
    (void)state;
    sc_problem p;
    sc_estimate e;
    sc_c32 out[N];
    sc_array v = sc_array_view(SC_C32, 3, (int64_t[]){1, NY, NX}, out);
    sc_calibration c = {.planes = {.kind = SC_PLANES_SLICES, .count = 1, .ny = NY, .nx = NX}};
    little(&p, &e, 1);
    OK(sc_finish_image(&v, &e, &p, &c, 0, -1));
    for (int i = 0; i < N; i++)
        assert_true(cabsf(out[i] - 10 * shading[i] * mean[i]) < 1e-3f);
    little(&p, &e, 2); /* root sum of squares, phase of the first */
    OK(sc_finish_image(&v, &e, &p, &c, 0, -1));
    for (int i = 0; i < N; i++)
        assert_true(cabsf(out[i] - 10 * shading[i] * sqrtf(5) * (float)i * I) < 2e-3f);
    assert_int_equal(sc_finish_image(&v, &e, &p, &c, 0, 3), SC_ERR_USAGE);
}

static void crop_keeps_the_centre(void **state)
{
    (void)state;
    sc_problem p;
    sc_estimate e;
    float out[2 * 7 * 3] = {0};
    sc_array v = sc_array_view(SC_F32, 3, (int64_t[]){2, 7, 3}, out); /* rows grow, columns go */
    sc_calibration c = {.planes = {.kind = SC_PLANES_SLICES, .count = 2, .ny = NY, .nx = NX}};
    little(&p, &e, 1);
    OK(sc_finish_image(&v, &e, &p, &c, 1, -1));
    for (int y = 0; y < 7; y++)
        for (int x = 0; x < 3; x++) {
            int b = y - 3 + 2, a = x - 1 + 3, i = b * NX + a;
            float expected = b < 0 || b >= NY ? 0 : 10 * shading[i] * (float)i;
            assert_true(out[y * 3 + x] == 0);
            assert_true(fabsf(out[21 + y * 3 + x] - expected) < 1e-3f);
        }
}

static void planes_of_x_fill_columns(void **state)
{
    (void)state;
    sc_problem p;
    sc_estimate e;
    static float out[NY * NX * 4];
    sc_array v = sc_array_view(SC_F32, 3, (int64_t[]){NY, NX, 4}, out); /* z, y, x */
    sc_calibration c = {.planes = {.kind = SC_PLANES_X, .count = 4, .ny = NY, .nx = NX}};
    sc_array map = sc_array_view(SC_F32, 2, (int64_t[]){NY, NX}, shading);
    little(&p, &e, 1);
    OK(sc_finish_image(&v, &e, &p, &c, 2, -1));
    OK(sc_finish_map(&v, &map, &p, &c, 3));
    for (int i = 0; i < N; i++) {
        assert_true(out[4 * i] == 0 && out[4 * i + 1] == 0);
        assert_true(fabsf(out[4 * i + 2] - 10 * shading[i] * (float)i) < 1e-3f);
        assert_true(fabsf(out[4 * i + 3] - 10 * shading[i] * shading[i]) < 1e-3f);
    }
}

typedef struct {
    sc_scan scan;
    sc_calibration calibration;
    sc_problem problem;
    sc_estimate estimate;
    sc_gate gate;
} setup;

static void reconstruct(setup *s)
{
    sc_simulate_options o = sc_simulate_default();
    *s = (setup){0};
    phantom_scan(&s->scan, NULL, 1, 72, 64, &o);
    OK(sc_calibration_create(&s->calibration, &s->scan, NULL));
    OK(sc_prepare(&s->problem, NULL, &s->scan, &s->calibration, 0, 0, device));
    least_squares(&s->estimate, &s->problem);
}

static void drop(setup *s)
{
    sc_estimate_free(&s->estimate);
    sc_problem_free(&s->problem);
    sc_calibration_free(&s->calibration);
    sc_scan_free(&s->scan);
}

static void a_good_image_passes(void **state)
{
    (void)state;
    setup s;
    reconstruct(&s);
    OK(sc_gate_check(&s.gate, &s.estimate, &s.problem, NULL));
    assert_int_equal(s.gate.fit, SC_FIT_GOOD);
    assert_int_equal(s.gate.warnings, 0);
    NEAR(s.gate.residual, 0.9, 0.2);
    assert_true(s.gate.explained > 0.99);
    drop(&s);
}

static void images_that_cannot_be_are_stopped(void **state)
{
    (void)state;
    setup s;
    reconstruct(&s);
    sc_c32 *x = s.estimate.mean.data, kept = x[7];
    int64_t n = 72 * 64;
    x[7] = NAN;
    assert_int_equal(sc_gate_check(&s.gate, &s.estimate, &s.problem, NULL), SC_ERR_NUMERIC);
    assert_non_null(strstr(sc_message(), "not finite"));
    x[7] = kept;
    for (int64_t i = 0; i < n; i++) /* half of it has the wrong sign */
        x[i] *= i < n / 2 ? 1 : -1;
    assert_int_equal(sc_gate_check(&s.gate, &s.estimate, &s.problem, NULL), SC_ERR_NUMERIC);
    assert_int_equal(s.gate.fit, SC_FIT_IMPLAUSIBLE);
    assert_non_null(strstr(sc_message(), "explains"));
    memset(x, 0, (size_t)n * sizeof *x);
    assert_int_equal(sc_gate_check(&s.gate, &s.estimate, &s.problem, NULL), SC_ERR_NUMERIC);
    assert_non_null(strstr(sc_message(), "empty"));
    drop(&s);
}

/* 0.79 of the image leaves 4.4 % of the energy, 0.75 of it 6.3 %: both over ten times the noise. */
static void far_beyond_the_noise_a_twentieth_of_the_energy_is_too_much(void **state)
{
    (void)state;
    setup s;
    reconstruct(&s);
    sc_c32 *x = s.estimate.mean.data;
    for (int64_t i = 0; i < 72 * 64; i++)
        x[i] *= 0.79f;
    OK(sc_gate_check(&s.gate, &s.estimate, &s.problem, NULL));
    assert_true(s.gate.residual > 10);
    assert_int_equal(s.gate.fit, SC_FIT_TOO_FAR);
    for (int64_t i = 0; i < 72 * 64; i++)
        x[i] *= 0.75f / 0.79f;
    assert_int_equal(sc_gate_check(&s.gate, &s.estimate, &s.problem, NULL), SC_ERR_NUMERIC);
    assert_int_equal(s.gate.fit, SC_FIT_IMPLAUSIBLE);
    assert_int_equal(s.gate.warnings, 1);
    assert_string_equal(s.gate.warning[0], sc_message());
    drop(&s);
}

static void a_poor_fit_is_a_warning(void **state)
{
    (void)state;
    setup s;
    reconstruct(&s);
    sc_c32 *x = s.estimate.mean.data;
    for (int64_t i = 0; i < 72 * 64; i++)
        x[i] *= 0.9f;
    OK(sc_gate_check(&s.gate, &s.estimate, &s.problem, NULL));
    assert_int_equal(s.gate.fit, SC_FIT_TOO_FAR);
    assert_int_equal(s.gate.warnings, 1);
    assert_non_null(strstr(s.gate.warning[0], "does not explain"));
    s.problem.sigma *= 10; /* the noise was claimed to be larger than it is */
    for (int64_t i = 0; i < 72 * 64; i++)
        x[i] /= 0.9f;
    OK(sc_gate_check(&s.gate, &s.estimate, &s.problem, NULL));
    assert_int_equal(s.gate.fit, SC_FIT_TOO_CLOSE);
    drop(&s);
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
        cmocka_unit_test(image_is_scale_times_shading_times_x),
        cmocka_unit_test(crop_keeps_the_centre),
        cmocka_unit_test(planes_of_x_fill_columns),
        cmocka_unit_test(a_good_image_passes),
        cmocka_unit_test(images_that_cannot_be_are_stopped),
        cmocka_unit_test(far_beyond_the_noise_a_twentieth_of_the_energy_is_too_much),
        cmocka_unit_test(a_poor_fit_is_a_warning),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
