/* Label gpu: every operator on a real GPU against the CPU row. Skipped (77) where there is none. */
#include "operator_rows.h"

static sc_device *gpu;

static void every_operator_equals_the_cpu_row(void **state)
{
    sc_device *host = cpu(0);
    compare_operator_rows(host, gpu);
    sc_device_free(host);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_operator_equals_the_cpu_row)};
    if (sc_device_create_cuda(&gpu) != SC_OK) {
        printf("skipped: %s\n", sc_message());
        return 77;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    sc_device_free(gpu);
    return failed;
}
