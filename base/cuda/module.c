/* The module's one exported symbol, and the library's functions as the module sees them. */
#include "base/cuda_module_internal.h"
#include "base/memory.h"
#include <stdarg.h>
#include <stdio.h>

static const sc_cuda_host *host;

static void set_host(const sc_cuda_host *given) { host = given; }

sc_status sc_fail(sc_status code, const char *format, ...)
{
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return host->fail(code, "%s", message);
}

sc_status sc_context(sc_status status, const char *format, ...)
{
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return host->context(status, "%s", message);
}

sc_status sc_alloc(void **p, size_t count, size_t size, const char *what)
{
    return host->alloc(p, count, size, what);
}

void sc_free(void *p) { host->free(p); }

__attribute__((visibility("default"))) extern const sc_cuda_module_table sc_cuda_module;
const sc_cuda_module_table sc_cuda_module = {sizeof(sc_kernels), sizeof(sc_device), SC_VERSION,
                                             set_host, sc_cuda_open};
