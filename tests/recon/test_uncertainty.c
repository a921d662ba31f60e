/* Mean, standard deviation and quantiles of samples, against numbers worked out by hand. */
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

static void quantiles_interpolate_between_order_statistics(void **state)
{
    (void)state;
    sc_array samples = {0};
    fill(&samples);
    const double q[] = {0, 0.05, 0.5, 0.95, 1}, expected[] = {5, 6, 15, 24, 25};
    for (int i = 0; i < 5; i++) {
        sc_array quantile = {0};
        assert_int_equal(sc_uncertainty_quantile(&quantile, &samples, q[i]), SC_OK);
        assert_true(fabs(*(float *)quantile.data - expected[i]) < 1e-5);
        sc_array_free(&quantile);
    }
    sc_array_free(&samples);
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
        cmocka_unit_test(quantiles_interpolate_between_order_statistics),
        cmocka_unit_test(one_sample_has_no_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
