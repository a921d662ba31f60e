/* Likelihoods against a mixture's, which are known, and against the published code's. */
#include "prior/likelihood.h"
#include "tests/prior/mixture_fixture.h"
#include <pthread.h>

static sc_options with_options(const char *probes, const char *probe)
{
    sc_options o = sc_options_default(sc_likelihood_options);
    assert_int_equal(sc_options_set(&o, "probes", probes), SC_OK);
    assert_int_equal(sc_options_set(&o, "probe", probe), SC_OK);
    return o;
}

static sc_likelihood find(const sc_score *score, const float *x, const sc_options *o, sc_key key)
{
    sc_likelihood found;
    if (sc_likelihood_find(&found, NULL, score, x, MIX_H, MIX_W, o, 7, key, NULL) != SC_OK)
        fail_msg("%s", sc_message());
    return found;
}

/* log p without the probes' scatter: unit vectors times sqrt(D) have the trace itself as their
 * mean. */
static double traced(const sc_score *score, const float *x, int *evaluations)
{
    sc_flow flow = sc_flow_create(score, MIX_H, MIX_W);
    double sum = 0;
    *evaluations = 0;
    for (int i = 0; i < MIX_D; i++) {
        float probe[MIX_D] = {0}, z[MIX_D];
        double gain;
        sc_ode_count count;
        probe[i] = sqrtf(MIX_D);
        assert_int_equal(sc_flow_encode_traced(&flow, z, &gain, x, probe, &count), SC_OK);
        sum += (gain + sc_sde_prior_log_density(&score->sde, z, MIX_D)) / MIX_D;
        *evaluations += count.evaluations;
    }
    return sum;
}

/* The estimate is that of log p at the least time. What it starts from, N(0, 1) or N(0,
 * sigma_max^2), differs from the law at time 1 by some 1e-3 nats a number: the prior's means and
 * variances there, over its own. Solver and probes in addition stay within 0.01 nats. */
static void a_mixture_is_as_likely_as_it_is(void **state)
{
    (void)state;
    const mixture mix = mixture_example();
    const sc_options o = with_options("200", "rademacher");
    for (int s = 0; s < SDES; s++) {
        sc_score *score = mixture_score(&mix, &every_sde[s]);
        for (int which = 0; which <= MIX_K; which++) {
            float x[MIX_D];
            int evaluations;
            mixture_point(x, &mix, which);
            double exact = mixture_log_density(&mix, &every_sde[s], x, SC_FLOW_TIME_MIN);
            double flow = traced(score, x, &evaluations);
            sc_likelihood found = find(score, x, &o, (sc_key){3, (uint32_t)which, 0});
            print_message("%-6s exact %8.4f nats, flow %8.4f (%d evaluations), 200 probes %8.4f "
                          "+- %.4f\n",
                          sde_name[s], exact, flow, evaluations / MIX_D, found.log_density,
                          found.error);
            assert_true(fabs(flow - exact) < 0.01 * MIX_D);
            assert_true(found.error > 0);
            assert_true(fabs(found.log_density - flow) < 4 * found.error + 0.001 * MIX_D);
            assert_true(fabs(found.bits - (7 - found.log_density / MIX_D / log(2))) < 1e-9);
        }
        sc_score_free(score);
    }
}

/* Each kind of probe, within four standard errors: of one mean in the other. */
static void gaussian_probes_agree_with_rademacher_ones(void **state)
{
    (void)state;
    const mixture mix = mixture_example();
    const sc_options a = with_options("100", "gaussian"), b = with_options("100", "rademacher");
    sc_score *score = mixture_score(&mix, &every_sde[1]);
    float x[MIX_D];
    mixture_point(x, &mix, 1);
    sc_likelihood p = find(score, x, &a, (sc_key){5, 0, 0}),
                  q = find(score, x, &b, (sc_key){5, 0, 0});
    print_message("%g +- %g, %g +- %g\n", p.log_density, p.error, q.log_density, q.error);
    assert_true(fabs(p.log_density - q.log_density) < 4 * hypot(p.error, q.error));
    assert_true(q.error < p.error); /* Rademacher: no variance from the diagonal */
    sc_score_free(score);
}

#define VARIANCE 0.3

static double gaussian_at(const sc_sde *sde, double t, const float *x, const double *mean)
{
    double a = sc_sde_mean(sde, t), v = pow(sc_sde_std(sde, t), 2) + a * a * VARIANCE;
    double sum = -MIX_D / 2.0 * log(2 * M_PI * v);
    for (int i = 0; i < MIX_D; i++)
        sum -= pow(x[i] - a * mean[i], 2) / (2 * v);
    return sum;
}

/* One Gaussian N(m, c I): the divergence does not depend on the probe, and with the exact law at
 * time 1, N(a m, (a^2 c + v) I), all is exact but for the solver. */
static void an_isotropic_gaussian_needs_one_probe(void **state)
{
    (void)state;
    double weight = 1, mean[MIX_D] = {0.5, -0.5}, covariance[MIX_D][MIX_D] = {{0}};
    float x[MIX_D] = {0.1f, 0.2f, 0.3f, -0.4f, 0.5f}, z[MIX_D];
    const sc_options o = with_options("1", "rademacher");
    for (int i = 0; i < MIX_D; i++)
        covariance[i][i] = VARIANCE;
    for (int s = 0; s < SDES; s++) {
        sc_score *score;
        sc_likelihood found;
        const sc_sde *sde = &every_sde[s];
        assert_int_equal(sc_score_mixture(&score, 2, 1, MIX_D, &weight, mean, &covariance[0][0]),
                         SC_OK);
        score->sde = *sde;
        assert_int_equal(
            sc_likelihood_find(&found, z, score, x, MIX_H, MIX_W, &o, 7, (sc_key){1, 0, 0}, NULL),
            SC_OK);
        double at_end = gaussian_at(sde, 1, z, mean), exact = gaussian_at(sde, 1e-5, x, mean);
        double gain = found.log_density - sc_sde_prior_log_density(sde, z, MIX_D);
        print_message("%s: %.5f, exact %.5f\n", sde_name[s], gain + at_end, exact);
        assert_true(fabs(gain + at_end - exact) < 2e-5 * MIX_D);
        assert_true(fabs(found.log_density - exact) < 0.01 * MIX_D);
        assert_true(isnan(found.error) && isnan(found.bits_error));
        sc_score_free(score);
    }
}

typedef struct {
    const sc_score *score;
    const float *x;
    sc_likelihood found;
} job;

static void *work(void *self)
{
    job *j = self;
    const sc_options o = sc_options_default(sc_likelihood_options);
    if (sc_likelihood_find(&j->found, NULL, j->score, j->x, MIX_H, MIX_W, &o, 7, (sc_key){9, 4, 0},
                           NULL) != SC_OK)
        j->found.log_density = NAN;
    return NULL;
}

/* Probes depend on seed, image and number: fewer of them are the first of more, another thread
 * finds the same, another image or seed others. */
static void probes_are_keyed_by_seed_image_and_number(void **state)
{
    (void)state;
    const mixture mix = mixture_example();
    sc_score *score = mixture_score(&mix, &every_sde[0]);
    float x[MIX_D];
    pthread_t thread[4];
    job jobs[4];
    mixture_point(x, &mix, 0);
    for (int i = 0; i < 4; i++) {
        jobs[i] = (job){.score = score, .x = x};
        assert_int_equal(pthread_create(&thread[i], NULL, work, &jobs[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    const sc_options four = sc_options_default(sc_likelihood_options);
    sc_likelihood alone = find(score, x, &four, (sc_key){9, 4, 77});
    for (int i = 0; i < 4; i++)
        assert_memory_equal(&jobs[i].found.log_density, &alone.log_density, sizeof(double));
    assert_true(find(score, x, &four, (sc_key){9, 5, 0}).log_density != alone.log_density);
    assert_true(find(score, x, &four, (sc_key){8, 4, 0}).log_density != alone.log_density);
    const sc_options one = with_options("1", "rademacher"), two = with_options("2", "rademacher");
    double first = find(score, x, &one, (sc_key){9, 4, 0}).log_density;
    sc_likelihood both = find(score, x, &two, (sc_key){9, 4, 0});
    /* of two values mean and standard error |a - b| / 2 tell both */
    assert_true(fabs(fabs(first - both.log_density) - both.error) < 1e-9);
    sc_score_free(score);
}

static void a_score_without_derivative_has_no_likelihood(void **state)
{
    (void)state;
    const mixture mix = mixture_example();
    const sc_options o = sc_options_default(sc_likelihood_options);
    sc_score *score = mixture_score(&mix, &every_sde[0]);
    sc_likelihood found;
    float x[MIX_D] = {0};
    score->denoise_vjp = NULL;
    assert_int_equal(
        sc_likelihood_find(&found, NULL, score, x, MIX_H, MIX_W, &o, 7, (sc_key){1, 0, 0}, NULL),
        SC_ERR_UNSUPPORTED);
    assert_non_null(strstr(sc_message(), "mixture"));
    sc_score_free(score);
}

static void the_offset_is_that_of_the_range(void **state)
{
    (void)state;
    assert_true(sc_likelihood_offset(&(sc_score){.channels = 1}) == 8);
    assert_true(sc_likelihood_offset(&(sc_score){.channels = 1, .black = -1}) == 7);
    assert_true(sc_likelihood_offset(&(sc_score){.channels = 2}) == 7);
    assert_true(sc_likelihood_offset(&(sc_score){.channels = 3}) == 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mixture_is_as_likely_as_it_is),
        cmocka_unit_test(gaussian_probes_agree_with_rademacher_ones),
        cmocka_unit_test(an_isotropic_gaussian_needs_one_probe),
        cmocka_unit_test(probes_are_keyed_by_seed_image_and_number),
        cmocka_unit_test(a_score_without_derivative_has_no_likelihood),
        cmocka_unit_test(the_offset_is_that_of_the_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
