/* Label cuda-fake: whole networks on the CUDA row over the fake runtime, where device memory faults
 * in host code, against the CPU row; and what becomes of a call that fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "network_rows.h"
#include "prior/score.h"
#include "prior/training.h"
#include "prior/weights.h"
#include "tests/fake_cuda/fixture.h"
#include <cudnn.h>
#include <unistd.h>

static int start(void **state) { return (void)state, start_rows(1); }

static void every_network_agrees_with_the_cpu_row(void **state)
{
    (void)state;
    for (int i = 0; i < NETWORK_ROWS; i++)
        compare_network(cpu, &fake, i, 1);
}

static void evaluation_alone_agrees_too(void **state)
{
    (void)state;
    for (int i = 0; i < NETWORK_ROWS; i += 4)
        compare_network(cpu, &fake, i, 0);
}

static void evaluation_may_use_tensor_cores(void **state)
{
    (void)state; /* on the fake their products are those of floats */
    char *text;
    const char *name;
    sc_network_config c = network_of_row(0, &name);
    sc_network *network;
    sc_run *run;
    fake.precision = SC_PRECISION_TF32;
    compare_network(cpu, &fake, 0, 0);
    GOOD(sc_network_create(&network, &c));
    for (int backward = 0; backward < 2; backward++) {
        GOOD(sc_run_create(&run, network, &fake, 1, 8, 8, backward));
        GOOD(sc_run_describe(run, &text));
        assert_true((strstr(text, "cuDNN tf32") != NULL) == !backward);
        sc_free(text);
        sc_run_free(run);
    }
    sc_network_free(network);
}

/* A device that cannot record evaluates all the same. */
static void evaluation_without_recording_agrees_too(void **state)
{
    (void)state;
    static const char *const calls[] = {"cudaStreamBeginCapture", "cudaStreamEndCapture",
                                        "cudaGraphInstantiate"};
    for (int i = 0; i < 3; i++) {
        sc_fake_fail(calls[i], 0, cudaErrorStreamCaptureUnsupported);
        compare_network(cpu, &fake, 1, 0);
    }
}

/* A batch of images whose size is no multiple, from a file, on both rows. */
static void a_score_is_the_same_on_both_rows(void **state)
{
    (void)state;
    enum { N = 3, H = 9, W = 11, SIZE = N * H * W * 2 };
    char path[] = "test_network_fake_XXXXXX";
    const char *name;
    sc_network_config c = network_of_row(2, &name);
    sc_network *network;
    sc_score *score[2];
    float x[SIZE], d[2][SIZE];
    const double sigma[N] = {.2, 1, 5};
    close(mkstemp(path));
    GOOD(sc_network_create(&network, &c));
    float *theta = calloc((size_t)sc_network_parameter_count(network), sizeof *theta);
    lively_theta(theta, network);
    sc_weights_record record = {.sde = sc_sde_ve(0.002, 50)};
    GOOD(sc_weights_write(path, network, theta, &record));
    sc_random_normal(x, SIZE, (sc_key){.seed = 23}, SC_DRAW_TEST, 0);
    GOOD(sc_score_load(&score[0], path, 1));
    GOOD(sc_score_load_on(&score[1], path, &fake));
    for (int i = 0; i < 2; i++) {
        GOOD(sc_score_denoise(score[i], d[i], x, sigma, N, H, W));
        sc_score_free(score[i]);
    }
    for (int i = 0; i < SIZE; i++)
        assert_true(fabsf(d[0][i] - d[1][i]) < 1e-4f);
    unlink(path);
    sc_network_free(network);
    free(theta);
}

/* ---- training ---- */

enum { SIDE = 20 };

static sc_status get_image(void *self, sc_array *image, int index)
{
    (void)index;
    *image = sc_array_view(SC_F32, 2, (int64_t[]){SIDE, SIDE}, self);
    return SC_OK;
}

static const char *name_image(void *self, int index) { return (void)self, (void)index, "disc"; }

/* Batches, gradients, updates and validation; each device its own training. */
static void a_training_goes_the_same_way_on_both_rows(void **state)
{
    (void)state;
    static const char *const values[][2] = {{"batch", "4"}, {"part", "2"}, {"crop", "16"},
                                            {"warmup", "0"}};
    const sc_device *const devices[2] = {cpu, &fake};
    float pixels[SIDE * SIDE];
    const char *name;
    sc_network_config c = network_of_row(0, &name);
    sc_options o = sc_options_default(sc_training_options);
    sc_image_source source = {.self = pixels, .count = 1, .get = get_image, .name = name_image};
    sc_training_state end[2];
    sc_validation seen[2];
    for (int i = 0; i < SIDE * SIDE; i++)
        pixels[i] = hypot(i / SIDE - 9, i % SIDE - 11) < 6 ? 1 : .1f;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        GOOD(sc_options_set(&o, values[i][0], values[i][1]));
    for (int i = 0; i < 2; i++) {
        sc_training *t;
        GOOD(sc_training_create(&t, &c, &o, &source, &source, devices[i]));
        for (int step = 0; step < 3; step++)
            GOOD(sc_training_step(t));
        end[i] = *sc_training_current(t);
        GOOD(sc_training_validate(t, &seen[i]));
        sc_training_free(t);
    }
    assert_true(fabs(end[1].loss / end[0].loss - 1) < 1e-4);
    assert_true(fabs(end[1].gradient_norm / end[0].gradient_norm - 1) < 1e-3);
    assert_true(fabs(seen[1].loss / seen[0].loss - 1) < 1e-4);
}

/* Whatever call fails, at whatever place, it is told and nothing is left on the device. */
static sc_status whole_run(const sc_network *network, const float *theta)
{
    enum { H = 8, W = 8, PIXELS = H * W * 2 };
    float x[PIXELS] = {1, 2, 3}, d[PIXELS], gx[PIXELS];
    const double sigma = .5;
    sc_run *run = NULL;
    sc_status status;
    float *gtheta = calloc((size_t)sc_network_parameter_count(network), sizeof *gtheta);
    sc_device device = {.threads = 1};
    SC_TRY(sc_cuda_open(&device));
    SC_TRY(sc_run_create(&run, network, &device, 1, H, W, 1));
    SC_TRY(sc_run_set_theta(run, theta));
    for (int time = 0; time < 3; time++)
        SC_TRY(sc_run_denoise(run, d, x, &sigma));
    SC_TRY(sc_run_backward(run, gtheta, gx, d));
cleanup:
    sc_run_free(run);
    if (device.context)
        device.kernels->destroy(&device);
    free(gtheta);
    return status;
}

static void whatever_fails_is_told_and_leaves_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *call;
        int error;
    } calls[] = {
        {"cudnnCreateTensorDescriptor", CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED},
        {"cudnnGetConvolutionForwardAlgorithm_v7", CUDNN_STATUS_NOT_SUPPORTED},
        {"cudnnGetConvolutionBackwardFilterWorkspaceSize", CUDNN_STATUS_EXECUTION_FAILED},
        {"cudnnConvolutionForward", CUDNN_STATUS_EXECUTION_FAILED},
        {"cudnnConvolutionBiasActivationForward", CUDNN_STATUS_EXECUTION_FAILED},
        {"cudnnConvolutionBackwardData", CUDNN_STATUS_EXECUTION_FAILED},
        {"cudnnConvolutionBackwardFilter", CUDNN_STATUS_EXECUTION_FAILED},
        {"cudaMalloc", cudaErrorMemoryAllocation},
        {"cudaMemcpyAsync", cudaErrorInvalidValue},
        {"cudaStreamSynchronize", cudaErrorLaunchFailure},
        {"cublasSgemmStridedBatched", 13},
        {"affine", cudaErrorLaunchFailure},
        {"norm_apply", cudaErrorLaunchFailure},
        {"cudaGraphLaunch", cudaErrorLaunchFailure},
        {"softmax_gradient", cudaErrorLaunchFailure},
        {"linear", cudaErrorLaunchFailure},
        {"linear_gradient_x", cudaErrorLaunchFailure},
    };
    const char *name;
    sc_network_config c = network_of_row(0, &name);
    sc_network *network;
    GOOD(sc_network_create(&network, &c));
    float *theta = calloc((size_t)sc_network_parameter_count(network), sizeof *theta);
    lively_theta(theta, network);
    const int live = sc_fake_live();
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        for (int after = 0; after < 100; after = 2 * after + 1) {
            sc_fake_reset();
            sc_fake_fail(calls[i].call, after, calls[i].error);
            sc_status status = whole_run(network, theta);
            assert_int_equal(sc_fake_live(), live);
            if (status == SC_OK && after == 0)
                fail_msg("%s: its failure was not told", calls[i].call);
            if (status == SC_OK)
                break; /* there are not so many */
            if (!strstr(sc_message(), "CUDA"))
                fail_msg("%s: the message is %s", calls[i].call, sc_message());
        }
    sc_network_free(network);
    free(theta);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_network_agrees_with_the_cpu_row),
        TEST(evaluation_alone_agrees_too),
        TEST(evaluation_may_use_tensor_cores),
        TEST(evaluation_without_recording_agrees_too),
        TEST(a_score_is_the_same_on_both_rows),
        TEST(a_training_goes_the_same_way_on_both_rows),
        TEST(whatever_fails_is_told_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
