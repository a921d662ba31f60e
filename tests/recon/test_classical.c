/* The classical methods on small problems: what each promises, the same bytes for any number of
 * threads, any scale of the data, cancelling, and the table. */
#include "recon/bart_scale.h"
#include "small_problem.h"

static const char *const names[] = {"zero-filled", "cg-sense", "l1-wavelet", "tv"};
enum { METHODS = sizeof names / sizeof names[0] };

static sc_options options_of(const char *name)
{
    const sc_method *method;
    small_ok(sc_method_find(&method, name));
    return sc_options_default(method->options);
}

static sc_estimate run_with(const small_problem *s, const char *name, const sc_options *options)
{
    const sc_method *method;
    sc_estimate estimate = {0};
    small_ok(sc_method_find(&method, name));
    small_ok(method->run(&estimate, &s->problem, NULL, options, small_key(9), NULL));
    assert_int_equal(estimate.mean.rank, 3);
    assert_int_equal(sc_array_count(&estimate.mean), s->n);
    assert_true(estimate.operator_applications > 0);
    assert_int_equal(estimate.score_evaluations, 0);
    assert_null(estimate.samples.data);
    return estimate;
}

static sc_estimate run_default(const small_problem *s, const char *name)
{
    sc_options options = options_of(name);
    return run_with(s, name, &options);
}

static double error(const sc_estimate *e, const small_problem *s)
{
    return small_distance(e->mean.data, s->truth, s->n) / small_norm(s->truth, s->n);
}

static void each_method_beats_the_one_it_replaces(void **state)
{
    for (int sets = 1; sets <= 2; sets++) {
        small_problem s = small_begin(1, sets, 6, 45, 38, 3, 0.01);
        double e[METHODS];
        for (int i = 0; i < METHODS; i++) {
            sc_estimate estimate = run_default(&s, names[i]);
            e[i] = error(&estimate, &s);
            sc_array_free(&estimate.mean);
        }
        print_message("%d set(s): error %.4f %.4f %.4f %.4f\n", sets, e[0], e[1], e[2], e[3]);
        assert_true(e[1] < 0.9 * e[0]);
        assert_true(e[2] < e[1] && e[3] < e[1]);
        small_end(&s);
    }
    (void)state;
}

static void zero_filled_is_the_adjoint(void **state)
{
    small_problem s = small_begin(1, 2, 3, 15, 16, 2, 0.01);
    sc_estimate estimate = run_default(&s, "zero-filled");
    sc_c32 *x = NULL;
    void *work;
    small_ok(SC_ALLOC(&x, s.n, "image"));
    small_ok(sc_op_work_create(s.problem.A, &work));
    sc_op_adjoint(s.problem.A, x, s.problem.y, work);
    assert_memory_equal(x, estimate.mean.data, (size_t)s.n * sizeof *x);
    sc_free(x);
    sc_device_release(s.device, work);
    sc_array_free(&estimate.mean);
    small_end(&s);
    (void)state;
}

static void cg_sense_explains_the_data_as_well_as_the_noise_allows(void **state)
{
    small_problem s = small_begin(1, 1, 6, 45, 38, 2, 0.02);
    sc_options options = options_of("cg-sense");
    small_ok(sc_options_set(&options, "rule", "discrepancy"));
    sc_estimate estimate = run_with(&s, "cg-sense", &options);
    assert_true(estimate.residual <= 1.001 && estimate.residual > 0.5);
    sc_array_free(&estimate.mean);
    small_end(&s);
    (void)state;
}

/* Data drawn as the rule supposes, white in k-space with tau^2 shared by the coils: the weight it
 * finds is sigma^2 / tau^2. */
static void cg_sense_weighs_noise_against_what_the_centre_lacks(void **state)
{
    small_problem s = small_begin(1, 1, 4, 64, 60, 2, 0.1);
    const double tau = 0.5, sigma = s.problem.sigma;
    float *y = s.problem.y, *z = NULL;
    sc_options options = options_of("cg-sense");
    char value[32];
    small_ok(SC_ALLOC(&z, 2 * s.m, "noise"));
    sc_random_normal(z, 2 * s.m, small_key(5), SC_DRAW_TEST, 0);
    for (int64_t i = 0; i < 2 * s.m; i++) /* 0 stays 0: not measured */
        y[i] = y[i] != 0 ? (float)sqrt(tau * tau / 4 + sigma * sigma) * z[i] : 0;
    sc_estimate found = run_with(&s, "cg-sense", &options);
    snprintf(value, sizeof value, "%.9g", sigma * sigma / (tau * tau));
    small_ok(sc_options_set(&options, "lambda", value));
    sc_estimate given = run_with(&s, "cg-sense", &options);
    double size = small_norm(given.mean.data, s.n);
    assert_true(small_distance(found.mean.data, given.mean.data, s.n) < 0.01 * size);
    sc_free(z);
    sc_array_free(&found.mean);
    sc_array_free(&given.mean);
    small_end(&s);
    (void)state;
}

/* Everything measured by coils of unit root sum of squares: A^H A = I, and the minimum is
 * W^H soft(W A^H y, lambda) for an orthogonal W (32 x 48 needs no padding). */
static void l1_wavelet_has_its_closed_form_when_all_is_measured(void **state)
{
    small_problem s = small_begin(1, 1, 4, 32, 48, 1, 0.05);
    sc_options options = options_of("l1-wavelet");
    sc_op *W;
    void *work;
    sc_c32 *x = NULL;
    small_ok(sc_options_set(&options, "shift", "no"));
    small_ok(sc_options_set(&options, "end", "sparse"));
    small_ok(sc_options_set(&options, "lambda-sigma", "1.5"));
    small_ok(sc_options_set(&options, "iterations", "60"));
    sc_estimate estimate = run_with(&s, "l1-wavelet", &options);
    sc_estimate adjoint = run_default(&s, "zero-filled");
    small_ok(sc_op_wavelet(&W, s.device, &s.problem.A->domain, 2, "db2"));
    small_ok(sc_op_work_create(W, &work));
    small_ok(SC_ALLOC(&x, s.n, "image"));
    sc_op_wavelet_shrink(W, x, adjoint.mean.data, (float)(1.5 * s.problem.sigma),
                         (int64_t[3]){0, 0, 0}, work);
    assert_true(small_distance(x, estimate.mean.data, s.n) < 1e-4 * small_norm(x, s.n));
    sc_free(x);
    sc_device_release(s.device, work);
    sc_op_free(W);
    sc_array_free(&estimate.mean);
    sc_array_free(&adjoint.mean);
    small_end(&s);
    (void)state;
}

static void threads_do_not_change_a_byte(void **state)
{
    for (int i = 0; i < METHODS; i++) {
        small_problem one = small_begin(1, 1, 5, 131, 140, 3, 0.01);
        small_problem two = small_begin(2, 1, 5, 131, 140, 3, 0.01);
        sc_options options = options_of(names[i]);
        if (i >= 2)
            small_ok(sc_options_set(&options, "iterations", "7"));
        sc_estimate a = run_with(&one, names[i], &options), b = run_with(&two, names[i], &options);
        assert_memory_equal(a.mean.data, b.mean.data, sc_array_bytes(&a.mean));
        assert_true(a.residual == b.residual);
        sc_array_free(&a.mean);
        sc_array_free(&b.mean);
        small_end(&one);
        small_end(&two);
    }
    (void)state;
}

static void the_scale_of_the_data_does_not_matter(void **state)
{
    const double factors[] = {1e-12, 1e13};
    for (int i = 0; i < METHODS; i++)
        for (int f = 0; f < 2; f++) {
            small_problem s = small_begin(1, 1, 4, 33, 30, 3, 0.01);
            sc_estimate a = run_default(&s, names[i]);
            for (int64_t e = 0; e < s.m; e++)
                ((sc_c32 *)s.problem.y)[e] *= (float)factors[f];
            s.problem.sigma *= factors[f];
            sc_estimate b = run_default(&s, names[i]);
            for (int64_t e = 0; e < s.n; e++)
                ((sc_c32 *)b.mean.data)[e] /= (float)factors[f];
            double size = small_norm(a.mean.data, s.n);
            assert_true(small_distance(a.mean.data, b.mean.data, s.n) < 1e-4 * size);
            sc_array_free(&a.mean);
            sc_array_free(&b.mean);
            small_end(&s);
        }
    (void)state;
}

/* Two pixels of k-space off its centre in one coil: the image is constant in magnitude, and BART's
 * rule gives that magnitude. */
static void bart_scale_of_a_flat_image_is_its_magnitude(void **state)
{
    small_problem s = small_begin(1, 1, 4, 64, 40, 4, 0.01);
    sc_c32 *y = s.problem.y;
    double scale;
    memset(y, 0, (size_t)s.m * sizeof *y);
    for (int64_t line = 26; line < 38; line++) /* fully sampled centre, otherwise nearly silent */
        for (int64_t i = 0; i < 40; i++)
            y[line * 40 + i] = 1e-6f;
    y[32 * 40 + 20] = 50;
    small_ok(sc_bart_scaling(&scale, &s.problem));
    assert_true(fabs(scale - 50 / sqrt(64 * 40)) < 1e-3 * scale);
    memset(y, 0, (size_t)s.m * sizeof *y);
    assert_int_equal(sc_bart_scaling(&scale, &s.problem), SC_ERR_INPUT);
    small_end(&s);
    (void)state;
}

static void barts_lambda_is_converted_by_barts_scale(void **state)
{
    small_problem s = small_begin(1, 1, 4, 33, 30, 3, 0.01);
    char value[32];
    double scale;
    small_ok(sc_bart_scaling(&scale, &s.problem));
    for (int i = 2; i < METHODS; i++) {
        sc_options bart = options_of(names[i]), ours = options_of(names[i]);
        small_ok(sc_options_set(&bart, "lambda", "0.02"));
        snprintf(value, sizeof value, "%.17g", 0.02 * scale / s.problem.sigma);
        small_ok(sc_options_set(&ours, "lambda-sigma", value));
        sc_estimate a = run_with(&s, names[i], &bart), b = run_with(&s, names[i], &ours);
        double size = small_norm(a.mean.data, s.n);
        assert_true(small_distance(a.mean.data, b.mean.data, s.n) < 1e-5 * size);
        sc_array_free(&a.mean);
        sc_array_free(&b.mean);
    }
    small_end(&s);
    (void)state;
}

static bool at_once(void *self)
{
    (void)self;
    return true;
}

static void cancelling_leaves_no_estimate(void **state)
{
    small_problem s = small_begin(1, 1, 4, 17, 16, 2, 0.01);
    sc_progress progress = {.cancelled = at_once};
    for (int i = 1; i < METHODS; i++) {
        const sc_method *method;
        sc_estimate estimate = {0};
        sc_options options = options_of(names[i]);
        small_ok(sc_method_find(&method, names[i]));
        assert_int_equal(
            method->run(&estimate, &s.problem, NULL, &options, small_key(9), &progress),
            SC_ERR_CANCELLED);
        assert_null(estimate.mean.data);
    }
    small_end(&s);
    (void)state;
}

static void an_unknown_method_is_refused_with_the_known_ones(void **state)
{
    const sc_method *method;
    assert_int_equal(sc_method_find(&method, "magic"), SC_ERR_USAGE);
    assert_null(method);
    for (int i = 0; i < METHODS; i++)
        assert_non_null(strstr(sc_message(), names[i]));
    assert_non_null(strstr(sc_message(), "magic"));
    (void)state;
}

static void every_method_of_the_table_is_complete(void **state)
{
    for (int i = 0; sc_methods[i]; i++) {
        const sc_method *m = sc_methods[i], *found;
        double evaluations = -1, applications = -1;
        sc_options options = sc_options_default(m->options);
        assert_true(m->name && m->claim && m->help && m->source && m->run && m->plan);
        small_ok(sc_method_find(&found, m->name));
        assert_ptr_equal(found, m);
        m->plan(&evaluations, &applications, &options);
        assert_true(evaluations >= 0 && applications > 0);
        assert_int_equal(m->needs_score, evaluations > 0);
    }
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_method_beats_the_one_it_replaces),
        cmocka_unit_test(zero_filled_is_the_adjoint),
        cmocka_unit_test(cg_sense_explains_the_data_as_well_as_the_noise_allows),
        cmocka_unit_test(cg_sense_weighs_noise_against_what_the_centre_lacks),
        cmocka_unit_test(l1_wavelet_has_its_closed_form_when_all_is_measured),
        cmocka_unit_test(threads_do_not_change_a_byte),
        cmocka_unit_test(the_scale_of_the_data_does_not_matter),
        cmocka_unit_test(bart_scale_of_a_flat_image_is_its_magnitude),
        cmocka_unit_test(barts_lambda_is_converted_by_barts_scale),
        cmocka_unit_test(cancelling_leaves_no_estimate),
        cmocka_unit_test(an_unknown_method_is_refused_with_the_known_ones),
        cmocka_unit_test(every_method_of_the_table_is_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
