/* How far an image is from its reference. All on magnitudes, all definitions in words
 * (sc_metrics_define), so that a table can say what it holds.
 *
 *   PSNR   20 log10(peak / sqrt(mean (x - r)^2)), peak = largest r in the region
 *   NRMSE  ||x - r|| / ||r||
 *   SSIM   Wang et al. 2004: Gaussian window sigma 1.5 (11 x 11), population covariance, K 0.01 and
 *          0.03, range = peak; and with a 7 x 7 uniform window and sample covariance, as is usual
 *          in fastMRI. Images are continued by reflection.
 *   HFEN   ||LoG(x) - LoG(r)|| / ||LoG(r)||, 15 x 15, sigma 1.5, zero outside (Ravishankar 2011)
 *
 * With `fit` one real factor a = sum(r x) / sum(x x) over the region is applied to x first.
 */
#ifndef SC_RECON_METRICS_H
#define SC_RECON_METRICS_H

#include "base/array.h"

typedef struct {
    const unsigned char *region; /* (ny, nx), non-zero: counts; NULL: all. Outside it both images
                                    are set to 0 before any window sees them. */
    bool fit;
    double peak; /* 0: largest r in the region. A whole volume's peak goes here. */
} sc_metrics_options;

typedef struct {
    double psnr, nrmse, ssim, ssim_uniform, hfen;
    double factor, peak;
    int64_t points;
} sc_metrics;

/* SC_ERR_INPUT: not finite, or the reference is 0 in the region, or the region is empty. psnr is
 * infinite for equal images. Without a region, SSIM is the mean over the pixels whose window lies
 * inside (5 or 3 from the edge); with one, over the region. options NULL: no region, no fit. */
sc_status sc_metrics_compare(sc_metrics *metrics, const float *x /*(ny,nx)*/,
                             const float *r /*(ny,nx)*/, int64_t ny, int64_t nx,
                             const sc_metrics_options *options);

typedef struct {
    const char *name, *definition;
} sc_metric_definition;

extern const sc_metric_definition sc_metric_definitions[]; /* name NULL ends */

#endif
