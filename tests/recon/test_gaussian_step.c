/* The implicit Gaussian step against dense algebra: its mean, the law of its draws, and the law
 * of one preconditioned Langevin step.
 */
#include "sampler_test.h"

#include "recon/gaussian_step.h"

enum { COPIES = 10000 };
static const sc_solve exactly = {60, 1e-7};

typedef struct {
    sc_device *device;
    sc_problem problem;
    sc_gaussian_step *step;
    float *x, *centre; /* (COPIES, D) */
    law belief;        /* N(centre, r^2) */
} fixture;

static const double r = 0.6;

static void begin(fixture *f, int copies)
{
    OK(sc_device_create_cpu(&f->device, 1));
    problem_create(&f->problem, f->device, copies, 1, 0.2);
    OK(sc_gaussian_step_create(&f->step, &f->problem));
    OK(SC_DEVICE_ALLOC(f->device, &f->x, copies * D));
    OK(SC_DEVICE_ALLOC(f->device, &f->centre, copies * D));
    isotropic(&f->belief, r);
    for (int i = 0; i < copies * D; i++)
        f->centre[i] = (float)f->belief.mean[i % D];
}

static void end(fixture *f)
{
    sc_device_release(f->device, f->x);
    sc_device_release(f->device, f->centre);
    sc_gaussian_step_free(f->step);
    problem_free(&f->problem);
    sc_device_free(f->device);
}

static void mean_is_the_dense_solution(void **state)
{
    (void)state;
    fixture f;
    begin(&f, 1);
    law post;
    posterior(&post, &f.belief, &f.problem);
    OK(sc_gaussian_step_mean(f.step, f.x, f.centre, r, exactly));
    for (int i = 0; i < D; i++)
        assert_true(fabs(f.x[i] - post.mean[i]) < 1e-5);
    /* centre may be x */
    memcpy(f.x, f.centre, D * sizeof(float));
    OK(sc_gaussian_step_mean(f.step, f.x, f.x, r, exactly));
    for (int i = 0; i < D; i++)
        assert_true(fabs(f.x[i] - post.mean[i]) < 1e-5);
    end(&f);
}

static void no_centre_is_a_centre_of_zero(void **state)
{
    (void)state;
    fixture f;
    begin(&f, 1);
    memset(f.centre, 0, D * sizeof(float));
    OK(sc_gaussian_step_mean(f.step, f.x, f.centre, r, exactly));
    float x[D] = {0};
    OK(sc_gaussian_step_mean(f.step, x, NULL, r, exactly));
    for (int i = 0; i < D; i++)
        assert_true(fabsf(f.x[i] - x[i]) < 1e-6f);
    end(&f);
}

static void draws_have_the_posterior_law(void **state)
{
    (void)state;
    fixture f;
    begin(&f, COPIES);
    law post, found;
    posterior(&post, &f.belief, &f.problem);
    OK(sc_gaussian_step_draw(f.step, f.x, f.centre, r, (sc_key){5, 0, 0}, 3, exactly));
    sample_law(&found, f.x, COPIES);
    assert_law(&found, &post, COPIES, 0, 0, "draw");
    end(&f);
}

/* sqrt(tr C / n); with 80000 components the noise of one draw is below 1 %. */
static void spread_is_the_root_of_the_mean_variance(void **state)
{
    (void)state;
    fixture f;
    begin(&f, COPIES);
    law post;
    double trace = 0, std = 0;
    posterior(&post, &f.belief, &f.problem);
    for (int i = 0; i < D; i++)
        trace += post.cov[i * (D + 1)];
    OK(sc_gaussian_step_spread(f.step, &std, r, (sc_key){5, 0, 0}, exactly));
    assert_true(fabs(std - sqrt(trace / D)) < 0.01 * std);
    end(&f);
}

/* From a fixed x: mean x + gamma M g, covariance 2 gamma M. */
static void langevin_step_has_the_stated_law(void **state)
{
    (void)state;
    fixture f;
    begin(&f, COPIES);
    const double sigma = 0.5, gamma = 0.4;
    double precision[D * D], pull[D], matrix[D * D], gradient[D], x[D];
    law expected, found;
    information(precision, pull, &f.problem);
    for (int i = 0; i < COPIES * D; i++)
        f.x[i] = (float)cos(i % D);
    for (int i = 0; i < D; i++)
        x[i] = f.x[i];
    apply(gradient, precision, x);
    for (int i = 0; i < D; i++)
        gradient[i] = pull[i] - gradient[i] + (f.centre[i] - x[i]) / (sigma * sigma);
    identity(matrix, 1 / (sigma * sigma));
    mix(precision, 1, precision, 1, matrix, D * D);
    invert(matrix, precision);
    apply(expected.mean, matrix, gradient);
    mix(expected.mean, 1, x, gamma, expected.mean, D);
    mix(expected.cov, 2 * gamma, matrix, 0, matrix, D * D);
    OK(sc_gaussian_step_langevin(f.step, f.x, f.centre, sigma, gamma, (sc_key){6, 0, 0}, 1,
                                 exactly));
    sample_law(&found, f.x, COPIES);
    assert_law(&found, &expected, COPIES, 0, 0, "langevin");
    end(&f);
}

/* The dense answer by another way: sum of squares over the measured samples of the data. */
static void residual_is_relative_to_the_noise(void **state)
{
    (void)state;
    fixture f;
    begin(&f, 1);
    const double *a = ((const copies_op *)f.problem.A)->matrix;
    double square = 0;
    for (int i = 0; i < M; i++) {
        double e = ((const float *)f.problem.y)[i];
        for (int j = 0; j < D; j++)
            e -= a[i * D + j] * f.centre[j];
        square += e * e;
    }
    double found = sc_gaussian_step_residual(f.step, f.centre);
    assert_true(fabs(found - square / (2 * 4 * 0.04)) < 1e-4 * found);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mean_is_the_dense_solution),
        cmocka_unit_test(no_centre_is_a_centre_of_zero),
        cmocka_unit_test(draws_have_the_posterior_law),
        cmocka_unit_test(spread_is_the_root_of_the_mean_variance),
        cmocka_unit_test(langevin_step_has_the_stated_law),
        cmocka_unit_test(residual_is_relative_to_the_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
