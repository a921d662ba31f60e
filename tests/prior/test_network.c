/* The network engine against a naive twin in double precision, forward and backward.
 *
 * Forward tolerance: the engine rounds every intermediate to float (6e-8); through some 60
 * layers of unit gain errors add as a random walk, so relative L2 below 1e-5 is expected of a
 * correct one, and a wrong index or factor gives 1e-2 or more.
 * Backward: the derivative along a random direction of each parameter tensor is compared with a
 * central difference of the twin. With step 1e-4 in double the difference is good to 1e-7; the
 * engine's own error is that of float sums that partly cancel, so the bound is 1e-4 of the
 * gradient's norm, with a floor for tensors whose gradient is small beside the largest one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/memory.h"
#include "naive_network.h"

#define GOOD(call) assert_int_equal((call), SC_OK)

static sc_network_config tiny(void)
{
    sc_network_config c = sc_network_config_default();
    c.nf = 8;
    c.levels = 2;
    c.ch_mult[0] = 1, c.ch_mult[1] = 2;
    c.num_res_blocks = 1;
    return c;
}

/* Values that make every parameter matter: the published initialisation switches blocks off. */
static void lively_theta(float *theta, const sc_network *network)
{
    const sc_parameter *p;
    int count = sc_network_parameters(network, &p);
    for (int i = 0; i < count; i++) {
        sc_random_normal(theta + p[i].offset, p[i].count, (sc_key){.seed = 11}, SC_DRAW_TEST,
                         (uint32_t)i);
        double fan = 1;
        for (int j = p[i].rank == 2 && strstr(p[i].name, "NIN") ? 0 : 1; j < p[i].rank; j++)
            fan *= (double)(j == 1 && strstr(p[i].name, "NIN") ? 1 : p[i].dim[j]);
        for (int64_t j = 0; j < p[i].count; j++) {
            float *t = &theta[p[i].offset + j];
            *t = p[i].rank > 1 ? (float)(*t / sqrt(fan)) : .3f * *t;
            if (strstr(p[i].name, "GroupNorm") && strstr(p[i].name, "weight"))
                *t += 1;
        }
    }
}

typedef struct {
    sc_network *network;
    sc_device *device;
    sc_run *run;
    int n, h, w, channels;
    int64_t parameters;
    size_t size; /* of x, one image */
    float *theta, *x, *d;
    double *theta64, *sigma;
} fixture;

static fixture set_up(const sc_network_config *c, int n, int h, int w, int backward, int threads)
{
    fixture f = {.n = n, .h = h, .w = w, .channels = c->channels};
    GOOD(sc_network_create(&f.network, c));
    GOOD(sc_device_create_cpu(&f.device, threads));
    GOOD(sc_run_create(&f.run, f.network, f.device, n, h, w, backward));
    f.parameters = sc_network_parameter_count(f.network);
    f.size = (size_t)h * (size_t)w * (size_t)c->channels;
    f.theta = calloc((size_t)f.parameters, sizeof *f.theta);
    f.theta64 = calloc((size_t)f.parameters, sizeof *f.theta64);
    f.x = calloc((size_t)n * f.size, sizeof *f.x);
    f.d = calloc((size_t)n * f.size, sizeof *f.d);
    f.sigma = calloc((size_t)n, sizeof *f.sigma);
    lively_theta(f.theta, f.network);
    for (int64_t i = 0; i < f.parameters; i++)
        f.theta64[i] = f.theta[i];
    sc_random_normal(f.x, n * (int64_t)f.size, (sc_key){.seed = 12}, SC_DRAW_TEST, 0);
    for (int i = 0; i < n; i++)
        f.sigma[i] = .2 + .5 * i;
    GOOD(sc_run_set_theta(f.run, f.theta));
    GOOD(sc_run_denoise(f.run, f.d, f.x, f.sigma));
    return f;
}

static void tear_down(fixture *f)
{
    sc_run_free(f->run);
    sc_network_free(f->network);
    sc_device_free(f->device);
    free(f->theta);
    free(f->theta64);
    free(f->x);
    free(f->d);
    free(f->sigma);
}

/* The twin's D of all images. */
static void twin(const fixture *f, double *d, const double *theta, const double *x)
{
    for (int i = 0; i < f->n; i++)
        naive_denoise(d + (size_t)i * f->size, x + (size_t)i * f->size, f->sigma[i], f->h, f->w,
                      f->network, theta);
}

static double *widen(const float *x, size_t n)
{
    double *y = calloc(n, sizeof *y);
    for (size_t i = 0; i < n; i++)
        y[i] = x[i];
    return y;
}

static void check_forward(const sc_network_config *c, int n, int h, int w)
{
    fixture f = set_up(c, n, h, w, 0, 2);
    size_t total = (size_t)n * f.size;
    double *x = widen(f.x, total), *d = calloc(total, sizeof *d), error = 0, norm = 0;
    twin(&f, d, f.theta64, x);
    for (size_t i = 0; i < total; i++) {
        error += (d[i] - f.d[i]) * (d[i] - f.d[i]);
        norm += d[i] * d[i];
    }
    if (!(sqrt(error / norm) < 1e-5))
        fail_msg("relative error %g", sqrt(error / norm));
    free(x);
    free(d);
    tear_down(&f);
}

/* <g, D> of the twin */
static double objective(const fixture *f, const double *theta, const double *x, const double *g)
{
    size_t total = (size_t)f->n * f->size;
    double *d = calloc(total, sizeof *d), sum = 0;
    twin(f, d, theta, x);
    for (size_t i = 0; i < total; i++)
        sum += g[i] * d[i];
    free(d);
    return sum;
}

/* Derivative of the objective along `direction`, added to values[0..n) for a moment. */
static double difference(const fixture *f, double *values, const float *direction, size_t n,
                         const double *theta, const double *x, const double *g)
{
    const double step = 1e-4;
    double side[2];
    for (int s = 0; s < 2; s++) {
        for (size_t i = 0; i < n; i++)
            values[i] += (s ? -2 : 1) * step * direction[i];
        side[s] = objective(f, theta, x, g);
    }
    for (size_t i = 0; i < n; i++)
        values[i] += step * direction[i];
    return (side[0] - side[1]) / (2 * step);
}

static double dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * b[i];
    return sum;
}

static void check_direction(const char *name, double engine, double twin_value, double scale)
{
    if (!(fabs(engine - twin_value) < 1e-4 * scale))
        fail_msg("%s: %.9g, by differences %.9g, scale %g", name, engine, twin_value, scale);
}

static void check_backward(const sc_network_config *c, int n, int h, int w)
{
    fixture f = set_up(c, n, h, w, 1, 2);
    size_t total = (size_t)n * f.size, most = (size_t)f.parameters + total;
    float *gtheta = calloc((size_t)f.parameters, sizeof *gtheta), *gx = calloc(total, sizeof *gx);
    float *g = calloc(total, sizeof *g), *direction = calloc(most, sizeof *direction);
    sc_random_normal(g, (int64_t)total, (sc_key){.seed = 13}, SC_DRAW_TEST, 1);
    double *x = widen(f.x, total), *g64 = widen(g, total);
    GOOD(sc_run_backward(f.run, gtheta, gx, g));

    const sc_parameter *p;
    int count = sc_network_parameters(f.network, &p);
    double whole = sqrt(dot(gtheta, gtheta, (size_t)f.parameters) / (double)count);
    for (int i = 0; i < count; i++) {
        size_t size = (size_t)p[i].count;
        const float *mine = gtheta + p[i].offset;
        if (p[i].frozen) {
            assert_true(dot(mine, mine, size) == 0);
            continue;
        }
        sc_random_normal(direction, p[i].count, (sc_key){.seed = 14}, SC_DRAW_TEST, (uint32_t)i);
        double norm = sqrt(dot(mine, mine, size));
        double slope = difference(&f, f.theta64 + p[i].offset, direction, size, f.theta64, x, g64);
        check_direction(p[i].name, dot(mine, direction, size), slope, norm + .01 * whole);
    }
    sc_random_normal(direction, (int64_t)total, (sc_key){.seed = 15}, SC_DRAW_TEST, 2);
    double slope = difference(&f, x, direction, total, f.theta64, x, g64);
    check_direction("x", dot(gx, direction, total), slope, sqrt(dot(gx, gx, total)));
    free(gtheta);
    free(gx);
    free(g);
    free(direction);
    free(x);
    free(g64);
    tear_down(&f);
}

/* The options, each once in a small network. */
static sc_network_config variant(int i)
{
    sc_network_config c = tiny();
    switch (i) {
    case 0: break;
    case 1: c.attention[1] = c.attention_middle = 1; break;
    case 2: c.resblock_biggan = 1; c.attention_middle = 1; break;
    case 3: c.resblock_biggan = c.fir = 1; c.precondition_edm = 0; c.channels = 1; break;
    case 4: c.precondition_edm = 0; c.skip_rescale = 0; c.centred = 0; break;
    case 5: c.precondition_edm = c.scale_by_sigma = c.embedding_fourier = 0;
            c.sde.kind = SC_SDE_VP; c.resamp_with_conv = 1; break;
    case 6: c.levels = 3; c.ch_mult[2] = 3; c.num_res_blocks = 2; break;
    default: c.fir = 1; c.embedding_fourier = 0; c.attention[0] = 1; break;
    }
    return c;
}
#define VARIANTS 8

static void forward_agrees_with_the_naive_twin(void **state)
{
    (void)state;
    for (int i = 0; i < VARIANTS; i++) {
        print_message("variant %d\n", i);
        sc_network_config c = variant(i);
        check_forward(&c, 3, 8, 12);
    }
}

static void forward_agrees_when_images_are_larger_than_a_unit_of_work(void **state)
{
    (void)state;
    sc_network_config c = tiny();
    c.attention_middle = 1;
    check_forward(&c, 1, 48, 40);
}

static void backward_agrees_with_finite_differences_of_the_twin(void **state)
{
    (void)state;
    for (int i = 0; i < VARIANTS; i++) {
        print_message("variant %d\n", i);
        sc_network_config c = variant(i);
        check_backward(&c, 2, 4, i == 6 ? 4 : 2);
    }
}

static void published_small_networks_have_the_published_parameter_counts(void **state)
{
    (void)state;
    static const int64_t published[2] = {48249, 43849};
    for (int i = 0; i < 2; i++) {
        sc_network *network;
        sc_network_config c = tiny();
        c.channels = 1;
        c.attention[1] = c.attention_middle = c.resamp_with_conv = 1;
        c.resblock_biggan = c.embedding_fourier = i == 0;
        c.precondition_edm = 0;
        c.scale_by_sigma = i == 0;
        GOOD(sc_network_create(&network, &c));
        assert_int_equal(sc_network_parameter_count(network), published[i]);
        const sc_parameter *p;
        int count = sc_network_parameters(network, &p);
        assert_string_equal(p[count - 1].name, i ? "all_modules.17.bias" : "all_modules.18.bias");
        sc_network_free(network);
    }
}

static void forward_is_the_same_bytes_for_one_and_two_threads(void **state)
{
    (void)state;
    sc_network_config c = sc_network_config_default();
    c.attention_middle = 1;
    for (int images = 1; images <= 3; images += 2) {
        fixture one = set_up(&c, images, 232, 184, 0, 1), two = set_up(&c, images, 232, 184, 0, 2);
        assert_memory_equal(one.d, two.d, sizeof(float) * (size_t)images * one.size);
        tear_down(&one);
        tear_down(&two);
    }
}

static void an_image_does_not_depend_on_its_batch(void **state)
{
    (void)state;
    sc_network_config c = tiny();
    fixture alone = set_up(&c, 1, 40, 48, 0, 2), batch = set_up(&c, 3, 40, 48, 0, 2);
    for (size_t i = 0; i < alone.size; i++)
        assert_float_equal(alone.d[i], batch.d[i], 1e-5);
    tear_down(&alone);
    tear_down(&batch);
}

static void training_steps_repeat_to_the_byte(void **state)
{
    (void)state;
    sc_network_config c = tiny();
    fixture f = set_up(&c, 4, 16, 16, 1, 2);
    float *g[2];
    for (int i = 0; i < 2; i++) {
        g[i] = calloc((size_t)f.parameters, sizeof(float));
        GOOD(sc_run_denoise(f.run, f.d, f.x, f.sigma));
        GOOD(sc_run_backward(f.run, g[i], NULL, f.x));
    }
    assert_memory_equal(g[0], g[1], sizeof(float) * (size_t)f.parameters);
    free(g[0]);
    free(g[1]);
    tear_down(&f);
}

static void bad_sizes_and_noise_levels_are_refused(void **state)
{
    (void)state;
    sc_network_config c = tiny();
    fixture f = set_up(&c, 1, 8, 8, 0, 1);
    sc_run *run;
    assert_int_equal(sc_run_create(&run, f.network, f.device, 1, 8, 9, 0), SC_ERR_USAGE);
    assert_null(run);
    assert_int_equal(sc_run_create(&run, f.network, f.device, 1 << 20, 1 << 20, 1 << 20, 0),
                     SC_ERR_MEMORY);
    double sigma = 0;
    assert_int_equal(sc_run_denoise(f.run, f.d, f.x, &sigma), SC_ERR_INPUT);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_small_networks_have_the_published_parameter_counts),
        cmocka_unit_test(forward_agrees_with_the_naive_twin),
        cmocka_unit_test(forward_agrees_when_images_are_larger_than_a_unit_of_work),
        cmocka_unit_test(backward_agrees_with_finite_differences_of_the_twin),
        cmocka_unit_test(forward_is_the_same_bytes_for_one_and_two_threads),
        cmocka_unit_test(an_image_does_not_depend_on_its_batch),
        cmocka_unit_test(training_steps_repeat_to_the_byte),
        cmocka_unit_test(bad_sizes_and_noise_levels_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
