/* Where the library and its CUDA row meet. The row is a module of its own (libscorecon_cuda.so),
 * opened when a CUDA device is asked for, so that the program starts on machines without CUDA.
 * The module calls back for messages and memory: there is one thread-local message, one sc_alloc.
 */
#ifndef SC_BASE_CUDA_MODULE_INTERNAL_H
#define SC_BASE_CUDA_MODULE_INTERNAL_H

#include "base/device.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SC_CUDA_MODULE "libscorecon_cuda.so"

/* What the module gets from the library. */
typedef struct {
    sc_status (*fail)(sc_status code, const char *format, ...);
    sc_status (*context)(sc_status status, const char *format, ...);
    sc_status (*alloc)(void **p, size_t count, size_t size, const char *what);
    void (*free)(void *p);
} sc_cuda_host;

/* What the library gets from the module: its symbol sc_cuda_module. The sizes and the version tell
 * a module of another build from ours. */
typedef struct {
    size_t kernels_bytes, device_bytes; /* sizeof(sc_kernels), sizeof(sc_device) */
    const char *version;
    void (*set_host)(const sc_cuda_host *host);
    sc_status (*open)(sc_device *device); /* sets kernels and context */
} sc_cuda_module_table;

/* First GPU of this process into *device. SC_ERR_UNSUPPORTED: no driver, no GPU. */
sc_status sc_cuda_open(sc_device *device);

#ifdef __cplusplus
}
#endif
#endif
