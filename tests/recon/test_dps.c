/* dps is a heuristic: it is tested for being the recursion it states, for a Gaussian prior, where
 * the gradient through the denoiser is a matrix and the measured step is known from the law of the
 * residual; for what it is worth there and on a mixture; and for asking for the derivative.
 */
#include "sampler_test.h"

enum { COPIES = 10000, MEASURED = 8 }; /* real numbers measured of one copy */

/* E |y - A d|^2 / (MEASURED sigma^2) for d of this law */
static double expected_residual(const law *d, const sc_problem *problem)
{
    const double *a = ((const copies_op *)problem->A)->matrix;
    double precision[D * D], pull[D], product[D * D], square = 0;
    information(precision, pull, problem);
    times(product, precision, d->cov);
    for (int k = 0; k < M; k++) {
        double e = ((const float *)problem->y)[k];
        for (int i = 0; i < D; i++)
            e -= a[k * D + i] * d->mean[i];
        square += e * e / (problem->sigma * problem->sigma);
    }
    for (int i = 0; i < D; i++)
        square += product[i * (D + 1)];
    return square / MEASURED;
}

/* The law of the samples from x at `first` for a Gaussian prior, by dense matrices. norm > 0: the
 * published step with this zeta for one copy; otherwise the measured step. */
static void recursion(law *x, const law *prior, int levels, double first, double last, double norm,
                      const sc_problem *problem)
{
    for (int k = 0; k < levels; k++) {
        double sigma = level_sigma(k, levels, first, last);
        double next = level_sigma(k + 1, levels, first, last);
        double change = sigma * sigma - next * next, keep = next * next / (sigma * sigma);
        double g[D * D], shift[D], zero[D * D], one[D * D], noise[D * D],
            v = pow(problem->sigma, 2);
        double precision[D * D], pull[D], data[D * D], data_shift[D];
        law d = *x;
        gaussian_denoiser(g, shift, prior, sigma);
        identity(zero, 0);
        step_law(&d, g, shift, zero);
        double residual = expected_residual(&d, problem);
        double step =
            norm > 0 ? norm / sqrt(v * MEASURED * residual) : change / (v * fmax(residual, 1));
        /* G A^T (y - A (G x + shift)) */
        information(precision, pull, problem);
        apply(data_shift, precision, shift);
        mix(data_shift, v, pull, -v, data_shift, D);
        apply(data_shift, g, data_shift);
        times(data, precision, g);
        times(data, g, data);
        identity(one, keep);
        mix(data, -step * v, data, 1 - keep, g, D * D);
        mix(data, 1, data, 1, one, D * D);
        mix(shift, 1 - keep, shift, step, data_shift, D);
        identity(noise, next * next * (1 - keep));
        step_law(x, data, shift, noise);
    }
}

/* The norm in the published step is that of all copies together: sqrt(COPIES) times as large. */
static void samples_follow_the_recursion(void **state)
{
    (void)state;
    const struct {
        const char *text;
        double norm;
    } rows[] = {
        {"levels=30 sigma-end=0.3", 0},
        {"levels=30 sigma-end=0.3 step=norm zeta=10", 0.1},
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
        recursion(&expected, &prior, 30, first, 0.09, rows[i].norm, &problem);
        run_method(&found, &sc_method_dps, &problem, score, rows[i].text);
        assert_law(&found, &expected, COPIES, 0.005, 0.005, rows[i].text);
    }
    sc_score_free(score);
    problem_free(&problem);
    sc_device_free(device);
}

/* From enough noise the samples are near the posterior of a Gaussian prior, which is known in
 * closed form, but more levels do not bring them there; from little noise they keep what they began
 * with. */
static void is_worth_what_is_stated_for_a_gaussian(void **state)
{
    (void)state;
    const struct {
        double start;
        int levels;
        nearness stated;
    } rows[] = {
        {3, 100, {1.6, 0.5, 0.93}}, {30, 100, {0.4, 0.9, 1.32}}, {30, 1000, {0.4, 0.9, 1.32}}};
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
        snprintf(text, sizeof text, "levels=%d start=%g sigma-end=0.1", rows[r].levels,
                 rows[r].start);
        run_method(&found, &sc_method_dps, &problem, score, text);
        nearness n = near_posterior(&found, &post), stated = rows[r].stated;
        print_message("mean off by %.3f std, variance %.3f to %.3f of the posterior's\n", n.mean,
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
    assert_law_on_mixture(&sc_method_dps, "levels=100 start=30 sigma-end=0.1", 0.45, 0.25);
}

static void a_prior_without_derivative_is_refused(void **state)
{
    (void)state;
    sc_device *device;
    sc_problem problem;
    law prior;
    const double one = 1;
    OK(sc_device_create_cpu(&device, 1));
    problem_create(&problem, device, 1, 1, 0.3);
    isotropic(&prior, 0.5);
    sc_score *score = mixture_score(1, &one, &prior), without = *score;
    without.denoise_vjp = NULL;
    sc_options options = sc_options_default(sc_method_dps.options);
    sc_estimate estimate = {0};
    assert_int_equal(
        sc_method_dps.run(&estimate, &problem, &without, &options, (sc_key){1, 0, 0}, NULL),
        SC_ERR_UNSUPPORTED);
    print_message("%s\n", sc_message());
    assert_null(estimate.mean.data);
    sc_score_free(score);
    problem_free(&problem);
    sc_device_free(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_follow_the_recursion),
        cmocka_unit_test(is_worth_what_is_stated_for_a_gaussian),
        cmocka_unit_test(is_worth_what_is_stated_on_a_mixture),
        cmocka_unit_test(a_prior_without_derivative_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
