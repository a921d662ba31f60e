/* Langevin chains of a likelihood and a Gaussian belief: for Gaussian data the law is exact, at
 * once with the implicit metric; for others quantiles are those of quadrature up to a stated bias,
 * which falls with the length of the steps.
 */
#include "one_number.h"
#include "recon/langevin.h"

enum { COPIES = 10000 };

/* 10^4 chains of the measurement of sampler_test.h, from one centre. */
static void gaussian_chain(const char *what, sc_langevin_options options, double cov_bias)
{
    sc_device *device;
    sc_problem problem;
    sc_langevin *chain;
    law belief = {{0}, {0}}, post, found;
    float *x, *centre;
    const double r = 0.4;
    OK(sc_device_create_cpu(&device, 1));
    problem_create(&problem, device, COPIES, 1, 0.3);
    isotropic(&belief, r);
    posterior(&post, &belief, &problem);
    sc_data_term term = {
        .law = SC_DATA_GAUSSIAN, .A = problem.A, .y = problem.y, .sigma = problem.sigma};
    OK(SC_DEVICE_ALLOC(device, &x, COPIES * D));
    OK(SC_DEVICE_ALLOC(device, &centre, COPIES * D));
    for (int i = 0; i < COPIES * D; i++)
        x[i] = centre[i] = (float)belief.mean[i % D];
    OK(sc_langevin_create(&chain, &term, options.norm));
    OK(sc_langevin_run(chain, x, centre, r, &options, (sc_key){21, 0, 0}, 7));
    sample_law(&found, x, COPIES);
    assert_law(&found, &post, COPIES, 0, cov_bias, what);
    double residual;
    OK(sc_langevin_residual(chain, &residual, x));
    assert_true(residual > 0.3 && residual < 3);
    sc_langevin_free(chain);
    sc_device_release(device, x);
    sc_device_release(device, centre);
    problem_free(&problem);
    sc_device_free(device);
}

static void one_implicit_step_is_an_exact_draw(void **state)
{
    (void)state;
    gaussian_chain("one step", (sc_langevin_options){false, 1, 1, {20, 1e-6}}, 0);
}

/* Euler-Maruyama would be off by 1 / (1 - gamma / 2): 25 % with gamma = 0.4. */
static void shorter_steps_are_as_exact(void **state)
{
    (void)state;
    gaussian_chain("gamma 0.4", (sc_langevin_options){false, 20, 0.4, {20, 1e-6}}, 0);
    gaussian_chain("norm", (sc_langevin_options){true, 30, 1, {0, 0}}, 0);
}

/* log p(y | x) and N(x; centre, r^2) */
static void exact_law(line *exact, const one_number *o, double centre, double r)
{
    double x[GRID], density[GRID];
    for (int i = 0; i < GRID; i++)
        x[i] = line_centre(exact, i);
    one_log_likelihood(o, density, x, GRID);
    for (int i = 0; i < GRID; i++)
        density[i] -= pow(x[i] - centre, 2) / (2 * r * r);
    line_of(exact, density);
}

static double quantile_error(const char *what, sc_data_term term, double y, double centre, double r,
                             double low, double high, sc_langevin_options options, double bias)
{
    one_number o;
    sc_langevin *chain;
    line exact = {.low = low, .high = high};
    float *x, *c;
    static double samples[COPIES];
    char text[128];
    one_begin(&o, COPIES, 1, 1, 1, term, y);
    exact_law(&exact, &o, centre, r);
    OK(SC_DEVICE_ALLOC(o.device, &x, COPIES));
    OK(SC_DEVICE_ALLOC(o.device, &c, COPIES));
    for (int i = 0; i < COPIES; i++)
        x[i] = c[i] = (float)centre;
    OK(sc_langevin_create(&chain, &o.term, options.norm));
    OK(sc_langevin_run(chain, x, c, r, &options, (sc_key){22, 0, 0}, 0));
    for (int i = 0; i < COPIES; i++)
        samples[i] = x[i];
    snprintf(text, sizeof text, "%s, gamma %g%s", what, options.gamma,
             options.norm ? ", norm" : "");
    double error = assert_quantiles(samples, COPIES, &exact, bias, text);
    sc_langevin_free(chain);
    sc_device_release(o.device, x);
    sc_device_release(o.device, c);
    one_end(&o);
    return error;
}

/* The bias of a step of 1, as stated, and what a quarter of it leaves: nothing of the least
 * hundredth, except where a count of 3 meets a belief four times as wide as its own spread. */
static void chains_have_the_quantiles_of_quadrature(void **state)
{
    (void)state;
    const struct {
        const char *what;
        sc_data_term term;
        double y, centre, r, low, high, bias, fine;
    } rows[] = {
        {"no count", {.law = SC_DATA_POISSON, .scale = 1}, 0, 5, 4, -15, 25, 0.05, 0.01},
        {"3 counts", {.law = SC_DATA_POISSON, .scale = 1}, 3, 5, 4, -5, 25, 0.12, 0.03},
        {"100 counts",
         {.law = SC_DATA_POISSON, .scale = 10, .background = 3},
         100,
         8,
         2,
         0,
         20,
         0.01,
         0.01},
        {"ray of 0 counts",
         {.law = SC_DATA_TRANSMISSION, .scale = 100, .background = 1},
         0,
         2,
         0.5,
         0,
         8,
         0.01,
         0.01},
        {"ray of 10 counts",
         {.law = SC_DATA_TRANSMISSION, .scale = 1000},
         10,
         4,
         0.5,
         1,
         8,
         0.01,
         0.01},
        {"faint magnitude",
         {.law = SC_DATA_MAGNITUDE, .sigma = 0.3},
         0.5,
         0,
         0.5,
         -3,
         3,
         0.01,
         0.01},
        {"magnitude", {.law = SC_DATA_MAGNITUDE, .sigma = 0.1}, 1, 0.8, 0.5, -3, 3, 0.01, 0.01},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int divide = 1; divide <= 4; divide *= 4)
            quantile_error(rows[i].what, rows[i].term, rows[i].y, rows[i].centre, rows[i].r,
                           rows[i].low, rows[i].high,
                           (sc_langevin_options){false, 10 * divide, 1.0 / divide, {10, 1e-6}},
                           divide == 1 ? rows[i].bias : rows[i].fine);
    quantile_error("ray of 10 counts", rows[4].term, 10, 4, 0.5, 1, 8,
                   (sc_langevin_options){true, 30, 0.5, {0, 0}}, 0.01);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_implicit_step_is_an_exact_draw),
        cmocka_unit_test(shorter_steps_are_as_exact),
        cmocka_unit_test(chains_have_the_quantiles_of_quadrature),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
