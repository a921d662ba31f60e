/* Label cuda-fake: the diffusion methods on the CUDA row over the fake runtime. */
#include "sampler_rows.h"

#include "base/cuda_module_internal.h"
#include "tests/fake_cuda/fake.h"

static void every_sampler_equals_the_cpu_row(void **state)
{
    sc_device fake = {.threads = 1};
    sc_fake_reset();
    small_ok(sc_cuda_open(&fake));
    compare_sampler_rows(&fake);
    compare_stack_rows(&fake);
    fake.kernels->destroy(&fake);
    assert_int_equal(sc_fake_live(), 0);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_sampler_equals_the_cpu_row)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
