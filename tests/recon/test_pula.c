/* pula claims posterior samples: against the exact law of its chain for a Gaussian prior, and
 * against the posterior of a mixture with a stated bias bound.
 */
#include "sampler_test.h"

enum { COPIES = 10000 };

/* The law of the chain for a Gaussian prior, by dense matrices. */
static void chain_law(law *x, const law *prior, int levels, int steps, double gamma, double first,
                      double last, const sc_problem *problem)
{
    law wide = {{0}, {0}};
    identity(wide.cov, first * first);
    posterior(x, &wide, problem);
    for (int k = 0; k < levels; k++) {
        double sigma = level_sigma(k, levels, first, last), v = sigma * sigma;
        double precision[D * D], pull[D], g[D * D], shift[D], m[D * D], one[D * D], noise[D * D];
        information(precision, pull, problem);
        gaussian_denoiser(g, shift, prior, sigma);
        identity(one, 1);
        mix(m, 1, precision, 1 / v, one, D * D);
        invert(m, m);
        /* gradient = pull + shift / v - (precision + (1 - G) / v) x */
        mix(pull, 1, pull, 1 / v, shift, D);
        apply(shift, m, pull);
        mix(shift, gamma, shift, 0, shift, D);
        mix(g, 1 / v, g, -1 / v, one, D * D);
        mix(g, 1, g, -1, precision, D * D);
        times(g, m, g);
        mix(g, gamma, g, 1, one, D * D);
        mix(noise, 2 * gamma, m, 0, m, D * D);
        for (int j = 0; j < steps; j++)
            step_law(x, g, shift, noise);
    }
}

static void chain_has_its_exact_law_for_a_gaussian(void **state)
{
    (void)state;
    sc_device *device;
    sc_problem problem;
    law prior, expected, found;
    const double one = 1;
    OK(sc_device_create_cpu(&device, 1));
    problem_create(&problem, device, COPIES, 1, 0.3);
    correlated(&prior, 1, 0);
    sc_score *score = mixture_score(1, &one, &prior);
    chain_law(&expected, &prior, 30, 2, 0.5, 5, 0.05, &problem);
    run_method(&found, &sc_method_pula, &problem, score,
               "levels=30 steps=2 gamma=0.5 sigma-max=5 sigma-min=0.05");
    assert_law(&found, &expected, COPIES, 0, 0, "pula, chain");
    sc_score_free(score);
    problem_free(&problem);
    sc_device_free(device);
}

/* The bias of the chain falls with the length of its steps and the number of levels. */
static void bias_vanishes_with_the_step(void **state)
{
    (void)state;
    sc_device *device;
    sc_problem problem;
    law prior, post, chain;
    const double one = 1;
    OK(sc_device_create_cpu(&device, 1));
    problem_create(&problem, device, 1, 1, 0.3);
    correlated(&prior, 1, 0);
    double last = INFINITY;
    for (int refine = 1; refine <= 16; refine *= 4) {
        double worst = 0, sigma_min = 0.05 / refine;
        mixture_posterior(&post, 1, &one, &prior, sigma_min * sigma_min, &problem);
        chain_law(&chain, &prior, 30 * refine, 2 * refine, 0.5 / refine, 5, sigma_min, &problem);
        for (int i = 0; i < D; i++)
            worst = fmax(worst, fabs(chain.cov[i * (D + 1)] / post.cov[i * (D + 1)] - 1));
        print_message("refined %d times: relative error of the variances %.4f\n", refine, worst);
        assert_true(worst < last * 0.6);
        last = worst;
    }
    problem_free(&problem);
    sc_device_free(device);
}

/* Stated bias: 0.05 standard deviations of
 * the mean, 10 % of the covariance. */
static void samples_have_the_posterior_law_of_a_mixture(void **state)
{
    (void)state;
    assert_law_on_mixture(&sc_method_pula,
                          "levels=60 steps=12 gamma=0.4 sigma-max=2 sigma-min=0.05", 0.05, 0.1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chain_has_its_exact_law_for_a_gaussian),
        cmocka_unit_test(bias_vanishes_with_the_step),
        cmocka_unit_test(samples_have_the_posterior_law_of_a_mixture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
