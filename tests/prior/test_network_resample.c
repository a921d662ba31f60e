/* Resampling, embedding and elementwise kernels of the network, against their definitions: the
 * naive twin, known answers, the adjoint identity <A x, g> = <x, A^T g>.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "kernel_fixture.h"

/* A FIR as a network has it: kernels of 2 to 8 taps, not symmetric, that sum to 1. */
static sc_fir fir_of(int taps, int up, int down, int pad)
{
    sc_fir f = {.taps = taps, .up = up, .down = down, .pad = pad};
    for (int i = 0; i < taps; i++)
        f.tap[i] = (float)(i + 1) * 2 * (float)up / (float)(taps * (taps + 1));
    return f;
}

static void fir_resampling_gives_the_known_answers(void **state)
{
    (void)state;
    static const double up[8] = {.75, 1.25, 1.75, 2.25, 2.75, 3.25, 3.75, 3.};
    static const double down[2] = {1.5, 2.875};
    sc_fir grow = {4, 2, 1, 2, {.25, .75, .75, .25}},
           halve = {4, 1, 2, 1, {.125, .375, .375, .125}};
    float x[16], y[64];
    for (int i = 0; i < 16; i++)
        x[i] = (float)((i / 4 + 1) * (i % 4 + 1));
    net->fir_forward(device, y, x, &grow, 1, 4, 4, 8, 8, 1);
    for (int i = 0; i < 64; i++)
        close_to(y[i], up[i / 8] * up[i % 8], 1e-6, "up");
    net->fir_forward(device, y, x, &halve, 1, 4, 4, 2, 2, 1);
    for (int i = 0; i < 4; i++)
        close_to(y[i], down[i / 2] * down[i % 2], 1e-6, "down");
}

/* Every length, factor and padding, odd sizes, a result longer than the data reach. */
static void fir_agrees_with_its_definition(void **state)
{
    (void)state;
    enum { H = 7, W = 5, C = 3 };
    for (int unit = 0; unit < 7 * 3 * 3; unit++) {
        int taps = 2 + unit % 7, up = unit / 7 % 3 == 1 ? 2 : 1, down = unit / 7 % 3 == 2 ? 2 : 1;
        int pad = taps / 2 + unit / 21, pad1 = taps / 2;
        sc_fir f = fir_of(taps, up, down, pad);
        double k[SC_FIR_TAPS];
        for (int i = 0; i < taps; i++)
            k[i] = f.tap[i];
        float *x = noise(H * W * C, 50);
        naive_image u = to_naive(x, H, W, C), v = naive_upfirdn(u, k, taps, up, down, pad, pad1);
        float *y = noise((int64_t)v.h * v.w * C, 51);
        net->fir_forward(device, y, x, &f, 1, H, W, v.h, v.w, C);
        same_image(y, v, 1e-5, "fir");
        free(x), free(y), free(u.v), free(v.v);
    }
}

static void check_fir_adjoint(const sc_fir *f, int h, int w, int oh, int ow)
{
    enum { N = 2, C = 5 };
    int in = N * h * w * C, out = N * oh * ow * C;
    float *x = noise(in, 52), *y = noise(out, 53), *g = noise(out, 54), *gx = noise(in, 55);
    float *old = noise(in, 55);
    net->fir_forward(device, y, x, f, N, h, w, oh, ow, C);
    double value = dot(y, g, out), scale = 1e-5 * sqrt(dot(y, y, out) * dot(g, g, out));
    net->fir_backward(device, gx, g, f, N, h, w, oh, ow, C, 1);
    close_to(dot(gx, x, in) - dot(old, x, in), value, scale, "added");
    net->fir_backward(device, gx, g, f, N, h, w, oh, ow, C, 0);
    close_to(dot(gx, x, in), value, scale, "written");
    free(x), free(y), free(g), free(gx), free(old);
}

static void fir_has_an_exact_adjoint(void **state)
{
    (void)state;
    for (int taps = 2; taps <= SC_FIR_TAPS; taps++) {
        sc_fir down = fir_of(taps, 1, 2, (taps - 1) / 2), up = fir_of(taps, 2, 1, (taps + 1) / 2);
        sc_fir same = fir_of(taps, 1, 1, (taps + 1) / 2);
        check_fir_adjoint(&down, 7, 10, 3, 5);
        check_fir_adjoint(&up, 5, 6, 10, 12);
        check_fir_adjoint(&up, 5, 6, 12, 14);
        check_fir_adjoint(&same, 6, 9, 7, 10);
    }
}

static void resampling_agrees_with_its_definition_and_adjoint(void **state)
{
    (void)state;
    enum { N = 2, C = 5 };
    for (int unit = 0; unit < 4; unit++) {
        sc_resample_kind kind = unit % 2 ? SC_RESAMPLE_MEAN_DOWN : SC_RESAMPLE_NEAREST_UP;
        int up = kind == SC_RESAMPLE_NEAREST_UP, h = unit / 2 ? 7 : 6, w = unit / 2 ? 9 : 10;
        int in = N * h * w * C, oh = up ? 2 * h : h / 2, ow = up ? 2 * w : w / 2;
        int out = N * oh * ow * C;
        float *x = noise(in, 60), *y = noise(out, 61), *g = noise(out, 62), *gx = noise(in, 63);
        float *old = noise(in, 63);
        net->resample_forward(device, y, x, kind, N, h, w, C);
        for (int i = 0; i < N; i++) {
            naive_image u = to_naive(x + i * h * w * C, h, w, C), v = naive_plain_resample(u, up);
            same_image(y + i * oh * ow * C, v, 1e-6, "resample");
            free(u.v), free(v.v);
        }
        double value = dot(y, g, out), scale = 1e-5 * sqrt(dot(y, y, out) * dot(g, g, out));
        net->resample_backward(device, gx, g, kind, N, h, w, C, 1);
        close_to(dot(gx, x, in) - dot(old, x, in), value, scale, "added");
        net->resample_backward(device, gx, g, kind, N, h, w, C, 0);
        close_to(dot(gx, x, in), value, scale, "written");
        free(x), free(y), free(g), free(gx), free(old);
    }
}

static void embeddings_give_the_known_answers(void **state)
{
    (void)state;
    static const double known[8] = {-.544021111, .447670835, .02154268, .001,
                                    -.839071529, .894198425, .99976793, .9999995};
    float frequency[4], y[9], label = 10;
    for (int j = 0; j < 4; j++)
        frequency[j] = (float)exp(-j * log(10000.) / 3);
    y[8] = 7;
    net->embed(device, y, &label, frequency, SC_EMBED_POSITIONAL, 1, 9);
    for (int i = 0; i < 8; i++)
        close_to(y[i], known[i], 1e-6, "positional");
    assert_true(y[8] == 0);
    float w = 1.5f;
    label = (float)log(2);
    for (int kind = SC_EMBED_FOURIER; kind <= SC_EMBED_FOURIER_FLOAT; kind++) {
        net->embed(device, y, &label, &w, (sc_embed_kind)kind, 1, 2);
        close_to(y[0], .246990176, 1e-6, "sine");
        close_to(y[1], .969017984, 1e-6, "cosine");
    }
}

/* Published angles are float32, which differs from exact ones where they are large. */
static void published_angles_are_rounded_as_published(void **state)
{
    (void)state;
    float y[2], w = 47.3f, label = 3.7f, angle = ((label * w) * 2.f) * 3.14159265f;
    net->embed(device, y, &label, &w, SC_EMBED_FOURIER_FLOAT, 1, 2);
    assert_true(y[0] == (float)sin((double)angle) && y[1] == (float)cos((double)angle));
    net->embed(device, y, &label, &w, SC_EMBED_FOURIER, 1, 2);
    assert_true(fabs((double)y[0] - sin(2 * M_PI * (double)w * (double)label)) < 1e-7);
}

static void activations_agree_with_their_definition_and_differences(void **state)
{
    (void)state;
    enum { N = 20000 };
    float *x = noise(N, 70), *y = noise(N, 71), *g = noise(N, 72), *gx = noise(N, 73);
    float *old = noise(N, 73);
    for (int kind = SC_ACTIVATE_ELU; kind <= SC_ACTIVATE_LEAKY; kind++) {
        int name = kind == SC_ACTIVATE_ELU    ? SC_ACTIVATION_ELU
                   : kind == SC_ACTIVATE_RELU ? SC_ACTIVATION_RELU
                                              : SC_ACTIVATION_LRELU;
        memcpy(gx, old, N * sizeof *gx);
        net->activate_forward(device, y, x, (sc_activate_kind)kind, N);
        net->activate_backward(device, gx, g, x, (sc_activate_kind)kind, N, 1);
        for (int i = 0; i < N; i++) {
            double u = x[i], slope = (naive_act(u + 1e-6, name) - naive_act(u - 1e-6, name)) / 2e-6;
            close_to(y[i], naive_act(u, name), 1e-6, "activation");
            if (fabs(u) > 1e-5)
                close_to(gx[i] - old[i], slope * g[i], 1e-5, "slope");
        }
        net->activate_backward(device, gx, g, x, (sc_activate_kind)kind, N, 0);
        for (int i = 0; i < N; i++)
            assert_true(gx[i] == 0 || x[i] > 0 || kind != SC_ACTIVATE_RELU);
    }
    free(x), free(y), free(g), free(gx), free(old);
}

static void columns_go_in_and_out_of_a_wider_tensor(void **state)
{
    (void)state;
    enum { ROWS = 6000, A = 3, B = 5 };
    float *x = noise(ROWS * B, 74), *z = noise(ROWS * (A + B), 75), *back = noise(ROWS * B, 76);
    float *before = noise(ROWS * (A + B), 75), *old = noise(ROWS * B, 76);
    net->copy_columns(device, z + A, A + B, x, B, ROWS, B, 0);
    for (int i = 0; i < ROWS * (A + B); i++)
        assert_true(z[i] == (i % (A + B) < A ? before[i] : x[i / (A + B) * B + i % (A + B) - A]));
    net->copy_columns(device, back, B, z + A, A + B, ROWS, B, 1);
    for (int i = 0; i < ROWS * B; i++)
        assert_true(back[i] == old[i] + x[i]);
    free(x), free(z), free(back), free(before), free(old);
}

/* A share p is zero, the rest grows by 1 / (1 - p); an image's draws do not depend on its batch,
 * nor does the number of threads matter. */
static void dropout_keeps_the_mean_and_is_keyed(void **state)
{
    (void)state;
    enum { N = 3, COUNT = 50001 };
    const float p = .1f;
    sc_key key = {.seed = 5, .slice = 2, .sample = 9},
           second = {.seed = 5, .slice = 2, .sample = 10};
    float *z = calloc(N * COUNT, sizeof *z), *alone = calloc(COUNT, sizeof *alone);
    for (int i = 0; i < N * COUNT; i++)
        z[i] = 1;
    for (int i = 0; i < COUNT; i++)
        alone[i] = 1;
    net->dropout(device, z, p, key, SC_DRAW_DROPOUT, 7, N, COUNT);
    net->dropout(device, alone, p, second, SC_DRAW_DROPOUT, 7, 1, COUNT);
    int dropped = 0;
    for (int i = 0; i < N * COUNT; i++) {
        assert_true(z[i] == 0 || fabs(z[i] - 1 / .9) < 1e-6);
        dropped += z[i] == 0;
    }
    double share = dropped / (double)(N * COUNT);
    close_to(share, .1, 4 * sqrt(.09 / (N * COUNT)), "share");
    assert_memory_equal(alone, z + COUNT, COUNT * sizeof *alone);
    assert_memory_not_equal(z, z + COUNT, COUNT * sizeof *alone);
    uint32_t block[4], counter[4] = {1, (uint32_t)SC_DRAW_DROPOUT << 20 | 7, 2, 9},
                       seed[2] = {5, 0};
    sc_philox(block, counter, seed);
    for (int i = 0; i < 4; i++)
        assert_int_equal(z[4 + i] == 0, block[i] < (uint32_t)((double)p * 4294967296.));
    free(z), free(alone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fir_resampling_gives_the_known_answers),
        cmocka_unit_test(fir_agrees_with_its_definition),
        cmocka_unit_test(fir_has_an_exact_adjoint),
        cmocka_unit_test(resampling_agrees_with_its_definition_and_adjoint),
        cmocka_unit_test(embeddings_give_the_known_answers),
        cmocka_unit_test(published_angles_are_rounded_as_published),
        cmocka_unit_test(activations_agree_with_their_definition_and_differences),
        cmocka_unit_test(columns_go_in_and_out_of_a_wider_tensor),
        cmocka_unit_test(dropout_keeps_the_mean_and_is_keyed),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
