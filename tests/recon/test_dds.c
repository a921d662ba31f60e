/* dds is a heuristic: it is tested for being the affine recursion it states, for a Gaussian prior,
 * and for where that recursion contracts to.
 */
#include "sampler_test.h"

enum { COPIES = 10000 };

/* The law of the samples for a Gaussian prior, by dense matrices. */
static void recursion(law *x, const law *prior, int levels, double first, double last, double eta,
                      double spread, const sc_problem *problem)
{
    law wide = {{0}, {0}};
    identity(wide.cov, spread * spread);
    posterior(x, &wide, problem);
    identity(x->cov, first * first);
    for (int k = 0; k < levels; k++) {
        double sigma = level_sigma(k, levels, first, last);
        double next = level_sigma(k + 1, levels, first, last);
        double keep = next * sqrt(1 - eta * eta) / sigma;
        double g[D * D], shift[D], h[D * D], shift_y[D], one[D * D], noise[D * D];
        gaussian_denoiser(g, shift, prior, sigma);
        data_denoiser(h, shift_y, prior, sigma, sigma * spread / hypot(sigma, spread), problem);
        identity(one, 1);
        mix(g, keep, one, -keep, g, D * D);
        mix(h, 1, h, 1, g, D * D);
        mix(shift, 1, shift_y, -keep, shift, D);
        identity(noise, next * next * eta * eta);
        step_law(x, h, shift, noise);
    }
}

static void samples_follow_the_recursion(void **state)
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
    recursion(&expected, &prior, 20, 1, 0.1, 0.85, 0.5, &problem);
    run_method(&found, &sc_method_dds, &problem, score,
               "levels=20 sigma-start=1 sigma-end=0.1 eta=0.85 spread=0.5");
    assert_law(&found, &expected, COPIES, 0, 0, "dds, recursion");
    sc_score_free(score);
    problem_free(&problem);
    sc_device_free(device);
}

/* With many levels the mean of the samples forgets the start and comes to the posterior mean of a
 * Gaussian prior; how near is stated: 0.1 posterior standard deviations. */
static void mean_contracts_to_the_posterior_mean(void **state)
{
    (void)state;
    sc_device *device;
    sc_problem problem;
    law prior, post, x;
    OK(sc_device_create_cpu(&device, 1));
    problem_create(&problem, device, 1, 1, 0.3);
    isotropic(&prior, 0.5);
    posterior(&post, &prior, &problem);
    recursion(&x, &prior, 200, 5, 0.01, 1, 0.5, &problem);
    for (int i = 0; i < D; i++) {
        double e = fabs(x.mean[i] - post.mean[i]) / sqrt(post.cov[i * (D + 1)]);
        print_message("component %d: mean off by %.4f std, variance %.3f of the posterior's\n", i,
                      e, x.cov[i * (D + 1)] / post.cov[i * (D + 1)]);
        assert_true(e < 0.1);
    }
    problem_free(&problem);
    sc_device_free(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_follow_the_recursion),
        cmocka_unit_test(mean_contracts_to_the_posterior_mean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
