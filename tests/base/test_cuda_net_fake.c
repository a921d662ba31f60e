/* Label cuda-fake: the network's kernels of the CUDA row on the fake runtime, against the CPU row;
 * a call of cuDNN or cuBLAS that fails is told, and nothing is left on the device. */
#include "base/cuda_module_internal.h"
#include "check.h"
#include "net_rows.h"
#include "tests/fake_cuda/fake.h"
#include <cudnn.h>

static sc_device *cpu;
static sc_device fake;

static int start(void **state)
{
    (void)state;
    sc_fake_reset();
    if (sc_device_create_cpu(&cpu, 2) != SC_OK)
        return -1;
    fake = (sc_device){.threads = 1};
    return sc_cuda_open(&fake);
}

static int stop(void **state)
{
    (void)state;
    fake.kernels->destroy(&fake);
    sc_device_free(cpu);
    int left = sc_fake_live();
    if (left)
        printf("%d things left on the device\n", left);
    sc_fake_count(-left);
    return left;
}

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_kernel_equals_the_cpu_row),
        TEST(a_bias_that_cannot_be_fused_is_added),
        TEST(wide_convolutions_may_be_bf16),
        TEST(a_plan_that_fails_leaves_nothing),
        TEST(a_call_that_fails_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
