/* A small fake CUDA runtime. Device memory cannot be touched by host code (it faults), and lies
 * just before a page that nobody may touch. A stream runs in order and late: a copy to the device
 * reads the host's memory only at the next launch or sync of its stream, a copy to the host
 * arrives only at sync. A kernel that gets a host pointer is an illegal address, kept until
 * sc_fake_reset, as on a GPU.
 */
#ifndef SC_FAKE_CUDA_H
#define SC_FAKE_CUDA_H

#include <cuda_runtime_api.h>
#include <stdbool.h>

/* ---- for the launch layer ---- */

/* Start of a launch: pending copies are done and device memory opened; false: do not run. */
bool sc_fake_begin(cudaStream_t stream, const char *name);
void sc_fake_end(void);
/* A kernel argument: *argument is a pointer if `pointer`; it must be device memory. */
void sc_fake_argument(const void *argument, bool pointer);
void sc_fake_pointers(const void *arguments, int count); /* `count` pointers, NULL allowed */
bool sc_fake_arguments_good(void);

/* A stream that records: the call is kept with its arguments, and run(stream, arguments) repeats
 * it when the graph is launched. false: the stream does not record, do it now. */
typedef void sc_fake_repeat(cudaStream_t stream, const void *arguments);
bool sc_fake_record(cudaStream_t stream, sc_fake_repeat *repeat, const void *arguments,
                    size_t bytes);
struct CUgraph_st **sc_fake_tape_of(cudaStream_t stream); /* NULL in it: does not record */

/* ---- for tests ---- */

/* The call of that name ("cudaMalloc", "cufftExecC2C", a kernel's name) fails once with `error`
 * after `after` good ones. */
void sc_fake_fail(const char *name, int after, int error);
bool sc_fake_injected(const char *name, int *error);
void sc_fake_set_gpus(int driver_version, int gpus);
int sc_fake_live(void); /* allocations, streams, plans, handles alive */
void sc_fake_count(int change);
void sc_fake_reset(void); /* forget faults and injections, one GPU */

#endif
