/* Label cuda-fake: the classical methods on the CUDA row over the fake runtime. */
#include "classical_rows.h"

#include "base/cuda_module_internal.h"
#include "tests/fake_cuda/fake.h"

static void every_classical_method_equals_the_cpu_row(void **state)
{
    sc_device fake = {.threads = 1};
    sc_fake_reset();
    small_ok(sc_cuda_open(&fake));
    compare_classical_rows(&fake);
    fake.kernels->destroy(&fake);
    assert_int_equal(sc_fake_live(), 0);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_classical_method_equals_the_cpu_row)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
