#define _GNU_SOURCE /* dladdr */
#include "base/cuda_module_internal.h"
#include "base/file.h"
#include "base/memory.h"
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *sc_cuda_build(void)
{
#if defined SC_HAVE_CUDNN
    return "yes, with cuDNN " SC_HAVE_CUDNN;
#elif defined SC_HAVE_CUDA
    return "yes, without cuDNN: networks run on the CPU";
#else
    return "no";
#endif
}

#ifdef SC_HAVE_CUDA

/* Where the module may lie, seen from the program or library that holds this code. */
static const char *const places[] = {"", "../", "../lib/", "../lib/scorecon/", SC_CUDA_LIBDIR};

/* *found: it is there; NULL then means that it does not open. */
static void *open_beside(const char *object, bool *found)
{
    char path[PATH_MAX];
    const char *slash = strrchr(object, '/');
    if (!slash)
        return NULL;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        int n = snprintf(path, sizeof path, "%.*s%s%s", (int)(slash + 1 - object), object,
                         places[i], SC_CUDA_MODULE);
        if (n > 0 && (size_t)n < sizeof path && sc_path_exists(path)) {
            *found = true;
            return dlopen(path, RTLD_NOW | RTLD_LOCAL);
        }
    }
    return NULL;
}

static void *open_module(void)
{
    char program[PATH_MAX];
    Dl_info info;
    void *module = NULL;
    bool found = false;
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    if (dladdr((const void *)&places, &info) && info.dli_fname)
        module = open_beside(info.dli_fname, &found);
    if (!found && n > 0) {
        program[n] = 0;
        module = open_beside(program, &found);
    }
    return found ? module : dlopen(SC_CUDA_MODULE, RTLD_NOW | RTLD_LOCAL);
}

/* The module stays open: its runtime registers handlers at exit. */
static sc_status find_table(const sc_cuda_module_table **table)
{
    void *module = open_module();
    if (!module) {
        const char *reason = dlerror();
        return sc_fail(SC_ERR_UNSUPPORTED, "CUDA: cannot open %s: %s", SC_CUDA_MODULE,
                       reason ? reason : "unknown reason");
    }
    *table = dlsym(module, "sc_cuda_module");
    if (!*table || (*table)->kernels_bytes != sizeof(sc_kernels) ||
        (*table)->device_bytes != sizeof(sc_device) || strcmp((*table)->version, SC_VERSION) != 0)
        return sc_fail(SC_ERR_UNSUPPORTED, "CUDA: %s is of another version, expected %s",
                       SC_CUDA_MODULE, SC_VERSION);
    return SC_OK;
}

sc_status sc_device_create_cuda(sc_device **device)
{
    static const sc_cuda_host host = {sc_fail, sc_context, sc_alloc, sc_free};
    const sc_cuda_module_table *table = NULL;
    sc_device *self = NULL;
    sc_status status;
    *device = NULL;
    SC_TRY(find_table(&table));
    SC_TRY(SC_ALLOC(&self, 1, "device"));
    self->threads = 1;
    table->set_host(&host);
    SC_TRY(table->open(self));
    *device = self;
    self = NULL;
cleanup:
    sc_free(self);
    return status;
}

#else

sc_status sc_device_create_cuda(sc_device **device)
{
    *device = NULL;
    return sc_fail(SC_ERR_UNSUPPORTED, "CUDA: this program was built without CUDA");
}

#endif
