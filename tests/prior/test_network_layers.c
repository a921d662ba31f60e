/* The kernels of the network, one by one, against the naive twin or an identity.
 *
 * Linear kernels are tested by their adjoint: <A x, g> = <x, A^T g>, which float sums of a few
 * thousand terms keep to 1e-5. Others are compared with the double twin, their gradients with
 * central differences of it along a random direction.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cpu/net_vector.h"
#include "base/kernel_net.h"
#include "base/memory.h"
#include "kernel_fixture.h"

static void exponential_is_good_to_a_part_in_a_million(void **state)
{
    (void)state;
    for (double x = -87; x <= 87; x += 0.0137) {
        float e = sc_fast_exp((float)x);
        close_to(e / exp((double)(float)x), 1, 1e-6, "exp");
    }
    assert_true(sc_sigmoid(200.f) == 1.f && sc_sigmoid(-200.f) < 1e-37f);
    assert_true(sc_fast_exp(0.f) == 1.f);
}

typedef struct {
    int n, h, w, in, out, kernel, stride, low, high, transposed, bias, accumulate;
    float scale;
} conv_case;

static const conv_case conv_cases[] = {
    {1, 5, 7, 1, 1, 3, 1, 1, 1, 0, 1, 0, 1.f},   {2, 6, 9, 2, 32, 3, 1, 1, 1, 0, 1, 0, 1.f},
    {3, 8, 8, 32, 2, 3, 1, 1, 1, 0, 1, 0, 1.f},  {2, 7, 5, 24, 40, 3, 1, 1, 1, 0, 1, 1, .7f},
    {2, 8, 6, 16, 16, 3, 2, 0, 1, 0, 1, 0, 1.f}, {2, 5, 5, 20, 12, 1, 1, 0, 0, 1, 1, 1, .7f},
    {1, 9, 3, 48, 32, 1, 1, 0, 0, 0, 0, 0, 2.f}, {1, 16, 16, 3, 5, 3, 1, 1, 1, 0, 1, 0, 1.f},
};

typedef struct {
    conv_case c;
    sc_conv *conv;
    int oh, ow;
    int64_t in_size, out_size, weights;
    float *x, *y, *W, *bias;
    void *packed, *scratch;
} conv_fixture;

static conv_fixture conv_set_up(const conv_case *c)
{
    conv_fixture f = {.c = *c};
    int taps = c->kernel * c->kernel;
    sc_conv_shape shape = {
        c->n, c->h, c->w, c->in, c->out, c->kernel, c->stride, c->low, c->high,
        c->transposed ? 1 : c->in * taps, c->transposed ? c->out : taps, c->bias, c->accumulate,
        c->scale, 1};
    GOOD(net->conv_create(device, &f.conv, &shape));
    f.oh = (c->h + c->low + c->high - c->kernel) / c->stride + 1;
    f.ow = (c->w + c->low + c->high - c->kernel) / c->stride + 1;
    f.in_size = (int64_t)c->h * c->w * c->in;
    f.out_size = (int64_t)f.oh * f.ow * c->out;
    f.weights = (int64_t)c->in * c->out * taps;
    f.x = noise(c->n * f.in_size, 1);
    f.y = noise(c->n * f.out_size, 2);
    f.W = noise(f.weights, 3);
    f.bias = noise(c->out, 4);
    size_t packed, scratch;
    net->conv_bytes(f.conv, &packed, &scratch);
    GOOD(sc_alloc(&f.packed, packed, 1, "packed"));
    GOOD(sc_alloc(&f.scratch, scratch + 1, 1, "scratch"));
    GOOD(net->conv_pack(f.conv, f.packed, f.W, c->bias ? f.bias : NULL, f.scratch));
    return f;
}

static void conv_tear_down(conv_fixture *f)
{
    net->conv_free(f->conv);
    free(f->x), free(f->y), free(f->W), free(f->bias);
    sc_free(f->packed), sc_free(f->scratch);
}

/* scale * conv + what was there, by the twin */
static void check_conv_image(const conv_fixture *f, const float *before, int image)
{
    const conv_case *c = &f->c;
    double *W = calloc((size_t)f->weights, sizeof *W), bias[64] = {0};
    for (int i = 0; i < f->weights; i++)
        W[i] = f->W[i];
    for (int i = 0; i < c->out && c->bias; i++)
        bias[i] = f->bias[i];
    naive_image x = to_naive(f->x + image * f->in_size, c->h, c->w, c->in);
    naive_image y = c->transposed
                        ? naive_nin(x, W, bias, c->out)
                        : naive_conv(x, W, bias, c->out, c->kernel, c->stride, c->low, c->high);
    naive_image old = to_naive(before + image * f->out_size, f->oh, f->ow, c->out);
    for (int64_t i = 0; i < f->out_size; i++)
        y.v[i] = c->scale * y.v[i] + (c->accumulate ? old.v[i] : 0);
    same_image(f->y + image * f->out_size, y, 1e-4, "conv");
    free(W), free(x.v), free(y.v), free(old.v);
}

static void convolution_agrees_with_its_definition(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof conv_cases / sizeof *conv_cases; i++) {
        conv_fixture f = conv_set_up(&conv_cases[i]);
        float *before = noise(f.c.n * f.out_size, 2);
        GOOD(net->conv_forward(f.conv, f.y, f.x, f.packed, f.scratch));
        for (int image = 0; image < f.c.n; image++)
            check_conv_image(&f, before, image);
        free(before);
        conv_tear_down(&f);
    }
}

/* <g, conv x> = <conv^T g, x> + <g, bias> = <gW, W> + <gbias, bias> */
static void convolution_has_exact_adjoints(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof conv_cases / sizeof *conv_cases; i++) {
        conv_case c = conv_cases[i];
        c.accumulate = 0;
        conv_fixture f = conv_set_up(&c);
        int64_t in = c.n * f.in_size, out = c.n * f.out_size;
        float *g = noise(out, 5), *gx = noise(in, 6), *old = noise(in, 6);
        float *gW = noise(f.weights, 7), *oldW = noise(f.weights, 7);
        float *gb = noise(c.out, 8), *oldb = noise(c.out, 8);
        GOOD(net->conv_forward(f.conv, f.y, f.x, f.packed, f.scratch));
        GOOD(net->conv_backward_data(f.conv, gx, g, f.packed, 1, f.scratch));
        GOOD(net->conv_backward_weights(f.conv, gW, gb, f.x, g, f.scratch));
        double value = dot(g, f.y, out), scale = 1e-5 * sqrt(dot(g, g, out) * dot(f.y, f.y, out));
        double bias = c.bias ? dot(gb, f.bias, c.out) - dot(oldb, f.bias, c.out) : 0;
        close_to(dot(gx, f.x, in) - dot(old, f.x, in) + bias, value, scale, "data");
        close_to(dot(gW, f.W, f.weights) - dot(oldW, f.W, f.weights) + bias, value, scale, "weights");
        GOOD(net->conv_backward_data(f.conv, old, g, f.packed, 0, f.scratch));
        close_to(dot(old, f.x, in) + bias, value, scale, "data, written");
        free(g), free(gx), free(old), free(gW), free(oldW), free(gb), free(oldb);
        conv_tear_down(&f);
    }
}

/* Groups of 6 over 20 + 16 channels: one group spans both inputs; more pixels than one chunk. */
enum { NORM_N = 2, NORM_H = 35, NORM_W = 41, C0 = 20, C1 = 16, CN = C0 + C1, GROUPS = 6 };
#define NORM_PIXELS ((int64_t)NORM_H * NORM_W)

typedef struct {
    double x[CN * NORM_H * NORM_W], shift[CN], weight[CN], bias[CN];
} norm_point;

/* <g, norm> of one image; the twin has groups of 4, so the definition is written out here. */
static double norm_value(const norm_point *p, const float *g, float *y)
{
    int size = CN / GROUPS, pixels = NORM_H * NORM_W;
    double value = 0;
    for (int group = 0; group < GROUPS; group++) {
        double mean = 0, variance = 0, count = size * pixels;
        for (int c = group * size; c < (group + 1) * size; c++)
            for (int i = 0; i < pixels; i++)
                mean += (p->x[c * pixels + i] + p->shift[c]) / count;
        for (int c = group * size; c < (group + 1) * size; c++)
            for (int i = 0; i < pixels; i++)
                variance += pow(p->x[c * pixels + i] + p->shift[c] - mean, 2) / count;
        for (int c = group * size; c < (group + 1) * size; c++)
            for (int i = 0; i < pixels; i++) {
                double u = (p->x[c * pixels + i] + p->shift[c] - mean) / sqrt(variance + 1e-6);
                double z = naive_silu(p->weight[c] * u + p->bias[c]);
                value += z * g[i * CN + c];
                if (y)
                    close_to(y[i * CN + c], z, 1e-5, "norm");
            }
    }
    return value;
}

typedef struct {
    float *x[2], *shift, *weight, *bias, *g, *y, *moments, *gx[2], *gshift, *gweight, *gbias;
    sc_norm_shape shape;
    sc_norm_input input;
    void *scratch;
} norm_fixture;

static norm_fixture norm_set_up(void)
{
    norm_fixture f = {.shape = {NORM_N, {C0, C1}, GROUPS, 1, NORM_PIXELS, 1e-6f}};
    f.x[0] = noise(NORM_N * NORM_PIXELS * C0, 31);
    f.x[1] = noise(NORM_N * NORM_PIXELS * C1, 32);
    f.gx[0] = noise(NORM_N * NORM_PIXELS * C0, 33);
    f.gx[1] = noise(NORM_N * NORM_PIXELS * C1, 34);
    f.shift = noise(NORM_N * CN, 35);
    f.gshift = noise(NORM_N * CN, 36);
    f.weight = noise(CN, 37);
    f.bias = noise(CN, 38);
    f.gweight = calloc(CN, sizeof(float));
    f.gbias = calloc(CN, sizeof(float));
    f.g = noise(NORM_N * NORM_PIXELS * CN, 39);
    f.y = noise(NORM_N * NORM_PIXELS * CN, 40);
    f.moments = noise(NORM_N * GROUPS * 2, 41);
    f.input = (sc_norm_input){{f.x[0], f.x[1]}, f.shift, f.weight, f.bias};
    GOOD(sc_alloc(&f.scratch, net->norm_scratch(&f.shape), 1, "scratch"));
    return f;
}

static void norm_tear_down(norm_fixture *f)
{
    free(f->x[0]), free(f->x[1]), free(f->gx[0]), free(f->gx[1]), free(f->shift), free(f->gshift);
    free(f->weight), free(f->bias), free(f->gweight), free(f->gbias), free(f->g), free(f->y);
    free(f->moments), sc_free(f->scratch);
}

static norm_point *norm_point_of(const norm_fixture *f, int image)
{
    norm_point *p = calloc(1, sizeof *p);
    for (int c = 0; c < CN; c++) {
        const float *x = c < C0 ? f->x[0] + image * NORM_PIXELS * C0 + c
                                : f->x[1] + image * NORM_PIXELS * C1 + c - C0;
        for (int i = 0; i < NORM_PIXELS; i++)
            p->x[c * NORM_PIXELS + i] = x[i * (c < C0 ? C0 : C1)];
        p->shift[c] = f->shift[image * CN + c];
        p->weight[c] = f->weight[c];
        p->bias[c] = f->bias[c];
    }
    return p;
}

/* Central difference of <g, norm> over all images along p[offset + i] += step direction[image][i]. */
static double norm_slope(const norm_fixture *f, size_t offset, int n, const float *direction,
                         int per_image)
{
    const double step = 1e-4;
    double slope = 0;
    for (int image = 0; image < NORM_N; image++)
        for (int side = -1; side <= 1; side += 2) {
            norm_point *p = norm_point_of(f, image);
            double *value = (double *)p + offset;
            for (int i = 0; i < n; i++)
                value[i] += side * step * direction[(per_image ? image * n : 0) + i];
            slope += side * norm_value(p, f->g + image * NORM_PIXELS * CN, NULL) / (2 * step);
            free(p);
        }
    return slope;
}

static void norm_spans_both_inputs_and_the_shift(void **state)
{
    (void)state;
    norm_fixture f = norm_set_up();
    net->norm_forward(device, f.y, f.moments, &f.input, &f.shape, f.scratch);
    for (int image = 0; image < NORM_N; image++) {
        norm_point *p = norm_point_of(&f, image);
        norm_value(p, f.g, f.y + image * NORM_PIXELS * CN);
        free(p);
    }
    norm_tear_down(&f);
}

static void norm_gradients_agree_with_differences(void **state)
{
    (void)state;
    norm_fixture f = norm_set_up();
    float *old = noise(NORM_N * NORM_PIXELS * C0, 33); /* gradient 0 is added, 1 is written */
    net->norm_forward(device, f.y, f.moments, &f.input, &f.shape, f.scratch);
    sc_norm_gradient gradient = {{f.gx[0], f.gx[1]}, {1, 0}, f.gshift, f.gweight, f.gbias};
    net->norm_backward(device, &gradient, f.g, f.moments, &f.input, &f.shape, f.scratch);

    float *d = noise(CN * NORM_N, 50), *dx = noise(NORM_N * NORM_PIXELS * CN, 51);
    size_t at = offsetof(norm_point, shift) / sizeof(double);
    close_to(dot(f.gshift, d, CN * NORM_N), norm_slope(&f, at, CN, d, 1), 1e-2, "shift");
    close_to(dot(f.gweight, d, CN), norm_slope(&f, at + CN, CN, d, 0), 1e-2, "weight");
    close_to(dot(f.gbias, d, CN), norm_slope(&f, at + 2 * CN, CN, d, 0), 1e-2, "bias");
    double mine = 0;
    for (int image = 0; image < NORM_N; image++)
        for (int c = 0; c < CN; c++)
            for (int i = 0; i < NORM_PIXELS; i++) {
                int64_t j = c < C0 ? (image * NORM_PIXELS + i) * C0 + c
                                   : (image * NORM_PIXELS + i) * C1 + c - C0;
                double gx = c < C0 ? (double)f.gx[0][j] - old[j] : f.gx[1][j];
                mine += gx * dx[(image * CN + c) * NORM_PIXELS + i];
            }
    close_to(mine, norm_slope(&f, 0, (int)(CN * NORM_PIXELS), dx, 1), 1e-2, "x");
    free(d), free(dx), free(old);
    norm_tear_down(&f);
}

/* 117 pixels: two blocks of rows, the second short. */
enum { AH = 9, AW = 13, AC = 12, AN = 2, ASIZE = AH * AW * AC };

static double attention_value(const float *q, const float *k, const float *v, const float *g)
{
    naive_image Q = to_naive(q, AH, AW, AC), K = to_naive(k, AH, AW, AC);
    naive_image V = to_naive(v, AH, AW, AC), G = to_naive(g, AH, AW, AC);
    naive_image y = naive_attention(Q, K, V);
    double sum = 0;
    for (int i = 0; i < ASIZE; i++)
        sum += y.v[i] * G.v[i];
    free(Q.v), free(K.v), free(V.v), free(G.v), free(y.v);
    return sum;
}

static void attention_agrees_with_its_definition_and_differences(void **state)
{
    (void)state;
    int total = AN * ASIZE;
    float *in[3], *gin[3], *y = noise(total, 70), *g = noise(total, 71), *d = noise(total, 72);
    void *scratch;
    for (uint32_t i = 0; i < 3; i++) {
        in[i] = noise(total, 73 + i);
        gin[i] = noise(total, 76 + i);
    }
    GOOD(sc_alloc(&scratch, net->attention_scratch(device, AN, AH * AW, AC), 1, "scratch"));
    net->attention_forward(device, y, in[0], in[1], in[2], AN, AH * AW, AC, scratch);
    double value = 0;
    for (int image = 0; image < AN; image++) {
        int o = image * ASIZE;
        value += attention_value(in[0] + o, in[1] + o, in[2] + o, g + o);
    }
    close_to(dot(y, g, total), value, 1e-4, "forward");

    net->attention_backward(device, gin[0], gin[1], gin[2], g, y, in[0], in[1], in[2], AN, AH * AW,
                            AC, scratch);
    /* differences through float inputs: step 1/64 is exact, error step^2 of the third derivative */
    for (int i = 0; i < 3; i++) {
        double slope = 0;
        for (int side = -1; side <= 1; side += 2) {
            float *moved = calloc((size_t)total, sizeof *moved), *set[3] = {in[0], in[1], in[2]};
            for (int j = 0; j < total; j++)
                moved[j] = in[i][j] + (float)side * d[j] / 1024;
            set[i] = moved;
            for (int o = 0; o < total; o += ASIZE)
                slope += side * 512. * attention_value(set[0] + o, set[1] + o, set[2] + o, g + o);
            free(moved);
        }
        close_to(dot(gin[i], d, total), slope, 2e-3 * sqrt(dot(gin[i], gin[i], total)), "gradient");
    }
    for (int i = 0; i < 3; i++)
        free(in[i]), free(gin[i]);
    free(y), free(g), free(d), sc_free(scratch);
}

/* More inputs than one tile. */
static void linear_agrees_with_its_definition_and_adjoint(void **state)
{
    (void)state;
    enum { N = 3, IN = 700, OUT = 9 };
    float *x = noise(N * IN, 80), *W = noise(IN * OUT, 81), *bias = noise(OUT, 82), y[N * OUT];
    float *g = noise(N * OUT, 83), *gx = noise(N * IN, 84), *gW = noise(IN * OUT, 85), gb[OUT] = {0};
    float *oldW = noise(IN * OUT, 85), *old = noise(N * IN, 84);
    double *x64 = calloc(IN, sizeof(double)), *W64 = calloc(IN * OUT, sizeof(double)), b64[OUT], y64[OUT];
    for (int i = 0; i < IN * OUT; i++)
        W64[i] = W[i];
    for (int silu = 0; silu < 2; silu++) {
        net->linear_forward(device, y, x, W, bias, N, IN, OUT, silu);
        for (int i = 0; i < N; i++) {
            for (int j = 0; j < IN; j++)
                x64[j] = x[i * IN + j];
            for (int o = 0; o < OUT; o++)
                b64[o] = bias[o];
            naive_linear(y64, x64, W64, b64, IN, OUT, silu);
            for (int o = 0; o < OUT; o++)
                close_to(y[i * OUT + o], y64[o], 1e-4, "linear");
        }
    }
    net->linear_forward(device, y, x, W, bias, N, IN, OUT, 0);
    net->linear_backward(device, gx, gW, gb, g, x, W, N, IN, OUT, 0, 1);
    double value = dot(y, g, N * OUT) - dot(gb, bias, OUT);
    close_to(dot(gx, x, N * IN) - dot(old, x, N * IN), value, 1e-3, "x");
    close_to(dot(gW, W, IN * OUT) - dot(oldW, W, IN * OUT), value, 1e-3, "W");
    free(x), free(W), free(bias), free(g), free(gx), free(gW), free(oldW), free(old);
    free(x64), free(W64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exponential_is_good_to_a_part_in_a_million),
        cmocka_unit_test(convolution_agrees_with_its_definition),
        cmocka_unit_test(convolution_has_exact_adjoints),
        cmocka_unit_test(norm_spans_both_inputs_and_the_shift),
        cmocka_unit_test(norm_gradients_agree_with_differences),
        cmocka_unit_test(attention_agrees_with_its_definition_and_differences),
        cmocka_unit_test(linear_agrees_with_its_definition_and_adjoint),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
