/* Inpainting and colourisation of a mixture of two Gaussians over two pixels of two channels, whose
 * law given what is known is a mixture again:
 *     weight ~ w_k N(y; m_k, C_k),  mean m_u + C_uy C_yy^-1 (y - m_y),  C_uu - C_uy C_yy^-1 C_yu.
 * 10^4 images must have its mean and covariance within four standard errors plus a bias that falls
 * with the corrector steps. What is known must come back. */
#include "base/memory.h"
#include "prior/sample.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { IMAGES = 10000, K = 2, CHANNELS = 2, D = 4 };

static const double weight[K] = {0.4, 0.6},
                    centre[K][D] = {{-0.4, 0.3, -0.3, 0.2}, {0.4, -0.2, 0.3, -0.2}};

static const sc_sde sdes[] = {
    {SC_SDE_VE, 0.01, 50, 0, 0}, {SC_SDE_VP, 0, 0, 0.1, 20}, {SC_SDE_SUBVP, 0, 0, 0.1, 20}};

/* 0.25 on the diagonal, and a correlation of 0.6 or 0.3 between all numbers */
static double covariance(int k, int i, int j) { return i == j ? 0.25 : k ? 0.075 : 0.15; }

static sc_score *mixture(int sde)
{
    sc_score *score;
    double all[K][D][D];
    for (int k = 0; k < K; k++)
        for (int i = 0; i < D; i++)
            for (int j = 0; j < D; j++)
                all[k][i][j] = covariance(k, i, j);
    assert_int_equal(
        sc_score_mixture(&score, CHANNELS, K, D, weight, &centre[0][0], &all[0][0][0]), SC_OK);
    score->sde = sdes[sde];
    return score;
}

/* ---- the law given what is known, in the mixed channels ---- */

/* What is known in u: two of four numbers, and the other two. */
typedef struct {
    const char *name;
    bool grey;
    int known[2], unknown[2];
    float y[2];
} example;

static const example examples[] = {
    {"inpainting", false, {0, 1}, {2, 3}, {0.3f, 0.1f}},   /* the first pixel is known */
    {"colourisation", true, {0, 2}, {1, 3}, {0.2f, 0.4f}}, /* the first mixture of both pixels */
};

typedef struct {
    double mean[2], cov[2][2];
} law;

/* Row i of the orthonormal matrix that takes x to u, number for number */
static void row_of(double row[D], const example *e, int i)
{
    double mix[CHANNELS * CHANNELS] = {1, 0, 0, 1};
    if (e->grey)
        sc_condition_grey(mix, CHANNELS);
    memset(row, 0, D * sizeof *row);
    for (int c = 0; c < CHANNELS; c++)
        row[i / CHANNELS * CHANNELS + c] = mix[c * CHANNELS + i % CHANNELS];
}

static double mean_of(const example *e, int k, int i)
{
    double row[D], sum = 0;
    row_of(row, e, i);
    for (int a = 0; a < D; a++)
        sum += row[a] * centre[k][a];
    return sum;
}

static double cov_of(const example *e, int k, int i, int j)
{
    double a[D], b[D], sum = 0;
    row_of(a, e, i);
    row_of(b, e, j);
    for (int p = 0; p < D; p++)
        for (int q = 0; q < D; q++)
            sum += a[p] * covariance(k, p, q) * b[q];
    return sum;
}

/* Component k given y: its law, and w_k N(y; m_k, C_k) up to a factor */
static double component(law *l, const example *e, int k)
{
    double c[2][2], inverse[2][2], r[2], g[2][2], distance = 0;
    for (int i = 0; i < 2; i++) {
        r[i] = e->y[i] - mean_of(e, k, e->known[i]);
        for (int j = 0; j < 2; j++)
            c[i][j] = cov_of(e, k, e->known[i], e->known[j]);
    }
    double det = c[0][0] * c[1][1] - c[0][1] * c[1][0];
    inverse[0][0] = c[1][1] / det;
    inverse[1][1] = c[0][0] / det;
    inverse[0][1] = inverse[1][0] = -c[0][1] / det;
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++) {
            distance += r[i] * inverse[i][j] * r[j];
            g[i][j] = 0;
            for (int a = 0; a < 2; a++)
                g[i][j] += cov_of(e, k, e->unknown[i], e->known[a]) * inverse[a][j];
        }
    for (int i = 0; i < 2; i++) {
        l->mean[i] = mean_of(e, k, e->unknown[i]) + g[i][0] * r[0] + g[i][1] * r[1];
        for (int j = 0; j < 2; j++) {
            l->cov[i][j] = cov_of(e, k, e->unknown[i], e->unknown[j]);
            for (int a = 0; a < 2; a++)
                l->cov[i][j] -= g[i][a] * cov_of(e, k, e->known[a], e->unknown[j]);
        }
    }
    return weight[k] * exp(-distance / 2) / sqrt(det);
}

static law exact(const example *e)
{
    law part[K], all = {{0}, {{0}}};
    double w[K], total = 0;
    for (int k = 0; k < K; k++)
        total += w[k] = component(&part[k], e, k);
    for (int k = 0; k < K; k++)
        for (int i = 0; i < 2; i++)
            all.mean[i] += w[k] / total * part[k].mean[i];
    for (int k = 0; k < K; k++)
        for (int i = 0; i < 2; i++)
            for (int j = 0; j < 2; j++)
                all.cov[i][j] += w[k] / total * (part[k].cov[i][j] +
                                                 (part[k].mean[i] - all.mean[i]) *
                                                     (part[k].mean[j] - all.mean[j]));
    return all;
}

/* ---- samples ---- */

typedef struct {
    float y[D];
    unsigned char mask[D];
    double mix[CHANNELS * CHANNELS];
    sc_condition condition;
} given;

static void fill(given *g, const example *e)
{
    *g = (given){.condition = {g->y, g->mask, e->grey ? g->mix : NULL}};
    sc_condition_grey(g->mix, CHANNELS);
    for (int i = 0; i < 2; i++) {
        g->y[e->known[i]] = e->y[i];
        g->mask[e->known[i]] = 1;
    }
}

static void set(sc_options *o, const char *name, const char *value)
{
    if (sc_options_set(o, name, value) != SC_OK)
        fail_msg("%s", sc_message());
}

static void draw(float *x, const sc_score *score, const sc_condition *condition, int n,
                 uint32_t first, const sc_options *o)
{
    const sc_sample_job job = {.score = score,
                               .n = n,
                               .h = 1,
                               .w = D / CHANNELS,
                               .key = {.seed = 21, .sample = first},
                               .condition = condition};
    if (sc_prior_draw(x, &job, o) != SC_OK)
        fail_msg("%s", sc_message());
}

/* |mean of a - expected| over four standard errors and the bias */
static double excess(const double *a, double expected, double bias)
{
    double sum = 0, square = 0;
    for (int i = 0; i < IMAGES; i++)
        sum += a[i];
    for (int i = 0; i < IMAGES; i++)
        square += (a[i] - sum / IMAGES) * (a[i] - sum / IMAGES);
    return fabs(sum / IMAGES - expected) / (4 * sqrt(square) / IMAGES + bias);
}

/* bias: of a mean in standard deviations, of a covariance in variances */
static double distance(float (*x)[D], const example *e, const double *mix, double bias)
{
    const law l = exact(e);
    double *a, worst = 0;
    assert_int_equal(SC_ALLOC(&a, IMAGES, "moments"), SC_OK);
    for (int n = 0; n < IMAGES && e->grey; n++) {
        float u[D];
        sc_condition_mix(u, x[n], mix, D / CHANNELS, CHANNELS);
        memcpy(x[n], u, sizeof u);
    }
    for (int i = 0; i < 2; i++) {
        for (int n = 0; n < IMAGES; n++)
            a[n] = x[n][e->unknown[i]];
        worst = fmax(worst, excess(a, l.mean[i], bias * sqrt(l.cov[i][i])));
        for (int j = i; j < 2; j++) {
            for (int n = 0; n < IMAGES; n++)
                a[n] = (x[n][e->unknown[i]] - l.mean[i]) * (x[n][e->unknown[j]] - l.mean[j]);
            worst = fmax(worst, excess(a, l.cov[i][j], bias * sqrt(l.cov[i][i] * l.cov[j][j])));
        }
    }
    sc_free(a);
    return worst;
}

static sc_options corrected(const char *steps)
{
    sc_options o = sc_sample_options_conditional();
    set(&o, "corrector-steps", steps);
    return o;
}

static void the_unknown_has_its_law_given_the_known(void **state)
{
    (void)state;
    static const struct {
        const char *steps;
        double bias;
        bool grey; /* both examples */
    } effort[] = {{"3", 0.16, false}, {"12", 0.04, true}};
    float(*x)[D];
    assert_int_equal(SC_ALLOC(&x, IMAGES, "samples"), SC_OK);
    for (int s = 0; s < 3; s++) {
        sc_score *score = mixture(s);
        for (int i = 0; i < 2; i++)
            for (int c = 0; c < 2; c++) {
                given g;
                if (examples[i].grey && !effort[c].grey)
                    continue;
                const sc_options o = corrected(effort[c].steps);
                fill(&g, &examples[i]);
                draw(x[0], score, &g.condition, IMAGES, 0, &o);
                double worst = distance(x, &examples[i], g.mix, effort[c].bias);
                print_message("SDE %d, %s, %s corrector steps: %.2f of what is allowed\n", s,
                              examples[i].name, effort[c].steps, worst);
                if (!(worst < 1))
                    fail_msg("seed 21: mean or covariance is off");
            }
        sc_score_free(score);
    }
    sc_free(x);
}

static const char *const levelled[] = {"heun",        "edm",
                                       "dpm++2m",     "dpm++2m-sde",
                                       "ancestral",   "reverse-diffusion",
                                       "probability-flow", "euler-maruyama"};

static void what_is_known_comes_back(void **state)
{
    (void)state;
    sc_score *score = mixture(1);
    for (size_t s = 0; s < sizeof levelled / sizeof *levelled; s++)
        for (int i = 0; i < 2; i++) {
            given g;
            float x[3][D], u[D], alone[D];
            const example *e = &examples[i];
            sc_options o = sc_options_default(sc_sample_options);
            set(&o, "sampler", levelled[s]);
            set(&o, "steps", "32");
            fill(&g, e);
            draw(x[0], score, &g.condition, 3, 0, &o);
            draw(alone, score, &g.condition, 1, 1, &o);
            assert_memory_equal(alone, x[1], sizeof alone);
            sc_condition_mix(u, x[1], g.mix, D / CHANNELS, CHANNELS);
            for (int k = 0; k < 2; k++)
                if (e->grey)
                    assert_float_equal(u[e->known[k]], e->y[k], 1e-6);
                else
                    assert_true(x[1][e->known[k]] == e->y[k]);
            assert_true(x[0][e->unknown[0]] != x[1][e->unknown[0]]);
        }
    sc_score_free(score);
}

/* Whatever is known, the rest of u is left as it was. */
static void the_mixture_is_orthonormal_and_its_first_channel_averages(void **state)
{
    (void)state;
    enum { C = 3 };
    double mix[C * C];
    float x[C] = {0.3f, -0.7f, 1.1f}, before[C], after[C];
    const float y[C] = {0.9f, 0, 0};
    const unsigned char mask[C] = {1, 0, 0};
    const sc_condition condition = {y, mask, mix};
    sc_condition_grey(mix, C);
    for (int i = 0; i < C; i++)
        for (int j = 0; j < C; j++) {
            double dot = 0;
            for (int a = 0; a < C; a++)
                dot += mix[a * C + i] * mix[a * C + j];
            assert_true(fabs(dot - (i == j)) < 1e-12);
        }
    sc_condition_mix(before, x, mix, 1, C);
    assert_float_equal(before[0], (x[0] + x[1] + x[2]) / sqrtf(3), 1e-6);
    sc_condition_impose(x, &condition, 1, C, 2, 0, NULL);
    sc_condition_mix(after, x, mix, 1, C);
    assert_float_equal(after[0], 1.8f, 1e-6);
    assert_float_equal(after[1], before[1], 1e-6);
    assert_float_equal(after[2], before[2], 1e-6);
}

static void an_adaptive_sampler_takes_no_condition(void **state)
{
    (void)state;
    given g;
    float x[D];
    sc_score *score = mixture(0);
    sc_options o = sc_options_default(sc_sample_options);
    fill(&g, &examples[0]);
    set(&o, "sampler", "ode");
    const sc_sample_job job = {.score = score, .n = 1, .h = 1, .w = 2, .condition = &g.condition};
    assert_int_equal(sc_prior_draw(x, &job, &o), SC_ERR_UNSUPPORTED);
    sc_score_free(score);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_unknown_has_its_law_given_the_known),
        cmocka_unit_test(what_is_known_comes_back),
        cmocka_unit_test(the_mixture_is_orthonormal_and_its_first_channel_averages),
        cmocka_unit_test(an_adaptive_sampler_takes_no_condition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
