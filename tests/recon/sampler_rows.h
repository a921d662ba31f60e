/* The diffusion methods on another row of the kernel table against the CPU row. */
#ifndef SC_TESTS_SAMPLER_ROWS_H
#define SC_TESTS_SAMPLER_ROWS_H

#include "recon/stack.h"
#include "small_problem.h"

/* The prior N(0, 0.25^2) per component: memory of the host in and out, as every score has it. */
static inline sc_status rows_denoise(const sc_score *self, float *d, const float *x,
                                     const double *sigma, int n, int h, int w)
{
    int64_t size = (int64_t)h * w * self->channels;
    for (int64_t i = 0; i < n * size; i++) {
        double v = sigma[i / size] * sigma[i / size];
        d[i] = (float)(x[i] * 0.0625 / (0.0625 + v));
    }
    return SC_OK;
}

static inline sc_status rows_denoise_vjp(const sc_score *self, float *d, float *g, const float *x,
                                         const double *sigma, const float *v, int n, int h, int w)
{
    rows_denoise(self, d, x, sigma, n, h, w);
    return rows_denoise(self, g, v, sigma, n, h, w);
}

static inline sc_estimate rows_sample(const sc_problem *problem, const char *name, const char *more)
{
    const sc_score score = {.name = "gaussian",
                            .channels = 2,
                            .denoise = rows_denoise,
                            .denoise_vjp = rows_denoise_vjp,
                            .sde = {SC_SDE_VE, 0.01, 50, 0, 0}};
    const sc_method *method;
    sc_estimate estimate = {0};
    small_ok(sc_method_find(&method, name));
    sc_options options = sc_options_default(method->options);
    small_ok(sc_options_set(&options, "levels", "5"));
    if (strcmp(method->claim, "point estimate") != 0)
        small_ok(sc_options_set(&options, "samples", "3"));
    if (more)
        small_ok(sc_options_set(&options, "data", more));
    small_ok(method->run(&estimate, problem, &score, &options, small_key(9), NULL));
    return estimate;
}

/* Normals and FFTs of two libraries differ in the last bits. */
static inline void compare_sampler_rows(const sc_device *other)
{
    static const struct {
        const char *name, *more;
    } rows[] = {{"annealed-proximal", NULL},
                {"dds", NULL},
                {"diffpir", NULL},
                {"dps", NULL},
                {"red-diff", NULL},
                {"pula", NULL},
                {"daps", NULL},
                {"pc", "likelihood"},
                {"pc", "proximal"}};
    small_problem s = small_begin(2, 2, 4, 33, 30, 3, 0.01);
    sc_problem moved = small_on(&s, other);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        sc_estimate a = rows_sample(&s.problem, rows[i].name, rows[i].more);
        sc_estimate b = rows_sample(&moved, rows[i].name, rows[i].more);
        double size = small_norm(a.mean.data, s.n);
        assert_true(size > 0);
        assert_true(small_distance(a.mean.data, b.mean.data, s.n) < 1e-3 * size);
        assert_int_equal(a.score_evaluations, b.score_evaluations);
        sc_estimate_free(&a);
        sc_estimate_free(&b);
    }
    sc_op_free(moved.A);
    sc_device_release(other, moved.y);
    small_end(&s);
}

/* Three slices of two sets held together by dds. */
static inline sc_estimate rows_stack(const sc_device *device, int threads)
{
    enum { ROWS_SLICES = 3 };
    sc_problem slice[ROWS_SLICES];
    sc_stack stack;
    for (int k = 0; k < ROWS_SLICES; k++) {
        small_problem s = small_begin(1, 2, 4, 33, 30, 3 + k % 2, 0.01 + 0.002 * k);
        slice[k] = small_on(&s, device);
        small_end(&s);
    }
    small_ok(sc_stack_join(&stack, device, slice, ROWS_SLICES, 0.7, threads));
    const sc_score score = {.name = "gaussian", .channels = 2, .denoise = rows_denoise};
    const sc_method *method;
    sc_estimate estimate = {0};
    small_ok(sc_method_find(&method, "dds"));
    sc_options options = sc_options_default(method->options);
    small_ok(sc_options_set(&options, "levels", "4"));
    small_ok(sc_options_set(&options, "through-slice", "20"));
    small_ok(method->run(&estimate, &stack.whole, &score, &options, small_key(9), NULL));
    for (int k = 0; k < ROWS_SLICES; k++) {
        sc_problem *one;
        sc_estimate part = {0};
        small_ok(sc_stack_slice(&one, &stack, k));
        small_ok(sc_stack_part(&part, &stack, &estimate, k));
        sc_estimate_free(&part);
    }
    sc_stack_free(&stack);
    return estimate;
}

static inline void compare_stack_rows(const sc_device *other)
{
    sc_device *cpu;
    small_ok(sc_device_create_cpu(&cpu, 1));
    sc_estimate a = rows_stack(cpu, 2), b = rows_stack(other, 1);
    int64_t n = sc_array_count(&a.mean);
    double size = small_norm(a.mean.data, n);
    assert_true(size > 0);
    assert_true(small_distance(a.mean.data, b.mean.data, n) < 1e-3 * size);
    sc_estimate_free(&a);
    sc_estimate_free(&b);
    sc_device_free(cpu);
}

#endif
