/* BART's name.cfl (complex64, first dimension fastest, no header) with name.hdr (text: the sizes).
 *
 * BART counts 16 dimensions: 0 READ, 1 PHS1, 2 PHS2, 3 COIL, 4 MAPS, 5 TE, 6 COEFF, 7 COEFF2,
 * 8 ITER, 9 CSHIFT, 10 TIME, 11 TIME2, 12 LEVEL, 13 SLICE, 14 AVG, 15 BATCH. The bytes of such an
 * array are those of a C array with the dimensions in reverse order: dims (nx, ny, 1, coil) are
 * C shape (coil, 1, ny, nx).
 */
#ifndef SC_IO_CFL_H
#define SC_IO_CFL_H

#include "base/array.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SC_BART_DIMS 16

enum {
    SC_BART_READ,
    SC_BART_PHS1,
    SC_BART_PHS2,
    SC_BART_COIL,
    SC_BART_MAPS,
    SC_BART_TE,
    SC_BART_TIME = 10,
    SC_BART_TIME2 = 11,
    SC_BART_SLICE = 13,
    SC_BART_AVG = 14
};

/* path: with .cfl, .hdr or neither. *array: c32, owned, shape = the dimensions reversed, without
 * the trailing BART dimensions of size 1 (at least rank 1); when more than 8 remain, those of size
 * 1 are dropped, highest first, until 8 remain. bart_dim (NULL is fine) holds all 16 as they are.
 * On failure *array is empty. SC_ERR_FORMAT if the text is not such a header or the data are not
 * exactly as long as it says, which is checked before allocation. */
sc_status sc_cfl_read(sc_array *array, int64_t bart_dim[SC_BART_DIMS], const char *path);

/* bart_dim NULL: the dimensions of the c32 array reversed. Each of the two files appears whole or
 * not at all, the .hdr last. */
sc_status sc_cfl_write(const char *path, const sc_array *array,
                       const int64_t bart_dim[SC_BART_DIMS]);

/* True if `path` (with .cfl, .hdr or neither) names a pair of existing files. */
bool sc_cfl_probe(const char *path);

#ifdef __cplusplus
}
#endif
#endif
