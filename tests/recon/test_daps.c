/* daps claims posterior samples: for Gaussian data and prior against the exact law of its levels,
 * whose bias vanishes with their number; on a mixture against the posterior with a stated bias; for
 * counts and magnitudes against posteriors by quadrature. A sample is the same alone, in any batch
 * and with any number of threads.
 */
#include "one_number.h"
#include "recon/daps.h"

enum { COPIES = 10000 };

/* Where the flow ends by `ode` Euler steps from sigma: x -> G x + shift. */
static void flow_end(double *g, double *shift, const law *prior, double sigma, int ode,
                     double least)
{
    identity(g, 1);
    memset(shift, 0, D * sizeof *shift);
    double last = fmin(sigma, least), from = sigma;
    for (int j = 0; j < ode; j++) {
        double share = (j + 1) / (ode - 1.0), power = 1 / 7.0, step[D * D], add[D];
        double to =
            j == ode - 1
                ? 0
                : pow(pow(sigma, power) + share * (pow(last, power) - pow(sigma, power)), 7);
        gaussian_denoiser(step, add, prior, from);
        double keep = to / from, one[D * D];
        identity(one, keep);
        mix(step, 1 - keep, step, 1, one, D * D);
        times(g, step, g);
        apply(shift, step, shift);
        mix(shift, 1, shift, 1 - keep, add, D);
        from = to;
    }
}

enum { SPREAD = 1 };

/* square of r */
static double width2(double sigma) { return 1 / (1 / (sigma * sigma) + 1.0 / (SPREAD * SPREAD)); }

/* The law of the samples for a Gaussian prior with spread=1, by dense matrices; least: noise of the
 * prior's. */
static void levels_law(law *x, const law *prior, int levels, double first, double last, int ode,
                       double least, const sc_problem *problem)
{
    double one[D * D], precision[D * D], pull[D];
    law wide = {{0}, {0}};
    identity(wide.cov, width2(first));
    posterior(x, &wide, problem);
    identity(one, first * first);
    mix(x->cov, 1, x->cov, 1, one, D * D);
    for (int k = 0; k < levels; k++) {
        double sigma = level_sigma(k, levels, first, last), v = width2(sigma);
        double next = level_sigma(k + 1, levels, first, last), g[D * D], shift[D], noise[D * D];
        flow_end(g, shift, prior, sigma, ode, least);
        information(precision, pull, problem);
        identity(one, 1 / v);
        mix(precision, 1, precision, 1, one, D * D);
        invert(precision, precision);
        times(g, precision, g);
        mix(g, 1 / v, g, 0, g, D * D);
        mix(shift, 1 / v, shift, 1, pull, D);
        apply(shift, precision, shift);
        identity(noise, next * next);
        mix(noise, 1, noise, 1, precision, D * D);
        step_law(x, g, shift, noise);
    }
}

static void samples_have_their_exact_law_for_a_gaussian(void **state)
{
    (void)state;
    sc_device *device;
    sc_problem problem;
    law prior, expected, found;
    const double one = 1;
    const struct {
        const char *text;
        int ode;
    } rows[] = {
        {"levels=20 sigma-max=2 sigma-min=0.05 spread=1", 1},
        {"levels=20 sigma-max=2 sigma-min=0.05 spread=1 ode=4", 4},
    };
    OK(sc_device_create_cpu(&device, 1));
    problem_create(&problem, device, COPIES, 1, 0.3);
    correlated(&prior, 1, 0);
    sc_score *score = mixture_score(1, &one, &prior);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        levels_law(&expected, &prior, 20, 2, 0.05, rows[i].ode, sc_sde_noise_min(&score->sde),
                   &problem);
        run_method(&found, &sc_method_daps, &problem, score, rows[i].text);
        assert_law(&found, &expected, COPIES, 0, 0, rows[i].text);
    }
    sc_score_free(score);
    problem_free(&problem);
    sc_device_free(device);
}

/* With the mean (ode=1) the bias falls with the number of levels, that of the variances in
 * proportion to 1 / levels; with the end of the flow the law is that of the square root of the
 * prior, however many levels there are. */
static void bias_vanishes_with_the_levels(void **state)
{
    (void)state;
    sc_device *device;
    sc_problem problem;
    law prior, post, x, half;
    nearness n, last = {INFINITY, 0, INFINITY};
    OK(sc_device_create_cpu(&device, 1));
    problem_create(&problem, device, 1, 1, 0.3);
    correlated(&prior, 1, 0);
    posterior(&post, &prior, &problem);
    for (int refine = 1; refine <= 16; refine *= 4) {
        levels_law(&x, &prior, 50 * refine, 2, 0.02 / refine, 1, 0.01, &problem);
        n = near_posterior(&x, &post);
        print_message("%d levels: mean off by %.4f std, variance %.4f to %.4f\n", 50 * refine,
                      n.mean, n.least, n.most);
        assert_true(n.least > 1 && n.most - 1 < (last.most - 1) * 0.4 && n.mean < last.mean * 0.5);
        last = n;
    }
    levels_law(&x, &prior, 800, 2, 0.02 / 16, 20, 0.01 / 16, &problem);
    n = near_posterior(&x, &post);
    half = prior;
    mix(half.cov, 2, prior.cov, 0, prior.cov, D * D);
    posterior(&half, &half, &problem);
    last = near_posterior(&x, &half);
    print_message("flow: mean off by %.4f std, variance %.4f to %.4f; from the square root of the "
                  "prior: %.4f, %.4f to %.4f\n",
                  n.mean, n.least, n.most, last.mean, last.least, last.most);
    assert_true(n.least > 1.2 && n.mean > 0.3);
    assert_true(last.mean < 0.05 && last.least > 0.93 && last.most < 1);
    problem_free(&problem);
    sc_device_free(device);
}

/* Stated bias: 0.15 standard deviations of the mean and 15 % of the covariance at 100 levels. */
static void samples_have_the_posterior_law_of_a_mixture(void **state)
{
    (void)state;
    assert_law_on_mixture(&sc_method_daps, "levels=100 sigma-max=2 sigma-min=0.02 spread=1", 0.15,
                          0.15);
}

/* ---- counts and magnitudes ---- */

/* Of one number: 0.4 N(m0, s0^2) + 0.6 N(m1, s1^2) per component. */
typedef struct {
    double mean[2], std[2];
} pair;

static double pair_log(const pair *p, const double *x, int parts)
{
    double sum = 0;
    for (int k = 0; k < 2; k++) {
        double square = pow(x[0] - p->mean[k], 2) + (parts == 2 ? x[1] * x[1] : 0);
        double v = p->std[k] * p->std[k];
        sum += (k ? 0.6 : 0.4) * exp(-square / (2 * v)) / pow(p->std[k], parts);
    }
    return log(sum + 1e-300);
}

static sc_score *pair_score(const pair *p, int parts)
{
    const double weight[2] = {0.4, 0.6};
    double mean[4] = {0}, cov[8] = {0};
    for (int k = 0; k < 2; k++) {
        mean[k * parts] = p->mean[k];
        for (int i = 0; i < parts; i++)
            cov[k * parts * parts + i * (parts + 1)] = p->std[k] * p->std[k];
    }
    sc_score *score = NULL;
    OK(sc_score_mixture(&score, parts, 2, parts, weight, mean, cov));
    return score;
}

static sc_estimate sample(const one_number *o, const sc_score *score, const char *text)
{
    sc_options options;
    sc_estimate estimate = {0};
    set_options(&options, sc_method_daps.options, text);
    OK(sc_daps_sample(&estimate, &o->term, score, &options, (sc_key){31, 2, 0}, NULL));
    return estimate;
}

static const struct {
    const char *what;
    sc_data_term term;
    double y;
    pair prior;
    double low, high, bias, fine;
} counts[] = {
    {"emission, 4 counts",
     {.law = SC_DATA_POISSON, .scale = 10, .background = 1},
     4,
     {{0.5, 1.2}, {0.2, 0.3}},
     -1.5,
     4,
     0.03,
     0.01},
    {"emission, 60 counts",
     {.law = SC_DATA_POISSON, .scale = 50, .background = 5},
     60,
     {{0.5, 1.2}, {0.2, 0.3}},
     -1.5,
     4,
     0.03,
     0.01},
    {"transmission, 2 counts",
     {.law = SC_DATA_TRANSMISSION, .scale = 100, .background = 0.5},
     2,
     {{2.5, 4}, {0.5, 0.5}},
     0,
     8,
     0.04,
     0.02},
    {"transmission, 300 counts",
     {.law = SC_DATA_TRANSMISSION, .scale = 10000},
     300,
     {{2.5, 4}, {0.5, 0.5}},
     0,
     8,
     0.03,
     0.01},
    {"magnitude, faint",
     {.law = SC_DATA_MAGNITUDE, .sigma = 0.4},
     0.5,
     {{-0.5, 0.6}, {0.3, 0.3}},
     -3,
     3,
     0.03,
     0.01},
    {"magnitude, bright",
     {.law = SC_DATA_MAGNITUDE, .sigma = 0.1},
     0.8,
     {{-0.2, 0.6}, {0.5, 0.4}},
     -3,
     3,
     0.06,
     0.05},
};

/* Stated bias of 50 levels and of 200: of no weight beside the samples' own errors, except where
 * two images of opposite sign explain a magnitude: how often each is chosen is settled at high
 * noise levels, where x_0 given x is far from Gaussian. */
static void counts_and_magnitudes_have_the_quantiles_of_quadrature(void **state)
{
    (void)state;
    for (size_t r = 0; r < sizeof counts / sizeof *counts; r++)
        for (int refine = 1; refine <= 4; refine *= 4) {
            one_number o;
            line exact = {.low = counts[r].low, .high = counts[r].high};
            static double x[GRID], density[GRID], samples[COPIES];
            char text[96], what[128];
            one_begin(&o, COPIES, 1, 1, 1, counts[r].term, counts[r].y);
            for (int i = 0; i < GRID; i++)
                x[i] = line_centre(&exact, i);
            one_log_likelihood(&o, density, x, GRID);
            for (int i = 0; i < GRID; i++)
                density[i] += pair_log(&counts[r].prior, &x[i], 1);
            line_of(&exact, density);
            sc_score *score = pair_score(&counts[r].prior, 1);
            snprintf(text, sizeof text, "levels=%d sigma-max=4 sigma-min=%g", 50 * refine,
                     0.02 / refine);
            sc_estimate e = sample(&o, score, text);
            for (int i = 0; i < COPIES; i++)
                samples[i] = crealf(((sc_c32 *)e.mean.data)[i]);
            snprintf(what, sizeof what, "%s, %s", counts[r].what, text);
            assert_quantiles(samples, COPIES, &exact, refine == 1 ? counts[r].bias : counts[r].fine,
                             what);
            sc_estimate_free(&e);
            sc_score_free(score);
            one_end(&o);
        }
}

/* A complex number of which only the magnitude is measured: the law of its real part, the sum over
 * the other. */
static void magnitudes_of_complex_numbers_have_the_quantiles_of_quadrature(void **state)
{
    (void)state;
    enum { ACROSS = 160 };
    const pair prior = {{-0.3, 0.5}, {0.5, 0.3}};
    const double y = 0.8, end = 2;
    one_number o;
    line exact = {.low = -end, .high = end};
    static double density[GRID], samples[COPIES];
    one_begin(&o, COPIES, 2, 1, 1, (sc_data_term){.law = SC_DATA_MAGNITUDE, .sigma = 0.2}, y);
    for (int i = 0; i < GRID; i++) {
        double x[2 * ACROSS], value[ACROSS], sum = 0;
        for (int j = 0; j < ACROSS; j++) {
            x[2 * j] = line_centre(&exact, i);
            x[2 * j + 1] = end * (2 * (j + 0.5) / ACROSS - 1);
        }
        one_log_likelihood(&o, value, x, ACROSS);
        for (int j = 0; j < ACROSS; j++)
            sum += exp(value[j] + pair_log(&prior, x + 2 * j, 2));
        density[i] = log(sum + 1e-300);
    }
    line_of(&exact, density);
    sc_score *score = pair_score(&prior, 2);
    sc_estimate e = sample(&o, score, "levels=100 sigma-max=2 sigma-min=0.02 spread=1");
    for (int i = 0; i < COPIES; i++)
        samples[i] = crealf(((sc_c32 *)e.mean.data)[i]);
    assert_quantiles(samples, COPIES, &exact, 0.05, "complex magnitude");
    sc_estimate_free(&e);
    sc_score_free(score);
    one_end(&o);
}

/* The keys, the batch and the threads, for data that are evaluated on the host. */
static void a_sample_of_counts_is_the_same_alone_in_a_batch_and_with_two_threads(void **state)
{
    (void)state;
    const pair prior = {{2.5, 4}, {0.5, 0.5}};
    const sc_data_term term = {.law = SC_DATA_TRANSMISSION, .scale = 100, .background = 0.5};
    sc_score *score = pair_score(&prior, 1);
    sc_estimate e[3];
    const struct {
        const char *text;
        int threads;
        uint32_t sample;
    } rows[3] = {{"levels=8 sigma-max=4 sigma-min=0.02 samples=5", 1, 0},
                 {"levels=8 sigma-max=4 sigma-min=0.02 samples=5 batch=2", 2, 0},
                 {"levels=8 sigma-max=4 sigma-min=0.02", 1, 3}};
    for (int i = 0; i < 3; i++) {
        one_number o;
        sc_options options;
        one_begin(&o, 50, 1, rows[i].threads, 1, term, 2);
        set_options(&options, sc_method_daps.options, rows[i].text);
        e[i] = (sc_estimate){0};
        OK(sc_daps_sample(&e[i], &o.term, score, &options, (sc_key){5, 6, rows[i].sample}, NULL));
        one_end(&o);
    }
    size_t bytes = sc_array_bytes(&e[0].samples);
    assert_memory_equal(e[0].samples.data, e[1].samples.data, bytes);
    assert_memory_equal((const char *)e[0].samples.data + 3 * (bytes / 5), e[2].mean.data,
                        bytes / 5);
    print_message("residual %g, %g\n", e[0].residual, e[1].residual);
    assert_true(e[0].residual == e[1].residual && e[0].residual > 0 && e[0].residual < 3);
    for (int i = 0; i < 3; i++)
        sc_estimate_free(&e[i]);
    sc_score_free(score);
}

static bool cancelled(void *self) { return ++*(int *)self > 2; }

static void what_cannot_work_is_refused(void **state)
{
    (void)state;
    const pair prior = {{2.5, 4}, {0.5, 0.5}};
    sc_score *score = pair_score(&prior, 1);
    sc_estimate e = {0};
    sc_options options;
    one_number o;
    int asked = 0;
    sc_progress progress = {.self = &asked, .cancelled = cancelled};
    one_begin(&o, 2, 1, 1, 1, (sc_data_term){.law = SC_DATA_POISSON, .scale = 1}, 3);
    set_options(&options, sc_method_daps.options, "levels=5000 steps=1000");
    assert_int_equal(sc_daps_sample(&e, &o.term, score, &options, (sc_key){1, 0, 0}, NULL),
                     SC_ERR_USAGE);
    print_message("%s\n", sc_message());
    set_options(&options, sc_method_daps.options, "levels=5");
    assert_int_equal(sc_daps_sample(&e, &o.term, score, &options, (sc_key){1, 0, 0}, &progress),
                     SC_ERR_CANCELLED);
    ((float *)o.term.y)[1] = -3;
    assert_int_equal(sc_daps_sample(&e, &o.term, score, &options, (sc_key){1, 0, 0}, NULL),
                     SC_ERR_INPUT);
    assert_non_null(strstr(sc_message(), "datum 1"));
    assert_null(e.mean.data);
    one_end(&o);
    sc_score_free(score);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_have_their_exact_law_for_a_gaussian),
        cmocka_unit_test(bias_vanishes_with_the_levels),
        cmocka_unit_test(samples_have_the_posterior_law_of_a_mixture),
        cmocka_unit_test(counts_and_magnitudes_have_the_quantiles_of_quadrature),
        cmocka_unit_test(magnitudes_of_complex_numbers_have_the_quantiles_of_quadrature),
        cmocka_unit_test(a_sample_of_counts_is_the_same_alone_in_a_batch_and_with_two_threads),
        cmocka_unit_test(what_cannot_work_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
