/* What the tests of single network kernels share: a device, noise, comparisons. Include after
 * cmocka.h. */
#ifndef KERNEL_FIXTURE_H
#define KERNEL_FIXTURE_H

#include "base/kernel_net.h"
#include "base/memory.h"
#include "naive_network.h"

#define GOOD(call) assert_int_equal((call), SC_OK)

static sc_device *device;
static const sc_net_kernels *net;

static inline int open_device(void **state)
{
    (void)state;
    if (sc_device_create_cpu(&device, 2) != SC_OK)
        return -1;
    net = device->kernels->net;
    return 0;
}

static inline int close_device(void **state)
{
    (void)state;
    sc_device_free(device);
    return 0;
}

static inline float *noise(int64_t n, uint32_t step)
{
    float *x = calloc((size_t)n, sizeof *x);
    sc_random_normal(x, n, (sc_key){.seed = 21}, SC_DRAW_TEST, step);
    return x;
}

static inline double dot(const float *a, const float *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)a[i] * b[i];
    return sum;
}

static inline void close_to(double a, double b, double scale, const char *what)
{
    if (!(fabs(a - b) <= scale))
        fail_msg("%s: %.9g and %.9g differ by more than %g", what, a, b, scale);
}

/* One image (pixels, c) as the twin's (c, h, w), and back into doubles of the engine's order. */
static inline naive_image to_naive(const float *x, int h, int w, int c)
{
    naive_image y = naive_new(c, h, w);
    for (int k = 0; k < c; k++)
        for (int p = 0; p < h * w; p++)
            y.v[k * h * w + p] = x[p * c + k];
    return y;
}

static inline void same_image(const float *x, naive_image y, double tolerance, const char *what)
{
    for (int k = 0; k < y.c; k++)
        for (int p = 0; p < y.h * y.w; p++)
            close_to(x[p * y.c + k], y.v[k * y.h * y.w + p], tolerance, what);
}

#endif
