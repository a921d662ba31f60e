/* NumPy's .npy, versions 1 to 3 (format text: numpy/lib/format.py).
 *
 * An array file may be C or Fortran order, either byte order. Numbers become the nearest dtype
 * that the library computes with:
 *     f2 f4 f8            float32        (a finite f8 beyond float32's range is refused)
 *     c8 c16              complex64
 *     b1 u1               uint8
 *     i1 i2 u2 i4 u4 i8 u8  float32      (exact up to 2^24 in magnitude)
 * Objects, strings, structures and empty arrays are refused. A scalar () becomes shape (1).
 */
#ifndef SC_IO_NPY_H
#define SC_IO_NPY_H

#include "base/array.h"

#ifdef __cplusplus
extern "C" {
#endif

/* *array: C order, owned. On failure it is empty. SC_ERR_IO if the file cannot be opened;
 * SC_ERR_FORMAT if it is not .npy or its header and its length disagree, which is checked before
 * anything is allocated; SC_ERR_UNSUPPORTED for a dtype outside the table above. */
sc_status sc_npy_read(sc_array *array, const char *path);

/* For files larger than memory: what sc_npy_read would give, without reading it, and one element
 * [index, ...] of the first axis of it. *fortran: the file's order is Fortran's, of which single
 * elements are not read (SC_ERR_UNSUPPORTED). Errors as for sc_npy_read. */
sc_status sc_npy_shape(int *rank, int64_t dim[SC_MAX_RANK], bool *fortran, const char *path);
sc_status sc_npy_read_slice(sc_array *slice, const char *path, int64_t index);

/* Write f32, c32, u8, i32 or f64, version 1, C order, atomically. */
sc_status sc_npy_write(const char *path, const sc_array *array);

/* True if the first `bytes` bytes of a file are those of .npy. */
bool sc_npy_probe(const void *head, size_t bytes);

#ifdef __cplusplus
}
#endif
#endif
