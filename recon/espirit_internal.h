/* The two steps of espirit.c: from the block to the polynomial, from the polynomial to maps. */
#ifndef SC_RECON_ESPIRIT_INTERNAL_H
#define SC_RECON_ESPIRIT_INTERNAL_H

#include "recon/espirit.h"

/* Coefficients of G: q (pair, 2k-1, 2k-1), pairs (c, d) with d <= c in the order c(c+1)/2 + d. */
typedef struct {
    int coils, pairs, width; /* width = 2 kernel - 1 */
    sc_c32 *q;
    double complex *reference; /* (coil): principal coil of the block */
    double rank; /* patterns kept, as a share of those there could be: near 1 for noise alone */
} sc_espirit_kernel;

/* Two dominant eigenvectors and eigenvalues of G at every pixel:
 * vectors (2, coil, ny, nx) of unit norm, phase of the principal coil; values (2, ny, nx). */
sc_status sc_espirit_eigen(sc_c32 *vectors, float *values, const sc_espirit_kernel *kernel,
                           int64_t ny, int64_t nx, int threads);

#endif
