/* Label cuda-fake: every operator on the CUDA row over the fake runtime, where host code that
 * touches device memory faults, against the CPU row. */
#include "operator_rows.h"

#include "base/cuda_module_internal.h"
#include "tests/fake_cuda/fake.h"

static void every_operator_equals_the_cpu_row(void **state)
{
    sc_device *host = cpu(1), fake = {.threads = 1};
    sc_fake_reset();
    check_ok(sc_cuda_open(&fake));
    compare_operator_rows(host, &fake);
    fake.kernels->destroy(&fake);
    sc_device_free(host);
    assert_int_equal(sc_fake_live(), 0);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_operator_equals_the_cpu_row)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
