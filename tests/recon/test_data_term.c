/* The likelihoods: gradients are those of the values, values those of the textbook, information
 * bounds or matches the curvature, what cannot be data is refused in one line.
 */
#include "one_number.h"

static const struct {
    const char *name;
    sc_data_term term;
    int parts;
    double y[2], exact[2]; /* from, to: where the law is exact for y */
} rows[] = {
    {"gaussian", {.law = SC_DATA_GAUSSIAN, .sigma = 0.3}, 2, {0.7, 0.2}, {-2, 2}},
    {"poisson", {.law = SC_DATA_POISSON, .scale = 20, .background = 3}, 1, {17}, {0.2, 4}},
    {"poisson, none", {.law = SC_DATA_POISSON, .scale = 20}, 1, {0}, {0.01, 4}},
    {"transmission",
     {.law = SC_DATA_TRANSMISSION, .scale = 1000, .background = 5},
     1,
     {60},
     {2.1, 9}},
    {"transmission, no background", {.law = SC_DATA_TRANSMISSION, .scale = 500}, 1, {3}, {3.2, 60}},
    {"magnitude", {.law = SC_DATA_MAGNITUDE, .sigma = 0.5}, 2, {0.8}, {-3, 3}},
    {"magnitude, bright", {.law = SC_DATA_MAGNITUDE, .sigma = 0.01}, 2, {0.8}, {-1, 1}},
};
enum { ROWS = sizeof rows / sizeof *rows };

static double value_at(sc_data_eval *eval, float *g, double x, double y)
{
    float a[2] = {(float)x, (float)y};
    double value;
    OK(sc_data_eval_at(eval, &value, g, a));
    return value;
}

/* Also beyond where the law is exact: the straight lines continue both. */
static void gradients_are_those_of_the_values(void **state)
{
    (void)state;
    for (int r = 0; r < ROWS; r++) {
        one_number o;
        sc_data_eval *eval;
        one_begin(&o, 1, rows[r].parts, 1, 1, rows[r].term, rows[r].y[0]);
        ((float *)o.term.y)[rows[r].term.law == SC_DATA_GAUSSIAN] =
            (float)rows[r].y[rows[r].term.law == SC_DATA_GAUSSIAN];
        OK(sc_data_eval_create(&eval, &o.term));
        for (double x = -1.03; x < 8; x += 0.31) {
            double im = 0.4 * x, h = 1.0 / 1024;
            float g[2], unused[2], *none = unused;
            double at = (float)x, at_im = (float)im;
            value_at(eval, g, at, at_im);
            for (int p = 0; p < rows[r].parts; p++) {
                double up = value_at(eval, none, at + (p == 0) * h, at_im + (p == 1) * h);
                double down = value_at(eval, none, at - (p == 0) * h, at_im - (p == 1) * h);
                double slope = (up - down) / ((double)(float)(at + h) - (double)(float)(at - h));
                if (p == 1)
                    slope = (up - down) / ((double)(float)(at_im + h) - (double)(float)(at_im - h));
                if (!(fabs(g[p] - slope) < 2e-3 * (1 + fabs(slope))))
                    fail_msg("%s at %g: gradient %g, by differences %g", rows[r].name, x, g[p],
                             slope);
            }
        }
        sc_data_eval_free(eval);
        one_end(&o);
    }
}

/* I0 by its integral, (1 / pi) int exp(z cos t) dt: the trapezoidal rule converges geometrically.
 */
static double bessel(int order, double z)
{
    enum { NODES = 400 };
    double sum = 0;
    for (int i = 0; i < NODES; i++) {
        double t = M_PI * (i + 0.5) / NODES;
        sum += exp(z * (cos(t) - 1)) * cos(order * t);
    }
    return sum / NODES;
}

static void bessel_functions_are_those_of_their_integrals(void **state)
{
    (void)state;
    for (double z = 0; z < 300; z = z * 1.07 + 0.01) {
        assert_true(fabs(sc_log_bessel_i0e(z) - log(bessel(0, z))) < 1e-11);
        assert_true(fabs(sc_bessel_ratio(z) - bessel(1, z) / bessel(0, z)) < 1e-11);
    }
    assert_true(fabs(sc_bessel_ratio(1e8) - 1) < 1e-7);
    assert_true(isfinite(sc_log_bessel_i0e(1e30)));
}

/* log p up to a constant of y */
static double textbook(int r, double x)
{
    const sc_data_term *t = &rows[r].term;
    double y = rows[r].y[0], v = t->sigma * t->sigma, mean;
    switch (t->law) {
    case SC_DATA_GAUSSIAN:
        return -(pow(x - y, 2) + pow(rows[r].y[1], 2)) / (2 * v);
    case SC_DATA_MAGNITUDE:
        x = fabs(x);
        return -(y * y + x * x) / (2 * v) + log(bessel(0, x * y / v)) + x * y / v;
    default:
        mean = t->background + t->scale * (t->law == SC_DATA_POISSON ? x : exp(-x));
        return (y > 0 ? y * log(mean) : 0) - mean;
    }
}

static void values_are_those_of_the_textbook(void **state)
{
    (void)state;
    for (int r = 0; r < ROWS; r++) {
        one_number o;
        sc_data_eval *eval;
        one_begin(&o, 1, rows[r].parts, 1, 1, rows[r].term, rows[r].y[0]);
        if (rows[r].term.law == SC_DATA_GAUSSIAN)
            ((float *)o.term.y)[1] = (float)rows[r].y[1];
        OK(sc_data_eval_create(&eval, &o.term));
        for (int i = 0; i <= 20; i++) {
            double x = (float)(rows[r].exact[0] + i / 20.0 * (rows[r].exact[1] - rows[r].exact[0]));
            double found = value_at(eval, NULL, x, 0), expected = textbook(r, x);
            if (!(fabs(found - expected) < 1e-4 * (1 + fabs(expected))))
                fail_msg("%s at %g: %.7g, expected %.7g", rows[r].name, x, found, expected);
        }
        sc_data_eval_free(eval);
        one_end(&o);
    }
}

/* A chain's metric: where the data put the image, the information is about the curvature, or above.
 * (A count of 0 puts it on the edge of a straight line.) */
static void information_is_about_the_curvature(void **state)
{
    (void)state;
    for (int r = 0; r < ROWS; r++) {
        if (rows[r].y[0] == 0)
            continue;
        one_number o;
        sc_data_eval *eval;
        float a[2] = {0}, root[2], up[2], down[2];
        one_begin(&o, 1, rows[r].parts, 1, 1, rows[r].term, rows[r].y[0]);
        OK(sc_data_eval_create(&eval, &o.term));
        OK(sc_data_eval_best(eval, a));
        OK(sc_data_eval_root(eval, root, a));
        double h = 1e-3;
        value_at(eval, up, a[0] + h, 0);
        value_at(eval, down, a[0] - h, 0);
        double curvature = (down[0] - up[0]) / (2 * h), information = root[0] * root[0];
        print_message("%s: information %.4g, curvature %.4g\n", rows[r].name, information,
                      curvature);
        assert_true(curvature < 1.6 * information);
        if (rows[r].y[0] > 10)
            assert_true(curvature > 0.6 * information);
        sc_data_eval_free(eval);
        one_end(&o);
    }
}

/* The residual is 0 at the best image, and 1 on average for data of the law itself: counts and
 * magnitudes drawn here by inversion of their sums and from complex noise. */
static void residual_is_one_for_data_of_the_law(void **state)
{
    (void)state;
    enum { N = 20000 };
    const sc_data_law laws[] = {SC_DATA_POISSON, SC_DATA_TRANSMISSION, SC_DATA_MAGNITUDE};
    float *z, *u, *a;
    OK(SC_ALLOC(&z, 2 * N, "noise"));
    OK(SC_ALLOC(&u, N, "noise"));
    OK(SC_ALLOC(&a, N, "image"));
    sc_random_normal(z, 2 * N, (sc_key){3, 0, 0}, SC_DRAW_TEST, 0);
    sc_random_uniform(u, N, (sc_key){3, 0, 0}, SC_DRAW_TEST, 1);
    for (int l = 0; l < 3; l++) {
        one_number o;
        sc_data_eval *eval;
        const double mean = 40;
        sc_data_term term = {.law = laws[l], .scale = 400, .background = 10, .sigma = 0.1};
        one_begin(&o, N, 1, 1, 1, term, 0);
        double image = l == 0 ? 30 / 400.0 : l == 1 ? log(400 / 30.0) : 1;
        for (int i = 0; i < N; i++) {
            int count = 0;
            double p = exp(-mean), sum = p;
            while (sum < u[i] && count < 200)
                sum += p *= mean / ++count;
            ((float *)o.term.y)[i] =
                l < 2 ? (float)count : hypotf(1 + 0.1f * z[2 * i], 0.1f * z[2 * i + 1]);
            a[i] = (float)image;
        }
        double residual;
        OK(sc_data_eval_create(&eval, &o.term));
        OK(sc_data_eval_residual(eval, &residual, a));
        print_message("residual %.4f\n", residual);
        assert_true(fabs(residual - 1) < 0.05);
        OK(sc_data_eval_best(eval, a));
        OK(sc_data_eval_residual(eval, &residual, a));
        assert_true(fabs(residual) < 1e-5);
        sc_data_eval_free(eval);
        one_end(&o);
    }
    sc_free(z);
    sc_free(u);
    sc_free(a);
}

static void dead_detectors_say_nothing(void **state)
{
    (void)state;
    const float scales[2] = {100, 0}, backgrounds[2] = {1, 1};
    for (int l = SC_DATA_POISSON; l <= SC_DATA_TRANSMISSION; l++) {
        one_number o;
        sc_data_eval *eval;
        float a[2] = {0.5f, 0.5f}, g[2], root[2];
        double value;
        sc_data_term term = {.law = (sc_data_law)l, .scales = scales, .backgrounds = backgrounds};
        one_begin(&o, 2, 1, 1, 1, term, 7);
        OK(sc_data_eval_create(&eval, &o.term));
        OK(sc_data_eval_at(eval, &value, g, a));
        OK(sc_data_eval_root(eval, root, a));
        assert_true(g[0] != 0 && g[1] == 0);
        assert_true(root[0] > 0 && root[1] == 0);
        assert_true(isfinite(value));
        OK(sc_data_eval_best(eval, a));
        assert_true(isfinite(a[0]) && a[1] == 0);
        sc_data_eval_free(eval);
        one_end(&o);
    }
}

static void what_cannot_be_data_is_refused(void **state)
{
    (void)state;
    const struct {
        sc_data_term term;
        int parts;
        double y;
        const char *word;
    } bad[] = {
        {{.law = SC_DATA_POISSON, .scale = 1}, 1, -1, "poisson data: datum 0"},
        {{.law = SC_DATA_TRANSMISSION, .scale = 1}, 1, NAN, "transmission data: datum 0"},
        {{.law = SC_DATA_POISSON, .scale = -1}, 1, 1, "scale"},
        {{.law = SC_DATA_POISSON, .scale = 1}, 2, 1, "real operator"},
        {{.law = SC_DATA_MAGNITUDE, .sigma = 0}, 2, 1, "sigma"},
        {{.law = SC_DATA_MAGNITUDE, .sigma = 1}, 2, INFINITY, "magnitude data: datum 0"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        one_number o;
        sc_data_eval *eval;
        one_begin(&o, 1, bad[i].parts, 1, 1, bad[i].term, bad[i].y);
        assert_int_equal(sc_data_eval_create(&eval, &o.term), SC_ERR_INPUT);
        assert_null(eval);
        print_message("%s\n", sc_message());
        assert_non_null(strstr(sc_message(), bad[i].word));
        one_end(&o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_those_of_the_values),
        cmocka_unit_test(bessel_functions_are_those_of_their_integrals),
        cmocka_unit_test(values_are_those_of_the_textbook),
        cmocka_unit_test(information_is_about_the_curvature),
        cmocka_unit_test(residual_is_one_for_data_of_the_law),
        cmocka_unit_test(dead_detectors_say_nothing),
        cmocka_unit_test(what_cannot_be_data_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
