/* A device is a table of kernels and a number of threads. All numerical work goes through it.
 *
 * Rows: CPU (base/cpu: OpenMP, FFTW, OpenBLAS, oneDNN) and CUDA (base/cuda: cuFFT, cuBLAS).
 * Elementwise and gather-type kernels are inline bodies in base/kernel_bodies.h, compiled by
 * both rows. A row may decline a kernel (NULL slot).
 *
 * Conventions: outputs first, inputs next, sizes last. z may alias x or y in elementwise kernels.
 * Sizes are element counts. Reductions accumulate in float64 in a fixed order that does not
 * depend on the number of threads. Kernels cannot fail on the CPU; a failing GPU call is kept
 * and returned by sync.
 *
 * The FFT is centred (index n/2 of every axis) and unitary.
 */
#ifndef SC_BASE_DEVICE_H
#define SC_BASE_DEVICE_H

#include "base/array.h"
#include "base/random.h"
#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sc_device sc_device;
typedef struct sc_fft sc_fft;                 /* a plan: shape, batch, device */
typedef struct sc_recording sc_recording;     /* work to be issued again */
typedef struct sc_net_kernels sc_net_kernels; /* base/kernel_net.h; NULL where declined */

typedef struct {
    const char *name; /* "cpu", "cuda" */

    /* memory on the device, 64-byte aligned, zeroed */
    sc_status (*alloc)(const sc_device *, void **p, size_t bytes);
    void (*release)(const sc_device *, void *p);
    sc_status (*upload)(const sc_device *, void *on_device, const void *on_host, size_t bytes);
    sc_status (*download)(const sc_device *, void *on_host, const void *on_device, size_t bytes);
    sc_status (*sync)(const sc_device *);
    void (*destroy)(sc_device *); /* frees device->context; NULL: nothing to free */

    /* vector: n floats */
    void (*fill)(const sc_device *, float *z, float a, int64_t n);
    void (*axpby)(const sc_device *, float *z, float a, const float *x, float b, const float *y,
                  int64_t n); /* z = a x + b y */
    void (*multiply)(const sc_device *, float *z, const float *x, const float *y, int64_t n);
    void (*normal)(const sc_device *, float *z, int64_t n, sc_key key, uint32_t draw,
                   uint32_t step);

    /* complex: n complex elements */
    void (*cmultiply)(const sc_device *, sc_c32 *z, const sc_c32 *x, const sc_c32 *y, bool conj_x,
                      int64_t n);
    void (*mask)(const sc_device *, sc_c32 *z /*(batch,n)*/, const float *weight /*(n)*/,
                 const sc_c32 *x /*(batch,n)*/, int64_t batch, int64_t n);
    /* y[c] = sum_m S[m,c] x[m] and x[m] = sum_c conj(S[m,c]) y[c] */
    void (*coils_forward)(const sc_device *, sc_c32 *y /*(coil,n)*/,
                          const sc_c32 *maps /*(set,coil,n)*/, const sc_c32 *x /*(set,n)*/,
                          int sets, int coils, int64_t n);
    void (*coils_adjoint)(const sc_device *, sc_c32 *x, const sc_c32 *maps, const sc_c32 *y,
                          int sets, int coils, int64_t n);
    void (*soft)(const sc_device *, sc_c32 *z, const sc_c32 *x, float threshold, int64_t n);
    /* shrink the vector (d components, planes of n) by its length: isotropic TV */
    void (*shrink)(const sc_device *, sc_c32 *z /*(d,n)*/, const sc_c32 *x /*(d,n)*/,
                   float threshold, int d, int64_t n);
    /* forward differences along each of the d axes (1..3) of `dim` (d), last difference 0
     * (Neumann); x (dim...), g (d, dim...) */
    void (*gradient)(const sc_device *, sc_c32 *g, const sc_c32 *x, int d, const int64_t *dim);
    void (*gradient_adjoint)(const sc_device *, sc_c32 *x, const sc_c32 *g, int d,
                             const int64_t *dim);
    /* One level of a periodic orthogonal wavelet along one axis of x (outer, length, inner):
     * `length` even; first half of z low-pass, second half high-pass. `low`: filter on the host,
     * `taps` even, at most 16; low_j = sum_m x[2j+1-m] low[m], the high-pass filter is
     * (-1)^(m+1) low[taps-1-m]. z must not be x. */
    void (*wavelet)(const sc_device *, sc_c32 *z, const sc_c32 *x, const float *low, int taps,
                    int64_t outer, int64_t length, int64_t inner);
    void (*wavelet_adjoint)(const sc_device *, sc_c32 *x, const sc_c32 *z, const float *low,
                            int taps, int64_t outer, int64_t length, int64_t inner);

    /* reductions over n floats; NaN counts as 0 in max_abs */
    double (*dot)(const sc_device *, const float *x, const float *y, int64_t n);
    double (*max_abs)(const sc_device *, const float *x, int64_t n);
    int64_t (*count_not_finite)(const sc_device *, const float *x, int64_t n);

    /* FFT over the last `rank` (1..3) axes of (batch, dim...); plans are made under a lock */
    sc_status (*fft_create)(const sc_device *, sc_fft **, int rank, const int64_t *dim,
                            int64_t batch);
    /* z may be x. inverse: e^{+2 pi i} */
    void (*fft)(const sc_fft *, sc_c32 *z, const sc_c32 *x, bool inverse);
    /* In place, neither centred (index 0 is the origin) nor scaled: for operators that fold the
     * phases and the scale into factors of their own. */
    void (*fft_plain)(const sc_fft *, sc_c32 *z, bool inverse);
    void (*fft_free)(sc_fft *);

    /* row-major C (m,n) = alpha op(A) (m,k) op(B) (k,n) + beta C */
    void (*sgemm)(const sc_device *, float *c, const float *a, const float *b, int64_t m, int64_t n,
                  int64_t k, bool transpose_a, bool transpose_b, float alpha, float beta);

    const sc_net_kernels *net;

    /* Work that is issued again and again with the same pointers. Between record_begin and
     * record_end this thread's elementwise and network kernels are recorded instead of run;
     * nothing else may be called. replay issues them, in order. All NULL: the row does not record.
     * SC_ERR_UNSUPPORTED: it could not this time; the device is as good as before. */
    sc_status (*record_begin)(const sc_device *);
    sc_status (*record_end)(const sc_device *, sc_recording **);
    void (*replay)(const sc_recording *);
    void (*recording_free)(sc_recording *); /* NULL is fine */
} sc_kernels;

/* How convolutions multiply when a network is evaluated without backward; sums are float32. */
typedef enum {
    SC_PRECISION_FLOAT32, /* the reference */
    SC_PRECISION_TF32,    /* 10-bit mantissas on tensor cores, where the device has them */
    SC_PRECISION_BF16     /* 7-bit mantissas where that is faster, else as SC_PRECISION_TF32 */
} sc_precision;

struct sc_device {
    const sc_kernels *kernels;
    sc_precision precision; /* set before runs are created */
    int threads;   /* host threads for one kernel, >= 1 */
    int lanes;     /* CPU: floats a vector of the kernels written for it: 16 AVX-512, 8 AVX2, 0
                    * none; found by create, tests lower it */
    void *context; /* of the row: stream and handles */
    char description[96]; /* "CPU, 2 threads"; "NVIDIA H100, 79 GiB, CUDA 13.0" */
};

/* The CPU; threads 0: all that the process may use. Never fails. Free with sc_device_free. */
sc_status sc_device_create_cpu(sc_device **device, int threads);
/* SC_ERR_UNSUPPORTED with the reason: built without CUDA, no driver, no GPU. */
sc_status sc_device_create_cuda(sc_device **device);
/* What this build has of CUDA: "no", "yes, with cuDNN 9.19", "yes, without cuDNN: ...". */
const char *sc_cuda_build(void);
void sc_device_free(sc_device *device);

/* Device memory with a typed pointer: SC_TRY(SC_DEVICE_ALLOC(device, &x, n)). */
#define SC_DEVICE_ALLOC(device, pointer, count)                                                    \
    sc_device_alloc((device), (void **)(pointer), (size_t)(count), sizeof **(pointer))
sc_status sc_device_alloc(const sc_device *device, void **p, size_t count, size_t size);
void sc_device_release(const sc_device *device, void *p); /* NULL is fine */

#ifdef __cplusplus
}
#endif
#endif
