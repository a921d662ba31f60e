/* Dense arrays: dtype, up to 8 dims, C order, contiguous, one owner. Alignment 64.
 * Axis order is written beside the thing: image stack [slice, y, x], MR data [slice, coil, ky, kx],
 * maps [set, coil, y, x], network tensors NHWC. A complex image (y, x) and a two-channel real one
 * (y, x, 2) are the same bytes.
 */
#ifndef SC_BASE_ARRAY_H
#define SC_BASE_ARRAY_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
typedef struct {
    float re, im;
} sc_c32; /* layout of C's float complex */
#else
#include <complex.h>
#ifndef CMPLX /* glibc gives these to gcc only */
#define CMPLX(re, im) __builtin_complex((double)(re), (double)(im))
#define CMPLXF(re, im) __builtin_complex((float)(re), (float)(im))
#endif
typedef float complex sc_c32;
#endif

#define SC_MAX_RANK 8

typedef enum { SC_F32, SC_C32, SC_U8, SC_I32, SC_BF16, SC_F64, SC_I64 } sc_dtype;

size_t sc_dtype_size(sc_dtype dtype);
const char *sc_dtype_name(sc_dtype dtype);

typedef struct {
    sc_dtype dtype;
    int rank;
    int64_t dim[SC_MAX_RANK];
    void *data;
    bool owned; /* false: a view, data belong to someone else */
} sc_array;

/* *array: zeroed data. On failure *array is empty (data NULL).
 * SC_ERR_MEMORY on overflow or lack of memory, SC_ERR_INPUT on a dim < 1 or rank > 8. */
sc_status sc_array_create(sc_array *array, sc_dtype dtype, int rank, const int64_t *dim);
void sc_array_free(sc_array *array);           /* empties it; NULL and empty are fine */
int64_t sc_array_count(const sc_array *array); /* number of elements, 0 if empty */
size_t sc_array_bytes(const sc_array *array);
sc_array sc_array_view(sc_dtype dtype, int rank, const int64_t *dim, void *data);
sc_array sc_array_slice(const sc_array *array, int64_t index); /* view of [index, ...] */
sc_status sc_array_copy(sc_array *copy, const sc_array *array);

/* Number of elements of a shape, checked: SC_ERR_MEMORY when it exceeds `limit` elements. */
sc_status sc_shape_count(int64_t *count, int rank, const int64_t *dim, int64_t limit);

#ifdef __cplusplus
}
#endif
#endif
