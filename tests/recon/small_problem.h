/* Small parallel MR problems for tests of classical methods: random maps of unit root sum of
 * squares, a mask with a full centre, a smooth image, noise of a fixed key. On the CPU, so device
 * memory is host memory. */
#ifndef SC_TESTS_SMALL_PROBLEM_H
#define SC_TESTS_SMALL_PROBLEM_H

#include "base/memory.h"
#include "recon/problem.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* after the four above */
#include <cmocka.h>

typedef struct {
    sc_device *device;
    sc_problem problem;
    sc_c32 *truth; /* (set, y, x) */
    int64_t n, m;  /* complex elements of image and data */
    int skip;
} small_problem;

static inline void small_ok(sc_status status)
{
    if (status != SC_OK)
        print_error("%s\n", sc_message());
    assert_int_equal(status, SC_OK);
}

static inline sc_key small_key(uint32_t purpose) { return (sc_key){.seed = 40 + purpose}; }

/* Smooth along each coil's own direction, unit root sum of squares. */
static inline sc_c32 *small_maps(int sets, int coils, int64_t ny, int64_t nx)
{
    sc_c32 *maps = NULL;
    small_ok(SC_ALLOC(&maps, sets * coils * ny * nx, "maps"));
    for (int set = 0; set < sets; set++)
        for (int64_t p = 0; p < ny * nx; p++) {
            double y = (double)(p / nx) / (double)ny - 0.5, x = (double)(p % nx) / (double)nx - 0.5;
            double square = 0, size[64];
            for (int c = 0; c < coils; c++) {
                double angle = 2 * M_PI * c / coils + set;
                size[c] = exp(-2 * (pow(y - 0.6 * sin(angle), 2) + pow(x - 0.6 * cos(angle), 2)));
                square += size[c] * size[c];
            }
            for (int c = 0; c < coils; c++)
                maps[(set * coils + c) * ny * nx + p] =
                    (float)(size[c] / sqrt(square)) * cexpf(I * (float)(c + 2 * x - y + 3 * set));
        }
    return maps;
}

/* every `skip`-th line and the `centre` middle ones */
static inline float *small_mask(int64_t ny, int64_t nx, int skip, int centre)
{
    float *mask = NULL;
    small_ok(SC_ALLOC(&mask, ny * nx, "mask"));
    for (int64_t y = 0; y < ny; y++)
        for (int64_t x = 0; x < nx; x++)
            mask[y * nx + x] = y % skip == 0 || llabs(2 * (y - ny / 2)) <= centre;
    return mask;
}

/* Two discs on a faint background, smooth phase; peak about 1. */
static inline void small_image(sc_c32 *image, int sets, int64_t ny, int64_t nx)
{
    for (int64_t p = 0; p < sets * ny * nx; p++) {
        double y = (double)(p / nx % ny) / (double)ny - 0.5,
               x = (double)(p % nx) / (double)nx - 0.5;
        double value = 0.1 + 0.6 * (x * x + y * y < 0.12) + 0.3 * (x * x + pow(y - 0.1, 2) < 0.02);
        image[p] = (float)(p >= ny * nx ? 0.2 * value : value) * cexpf(I * (float)(1 + x - y));
    }
}

static inline small_problem small_begin(int threads, int sets, int coils, int64_t ny, int64_t nx,
                                        int skip, double sigma)
{
    small_problem s = {.n = sets * ny * nx, .m = coils * ny * nx, .skip = skip};
    const int64_t dim[2] = {ny, nx};
    small_ok(sc_device_create_cpu(&s.device, threads));
    s.problem = (sc_problem){.device = s.device,
                             .sigma = sigma,
                             .scale = 1,
                             .sets = sets,
                             .ny = ny,
                             .nx = nx,
                             .coils = coils};
    sc_c32 *maps = small_maps(sets, coils, ny, nx), *y = NULL;
    float *mask = small_mask(ny, nx, skip, (int)(ny / 5)), *noise = NULL;
    small_ok(sc_op_sense(&s.problem.A, s.device, maps, mask, sets, coils, 2, dim));
    small_ok(SC_ALLOC(&s.truth, s.n, "image"));
    small_image(s.truth, sets, ny, nx);
    small_ok(SC_DEVICE_ALLOC(s.device, &y, s.m));
    small_ok(SC_ALLOC(&noise, 2 * s.m, "noise"));
    void *work;
    small_ok(sc_op_work_create(s.problem.A, &work));
    sc_op_forward(s.problem.A, y, s.truth, work);
    sc_random_normal(noise, 2 * s.m, small_key(1), SC_DRAW_TEST, 0);
    for (int64_t i = 0; i < s.m; i++) {
        float on = mask[i % (ny * nx)];
        y[i] += on * (float)sigma * (noise[2 * i] + I * noise[2 * i + 1]);
        s.problem.measured += on != 0;
    }
    s.problem.y = y;
    sc_device_release(s.device, work);
    sc_free(noise);
    sc_free(maps);
    sc_free(mask);
    return s;
}

/* The same problem with operator and data on another device; y and A to be freed by the caller. */
static inline sc_problem small_on(const small_problem *s, const sc_device *device)
{
    sc_problem p = s->problem;
    const int64_t dim[2] = {p.ny, p.nx};
    size_t bytes = (size_t)s->m * sizeof(sc_c32);
    sc_c32 *maps = small_maps(p.sets, p.coils, p.ny, p.nx);
    float *mask = small_mask(p.ny, p.nx, s->skip, (int)(p.ny / 5));
    p.device = device;
    small_ok(sc_op_sense(&p.A, device, maps, mask, p.sets, p.coils, 2, dim));
    small_ok(sc_device_alloc(device, &p.y, bytes, 1));
    small_ok(device->kernels->upload(device, p.y, s->problem.y, bytes));
    sc_free(maps);
    sc_free(mask);
    return p;
}

static inline void small_end(small_problem *s)
{
    sc_op_free(s->problem.A);
    sc_device_release(s->device, s->problem.y);
    sc_free(s->truth);
    sc_device_free(s->device);
}

static inline double small_norm(const sc_c32 *x, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)crealf(x[i]) * crealf(x[i]) + (double)cimagf(x[i]) * cimagf(x[i]);
    return sqrt(sum);
}

static inline double small_distance(const sc_c32 *x, const sc_c32 *y, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sc_c32 d = x[i] - y[i];
        sum += (double)crealf(d) * crealf(d) + (double)cimagf(d) * cimagf(d);
    }
    return sqrt(sum);
}

#endif
