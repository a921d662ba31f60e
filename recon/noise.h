/* The noise of a scan: covariance between coils, from a noise prescan or from the data itself.
 *
 * Convention of the house: covariance is per real component, C[c,d] = E[n_c conj(n_d)] / 2, of a
 * k-space sample measured once (a mean of w averages has C / w). With C = L L^H the whitened data
 * L^-1 y have unit variance per real component.
 *
 * Four sources, and the result says which was used:
 *   prescan      C = E E^H / (2 N) of the noise samples; refused when it says more noise than the
 *                outermost k-space holds in all, because then it is not in this scan's units;
 *   edge         the outermost sampled k-space, less the signal that is left there (noise_edge.c);
 *   calibration  the same shape, its size from the smallest singular values of the calibration
 *                matrix (noise_calibration.c), where those are lower: signal can only add;
 *   given        the user's sigma in every coil, independent between coils: no whitening.
 */
#ifndef SC_RECON_NOISE_H
#define SC_RECON_NOISE_H

#include "base/scan.h"

typedef enum { SC_NOISE_PRESCAN, SC_NOISE_EDGE, SC_NOISE_CALIBRATION, SC_NOISE_GIVEN } sc_noise_source;

typedef struct {
    int coils;
    double complex *covariance; /* (coil, coil), owned */
    sc_noise_source source;
    int64_t samples;       /* complex samples per coil that it rests on */
    double relative_error; /* one standard deviation of sigma, relative, as far as it is known */
    double signal_share; /* share of the edge's power that was taken for signal; 0 for a prescan */
    double edge_ratio;   /* sigma over the root mean square of the outermost k-space */
    double calibration_ratio; /* sigma by the calibration matrix over sigma; NaN: not looked at */
} sc_noise;

/* SC_ERR_INPUT: no measured samples, or too few for the number of coils. *noise is empty on
 * failure. Unsampled points (mask 0, or 0 in all coils) never enter. */
sc_status sc_noise_estimate(sc_noise *noise, const sc_scan *scan);

/* As above from a prescan (coil, samples) alone. */
sc_status sc_noise_prescan(sc_noise *noise, const sc_c32 *samples, int coils, int64_t count);

/* C = sigma^2 I; SC_ERR_MEMORY is all that can go wrong. */
sc_status sc_noise_given(sc_noise *noise, int coils, double sigma);

/* One line for the record: which way, from how much, how certain. */
void sc_noise_describe(const sc_noise *noise, char *text, size_t size);

/* Root mean square over coils of the noise's standard deviation per real component. */
double sc_noise_sigma(const sc_noise *noise);

void sc_noise_free(sc_noise *noise); /* empties it; NULL is fine */

#endif
