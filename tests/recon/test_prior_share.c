/* Posterior over prior variance, against Gaussian priors of which both are known. */
#include "recon/prior_share.h"
#include "recon/window.h"
#include "sampler_test.h"

/* tr over real and imaginary part of each pixel of s^2 C (C + s^2)^-1 */
static void expected_variance(double *variance /* (4) */, const law *prior, double s)
{
    double g[D * D], shift[D];
    gaussian_denoiser(g, shift, prior, s);
    for (int p = 0; p < D / 2; p++)
        variance[p] = s * s * (g[2 * p * (D + 1)] + g[(2 * p + 1) * (D + 1)]);
}

static void variance_of_a_gaussian_prior_is_exact(void **state)
{
    (void)state;
    law prior;
    const double weight = 1, levels[] = {0.1, SC_PRIOR_LEVEL, 10};
    correlated(&prior, 1, 0);
    sc_score *score = mixture_score(1, &weight, &prior);
    sc_c32 image[D / 2] = {0.9f, -0.4f * I, 0.2f + 0.5f * I, -0.7f};
    sc_array mean = sc_array_view(SC_C32, 3, (int64_t[]){1, 2, 2}, image);
    for (int i = 0; i < 3; i++) {
        sc_array found = {0};
        double expected[D / 2];
        int64_t evaluations = 0;
        expected_variance(expected, &prior, levels[i]);
        OK(sc_prior_variance(&found, &evaluations, score, &mean, levels[i], (sc_key){3, 0, 0},
                             NULL));
        assert_int_equal(evaluations, SC_PRIOR_SHARE_EVALUATIONS);
        for (int p = 0; p < D / 2; p++) {
            double v = (double)((float *)found.data)[p], full = 0;
            full = prior.cov[2 * p * (D + 1)] + prior.cov[(2 * p + 1) * (D + 1)];
            print_message("level %g, pixel %d: %.5f, exact %.5f, of the prior itself %.5f\n",
                          levels[i], p, v, expected[p], full);
            assert_true(fabs(v / expected[p] - 1) < 2e-3);
            assert_true(i < 2 || fabs(v / full - 1) < 0.02); /* a level of 10 sees nothing */
        }
        sc_array_free(&found);
    }
    sc_score_free(score);
}

/* 4000 exact samples of the posterior; the window holds the whole little image. */
static void share_is_the_ratio_of_variances(void **state)
{
    (void)state;
    enum { N = 4000 };
    sc_device *device;
    sc_problem problem;
    sc_gaussian_step *step;
    sc_estimate estimate = {0};
    sc_array share = {0};
    law prior, post;
    const double weight = 1, std = 0.4;
    double v[D / 2], above = 0, below = 0;
    OK(sc_device_create_cpu(&device, 1));
    problem_create(&problem, device, 1, 1, 0.1);
    isotropic(&prior, std);
    posterior(&post, &prior, &problem);
    OK(sc_gaussian_step_create(&step, &problem));
    OK(sc_array_create(&estimate.samples, SC_C32, 4, (int64_t[]){N, 1, 2, 2}));
    OK(sc_array_create(&estimate.mean, SC_C32, 3, (int64_t[]){1, 2, 2}));
    float centre[D], *mean = estimate.mean.data;
    for (int i = 0; i < D; i++)
        centre[i] = (float)prior.mean[i];
    for (int k = 0; k < N; k++) {
        float *x = (float *)estimate.samples.data + k * D;
        OK(sc_gaussian_step_draw(step, x, centre, std, (sc_key){5, 0, 0}, (uint32_t)k,
                                 (sc_solve){50, 1e-6}));
        for (int i = 0; i < D; i++)
            mean[i] += x[i] / N;
    }
    expected_variance(v, &prior, SC_PRIOR_LEVEL);
    for (int p = 0; p < D / 2; p++)
        below += v[p];
    for (int i = 0; i < D; i++)
        above += post.cov[i * (D + 1)];
    sc_score *score = mixture_score(1, &weight, &prior);
    OK(sc_prior_share(&share, &estimate, &problem, score, (sc_key){3, 0, 0}, NULL));
    double found = (double)*(float *)share.data;
    print_message("share %.4f, exact %.4f\n", found, above / below);
    assert_true(fabs(found / (above / below) - 1) < 0.04);
    assert_int_equal(estimate.score_evaluations, SC_PRIOR_SHARE_EVALUATIONS);
    sc_array_free(&share);
    sc_estimate_free(&estimate);
    sc_gaussian_step_free(step);
    sc_score_free(score);
    problem_free(&problem);
    sc_device_free(device);
}

/* A prior whose pixels know each other: D is a periodic convolution, 0.3 exp(-r^2 / 8). */
enum { SIDE = 40 };

static sc_status blur(const sc_score *self, float *d, const float *x, const double *sigma, int n,
                      int h, int w)
{
    (void)self, (void)sigma, (void)n;
    for (int e = 0; e < 2 * h * w; e++) {
        int y = e / 2 / w, u = e / 2 % w;
        double sum = 0;
        for (int j = -6; j <= 6; j++)
            for (int i = -6; i <= 6; i++)
                sum += 0.3 * exp(-(i * i + j * j) / 8.0) *
                       (double)x[2 * ((y + j + h) % h * w + (u + i + w) % w) + e % 2];
        d[e] = (float)sum;
    }
    return SC_OK;
}

static void neighbours_add_no_bias(void **state)
{
    (void)state;
    static sc_c32 image[SIDE * SIDE];
    static double one[SIDE * SIDE], v[SIDE * SIDE];
    sc_score score = {.name = "blur", .sde = sc_sde_ve(0.01, 50), .channels = 2, .denoise = blur};
    sc_array mean = sc_array_view(SC_C32, 3, (int64_t[]){1, SIDE, SIDE}, image), found = {0};
    int64_t evaluations = 0;
    double expected = 2 * 0.3 * SC_PRIOR_LEVEL * SC_PRIOR_LEVEL, average = 0, square = 0;
    OK(sc_prior_variance(&found, &evaluations, &score, &mean, SC_PRIOR_LEVEL, (sc_key){3, 0, 0},
                         NULL));
    for (int p = 0; p < SIDE * SIDE; p++)
        one[p] = 1, v[p] = (double)((float *)found.data)[p] / expected;
    sc_array_free(&found);
    OK(sc_window_ratio(&found, v, one, NULL, SIDE, SIDE));
    for (int p = 0; p < SIDE * SIDE; p++) {
        double e = (double)((float *)found.data)[p] - 1;
        average += e / (SIDE * SIDE);
        square += e * e / (SIDE * SIDE);
    }
    print_message("windowed: bias %.4f, root mean square %.3f\n", average, sqrt(square));
    assert_true(fabs(average) < 0.03);
    assert_true(sqrt(square) < 0.15);
    sc_array_free(&found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variance_of_a_gaussian_prior_is_exact),
        cmocka_unit_test(share_is_the_ratio_of_variances),
        cmocka_unit_test(neighbours_add_no_bias),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
