/* The two estimators of noise.h that work without a prescan. */
#ifndef SC_RECON_NOISE_INTERNAL_H
#define SC_RECON_NOISE_INTERNAL_H

#include "recon/noise.h"

/* Fills covariance (allocated by the caller), samples, relative_error, signal_share;
 * *edge_power: mean over coils of the variance per real component in the outermost k-space. */
sc_status sc_noise_edge(sc_noise *noise, double *edge_power, const sc_scan *scan);

/* *ratio: sigma that the calibration matrix shows, over that of noise->covariance; NaN where
 * there is no calibration block large enough. */
sc_status sc_noise_calibration_ratio(double *ratio, const sc_noise *noise, const sc_scan *scan);

#endif
