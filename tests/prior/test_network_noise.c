/* The noise levels of published networks: labels, scaling of the output, and that the score, the
 * denoised image and the network's own output say the same for every SDE, continuous and discrete.
 *
 * By Tweedie's formula, with m the mean and std the deviation of the SDE at t,
 *     D(x / m, std / m) = (x + std^2 s(x, t)) / m.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "network_fixture.h"

static sc_network_config published(sc_sde_kind kind, int continuous, int fourier)
{
    sc_network_config c = tiny();
    c.precondition_edm = 0;
    c.sde.kind = kind;
    c.continuous = continuous;
    c.embedding_fourier = fourier;
    c.scale_by_sigma = kind == SC_SDE_VE;
    return c;
}

typedef struct {
    const char *name;
    sc_sde_kind kind;
    int continuous, fourier, scaled;
} scheme;

static const scheme schemes[] = {
    {"ve", SC_SDE_VE, 1, 1, 1},       {"ve plain", SC_SDE_VE, 1, 1, 0},
    {"ve positional", SC_SDE_VE, 1, 0, 0}, {"ve discrete", SC_SDE_VE, 0, 0, 1},
    {"ve discrete plain", SC_SDE_VE, 0, 0, 0}, {"vp", SC_SDE_VP, 1, 0, 0},
    {"vp fourier", SC_SDE_VP, 1, 1, 0}, {"vp scaled", SC_SDE_VP, 1, 1, 1},
    {"vp discrete", SC_SDE_VP, 0, 0, 0}, {"vp discrete scaled", SC_SDE_VP, 0, 0, 1},
    {"subvp", SC_SDE_SUBVP, 1, 0, 0},
};
#define SCHEMES ((int)(sizeof schemes / sizeof *schemes))

static sc_network_config config_of(const scheme *s)
{
    sc_network_config c = published(s->kind, s->continuous, s->fourier);
    c.scale_by_sigma = s->scaled;
    return c;
}

/* mean and std where the published tables or formulas have them; t falls on a discrete level */
static void marginal(double *mean, double *std, const sc_network_config *c, double t)
{
    int n = c->num_scales, level = (int)round(t * (n - 1));
    *mean = sc_sde_mean(&c->sde, t);
    *std = sc_sde_std(&c->sde, t);
    if (c->sde.kind != SC_SDE_VP || c->continuous)
        return;
    double product = 1, b0 = c->sde.beta_min, b1 = c->sde.beta_max;
    for (int i = 0; i <= level; i++)
        product *= 1 - (b0 / n + (b1 - b0) / n * i / (n - 1));
    *mean = sqrt(product);
    *std = sqrt(1 - product);
}

static double relative(const float *a, const float *b, size_t n)
{
    double error = 0, norm = 0;
    for (size_t i = 0; i < n; i++) {
        error += (double)(a[i] - b[i]) * (a[i] - b[i]);
        norm += (double)b[i] * b[i];
    }
    return sqrt(error / norm);
}

/* Float labels and times: s and D agree to what a rounding of the label changes in the embedding
 * (999 t to 6e-5 in the angle of the first frequency). */
static void score_and_denoised_image_agree(void **state)
{
    (void)state;
    for (int i = 0; i < SCHEMES; i++) {
        sc_network_config c = config_of(&schemes[i]);
        fixture f = set_up(&c, 2, 8, 8, 0, 1);
        size_t total = 2 * f.size;
        float *s = calloc(total, sizeof *s), *scaled = calloc(total, sizeof *s);
        const double level[2] = {700. / 999, 120. / 999};
        double sigma[2], mean[2], std[2];
        for (int k = 0; k < 2; k++) {
            marginal(&mean[k], &std[k], &c, level[k]);
            sigma[k] = std[k] / mean[k];
        }
        GOOD(sc_run_score(f.run, s, f.x, level));
        for (size_t j = 0; j < total; j++) {
            int k = j >= f.size;
            scaled[j] = (float)(f.x[j] / mean[k]);
            s[j] = (float)((f.x[j] + std[k] * std[k] * s[j]) / mean[k]);
        }
        GOOD(sc_run_denoise(f.run, f.d, scaled, sigma));
        double error = relative(f.d, s, total);
        if (!(error < 5e-5))
            fail_msg("%s: relative error %g", schemes[i].name, error);
        free(s), free(scaled);
        tear_down(&f);
    }
}

/* The twin, without any of the engine's formulas: F for the embedded label, divided as published.
 */
static void outputs_are_scaled_as_published(void **state)
{
    (void)state;
    static const struct {
        scheme s;
        double label, embedded, divisor;
    } rows[] = {
        {{"ve", SC_SDE_VE, 1, 1, 1}, 3., 1.0986122886681098, 3.},
        {{"ve discrete", SC_SDE_VE, 0, 0, 1}, 0, 0, 50.},
        {{"ve discrete", SC_SDE_VE, 0, 0, 1}, 999, 999, .01},
        {{"ve discrete", SC_SDE_VE, 0, 0, 1}, 333, 333, 2.9240177382128660},
        {{"vp", SC_SDE_VP, 1, 0, 0}, 512.25, 512.25, 1.},
        {{"vp fourier", SC_SDE_VP, 1, 1, 1}, 100., 4.605170185988092, 100.},
        {{"vp discrete", SC_SDE_VP, 0, 0, 1}, 333.75, 333.75, 2.9240177382128660},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        sc_network_config c = config_of(&rows[i].s);
        fixture f = set_up(&c, 1, 8, 8, 0, 1);
        naive_net n = {.network = f.network, .theta = f.theta64, .config = &c};
        double *x = widen(f.x, f.size), *y = calloc(f.size, sizeof *y);
        float *twin = calloc(f.size, sizeof *twin);
        naive_evaluate(&n, y, x, 8, 8, 1, rows[i].embedded, 0, 1 / rows[i].divisor);
        for (size_t j = 0; j < f.size; j++)
            twin[j] = (float)y[j];
        GOOD(sc_run_forward(f.run, f.d, f.x, &rows[i].label));
        double error = relative(f.d, twin, f.size);
        if (!(error < 3e-5)) /* published angles are float32 */
            fail_msg("%s, label %g: relative error %g", rows[i].s.name, rows[i].label, error);
        free(x), free(y), free(twin);
        tear_down(&f);
    }
}

/* Backward follows whichever was evaluated: the score and the output differ by a factor. */
static void gradients_follow_what_was_evaluated(void **state)
{
    (void)state;
    sc_network_config c = published(SC_SDE_VP, 1, 0);
    fixture f = set_up(&c, 1, 8, 8, 1, 1);
    size_t bytes = sizeof(float) * (size_t)f.parameters;
    float *g[2] = {calloc(1, bytes), calloc(1, bytes)};
    double t = .5, label = 999 * .5, std = sc_sde_std(&c.sde, t);
    GOOD(sc_run_score(f.run, f.d, f.x, &t));
    GOOD(sc_run_backward(f.run, g[0], NULL, f.x));
    GOOD(sc_run_forward(f.run, f.d, f.x, &label));
    GOOD(sc_run_backward(f.run, g[1], NULL, f.x));
    for (int64_t i = 0; i < f.parameters; i++)
        g[1][i] = (float)(-g[1][i] / std);
    assert_true(relative(g[0], g[1], (size_t)f.parameters) < 1e-5);
    free(g[0]), free(g[1]);
    tear_down(&f);
}

static void sigmas_between_and_beyond_the_levels_are_denoised(void **state)
{
    (void)state;
    for (int i = 0; i < SCHEMES; i++) {
        sc_network_config c = config_of(&schemes[i]);
        fixture f = set_up(&c, 2, 8, 8, 0, 1);
        const double sigma[][2] = {{1e-3, 1e3}, {.0123, 7.89}};
        for (int k = 0; k < 2; k++) {
            GOOD(sc_run_denoise(f.run, f.d, f.x, sigma[k]));
            for (size_t j = 0; j < 2 * f.size; j++)
                assert_true(isfinite(f.d[j]));
        }
        tear_down(&f);
    }
}

static void unknown_levels_are_refused(void **state)
{
    (void)state;
    static const struct {
        scheme s;
        double label, t;
    } rows[] = {
        {{"ve", SC_SDE_VE, 1, 1, 1}, 0, -.1},         {{"ve", SC_SDE_VE, 1, 1, 1}, NAN, NAN},
        {{"ve discrete", SC_SDE_VE, 0, 0, 1}, 1000, 1.1}, {{"vp", SC_SDE_VP, 1, 0, 0}, -1, 0},
        {{"vp discrete", SC_SDE_VP, 0, 0, 1}, 1e9, 2},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        sc_network_config c = config_of(&rows[i].s);
        fixture f = set_up(&c, 1, 8, 8, 0, 1);
        assert_int_equal(sc_run_forward(f.run, f.d, f.x, &rows[i].label), SC_ERR_INPUT);
        assert_int_equal(sc_run_score(f.run, f.d, f.x, &rows[i].t), SC_ERR_INPUT);
        tear_down(&f);
    }
}

typedef struct {
    int shown;
    char last[64];
    const float *output;
    size_t size;
} witness;

static void look(void *user, const char *module, const float *value, int n, int h, int w, int c)
{
    witness *seen = user;
    seen->shown++;
    snprintf(seen->last, sizeof seen->last, "%s", module);
    if (strcmp(module, "all_modules.18") == 0) {
        assert_int_equal(n * h * w * c, seen->size);
        for (size_t i = 0; i < seen->size; i++)
            assert_true(value[i] == seen->output[i]);
    }
}

static void observers_see_the_outputs_of_modules(void **state)
{
    (void)state;
    sc_network_config c = published(SC_SDE_VP, 1, 1);
    c.attention_middle = c.attention[1] = c.resblock_biggan = 1;
    fixture f = set_up(&c, 1, 8, 8, 0, 1);
    double label = 40;
    GOOD(sc_run_forward(f.run, f.d, f.x, &label));
    witness seen = {.output = f.d, .size = f.size};
    float *again = calloc(f.size, sizeof *again);
    sc_run_observe(f.run, look, &seen);
    GOOD(sc_run_forward(f.run, again, f.x, &label));
    assert_string_equal(seen.last, "all_modules.18");
    assert_true(seen.shown > 30);
    assert_memory_equal(again, f.d, f.size * sizeof *again);
    free(again);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(score_and_denoised_image_agree),
        cmocka_unit_test(outputs_are_scaled_as_published),
        cmocka_unit_test(gradients_follow_what_was_evaluated),
        cmocka_unit_test(sigmas_between_and_beyond_the_levels_are_denoised),
        cmocka_unit_test(unknown_levels_are_refused),
        cmocka_unit_test(observers_see_the_outputs_of_modules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
