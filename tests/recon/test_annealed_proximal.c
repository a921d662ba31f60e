/* The annealed proximal iteration claims a point estimate: for a Gaussian prior N(m, C) it comes
 * to the posterior mean (which is the MAP estimate) of N(m, C + sigma_end^2 I).
 */
#include "sampler_test.h"

static void reaches_the_posterior_mean_of_a_gaussian(void **state)
{
    (void)state;
    sc_device *device;
    sc_problem problem;
    law prior, post, found;
    const double one = 1, sigma_end = 0.15;
    OK(sc_device_create_cpu(&device, 1));
    problem_create(&problem, device, 1, 1, 0.3);
    correlated(&prior, 1, 0);
    sc_score *score = mixture_score(1, &one, &prior);
    mixture_posterior(&post, 1, &one, &prior, sigma_end * sigma_end, &problem);
    for (int levels = 12; levels <= 1200; levels *= 10) {
        char text[128];
        snprintf(text, sizeof text, "levels=%d start=4 sigma-end=0.5 ratio=1 floor=0 cg=30 mirror=no", levels);
        run_method(&found, &sc_method_annealed_proximal, &problem, score, text);
        double worst = 0;
        for (int i = 0; i < D; i++)
            worst = fmax(worst, fabs(found.mean[i] - post.mean[i]) / sqrt(post.cov[i * (D + 1)]));
        print_message("%d levels: %.4f posterior std from the mean\n", levels, worst);
        assert_true(worst < (levels == 12 ? 0.5 : levels == 120 ? 0.1 : 0.01));
    }
    sc_score_free(score);
    problem_free(&problem);
    sc_device_free(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reaches_the_posterior_mean_of_a_gaussian),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
