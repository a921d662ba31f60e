/* The annealed proximal iteration claims a point estimate: for a Gaussian prior N(m, C) it comes
 * to the posterior mean (which is the MAP estimate) of N(m, C + sigma_end^2 I). Momentum leaves that
 * point where it is and gets nearer to it in as many steps.
 */
#include "sampler_test.h"

/* Distance to that point after as many levels, in posterior standard deviations, the worst component. */
static double distance(int levels, double momentum)
{
    sc_device *device;
    sc_problem problem;
    law prior, post, found;
    const double one = 1, sigma_end = 0.15;
    char text[160];
    OK(sc_device_create_cpu(&device, 1));
    problem_create(&problem, device, 1, 1, 0.3);
    correlated(&prior, 1, 0);
    sc_score *score = mixture_score(1, &one, &prior);
    mixture_posterior(&post, 1, &one, &prior, sigma_end * sigma_end, &problem);
    snprintf(text, sizeof text,
             "levels=%d momentum=%g start=4 sigma-end=0.5 ratio=1 floor=0 cg=30 mirror=no", levels, momentum);
    run_method(&found, &sc_method_annealed_proximal, &problem, score, text);
    double worst = 0;
    for (int i = 0; i < D; i++)
        worst = fmax(worst, fabs(found.mean[i] - post.mean[i]) / sqrt(post.cov[i * (D + 1)]));
    print_message("%d levels, momentum %g: %.4f posterior std from the mean\n", levels, momentum, worst);
    sc_score_free(score);
    problem_free(&problem);
    sc_device_free(device);
    return worst;
}

static void reaches_the_posterior_mean_of_a_gaussian(void **state)
{
    (void)state;
    for (double momentum = 0; momentum < 1; momentum += 0.5) {
        assert_true(distance(12, momentum) < 0.5);
        assert_true(distance(120, momentum) < 0.1);
        assert_true(distance(1200, momentum) < 0.01);
    }
}

static void momentum_is_worth_levels(void **state)
{
    (void)state;
    assert_true(distance(15, 0.5) < distance(24, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reaches_the_posterior_mean_of_a_gaussian),
        cmocka_unit_test(momentum_is_worth_levels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
