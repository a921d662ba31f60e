/* Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as
 * easy as 1, 2, 3"). There is no state: a number is a function of (seed, purpose, step, slice,
 * sample, element), so any sample can be drawn again alone, on any device, in any order.
 *
 * Counter: c0 = element / 4, c1 = draw << 20 | step, c2 = slice, c3 = sample. Key: the seed.
 * Never use one (draw, step, slice, sample, seed) for two purposes: the draws are listed here.
 */
#ifndef SC_BASE_RANDOM_H
#define SC_BASE_RANDOM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    uint64_t seed;
    uint32_t slice, sample;
} sc_key;

typedef enum {
    SC_DRAW_INIT = 0, /* start of a sampler */
    SC_DRAW_PREDICTOR = 1,
    SC_DRAW_CORRECTOR = 2, /* + inner step */
    SC_DRAW_DATA = 0x100,  /* noise added to y_t */
    SC_DRAW_LIKELIHOOD_DATA = 0x200,
    SC_DRAW_LIKELIHOOD_IMAGE = 0x201,
    SC_DRAW_HUTCHINSON = 0x300,
    SC_DRAW_DROPOUT = 0x400,
    SC_DRAW_DATASET = 0x500, /* + purpose: order, crop, flip, phase, time, noise */
    SC_DRAW_SIMULATE = 0x600,
    SC_DRAW_POWER = 0x700,   /* start vector of a power iteration */
    SC_DRAW_SHIFT = 0x701,   /* cycle spinning */
    SC_DRAW_WEIGHTS = 0x702, /* network initialisation */
    SC_DRAW_PROBE = 0x703,   /* of an operator or a derivative */
    SC_DRAW_TEST = 0xf00
} sc_draw;

/* One Philox4x32-10 block. */
void sc_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);

/* z: n standard normals, element e from block e / 4 (Box-Muller in double, rounded once). */
void sc_random_normal(float *z, int64_t n, sc_key key, uint32_t draw, uint32_t step);

/* u: n uniforms in [0, 1), 24 bits. */
void sc_random_uniform(float *u, int64_t n, sc_key key, uint32_t draw, uint32_t step);

/* One uniform in [0, 1), 32 bits, element e of the stream. */
double sc_random_uniform1(int64_t e, sc_key key, uint32_t draw, uint32_t step);

#ifdef __cplusplus
}
#endif
#endif
