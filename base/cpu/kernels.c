/* The CPU row: OpenMP loops over the kernel bodies, FFTW, OpenBLAS. */
#include "base/cpu/loops_internal.h"
#include "base/kernel_slots_internal.h"
#include "base/kernel_net.h"
#include "base/memory.h"
#include <string.h>

static sc_status allocate(const sc_device *device, void **p, size_t bytes) {
    (void)device;
    return sc_alloc(p, bytes, 1, "device memory");
}

static void release(const sc_device *device, void *p) {
    (void)device;
    sc_free(p);
}

static sc_status copy(const sc_device *device, void *to, const void *from, size_t bytes) {
    (void)device;
    if (bytes > 0)
        memmove(to, from, bytes);
    return SC_OK;
}

static sc_status sync_nothing(const sc_device *device) {
    (void)device;
    return SC_OK;
}

const sc_kernels sc_kernels_cpu = {
    .name = "cpu",
    .alloc = allocate,
    .release = release,
    .upload = copy,
    .download = copy,
    .sync = sync_nothing,
    SC_ELEMENTWISE_SLOTS,
    .fft_create = sc_cpu_fft_create,
    .fft = sc_cpu_fft,
    .fft_plain = sc_cpu_fft_plain,
    .fft_free = sc_cpu_fft_free,
    .sgemm = sc_cpu_sgemm,
    .net = &sc_cpu_net,
};
