/* Kernels of the CPU row that have a file of their own. Contracts in device.h. */
#ifndef SC_BASE_CPU_INTERNAL_H
#define SC_BASE_CPU_INTERNAL_H

#include "base/device.h"

extern const sc_kernels sc_kernels_cpu;

/* Below this many elements a kernel runs in the calling thread. */
#define SC_CPU_SERIAL 16384

sc_status sc_cpu_fft_create(const sc_device *device, sc_fft **fft, int rank, const int64_t *dim,
                            int64_t batch);
void sc_cpu_fft(const sc_fft *fft, sc_c32 *z, const sc_c32 *x, bool inverse);
void sc_cpu_fft_plain(const sc_fft *fft, sc_c32 *z, bool inverse);
void sc_cpu_fft_free(sc_fft *fft);

void sc_cpu_sgemm(const sc_device *device, float *c, const float *a, const float *b, int64_t m,
                  int64_t n, int64_t k, bool transpose_a, bool transpose_b, float alpha,
                  float beta);
void sc_cpu_gemm_setup(void); /* before the first sgemm */

#endif
