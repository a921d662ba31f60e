/* Graphs of the fake runtime: a tape of calls with copies of their arguments. */
#include "tests/fake_cuda/fake.h"
#include <stdlib.h>
#include <string.h>

#define CALLS 4096

typedef struct {
    sc_fake_repeat *repeat;
    void *arguments;
} tape_entry;

struct CUgraph_st {
    tape_entry call[CALLS];
    int calls, holders; /* the graph and what was instantiated from it */
};

struct CUgraphExec_st {
    cudaGraph_t tape;
};

#define INJECT(name)                                                                               \
    do {                                                                                           \
        int error_;                                                                                \
        if (sc_fake_injected(name, &error_))                                                       \
            return (cudaError_t)error_;                                                            \
    } while (0)

static void let_go(cudaGraph_t tape)
{
    if (--tape->holders > 0)
        return;
    for (int i = 0; i < tape->calls; i++)
        free(tape->call[i].arguments);
    free(tape);
}

bool sc_fake_record(cudaStream_t stream, sc_fake_repeat *repeat, const void *arguments,
                    size_t bytes)
{
    cudaGraph_t tape = *sc_fake_tape_of(stream);
    if (!tape || tape->calls == CALLS)
        return false;
    tape_entry *entry = &tape->call[tape->calls++];
    entry->repeat = repeat;
    entry->arguments = malloc(bytes);
    memcpy(entry->arguments, arguments, bytes);
    return true;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode)
{
    INJECT("cudaStreamBeginCapture");
    if (mode != cudaStreamCaptureModeThreadLocal || *sc_fake_tape_of(stream))
        return cudaErrorInvalidValue;
    *sc_fake_tape_of(stream) = calloc(1, sizeof(struct CUgraph_st));
    (*sc_fake_tape_of(stream))->holders = 1;
    sc_fake_count(1);
    return cudaSuccess;
}

/* On failure, too, the stream records no more. */
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph)
{
    int error = cudaSuccess;
    *graph = *sc_fake_tape_of(stream);
    *sc_fake_tape_of(stream) = NULL;
    if (sc_fake_injected("cudaStreamEndCapture", &error)) {
        (void)cudaGraphDestroy(*graph);
        *graph = NULL;
    }
    return (cudaError_t)error;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long flags)
{
    (void)flags;
    INJECT("cudaGraphInstantiate");
    *exec = calloc(1, sizeof **exec);
    (*exec)->tape = graph;
    graph->holders++;
    sc_fake_count(1);
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream)
{
    INJECT("cudaGraphLaunch");
    for (int i = 0; i < exec->tape->calls; i++)
        exec->tape->call[i].repeat(stream, exec->tape->call[i].arguments);
    return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    let_go(graph);
    sc_fake_count(-1);
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec)
{
    let_go(exec->tape);
    free(exec);
    sc_fake_count(-1);
    return cudaSuccess;
}
