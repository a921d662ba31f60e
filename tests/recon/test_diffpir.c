/* diffpir is a heuristic: it is tested for being the affine recursion it states, for a Gaussian
 * prior, for where its mean goes, and for what it is worth on a mixture.
 */
#include "sampler_test.h"

enum { COPIES = 10000 };

/* The law of the samples from x at `first` for a Gaussian prior, by dense matrices. */
static void recursion(law *x, const law *prior, int levels, double first, double last,
                      double lambda, double zeta, const sc_problem *problem)
{
    for (int k = 0; k < levels; k++) {
        double sigma = level_sigma(k, levels, first, last);
        double next = level_sigma(k + 1, levels, first, last);
        double keep = next * sqrt(1 - zeta) / sigma;
        double h[D * D], shift[D], one[D * D], noise[D * D];
        if (k < levels - 1)
            data_denoiser(h, shift, prior, sigma, sigma / sqrt(lambda), problem);
        else
            gaussian_denoiser(h, shift, prior, sigma);
        identity(one, keep);
        mix(h, 1 - keep, h, 1, one, D * D);
        mix(shift, 1 - keep, shift, 0, shift, D);
        identity(noise, next * next * zeta);
        step_law(x, h, shift, noise);
    }
}

static void samples_follow_the_recursion(void **state)
{
    (void)state;
    const struct {
        const char *text;
        int levels;
        double lambda, zeta;
    } rows[] = {
        {"levels=20 start=3 sigma-end=0.3 zeta=0.3", 20, 1, 0.3},
        {"levels=20 start=3 sigma-end=0.3 zeta=1", 20, 1, 1},
        {"levels=20 start=3 sigma-end=0.3 zeta=0 lambda=7", 20, 7, 0},
    };
    sc_device *device;
    sc_problem problem;
    law prior, expected, found;
    const double one = 1;
    OK(sc_device_create_cpu(&device, 1));
    problem_create(&problem, device, COPIES, 1, 0.3);
    correlated(&prior, 1, 0);
    sc_score *score = mixture_score(1, &one, &prior);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double first = warm_start(&expected, 3, &problem, (sc_key){11, 0, 0});
        recursion(&expected, &prior, rows[i].levels, first, 0.09, rows[i].lambda, rows[i].zeta,
                  &problem);
        run_method(&found, &sc_method_diffpir, &problem, score, rows[i].text);
        assert_law(&found, &expected, COPIES, 0, 0, rows[i].text);
    }
    sc_score_free(score);
    problem_free(&problem);
    sc_device_free(device);
}

/* With many levels the mean comes to the posterior mean of a Gaussian prior; the variance stays
 * short of the posterior's, at half of it with fresh noise alone. How near the samples are to the
 * closed form of the posterior is stated, with room for what 10^4 of them leave open. */
static void mean_comes_near_the_posterior_mean(void **state)
{
    (void)state;
    const struct {
        double zeta;
        int levels;
        nearness stated;
    } rows[] = {{0.3, 200, {0.62, 0.78, 0.97}},
                {0.3, 2000, {0.1, 0.86, 0.97}},
                {1, 2000, {0.07, 0.46, 0.54}}};
    sc_device *device;
    sc_problem problem;
    law prior, post, found;
    const double one = 1;
    OK(sc_device_create_cpu(&device, 1));
    problem_create(&problem, device, COPIES, 1, 0.3);
    correlated(&prior, 1, 0);
    posterior(&post, &prior, &problem);
    sc_score *score = mixture_score(1, &one, &prior);
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        char text[96];
        snprintf(text, sizeof text, "levels=%d sigma-end=0.1 zeta=%g", rows[r].levels, rows[r].zeta);
        run_method(&found, &sc_method_diffpir, &problem, score, text);
        nearness n = near_posterior(&found, &post), stated = rows[r].stated;
        print_message("mean off by %.4f std, variance %.3f to %.3f of the posterior's\n", n.mean,
                      n.least, n.most);
        assert_true(n.mean < stated.mean && n.least > stated.least && n.most < stated.most);
    }
    sc_score_free(score);
    problem_free(&problem);
    sc_device_free(device);
}

static void is_worth_what_is_stated_on_a_mixture(void **state)
{
    (void)state;
    assert_law_on_mixture(&sc_method_diffpir, "levels=100 start=30 sigma-end=0.1 zeta=0.3", 0.45, 0.35);
    assert_law_on_mixture(&sc_method_diffpir, "levels=100 start=30 sigma-end=0.1", 0.1, 0.55);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_follow_the_recursion),
        cmocka_unit_test(mean_comes_near_the_posterior_mean),
        cmocka_unit_test(is_worth_what_is_stated_on_a_mixture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
