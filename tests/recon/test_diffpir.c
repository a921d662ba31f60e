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
 * short of the posterior's, at half of it with fresh noise alone. How near is stated. */
static void mean_comes_near_the_posterior_mean(void **state)
{
    (void)state;
    const struct {
        double zeta;
        int levels;
        double mean, least, most;
    } rows[] = {
        {0.3, 200, 0.6, 0.8, 0.95}, {0.3, 2000, 0.06, 0.88, 0.95}, {1, 2000, 0.03, 0.48, 0.52}};
    sc_device *device;
    sc_problem problem;
    law prior, post, x;
    OK(sc_device_create_cpu(&device, 1));
    problem_create(&problem, device, 1, 1, 0.3);
    correlated(&prior, 1, 0);
    posterior(&post, &prior, &problem);
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        double worst = 0, least = INFINITY, most = 0;
        double first = warm_start(&x, 3, &problem, (sc_key){11, 0, 0});
        recursion(&x, &prior, rows[r].levels, first, 0.03, 1, rows[r].zeta, &problem);
        for (int i = 0; i < D; i++) {
            double v = x.cov[i * (D + 1)] / post.cov[i * (D + 1)];
            worst = fmax(worst, fabs(x.mean[i] - post.mean[i]) / sqrt(post.cov[i * (D + 1)]));
            least = fmin(least, v), most = fmax(most, v);
        }
        print_message("zeta %g, %d levels: mean off by %.4f std, variance %.3f to %.3f of the "
                      "posterior's\n",
                      rows[r].zeta, rows[r].levels, worst, least, most);
        assert_true(worst < rows[r].mean && least > rows[r].least && most < rows[r].most);
    }
    problem_free(&problem);
    sc_device_free(device);
}

/* Two components that the data do not tell apart fully. */
static void is_worth_what_is_stated_on_a_mixture(void **state)
{
    (void)state;
    sc_device *device;
    sc_problem problem;
    law prior[2], post, found;
    const double weight[2] = {0.4, 0.6};
    OK(sc_device_create_cpu(&device, 1));
    problem_create(&problem, device, COPIES, 1, 0.3);
    correlated(&prior[0], 1, 0);
    correlated(&prior[1], 0.6, 1);
    for (int i = 0; i < D; i++)
        prior[1].mean[i] += 0.5;
    mixture_posterior(&post, 2, weight, prior, 0, &problem);
    sc_score *score = mixture_score(2, weight, prior);
    run_method(&found, &sc_method_diffpir, &problem, score,
               "levels=100 start=30 sigma-end=0.1 zeta=0.3");
    assert_law(&found, &post, COPIES, 0.45, 0.35, "diffpir, mixture, zeta 0.3");
    run_method(&found, &sc_method_diffpir, &problem, score, "levels=100 start=30 sigma-end=0.1");
    assert_law(&found, &post, COPIES, 0.1, 0.55, "diffpir, mixture, zeta 1");
    sc_score_free(score);
    problem_free(&problem);
    sc_device_free(device);
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
