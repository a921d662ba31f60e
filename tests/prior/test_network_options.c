/* Every option of the published networks: parameters and modules counted as published, and all
 * combinations that change the graph, forward and backward, against the naive twin.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "network_fixture.h"

/* ---- what the published configurations come to ---- */

typedef struct {
    const char *name;
    int channels, nf, levels, ch_mult[8], blocks, attention; /* level, -1 none */
    int progressive, progressive_input, combine;
    char flags[8]; /* f Fourier, b BigGAN, d plain DDPM, r FIR */
    int modules;
    int64_t parameters;
} published;

static const published table[] = {
    {"tiny biggan fourier", 1, 8, 2, {1, 2}, 1, 1, 0, 0, 0, "fb", 19, 48249},
    {"tiny biggan residual", 1, 8, 2, {1, 2}, 1, 1, 0, 2, 0, "fb", 20, 48329},
    {"tiny biggan skips", 1, 8, 2, {1, 2}, 1, 1, 1, 1, 0, "fb", 22, 48442},
    {"tiny biggan skips cat", 1, 8, 2, {1, 2}, 1, 1, 1, 1, 1, "fbr", 22, 50762},
    {"tiny biggan residual both", 1, 8, 2, {1, 2}, 1, 1, 2, 2, 0, "fbr", 23, 51841},
    {"tiny ddpm positional", 1, 8, 2, {1, 2}, 1, 1, 0, 0, 0, "", 18, 43849},
    {"tiny ddpm skips", 1, 8, 2, {1, 2}, 1, 1, 1, 1, 0, "r", 21, 44042},
    {"cifar10 ncsnpp", 3, 128, 4, {1, 2, 2, 2}, 4, 1, 0, 2, 0, "fbr", 59, 62758915},
    {"cifar10 ncsnpp deep", 3, 128, 4, {1, 2, 2, 2}, 8, 1, 0, 2, 0, "fbr", 95, 107587075},
    {"cifar10 ncsnpp deep vp", 3, 128, 4, {1, 2, 2, 2}, 8, 1, 0, 2, 0, "br", 94, 107521411},
    {"cifar10 ddpmpp", 3, 128, 4, {1, 2, 2, 2}, 4, 1, 0, 0, 0, "b", 55, 61804419},
    {"cifar10 ddpmpp deep", 3, 128, 4, {1, 2, 2, 2}, 8, 1, 0, 0, 0, "b", 91, 106632579},
    {"cifar10 ddpm", 3, 128, 4, {1, 2, 2, 2}, 2, 1, 0, 0, 0, "d", 37, 35218947},
    {"church ddpm", 3, 128, 6, {1, 1, 2, 2, 4, 4}, 2, 4, 0, 0, 0, "d", 51, 111569923},
    {"church", 3, 128, 7, {1, 1, 2, 2, 2, 2, 2}, 2, 4, 1, 1, 0, "fbr", 77, 65574549},
    {"ffhq 1024", 3, 16, 8, {1, 2, 4, 8, 16, 32, 32, 32}, 1, 6, 1, 1, 0, "fbr", 70, 105785896},
    {"celeba 64", 3, 128, 4, {1, 2, 2, 2}, 4, 2, 0, 2, 0, "br", 58, 62693251},
    {"fastmri knee 320", 1, 128, 4, {1, 2, 2, 2}, 4, -1, 0, 2, 0, "fbr", 54, 61433601},
    {"brats 240", 1, 32, 5, {1, 1, 2, 2, 2}, 2, 3, 1, 1, 0, "fbr", 57, 2676069},
    {"ct 320", 1, 32, 7, {1, 1, 2, 2, 2, 2, 2}, 2, 4, 1, 1, 0, "fbr", 77, 4119015},
    {"ldct 512", 1, 16, 7, {1, 2, 4, 8, 16, 32, 32}, 1, 5, 1, 1, 0, "fbr", 62, 75669047},
};

static sc_network_config config_of(const published *row)
{
    sc_network_config c = sc_network_config_default();
    c.channels = row->channels, c.nf = row->nf, c.levels = row->levels;
    memcpy(c.ch_mult, row->ch_mult, sizeof c.ch_mult);
    c.num_res_blocks = row->blocks;
    c.attention_middle = c.resamp_with_conv = 1;
    if (row->attention >= 0)
        c.attention[row->attention] = 1;
    c.progressive = row->progressive, c.progressive_input = row->progressive_input;
    c.progressive_combine = row->combine;
    c.precondition_edm = 0;
    c.embedding_fourier = strchr(row->flags, 'f') != NULL;
    c.resblock_biggan = strchr(row->flags, 'b') != NULL;
    c.fir = strchr(row->flags, 'r') != NULL;
    c.norm_groups = strchr(row->flags, 'd') ? 32 : 0;
    c.skip_rescale = !strchr(row->flags, 'd');
    c.continuous = c.embedding_fourier;
    return c;
}

static void published_networks_have_their_modules_and_parameters(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        sc_network_config c = config_of(&table[i]);
        sc_network *network;
        const sc_parameter *p;
        char last[32];
        GOOD(sc_network_create(&network, &c));
        int count = sc_network_parameters(network, &p);
        snprintf(last, sizeof last, "all_modules.%d.bias", table[i].modules - 1);
        if (strcmp(p[count - 1].name, last) != 0 && table[i].progressive != SC_PYRAMID_SKIP)
            fail_msg("%s: last parameter %s", table[i].name, p[count - 1].name);
        if (sc_network_parameter_count(network) != table[i].parameters)
            fail_msg("%s: %lld parameters, published %lld", table[i].name,
                     (long long)sc_network_parameter_count(network),
                     (long long)table[i].parameters);
        sc_network_free(network);
    }
}

/* ---- combinations ---- */

/* Forward; derivative along one direction of all parameters, and along one of x. */
static void check_both(const sc_network_config *c, const char *what, int n, int h, int w)
{
    fixture f = set_up(c, n, h, w, 1, 1);
    size_t total = (size_t)n * f.size, all = (size_t)f.parameters;
    double *x = widen(f.x, total), *d = calloc(total, sizeof *d), error = 0, norm = 0;
    float *g = calloc(total, sizeof *g), *gx = calloc(total, sizeof *gx);
    float *gtheta = calloc(all, sizeof *gtheta),
          *direction = calloc(all + total, sizeof *direction);
    twin(&f, d, f.theta64, x);
    for (size_t i = 0; i < total; i++) {
        error += (d[i] - f.d[i]) * (d[i] - f.d[i]);
        norm += d[i] * d[i];
    }
    if (!(sqrt(error / norm) < 1e-5))
        fail_msg("%s: relative error %g", what, sqrt(error / norm));
    sc_random_normal(g, (int64_t)total, (sc_key){.seed = 13}, SC_DRAW_TEST, 1);
    sc_random_normal(direction, (int64_t)(all + total), (sc_key){.seed = 14}, SC_DRAW_TEST, 2);
    double *g64 = widen(g, total);
    GOOD(sc_run_backward(f.run, gtheta, gx, g));
    const sc_parameter *p;
    int count = sc_network_parameters(f.network, &p);
    for (int i = 0; i < count; i++) /* frozen ones have no gradient */
        if (p[i].frozen)
            memset(direction + p[i].offset, 0, sizeof *direction * (size_t)p[i].count);
    double slope = difference(&f, f.theta64, direction, all, f.theta64, x, g64);
    check_direction(what, dot(gtheta, direction, all), slope, sqrt(dot(gtheta, gtheta, all)));
    slope = difference(&f, x, direction + all, total, f.theta64, x, g64);
    check_direction(what, dot(gx, direction + all, total), slope, sqrt(dot(gx, gx, total)));
    free(x), free(d), free(g), free(gx), free(gtheta), free(direction), free(g64);
    tear_down(&f);
}

/* The bits of `i`, in this order: BigGAN, FIR, resampling convolution, rescaling, then the output
 * pyramid and the input pyramid with its combination. */
static bool combination(sc_network_config *c, int i, char what[96])
{
    *c = tiny();
    c->nf = 4;
    c->resblock_biggan = i & 1, c->fir = i >> 1 & 1, c->resamp_with_conv = i >> 2 & 1;
    c->skip_rescale = i >> 3 & 1;
    c->progressive = i / 16 % 3, c->progressive_input = i / 48 % 4;
    c->progressive_combine = c->progressive_input == 3;
    if (c->progressive_combine)
        c->progressive_input = SC_PYRAMID_SKIP;
    snprintf(what, 96, "biggan %d fir %d resamp_with_conv %d skip_rescale %d out %d in %d cat %d",
             c->resblock_biggan, c->fir, c->resamp_with_conv, c->skip_rescale, c->progressive,
             c->progressive_input, c->progressive_combine);
    return !(c->resblock_biggan && c->resamp_with_conv); /* which does not read it */
}

static void every_combination_agrees_with_the_naive_twin(void **state)
{
    (void)state;
    int checked = 0;
    for (int i = 0; i < 192; i++) {
        sc_network_config c;
        char what[96];
        if (!combination(&c, i, what))
            continue;
        check_both(&c, what, 2, 4, 6);
        checked++;
    }
    print_message("%d combinations\n", checked);
}

/* Options that do not meddle with each other, on top of a graph with everything. */
static const char *alone(sc_network_config *c, int i)
{
    *c = tiny();
    c->nf = 8, c->levels = 3, c->ch_mult[2] = 2;
    c->attention[1] = c->attention_middle = 1;
    c->fir = c->resamp_with_conv = 1;
    c->progressive = c->progressive_input = SC_PYRAMID_RESIDUAL;
    switch (i) {
    case 0: return "three levels";
    case 1: c->nonlinearity = SC_ACTIVATION_ELU; return "elu";
    case 2: c->nonlinearity = SC_ACTIVATION_RELU; return "relu";
    case 3: c->nonlinearity = SC_ACTIVATION_LRELU; return "lrelu";
    case 4: c->conditional = 0; return "unconditional";
    case 5: c->conditional = c->embedding_fourier = 0; return "unconditional, positional";
    case 6: c->norm_groups = 8; return "eight groups";
    case 7: c->embedding_fourier = 0, c->nf = 12; return "positional";
    case 8: c->fir_kernel[1] = 2, c->fir_kernel[2] = 1, c->fir_taps = 3; return "fir [1,2,1]";
    case 9: c->fir_taps = 2; return "fir [1,3]";
    case 10: c->fir_kernel[4] = 2, c->fir_kernel[5] = .5, c->fir_taps = 6; return "fir of six";
    case 11: c->dropout = .3; return "dropout";
    case 12: c->dropout = .3, c->nonlinearity = SC_ACTIVATION_ELU; return "dropout and elu";
    case 13: c->precondition_edm = c->centred = 0; return "ve";
    case 14: c->precondition_edm = c->scale_by_sigma = 0; return "ve not scaled by sigma";
    case 15: c->precondition_edm = c->scale_by_sigma = c->embedding_fourier = c->centred = 0;
             c->sde.kind = SC_SDE_VP; return "vp not centred";
    case 16: c->num_res_blocks = 2; return "two blocks";
    case 17: c->resblock_biggan = 1, c->progressive_combine = SC_COMBINE_CAT;
             c->progressive = c->progressive_input = SC_PYRAMID_SKIP; return "biggan, cat";
    case 18: c->levels = 1; return "one level";
    case 19: c->levels = 1, c->progressive = SC_PYRAMID_SKIP; return "one level, output_skip";
    default: return NULL;
    }
}

static void each_other_option_agrees_with_the_naive_twin(void **state)
{
    (void)state;
    sc_network_config c;
    const char *what;
    for (int i = 0; (what = alone(&c, i)) != NULL; i++)
        check_both(&c, what, 2, 8, 4);
}

/* Parameter by parameter where the graph is at its richest. */
static void backward_agrees_parameter_by_parameter(void **state)
{
    (void)state;
    sc_network_config c;
    alone(&c, 11);
    c.nf = 4, c.levels = 2, c.attention[1] = 0;
    check_backward(&c, 1, 4, 2);
    c.progressive = c.progressive_input = SC_PYRAMID_SKIP;
    c.progressive_combine = SC_COMBINE_CAT;
    c.nonlinearity = SC_ACTIVATION_LRELU;
    check_backward(&c, 1, 4, 2);
}

static void dropout_repeats_and_is_off_unless_asked_for(void **state)
{
    (void)state;
    sc_network_config c = tiny(), without = tiny();
    c.dropout = .5;
    fixture f = set_up(&c, 2, 8, 8, 0, 1), plain = set_up(&without, 2, 8, 8, 0, 1);
    size_t bytes = 2 * f.size * sizeof(float);
    float *again = malloc(bytes);
    assert_memory_not_equal(f.d, plain.d, bytes);
    GOOD(sc_run_denoise(f.run, again, f.x, f.sigma));
    assert_memory_equal(f.d, again, bytes);
    sc_run_set_dropout(f.run, NULL, 0);
    GOOD(sc_run_denoise(f.run, again, f.x, f.sigma));
    assert_memory_equal(plain.d, again, bytes);
    free(again);
    tear_down(&f);
    tear_down(&plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_networks_have_their_modules_and_parameters),
        cmocka_unit_test(every_combination_agrees_with_the_naive_twin),
        cmocka_unit_test(each_other_option_agrees_with_the_naive_twin),
        cmocka_unit_test(backward_agrees_parameter_by_parameter),
        cmocka_unit_test(dropout_repeats_and_is_off_unless_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
