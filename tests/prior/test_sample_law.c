/* 10^4 images of a mixture of two Gaussians, whose diffused law every sampler is given exactly:
 * mean and covariance within four standard errors plus a bias that shrinks with the steps N, stated
 * as bias / N^order. And what an image depends on: its key, and nothing that it came in with. */
#include "base/memory.h"
#include "prior/sample.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { IMAGES = 10000, D = 2 };

static const double weight[2] = {0.35, 0.65}, centre[2][D] = {{-0.6, 0.3}, {0.4, -0.2}},
                    covariance[2][D][D] = {{{0.2, 0.05}, {0.05, 0.1}},
                                           {{0.1, -0.04}, {-0.04, 0.3}}};

static const sc_sde sdes[] = {
    {SC_SDE_VE, 0.01, 50, 0, 0}, {SC_SDE_VP, 0, 0, 0.1, 20}, {SC_SDE_SUBVP, 0, 0, 0.1, 20}};

static sc_score *mixture(int sde)
{
    sc_score *score;
    assert_int_equal(sc_score_mixture(&score, 1, 2, D, weight, &centre[0][0], &covariance[0][0][0]),
                     SC_OK);
    score->sde = sdes[sde];
    return score;
}

/* Moments of the mixture */
static void exact(double mean[D], double cov[D][D])
{
    for (int i = 0; i < D; i++)
        mean[i] = weight[0] * centre[0][i] + weight[1] * centre[1][i];
    for (int i = 0; i < D; i++)
        for (int j = 0; j < D; j++) {
            cov[i][j] = 0;
            for (int k = 0; k < 2; k++)
                cov[i][j] += weight[k] * (covariance[k][i][j] +
                                          (centre[k][i] - mean[i]) * (centre[k][j] - mean[j]));
        }
}

typedef struct {
    double sum, square;
    int n;
} average;

static void add(average *a, double value)
{
    a->sum += value;
    a->square += value * value;
    a->n++;
}

/* |average - expected| over what is allowed */
static double excess(const average *a, double expected, double bias)
{
    double mean = a->sum / a->n, error = sqrt((a->square / a->n - mean * mean) / a->n);
    return fabs(mean - expected) / (4 * error + bias);
}

typedef struct {
    const char *sampler, *extra[2][2]; /* further options, "" if none */
    int steps, order;                  /* and three times as many */
    double bias;                       /* allowed: bias / steps^order */
} claim;

/* Biases: two to three times what a Gaussian of the same size shows (validation/convergence). */
static const claim claims[] = {
    {"heun", {{"", ""}, {"", ""}}, 16, 2, 20},
    {"edm", {{"", ""}, {"", ""}}, 32, 2, 80},
    {"dpm++2m", {{"", ""}, {"", ""}}, 16, 2, 20},
    {"dpm++2m-sde", {{"", ""}, {"", ""}}, 32, 2, 60},
    {"reverse-diffusion", {{"", ""}, {"", ""}}, 48, 1, 5},
    {"euler-maruyama", {{"", ""}, {"", ""}}, 48, 1, 3},
    {"ancestral", {{"", ""}, {"", ""}}, 48, 1, 5},
    {"probability-flow", {{"", ""}, {"", ""}}, 48, 1, 20},
    {"reverse-diffusion", {{"corrector", "annealed"}, {"", ""}}, 48, 1, 3},
    {"none", {{"corrector", "annealed"}, {"snr", "0.32"}}, 256, 1, 25},
    {"euler-maruyama", {{"grid", "karras"}, {"corrector", "annealed"}}, 48, 1, 3},
};

static void set(sc_options *o, const char *name, const char *value)
{
    if (*name && sc_options_set(o, name, value) != SC_OK)
        fail_msg("%s", sc_message());
}

static sc_options options_of(const claim *c, int steps)
{
    sc_options o = sc_options_default(sc_sample_options);
    char text[16];
    snprintf(text, sizeof text, "%d", steps);
    set(&o, "sampler", c->sampler);
    set(&o, "steps", text);
    for (int i = 0; i < 2; i++)
        set(&o, c->extra[i][0], c->extra[i][1]);
    return o;
}

static void check_law(const sc_score *score, const claim *c, int steps)
{
    sc_options o = options_of(c, steps);
    const sc_sample_job job = {.score = score, .n = IMAGES, .h = 1, .w = D, .key = {.seed = 11}};
    double mean[D], cov[D][D], worst = 0, bias = c->bias / pow(steps, c->order);
    float(*x)[D];
    exact(mean, cov);
    assert_int_equal(SC_ALLOC(&x, IMAGES, "samples"), SC_OK);
    if (sc_prior_draw(&x[0][0], &job, &o) != SC_OK)
        fail_msg("%s: %s", c->sampler, sc_message());
    for (int i = 0; i < D; i++) {
        average a = {0};
        for (int k = 0; k < IMAGES; k++)
            add(&a, x[k][i]);
        worst = fmax(worst, excess(&a, mean[i], bias));
        for (int j = i; j < D; j++) {
            average b = {0};
            for (int k = 0; k < IMAGES; k++)
                add(&b, (x[k][i] - mean[i]) * (x[k][j] - mean[j]));
            worst = fmax(worst, excess(&b, cov[i][j], bias));
        }
    }
    sc_free(x);
    print_message("SDE %d, %s, %d steps: error at most %.2f of what is allowed, bias %.1e\n",
                  (int)score->sde.kind, c->sampler, steps, worst, bias);
    if (!(worst < 1))
        fail_msg("seed 11: mean or covariance is off");
}

/* Ancestral sampling is not known for sub-VP; correctors alone are for VE: with the others x must
 * grow from mean(t) x0, which Langevin steps as small as std(t) do too slowly. */
static bool claimed(const claim *c, sc_sde_kind kind)
{
    return strcmp(c->sampler, "none") == 0        ? kind == SC_SDE_VE
           : strcmp(c->sampler, "ancestral") == 0 ? kind != SC_SDE_SUBVP
                                                  : true;
}

static void samples_have_the_mixtures_moments(void **state)
{
    (void)state;
    for (int sde = 0; sde < 3; sde++) {
        sc_score *score = mixture(sde);
        for (size_t i = 0; i < sizeof claims / sizeof *claims; i++)
            if (claimed(&claims[i], score->sde.kind)) {
                check_law(score, &claims[i], claims[i].steps);
                check_law(score, &claims[i], 3 * claims[i].steps);
            }
        sc_score_free(score);
    }
}

static void draw(float *x, const sc_score *score, int first, int n, int h, int w,
                 const sc_options *o)
{
    const sc_sample_job job = {
        .score = score, .n = n, .h = h, .w = w, .key = {.seed = 3, .sample = (uint32_t)first}};
    if (sc_prior_draw(x, &job, o) != SC_OK)
        fail_msg("%s", sc_message());
}

static void an_image_is_the_same_alone_and_in_a_batch(void **state)
{
    (void)state;
    float batch[5][D], alone[D];
    for (int sde = 0; sde < 3; sde++) {
        sc_score *score = mixture(sde);
        for (size_t i = 0; i < sizeof claims / sizeof *claims; i++)
            if (claimed(&claims[i], score->sde.kind)) {
                sc_options o = options_of(&claims[i], 32);
                draw(batch[0], score, 4, 5, 1, D, &o);
                draw(alone, score, 4 + 3, 1, 1, D, &o);
                assert_memory_equal(batch[3], alone, sizeof alone);
            }
        sc_score_free(score);
    }
}

/* Langevin's step sizes: each image's own, unless the published means over the batch are asked for.
 */
static void norms_of_a_batch_are_only_shared_when_asked(void **state)
{
    (void)state;
    static const claim langevin = {
        "reverse-diffusion", {{"corrector", "langevin"}, {"", ""}}, 32, 1, 0};
    float batch[3][D], shared[3][D], alone[D], alone_shared[D];
    sc_score *score = mixture(0);
    sc_options o = options_of(&langevin, 32);
    draw(batch[0], score, 0, 3, 1, D, &o);
    draw(alone, score, 1, 1, 1, D, &o);
    set(&o, "norm", "batch");
    draw(shared[0], score, 0, 3, 1, D, &o);
    draw(alone_shared, score, 1, 1, 1, D, &o);
    assert_memory_equal(batch[1], alone, sizeof alone);
    assert_memory_equal(alone_shared, alone, sizeof alone);
    assert_true(memcmp(batch[1], shared[1], sizeof alone) != 0);
    sc_score_free(score);
}

/* The network, on its own threads: 1 and 2, alone and in a batch. */
static void threads_change_no_bit_of_a_networks_samples(void **state)
{
    (void)state;
    enum { SIDE = 16, N = 3, SIZE = SIDE * SIDE * 2 };
    static const claim kinds[] = {
        {"edm", {{"", ""}, {"", ""}}, 3, 2, 0},
        {"dpm++2m-sde", {{"", ""}, {"", ""}}, 3, 2, 0},
        {"reverse-diffusion", {{"corrector", "langevin"}, {"", ""}}, 3, 1, 0}};
    float(*batch)[SIZE], alone[SIZE];
    sc_score *score[2];
    assert_int_equal(SC_ALLOC(&batch, N, "samples"), SC_OK);
    for (int i = 0; i < 2; i++)
        if (sc_score_load(&score[i], SC_SOURCE_DIR "/prior/weights/brain-mr.safetensors", i + 1) !=
            SC_OK)
            fail_msg("%s", sc_message());
    assert_int_equal(score[0]->channels, 2);
    for (int k = 0; k < 3; k++) {
        sc_options o = options_of(&kinds[k], 3);
        draw(batch[0], score[0], 0, N, SIDE, SIDE, &o);
        for (int i = 0; i < 2; i++) {
            draw(alone, score[i], N - 1, 1, SIDE, SIDE, &o);
            assert_memory_equal(batch[N - 1], alone, sizeof alone);
        }
    }
    for (int i = 0; i < 2; i++)
        sc_score_free(score[i]);
    sc_free(batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_have_the_mixtures_moments),
        cmocka_unit_test(an_image_is_the_same_alone_and_in_a_batch),
        cmocka_unit_test(norms_of_a_batch_are_only_shared_when_asked),
        cmocka_unit_test(threads_change_no_bit_of_a_networks_samples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
