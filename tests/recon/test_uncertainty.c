/* Mean, standard deviation and quantiles of samples, against numbers worked out by hand, and the
 * promise of quantiles: intervals cover a further draw of whatever law. */
#include "base/random.h"
#include "recon/uncertainty.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* after the four that it needs */

/* Five samples of one pixel, two sets: magnitudes 5 k (3 k in one set, 4 k i in the other). */
static void fill(sc_array *samples)
{
    const int order[5] = {3, 1, 5, 2, 4};
    assert_int_equal(sc_array_create(samples, SC_C32, 4, (int64_t[]){5, 2, 1, 1}), SC_OK);
    float *x = samples->data;
    for (int i = 0; i < 5; i++) {
        x[4 * i] = 3 * (float)order[i];
        x[4 * i + 3] = 4 * (float)order[i];
    }
}

static void moments_are_of_the_complex_image_and_of_the_magnitude(void **state)
{
    (void)state;
    sc_array samples = {0}, mean = {0}, std = {0};
    fill(&samples);
    assert_int_equal(sc_uncertainty_moments(&mean, &std, &samples), SC_OK);
    const float *m = mean.data;
    assert_int_equal(mean.rank, 3);
    assert_true(m[0] == 9 && m[1] == 0 && m[2] == 0 && m[3] == 12);
    assert_int_equal(std.rank, 2);
    assert_true(fabs(*(float *)std.data - 5 * sqrt(2.5)) < 1e-5);
    sc_array_free(&samples);
    sc_array_free(&mean);
    sc_array_free(&std);
}

/* Five draws: ranks are right from q = 1/6 on, and exactly so at multiples of it. */
static void quantiles_count_ranks_of_one_draw_more(void **state)
{
    (void)state;
    sc_array samples = {0};
    fill(&samples);
    const double q[] = {1.0 / 6, 0.5, 0.55, 5.0 / 6}, expected[] = {5, 15, 16.5, 25};
    for (int i = 0; i < 4; i++) {
        sc_array quantile = {0};
        assert_int_equal(sc_uncertainty_quantile(&quantile, &samples, q[i]), SC_OK);
        assert_true(fabs(*(float *)quantile.data - expected[i]) < 1e-5);
        sc_array_free(&quantile);
    }
    sc_array_free(&samples);
}

/* 1 .. N: h = q (N + 1) = 0.85 of 16 draws lies 2 (1 / h - 1) spacings beyond the first, and h
 * = 3.25 of 64 lies g' = 0.25 * 4 / 3.25 of one beyond the third; above the last it is the mirror
 * image. */
static void tails_are_read_as_exponential(void **state)
{
    (void)state;
    double value[64];
    const double expected[2][2] = {{16, 1 - 2 * (1 / 0.85 - 1)}, {64, 3 + 1 / 3.25}};
    for (int i = 0; i < 2; i++) {
        int n = (int)expected[i][0];
        for (int k = 0; k < n; k++)
            value[k] = (k * 5) % n + 1; /* not in order; 5 has no factor in common with n */
        double low = sc_uncertainty_estimate(value, n, 0.05);
        double high = sc_uncertainty_estimate(value, n, 0.95);
        assert_true(fabs(low - expected[i][1]) < 1e-12);
        assert_true(fabs(high - (n + 1 - expected[i][1])) < 1e-9);
    }
}

/* mean + t std sqrt(1 + 1/N) with t from tables: 2.3534, 1.8946, 1.7613 for 3, 7 and 14 degrees of
 * freedom. */
static void few_draws_are_read_as_gaussian(void **state)
{
    (void)state;
    const double t[3][2] = {{4, 2.35336}, {8, 1.89458}, {15, 1.76131}};
    for (int i = 0; i < 3; i++) {
        double value[16], n = t[i][0], spread = sqrt(n * (n + 1) / 12 * (1 + 1 / n));
        for (int k = 0; k < (int)n; k++)
            value[k] = k;
        assert_int_equal(sc_uncertainty_rule((int64_t)n, 0.05), SC_QUANTILE_STUDENT);
        double low = sc_uncertainty_estimate(value, (int64_t)n, 0.05);
        double high = sc_uncertainty_estimate(value, (int64_t)n, 0.95);
        assert_true(fabs(high - (n - 1) / 2 - t[i][1] * spread) < 1e-4);
        assert_true(fabs(low + high - (n - 1)) < 1e-9);
    }
    assert_int_equal(sc_uncertainty_rule(16, 0.05), SC_QUANTILE_RANKS);
    assert_int_equal(sc_uncertainty_rule(4, 0.5), SC_QUANTILE_RANKS);
    assert_int_equal(sc_uncertainty_rule(1, 0.5), SC_QUANTILE_NONE);
}

/* One draw of each law from two standard normals. */
static double gaussian(double a, double b) { return a + 0 * b; }

static double rayleigh(double a, double b) { return hypot(a, b); }

static double rice(double a, double b) { return hypot(2 + a, b); }

static double exponential(double a, double b) { return (a * a + b * b) / 2; }

static double lognormal(double a, double b) { return exp(0.5 * a + 0 * b); }

static const struct {
    const char *name;
    double (*draw)(double a, double b);
    int fewest; /* draws from which the promise holds */
} laws[] = {{"gaussian", gaussian, 2},
            {"rayleigh", rayleigh, 16},
            {"rice", rice, 16},
            {"exponential", exponential, 16},
            {"lognormal", lognormal, 16}};

enum { TRIALS = 20000, MOST = 64 };

/* Share of TRIALS further draws in the central 90 % interval of n draws. */
static double coverage(double (*draw)(double, double), int n, uint32_t step)
{
    const sc_key key = {2121, 0, 0};
    int inside = 0;
    for (uint32_t t = 0; t < TRIALS; t++) {
        float z[2 * MOST + 2];
        double value[MOST];
        sc_key one = key;
        one.sample = t;
        sc_random_normal(z, 2 * n + 2, one, SC_DRAW_TEST, step);
        for (int i = 0; i < n; i++)
            value[i] = draw(z[2 * i], z[2 * i + 1]);
        double further = draw(z[2 * n], z[2 * n + 1]);
        inside += further >= sc_uncertainty_estimate(value, n, 0.05) &&
                  further <= sc_uncertainty_estimate(value, n, 0.95);
    }
    return 100 * inside / (double)TRIALS;
}

/* 20000 trials: standard error 0.21 points */
static void intervals_cover_a_further_draw(void **state)
{
    (void)state;
    const int counts[] = {4, 8, 16, 24, 64};
    for (size_t i = 0; i < sizeof laws / sizeof *laws; i++)
        for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
            double covered = coverage(laws[i].draw, counts[k], (uint32_t)(i * 8 + k));
            bool promised = counts[k] >= laws[i].fewest;
            print_message("%s, %d draws: %.1f %% in the 90 %% interval%s\n", laws[i].name,
                          counts[k], covered, promised ? "" : ", not promised");
            assert_true(!promised || (covered > 88 && covered < 92));
        }
}

static void one_sample_has_no_spread(void **state)
{
    (void)state;
    sc_array samples = {0}, mean = {0}, std = {0}, quantile = {0};
    assert_int_equal(sc_array_create(&samples, SC_C32, 4, (int64_t[]){1, 1, 2, 3}), SC_OK);
    for (int i = 0; i < 12; i++)
        ((float *)samples.data)[i] = (float)i;
    assert_int_equal(sc_uncertainty_moments(&mean, &std, &samples), SC_OK);
    assert_int_equal(sc_uncertainty_quantile(&quantile, &samples, 0.95), SC_OK);
    for (int i = 0; i < 6; i++) {
        assert_true(((float *)std.data)[i] == 0);
        assert_true(fabs(((float *)quantile.data)[i] - hypot(2 * i, 2 * i + 1)) < 1e-5);
    }
    sc_array_free(&samples);
    sc_array_free(&mean);
    sc_array_free(&std);
    sc_array_free(&quantile);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments_are_of_the_complex_image_and_of_the_magnitude),
        cmocka_unit_test(quantiles_count_ranks_of_one_draw_more),
        cmocka_unit_test(tails_are_read_as_exponential),
        cmocka_unit_test(few_draws_are_read_as_gaussian),
        cmocka_unit_test(intervals_cover_a_further_draw),
        cmocka_unit_test(one_sample_has_no_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
