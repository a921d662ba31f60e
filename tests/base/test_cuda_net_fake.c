/* Label cuda-fake: the network's kernels of the CUDA row on the fake runtime, against the CPU row;
 * a call of cuDNN or cuBLAS that fails is told, and nothing is left on the device. */
#include "check.h"
#include "net_rows.h"
#include "tests/fake_cuda/fixture.h"
#include <cudnn.h>
#include <pthread.h>

static int start(void **state) { return (void)state, start_rows(2); }

static void every_kernel_equals_the_cpu_row(void **state)
{
    (void)state;
    compare_net_rows(cpu, &fake);
}

/* cuDNN may not fuse the bias: the plan then asks no more. */
static void a_bias_that_cannot_be_fused_is_added(void **state)
{
    (void)state;
    sc_fake_fail("cudnnConvolutionBiasActivationForward", 0, CUDNN_STATUS_NOT_SUPPORTED);
    compare_net_case(cpu, &fake, 0);
    assert_int_equal(fake.kernels->sync(&fake), SC_OK);
}

/* A wide convolution in bfloat16: products of rounded values, so 2^-9 a factor, averaged. */
static void wide_convolutions_may_be_bf16(void **state)
{
    (void)state;
    const sc_conv_shape wide = {.n = 2, .h = 4, .w = 3, .in = 128, .out = 128, .kernel = 3,
                                .stride = 1, .pad_low = 1, .pad_high = 1, .out_stride = 1152,
                                .in_stride = 9, .bias = 1, .accumulate = 1, .scale = .7f};
    sc_conv *conv;
    net_row a = {.device = cpu, .net = cpu->kernels->net};
    net_row b = {.device = &fake, .net = fake.kernels->net};
    fake.precision = SC_PRECISION_BF16;
    assert_int_equal(b.net->conv_create(&fake, &conv, &wide), SC_OK);
    assert_string_equal(b.net->conv_describe(conv), "cuDNN bf16, algorithm 1");
    b.net->conv_free(conv);
    net_conv_shape(&a, &wide);
    net_conv_shape(&b, &wide);
    float *x = net_download(&a, 1), *y = net_download(&b, 1);
    check_close(y, x, a.count[1], 5e-3, "y in bfloat16");
    sc_free(x), sc_free(y);
    free_net_row(&a);
    free_net_row(&b);
}

static const sc_conv_shape shape = {.n = 1, .h = 4, .w = 4, .in = 2, .out = 3, .kernel = 3,
                                    .stride = 1, .pad_low = 1, .pad_high = 1, .out_stride = 18,
                                    .in_stride = 9, .bias = 1, .scale = 1, .backward = 1};

/* A plan that cannot be made is an error of the caller's request; the device goes on. */
static void a_plan_that_fails_leaves_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *call;
        int error;
        sc_status status;
    } calls[] = {
        {"cudnnCreate", CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED, SC_ERR_MEMORY},
        {"cudnnSetStream", CUDNN_STATUS_EXECUTION_FAILED, SC_ERR_IO},
        {"cudnnCreateTensorDescriptor", CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED,
         SC_ERR_MEMORY},
        {"cudnnSetTensor4dDescriptor", CUDNN_STATUS_NOT_SUPPORTED, SC_ERR_UNSUPPORTED},
        {"cudnnCreateFilterDescriptor", CUDNN_STATUS_EXECUTION_FAILED, SC_ERR_IO},
        {"cudnnSetFilter4dDescriptor", CUDNN_STATUS_BAD_PARAM, SC_ERR_IO},
        {"cudnnCreateActivationDescriptor", CUDNN_STATUS_EXECUTION_FAILED, SC_ERR_IO},
        {"cudnnSetActivationDescriptor", CUDNN_STATUS_EXECUTION_FAILED, SC_ERR_IO},
        {"cudnnCreateConvolutionDescriptor", CUDNN_STATUS_EXECUTION_FAILED, SC_ERR_IO},
        {"cudnnSetConvolution2dDescriptor", CUDNN_STATUS_NOT_SUPPORTED, SC_ERR_UNSUPPORTED},
        {"cudnnSetConvolutionMathType", CUDNN_STATUS_EXECUTION_FAILED, SC_ERR_IO},
        {"cudnnGetConvolutionForwardAlgorithm_v7", CUDNN_STATUS_NOT_SUPPORTED, SC_ERR_UNSUPPORTED},
        {"cudnnGetConvolutionBackwardDataAlgorithm_v7", CUDNN_STATUS_EXECUTION_FAILED, SC_ERR_IO},
        {"cudnnGetConvolutionBackwardFilterAlgorithm_v7", CUDNN_STATUS_EXECUTION_FAILED, SC_ERR_IO},
        {"cudnnGetConvolutionForwardWorkspaceSize", CUDNN_STATUS_EXECUTION_FAILED, SC_ERR_IO},
        {"cudnnGetConvolutionBackwardDataWorkspaceSize", CUDNN_STATUS_NOT_SUPPORTED,
         SC_ERR_UNSUPPORTED},
        {"cudnnGetConvolutionBackwardFilterWorkspaceSize", CUDNN_STATUS_EXECUTION_FAILED,
         SC_ERR_IO},
    };
    const sc_net_kernels *net = fake.kernels->net;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        sc_conv *conv = (sc_conv *)1;
        int live = sc_fake_live();
        sc_fake_fail(calls[i].call, 0, calls[i].error);
        check_failure(net->conv_create(&fake, &conv, &shape), calls[i].status,
                      "3x3 convolution 2 to 3: CUDA: cuDNN");
        assert_null(conv);
        if (i == 1)
            live++; /* the handle stays for the next plan */
        assert_int_equal(sc_fake_live(), live);
        assert_int_equal(fake.kernels->sync(&fake), SC_OK);
    }
    sc_conv *conv;
    assert_int_equal(net->conv_create(&fake, &conv, &shape), SC_OK);
    net->conv_free(conv);
}

/* A convolution with a frame, without and with a sum, a norm and attention, whatever they say. */
static void run_everything(net_row *r)
{
    sc_conv_shape s = {.n = 1, .h = 8, .w = 8, .in = 4, .out = 4, .kernel = 3, .stride = 2,
                       .pad_high = 1, .out_stride = 36, .in_stride = 9, .bias = 1, .scale = 1,
                       .backward = 1};
    const sc_norm_shape n = {.n = 1, .c = {4, 0}, .groups = 1, .pixels = 40, .epsilon = 1e-6f};
    float *x = net_buffer(r, 1024), *y = net_buffer(r, 1024), *z = net_buffer(r, 1024);
    void *scratch = net_scratch(r, 1 << 20), *packed = net_scratch(r, 4096);
    for (; s.accumulate < 2; s.accumulate++) {
        sc_conv *conv;
        assert_int_equal(r->net->conv_create(r->device, &conv, &s), SC_OK);
        (void)r->net->conv_pack(conv, packed, x, x, scratch);
        (void)r->net->conv_forward(conv, y, x, packed, scratch);
        (void)r->net->conv_backward_data(conv, z, y, packed, 0, scratch);
        (void)r->net->conv_backward_weights(conv, z, z, x, y, scratch);
        r->net->conv_free(conv);
        if (r->device->kernels->sync(r->device) != SC_OK)
            break; /* no plan is made after a failure */
    }
    sc_norm_input input = {{x, NULL}, NULL, x, x};
    sc_norm_gradient gradient = {{z, NULL}, {0, 0}, NULL, y, y};
    r->net->norm_forward(r->device, y, z, &input, &n, scratch);
    r->net->norm_backward(r->device, &gradient, y, z, &input, &n, scratch);
    r->net->attention_forward(r->device, y, x, x, x, 1, 16, 4, scratch);
    sc_device_release(r->device, scratch);
    sc_device_release(r->device, packed);
}

/* A call that fails is the device's failure; after it nothing runs, and everything can be freed. */
static void a_call_that_fails_is_kept(void **state)
{
    (void)state;
    static const struct {
        const char *call, *text;
        int error;
    } calls[] = {
        {"cudnnConvolutionForward", "CUDA: convolution: fake: cuDNN failed", 5000},
        {"cudnnConvolutionBiasActivationForward", "CUDA: convolution: fake: cuDNN failed", 5000},
        {"cudnnConvolutionBackwardData", "CUDA: data gradient of a convolution: fake", 5000},
        {"cudnnConvolutionBackwardFilter", "CUDA: weight gradient of a convolution: fake", 5000},
        {"cudnn", "fake: cuDNN failed", 719},
        {"conv_pack", "CUDA: conv_pack: fake error 719", 719},
        {"pad", "CUDA: pad", 719},
        {"crop", "CUDA: crop", 719},
        {"column_sums", "CUDA: column_sums", 719},
        {"norm_sums", "CUDA: norm_sums", 719},
        {"norm_gradient_apply", "CUDA: norm_gradient_apply", 719},
        {"cublasSgemmStridedBatched", "CUDA: attention: cuBLAS", 13},
        {"softmax", "CUDA: softmax", 719},
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        sc_device device = {.threads = 1};
        assert_int_equal(sc_cuda_open(&device), SC_OK);
        net_row r = {.device = &device, .net = device.kernels->net};
        sc_fake_fail(calls[i].call, 0, calls[i].error);
        run_everything(&r);
        check_failure(device.kernels->sync(&device), SC_ERR_IO, calls[i].text);
        sc_conv *conv;
        check_failure(r.net->conv_create(&device, &conv, &shape), SC_ERR_IO, calls[i].text);
        free_net_row(&r);
        device.kernels->destroy(&device);
        sc_fake_reset();
    }
}

/* ---- recording ---- */

typedef struct {
    sc_conv *conv;
    float *x, *y, *z;
    char *packed, *scratch;
} recorded;

static recorded set_up_recorded(net_row *r)
{
    recorded w = {.x = net_buffer(r, 32), .y = net_buffer(r, 48), .z = net_buffer(r, 48)};
    size_t packed, scratch;
    assert_int_equal(r->net->conv_create(r->device, &w.conv, &shape), SC_OK);
    r->net->conv_bytes(w.conv, &packed, &scratch);
    w.packed = net_scratch(r, packed);
    w.scratch = net_scratch(r, scratch + (1 << 16));
    float *weight = net_buffer(r, 54);
    assert_int_equal(r->net->conv_pack(w.conv, w.packed, weight, weight, w.scratch), SC_OK);
    return w;
}

static void tear_down_recorded(net_row *r, recorded *w)
{
    r->net->conv_free(w->conv);
    sc_device_release(r->device, w->packed);
    sc_device_release(r->device, w->scratch);
    free_net_row(r);
}

/* y = conv(x), z += attention(y, y, y) */
static void issue(const net_row *r, const recorded *w)
{
    (void)r->net->conv_forward(w->conv, w->y, w->x, w->packed, w->scratch);
    r->net->attention_forward(r->device, w->y, w->y, w->y, w->y, 1, 16, 3, w->scratch);
    r->net->affine(r->device, w->z, w->y, NULL, .5f, 0, 1, 48, 1);
}

static void *issue_meanwhile(void *z)
{
    fake.kernels->fill(&fake, z, 3, 48);
    assert_int_equal(fake.kernels->sync(&fake), SC_OK);
    return NULL;
}

static void recorded_work_is_repeated_and_only_that(void **state)
{
    (void)state;
    net_row direct = {.device = &fake, .net = fake.kernels->net}, again = direct;
    recorded a = set_up_recorded(&direct), b = set_up_recorded(&again);
    sc_recording *recording;
    pthread_t other;
    float *meanwhile = net_buffer(&again, 48);
    assert_int_equal(fake.kernels->record_begin(&fake), SC_OK);
    issue(&again, &b);
    assert_int_equal(pthread_create(&other, NULL, issue_meanwhile, meanwhile), 0);
    pthread_join(other, NULL);
    assert_int_equal(fake.kernels->record_end(&fake, &recording), SC_OK);
    float *before = net_download(&again, 2), *start_of_a = net_download(&direct, 2);
    assert_memory_equal(before, start_of_a, 48 * sizeof *before); /* nothing has run */
    for (int i = 0; i < 3; i++) {
        issue(&direct, &a);
        fake.kernels->replay(recording);
    }
    float *x = net_download(&direct, 2), *y = net_download(&again, 2);
    assert_memory_equal(x, y, 48 * sizeof *x);
    float *filled = net_download(&again, again.buffers - 1);
    assert_true(filled[47] == 3);
    sc_free(x), sc_free(y), sc_free(before), sc_free(start_of_a), sc_free(filled);
    fake.kernels->recording_free(recording);
    fake.kernels->recording_free(NULL);
    tear_down_recorded(&direct, &a);
    tear_down_recorded(&again, &b);
}

/* What fails while recording costs the recording only. */
static void a_recording_that_fails_leaves_the_device_good(void **state)
{
    (void)state;
    static const struct {
        const char *call;
        int error;
    } calls[] = {{"cudaStreamCreateWithFlags", 2}, {"cudaStreamBeginCapture", 1},
                 {"cudaStreamEndCapture", cudaErrorStreamCaptureInvalidated},
                 {"cudaGraphInstantiate", 2}, {"cublasSgemmStridedBatched", 13},
                 {"cudnnConvolutionBiasActivationForward", 5000}, {"cudnnSetStream", 5000}};
    net_row r = {.device = &fake, .net = fake.kernels->net};
    recorded w = set_up_recorded(&r);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        sc_recording *recording = NULL;
        int live = sc_fake_live();
        sc_fake_fail(calls[i].call, 0, calls[i].error);
        sc_status status = fake.kernels->record_begin(&fake);
        if (status == SC_OK) {
            issue(&r, &w);
            status = fake.kernels->record_end(&fake, &recording);
        }
        check_failure(status, SC_ERR_UNSUPPORTED, "CUDA: nothing is recorded: ");
        assert_null(recording);
        assert_int_equal(sc_fake_live(), live);
        assert_int_equal(fake.kernels->sync(&fake), SC_OK);
    }
    issue(&r, &w);
    assert_int_equal(fake.kernels->sync(&fake), SC_OK);
    sc_recording *recording;
    assert_int_equal(fake.kernels->record_begin(&fake), SC_OK);
    issue(&r, &w);
    assert_int_equal(fake.kernels->record_end(&fake, &recording), SC_OK);
    sc_fake_fail("cudaGraphLaunch", 0, 719);
    fake.kernels->replay(recording);
    check_failure(fake.kernels->sync(&fake), SC_ERR_IO, "CUDA: recorded work: fake error 719");
    fake.kernels->recording_free(recording);
    tear_down_recorded(&r, &w);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_kernel_equals_the_cpu_row),
        TEST(a_bias_that_cannot_be_fused_is_added),
        TEST(wide_convolutions_may_be_bf16),
        TEST(a_plan_that_fails_leaves_nothing),
        TEST(a_call_that_fails_is_kept),
        TEST(recorded_work_is_repeated_and_only_that),
        TEST(a_recording_that_fails_leaves_the_device_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
