/* The calibration matrix of a block: one row for every position of a k x k window in the block,
 * one column for every (coil, dy, dx) of the window. Its rows span what the coils can produce;
 * its smallest singular values are noise. (Lustig & Pauly 2010; Uecker et al. 2014.)
 */
#ifndef SC_RECON_HANKEL_H
#define SC_RECON_HANKEL_H

#include "base/array.h"

/* *a (rows, columns), owned by the caller; rows = (ny-k+1)(nx-k+1), columns = coils k k. */
sc_status sc_hankel(double complex **a, int *rows, int *columns,
                    const sc_c32 *block /*(coil,ny,nx)*/, int coils, int64_t ny, int64_t nx, int k);

/* v (n, n): column m of v is the eigenvector of a^T conj(a) for value[m], ascending: the m-th
 * window pattern (coil, dy, dx) itself, not its conjugate. a (rows, n). */
sc_status sc_hankel_patterns(double complex *v, double *value, const double complex *a, int rows,
                             int n);

#endif
