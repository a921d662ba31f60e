/* Label gpu: every kernel on a real GPU against the CPU row. Skipped (77) where there is none. */
#include "net_rows.h"
#include "row_compare.h"
#include <stdio.h>

static sc_device *cpu, *gpu;

static void every_kernel_equals_the_cpu_row(void **state)
{
    (void)state;
    compare_rows(cpu, gpu);
}

static void every_network_kernel_equals_the_cpu_row(void **state)
{
    (void)state;
    if (!gpu->kernels->net) {
        print_message("skipped: this CUDA row has no network kernels: built without cuDNN\n");
        skip();
    }
    compare_net_rows(cpu, gpu);
}

static void a_long_reduction_keeps_its_order(void **state)
{
    (void)state; /* more blocks than fit one launch */
    int64_t n = 4096 * 16384 + 5000;
    float *x = random_floats(n, 1), *y;
    double expected = cpu->kernels->dot(cpu, x, x, n);
    assert_int_equal(SC_DEVICE_ALLOC(gpu, &y, n), SC_OK);
    assert_int_equal(gpu->kernels->upload(gpu, y, x, (size_t)n * sizeof *x), SC_OK);
    assert_true(gpu->kernels->dot(gpu, y, y, n) == expected);
    sc_device_release(gpu, y);
    sc_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kernel_equals_the_cpu_row),
        cmocka_unit_test(every_network_kernel_equals_the_cpu_row),
        cmocka_unit_test(a_long_reduction_keeps_its_order),
    };
    if (sc_device_create_cuda(&gpu) != SC_OK) {
        bool opens = !strstr(sc_message(), "cannot open") || strcmp(sc_cuda_build(), "no") == 0;
        printf("%s: %s\n", opens ? "skipped" : "the module of this build must open", sc_message());
        return opens ? 77 : 1;
    }
    if (sc_device_create_cpu(&cpu, 0) != SC_OK)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    sc_device_free(gpu);
    sc_device_free(cpu);
    return failed;
}
