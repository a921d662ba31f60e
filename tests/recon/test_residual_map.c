/* The residual map: 1 where only noise is left, more where something is missing. */
#include "recon/gaussian_step.h"
#include "recon/residual_map.h"
#include "small_problem.h"

enum { NY = 32, NX = 28, COILS = 4, PIXELS = NY * NX };

/* y = A x + noise of another key */
static void measure(small_problem *s, const sc_c32 *x, uint32_t index)
{
    void *work;
    float *noise;
    small_ok(SC_ALLOC(&noise, 2 * s->m, "noise"));
    small_ok(sc_op_work_create(s->problem.A, &work));
    sc_op_forward(s->problem.A, s->problem.y, x, work);
    sc_random_normal(noise, 2 * s->m, small_key(7), SC_DRAW_TEST, index);
    float *mask = small_mask(NY, NX, s->skip, NY / 5), *y = s->problem.y;
    for (int64_t i = 0; i < 2 * s->m; i++)
        y[i] += mask[i / 2 % PIXELS] * (float)s->problem.sigma * noise[i];
    sc_free(mask);
    sc_free(noise);
    sc_device_release(s->device, work);
}

static sc_array one_image(const small_problem *s, sc_c32 *x)
{
    return sc_array_view(SC_C32, 4, (int64_t[]){1, s->problem.sets, NY, NX}, x);
}

/* Mean over 60 measurements of the map of the truth: 1 everywhere, and its spread as foretold. */
static void noise_is_one(int sets, bool with_maps, int skip)
{
    enum { REPEATS = 60 };
    small_problem s = small_begin(1, sets, COILS, NY, NX, skip, 0.05);
    double mean[PIXELS] = {0}, all = 0, square = 0, deviation = 0, worst = 0;
    sc_array truth = one_image(&s, s.truth), map = {0};
    s.problem.maps = with_maps ? small_maps(sets, COILS, NY, NX) : NULL;
    for (uint32_t k = 0; k < REPEATS; k++) {
        measure(&s, s.truth, k);
        small_ok(sc_residual_map(&map, &deviation, &truth, &s.problem, small_key(2)));
        for (int p = 0; p < PIXELS; p++) {
            double v = (double)((float *)map.data)[p];
            mean[p] += v / REPEATS;
            all += v / REPEATS / PIXELS;
            square += (v - 1) * (v - 1) / REPEATS / PIXELS;
        }
        sc_array_free(&map);
    }
    for (int p = 0; p < PIXELS; p++)
        worst = fmax(worst, fabs(mean[p] - 1));
    print_message(
        "%d sets, every %d, %s: mean %.4f, worst pixel's mean off by %.3f, deviation %.3f, "
        "foretold %.3f\n",
        sets, skip, with_maps ? "maps" : "probes", all, worst, sqrt(square), deviation);
    assert_true(fabs(all - 1) < 0.02);
    /* 60 maps: 4.5 standard errors, in the corners with a quarter of the window; probes know the
     * expectation to (R - 1) / (16 x 16 pixels of such a corner) */
    assert_true(worst < 4.5 * 2 * deviation / sqrt(REPEATS) + (with_maps ? 0 : 0.3));
    assert_true(fabs(sqrt(square) / deviation - 1) < 0.25);
    sc_free(s.problem.maps);
    small_end(&s);
}

static void the_truth_leaves_one(void **state)
{
    (void)state;
    noise_is_one(1, true, 1);
    noise_is_one(1, true, 3);
    noise_is_one(2, true, 2);
    noise_is_one(1, false, 3);
}

/* The small disc is left out: the map is brightest there, and 1 far from it and its alias. */
static void what_is_missing_lights_up(void **state)
{
    (void)state;
    small_problem s = small_begin(1, 1, COILS, NY, NX, 2, 0.02);
    s.problem.maps = small_maps(1, COILS, NY, NX);
    sc_c32 x[PIXELS];
    bool missing[PIXELS];
    for (int p = 0; p < PIXELS; p++) {
        double v = (double)(p / NX) / NY - 0.5, u = (double)(p % NX) / NX - 0.5;
        missing[p] = u * u + pow(v - 0.1, 2) < 0.02;
        x[p] = missing[p] ? 0.7f / cabsf(s.truth[p]) * s.truth[p] : s.truth[p];
    }
    sc_array image = one_image(&s, x), map = {0};
    small_ok(sc_residual_map(&map, NULL, &image, &s.problem, small_key(2)));
    const float *m = map.data;
    int best = 0;
    double inside = 0, corner = 0, count = 0;
    for (int p = 0; p < PIXELS; p++) {
        best = m[p] > m[best] ? p : best;
        inside += missing[p] ? (double)m[p] : 0;
        count += missing[p];
    }
    for (int p = 0; p < 3 * NX; p++)
        corner += (double)m[p] / (3 * NX);
    print_message("inside %.1f, at the border %.2f, brightest %.1f\n", inside / count, corner,
                  (double)m[best]);
    assert_true(missing[best]);
    assert_true(inside / count > 10);
    assert_true(corner < 0.2 * inside / count);
    sc_array_free(&map);
    sc_free(s.problem.maps);
    small_end(&s);
}

/* Truth of the prior N(0, 0.5^2), samples of the exact posterior: their map is that of the truth,
 * 1; their mean follows the noise and stays below. */
static void samples_are_like_the_truth(void **state)
{
    (void)state;
    enum { REPEATS = 8 };
    small_problem s = small_begin(1, 1, COILS, NY, NX, 3, 0.1);
    double sample = 0, mean = 0;
    for (uint32_t k = 0; k < REPEATS; k++) {
        sc_gaussian_step *step;
        sc_c32 x[PIXELS];
        sc_array image = one_image(&s, x), map = {0};
        sc_random_normal((float *)s.truth, 2 * PIXELS, small_key(9), SC_DRAW_TEST, k);
        for (int p = 0; p < PIXELS; p++)
            s.truth[p] *= 0.5f;
        measure(&s, s.truth, k);
        small_ok(sc_gaussian_step_create(&step, &s.problem));
        for (int draw = 0; draw < 2; draw++) {
            memset(x, 0, sizeof x);
            sc_solve solve = {100, 1e-6};
            small_ok(
                draw ? sc_gaussian_step_draw(step, (float *)x, NULL, 0.5, small_key(3), k, solve)
                     : sc_gaussian_step_mean(step, (float *)x, NULL, 0.5, solve));
            small_ok(sc_residual_map(&map, NULL, &image, &s.problem, small_key(2)));
            for (int p = 0; p < PIXELS; p++)
                *(draw ? &sample : &mean) += (double)((float *)map.data)[p] / PIXELS / REPEATS;
            sc_array_free(&map);
        }
        sc_gaussian_step_free(step);
    }
    print_message("sample %.3f, mean %.3f\n", sample, mean);
    assert_true(fabs(sample - 1) < 0.05);
    assert_true(mean < 0.6);
    small_end(&s);
}

static void outside_the_support_nothing_is_said(void **state)
{
    (void)state;
    small_problem s = small_begin(1, 1, COILS, NY, NX, 1, 0.05);
    float support[PIXELS];
    for (int p = 0; p < PIXELS; p++)
        support[p] = p % NX > 3;
    s.problem.support = support;
    sc_array truth = one_image(&s, s.truth), map = {0};
    small_ok(sc_residual_map(&map, NULL, &truth, &s.problem, small_key(2)));
    for (int p = 0; p < PIXELS; p++)
        assert_true(!isnan(((float *)map.data)[p]) == (support[p] > 0));
    sc_array_free(&map);
    small_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_truth_leaves_one),
        cmocka_unit_test(what_is_missing_lights_up),
        cmocka_unit_test(samples_are_like_the_truth),
        cmocka_unit_test(outside_the_support_nothing_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
