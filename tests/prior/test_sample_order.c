/* Orders of convergence of the samplers: the distance between the law that is drawn of Gaussian
 * data and its limit, both exact (validation/convergence/moments.h), falls with the steps N as
 * N^-order. */
#include "validation/convergence/moments.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static const sc_sde sdes[] = {
    {SC_SDE_VE, 0.01, 50, 0, 0}, {SC_SDE_VP, 0, 0, 0.1, 20}, {SC_SDE_SUBVP, 0, 0, 0.1, 20}};
static const moments data = {0.5, 0.25};

static void set(sc_options *o, const char *name, const char *value)
{
    if (sc_options_set(o, name, value) != SC_OK)
        fail_msg("%s", sc_message());
}

static double distance(int sde, sc_options *options, const char *sampler, const char *grid,
                       int steps)
{
    moments found = {0}, limit = moments_limit(&data, moments_least(&sdes[sde], grid));
    char text[16];
    snprintf(text, sizeof text, "%d", steps);
    set(options, "sampler", sampler);
    set(options, "grid", grid);
    set(options, "steps", text);
    if (moments_of(&found, &data, &sdes[sde], options, moments_published(sampler)) != SC_OK)
        fail_msg("%s: %s", sampler, sc_message());
    return moments_distance(&found, &limit);
}

static double distance_of(int sde, const char *sampler, const char *grid, int steps)
{
    sc_options options = sc_options_default(sc_sample_options);
    return distance(sde, &options, sampler, grid, steps);
}

static double corrected_distance(const char *sampler, int steps)
{
    sc_options options = sc_options_default(sc_sample_options);
    set(&options, "corrector", "annealed");
    set(&options, "snr", "0.32");
    return distance(0, &options, sampler, "published", steps);
}

/* From 128 to 256 steps, where the leading term of the error rules and rounding (1e-6) does not.
 * `bound`: the distance at 256. */
static void check_order(int sde, const char *sampler, const char *grid, int order, double bound)
{
    double coarse = distance_of(sde, sampler, grid, 128),
           fine = distance_of(sde, sampler, grid, 256);
    double slope = log2(coarse / fine);
    print_message("SDE %d, %s on %s: %.2e at 256 steps, order %.2f\n", sde, sampler, grid, fine,
                  slope);
    if (!(fabs(slope - order) < 0.15 * order) || !(fine < bound))
        fail_msg("expected order %d and less than %g", order, bound);
}

static void second_order_solvers_have_order_two(void **state)
{
    (void)state;
    static const char *const grids[] = {"time", "log-sigma", "karras"};
    for (int sde = 0; sde < 3; sde++)
        for (int g = 0; g < 3; g++) {
            check_order(sde, "heun", grids[g], 2, 3e-4);
            check_order(sde, "edm", grids[g], 2, 2e-3);
            check_order(sde, "dpm++2m", grids[g], 2, 2e-3);
            check_order(sde, "dpm++2m-sde", grids[g], 2, 5e-3);
        }
}

/* Equal steps in ln sigma of VE are left out for Euler-Maruyama: for Gaussian data the leading term
 * of its error is the same at both ends and cancels, which shows order 2. */
static void published_predictors_have_order_one(void **state)
{
    (void)state;
    static const char *const grids[] = {"time", "log-sigma", "karras"};
    for (int sde = 0; sde < 3; sde++)
        for (int g = 0; g < 3; g++) {
            check_order(sde, "reverse-diffusion", grids[g], 1, 0.02);
            if (sde != 0)
                check_order(sde, "euler-maruyama", grids[g], 1, 0.02);
            if (sde != 2)
                check_order(sde, "ancestral", grids[g], 1, 0.02);
            check_order(sde, "probability-flow", grids[g], 1, 0.06);
        }
}

/* On the published times VE has order 1; VP and sub-VP run their clock from 1 to 1e-3 with N steps
 * of 1 / N, so that an error of the order of 1e-3 stays. */
static void published_tables_keep_what_their_clock_misses(void **state)
{
    (void)state;
    check_order(0, "reverse-diffusion", "published", 1, 0.02);
    check_order(0, "ancestral", "published", 1, 0.02);
    for (int sde = 1; sde < 3; sde++) {
        assert_true(distance_of(sde, "reverse-diffusion", "published", 100) < 2e-2);
        assert_true(distance_of(sde, "reverse-diffusion", "published", 1000) < 4e-3);
        assert_true(distance_of(sde, "euler-maruyama", "published", 100) < 2e-2);
        assert_true(distance_of(sde, "euler-maruyama", "published", 1000) < 4e-3);
    }
}

/* Correctors alone, VE: they lag behind the levels by a time of 1 / snr^2 steps, so that the error
 * falls with N once N is many times that; under a predictor they cost no order. */
static void annealed_correctors_converge(void **state)
{
    (void)state;
    static const char *const samplers[] = {"none", "reverse-diffusion"};
    static const double bound[] = {0.015, 0.002};
    for (int i = 0; i < 2; i++) {
        double coarse = corrected_distance(samplers[i], 512);
        double fine = corrected_distance(samplers[i], 1024);
        print_message("%s: %.2e at 1024 steps, order %.2f\n", samplers[i], fine,
                      log2(coarse / fine));
        assert_true(fine < bound[i] && fine < 0.65 * coarse);
    }
}

/* Without churn algorithm 2 is algorithm 1, to the bit. */
static void edm_without_churn_is_heun(void **state)
{
    (void)state;
    sc_options options = sc_options_default(sc_sample_options);
    moments a = {0}, b = {0};
    assert_int_equal(sc_options_set(&options, "sampler", "heun"), SC_OK);
    assert_int_equal(sc_options_set(&options, "steps", "20"), SC_OK);
    assert_int_equal(moments_of(&a, &data, &sdes[1], &options, false), SC_OK);
    assert_int_equal(sc_options_set(&options, "sampler", "edm"), SC_OK);
    assert_int_equal(sc_options_set(&options, "churn", "0"), SC_OK);
    assert_int_equal(moments_of(&b, &data, &sdes[1], &options, false), SC_OK);
    assert_true(a.mean == b.mean && a.variance == b.variance);
}

/* What denoising at the end removes: on the published times the noise of the last predictor step,
 * of variance sigma_min^2; elsewhere Tweedie's formula is not applied. */
static void denoising_can_be_left_out(void **state)
{
    (void)state;
    static const char *const grids[] = {"published", "time"};
    const sc_sde sde = sc_sde_ve(0.3, 50);
    for (int g = 0; g < 2; g++) {
        moments with = {0}, without = {0};
        sc_options o = sc_options_default(sc_sample_options);
        set(&o, "sampler", "reverse-diffusion");
        set(&o, "steps", "100");
        set(&o, "grid", grids[g]);
        assert_int_equal(moments_of(&with, &data, &sde, &o, true), SC_OK);
        set(&o, "denoise", "no");
        assert_int_equal(moments_of(&without, &data, &sde, &o, true), SC_OK);
        double sigma = moments_least(&sde, grids[g]),
               shrink = data.variance / (data.variance + sigma * sigma);
        double expected =
            g == 0 ? without.variance - 0.3 * 0.3 : without.variance * shrink * shrink;
        if (!(fabs(with.variance - expected) < 1e-5))
            fail_msg("%s: %g, expected %g", grids[g], with.variance, expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(second_order_solvers_have_order_two),
        cmocka_unit_test(published_predictors_have_order_one),
        cmocka_unit_test(published_tables_keep_what_their_clock_misses),
        cmocka_unit_test(annealed_correctors_converge),
        cmocka_unit_test(denoising_can_be_left_out),
        cmocka_unit_test(edm_without_churn_is_heun),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
