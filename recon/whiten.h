/* Prewhitening: y' = L^-1 y with C = L L^H, so that E[n' n'^H] = 2 I: unit variance per real
 * component. The transform may be followed by coil compression (compress.h), which keeps the noise
 * white: y' = U^H L^-1 y.
 */
#ifndef SC_RECON_WHITEN_H
#define SC_RECON_WHITEN_H

#include "recon/noise.h"

typedef struct {
    int coils, virtual_coils; /* virtual_coils <= coils */
    double complex *matrix;   /* (virtual, coil): U^H L^-1 */
    double complex *inverse;  /* (coil, virtual): L U, back to the scanner's coils */
} sc_whitener;

/* SC_ERR_NUMERIC: the covariance is not positive definite (dead or doubled coil). */
sc_status sc_whitener_create(sc_whitener *whitener, const sc_noise *noise);
void sc_whitener_free(sc_whitener *whitener); /* empties it; NULL is fine */

/* y (virtual, n) = matrix x (coil, n); and back. Products in double. y must not be x. */
void sc_whiten(sc_c32 *y, const sc_whitener *whitener, const sc_c32 *x, int64_t n);
void sc_unwhiten(sc_c32 *x, const sc_whitener *whitener, const sc_c32 *y, int64_t n);

#endif
