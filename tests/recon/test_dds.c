/* dds is a heuristic: it is tested for being the affine recursion it states, for a Gaussian prior,
 * and for where that recursion contracts to.
 */
#include "sampler_test.h"

enum { COPIES = 10000 };

/* The law of the samples for a Gaussian prior, by dense matrices. sigma (levels + 1), ending in 0;
 * r (levels): error expected of the denoised image. x: the law at sigma[0]. */
static void recursion_of(law *x, const law *prior, int levels, const double *sigma, const double *r,
                         double eta, const sc_problem *problem)
{
    for (int k = 0; k < levels; k++) {
        double keep = sigma[k + 1] * sqrt(1 - eta * eta) / sigma[k];
        double g[D * D], shift[D], h[D * D], shift_y[D], one[D * D], noise[D * D];
        gaussian_denoiser(g, shift, prior, sigma[k]);
        data_denoiser(h, shift_y, prior, sigma[k], r[k], problem);
        identity(one, 1);
        mix(g, keep, one, -keep, g, D * D);
        mix(h, 1, h, 1, g, D * D);
        mix(shift, 1, shift_y, -keep, shift, D);
        identity(noise, sigma[k + 1] * sigma[k + 1] * eta * eta);
        step_law(x, h, shift, noise);
    }
}

/* The default levels and start. */
static void recursion(law *x, const law *prior, int levels, double first, double last, double eta,
                      double spread, const sc_problem *problem)
{
    double sigma[201], r[200];
    law wide = {{0}, {0}};
    identity(wide.cov, spread * spread);
    posterior(x, &wide, problem);
    identity(x->cov, first * first);
    for (int k = 0; k <= levels; k++)
        sigma[k] = level_sigma(k, levels, first, last);
    for (int k = 0; k < levels; k++)
        r[k] = sigma[k] * spread / hypot(sigma[k], spread);
    recursion_of(x, prior, levels, sigma, r, eta, problem);
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

/* As published for VE: every so many of the 1000 geometric levels, from noise alone, constant
 * weight gamma, nothing added at the last but one step. */
static void ve_samples_follow_the_published_sampler(void **state)
{
    (void)state;
    enum { LEVELS = 25 };
    sc_device *device;
    sc_problem problem;
    law prior, expected = {{0}, {0}}, found;
    const double one = 1, gamma = 2;
    double sigma[LEVELS + 1], r[LEVELS];
    OK(sc_device_create_cpu(&device, 1));
    problem_create(&problem, device, COPIES, 1, 0.3);
    correlated(&prior, 1, 0);
    sc_score *score = mixture_score(1, &one, &prior);
    score->sde = sc_sde_ve(0.01, 50);
    for (int k = 0; k < LEVELS; k++) {
        sigma[k] = 0.01 * pow(5000, (LEVELS - 1 - k) * (1000 / LEVELS) / 999.0);
        r[k] = problem.sigma * sqrt(gamma);
    }
    sigma[LEVELS] = 0;
    identity(expected.cov, sigma[0] * sigma[0]);
    double last = sigma[LEVELS - 1];
    sigma[LEVELS - 1] = 0; /* the last but one adds nothing ... */
    recursion_of(&expected, &prior, LEVELS - 1, sigma, r, 0.85, &problem);
    recursion_of(&expected, &prior, 1, (double[]){last, 0}, r, 0.85,
                 &problem); /* ... and the last sees it */
    run_method(&found, &sc_method_dds, &problem, score,
               "levels=25 grid=published warm=no gamma=2 eta=0.85 cg=30");
    assert_law(&found, &expected, COPIES, 0, 0, "dds, VE as published");
    sc_score_free(score);
    problem_free(&problem);
    sc_device_free(device);
}

/* E[x0 | x_t] = g x_t + shift, x_t = sqrt(a) x0 + sqrt(1 - a) z: m + sqrt(a) C (a C + (1 - a) I)^-1
 * (x_t - sqrt(a) m) */
static void vp_denoiser(double *g, double *shift, const law *prior, double a)
{
    double wide[D * D], one[D * D];
    identity(one, 1 - a);
    mix(wide, a, prior->cov, 1, one, D * D);
    invert(wide, wide);
    times(g, prior->cov, wide);
    mix(g, sqrt(a), g, 0, g, D * D);
    apply(shift, g, prior->mean);
    mix(shift, 1, prior->mean, -sqrt(a), shift, D);
}

/* x0 <- (I + gamma A^T A)^-1 (x0 + gamma A^T y) on x0 = h x + shift */
static void published_data_step(double *h, double *shift, double gamma, const sc_problem *problem)
{
    double precision[D * D], pull[D], v = problem->sigma * problem->sigma;
    information(precision, pull, problem);
    for (int i = 0; i < D * D; i++)
        precision[i] = gamma * v * precision[i] + (i % (D + 1) == 0);
    invert(precision, precision);
    times(h, precision, h);
    mix(shift, 1, shift, gamma * v, pull, D);
    apply(shift, precision, shift);
}

/* The published VP loop in its own variables, x_t and alphabar. */
static void vp_recursion(law *x, const law *prior, int levels, double gamma, double eta,
                         const sc_problem *problem)
{
    double alphabar[1000], product = 1;
    for (int i = 0; i < 1000; i++)
        alphabar[i] = product *= 1 - (1e-4 + (0.02 - 1e-4) * i / 999);
    memset(x, 0, sizeof *x);
    identity(x->cov, 1);
    for (int k = levels - 1, stride = 1000 / levels; k >= 0; k--) {
        double a = alphabar[k * stride], b = k > 1 ? alphabar[(k - 1) * stride] : 1;
        double g[D * D], shift[D], e[D * D], e_shift[D], one[D * D];
        vp_denoiser(g, shift, prior, a);
        identity(one, 1); /* epsilon = (x - sqrt(a) x0) / sqrt(1 - a) */
        mix(e, 1 / sqrt(1 - a), one, -sqrt(a / (1 - a)), g, D * D);
        mix(e_shift, -sqrt(a / (1 - a)), shift, 0, shift, D);
        published_data_step(g, shift, gamma, problem);
        double keep = sqrt((1 - b) * (1 - eta * eta));
        mix(g, sqrt(b), g, keep, e, D * D);
        mix(shift, sqrt(b), shift, keep, e_shift, D);
        identity(one, (1 - b) * eta * eta);
        step_law(x, g, shift, one);
    }
}

static void vp_samples_follow_the_published_sampler(void **state)
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
    score->sde = (sc_sde){.kind = SC_SDE_VP, .beta_min = 0.1, .beta_max = 20};
    vp_recursion(&expected, &prior, 20, 2, 0.85, &problem);
    run_method(&found, &sc_method_dds, &problem, score,
               "levels=20 grid=published warm=no gamma=2 eta=0.85 cg=30");
    assert_law(&found, &expected, COPIES, 0, 0, "dds, VP as published");
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
        cmocka_unit_test(ve_samples_follow_the_published_sampler),
        cmocka_unit_test(vp_samples_follow_the_published_sampler),
        cmocka_unit_test(mean_contracts_to_the_posterior_mean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
