/* The Gaussian mixture's score: against the gradient of its log density, and closed forms. */
#include "base/random.h"
#include "prior/sample.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

enum { K = 3, D = 6, H = 1, W = 3, CHANNELS = 2 };

typedef struct {
    double weight[K], mean[K][D], covariance[K][D][D];
} mixture;

static const sc_key key = {20240, 0, 0};

/* Random means and covariances B B^T / D, the last component a point mass. */
static mixture example(void)
{
    mixture mix = {.weight = {0.2, 1.1, 0.7}};
    float z[K * D + K * D * D];
    sc_random_normal(z, K * D + K * D * D, key, SC_DRAW_TEST, 0);
    for (int k = 0; k < K; k++)
        for (int i = 0; i < D; i++) {
            mix.mean[k][i] = z[k * D + i];
            for (int j = 0; j < D && k < K - 1; j++)
                for (int l = 0; l < D; l++)
                    mix.covariance[k][i][j] += z[K * D + (k * D + i) * D + l] *
                                               z[K * D + (k * D + j) * D + l] / D;
        }
    return mix;
}

/* log of N(x; m, S) by Gaussian elimination on a copy of S (positive definite): no eigenvectors,
 * so that nothing is shared with the code under test. */
static double log_gauss(const double *x, const double *m, double s[D][D])
{
    double r[D], result = -D / 2.0 * log(2 * M_PI);
    for (int i = 0; i < D; i++)
        r[i] = x[i] - m[i];
    for (int p = 0; p < D; p++) {
        result -= (log(s[p][p]) + r[p] * r[p] / s[p][p]) / 2;
        for (int i = p + 1; i < D; i++) {
            double f = s[i][p] / s[p][p];
            r[i] -= f * r[p];
            for (int j = p; j < D; j++)
                s[i][j] -= f * s[p][j];
        }
    }
    return result;
}

static double log_density(const mixture *mix, const double *x, double sigma)
{
    double logs[K], largest = -INFINITY, sum = 0;
    for (int k = 0; k < K; k++) {
        double s[D][D];
        memcpy(s, mix->covariance[k], sizeof s);
        for (int i = 0; i < D; i++)
            s[i][i] += sigma * sigma;
        logs[k] = log(mix->weight[k]) + log_gauss(x, mix->mean[k], s);
        largest = fmax(largest, logs[k]);
    }
    for (int k = 0; k < K; k++)
        sum += exp(logs[k] - largest);
    return largest + log(sum);
}

static void score_is_the_gradient_of_log_density(void **state)
{
    (void)state;
    mixture mix = example();
    sc_score *score;
    assert_int_equal(sc_score_mixture(&score, CHANNELS, K, D, mix.weight, &mix.mean[0][0],
                                      &mix.covariance[0][0][0]), SC_OK);
    const double sigmas[] = {0.2, 0.5, 1, 5, 50};
    for (int trial = 0; trial < 5; trial++) {
        float z[D], x[D], s[D];
        double sigma = sigmas[trial], y[D], h = 1e-4 * sigma;
        sc_random_normal(z, D, key, SC_DRAW_TEST, (uint32_t)trial + 1);
        for (int i = 0; i < D; i++)
            x[i] = (float)mix.mean[trial % K][i] + (float)sigma * z[i];
        assert_int_equal(sc_score_evaluate(score, s, x, &sigma, 1, H, W), SC_OK);
        for (int i = 0; i < D; i++) {
            for (int j = 0; j < D; j++)
                y[j] = x[j];
            y[i] = x[i] + h;
            double high = log_density(&mix, y, sigma);
            y[i] = x[i] - h;
            double slope = (high - log_density(&mix, y, sigma)) / (2 * h);
            /* D is float32: its rounding, 1e-7 |x|, is divided by sigma^2 */
            double tolerance = 1e-5 * (fabs(slope) + 1 / sigma) + 3e-7 * fabs(x[i]) / (sigma * sigma);
            if (fabs(slope - s[i]) > tolerance)
                fail_msg("seed %llu, sigma %g: score %g, gradient %g",
                         (unsigned long long)key.seed, sigma, s[i], slope);
        }
    }
    sc_score_free(score);
}

/* One Gaussian N(m, c I): D = m + c / (c + sigma^2) (x - m), each image of a batch by itself. */
static void single_gaussian_is_wiener_shrinkage(void **state)
{
    (void)state;
    double weight = 3, mean[D] = {1, 2, 3, 4, 5, 6}, covariance[D][D] = {{0}};
    for (int i = 0; i < D; i++)
        covariance[i][i] = 0.25;
    sc_score *score;
    assert_int_equal(sc_score_mixture(&score, 2, 1, D, &weight, mean, &covariance[0][0]), SC_OK);
    float x[2 * D] = {0}, d[2 * D];
    const double sigma[2] = {0.5, 2};
    assert_int_equal(sc_score_denoise(score, d, x, sigma, 2, H, W), SC_OK);
    for (int i = 0; i < D; i++) {
        assert_float_equal(d[i], (float)mean[i] / 2, 1e-6);
        assert_float_equal(d[D + i], (float)mean[i] * (16 / 17.f), 1e-6);
    }
    sc_score_free(score);
}

/* The sampler's ODE solved exactly for N(0, c): x(sigma) ~ sqrt(c + sigma^2). The standard
 * sampler has order 2:
 * halving the steps' size takes the error to a quarter. */
static void sampler_has_order_two(void **state)
{
    (void)state;
    double weight = 1, mean[2] = {0}, covariance[4] = {0.5, 0, 0, 0.5}, error[2];
    sc_score *score;
    assert_int_equal(sc_score_mixture(&score, 2, 1, 2, &weight, mean, covariance), SC_OK);
    for (int k = 0; k < 2; k++) {
        float x[2], start[2];
        int steps = k ? 129 : 65;
        sc_random_normal(start, 2, key, SC_DRAW_INIT, 0);
        assert_int_equal(sc_prior_sample(x, score, 1, 1, steps, key, NULL), SC_OK);
        /* the last step is D, which for a Gaussian is c / (c + sigma^2) x */
        double low = score->sde.sigma_min, high = score->sde.sigma_max;
        double exact = high * start[0] * sqrt((0.5 + low * low) / (0.5 + high * high)) *
                       0.5 / (0.5 + low * low);
        error[k] = fabs(x[0] - exact);
    }
    print_message("errors %g and %g\n", error[0], error[1]);
    assert_true(error[1] < error[0] / 3);
    sc_score_free(score);
}

/* J^T v is the gradient of <v, D>: central differences along random directions u. */
static void derivative_is_that_of_the_denoiser(void **state)
{
    (void)state;
    mixture mix = example();
    sc_score *score;
    assert_int_equal(sc_score_mixture(&score, CHANNELS, K, D, mix.weight, &mix.mean[0][0],
                                      &mix.covariance[0][0][0]), SC_OK);
    const double sigmas[] = {0.2, 0.5, 1, 5, 50};
    for (int trial = 0; trial < 5; trial++) {
        float z[3 * D], d[2 * D], g[D], alone[D], moved[2 * D];
        double sigma[2] = {sigmas[trial], sigmas[trial]}, slope = 0, expected = 0, size = 0;
        sc_random_normal(z, 3 * D, key, SC_DRAW_TEST, (uint32_t)trial + 10);
        float *x = z, *v = z + D, *u = z + 2 * D, h = 0.01f * (float)sigma[0];
        for (int i = 0; i < D; i++) {
            x[i] = (float)mix.mean[trial % K][i] + (float)sigma[0] * x[i];
            moved[i] = x[i] + h * u[i];
            moved[D + i] = x[i] - h * u[i];
        }
        assert_int_equal(sc_score_denoise_vjp(score, d, g, x, sigma, v, 1, H, W), SC_OK);
        assert_int_equal(sc_score_denoise(score, alone, x, sigma, 1, H, W), SC_OK);
        for (int i = 0; i < D; i++)
            assert_true(fabsf(d[i] - alone[i]) < 1e-6f);
        assert_int_equal(sc_score_denoise(score, d, moved, sigma, 2, H, W), SC_OK);
        for (int i = 0; i < D; i++) {
            slope += v[i] * ((double)d[i] - d[D + i]) / (2 * (double)h);
            expected += (double)g[i] * u[i];
            size += fabs((double)g[i] * u[i]);
        }
        /* curvature (0.01)^2, rounding of D 1e-7 / h */
        if (fabs(slope - expected) > 2e-4 * size + 1e-5 / (double)h)
            fail_msg("sigma %g: %g, by differences %g", sigma[0], expected, slope);
    }
    sc_score_free(score);
}

static void wrong_input_is_refused(void **state)
{
    (void)state;
    double weight = 1, mean[2] = {0}, bad[4] = {1, 0, 0, -1};
    sc_score *score;
    assert_int_equal(sc_score_mixture(&score, 1, 1, 2, &weight, mean, bad), SC_ERR_INPUT);
    assert_null(score);
    weight = 0;
    bad[3] = 1;
    assert_int_equal(sc_score_mixture(&score, 1, 1, 2, &weight, mean, bad), SC_ERR_INPUT);
    weight = 1;
    assert_int_equal(sc_score_mixture(&score, 1, 1, 2, &weight, mean, bad), SC_OK);
    float x[6] = {0}, d[6];
    double sigma = 1;
    assert_int_equal(sc_score_denoise(score, d, x, &sigma, 1, 2, 3), SC_ERR_INPUT);
    sc_score_free(score);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(score_is_the_gradient_of_log_density),
        cmocka_unit_test(single_gaussian_is_wiener_shrinkage),
        cmocka_unit_test(sampler_has_order_two),
        cmocka_unit_test(derivative_is_that_of_the_denoiser),
        cmocka_unit_test(wrong_input_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
