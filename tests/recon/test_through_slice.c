/* The ADMM step with total variation through the slices: its fixed point is the minimum, known in
 * closed form for two pixels and by the dual in double for a few more, complex and real; without
 * weight it is the Gaussian step.
 */
#include "base/memory.h"
#include "base/random.h"
#include "operators/operator.h"
#include "recon/gaussian_step.h"
#include "recon/through_slice.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* after the four above */
#include <cmocka.h>

enum { SLICES = 4, N = 9, ALL = SLICES * N, PAIRS = (SLICES - 1) * N, FLOATS = 2 };

static void ok(sc_status status)
{
    if (status != SC_OK)
        fail_msg("%s", sc_message());
}

/* A = weights on each pixel; D of a stack of SLICES x 3 x 3 with weights and pairs of its own. */
typedef struct {
    sc_device *device;
    sc_op *A, *D;
    int parts;
    double sigma, r;
    float weight[ALL], pair[PAIRS];
    sc_c32 turn[ALL];
    float y[FLOATS * ALL], d[FLOATS * ALL], aty[FLOATS * ALL];
} problem;

static void begin(problem *p, sc_dtype dtype)
{
    const sc_shape shape = {dtype, 4, {SLICES, 1, 3, 3}};
    float draw[2 * ALL];
    *p = (problem){.parts = dtype == SC_C32 ? 2 : 1, .sigma = 0.3, .r = 0.4};
    ok(sc_device_create_cpu(&p->device, 1));
    sc_random_normal(draw, 2 * ALL, (sc_key){3, 0, 0}, SC_DRAW_TEST, 0);
    for (int i = 0; i < ALL; i++) {
        p->weight[i] = i % 3 ? fabsf(draw[i]) : 0;
        p->turn[i] =
            p->parts == 2 ? (0.7f + 0.1f * (float)(i % 5)) * cexpf(1.0f * I * (float)i) : 1;
    }
    for (int i = 0; i < PAIRS; i++)
        p->pair[i] = i % 7 == 3 ? 0 : 0.8f;
    sc_random_normal(p->y, p->parts * ALL, (sc_key){3, 0, 0}, SC_DRAW_TEST, 1);
    sc_random_normal(p->d, p->parts * ALL, (sc_key){3, 0, 0}, SC_DRAW_TEST, 2);
    ok(sc_op_mask(&p->A, p->device, &shape, p->weight, ALL));
    ok(sc_op_slice_difference(&p->D, p->device, &shape, p->parts == 2 ? p->turn : NULL, p->pair));
    sc_op_adjoint(p->A, p->aty, p->y, NULL);
}

static void end(problem *p)
{
    sc_op_free(p->A);
    sc_op_free(p->D);
    sc_device_free(p->device);
}

static void step(float *x, const problem *p, double lambda, double threshold, int iterations)
{
    sc_through_slice_options options = {lambda, threshold, iterations};
    sc_through_slice *t;
    int64_t applications = 0;
    ok(sc_through_slice_create(&t, p->A, p->D, p->sigma, 2, &options));
    memcpy(x, p->d, sizeof p->d);
    ok(sc_through_slice_step(t, x, p->aty, p->r, 1, 100, 1e-7, &applications));
    assert_true(applications >= iterations);
    sc_through_slice_free(t);
}

/* ---- the reference: accelerated projected gradients on the dual, in double ----
 *
 * With P = weight^2 / sigma^2 + 1 / r^2 (diagonal), x(w) = P^-1 (aty / sigma^2 + d / r^2 - D^H w)
 * and w <- projection on |w| <= lambda of w + tau D x(w), tau = 1 / ||D P^-1 D^H||. */

typedef double complex number;

static number turned(const problem *p, int i) { return p->parts == 2 ? p->turn[i] : 1; }

static number element(const problem *p, const float *x, int i)
{
    return p->parts == 2 ? x[2 * i] + I * x[2 * i + 1] : x[i];
}

static void primal(number *x, const problem *p, const number *w)
{
    for (int i = 0; i < ALL; i++) {
        double precision = pow(p->weight[i] / p->sigma, 2) + 1 / (p->r * p->r);
        number pull =
            element(p, p->aty, i) / (p->sigma * p->sigma) + element(p, p->d, i) / (p->r * p->r);
        if (i >= N)
            pull -= conj(turned(p, i)) * p->pair[i - N] * w[i - N];
        if (i < PAIRS)
            pull += conj(turned(p, i)) * p->pair[i] * w[i];
        x[i] = pull / precision;
    }
}

static void reference(number *x, const problem *p, double lambda)
{
    number w[PAIRS] = {0}, ahead[PAIRS] = {0};
    double s = 1, tau = 1 / (4 * p->r * p->r * 1.2 * 1.2);
    for (int k = 0; k < 20000; k++) {
        double next = (1 + sqrt(1 + 4 * s * s)) / 2;
        primal(x, p, ahead);
        for (int i = 0; i < PAIRS; i++) {
            number v =
                ahead[i] + tau * p->pair[i] * (turned(p, i + N) * x[i + N] - turned(p, i) * x[i]);
            v *= fmin(1, lambda / fmax(cabs(v), 1e-300));
            ahead[i] = v + (s - 1) / next * (v - w[i]);
            w[i] = v;
        }
        s = next;
    }
    primal(x, p, w);
}

static void compare(const problem *p, double lambda)
{
    float x[FLOATS * ALL];
    number expected[ALL];
    reference(expected, p, lambda);
    const double thresholds[] = {0.1, 0.5};
    for (int k = 0; k < 2; k++) {
        double worst = 0;
        step(x, p, lambda, thresholds[k], 3000);
        for (int i = 0; i < ALL; i++)
            worst = fmax(worst, cabs(element(p, x, i) - expected[i]));
        print_message("%s, lambda %g, threshold %g: off by %.1e\n",
                      p->parts == 2 ? "complex" : "real", lambda, thresholds[k], worst);
        assert_true(worst < 2e-5);
    }
}

static void many_iterations_find_the_minimum(void **state)
{
    (void)state;
    problem p;
    for (int real = 0; real < 2; real++) {
        begin(&p, real ? SC_F32 : SC_C32);
        compare(&p, 0.5);
        compare(&p, 3);
        compare(&p, 50);
        end(&p);
    }
}

/* Nothing measured, two slices of a pixel: the mean stays, the difference shrinks by 2 lambda r^2.
 */
static void the_prox_is_that_of_the_absolute_difference(void **state)
{
    (void)state;
    const double lambda = 0.8, r = 0.5, far[] = {1.7, 0.3};
    for (int k = 0; k < 2; k++) {
        const sc_shape shape = {SC_F32, 4, {2, 1, 1, 1}};
        const float nothing[2] = {0, 0}, aty[2] = {0, 0};
        float x[2] = {0.4f, 0.4f + (float)far[k]};
        sc_device *device;
        sc_op *A, *D;
        sc_through_slice *t;
        int64_t applications = 0;
        ok(sc_device_create_cpu(&device, 1));
        ok(sc_op_mask(&A, device, &shape, nothing, 2));
        ok(sc_op_slice_difference(&D, device, &shape, NULL, NULL));
        ok(sc_through_slice_create(&t, A, D, 1, 1, &(sc_through_slice_options){lambda, 0.2, 2000}));
        ok(sc_through_slice_step(t, x, aty, r, 0, 10, 1e-7, &applications));
        double left = fmax(far[k] - 2 * lambda * r * r, 0);
        assert_true(fabs(x[0] + x[1] - (0.8 + far[k])) < 1e-5);
        assert_true(fabs(x[1] - x[0] - left) < 1e-5);
        sc_through_slice_free(t);
        sc_op_free(A);
        sc_op_free(D);
        sc_device_free(device);
    }
}

static void without_weight_it_is_the_gaussian_step(void **state)
{
    (void)state;
    problem p;
    begin(&p, SC_C32);
    float x[FLOATS * ALL];
    step(x, &p, 1e-8, 0.02, 1);
    for (int i = 0; i < FLOATS * ALL; i++) {
        double a = p.weight[i / 2] / p.sigma, b = 1 / p.r;
        double expected = (p.aty[i] / (p.sigma * p.sigma) + p.d[i] * b * b) / (a * a + b * b);
        assert_true(fabs(x[i] - expected) < 1e-5);
    }
    end(&p);
}

/* v and u are kept: many steps of one iteration with the same d are many iterations. And each
 * sample has its own. */
static void what_is_kept_goes_on_where_it_was(void **state)
{
    (void)state;
    problem p;
    begin(&p, SC_C32);
    float once[FLOATS * ALL], x[FLOATS * ALL], other[FLOATS * ALL];
    sc_through_slice *t;
    int64_t applications = 0;
    step(once, &p, 2, 0.2, 400);
    ok(sc_through_slice_create(&t, p.A, p.D, p.sigma, 2, &(sc_through_slice_options){2, 0.2, 1}));
    for (int k = 0; k < 400; k++) {
        memcpy(x, p.d, sizeof x), memcpy(other, p.y, sizeof other);
        ok(sc_through_slice_step(t, x, p.aty, p.r, 0, 100, 1e-7, &applications));
        ok(sc_through_slice_step(t, other, p.aty, p.r, 1, 100, 1e-7, &applications));
    }
    for (int i = 0; i < FLOATS * ALL; i++)
        assert_true(fabsf(x[i] - once[i]) < 1e-5f);
    sc_through_slice_reset(t);
    memcpy(x, p.d, sizeof x);
    ok(sc_through_slice_step(t, x, p.aty, p.r, 0, 100, 1e-7, &applications));
    step(once, &p, 2, 0.2, 1);
    assert_memory_equal(x, once, sizeof x);
    sc_through_slice_free(t);
    end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_prox_is_that_of_the_absolute_difference),
        cmocka_unit_test(many_iterations_find_the_minimum),
        cmocka_unit_test(without_weight_it_is_the_gaussian_step),
        cmocka_unit_test(what_is_kept_goes_on_where_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
