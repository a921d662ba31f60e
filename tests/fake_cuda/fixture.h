/* The CPU row and the CUDA row on the fake runtime, for tests that compare them. After each test
 * nothing may be left alive on the device, also after a fault. */
#ifndef SC_TESTS_FAKE_CUDA_FIXTURE_H
#define SC_TESTS_FAKE_CUDA_FIXTURE_H

#include "base/cuda_module_internal.h"
#include "tests/fake_cuda/fake.h"
#include <stdio.h>

static sc_device *cpu;
static sc_device fake;

static int start_rows(int cpu_threads)
{
    sc_fake_reset();
    if (sc_device_create_cpu(&cpu, cpu_threads) != SC_OK)
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

#endif
