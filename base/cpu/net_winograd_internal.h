/* Winograd's convolution F(4x4, 3x3): what the driver and its kernels share.
 *
 * A tile is 4 x 4 outputs, made from 6 x 6 inputs by 36 products a pair of channels instead of
 * 144. Tiles are numbered through images, rows, columns. A block of tiles is worked at a time:
 *     V (36, in/L, block, L)   transformed inputs,   M (36, out/L, block, L)   transformed outputs,
 * L lanes, channels padded with zeros to a multiple of L. So each of 36 products V_p U_p reads rows
 * one vector apart. U (36 | panels of two vectors of out: in, up to 2 L): transformed weights.
 */
#ifndef SC_BASE_CPU_NET_WINOGRAD_INTERNAL_H
#define SC_BASE_CPU_NET_WINOGRAD_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

enum { SC_WINOGRAD_POINTS = 36, SC_WINOGRAD_TILE = 4 };

typedef struct {
    int n, h, w;           /* images */
    int rows, columns;     /* of tiles in one image */
    int64_t tiles;         /* in all images */
    int block;             /* tiles worked at a time: the second dimension of V and M */
} sc_winograd_grid;

typedef struct {
    int in, out;
    int64_t out_stride, in_stride; /* of W[o][i]; its taps are contiguous */
    int flip;                      /* taps in reverse: the gradient of data */
    float scale;
} sc_winograd_weights;

typedef struct {
    int lanes, block; /* L; tiles of a forward block: few, so that U, V and M stay in the cache */
    const char *name;
    /* V = B^T x B for `count` tiles from `first`; x (n, h, w, channels) */
    void (*input)(float *v, const float *x, const sc_winograd_grid *grid, int channels,
                  int64_t first, int count);
    /* M = V U */
    void (*multiply)(float *m, const float *v, const float *u, const sc_winograd_grid *grid,
                     int count, int in, int out);
    /* y = A^T M A + bias, added to y if `add`; bias padded to L, or NULL */
    void (*output)(float *y, const float *m, const float *bias, const sc_winograd_grid *grid,
                   int channels, int64_t first, int count, int add);
    /* dM = A gy A^T, and the sums of gy over each tile, sums (block, channels padded) */
    void (*gradient)(float *m, float *sums, const float *gy, const sc_winograd_grid *grid,
                     int channels, int64_t first, int count);
    /* dU_p (out/L, in padded, L) += V_p^T dM_p for one p of 36 */
    void (*outer)(float *du, const float *v, const float *m, const sc_winograd_grid *grid,
                  int count, int p, int in, int out);
    /* U = scale G W G^T, and W += scale G^T dU G */
    void (*pack)(float *u, const float *weight, const sc_winograd_weights *shape);
    void (*unpack)(float *weight, const float *du, const sc_winograd_weights *shape);
} sc_winograd_kernels;

extern const sc_winograd_kernels sc_winograd_avx512, sc_winograd_avx2;

#endif
