/* A classifier that guides a prior: with the exact posterior probabilities of a mixture's components
 * samples have the law of one component; the network's gradient is that of its log probability. */
#include "base/file.h"
#include "base/memory.h"
#include "prior/classifier.h"
#include "prior/sample.h"
#include "prior/weights.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { IMAGES = 10000, K = 2, D = 2 };

static const double weight[K] = {0.35, 0.65}, centre[K][D] = {{-0.5, 0.3}, {0.3, -0.2}},
                    variance[K][D] = {{0.1, 0.2}, {0.2, 0.1}};
static const char *const names[K] = {"left", "right"};

/* ---- the exact classifier: x of class k is N(m_k, v_k + sigma^2), axis by axis ---- */

static sc_status exact(const sc_classifier *self, double *log_p, float *g, int c, const float *x,
                       const double *sigma, int n, int h, int w)
{
    (void)self, (void)h, (void)w;
    for (int i = 0; i < n; i++, x += D, log_p += K) {
        double slope[K][D], largest = -INFINITY, sum = 0;
        for (int k = 0; k < K; k++) {
            log_p[k] = log(weight[k]);
            for (int j = 0; j < D; j++) {
                double v = variance[k][j] + sigma[i] * sigma[i], r = x[j] - centre[k][j];
                log_p[k] -= (log(v) + r * r / v) / 2;
                slope[k][j] = -r / v;
            }
            largest = fmax(largest, log_p[k]);
        }
        for (int k = 0; k < K; k++)
            sum += exp(log_p[k] - largest);
        for (int k = 0; k < K; k++)
            log_p[k] -= largest + log(sum);
        for (int j = 0; g && j < D; j++) {
            double all = 0;
            for (int k = 0; k < K; k++)
                all += exp(log_p[k]) * slope[k][j];
            g[i * D + j] = (float)(slope[c][j] - all);
        }
    }
    return SC_OK;
}

static const sc_classifier posterior = {
    .channels = 1, .classes = K, .class_name = names, .evaluate = exact};

static sc_score *mixture(sc_sde sde)
{
    sc_score *score;
    double covariance[K][D][D] = {{{0}}};
    for (int k = 0; k < K; k++)
        for (int j = 0; j < D; j++)
            covariance[k][j][j] = variance[k][j];
    assert_int_equal(sc_score_mixture(&score, 1, K, D, weight, &centre[0][0], &covariance[0][0][0]),
                     SC_OK);
    score->sde = sde;
    return score;
}

static void check_component(const sc_score *score, int c, const char *sampler, double bias)
{
    static float x[IMAGES][D];
    sc_options o = sc_options_default(sc_sample_options);
    const sc_sample_job job = {.score = score, .n = IMAGES, .h = 1, .w = D, .key = {.seed = 31}};
    assert_int_equal(sc_options_set(&o, "sampler", sampler), SC_OK);
    assert_int_equal(sc_options_set(&o, "steps", "64"), SC_OK);
    if (sc_prior_draw(&x[0][0], &job, &o) != SC_OK)
        fail_msg("%s: %s", sampler, sc_message());
    for (int j = 0; j < D; j++) {
        double mean = 0, square = 0, v = variance[c][j];
        for (int i = 0; i < IMAGES; i++) {
            mean += x[i][j] / IMAGES;
            square += (x[i][j] - centre[c][j]) * (x[i][j] - centre[c][j]) / IMAGES;
        }
        print_message("SDE %d, %s, class %d: mean off by %.4f, variance by %.4f\n",
                      (int)score->sde.kind, sampler, c, mean - centre[c][j], square - v);
        assert_true(fabs(mean - centre[c][j]) < 4 * sqrt(v / IMAGES) + bias);
        assert_true(fabs(square - v) < 4 * v * sqrt(2.0 / IMAGES) + bias);
    }
}

static void guided_samples_have_the_law_of_the_class(void **state)
{
    (void)state;
    static const sc_sde sdes[] = {
        {SC_SDE_VE, 0.01, 50, 0, 0}, {SC_SDE_VP, 0, 0, 0.1, 20}, {SC_SDE_SUBVP, 0, 0, 0.1, 20}};
    for (int s = 0; s < 3; s++) {
        sc_score *score = mixture(sdes[s]);
        for (int c = 0; c < K; c++) {
            sc_score *guided;
            assert_int_equal(sc_score_guide(&guided, score, &posterior, c, 1), SC_OK);
            check_component(guided, c, "dpm++2m", 0.003);
            check_component(guided, c, "dpm++2m-sde", 0.006);
            sc_score_free(guided);
        }
        sc_score_free(score);
    }
}

static void guidance_of_zero_is_the_prior(void **state)
{
    (void)state;
    float x[3 * D] = {0.1f, -0.4f, 1, 0, -0.3f, 0.2f}, a[3 * D], b[3 * D];
    const double sigma[3] = {0.1, 1, 10};
    sc_score *guided, *score = mixture(sc_sde_ve(0.01, 50));
    assert_int_equal(sc_score_guide(&guided, score, &posterior, 1, 0), SC_OK);
    assert_int_equal(sc_score_denoise(score, a, x, sigma, 3, 1, D), SC_OK);
    assert_int_equal(sc_score_denoise(guided, b, x, sigma, 3, 1, D), SC_OK);
    assert_memory_equal(a, b, sizeof a);
    sc_score_free(guided);
    sc_score_free(score);
}

static void classes_are_found_by_name(void **state)
{
    (void)state;
    int c;
    assert_int_equal(sc_classifier_find(&c, &posterior, "right"), SC_OK);
    assert_int_equal(c, 1);
    assert_int_equal(sc_classifier_find(&c, &posterior, "up"), SC_ERR_USAGE);
    assert_non_null(strstr(sc_message(), "left, right"));
}

/* ---- the network ---- */

enum { SIDE_H = 18, SIDE_W = 17, SIZE = SIDE_H * SIDE_W * 2, CLASSES = 3 };

static sc_network_config small_config(void)
{
    sc_network_config c = sc_network_config_default();
    c.nf = 8;
    c.levels = 3;
    c.classes = CLASSES;
    return c;
}

static void write_classifier(const char *path, const char *classes)
{
    sc_network *network;
    float *theta;
    const sc_network_config config = small_config();
    sc_weights_record record = {.sde = sc_sde_ve(0.01, 50), .classes = (char *)classes};
    assert_int_equal(sc_network_create(&network, &config), SC_OK);
    assert_int_equal(SC_ALLOC(&theta, sc_network_parameter_count(network), "theta"), SC_OK);
    sc_network_initialise(network, theta, 5);
    for (int64_t i = 0; i < sc_network_parameter_count(network); i++) /* no layer is idle */
        theta[i] += 0.05f * (float)sin(3.0 * (double)i);
    if (sc_weights_write(path, network, theta, &record) != SC_OK)
        fail_msg("%s", sc_message());
    sc_network_free(network);
    sc_free(theta);
}

static const char *temporary(char *path, size_t size)
{
    snprintf(path, size, "test_classifier_%d.safetensors", (int)getpid());
    return path;
}

static double log_p_along(const sc_classifier *c, const float *x, const float *v, double step,
                          double sigma)
{
    float moved[SIZE];
    double log_p[CLASSES];
    for (int i = 0; i < SIZE; i++)
        moved[i] = (float)(x[i] + step * v[i]);
    assert_int_equal(c->evaluate(c, log_p, NULL, 0, moved, &sigma, 1, SIDE_H, SIDE_W), SC_OK);
    return log_p[1];
}

static void the_networks_gradient_is_that_of_its_log_probability(void **state)
{
    (void)state;
    char path[64];
    float x[2][SIZE], v[SIZE], g[2][SIZE], alone[SIZE];
    const double sigma[2] = {0.1, 2};
    double log_p[2][CLASSES], alone_p[CLASSES];
    sc_classifier *c;
    sc_score *score;
    write_classifier(temporary(path, sizeof path), "a|b|c");
    if (sc_classifier_load(&c, path, 1) != SC_OK)
        fail_msg("%s", sc_message());
    sc_random_normal(x[0], 2 * SIZE, (sc_key){41, 0, 0}, SC_DRAW_TEST, 0);
    sc_random_normal(v, SIZE, (sc_key){41, 0, 1}, SC_DRAW_TEST, 0);
    assert_int_equal(c->evaluate(c, log_p[0], g[0], 1, x[0], sigma, 2, SIDE_H, SIDE_W), SC_OK);
    for (int i = 0; i < 2; i++) {
        double sum = 0, along = 0, step = 1e-2;
        for (int k = 0; k < CLASSES; k++)
            sum += exp(log_p[i][k]);
        assert_true(fabs(sum - 1) < 1e-9);
        for (int j = 0; j < SIZE; j++)
            along += g[i][j] * v[j];
        double slope = (log_p_along(c, x[i], v, step, sigma[i]) -
                        log_p_along(c, x[i], v, -step, sigma[i])) / (2 * step);
        print_message("sigma %g: slope %.6f by differences, %.6f by the gradient\n", sigma[i],
                      slope, along);
        assert_true(fabs(slope) > 1e-3 && fabs(slope - along) < 0.01 * fabs(slope));
    }
    assert_int_equal(c->evaluate(c, alone_p, alone, 1, x[1], sigma + 1, 1, SIDE_H, SIDE_W), SC_OK);
    assert_memory_equal(alone, g[1], sizeof alone);
    assert_int_equal(c->evaluate(c, alone_p, alone, 1, x[1], sigma, 1, 6, 51), SC_ERR_INPUT);
    assert_int_equal(sc_score_load(&score, path, 1), SC_ERR_UNSUPPORTED);
    sc_classifier_free(c);
    unlink(path);
}

static void files_that_are_none_are_refused(void **state)
{
    (void)state;
    char path[64];
    sc_classifier *c;
    write_classifier(temporary(path, sizeof path), "a|b");
    assert_int_equal(sc_classifier_load(&c, path, 1), SC_ERR_FORMAT);
    assert_null(c);
    unlink(path);
    assert_int_equal(
        sc_classifier_load(&c, SC_SOURCE_DIR "/prior/weights/brain-mr.safetensors", 1),
        SC_ERR_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guided_samples_have_the_law_of_the_class),
        cmocka_unit_test(guidance_of_zero_is_the_prior),
        cmocka_unit_test(classes_are_found_by_name),
        cmocka_unit_test(the_networks_gradient_is_that_of_its_log_probability),
        cmocka_unit_test(files_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
