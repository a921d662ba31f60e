/* What the tests of whole networks share: a small network with lively weights, its run, and the
 * comparisons with the naive twin. Include after cmocka.h.
 *
 * Forward tolerance: the engine rounds every intermediate to float (6e-8); through some 60
 * layers of unit gain errors add as a random walk, so relative L2 below 1e-5 is expected of a
 * correct one, and a wrong index or factor gives 1e-2 or more.
 * Backward: the derivative along a random direction of a parameter tensor is compared with a
 * central difference of the twin. With step 1e-6 in double the difference is good to 1e-8, and
 * hardly ever steps over the kink of an activation; the engine's own error is that of float sums
 * that partly cancel, so the bound is 1e-4 of the gradient's norm, with a floor for tensors whose
 * gradient is small beside the largest one.
 */
#ifndef NETWORK_FIXTURE_H
#define NETWORK_FIXTURE_H

#include "base/memory.h"
#include "naive_network.h"

#define GOOD(call) assert_int_equal((call), SC_OK)

static inline sc_network_config tiny(void)
{
    sc_network_config c = sc_network_config_default();
    c.nf = 8;
    c.levels = 2;
    c.ch_mult[0] = 1, c.ch_mult[1] = 2;
    c.num_res_blocks = 1;
    return c;
}

/* Values that make every parameter matter: the published initialisation switches blocks off. */
static inline void lively_theta(float *theta, const sc_network *network)
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
    bool dropped; /* with dropout, keyed by dropout_key(image) and DROPOUT_STEP */
} fixture;

#define DROPOUT_STEP 77

static inline sc_key dropout_key(int image)
{
    return (sc_key){.seed = 16, .slice = 3, .sample = 5 + (uint32_t)image};
}

static inline fixture set_up(const sc_network_config *c, int n, int h, int w, int backward,
                             int threads)
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
    f.dropped = c->dropout > 0;
    sc_key key = dropout_key(0);
    if (f.dropped)
        sc_run_set_dropout(f.run, &key, DROPOUT_STEP);
    GOOD(sc_run_denoise(f.run, f.d, f.x, f.sigma));
    return f;
}

static inline void tear_down(fixture *f)
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
static inline void twin(const fixture *f, double *d, const double *theta, const double *x)
{
    for (int i = 0; i < f->n; i++) {
        sc_key key = dropout_key(i);
        naive_denoise_dropped(d + (size_t)i * f->size, x + (size_t)i * f->size, f->sigma[i], f->h,
                              f->w, f->network, theta, f->dropped ? &key : NULL, DROPOUT_STEP);
    }
}

static inline double *widen(const float *x, size_t n)
{
    double *y = calloc(n, sizeof *y);
    for (size_t i = 0; i < n; i++)
        y[i] = x[i];
    return y;
}

static inline void check_forward(const sc_network_config *c, int n, int h, int w)
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
static inline double objective(const fixture *f, const double *theta, const double *x,
                               const double *g)
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
static inline double difference(const fixture *f, double *values, const float *direction, size_t n,
                         const double *theta, const double *x, const double *g)
{
    const double step = 1e-6;
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

static inline double dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * b[i];
    return sum;
}

static inline void check_direction(const char *name, double engine, double twin_value, double scale)
{
    if (!(fabs(engine - twin_value) < 1e-4 * scale))
        fail_msg("%s: %.9g, by differences %.9g, scale %g", name, engine, twin_value, scale);
}

static inline void check_backward(const sc_network_config *c, int n, int h, int w)
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

#endif
