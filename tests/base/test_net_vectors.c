/* Convolution and normalisation by every vector width of this processor (sc_device.lanes; 0 is
 * oneDNN and plain loops) against their definitions in double. Sizes and channels are odd on
 * purpose: tiles hang over every edge, vectors end early, blocks end early.
 *
 * Tolerance: Winograd's F(4x4) in float32 loses about two bits against the direct sum; 5e-6 of the
 * root mean square of the result is ten times what is seen at these sizes. */
#include "base/kernel_net.h"
#include "base/memory.h"
#include "tests/base/check.h"
#include <math.h>

#define TOLERANCE 5e-6

static const int widths[] = {16, 8, 0};

static sc_device *device_of(int lanes, int threads)
{
    sc_device *device;
    assert_int_equal(sc_device_create_cpu(&device, threads), SC_OK);
    if (device->lanes < lanes) {
        sc_device_free(device);
        return NULL;
    }
    device->lanes = lanes;
    return device;
}

static float *noise(int64_t n, uint64_t key)
{
    float *x;
    assert_int_equal(SC_ALLOC(&x, n, "noise"), SC_OK);
    for (int64_t i = 0; i < n; i++) {
        key = key * 6364136223846793005u + 1442695040888963407u;
        x[i] = (float)(key >> 40) / 8388608.f - 1.f;
    }
    return x;
}

static float *copy(const float *x, int64_t n)
{
    float *y = noise(n, 0);
    memcpy(y, x, sizeof *y * (size_t)n);
    return y;
}

static void check_close(const float *found, const double *expected, int64_t n, const char *what)
{
    double error = 0, size = 0;
    for (int64_t i = 0; i < n; i++) {
        error += pow(found[i] - expected[i], 2);
        size += pow(expected[i], 2);
    }
    if (!(error <= TOLERANCE * TOLERANCE * size))
        fail_msg("%s: relative error %g", what, sqrt(error / size));
}

static const sc_conv_shape shapes[] = {
    /* n, h, w, in, out, kernel, stride, low, high, strides of W, bias, accumulate, scale */
    {1, 1, 1, 1, 1, 3, 1, 1, 1, 9, 9, 1, 0, 1.f, 1},
    {2, 3, 5, 2, 32, 3, 1, 1, 1, 18, 9, 1, 0, 1.f, 1},
    {1, 4, 4, 32, 2, 3, 1, 1, 1, 288, 9, 1, 1, .5f, 1},
    {1, 8, 12, 16, 48, 3, 1, 1, 1, 144, 9, 0, 0, 1.f, 1},
    {3, 13, 17, 20, 40, 3, 1, 1, 1, 180, 9, 1, 1, .7f, 1},
    {1, 31, 9, 33, 17, 3, 1, 1, 1, 600, 9, 1, 0, 1.f, 1}, /* a slice of the input channels */
    {1, 26, 45, 24, 8, 3, 1, 1, 1, 9, 72, 1, 0, 1.f, 1},  /* W[i][o] */
    {1, 7, 8, 100, 70, 3, 1, 1, 1, 900, 9, 1, 0, 1.f, 1},
    {1, 9, 10, 5, 7, 3, 2, 0, 1, 45, 9, 1, 0, 1.f, 1},
    {2, 6, 7, 12, 20, 1, 1, 0, 0, 12, 1, 1, 1, .5f, 1},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

typedef struct {
    sc_conv_shape s;
    int oh, ow;
    int64_t inputs, outputs, weights;
    float *x, *gy, *W, *bias, *before_y, *before_gx, *before_gW;
} problem;

static problem problem_of(const sc_conv_shape *s)
{
    problem p = {.s = *s};
    p.oh = (s->h + s->pad_low + s->pad_high - s->kernel) / s->stride + 1;
    p.ow = (s->w + s->pad_low + s->pad_high - s->kernel) / s->stride + 1;
    p.inputs = (int64_t)s->n * s->h * s->w * s->in;
    p.outputs = (int64_t)s->n * p.oh * p.ow * s->out;
    p.weights = (s->out - 1) * s->out_stride + (s->in - 1) * s->in_stride + s->kernel * s->kernel;
    p.x = noise(p.inputs, 1), p.gy = noise(p.outputs, 2), p.W = noise(p.weights, 3);
    p.bias = noise(s->out, 4), p.before_y = noise(p.outputs, 5), p.before_gx = noise(p.inputs, 6);
    p.before_gW = noise(p.weights, 7);
    return p;
}

static void forget(problem *p)
{
    float *all[] = {p->x, p->gy, p->W, p->bias, p->before_y, p->before_gx, p->before_gW};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        sc_free(all[i]);
}

/* What a pass gives: y, gx (added), gx (written), gW, gbias. */
typedef struct {
    float *y, *gx, *gx_set, *gW, *gb;
} results;

static results run_kernels(const problem *p, const sc_device *device)
{
    const sc_net_kernels *net = device->kernels->net;
    results r = {copy(p->before_y, p->outputs), copy(p->before_gx, p->inputs), noise(p->inputs, 8),
                 copy(p->before_gW, p->weights), copy(p->bias, p->s.out)};
    sc_conv *conv;
    char *packed, *scratch;
    size_t packed_bytes, scratch_bytes;
    assert_int_equal(net->conv_create(device, &conv, &p->s), SC_OK);
    net->conv_bytes(conv, &packed_bytes, &scratch_bytes);
    assert_int_equal(SC_ALLOC(&packed, packed_bytes, "packed"), SC_OK);
    assert_int_equal(SC_ALLOC(&scratch, scratch_bytes + 1, "scratch"), SC_OK);
    memset(scratch, 0xff, scratch_bytes); /* NaN: nothing may be read before it is written */
    assert_int_equal(net->conv_pack(conv, packed, p->W, p->bias, scratch), SC_OK);
    assert_int_equal(net->conv_forward(conv, r.y, p->x, packed, scratch), SC_OK);
    assert_int_equal(net->conv_backward_data(conv, r.gx, p->gy, packed, 1, scratch), SC_OK);
    assert_int_equal(net->conv_backward_data(conv, r.gx_set, p->gy, packed, 0, scratch), SC_OK);
    assert_int_equal(net->conv_backward_weights(conv, r.gW, r.gb, p->x, p->gy, scratch), SC_OK);
    net->conv_free(conv);
    sc_free(packed);
    sc_free(scratch);
    return r;
}

static void forget_results(results *r)
{
    sc_free(r->y), sc_free(r->gx), sc_free(r->gx_set), sc_free(r->gW), sc_free(r->gb);
}

typedef struct {
    double *y, *gx, *gx_set, *gW, *gb;
} definition;

/* One pair of an output pixel and a tap: all channels. */
static void naive_tap(const problem *p, const definition *d, int64_t from, int64_t to, int tap)
{
    const sc_conv_shape *s = &p->s;
    for (int o = 0; o < s->out; o++)
        for (int i = 0; i < s->in; i++) {
            int64_t w = o * s->out_stride + i * s->in_stride + tap;
            double x = p->x[from * s->in + i], g = p->gy[to * s->out + o], W = p->W[w];
            d->y[to * s->out + o] += s->scale * W * x;
            d->gx_set[from * s->in + i] += s->scale * W * g;
            d->gW[w] += s->scale * x * g;
        }
}

static double *widen(const float *x, int64_t n, double factor)
{
    double *y;
    assert_int_equal(SC_ALLOC(&y, n, "widen"), SC_OK);
    for (int64_t i = 0; i < n; i++)
        y[i] = factor * x[i];
    return y;
}

static definition define(const problem *p)
{
    const sc_conv_shape *s = &p->s;
    definition d = {widen(p->before_y, p->outputs, s->accumulate), widen(p->before_gx, p->inputs, 1),
                    widen(p->before_gx, p->inputs, 0), widen(p->before_gW, p->weights, 1),
                    widen(p->bias, s->out, 1)};
    for (int64_t pixel = 0; pixel < p->outputs / s->out; pixel++) {
        int image = (int)(pixel / (p->oh * p->ow)), rest = (int)(pixel % (p->oh * p->ow));
        for (int o = 0; o < s->out && s->bias; o++) {
            d.y[pixel * s->out + o] += s->scale * p->bias[o];
            d.gb[o] += s->scale * p->gy[pixel * s->out + o];
        }
        for (int tap = 0; tap < s->kernel * s->kernel; tap++) {
            int y = rest / p->ow * s->stride - s->pad_low + tap / s->kernel;
            int x = rest % p->ow * s->stride - s->pad_low + tap % s->kernel;
            if (y >= 0 && y < s->h && x >= 0 && x < s->w)
                naive_tap(p, &d, ((int64_t)image * s->h + y) * s->w + x, pixel, tap);
        }
    }
    for (int64_t i = 0; i < p->inputs; i++)
        d.gx[i] += d.gx_set[i];
    return d;
}

static void convolution_is_its_definition_at_every_vector_width(void **state)
{
    (void)state;
    for (int k = 0; k < SHAPES; k++) {
        problem p = problem_of(&shapes[k]);
        definition d = define(&p);
        for (int i = 0; i < 3; i++) {
            sc_device *device = device_of(widths[i], 2);
            if (!device)
                continue;
            results r = run_kernels(&p, device);
            check_close(r.y, d.y, p.outputs, "forward");
            check_close(r.gx, d.gx, p.inputs, "data, added");
            check_close(r.gx_set, d.gx_set, p.inputs, "data, written");
            check_close(r.gW, d.gW, p.weights, "weights");
            check_close(r.gb, d.gb, p.s.out, "bias");
            forget_results(&r);
            sc_device_free(device);
        }
        sc_free(d.y), sc_free(d.gx), sc_free(d.gx_set), sc_free(d.gW), sc_free(d.gb);
        forget(&p);
    }
}

/* Winograd's weight gradients too, which oneDNN's are not. */
static void convolution_is_the_same_bytes_for_any_number_of_threads(void **state)
{
    (void)state;
    for (int k = 0; k < 8; k++)
        for (int i = 0; i < 2; i++) {
            problem p = problem_of(&shapes[k]);
            results r[3];
            sc_device *device[3];
            for (int t = 0; t < 3; t++) {
                device[t] = device_of(widths[i], t + 1);
                if (device[t])
                    r[t] = run_kernels(&p, device[t]);
            }
            for (int t = 1; t < 3 && device[0]; t++) {
                assert_memory_equal(r[t].y, r[0].y, sizeof(float) * (size_t)p.outputs);
                assert_memory_equal(r[t].gx, r[0].gx, sizeof(float) * (size_t)p.inputs);
                assert_memory_equal(r[t].gW, r[0].gW, sizeof(float) * (size_t)p.weights);
                assert_memory_equal(r[t].gb, r[0].gb, sizeof(float) * (size_t)p.s.out);
            }
            for (int t = 0; t < 3; t++) {
                if (device[t])
                    forget_results(&r[t]);
                sc_device_free(device[t]);
            }
            forget(&p);
        }
}

enum { N = 2, C0 = 20, C1 = 37, C = C0 + C1, PIXELS = 1100, GROUPS = 3 };

/* All outputs of normalisation, one after another. */
static float *normalise(const sc_device *device, int silu, int64_t *count)
{
    const sc_net_kernels *net = device->kernels->net;
    sc_norm_shape s = {.n = N, .c = {C0, C1}, .groups = GROUPS, .silu = silu, .pixels = PIXELS,
                       .epsilon = 1e-6f};
    float *x0 = noise(N * PIXELS * C0, 1), *x1 = noise(N * PIXELS * C1, 2), *shift = noise(N * C, 3);
    float *weight = noise(C, 4), *bias = noise(C, 5), *gy = noise(N * PIXELS * C, 6);
    *count = N * PIXELS * C * 2 + N * GROUPS * 2 + N * C + 2 * C;
    float *all = noise(*count, 7), *y = all, *moments = y + N * PIXELS * C;
    float *gx0 = moments + N * GROUPS * 2, *gx1 = gx0 + N * PIXELS * C0;
    float *gshift = gx1 + N * PIXELS * C1, *gweight = gshift + N * C, *gbias = gweight + C;
    sc_norm_input input = {{x0, x1}, shift, weight, bias};
    sc_norm_gradient gradient = {{gx0, gx1}, {0, 1}, gshift, gweight, gbias};
    char *scratch;
    assert_int_equal(SC_ALLOC(&scratch, net->norm_scratch(&s), "scratch"), SC_OK);
    net->norm_forward(device, y, moments, &input, &s, scratch);
    net->norm_backward(device, &gradient, gy, moments, &input, &s, scratch);
    float *own[] = {x0, x1, shift, weight, bias, gy};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        sc_free(own[i]);
    sc_free(scratch);
    return all;
}

/* The plain loops are tested against the definition beside the network's other layers. */
static void normalisation_is_the_plain_loops_at_every_vector_width(void **state)
{
    (void)state;
    for (int silu = 0; silu < 2; silu++) {
        int64_t count;
        sc_device *device = device_of(0, 1);
        float *plain = normalise(device, silu, &count);
        double *expected = widen(plain, count, 1);
        sc_device_free(device);
        for (int i = 0; i < 2; i++) {
            device = device_of(widths[i], 2);
            if (!device)
                continue;
            float *found = normalise(device, silu, &count);
            check_close(found, expected, count, "normalisation");
            sc_free(found);
            sc_device_free(device);
        }
        sc_free(plain), sc_free(expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolution_is_its_definition_at_every_vector_width),
        cmocka_unit_test(convolution_is_the_same_bytes_for_any_number_of_threads),
        cmocka_unit_test(normalisation_is_the_plain_loops_at_every_vector_width),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
