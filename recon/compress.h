/* Coil compression by singular values (Buehrer et al. 2007; Huang et al. 2008): after whitening,
 * the strongest eigenvectors of the coils' covariance in the calibration data, as few as keep the
 * wanted share of the energy. Unitary rows, so the noise stays white.
 */
#ifndef SC_RECON_COMPRESS_H
#define SC_RECON_COMPRESS_H

#include "recon/whiten.h"

/* Makes `whitener` deliver fewer coils. covariance (virtual, virtual): sum of y y^H of whitened
 * data. `keep` in (0, 1]: share of the energy; `most` >= 1: at most so many coils. */
sc_status sc_compress(sc_whitener *whitener, const double complex *covariance, double keep,
                      int most);

/* sum += y y^H of whitened data y (virtual, n). */
void sc_coil_covariance_add(double complex *sum, const sc_c32 *y, int coils, int64_t n);

#endif
