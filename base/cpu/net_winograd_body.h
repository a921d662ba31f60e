/* Winograd's kernels over `vec`, included once a vector width. Toom-Cook points 0, +-a, +-b and
 * infinity with a = 2/3, b = 3/2: the error in float32 is twice that of the sum itself (5.3e-7 of
 * 32 channels; 12e-7 with the usual 1 and 2), because a b = 1 keeps the transforms balanced.
 * Lavin and Gray 2016; Barabasz et al. 2020 on the points.
 */
#include "base/cpu/net_lanes.h"
#include "base/cpu/net_winograd_internal.h"
#include <string.h>

#define L SC_LANES
#define POINTS SC_WINOGRAD_POINTS
#define TILE SC_WINOGRAD_TILE
#define WIDE 6 /* inputs of a tile along one axis */

#define A1 (2.f / 3.f)
#define A2 (4.f / 9.f)
#define A3 (8.f / 27.f)
#define B1 1.5f
#define B2 2.25f
#define B3 3.375f
#define A_NORM (1.f / (2.f * A2 * (A2 - B2))) /* 1 / product of a's distances to other points */
#define B_NORM (1.f / (2.f * B2 * (B2 - A2)))

static inline int vectors(int channels) { return (channels + L - 1) / L; }

/* ---- transforms of six or four values ---- */

SC_LANE_INLINE void input_line(vec z[WIDE], const vec d[WIDE])
{
    const vec sum = v_all(A2 + B2), a = v_all(A1), b = v_all(B1), a2 = v_all(A2), b2 = v_all(B2);
    vec even_a = v_fnma(b2, d[2], d[4]), odd_a = v_fnma(b2, d[1], d[3]);
    vec even_b = v_fnma(a2, d[2], d[4]), odd_b = v_fnma(a2, d[1], d[3]);
    z[0] = v_fnma(sum, d[2], v_add(d[0], d[4]));
    z[1] = v_fma(a, odd_a, even_a);
    z[2] = v_fnma(a, odd_a, even_a);
    z[3] = v_fma(b, odd_b, even_b);
    z[4] = v_fnma(b, odd_b, even_b);
    z[5] = v_fnma(sum, d[3], v_add(d[1], d[5]));
}

SC_LANE_INLINE void output_line(vec y[TILE], const vec m[WIDE])
{
    vec even_a = v_add(m[1], m[2]), odd_a = v_sub(m[1], m[2]);
    vec even_b = v_add(m[3], m[4]), odd_b = v_sub(m[3], m[4]);
    y[0] = v_add(m[0], v_add(even_a, even_b));
    y[1] = v_fma(v_all(A1), odd_a, v_mul(v_all(B1), odd_b));
    y[2] = v_fma(v_all(A2), even_a, v_mul(v_all(B2), even_b));
    y[3] = v_fma(v_all(A3), odd_a, v_fma(v_all(B3), odd_b, m[5]));
}

/* transpose of output_line */
SC_LANE_INLINE void gradient_line(vec m[WIDE], const vec g[TILE])
{
    vec even_a = v_fma(v_all(A2), g[2], g[0]), even_b = v_fma(v_all(B2), g[2], g[0]);
    vec odd_a = v_fma(v_all(A3), g[3], v_mul(v_all(A1), g[1]));
    vec odd_b = v_fma(v_all(B3), g[3], v_mul(v_all(B1), g[1]));
    m[0] = g[0];
    m[1] = v_add(even_a, odd_a);
    m[2] = v_sub(even_a, odd_a);
    m[3] = v_add(even_b, odd_b);
    m[4] = v_sub(even_b, odd_b);
    m[5] = g[3];
}

SC_LANE_INLINE void weight_line(vec u[WIDE], const vec w[3])
{
    vec even_a = v_mul(v_all(A_NORM), v_fma(v_all(A2), w[2], w[0]));
    vec even_b = v_mul(v_all(B_NORM), v_fma(v_all(B2), w[2], w[0]));
    vec odd_a = v_mul(v_all(A1 * A_NORM), w[1]), odd_b = v_mul(v_all(B1 * B_NORM), w[1]);
    u[0] = w[0];
    u[1] = v_add(even_a, odd_a);
    u[2] = v_sub(even_a, odd_a);
    u[3] = v_add(even_b, odd_b);
    u[4] = v_sub(even_b, odd_b);
    u[5] = w[2];
}

/* transpose of weight_line */
SC_LANE_INLINE void weight_gradient_line(vec w[3], const vec u[WIDE])
{
    vec even_a = v_mul(v_all(A_NORM), v_add(u[1], u[2]));
    vec even_b = v_mul(v_all(B_NORM), v_add(u[3], u[4]));
    vec odd_a = v_mul(v_all(A1 * A_NORM), v_sub(u[1], u[2]));
    vec odd_b = v_mul(v_all(B1 * B_NORM), v_sub(u[3], u[4]));
    w[0] = v_add(u[0], v_add(even_a, even_b));
    w[1] = v_add(odd_a, odd_b);
    w[2] = v_fma(v_all(A2), even_a, v_fma(v_all(B2), even_b, u[5]));
}

/* ---- tiles ---- */

/* Where a tile lies; bit i of `row_inside` says that its row i - 1 (of six) is in the image. */
typedef struct {
    int image, row, column;
} place;

typedef struct {
    int64_t corner; /* pixel of output (0, 0) */
    unsigned row_inside, column_inside;
} spot;

static place place_of(const sc_winograd_grid *g, int64_t tile)
{
    int64_t each = (int64_t)g->rows * g->columns, rest = tile % each;
    return (place){(int)(tile / each), (int)(rest / g->columns), (int)(rest % g->columns)};
}

static inline void next_place(const sc_winograd_grid *g, place *p)
{
    if (++p->column < g->columns)
        return;
    p->column = 0;
    if (++p->row < g->rows)
        return;
    p->row = 0;
    p->image++;
}

static inline unsigned inside_bits(int first, int size)
{
    int left = size - first; /* rows from the first output on */
    return (left >= 5 ? 0x3fu : (1u << (left + 1)) - 1) & (first > 0 ? 0x3fu : 0x3eu);
}

static inline spot spot_of(const sc_winograd_grid *g, place p)
{
    int y = TILE * p.row, x = TILE * p.column;
    return (spot){((int64_t)p.image * g->h + y) * g->w + x, inside_bits(y, g->h),
                  inside_bits(x, g->w)};
}

SC_LANE_INLINE vec load_inside(const float *p, lane_mask m, unsigned inside)
{
    return inside ? v_load_some(p, m) : v_zero();
}

/* One vector of channels of one tile: V[p * stride]. x points at output (0, 0). */
SC_LANE_INLINE void input_tile(float *v, ptrdiff_t stride, const float *x, ptrdiff_t row,
                               ptrdiff_t pixel, lane_mask m, spot s, const int whole)
{
    vec t[WIDE][WIDE], d[WIDE], z[WIDE];
    for (int j = 0; j < WIDE; j++) {
        for (int i = 0; i < WIDE; i++) {
            const float *p = x + (i - 1) * row + (j - 1) * pixel;
            d[i] = whole ? v_load_some(p, m)
                         : load_inside(p, m, s.row_inside >> i & s.column_inside >> j & 1);
        }
        input_line(z, d);
        for (int i = 0; i < WIDE; i++)
            t[i][j] = z[i];
    }
    for (int i = 0; i < WIDE; i++) {
        input_line(z, t[i]);
        for (int j = 0; j < WIDE; j++)
            v_store(v + (i * WIDE + j) * stride, z[j]);
    }
}

SC_LANE_KERNEL void input_tile_whole(float *v, ptrdiff_t stride, const float *x, ptrdiff_t row,
                                     ptrdiff_t pixel, lane_mask m, spot s)
{
    input_tile(v, stride, x, row, pixel, m, s, 1);
}

SC_LANE_KERNEL void input_tile_edge(float *v, ptrdiff_t stride, const float *x, ptrdiff_t row,
                                    ptrdiff_t pixel, lane_mask m, spot s)
{
    input_tile(v, stride, x, row, pixel, m, s, 0);
}

SC_LANE_KERNEL void input(float *v, const float *x, const sc_winograd_grid *g, int channels,
                          int64_t first, int count)
{
    const ptrdiff_t stride = (ptrdiff_t)vectors(channels) * g->block * L;
    const ptrdiff_t row = (ptrdiff_t)g->w * channels;
    place p = place_of(g, first);
    for (int t = 0; t < count; t++, next_place(g, &p)) {
        spot s = spot_of(g, p);
        int whole = (s.row_inside & s.column_inside) == 0x3f;
        for (int c = 0; c < channels; c += L) {
            float *to = v + (ptrdiff_t)(c / L) * g->block * L + t * L;
            (whole ? input_tile_whole : input_tile_edge)(to, stride, x + s.corner * channels + c,
                                                         row, channels, v_first(channels - c), s);
        }
    }
}

SC_LANE_INLINE void output_tile(float *y, const float *m, ptrdiff_t stride, vec bias,
                                ptrdiff_t row, ptrdiff_t pixel, lane_mask mask, spot s, int add,
                                const int whole)
{
    vec t[TILE][WIDE], d[WIDE], z[TILE];
    for (int j = 0; j < WIDE; j++) {
        for (int i = 0; i < WIDE; i++)
            d[i] = v_load(m + (i * WIDE + j) * stride);
        output_line(z, d);
        for (int i = 0; i < TILE; i++)
            t[i][j] = z[i];
    }
    for (int i = 0; i < TILE; i++) {
        output_line(z, t[i]);
        for (int j = 0; j < TILE; j++) {
            float *to = y + i * row + j * pixel;
            if (!whole && !(s.row_inside >> (i + 1) & s.column_inside >> (j + 1) & 1))
                continue;
            z[j] = v_add(z[j], bias);
            v_store_some(to, add ? v_add(z[j], v_load_some(to, mask)) : z[j], mask);
        }
    }
}

#define OUTPUT_TILE(name, add, whole)                                                              \
    SC_LANE_KERNEL void name(float *y, const float *m, ptrdiff_t stride, vec bias, ptrdiff_t row,  \
                             ptrdiff_t pixel, lane_mask mask, spot s)                              \
    {                                                                                              \
        output_tile(y, m, stride, bias, row, pixel, mask, s, add, whole);                          \
    }
OUTPUT_TILE(output_tile_edge_set, 0, 0)
OUTPUT_TILE(output_tile_edge_add, 1, 0)
OUTPUT_TILE(output_tile_whole_set, 0, 1)
OUTPUT_TILE(output_tile_whole_add, 1, 1)

typedef void output_function(float *, const float *, ptrdiff_t, vec, ptrdiff_t, ptrdiff_t,
                             lane_mask, spot);
static output_function *const output_tiles[2][2] = {{output_tile_edge_set, output_tile_edge_add},
                                                    {output_tile_whole_set, output_tile_whole_add}};

SC_LANE_KERNEL void output(float *y, const float *m, const float *bias, const sc_winograd_grid *g,
                           int channels, int64_t first, int count, int add)
{
    const ptrdiff_t stride = (ptrdiff_t)vectors(channels) * g->block * L;
    const ptrdiff_t row = (ptrdiff_t)g->w * channels;
    place p = place_of(g, first);
    for (int t = 0; t < count; t++, next_place(g, &p)) {
        spot s = spot_of(g, p);
        int whole = (s.row_inside & s.column_inside & 0x1e) == 0x1e; /* the four outputs */
        for (int c = 0; c < channels; c += L)
            output_tiles[whole][add != 0](y + s.corner * channels + c,
                                          m + (ptrdiff_t)(c / L) * g->block * L + t * L, stride,
                                          bias ? v_load(bias + c) : v_zero(), row, channels,
                                          v_first(channels - c), s);
    }
}

SC_LANE_INLINE vec gradient_tile(float *m, ptrdiff_t stride, const float *gy, ptrdiff_t row,
                                 ptrdiff_t pixel, lane_mask mask, spot s, const int whole)
{
    vec t[WIDE][TILE], d[TILE], z[WIDE], sum = v_zero();
    for (int j = 0; j < TILE; j++) {
        for (int i = 0; i < TILE; i++) {
            const float *p = gy + i * row + j * pixel;
            d[i] = whole ? v_load_some(p, mask)
                         : load_inside(p, mask,
                                       s.row_inside >> (i + 1) & s.column_inside >> (j + 1) & 1);
        }
        sum = v_add(sum, v_add(v_add(d[0], d[1]), v_add(d[2], d[3])));
        gradient_line(z, d);
        for (int i = 0; i < WIDE; i++)
            t[i][j] = z[i];
    }
    for (int i = 0; i < WIDE; i++) {
        gradient_line(z, t[i]);
        for (int j = 0; j < WIDE; j++)
            v_store(m + (i * WIDE + j) * stride, z[j]);
    }
    return sum;
}

SC_LANE_KERNEL void gradient(float *m, float *sums, const float *gy, const sc_winograd_grid *g,
                             int channels, int64_t first, int count)
{
    const int width = vectors(channels) * L;
    const ptrdiff_t stride = (ptrdiff_t)width * g->block, row = (ptrdiff_t)g->w * channels;
    place p = place_of(g, first);
    for (int t = 0; t < count; t++, next_place(g, &p)) {
        spot s = spot_of(g, p);
        int whole = (s.row_inside & s.column_inside & 0x1e) == 0x1e;
        for (int c = 0; c < channels; c += L) {
            float *to = m + (ptrdiff_t)(c / L) * g->block * L + t * L;
            const float *from = gy + s.corner * channels + c;
            lane_mask mask = v_first(channels - c);
            vec sum = whole ? gradient_tile(to, stride, from, row, channels, mask, s, 1)
                            : gradient_tile(to, stride, from, row, channels, mask, s, 0);
            v_store(sums + t * width + c, sum);
        }
    }
}

/* ---- products ---- */

/* R tiles times N vectors of outputs: m (N, block, L)[R rows] = v (in/L, block, L)[R rows] u. What
 * the next point or panel needs is fetched meanwhile: a tenth to a fifth of the time of 128 and
 * more channels. */
SC_LANE_INLINE void product(float *m, const float *v, const float *u, ptrdiff_t block, int in,
                            const int R, const int N)
{
    vec sum[SC_ROWS_MAX][2];
#pragma GCC unroll 14
    for (int r = 0; r < R; r++)
        sum[r][0] = sum[r][1] = v_zero();
    const ptrdiff_t next_u = (ptrdiff_t)in * N * L, next_v = vectors(in) * block;
    for (int k = 0; k < in; k += L, v += block) {
        int part = in - k < L ? in - k : L;
        for (int j = 0; j < part; j++, u += N * L) {
            vec u0 = v_load(u), u1 = N > 1 ? v_load(u + L) : u0;
            v_fetch(u + next_u);
            if (N > 1)
                v_fetch(u + next_u + L);
            if (j < R)
                v_fetch(v + next_v + j * L);
#pragma GCC unroll 14
            for (int r = 0; r < R; r++) {
                vec x = v_all(v[r * L + j]);
                sum[r][0] = v_fma(x, u0, sum[r][0]);
                if (N > 1)
                    sum[r][1] = v_fma(x, u1, sum[r][1]);
            }
        }
    }
#pragma GCC unroll 14
    for (int r = 0; r < R; r++) {
        v_store(m + r * L, sum[r][0]);
        if (N > 1)
            v_store(m + block + r * L, sum[r][1]);
    }
}

#define PRODUCT(R)                                                                                 \
    SC_LANE_KERNEL void product_##R##_1(float *m, const float *v, const float *u, ptrdiff_t block, \
                                        int in)                                                    \
    {                                                                                              \
        product(m, v, u, block, in, R, 1);                                                         \
    }                                                                                              \
    SC_LANE_KERNEL void product_##R##_2(float *m, const float *v, const float *u, ptrdiff_t block, \
                                        int in)                                                    \
    {                                                                                              \
        product(m, v, u, block, in, R, 2);                                                         \
    }
PRODUCT(1) PRODUCT(2) PRODUCT(3) PRODUCT(4) PRODUCT(5) PRODUCT(6)
#if SC_LANES == 16
PRODUCT(7) PRODUCT(8) PRODUCT(9) PRODUCT(10) PRODUCT(11) PRODUCT(12) PRODUCT(13) PRODUCT(14)
#endif

#define ROW(R) {product_##R##_1, product_##R##_2}
typedef void product_function(float *, const float *, const float *, ptrdiff_t, int);
static product_function *const products[SC_ROWS_MAX][2] = {
    ROW(1), ROW(2), ROW(3), ROW(4), ROW(5), ROW(6),
#if SC_LANES == 16
    ROW(7), ROW(8), ROW(9), ROW(10), ROW(11), ROW(12), ROW(13), ROW(14),
#endif
};

static void multiply(float *m, const float *v, const float *u, const sc_winograd_grid *g,
                     int count, int in, int out)
{
    const ptrdiff_t block = (ptrdiff_t)g->block * L;
    const int ins = vectors(in), outs = vectors(out);
    for (int p = 0; p < POINTS; p++, v += ins * block, m += outs * block)
        for (int o = 0; o < outs; o += 2) {
            int n = outs - o < 2 ? outs - o : 2;
            for (int t = 0; t < count; t += SC_ROWS_MAX) {
                int rows = count - t < SC_ROWS_MAX ? count - t : SC_ROWS_MAX;
                products[rows - 1][n - 1](m + o * block + t * L, v + t * L, u, block, in);
            }
            u += (ptrdiff_t)in * n * L;
        }
}

#define OUTER_ROWS (SC_LANES / 2)

/* du (N, in padded, L)[rows] += v (block, L)[:, rows]^T m (N, block, L) */
SC_LANE_INLINE void outer_part(float *du, ptrdiff_t stride, const float *v, const float *m,
                               ptrdiff_t block, int count, const int N)
{
    vec sum[OUTER_ROWS][2];
#pragma GCC unroll 8
    for (int r = 0; r < OUTER_ROWS; r++) {
        sum[r][0] = v_load(du + r * L);
        sum[r][1] = N > 1 ? v_load(du + stride + r * L) : v_zero();
    }
    for (int t = 0; t < count; t++) {
        vec m0 = v_load(m + t * L), m1 = N > 1 ? v_load(m + block + t * L) : m0;
#pragma GCC unroll 8
        for (int r = 0; r < OUTER_ROWS; r++) {
            vec x = v_all(v[t * L + r]);
            sum[r][0] = v_fma(x, m0, sum[r][0]);
            if (N > 1)
                sum[r][1] = v_fma(x, m1, sum[r][1]);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < OUTER_ROWS; r++) {
        v_store(du + r * L, sum[r][0]);
        if (N > 1)
            v_store(du + stride + r * L, sum[r][1]);
    }
}

SC_LANE_KERNEL void outer(float *du, const float *v, const float *m, const sc_winograd_grid *g,
                          int count, int p, int in, int out)
{
    const ptrdiff_t block = (ptrdiff_t)g->block * L;
    const int ins = vectors(in), outs = vectors(out);
    const ptrdiff_t stride = (ptrdiff_t)ins * L * L; /* between vectors of out */
    v += p * ins * block;
    m += p * outs * block;
    du += p * outs * stride;
    for (int o = 0; o < outs; o += 2)
        for (int i = 0; i < ins * L && i < (in + OUTER_ROWS - 1) / OUTER_ROWS * OUTER_ROWS;
             i += OUTER_ROWS) {
            float *to = du + o * stride + (ptrdiff_t)i * L;
            const float *from = v + i / L * block + i % L;
            if (outs - o > 1)
                outer_part(to, stride, from, m + o * block, block, count, 2);
            else
                outer_part(to, stride, from, m + o * block, block, count, 1);
        }
}

/* ---- weights ---- */

static void gather(float w[9][L], const float *weight, const sc_winograd_weights *s, int o, int i)
{
    memset(w, 0, sizeof(float) * 9 * L);
    for (int l = 0; l < L && o + l < s->out; l++) {
        const float *from = weight + (o + l) * s->out_stride + i * s->in_stride;
        for (int k = 0; k < 9; k++)
            w[k][l] = s->scale * from[s->flip ? 8 - k : k];
    }
}

SC_LANE_KERNEL void pack_vector(float *u, ptrdiff_t stride, float w[9][L])
{
    vec t[WIDE][3], d[3], z[WIDE];
    for (int j = 0; j < 3; j++) {
        for (int i = 0; i < 3; i++)
            d[i] = v_load(w[3 * i + j]);
        weight_line(z, d);
        for (int i = 0; i < WIDE; i++)
            t[i][j] = z[i];
    }
    for (int i = 0; i < WIDE; i++) {
        weight_line(z, t[i]);
        for (int j = 0; j < WIDE; j++)
            v_store(u + (i * WIDE + j) * stride, z[j]);
    }
}

static void pack(float *u, const float *weight, const sc_winograd_weights *s)
{
    const int outs = vectors(s->out);
    float w[9][L];
    for (int o = 0; o < outs; o++) {
        int panel = o / 2 * 2, width = outs - panel < 2 ? 1 : 2;
        for (int i = 0; i < s->in; i++) {
            gather(w, weight, s, o * L, i);
            pack_vector(u + (ptrdiff_t)panel * L * s->in + ((ptrdiff_t)i * width + o - panel) * L,
                        (ptrdiff_t)s->in * outs * L, w);
        }
    }
}

SC_LANE_KERNEL void unpack_vector(float w[9][L], const float *du, ptrdiff_t stride)
{
    vec t[3][WIDE], d[WIDE], z[3];
    for (int j = 0; j < WIDE; j++) {
        for (int i = 0; i < WIDE; i++)
            d[i] = v_load(du + (i * WIDE + j) * stride);
        weight_gradient_line(z, d);
        for (int i = 0; i < 3; i++)
            t[i][j] = z[i];
    }
    for (int i = 0; i < 3; i++) {
        weight_gradient_line(z, t[i]);
        for (int j = 0; j < 3; j++)
            v_store(w[3 * i + j], z[j]);
    }
}

static void unpack(float *weight, const float *du, const sc_winograd_weights *s)
{
    const ptrdiff_t rows = (ptrdiff_t)vectors(s->in) * L, outs = vectors(s->out);
    float w[9][L];
    for (int o = 0; o < s->out; o += L)
        for (int i = 0; i < s->in; i++) {
            unpack_vector(w, du + (o * rows + (ptrdiff_t)i * L), outs * rows * L);
            for (int l = 0; l < L && o + l < s->out; l++)
                for (int k = 0; k < 9; k++)
                    weight[(o + l) * s->out_stride + i * s->in_stride + k] += s->scale * w[k][l];
        }
}

const sc_winograd_kernels SC_WINOGRAD_KERNELS = {
    .lanes = L, .block = SC_ROWS_MAX * (L == 16 ? 1 : 2), .name = SC_WINOGRAD_NAME, .input = input,
    .multiply = multiply, .output = output, .gradient = gradient, .outer = outer,
    .pack = pack, .unpack = unpack,
};
