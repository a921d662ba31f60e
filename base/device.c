#include "base/device.h"
#include "base/cpu/cpu_internal.h"
#include "base/memory.h"
#include <assert.h>
#include <omp.h>
#include <stdio.h>

static int vector_lanes(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq"))
        return 16;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return 8;
#endif
    return 0;
}

sc_status sc_device_create_cpu(sc_device **device, int threads)
{
    *device = NULL;
    assert(threads >= 0);
    sc_device *self;
    sc_status status = SC_ALLOC(&self, 1, "device");
    if (status != SC_OK)
        return status;
    sc_cpu_gemm_setup();
    /* not omp_get_max_threads: that reads the environment */
    *self = (sc_device){.kernels = &sc_kernels_cpu,
                        .threads = threads > 0 ? threads : omp_get_num_procs(),
                        .lanes = vector_lanes()};
    snprintf(self->description, sizeof self->description, "CPU, %d thread%s", self->threads,
             self->threads == 1 ? "" : "s");
    *device = self;
    return SC_OK;
}

void sc_device_free(sc_device *device)
{
    if (!device)
        return;
    if (device->kernels->destroy)
        device->kernels->destroy(device);
    sc_free(device);
}

sc_status sc_device_alloc(const sc_device *device, void **p, size_t count, size_t size)
{
    *p = NULL;
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return sc_fail(SC_ERR_MEMORY, "device memory: %zu elements of %zu bytes overflow", count,
                       size);
    return device->kernels->alloc(device, p, bytes);
}

void sc_device_release(const sc_device *device, void *p)
{
    if (p)
        device->kernels->release(device, p);
}
