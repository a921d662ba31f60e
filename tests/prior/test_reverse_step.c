/* Tables of the discretised SDEs against known answers, and steps against what they must do to a
 * Gaussian. The published steps, number by number, are compared by validation/parity. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "prior/reverse_step.h"
#include <math.h>

static const sc_sde ve = {.kind = SC_SDE_VE, .sigma_min = .01, .sigma_max = 50};
static const sc_sde vp = {.kind = SC_SDE_VP, .beta_min = .1, .beta_max = 20};
static const sc_sde subvp = {.kind = SC_SDE_SUBVP, .beta_min = .1, .beta_max = 20};

static void assert_close(double found, double expected, double relative)
{
    if (!(fabs(found - expected) <= relative * fabs(expected)))
        fail_msg("found %.10g, expected %.10g", found, expected);
}

static void tables_have_the_known_answers(void **state)
{
    (void)state;
    const struct {
        int i;
        double sigma, beta, alphabar;
    } answer[] = {{1, .0100856217, 1.1991992e-4, .999780092},
                  {499, .7040989, .01004004, .0785872429},
                  {500, .710127512, .01005996, .0777966584},
                  {999, 50, .02, 4.03582977e-5}};
    for (size_t k = 0; k < sizeof answer / sizeof *answer; k++) {
        assert_close(sc_sde_level_sigma(&ve, 1000, answer[k].i), answer[k].sigma, 2e-8);
        assert_close(sc_sde_level_beta(&vp, 1000, answer[k].i), answer[k].beta, 1e-6);
        assert_close(exp(sc_sde_level_log_alphabar(&vp, 1000, answer[k].i)), answer[k].alphabar,
                     2e-8);
    }
}

/* Where the end is small against 1 / N, and larger than float32 can tell from 0. */
static void the_samplers_levels_are_all_levels_once(void **state)
{
    (void)state;
    const int sizes[] = {30, 500, 1000, 2000};
    for (int s = 0; s < 4; s++)
        for (int k = 0; k < sizes[s]; k++) {
            float t = sc_sde_grid_time(1e-5, sizes[s], k);
            assert_int_equal(sc_sde_time_level(t, sizes[s]), sizes[s] - 1 - k);
            assert_int_equal(sc_sde_time_label(t, sizes[s]), k);
        }
}

static void prior_density_is_that_of_a_gaussian(void **state)
{
    (void)state;
    const float x[2] = {50, 0};
    assert_close(sc_sde_prior_log_density(&ve, x, 2), -log(2 * M_PI * 2500) - .5, 1e-14);
    assert_close(sc_sde_prior_log_density(&subvp, x, 2), -log(2 * M_PI) - 1250, 1e-14);
}

/* Data that are a point: score -x / sigma_i^2. The ancestral chain is exact then: the variance goes
 * from sigma_i^2 to sigma_{i-1}^2. */
static void ancestral_step_is_exact_for_a_point(void **state)
{
    (void)state;
    for (int i = 1; i < 1000; i += 111) {
        const double t[1] = {(i + .5) / 999};
        double sigma = sc_sde_level_sigma(&ve, 1000, i),
               below = sc_sde_level_sigma(&ve, 1000, i - 1);
        const sc_reverse_step step = {&ve, 1000, 1, 1, t};
        const float x[1] = {1}, score[1] = {(float)(-1 / (sigma * sigma))}, zero[1] = {0},
                    one[1] = {1};
        float moved, noise, mean;
        assert_int_equal(
            sc_reverse_predict(&moved, &mean, SC_PREDICT_ANCESTRAL, &step, x, score, zero, false),
            SC_OK);
        assert_true(moved == mean);
        assert_int_equal(
            sc_reverse_predict(&noise, &mean, SC_PREDICT_ANCESTRAL, &step, zero, zero, one, false),
            SC_OK);
        assert_close(moved * moved * sigma * sigma + noise * noise, below * below, 1e-5);
    }
}

/* Data N(0, 1) under VP are N(0, 1) at every time: score -x. A step of size h keeps the variance up
 * to h^2. */
static void predictors_keep_the_stationary_variance(void **state)
{
    (void)state;
    const double t[1] = {.5};
    const sc_reverse_step step = {&vp, 1000, 1, 1, t};
    const float x[1] = {1}, score[1] = {-1}, zero[1] = {0}, one[1] = {1};
    for (int p = SC_PREDICT_REVERSE; p <= SC_PREDICT_ANCESTRAL; p++) {
        float moved, noise;
        assert_int_equal(
            sc_reverse_predict(&moved, NULL, (sc_predictor)p, &step, x, score, zero, false), SC_OK);
        assert_int_equal(
            sc_reverse_predict(&noise, NULL, (sc_predictor)p, &step, zero, zero, one, false),
            SC_OK);
        double beta = sc_sde_level_beta(&vp, 1000, 499);
        assert_true(fabs(moved * moved + noise * noise - 1) < 2 * beta * beta);
    }
}

/* The levels of VE are its std at i / (N - 1), so that steps between these times are the tables'.
 */
static void steps_between_the_times_of_levels_are_those_of_the_tables(void **state)
{
    (void)state;
    const int predictors[] = {SC_PREDICT_REVERSE, SC_PREDICT_ANCESTRAL};
    const float x[1] = {3}, score[1] = {-2}, z[1] = {0.5f};
    for (int i = 1; i < 1000; i += 37)
        for (int p = 0; p < 2; p++) {
            const double t[1] = {(i + 1e-4) / 999}; /* trunc must find level i */
            const sc_reverse_step step = {&ve, 1000, 1, 1, t};
            const sc_reverse_interval interval = {&ve, i / 999.0, (i - 1) / 999.0, 1};
            float table, between, mean[2];
            assert_int_equal(
                sc_reverse_predict(&table, &mean[0], predictors[p], &step, x, score, z, false),
                SC_OK);
            assert_int_equal(sc_reverse_predict_to(&between, &mean[1], predictors[p], &interval, x,
                                                   score, z, false),
                             SC_OK);
            assert_close(between, table, 2e-6);
            assert_close(mean[1], mean[0], 2e-6);
        }
}

/* For data that are a point VP's ancestral step, however long, has the mean of the exact posterior.
 */
static void ancestral_step_of_any_length_has_the_exact_mean(void **state)
{
    (void)state;
    const sc_reverse_interval interval = {&vp, 0.7, 0.3, 1};
    double a = sc_sde_mean(&vp, 0.7), std = sc_sde_std(&vp, 0.7), b = sc_sde_mean(&vp, 0.3);
    double below = sc_sde_std(&vp, 0.3), ratio = a / b;
    /* E[x(0.3) | x(0.7), x0 = 0] = ratio below^2 / std^2 x */
    const float x[1] = {1}, score[1] = {(float)(-1 / (std * std))};
    float next;
    assert_int_equal(
        sc_reverse_predict_to(&next, NULL, SC_PREDICT_ANCESTRAL, &interval, x, score, NULL, false),
        SC_OK);
    assert_close(next, ratio * below * below / (std * std), 1e-5);
}

static void langevin_steps_follow_their_norms(void **state)
{
    (void)state;
    const double t[2] = {.5, .5};
    const sc_reverse_step step = {&ve, 1000, 2, 2, t}, alone = {&ve, 1000, 1, 2, t};
    const float x[4] = {1, 2, 3, 4}, score[4] = {3, 4, 0, 15}, z[4] = {1, 0, 0, 3};
    float next[4], mean[4];
    double e[2], expected = 2 * pow(.16 * 2 / 10, 2);
    sc_reverse_correct(next, mean, e, SC_CORRECT_LANGEVIN, &step, .16, true, x, score, z);
    for (int k = 0; k < 2; k++)
        assert_close(e[k], expected, 1e-12);
    assert_close(mean[1], 2 + 4 * expected, 1e-6);
    assert_close(next[0], 1 + 3 * expected + sqrt(2 * expected), 1e-6);
    sc_reverse_correct(next, NULL, e, SC_CORRECT_LANGEVIN, &step, .16, false, x, score, z);
    assert_close(e[0], 2 * pow(.16 / 5, 2), 1e-12);
    assert_close(e[1], 2 * pow(.16 * 3 / 15, 2), 1e-12);
    sc_reverse_correct(next, NULL, e, SC_CORRECT_LANGEVIN, &alone, .16, true, x, score, z);
    assert_close(e[0], 2 * pow(.16 / 5, 2), 1e-12);
    sc_reverse_correct(next, NULL, e, SC_CORRECT_ANNEALED, &step, .16, true, x, score, z);
    assert_close(e[1], 2 * pow(.16 * sc_sde_std(&ve, .5), 2), 1e-12);
}

static void ancestral_is_refused_where_it_is_not_known(void **state)
{
    (void)state;
    const double t[1] = {.5};
    const sc_reverse_step step = {&subvp, 1000, 1, 1, t}, other = {&vp, 1000, 1, 1, t};
    const float x[1] = {1};
    float next;
    assert_int_equal(sc_reverse_predict(&next, NULL, SC_PREDICT_ANCESTRAL, &step, x, x, x, false),
                     SC_ERR_UNSUPPORTED);
    assert_int_equal(sc_reverse_predict(&next, NULL, SC_PREDICT_ANCESTRAL, &other, x, x, x, true),
                     SC_ERR_UNSUPPORTED);
    const sc_reverse_interval interval = {&subvp, .5, .4, 1};
    assert_int_equal(
        sc_reverse_predict_to(&next, NULL, SC_PREDICT_ANCESTRAL, &interval, x, x, x, false),
        SC_ERR_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_have_the_known_answers),
        cmocka_unit_test(the_samplers_levels_are_all_levels_once),
        cmocka_unit_test(prior_density_is_that_of_a_gaussian),
        cmocka_unit_test(ancestral_step_is_exact_for_a_point),
        cmocka_unit_test(predictors_keep_the_stationary_variance),
        cmocka_unit_test(steps_between_the_times_of_levels_are_those_of_the_tables),
        cmocka_unit_test(ancestral_step_of_any_length_has_the_exact_mean),
        cmocka_unit_test(langevin_steps_follow_their_norms),
        cmocka_unit_test(ancestral_is_refused_where_it_is_not_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
