/* Memory, streams and errors of the fake runtime. One lock: calls of several threads take turns. */
#define _GNU_SOURCE
#include "tests/fake_cuda/fake.h"
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ALLOCATIONS 256
#define COPIES 64
#define ALIGNMENT 256 /* of cudaMalloc */

typedef struct {
    char *map, *data;
    size_t map_bytes, bytes;
} allocation;

typedef struct {
    enum cudaMemcpyKind kind;
    char *to;
    const char *from; /* the host's for an upload, a snapshot of ours for a download */
    size_t bytes;
} pending_copy;

struct CUstream_st {
    pending_copy copy[COPIES];
    int copies;
    cudaGraph_t tape; /* what is recorded */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* held during a launch */
static allocation allocations[ALLOCATIONS];
static int live, driver = 13000, gpus = 1;
static cudaError_t fault;                    /* of the whole device, kept */
static _Thread_local cudaError_t last_error; /* what cudaGetLastError says */
static bool arguments_good;
static struct {
    char name[64];
    int after, error;
} injection;

/* ---- control ---- */

void sc_fake_fail(const char *name, int after, int error)
{
    snprintf(injection.name, sizeof injection.name, "%s", name);
    injection.after = after;
    injection.error = error;
}

bool sc_fake_injected(const char *name, int *error)
{
    if (strcmp(injection.name, name) != 0 || injection.after-- > 0)
        return false;
    injection.name[0] = 0;
    *error = injection.error;
    return true;
}

void sc_fake_set_gpus(int driver_version, int count)
{
    driver = driver_version;
    gpus = count;
}

int sc_fake_live(void) { return live; }
void sc_fake_count(int change) { live += change; }

void sc_fake_reset(void)
{
    fault = last_error = cudaSuccess;
    injection.name[0] = 0;
    sc_fake_set_gpus(13000, 1);
}

/* Fault of the device, or the injected error of this call. */
static cudaError_t state_of(const char *name)
{
    int error = cudaSuccess;
    if (fault == cudaSuccess)
        (void)sc_fake_injected(name, &error);
    return fault != cudaSuccess ? fault : (cudaError_t)error;
}

static cudaError_t remember(cudaError_t error)
{
    if (error != cudaSuccess)
        last_error = error;
    return error;
}

/* ---- memory ---- */

static void protect(int protection)
{
    for (int i = 0; i < ALLOCATIONS; i++)
        if (allocations[i].map)
            mprotect(allocations[i].map, allocations[i].map_bytes, protection);
}

static allocation *find(const void *p, size_t bytes)
{
    for (int i = 0; i < ALLOCATIONS; i++) {
        allocation *a = &allocations[i];
        if (a->map && (const char *)p >= a->data && (const char *)p + bytes <= a->data + a->bytes)
            return a;
    }
    return NULL;
}

static cudaError_t map_memory(allocation *a, size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    a->map_bytes = (bytes + page - 1) / page * page;
    a->bytes = bytes;
    char *map = mmap(NULL, a->map_bytes + page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return cudaErrorMemoryAllocation;
    a->map = map;
    a->data = map + a->map_bytes - (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    mprotect(map, a->map_bytes, PROT_READ | PROT_WRITE);
    memset(map, 0xff, a->map_bytes); /* fresh device memory is not zero */
    mprotect(map, a->map_bytes, PROT_NONE);
    live++;
    return cudaSuccess;
}

cudaError_t cudaMalloc(void **p, size_t bytes)
{
    pthread_mutex_lock(&lock);
    cudaError_t error = state_of("cudaMalloc");
    int i = 0;
    while (i < ALLOCATIONS && allocations[i].map)
        i++;
    if (error == cudaSuccess)
        error = i < ALLOCATIONS ? map_memory(&allocations[i], bytes) : cudaErrorMemoryAllocation;
    if (error == cudaSuccess)
        *p = allocations[i].data;
    pthread_mutex_unlock(&lock);
    return remember(error);
}

cudaError_t cudaFree(void *p)
{
    if (!p)
        return cudaSuccess;
    pthread_mutex_lock(&lock);
    cudaError_t error = state_of("cudaFree");
    allocation *a = find(p, 1);
    if (a && a->data == p) { /* gone also after a fault: tests count what is left */
        munmap(a->map, a->map_bytes + (size_t)sysconf(_SC_PAGESIZE));
        *a = (allocation){0};
        live--;
    } else if (error == cudaSuccess)
        error = cudaErrorInvalidValue;
    pthread_mutex_unlock(&lock);
    return remember(error);
}

/* ---- streams ---- */

static void do_copy(const pending_copy *copy)
{
    if (copy->kind == cudaMemcpyHostToDevice)
        protect(PROT_READ | PROT_WRITE);
    memcpy(copy->to, copy->from, copy->bytes);
    if (copy->kind == cudaMemcpyHostToDevice)
        protect(PROT_NONE);
    else
        free((void *)(uintptr_t)copy->from);
}

/* Do the uploads; at sync the downloads as well. */
static void flush(cudaStream_t stream, bool sync)
{
    int kept = 0;
    for (int i = 0; i < stream->copies; i++)
        if (sync || stream->copy[i].kind == cudaMemcpyHostToDevice)
            do_copy(&stream->copy[i]);
        else
            stream->copy[kept++] = stream->copy[i];
    stream->copies = kept;
}

static cudaError_t enqueue(cudaStream_t stream, pending_copy copy)
{
    const void *on_device = copy.kind == cudaMemcpyHostToDevice ? copy.to : copy.from;
    if (!find(on_device, copy.bytes) || stream->copies == COPIES)
        return cudaErrorInvalidValue;
    if (copy.kind == cudaMemcpyDeviceToHost) {
        flush(stream, false);
        char *snapshot = malloc(copy.bytes);
        protect(PROT_READ);
        memcpy(snapshot, copy.from, copy.bytes);
        protect(PROT_NONE);
        copy.from = snapshot;
        memset(copy.to, 0xff, copy.bytes); /* NaN until it arrives */
    }
    stream->copy[stream->copies++] = copy;
    return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind,
                            cudaStream_t stream)
{
    pthread_mutex_lock(&lock);
    cudaError_t error = state_of("cudaMemcpyAsync");
    if (error == cudaSuccess)
        error = enqueue(stream, (pending_copy){kind, to, from, bytes});
    pthread_mutex_unlock(&lock);
    return remember(error);
}

cudaError_t cudaMemsetAsync(void *p, int value, size_t bytes, cudaStream_t stream)
{
    pthread_mutex_lock(&lock);
    cudaError_t error = state_of("cudaMemsetAsync");
    if (error == cudaSuccess && !find(p, bytes))
        error = cudaErrorInvalidValue;
    if (error == cudaSuccess) {
        flush(stream, false);
        protect(PROT_READ | PROT_WRITE);
        memset(p, value, bytes);
        protect(PROT_NONE);
    }
    pthread_mutex_unlock(&lock);
    return remember(error);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags)
{
    (void)flags;
    cudaError_t error = state_of("cudaStreamCreateWithFlags");
    if (error == cudaSuccess) {
        *stream = calloc(1, sizeof **stream);
        live++;
    }
    return remember(error);
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    pthread_mutex_lock(&lock);
    cudaError_t error = state_of("cudaStreamSynchronize");
    flush(stream, true);
    pthread_mutex_unlock(&lock);
    return remember(error);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    flush(stream, true);
    free(stream);
    live--;
    return cudaSuccess;
}

cudaGraph_t *sc_fake_tape_of(cudaStream_t stream) { return &stream->tape; }

/* ---- launches ---- */

bool sc_fake_begin(cudaStream_t stream, const char *name)
{
    pthread_mutex_lock(&lock);
    cudaError_t error = state_of(name);
    if (stream->tape) /* sc_fake_record would have taken it */
        error = cudaErrorStreamCaptureUnsupported;
    if (error != cudaSuccess) {
        pthread_mutex_unlock(&lock);
        (void)remember(error);
        return false;
    }
    flush(stream, false);
    protect(PROT_READ | PROT_WRITE);
    arguments_good = true;
    return true;
}

void sc_fake_end(void)
{
    protect(PROT_NONE);
    pthread_mutex_unlock(&lock);
}

void sc_fake_argument(const void *argument, bool pointer)
{
    const void *p;
    if (!pointer)
        return;
    memcpy(&p, argument, sizeof p);
    if (!find(p, 1)) {
        arguments_good = false;
        fault = cudaErrorIllegalAddress; /* told by the next call, as on a GPU */
    }
}

void sc_fake_pointers(const void *arguments, int count)
{
    const void *p;
    for (int i = 0; i < count; i++) {
        memcpy(&p, (const char *)arguments + (size_t)i * sizeof p, sizeof p);
        if (p)
            sc_fake_argument(&p, true);
    }
}

bool sc_fake_arguments_good(void) { return arguments_good; }

/* ---- errors and devices ---- */

cudaError_t cudaGetLastError(void)
{
    cudaError_t error = last_error;
    last_error = cudaSuccess;
    return error;
}

const char *cudaGetErrorString(cudaError_t error)
{
    static char text[32];
    snprintf(text, sizeof text, "fake error %d", error);
    return text;
}

cudaError_t cudaDriverGetVersion(int *version)
{
    *version = driver;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int *count)
{
    *count = driver ? gpus : 0;
    return !driver ? cudaErrorInsufficientDriver : gpus ? cudaSuccess : cudaErrorNoDevice;
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *facts, int device)
{
    *facts = (struct cudaDeviceProp){"Fake", (size_t)2 << 30};
    return device == 0 ? cudaSuccess : cudaErrorInvalidValue;
}
