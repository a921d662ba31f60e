/* The shared loop: a sample is the same alone, in any batch, with any number of threads; cost is
 * counted as planned; a run can be cancelled; what cannot work is refused in one line.
 */
#include "sampler_test.h"

static const sc_method *const sampling[] = {&sc_method_pc, &sc_method_dds, &sc_method_pula,
                                            &sc_method_diffpir, &sc_method_dps, &sc_method_daps};
static const char *const quick[] = {"levels=8 sigma-max=2 sigma-min=0.1", "levels=6",
                                    "levels=8 sigma-max=2 sigma-min=0.1", "levels=6", "levels=6",
                                    "levels=8 sigma-max=2 sigma-min=0.1"};
enum { SAMPLING = sizeof sampling / sizeof *sampling };

typedef struct {
    sc_device *device;
    sc_problem problem;
    sc_score *score;
} fixture;

static void begin(fixture *f, int sets, int threads)
{
    const double weight[2] = {0.4, 0.6};
    law prior[2];
    correlated(&prior[0], 1, 0);
    correlated(&prior[1], 0.6, 1);
    OK(sc_device_create_cpu(&f->device, threads));
    problem_create(&f->problem, f->device, sets, 1, 0.3);
    f->score = mixture_score(2, weight, prior);
}

static void end(fixture *f)
{
    sc_score_free(f->score);
    problem_free(&f->problem);
    sc_device_free(f->device);
}

static void run(sc_estimate *estimate, const fixture *f, const sc_method *method, const char *text,
                const char *more, uint32_t sample)
{
    sc_options options;
    char all[256];
    snprintf(all, sizeof all, "%s %s", text, more);
    set_options(&options, method->options, all);
    *estimate = (sc_estimate){0};
    OK(method->run(estimate, &f->problem, f->score, &options, (sc_key){9, 4, sample}, NULL));
}

static void clear(sc_estimate *estimate)
{
    sc_array_free(&estimate->mean);
    sc_array_free(&estimate->std);
    sc_array_free(&estimate->samples);
}

static void a_sample_is_the_same_alone_and_in_any_batch(void **state)
{
    (void)state;
    fixture f;
    begin(&f, 2, 1);
    for (int m = 0; m < SAMPLING; m++) {
        sc_estimate all, pairs, alone;
        run(&all, &f, sampling[m], quick[m], "samples=5", 0);
        run(&pairs, &f, sampling[m], quick[m], "samples=5 batch=2", 0);
        run(&alone, &f, sampling[m], quick[m], "samples=1", 3);
        size_t bytes = sc_array_bytes(&all.samples);
        assert_memory_equal(all.samples.data, pairs.samples.data, bytes);
        assert_memory_equal((const char *)all.samples.data + 3 * (bytes / 5), alone.mean.data,
                            bytes / 5);
        assert_memory_not_equal(all.samples.data, alone.mean.data, bytes / 5);
        assert_null(alone.samples.data);
        assert_null(alone.std.data);
        assert_int_equal(all.score_evaluations, 5 * alone.score_evaluations);
        clear(&all), clear(&pairs), clear(&alone);
    }
    end(&f);
}

static void threads_do_not_change_a_bit(void **state)
{
    (void)state;
    fixture one, two;
    begin(&one, 300, 1);
    begin(&two, 300, 2);
    for (int m = 0; m < SAMPLING; m++) {
        sc_estimate a, b;
        run(&a, &one, sampling[m], quick[m], "samples=2", 0);
        run(&b, &two, sampling[m], quick[m], "samples=2", 0);
        assert_memory_equal(a.samples.data, b.samples.data, sc_array_bytes(&a.samples));
        assert_memory_equal(a.std.data, b.std.data, sc_array_bytes(&a.std));
        assert_true(a.residual == b.residual);
        clear(&a), clear(&b);
    }
    end(&one);
    end(&two);
}

/* A point estimate may draw noise on its way. */
static void threads_do_not_change_a_point_estimate(void **state)
{
    (void)state;
    fixture one, two;
    begin(&one, 300, 1);
    begin(&two, 300, 2);
    sc_estimate a, b;
    run(&a, &one, &sc_method_red_diff, "levels=20", "", 0);
    run(&b, &two, &sc_method_red_diff, "levels=20", "", 0);
    assert_memory_equal(a.mean.data, b.mean.data, sc_array_bytes(&a.mean));
    clear(&a), clear(&b);
    end(&one);
    end(&two);
}

/* Outside the support the maps say nothing, and so does the estimate. */
static void nothing_is_claimed_outside_the_support(void **state)
{
    (void)state;
    fixture f;
    begin(&f, 1, 1);
    float support[4] = {1, 0, 1, 1};
    f.problem.support = support;
    sc_estimate e;
    run(&e, &f, &sc_method_dds, quick[1], "samples=3", 0);
    const float *mean = e.mean.data, *std = e.std.data;
    assert_true(mean[2] == 0 && mean[3] == 0 && std[1] == 0);
    assert_true(mean[0] != 0 && std[0] > 0);
    clear(&e);
    end(&f);
}

static bool cancelled(void *self) { return ++*(int *)self > 3; }

static void a_run_can_be_cancelled(void **state)
{
    (void)state;
    fixture f;
    begin(&f, 1, 1);
    int asked = 0;
    sc_progress progress = {.self = &asked, .cancelled = cancelled};
    for (int m = 0; m < SAMPLING; m++) {
        sc_options options = sc_options_default(sampling[m]->options);
        sc_estimate e = {0};
        asked = 0;
        assert_int_equal(
            sampling[m]->run(&e, &f.problem, f.score, &options, (sc_key){1, 0, 0}, &progress),
            SC_ERR_CANCELLED);
        assert_null(e.mean.data);
        assert_null(e.samples.data);
    }
    end(&f);
}

static sc_status broken(const sc_score *self, float *d, const float *x, const double *sigma, int n,
                        int h, int w)
{
    (void)self, (void)x, (void)sigma;
    for (int64_t i = 0; i < (int64_t)n * h * w * 2; i++)
        d[i] = i ? 0 : NAN;
    return SC_OK;
}

static void what_is_not_finite_is_said(void **state)
{
    (void)state;
    fixture f;
    begin(&f, 1, 1);
    const sc_score bad = {
        .name = "bad", .channels = 2, .denoise = broken, .sde = {SC_SDE_VE, 0.01, 50, 0, 0}};
    sc_options options = sc_options_default(sc_method_dds.options);
    sc_estimate e = {0};
    assert_int_equal(sc_method_dds.run(&e, &f.problem, &bad, &options, (sc_key){1, 0, 0}, NULL),
                     SC_ERR_NUMERIC);
    assert_non_null(strstr(sc_message(), "finite"));
    assert_null(e.mean.data);
    end(&f);
}

static void a_prior_for_real_images_is_refused_for_complex_ones(void **state)
{
    (void)state;
    fixture f;
    begin(&f, 1, 1);
    sc_score real = *f.score;
    real.channels = 1;
    sc_options options = sc_options_default(sc_method_dds.options);
    sc_estimate e = {0};
    assert_int_equal(sc_method_dds.run(&e, &f.problem, &real, &options, (sc_key){1, 0, 0}, NULL),
                     SC_ERR_INPUT);
    print_message("%s\n", sc_message());
    assert_non_null(strstr(sc_message(), "channel"));
    end(&f);
}

/* Real images, as in CT: one channel, weights instead of coils; the estimate is complex with no
 * imaginary part. With a Gaussian prior and every pixel measured, close to the posterior mean. */
static void real_images_are_reconstructed_too(void **state)
{
    (void)state;
    sc_device *device;
    sc_op *op = NULL;
    sc_score *score = NULL;
    const double one = 1, mean[4] = {0.5, 0.4, 0.3, 0.2}, v = 0.25;
    double cov[16] = {0};
    for (int i = 0; i < 4; i++)
        cov[5 * i] = v;
    OK(sc_device_create_cpu(&device, 1));
    OK(sc_score_mixture(&score, 1, 1, 4, &one, mean, cov));
    const sc_shape shape = {SC_F32, 2, {2, 2}};
    const float weight[4] = {1, 0.5f, 2, 1}, y[4] = {0.9f, 0.2f, 1.2f, -0.1f};
    OK(sc_op_mask(&op, device, &shape, weight, 4));
    float *data = NULL;
    OK(SC_DEVICE_ALLOC(device, &data, 4));
    memcpy(data, y, sizeof y);
    sc_problem problem = {.device = device,
                          .A = op,
                          .y = data,
                          .sigma = 0.1,
                          .measured = 4,
                          .scale = 1,
                          .sets = 1,
                          .ny = 2,
                          .nx = 2};
    sc_options options;
    sc_estimate e = {0};
    set_options(&options, sc_method_annealed_proximal.options, "levels=60 mirror=no ratio=1");
    OK(sc_method_annealed_proximal.run(&e, &problem, score, &options, (sc_key){1, 0, 0}, NULL));
    const float *x = e.mean.data;
    assert_int_equal(e.mean.dtype, SC_C32);
    for (int i = 0; i < 4; i++) {
        double w = weight[i], p = w * w / 0.01 + 1 / (v + 0.01);
        double expected = (w * y[i] / 0.01 + mean[i] / (v + 0.01)) / p;
        assert_true(fabs(x[2 * i] - expected) < 0.2 / sqrt(p));
        assert_true(x[2 * i + 1] == 0);
    }
    sc_estimate_free(&e);
    sc_device_release(device, data);
    sc_op_free(op);
    sc_score_free(score);
    sc_device_free(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sample_is_the_same_alone_and_in_any_batch),
        cmocka_unit_test(threads_do_not_change_a_bit),
        cmocka_unit_test(threads_do_not_change_a_point_estimate),
        cmocka_unit_test(nothing_is_claimed_outside_the_support),
        cmocka_unit_test(a_run_can_be_cancelled),
        cmocka_unit_test(what_is_not_finite_is_said),
        cmocka_unit_test(real_images_are_reconstructed_too),
        cmocka_unit_test(a_prior_for_real_images_is_refused_for_complex_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
