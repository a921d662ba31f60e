/* Coil maps from calibration data: ESPIRiT (Uecker et al., MRM 71:990, 2014).
 *
 * The patterns p (coil, dy, dx) that the calibration matrix's strong singular vectors span are
 * reproduced by the projector Pi = sum_m p_m p_m^H. A coil image with sensitivities s at pixel r
 * has the pattern s_c e^{-2 pi i d r / n}, so
 *     G(r)_cd = 1/k^2 sum_{dy,dy'} e^{+2 pi i (d - d') r / n} Pi[(c,d), (c',d')],   0 <= G <= I,
 * and G(r) s(r) = s(r). G is a trigonometric polynomial of (2k-1)^2 coefficients a coil pair,
 * summed once over the patterns and evaluated row by row: exact for every size, odd or even.
 */
#ifndef SC_RECON_ESPIRIT_H
#define SC_RECON_ESPIRIT_H

#include "base/array.h"

typedef struct {
    int kernel;       /* window, 6 */
    double threshold; /* keep singular values above sqrt(threshold) of the largest (BART: 0.001);
                         0: what stands out of the noise */
    double crop;      /* a map is 0 where its eigenvalue is not above this, 0.9 (BART: 0.8) */
    int sets;         /* 1, 2, or 0: two where two are needed */
} sc_espirit_options;

sc_espirit_options sc_espirit_default(void);

typedef struct {
    int sets, coils;
    int64_t ny, nx;
    sc_c32 *maps;        /* (set, coil, y, x): unit root sum of squares or 0 */
    float *eigenvalue;   /* (2, y, x): the two largest of G */
    double second_share; /* part of the support where the second eigenvalue exceeds 0.9 */
} sc_espirit_maps;

/* block (coil, cy, cx), whitened: noise of variance 1 per real component. Phase is that of the
 * principal coil of the block. SC_ERR_INPUT: the block is smaller than the kernel. *out is empty on
 * failure. */
sc_status sc_espirit(sc_espirit_maps *out, const sc_c32 *block, int coils, int64_t cy, int64_t cx,
                     int64_t ny, int64_t nx, const sc_espirit_options *options, int threads);
void sc_espirit_free(sc_espirit_maps *out); /* empties it; NULL is fine */

#endif
