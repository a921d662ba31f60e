/* Planes that ask the prior together: the same images as each for itself, in larger batches; on the
 * CPU, and on the CUDA row over the fake runtime. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cuda_module_internal.h"
#include "base/memory.h"
#include "prior/weights.h"
#include "protocols/job_internal.h"
#include "recon/simulate.h"
#include "tests/fake_cuda/fake.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SLICES = 5, NY = 26, NX = 22 };

#define FULL 2 /* brightest value of an image */

static char folder[64];

static void in_folder(char *path, const char *name) { snprintf(path, 256, "%s/%s", folder, name); }

static void make_weights(const char *path)
{
    sc_network_config config = sc_network_config_default();
    sc_network *network;
    float *theta;
    config.nf = 8, config.levels = 2;
    for (int i = 0; i < 8; i++)
        config.ch_mult[i] = 1;
    assert_int_equal(sc_network_create(&network, &config), SC_OK);
    assert_int_equal(SC_ALLOC(&theta, sc_network_parameter_count(network), "theta"), SC_OK);
    sc_network_initialise(network, theta, 1);
    sc_weights_record record = {.sde = sc_sde_ve(0.002, 50), .modality = (char *)"MR"};
    assert_int_equal(sc_weights_write(path, network, theta, &record), SC_OK);
    sc_free(theta);
    sc_network_free(network);
}

static int make_files(void **state)
{
    (void)state;
    char path[256];
    sc_volume image = {0};
    sc_scan scan;
    sc_device *device;
    sc_simulate_options o = sc_simulate_default();
    strcpy(folder, "/tmp/scorecon-together-XXXXXX");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(sc_array_create(&image.data, SC_F32, 3, (int64_t[]){SLICES, NY, NX}), SC_OK);
    for (int k = 0; k < SLICES; k++)
        for (int y = 5; y < 20; y++)
            for (int x = 4; x < 15 + k; x++)
                ((float *)image.data.data)[(k * NY + y) * NX + x] = (float)(1 + (x > 9));
    o.coils = 3, o.mask = "lines:2:12", o.noise_samples = 64;
    assert_int_equal(sc_device_create_cpu(&device, 1), SC_OK);
    assert_int_equal(sc_simulate(&scan, NULL, &image, &o, device), SC_OK);
    in_folder(path, "scan.h5");
    assert_int_equal(sc_scan_write_ismrmrd(path, &scan, NULL), SC_OK);
    in_folder(path, "weights.safetensors");
    make_weights(path);
    sc_scan_free(&scan);
    sc_device_free(device);
    sc_volume_free(&image);
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) != 0;
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
    assert_int_equal(sc_job_load(&run, &job), SC_OK);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(planes_together_give_the_same_images),
        cmocka_unit_test(planes_together_on_a_gpu_do_too),
        cmocka_unit_test(what_does_not_fit_is_done_one_at_a_time),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
