/* Label gpu: the diffusion methods on a real GPU. Skipped (77) where there is none. */
#include "sampler_rows.h"

static sc_device *gpu;

static void every_sampler_equals_the_cpu_row(void **state)
{
    compare_sampler_rows(gpu);
    compare_stack_rows(gpu);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_sampler_equals_the_cpu_row)};
    if (sc_device_create_cuda(&gpu) != SC_OK) {
        printf("skipped: %s\n", sc_message());
        return 77;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    sc_device_free(gpu);
    return failed;
}
