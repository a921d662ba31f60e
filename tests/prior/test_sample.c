/* Samplers of a prior alone, on a Gaussian whose every diffused law is known. */
#include "prior/sample.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define MEAN 0.3
#define VARIANCE 0.5
enum { SAMPLES = 40, H = 8, W = 4, D = 2 * H * W };

static sc_score *gaussian(sc_sde sde)
{
    sc_score *score;
    double weight = 1, mean[D], covariance[D][D] = {{0}};
    for (int i = 0; i < D; i++) {
        mean[i] = MEAN;
        covariance[i][i] = VARIANCE;
    }
    assert_int_equal(sc_score_mixture(&score, 2, 1, D, &weight, mean, &covariance[0][0]), SC_OK);
    score->sde = sde;
    return score;
}

static const sc_sde sdes[] = {
    {SC_SDE_VE, 0.01, 10, 0, 0}, {SC_SDE_VP, 0, 0, 0.1, 20}, {SC_SDE_SUBVP, 0, 0, 0.1, 20}};

/* Mean and variance of 2560 numbers: standard errors 0.014. The allowance adds the bias of few
 * steps, and what Langevin's one step at each level leaves. */
static void check(const char *what, const sc_score *score, const char *const options[][2])
{
    sc_options o = sc_options_default(sc_sample_options);
    double sum = 0, square = 0;
    for (int i = 0; options[i][0]; i++)
        assert_int_equal(sc_options_set(&o, options[i][0], options[i][1]), SC_OK);
    for (int i = 0; i < SAMPLES; i++) {
        float x[D];
        if (sc_prior_sample_by(x, score, H, W, &o, (sc_key){5, 0, (uint32_t)i}, NULL) != SC_OK)
            fail_msg("%s: %s", what, sc_message());
        for (int j = 0; j < D; j++) {
            sum += x[j] - MEAN;
            square += (x[j] - MEAN) * (x[j] - MEAN);
        }
    }
    double mean = sum / (D * SAMPLES), variance = square / (D * SAMPLES);
    print_message("%s, SDE %d: bias %.3f, variance %.3f\n", what, (int)score->sde.kind, mean,
                  variance);
    assert_true(fabs(mean) < 0.06);
    assert_true(fabs(variance - VARIANCE) < 0.08);
}

static void every_sampler_draws_the_prior(void **state)
{
    (void)state;
    static const char *const standard[][2] = {{"steps", "40"}, {NULL, NULL}};
    static const char *const heun[][2] = {{"sampler", "heun"}, {"steps", "40"}, {NULL, NULL}};
    static const char *const reverse[][2] = {
        {"sampler", "reverse-diffusion"}, {"steps", "300"}, {NULL, NULL}};
    static const char *const euler[][2] = {
        {"sampler", "euler-maruyama"}, {"steps", "300"}, {NULL, NULL}};
    static const char *const ancestral[][2] = {
        {"sampler", "ancestral"}, {"steps", "300"}, {NULL, NULL}};
    static const char *const flow[][2] = {
        {"sampler", "probability-flow"}, {"steps", "300"}, {NULL, NULL}};
    static const char *const ode[][2] = {{"sampler", "ode"}, {NULL, NULL}};
    static const char *const pc[][2] = {{"sampler", "reverse-diffusion"},
                                        {"steps", "200"},
                                        {"corrector", "langevin"},
                                        {"snr", "0.1"},
                                        {NULL, NULL}};
    for (int k = 0; k < 3; k++) {
        sc_score *score = gaussian(sdes[k]);
        check("dpm++2m, the standard", score, standard);
        check("heun", score, heun);
        check("reverse diffusion", score, reverse);
        check("Euler-Maruyama", score, euler);
        check("probability flow", score, flow);
        check("predictor-corrector", score, pc);
        check("probability flow, adaptive", score, ode);
        if (k < 2)
            check("ancestral", score, ancestral);
        sc_score_free(score);
    }
}

static void an_image_is_a_function_of_its_key(void **state)
{
    (void)state;
    float a[D], b[D];
    sc_options o = sc_options_default(sc_sample_options);
    sc_score *score = gaussian(sdes[1]);
    assert_int_equal(sc_options_set(&o, "sampler", "ancestral"), SC_OK);
    assert_int_equal(sc_options_set(&o, "steps", "50"), SC_OK);
    assert_int_equal(sc_prior_sample_by(a, score, H, W, &o, (sc_key){5, 0, 7}, NULL), SC_OK);
    assert_int_equal(sc_prior_sample_by(b, score, H, W, &o, (sc_key){5, 0, 7}, NULL), SC_OK);
    assert_memory_equal(a, b, sizeof a);
    assert_int_equal(sc_prior_sample_by(b, score, H, W, &o, (sc_key){5, 0, 8}, NULL), SC_OK);
    assert_true(memcmp(a, b, sizeof a) != 0);
    assert_int_equal(sc_options_set(&o, "steps", "20"), SC_OK); /* beta_max / N = 1 */
    assert_int_equal(sc_prior_sample_by(b, score, H, W, &o, (sc_key){5, 0, 8}, NULL), SC_ERR_USAGE);
    sc_score_free(score);
}

/* The evaluations that are counted are those that the score saw. */
static int calls;
static sc_status (*denoise)(const sc_score *, float *, const float *, const double *, int, int,
                            int);

static sc_status counting(const sc_score *self, float *d, const float *x, const double *sigma,
                          int n, int h, int w)
{
    calls += n;
    return denoise(self, d, x, sigma, n, h, w);
}

static void evaluations_are_counted(void **state)
{
    (void)state;
    static const char *const names[] = {"heun", "dpm++2m", "ancestral", "ode"};
    float x[2 * D];
    sc_score *score = gaussian(sdes[1]);
    denoise = score->denoise;
    score->denoise = counting;
    for (int i = 0; i < 4; i++) {
        int64_t evaluations = 0;
        const sc_sample_job job = {
            .score = score, .n = 2, .h = H, .w = W, .key = {5, 0, 0}, .evaluations = &evaluations};
        sc_options o = sc_options_default(sc_sample_options);
        calls = 0;
        assert_int_equal(sc_options_set(&o, "sampler", names[i]), SC_OK);
        assert_int_equal(sc_prior_draw(x, &job, &o), SC_OK);
        assert_int_equal(evaluations, calls);
        assert_true(evaluations > 0);
    }
    sc_score_free(score);
}

/* An adaptive sampler has no steps to choose, and the others no tolerance. */
static void options_of_the_adaptive_sampler_are_its_own(void **state)
{
    (void)state;
    static const char *const refused[][3] = {{"ode", "steps", "50"},
                                             {"ode", "grid", "karras"},
                                             {"ode", "corrector", "langevin"},
                                             {"heun", "rtol", "1e-3"},
                                             {"ancestral", "end", "0.1"}};
    float x[D];
    sc_score *score = gaussian(sdes[0]);
    for (int i = 0; i < 5; i++) {
        sc_options o = sc_options_default(sc_sample_options);
        assert_int_equal(sc_options_set(&o, "sampler", refused[i][0]), SC_OK);
        assert_int_equal(sc_options_set(&o, refused[i][1], refused[i][2]), SC_OK);
        assert_int_equal(sc_prior_sample_by(x, score, H, W, &o, (sc_key){1, 0, 0}, NULL),
                         SC_ERR_USAGE);
    }
    sc_score_free(score);
}

static void options_of_other_samplers_are_refused(void **state)
{
    (void)state;
    static const char *const refused[][3] = {
        {"heun", "churn", "10"},          {"dpm++2m", "grid", "published"},
        {"dpm++2m", "denoise", "no"},     {"edm", "corrector", "langevin"},
        {"ancestral", "norm", "batch"},   {"none", "steps", "50"},
        {"none", "denoise", "no"},        {"edm", "steps", "1"},
        {"euler-maruyama", "steps", "20"}};
    float x[D];
    sc_score *score = gaussian(sdes[1]);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        sc_options o = sc_options_default(sc_sample_options);
        assert_int_equal(sc_options_set(&o, "sampler", refused[i][0]), SC_OK);
        assert_int_equal(sc_options_set(&o, refused[i][1], refused[i][2]), SC_OK);
        if (sc_prior_sample_by(x, score, H, W, &o, (sc_key){1, 0, 0}, NULL) != SC_ERR_USAGE)
            fail_msg("%s with %s", refused[i][0], refused[i][1]);
    }
    sc_score_free(score);
}

static void what_does_not_go_together_is_refused(void **state)
{
    (void)state;
    float x[D];
    sc_options o = sc_options_default(sc_sample_options);
    sc_score *score = gaussian(sdes[2]);
    assert_int_equal(sc_options_set(&o, "sampler", "ancestral"), SC_OK);
    assert_int_equal(sc_prior_sample_by(x, score, H, W, &o, (sc_key){1, 0, 0}, NULL),
                     SC_ERR_UNSUPPORTED);
    o = sc_options_default(sc_sample_options);
    assert_int_equal(sc_options_set(&o, "corrector", "langevin"), SC_OK);
    assert_int_equal(sc_prior_sample_by(x, score, H, W, &o, (sc_key){1, 0, 0}, NULL), SC_ERR_USAGE);
    o = sc_options_default(sc_sample_options);
    assert_int_equal(sc_options_set(&o, "sampler", "reverse-diffusion"), SC_OK);
    assert_int_equal(sc_options_set(&o, "snr", "0.2"), SC_OK);
    assert_int_equal(sc_prior_sample_by(x, score, H, W, &o, (sc_key){1, 0, 0}, NULL), SC_ERR_USAGE);
    sc_score_free(score);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sampler_draws_the_prior),
        cmocka_unit_test(an_image_is_a_function_of_its_key),
        cmocka_unit_test(evaluations_are_counted),
        cmocka_unit_test(options_of_the_adaptive_sampler_are_its_own),
        cmocka_unit_test(options_of_other_samplers_are_refused),
        cmocka_unit_test(what_does_not_go_together_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
