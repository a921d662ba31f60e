/* A stack of slices as one problem: without weight on the differences it is the slices; with it
 * what does not change through the slices comes with less noise; scale and phase of the slices do
 * not matter; threads do not either.
 */
#include "recon/finish.h"
#include "recon/stack.h"
#include "sampler_test.h"

enum { SLICES = 6 };

typedef struct {
    sc_device *device, *one;
    sc_score *score;
    law prior;
} fixture;

static void begin(fixture *f, int threads, double std)
{
    const double weight = 1;
    OK(sc_device_create_cpu(&f->device, threads));
    OK(sc_device_create_cpu(&f->one, 1));
    isotropic(&f->prior, std);
    f->score = mixture_score(1, &weight, &f->prior);
}

static void end(fixture *f)
{
    sc_score_free(f->score);
    sc_device_free(f->one);
    sc_device_free(f->device);
}

static const float truth[D] = {0.9f, -0.4f, 0.2f, 0.5f, -0.7f, 0.3f, 1.1f, 0.1f};

/* The same image in every slice, its noise each slice's own; sigma and scale differ. */
static void make_slices(sc_problem *slice, const fixture *f, double sigma)
{
    for (int k = 0; k < SLICES; k++) {
        float noise[M], *y;
        problem_create(&slice[k], f->one, 1, 1, sigma * (1 + 0.1 * k));
        const double *matrix = ((const copies_op *)slice[k].A)->matrix;
        sc_random_normal(noise, M, (sc_key){21, (uint32_t)k, 0}, SC_DRAW_TEST, 0);
        y = slice[k].y;
        for (int i = 0; i < M; i++) {
            double sum = 0, norm = 0;
            for (int j = 0; j < D; j++) {
                sum += matrix[i * D + j] * truth[j];
                norm += fabs(matrix[i * D + j]);
            }
            y[i] = (float)(norm > 0 ? sum + slice[k].sigma * noise[i] : 0);
        }
    }
}

static void join(sc_stack *stack, const fixture *f, double sigma, int threads)
{
    sc_problem slice[SLICES];
    make_slices(slice, f, sigma);
    OK(sc_stack_join(stack, f->device, slice, SLICES, 1, threads));
    for (int k = 0; k < SLICES; k++)
        assert_null(slice[k].A);
}

static void run_whole(sc_estimate *estimate, const sc_stack *stack, const fixture *f,
                      const char *text)
{
    sc_options options;
    set_options(&options, sc_method_dds.options, text);
    *estimate = (sc_estimate){0};
    OK(sc_method_dds.run(estimate, &stack->whole, f->score, &options, (sc_key){5, 40, 0}, NULL));
}

static const char quick[] =
    "levels=12 sigma-start=1 sigma-end=0.05 spread=0.5 eta=0.7 cg=60 samples=2";

static void without_weight_slices_are_as_if_alone(void **state)
{
    (void)state;
    fixture f;
    sc_stack stack;
    sc_problem slice[SLICES];
    sc_estimate whole, off;
    char text[256];
    begin(&f, 1, 0.5);
    join(&stack, &f, 0.3, 1);
    make_slices(slice, &f, 0.3);
    snprintf(text, sizeof text, "%s through-slice=1e-7", quick);
    run_whole(&whole, &stack, &f, text);
    run_whole(&off, &stack, &f, quick);
    for (int k = 0; k < SLICES; k++) {
        sc_estimate part = {0}, part_off = {0}, alone = {0};
        sc_options options;
        set_options(&options, sc_method_dds.options, quick);
        OK(sc_stack_part(&part, &stack, &whole, k));
        OK(sc_stack_part(&part_off, &stack, &off, k));
        OK(sc_method_dds.run(&alone, &slice[k], f.score, &options, (sc_key){5, 40 + (uint32_t)k, 0},
                             NULL));
        const float *a = part.samples.data, *b = alone.samples.data, *c = part_off.samples.data;
        for (int i = 0; i < 2 * D; i++) {
            assert_true(fabsf(a[i] - b[i]) < 2e-4f);
            assert_true(fabsf(c[i] - b[i]) < 2e-4f);
        }
        assert_int_equal(part.score_evaluations, alone.score_evaluations);
        sc_estimate_free(&part), sc_estimate_free(&part_off), sc_estimate_free(&alone);
        problem_free(&slice[k]);
    }
    sc_estimate_free(&whole), sc_estimate_free(&off);
    sc_stack_free(&stack);
    end(&f);
}

static double error(const sc_estimate *whole)
{
    double sum = 0;
    for (int e = 0; e < SLICES * D; e++)
        sum += pow(((const float *)whole->mean.data)[e] - truth[e % D], 2);
    return sqrt(sum / (SLICES * D));
}

/* Of the slices about their mean: noise, for they are of the same image. */
static double unlikeness(const sc_estimate *whole)
{
    double sum = 0;
    const float *x = whole->mean.data;
    for (int i = 0; i < D; i++) {
        double mean = 0;
        for (int k = 0; k < SLICES; k++)
            mean += x[k * D + i] / SLICES;
        for (int k = 0; k < SLICES; k++)
            sum += pow(x[k * D + i] - mean, 2);
    }
    return sqrt(sum / (SLICES * D));
}

/* With much noise and a prior that says little. */
static void what_is_the_same_in_all_slices_comes_with_less_noise(void **state)
{
    (void)state;
    fixture f;
    sc_stack stack;
    double last_error = INFINITY, last = INFINITY;
    begin(&f, 1, 1);
    join(&stack, &f, 0.4, 1);
    sc_op_free(stack.whole.through); /* four pixels have no phase at low resolution */
    OK(sc_op_slice_difference(&stack.whole.through, f.device, &stack.whole.A->domain, NULL, NULL));
    const double lambda[] = {0, 3, 30};
    for (int i = 0; i < 3; i++) {
        sc_estimate whole;
        char text[256];
        snprintf(text, sizeof text,
                 "levels=20 sigma-start=0.3 sigma-end=0.1 spread=1 eta=0 cg=30 through-slice=%g "
                 "through-iterations=5 through-threshold=0.1",
                 lambda[i]);
        run_whole(&whole, &stack, &f, text);
        print_message("lambda %g: error %.4f, slices unlike by %.4f\n", lambda[i], error(&whole),
                      unlikeness(&whole));
        assert_true(error(&whole) < last_error && unlikeness(&whole) < 0.8 * last);
        last = unlikeness(&whole), last_error = error(&whole);
        sc_estimate_free(&whole);
    }
    sc_stack_free(&stack);
    end(&f);
}

static void threads_do_not_change_a_bit(void **state)
{
    (void)state;
    sc_estimate result[2];
    for (int i = 0; i < 2; i++) {
        fixture f;
        sc_stack stack;
        begin(&f, 1 + 2 * i, 0.5);
        join(&stack, &f, 0.3, 1 + 2 * i);
        run_whole(&result[i], &stack, &f,
                  "levels=6 samples=3 batch=2 sigma-start=1 through-slice=3");
        sc_stack_free(&stack);
        end(&f);
    }
    assert_memory_equal(result[0].samples.data, result[1].samples.data,
                        sc_array_bytes(&result[0].samples));
    sc_estimate_free(&result[0]), sc_estimate_free(&result[1]);
}

/* Slices get back the data that they brought, and their parts of the estimate. */
static void a_stack_comes_apart_again(void **state)
{
    (void)state;
    fixture f;
    sc_stack stack;
    sc_problem slice[SLICES];
    sc_estimate whole;
    float support[4] = {1, 1, 0, 1};
    begin(&f, 1, 0.5);
    join(&stack, &f, 0.3, 2);
    make_slices(slice, &f, 0.3);
    run_whole(&whole, &stack, &f, "levels=3 samples=3");
    for (int k = SLICES - 1; k >= 0; k--) {
        sc_problem *one;
        sc_estimate part = {0};
        sc_gate gate;
        OK(sc_stack_slice(&one, &stack, k));
        for (int i = 0; i < M; i++)
            assert_true(fabsf(((float *)one->y)[i] - ((float *)slice[k].y)[i]) < 1e-6f);
        one->support = support;
        OK(sc_stack_part(&part, &stack, &whole, k));
        one->support = NULL;
        const float *in = whole.samples.data, *out = part.samples.data;
        for (int s = 0; s < 3; s++)
            for (int e = 0; e < D; e++)
                assert_true(out[s * D + e] == (e / 2 == 2 ? 0 : in[(s * SLICES + k) * D + e]));
        assert_int_equal(part.std.dim[0], 2);
        sc_gate_check(&gate, &part, one, f.score);
        assert_true(gate.residual > 0.2 && gate.residual < 5);
        sc_estimate_free(&part);
        problem_free(&slice[k]);
    }
    sc_estimate_free(&whole);
    sc_stack_free(&stack);
    end(&f);
}

/* ---- common units and phase ---- */

enum { SIZE = 32, COILS = 4 };

/* A fully sampled slice of the same object, whose maps turn the phase by `turn` and more across the
 * image, and whose scale differs. */
static void turned_slice(sc_problem *slice, sc_c32 *image, const sc_device *device, double turn,
                         double scale)
{
    const int64_t n = SIZE * SIZE;
    sc_c32 *maps, *y;
    float *weight, *shading;
    void *work;
    OK(SC_ALLOC(&maps, COILS * n, "maps"));
    OK(SC_ALLOC(&weight, n, "weight"));
    OK(SC_ALLOC(&shading, n, "shading"));
    for (int64_t p = 0; p < n; p++) {
        double v = (double)(p / SIZE) / SIZE - 0.5, u = (double)(p % SIZE) / SIZE - 0.5;
        double phase = turn * (1 + u), magnitude = u * u + v * v < 0.15 ? 1 + (u > 0.1) : 0;
        weight[p] = 1;
        shading[p] = (float)(1 / scale); /* the scanner's units are the same in all slices */
        image[p] = (sc_c32)(magnitude * cexp(-I * phase));
        for (int c = 0; c < COILS; c++)
            maps[c * n + p] = (sc_c32)(0.5 * cexp(I * (phase + c)));
    }
    *slice = (sc_problem){.device = device,
                          .sigma = 0.01,
                          .sets = 1,
                          .ny = SIZE,
                          .nx = SIZE,
                          .scale = scale,
                          .shading = shading,
                          .coils = COILS,
                          .maps = maps,
                          .measured = COILS * n};
    OK(sc_op_sense(&slice->A, device, maps, weight, 1, COILS, 2, (int64_t[]){SIZE, SIZE}));
    OK(SC_DEVICE_ALLOC(device, &y, COILS * n));
    OK(sc_op_work_create(slice->A, &work));
    sc_op_forward(slice->A, y, image, work);
    slice->y = y;
    sc_device_release(device, work);
    sc_free(weight);
}

static void phase_and_scale_of_a_slice_do_not_matter(void **state)
{
    (void)state;
    enum { N = SIZE * SIZE };
    sc_device *device;
    sc_problem slice[2];
    sc_stack stack;
    static sc_c32 image[2 * N], difference[N];
    void *work;
    OK(sc_device_create_cpu(&device, 1));
    turned_slice(&slice[0], image, device, 0.4, 3);
    turned_slice(&slice[1], image + N, device, 2.1, 8);
    OK(sc_stack_join(&stack, device, slice, 2, 0.5, 1));
    OK(sc_op_work_create(stack.whole.through, &work));
    sc_op_forward(stack.whole.through, difference, image, work);
    double apart = 0, same = 0;
    for (int p = 0; p < N; p++) {
        apart += pow(cabs((double complex)(image[N + p] - image[p])), 2);
        same += pow(cabs((double complex)difference[p]) / 0.5, 2);
    }
    print_message("differences: %.3f of what they are without weights\n", sqrt(same / apart));
    assert_true(sqrt(same / apart) < 0.1);
    sc_device_release(device, work);
    sc_stack_free(&stack);
    sc_device_free(device);
}

static void pixels_without_support_are_not_compared(void **state)
{
    (void)state;
    enum { N = SIZE * SIZE };
    sc_device *device;
    sc_problem slice[2];
    sc_c32 *weight;
    float *pair;
    static sc_c32 image[2 * N];
    OK(sc_device_create_cpu(&device, 1));
    for (int k = 0; k < 2; k++) {
        turned_slice(&slice[k], image + k * N, device, 1, 1);
        OK(SC_ALLOC(&slice[k].support, N, "support"));
        for (int p = 0; p < N; p++)
            slice[k].support[p] = p % 3 != k;
    }
    OK(sc_stack_weights(&weight, &pair, slice, 2, 0.25));
    for (int p = 0; p < N; p++)
        assert_true(pair[p] == (p % 3 == 2 ? 0.25f : 0));
    sc_free(weight);
    sc_free(pair);
    for (int k = 0; k < 2; k++)
        sc_problem_free(&slice[k]);
    sc_device_free(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_weight_slices_are_as_if_alone),
        cmocka_unit_test(what_is_the_same_in_all_slices_comes_with_less_noise),
        cmocka_unit_test(threads_do_not_change_a_bit),
        cmocka_unit_test(a_stack_comes_apart_again),
        cmocka_unit_test(phase_and_scale_of_a_slice_do_not_matter),
        cmocka_unit_test(pixels_without_support_are_not_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
