/* Planes that ask the prior together: the same images as each for itself, in larger batches; on the
 * CPU, and on the CUDA row over the fake runtime. */
#include "job_fixture.h"

#include "base/cuda_module_internal.h"
#include "protocols/job_internal.h"
#include "tests/fake_cuda/fake.h"
#include <jansson.h>
#include <math.h>

enum { SLICES = 5 };

#define FULL 2 /* brightest value of an image */

static int make_files(void **state)
{
    (void)state;
    make_folder("together");
    make_scan(SLICES, 1);
    make_weights();
    return 0;
}

/* The score of a run, listened to. */
static sc_status (*heard)(const sc_score *, float *, const float *, const double *, int, int, int);
static int largest, calls, refuse_above;
static bool on_fake;

static sc_status hear(const sc_score *self, float *d, const float *x, const double *sigma, int n,
                      int h, int w)
{
#pragma omp critical(test_together)
    {
        largest = n > largest ? n : largest;
        calls++;
    }
    if (refuse_above && n > refuse_above)
        return sc_fail(SC_ERR_MEMORY, "no memory for %d images (a test)", n);
    return heard(self, d, x, sigma, n, h, w);
}

/* The run, loaded for the CPU, moves to the fake. */
static void move(sc_running *run, sc_job *job)
{
    sc_score_free(run->score);
    sc_device_free(run->device);
    run->score = NULL;
    assert_int_equal(SC_ALLOC(&run->device, 1, "device"), SC_OK);
    run->device->threads = 1;
    assert_int_equal(sc_cuda_open(run->device), SC_OK);
    assert_int_equal(sc_score_load_on(&run->score, job->settings.prior, run->device), SC_OK);
    job->cuda = true;
}

/* The images (and samples) of a run with `together` planes. */
static void reconstruct(sc_array *image, sc_array *samples, int together, int count)
{
    char scan[256], weights[256];
    char *option[] = {"levels=3", "cg=3"};
    sc_job job = sc_job_default();
    sc_running run;
    in_folder(scan, "scan.h5"), in_folder(weights, "weights.safetensors");
    job.scan = scan, job.threads = 2, job.force = true;
    job.settings.prior = weights;
    job.settings.samples = count;
    job.settings.options = option, job.settings.options_count = 2;
    job.settings.formats = SC_FORMAT_NPY;
    assert_int_equal(sc_job_begin(&run, &job), SC_OK);
    assert_int_equal(sc_job_load(&run), SC_OK);
    assert_int_equal(run.planes, SLICES);
    assert_int_equal(run.together, 1);
    if (on_fake)
        move(&run, &job);
    run.together = together;
    heard = run.score->denoise;
    run.score->denoise = hear;
    largest = calls = 0;
    if (sc_job_reconstruct(&run) != SC_OK)
        fail_msg("%d together: %s", together, sc_message());
    *image = run.series.image, run.series.image = (sc_array){0};
    *samples = run.series.samples, run.series.samples = (sc_array){0};
    sc_job_unload(&run);
}

static void compare(int together, int samples, int expected_largest)
{
    sc_array a[2], b[2];
    reconstruct(&a[0], &a[1], 1, samples);
    int images = largest, alone = calls;
    assert_true(alone > 0);
    reconstruct(&b[0], &b[1], together, samples);
    if (largest != expected_largest * images)
        fail_msg("%d together: a batch of %d, expected %d", together, largest,
                 expected_largest * images);
    assert_true(refuse_above || calls < alone);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sc_array_bytes(&a[i]), sc_array_bytes(&b[i]));
        for (int64_t k = 0; k < 2 * sc_array_count(&a[i]); k++) {
            float one = ((float *)a[i].data)[k], other = ((float *)b[i].data)[k];
            assert_true(on_fake ? fabsf(one - other) < 1e-4f * FULL : one == other);
        }
        sc_array_free(&a[i]);
        sc_array_free(&b[i]);
    }
}

static void planes_together_give_the_same_images(void **state)
{
    (void)state;
    compare(2, 0, 2);
    compare(3, 0, 3);
    compare(8, 0, SLICES);
    compare(3, 2, 3);
}

static void what_does_not_fit_is_done_one_at_a_time(void **state)
{
    (void)state;
    refuse_above = 2;
    compare(4, 0, 4);
    refuse_above = 0;
}

/* A GPU may add in another order in a larger batch. */
static void planes_together_on_a_gpu_do_too(void **state)
{
    (void)state;
    on_fake = true;
    sc_fake_reset();
    compare(3, 0, 3);
    compare(2, 2, 2);
    assert_int_equal(sc_fake_live(), 0);
    on_fake = false;
}

/* A plan counts what the run will do: SLICES images, `together` at once, are two rounds. */
static void a_plan_counts_images_that_take_turns(void **state)
{
    (void)state;
    char scan[256], weights[256], *option[] = {"levels=3", "cg=3"}, *text;
    sc_job job = sc_job_default();
    sc_running run;
    in_folder(scan, "scan.h5"), in_folder(weights, "weights.safetensors");
    job.scan = scan, job.threads = 2;
    job.settings.prior = weights;
    job.settings.options = option, job.settings.options_count = 2;
    job.settings.formats = SC_FORMAT_NPY;
    sc_fake_reset();
    assert_int_equal(sc_job_begin(&run, &job), SC_OK);
    assert_int_equal(sc_job_load(&run), SC_OK);
    move(&run, &job);
    heard = run.score->denoise;
    run.score->denoise = hear;
    for (int together = 1; together <= 3; together += 2) {
        run.together = together;
        largest = 0;
        assert_int_equal(sc_job_plan_loaded(&run, 0, true, &text), SC_OK);
        json_t *plan = json_loads(text, 0, NULL);
        double image = json_number_value(json_object_get(plan, "seconds_per_image"));
        double all = json_number_value(json_object_get(plan, "seconds"));
        int rounds = together == 1 ? SLICES : 2;
        assert_int_equal(json_integer_value(json_object_get(plan, "images_at_once")), together);
        assert_true(largest >= together && largest % together == 0);
        assert_true(fabs(all - image * together * rounds) < 1e-3 * all);
        json_decref(plan);
        sc_free(text);
    }
    refuse_above = 2; /* no memory for three: the plan is that of one at a time */
    assert_int_equal(sc_job_plan_loaded(&run, 0, true, &text), SC_OK);
    assert_non_null(strstr(text, "\"images_at_once\": 1,"));
    refuse_above = 0;
    sc_free(text);
    sc_job_unload(&run);
    assert_int_equal(sc_fake_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(planes_together_give_the_same_images),
        cmocka_unit_test(planes_together_on_a_gpu_do_too),
        cmocka_unit_test(a_plan_counts_images_that_take_turns),
        cmocka_unit_test(what_does_not_fit_is_done_one_at_a_time),
    };
    return cmocka_run_group_tests(tests, make_files, remove_folder);
}
