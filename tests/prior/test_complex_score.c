/* A prior of one channel on the parts of complex images: its score in closed form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/random.h"
#include "prior/complex_score.h"
#include <math.h>
#include <string.h>

enum { N = 3, H = 2, W = 3, D = H * W };

static const sc_key key = {1022, 0, 0};

/* N(mean, covariance) of D real pixels: covariance v (I + a 1 1^T), whose inverse with noise is
 * known: (v + s^2)^-1 (I - w 1 1^T), w = v a / (v + s^2 + v a D). */
typedef struct {
    double mean[D], v, a;
} gaussian;

static gaussian example(void)
{
    gaussian g = {.v = 0.07, .a = 0.6};
    for (int p = 0; p < D; p++)
        g.mean[p] = 0.1 + 0.12 * p;
    return g;
}

static void closed_form(double s[D], const gaussian *g, const double r[D], double sigma)
{
    double total = g->v + sigma * sigma, w = g->v * g->a / (total + g->v * g->a * D), sum = 0;
    for (int p = 0; p < D; p++)
        sum += r[p] - g->mean[p];
    for (int p = 0; p < D; p++)
        s[p] = -(r[p] - g->mean[p] - w * sum) / total;
}

/* The same images as values from `black` to 1: mean c m + b, covariance c^2 C. */
static sc_score *prior_of(const gaussian *g, double black)
{
    sc_score *real, *both;
    double c = 1 - black, one = 1, mean[D], covariance[D][D];
    for (int p = 0; p < D; p++) {
        mean[p] = c * g->mean[p] + black;
        for (int q = 0; q < D; q++)
            covariance[p][q] = c * c * g->v * ((p == q) + g->a);
    }
    assert_int_equal(sc_score_mixture(&real, 1, 1, D, &one, mean, &covariance[0][0]), SC_OK);
    real->black = black;
    strcpy(real->modality, "MR");
    assert_int_equal(sc_score_complex(&both, real), SC_OK);
    return both;
}

/* Whatever range the prior was trained on, the score is that of the image's own units. */
static void the_score_is_that_of_each_part(void **state)
{
    (void)state;
    const gaussian g = example();
    static const double black[] = {0, -1}, sigma[N] = {0.02, 0.4, 30};
    float x[N * D * 2], s[N * D * 2];
    for (size_t k = 0; k < sizeof black / sizeof *black; k++) {
        sc_score *score = prior_of(&g, black[k]);
        assert_int_equal(score->channels, 2);
        assert_string_equal(score->modality, "MR");
        sc_random_normal(x, N * D * 2, key, SC_DRAW_TEST, (uint32_t)k);
        assert_int_equal(sc_score_evaluate(score, s, x, sigma, N, H, W), SC_OK);
        for (int i = 0; i < 2 * N; i++) {
            double r[D], expected[D];
            const float *part = x + i / 2 * 2 * D + i % 2, *found = s + i / 2 * 2 * D + i % 2;
            for (int p = 0; p < D; p++)
                r[p] = part[2 * p];
            closed_form(expected, &g, r, sigma[i / 2]);
            /* D is float32, of size up to 100, and s = (D - x) / sigma^2 */
            double rounding = 1e-6 * fmax(3, 3 * sigma[i / 2]) / (sigma[i / 2] * sigma[i / 2]);
            for (int p = 0; p < D; p++)
                if (fabs(found[2 * p] - expected[p]) > rounding)
                    fail_msg("black %g, sigma %g, part %d: %g, expected %g", black[k],
                             sigma[i / 2], i % 2, found[2 * p], expected[p]);
        }
        sc_score_free(score);
    }
}

/* D = x + sigma^2 s is linear in x, with a symmetric matrix: J^T v = v + sigma^2 s_0(v), s_0 the
 * score of mean 0. */
static void the_derivative_is_that_of_each_part(void **state)
{
    (void)state;
    gaussian g = example(), centred = {.v = g.v, .a = g.a};
    const double sigma = 0.3;
    float x[D * 2], v[D * 2], d[D * 2], own[D * 2], grad[D * 2];
    for (int k = 0; k < 2; k++) {
        sc_score *score = prior_of(&g, -k);
        sc_random_normal(x, D * 2, key, SC_DRAW_TEST, 20);
        sc_random_normal(v, D * 2, key, SC_DRAW_TEST, 21);
        assert_int_equal(sc_score_denoise_vjp(score, d, grad, x, &sigma, v, 1, H, W), SC_OK);
        assert_int_equal(sc_score_denoise(score, own, x, &sigma, 1, H, W), SC_OK);
        assert_memory_equal(d, own, sizeof d);
        for (int part = 0; part < 2; part++) {
            double r[D], s[D];
            for (int p = 0; p < D; p++)
                r[p] = v[2 * p + part];
            closed_form(s, &centred, r, sigma);
            for (int p = 0; p < D; p++)
                assert_true(fabs(grad[2 * p + part] - (r[p] + sigma * sigma * s[p])) < 1e-6);
        }
        sc_score_free(score);
    }
}

static void noise_levels_are_in_units_of_the_image(void **state)
{
    (void)state;
    const gaussian g = example();
    sc_score *same = prior_of(&g, 0), *half = prior_of(&g, -1);
    assert_true(sc_sde_noise_max(&same->sde) == 50 && sc_sde_noise_min(&same->sde) == 0.01);
    assert_true(sc_sde_noise_max(&half->sde) == 25 && sc_sde_noise_min(&half->sde) == 0.005);
    sc_score_free(same);
    sc_score_free(half);
}

typedef struct {
    int calls, images, h, w;
    double sigma[2 * N];
} seen;

static sc_status look(const sc_score *self, float *d, const float *x, const double *sigma, int n,
                      int h, int w)
{
    seen *s = self->impl;
    s->calls++;
    s->images = n, s->h = h, s->w = w;
    memcpy(s->sigma, sigma, (size_t)n * sizeof *sigma);
    memcpy(d, x, (size_t)n * (size_t)h * (size_t)w * sizeof *d);
    return SC_OK;
}

static void look_cost(const sc_score *self, size_t *bytes, double *flops, int n, int h, int w)
{
    (void)self;
    *bytes = 0;
    *flops = (double)n * h * w;
}

static void leave(sc_score *self) { (void)self; }

static void all_parts_are_one_batch(void **state)
{
    (void)state;
    seen s = {0};
    sc_score *score, real = {.name = "seen", .channels = 1, .denoise = look, .cost = look_cost,
                             .destroy = leave, .sde = sc_sde_ve(0.01, 50), .impl = &s};
    static const double sigma[N] = {1, 2, 3};
    float x[N * D * 2], d[N * D * 2];
    size_t bytes;
    double flops;
    sc_random_normal(x, N * D * 2, key, SC_DRAW_TEST, 9);
    assert_int_equal(sc_score_complex(&score, &real), SC_OK);
    assert_int_equal(sc_score_denoise(score, d, x, sigma, N, H, W), SC_OK);
    assert_memory_equal(d, x, sizeof d);
    assert_int_equal(s.calls, 1);
    assert_null(score->denoise_vjp);
    assert_int_equal(s.images, 2 * N);
    assert_true(s.h == H && s.w == W);
    for (int i = 0; i < 2 * N; i++)
        assert_true(s.sigma[i] == sigma[i / 2]);
    score->cost(score, &bytes, &flops, N, H, W);
    assert_true(flops == 2 * N * D);
    assert_int_equal(bytes, sizeof x * 2);
    sc_score_free(score);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_score_is_that_of_each_part),
        cmocka_unit_test(the_derivative_is_that_of_each_part),
        cmocka_unit_test(noise_levels_are_in_units_of_the_image),
        cmocka_unit_test(all_parts_are_one_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
