/* red-diff claims a point estimate: for a Gaussian prior N(m, C) the fixed point of its last level,
 *
 *     (A^T A / sigma_y^2 + W) mu = A^T y / sigma_y^2 + W m,
 *     W = lambda (sigma / sigma_y)^(power + 1) (C + sigma^2)^-1,
 *
 * which is the posterior mean for N(m, C + sigma_y^2) where sigma = sigma_y and lambda = 1.
 */
#include "sampler_test.h"

static const double SIGMA = 0.3;

static void fixed_point(double *mu, double *std, const law *prior, double end, double lambda,
                        double power, const sc_problem *problem)
{
    double precision[D * D], pull[D], w[D * D], shift[D], sigma = end * SIGMA;
    information(precision, pull, problem);
    identity(w, sigma * sigma);
    mix(w, 1, w, 1, prior->cov, D * D);
    invert(w, w);
    double weight = lambda * pow(end, power + 1);
    mix(w, weight, w, 0, w, D * D);
    apply(shift, w, prior->mean);
    mix(pull, 1, pull, 1, shift, D);
    mix(precision, 1, precision, 1, w, D * D);
    invert(precision, precision);
    apply(mu, precision, pull);
    for (int i = 0; i < D; i++)
        std[i] = sqrt(precision[i * (D + 1)]);
}

/* How near, with that many levels and a step of Adam that falls as their root, is stated. */
static void comes_to_its_fixed_point_for_a_gaussian(void **state)
{
    (void)state;
    const struct {
        double end, lambda, power;
    } rows[] = {{1, 1, 0}, {0.5, 1, 1}, {1, 3, 0}, {0.5, 1, -1}};
    const double bound[4] = {1.2, 0.4, 0.35, 0.15};
    sc_device *device;
    sc_problem problem;
    law prior, found;
    const double one = 1;
    OK(sc_device_create_cpu(&device, 1));
    problem_create(&problem, device, 1, 1, SIGMA);
    correlated(&prior, 1, 0);
    sc_score *score = mixture_score(1, &one, &prior);
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        double mu[D], std[D];
        fixed_point(mu, std, &prior, rows[r].end, rows[r].lambda, rows[r].power, &problem);
        int levels = 100;
        for (int step = 0; step < 4; step++, levels *= 10) {
            char text[128];
            snprintf(text, sizeof text,
                     "levels=%d start=30 sigma-end=%g lambda=%g power=%g rate=%g", levels,
                     rows[r].end, rows[r].lambda, rows[r].power, 1 / sqrt(levels));
            run_method(&found, &sc_method_red_diff, &problem, score, text);
            double worst = 0;
            for (int i = 0; i < D; i++)
                worst = fmax(worst, fabs(found.mean[i] - mu[i]) / std[i]);
            print_message("%s: %.4f std from the fixed point\n", text, worst);
            assert_true(worst < bound[step]);
        }
    }
    sc_score_free(score);
    problem_free(&problem);
    sc_device_free(device);
}

/* Bayes' weight at the measured noise: the fixed point is the posterior mean of N(m, C + sigma^2).
 */
static void standard_weight_is_that_of_bayes(void **state)
{
    (void)state;
    sc_device *device;
    sc_problem problem;
    law prior, post;
    double mu[D], std[D];
    const double one = 1;
    OK(sc_device_create_cpu(&device, 1));
    problem_create(&problem, device, 1, 1, SIGMA);
    correlated(&prior, 1, 0);
    sc_options options = sc_options_default(sc_method_red_diff.options);
    fixed_point(mu, std, &prior, sc_options_get(&options, "sigma-end"),
                sc_options_get(&options, "lambda"), sc_options_get(&options, "power"), &problem);
    mixture_posterior(&post, 1, &one, &prior, SIGMA * SIGMA, &problem);
    for (int i = 0; i < D; i++)
        assert_true(fabs(mu[i] - post.mean[i]) < 1e-9);
    problem_free(&problem);
    sc_device_free(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_to_its_fixed_point_for_a_gaussian),
        cmocka_unit_test(standard_weight_is_that_of_bayes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
