/* Bodies of group normalisation over [x0, x1] with shift and SiLU; part of net_indexed_internal.h.
 *
 * Wu and He 2018. Forward: sums of x and x^2 a channel, moments a group, z = a x + b, silu.
 * Backward, with u^ = (u - mean) r, gz = gy silu'(z), m values a group, w the weight:
 *     gu = r (w gz - mean_group(w gz) - u^ mean_group(w gz u^)) = k0 gz + k1 + k2 x.
 * A shift e costs nothing a pixel: sum (x+e) = S + P e, sum (x+e)^2 = Q + 2 e S + P e^2.
 */
#ifndef SC_BASE_NET_NORM_INTERNAL_H
#define SC_BASE_NET_NORM_INTERNAL_H

/* Rows of the table of coefficients (image, SC_NORM_ROWS, channel). */
enum { SC_NORM_A, SC_NORM_B, SC_NORM_R, SC_NORM_T, SC_NORM_K0, SC_NORM_K1, SC_NORM_K2,
       SC_NORM_ROWS };

#define SC_NORM_SUMS 2          /* forward: x, x^2 */
#define SC_NORM_GRADIENT_SUMS 3 /* backward: gz, gz u^, u^ */

/* What all norm kernels know. */
typedef struct {
    int64_t pixels, chunks;
    int c0, c1, groups, silu; /* c1 0: no second tensor */
    float epsilon;
} sc_norm_sizes;

/* Element (pixel of all images, channel of the concatenation). */
SC_BODY float sc_norm_load(const float *x0, const float *x1, sc_norm_sizes s, int64_t pixel,
                           int64_t channel)
{
    return channel < s.c0 ? x0[pixel * s.c0 + channel] : x1[pixel * s.c1 + channel - s.c0];
}

/* row: (image, chunk), col: channel */
typedef struct {
    double *sums; /* (image, chunk, C, 2) */
    const float *x0, *x1;
    sc_norm_sizes s;
} sc_net_norm_sums;

SC_BODY void sc_body_net_norm_sums(int64_t row, int64_t col, sc_net_norm_sums k)
{
    int64_t image = row / k.s.chunks, chunk = row % k.s.chunks;
    float sum = 0, square = 0;
    for (int64_t p = chunk * SC_NET_CHUNK; p < sc_chunk_end(chunk, k.s.pixels); p++) {
        float u = sc_norm_load(k.x0, k.x1, k.s, image * k.s.pixels + p, col);
        sum += u;
        square += u * u;
    }
    double *to = k.sums + SC_NORM_SUMS * (row * (k.s.c0 + k.s.c1) + col);
    to[0] = sum;
    to[1] = square;
}

/* Share of one channel with shift e in its group's sum and sum of squares. */
SC_BODY void sc_norm_share(double *sum, double *square, double S, double Q, double e, double pixels)
{
    *sum += S + pixels * e;
    *square += Q + 2 * e * S + pixels * e * e;
}

/* mean and 1/std of `count` values */
SC_BODY void sc_norm_moments(float moments[2], double sum, double square, double count,
                             float epsilon)
{
    double mean = sum / count, variance = square / count - mean * mean;
    moments[0] = (float)mean;
    moments[1] = (float)(1 / sqrt((variance > 0 ? variance : 0) + epsilon));
}

/* row: image, col: group */
typedef struct {
    float *moments;     /* (image, group, 2) */
    const double *sums; /* (image, C, 2) */
    const float *shift; /* (image, C) or NULL */
    sc_norm_sizes s;
} sc_net_norm_moments;

SC_BODY void sc_body_net_norm_moments(int64_t row, int64_t col, sc_net_norm_moments k)
{
    int64_t C = k.s.c0 + k.s.c1, size = C / k.s.groups;
    double sum = 0, square = 0;
    for (int64_t i = row * C + col * size; i < row * C + (col + 1) * size; i++)
        sc_norm_share(&sum, &square, k.sums[2 * i], k.sums[2 * i + 1], k.shift ? k.shift[i] : 0,
                      (double)k.s.pixels);
    sc_norm_moments(k.moments + 2 * (row * k.s.groups + col), sum, square,
                    (double)size * (double)k.s.pixels, k.s.epsilon);
}

/* row: image, col: channel. z = a x + b, u^ = r x + t. */
typedef struct {
    float *table;
    const float *moments, *shift, *weight, *bias;
    sc_norm_sizes s;
} sc_net_norm_coefficients;

SC_BODY void sc_body_net_norm_coefficients(int64_t row, int64_t col, sc_net_norm_coefficients k)
{
    int64_t C = k.s.c0 + k.s.c1, group = col / (C / k.s.groups);
    const float *moments = k.moments + 2 * (row * k.s.groups + group);
    float *f = k.table + row * SC_NORM_ROWS * C + col;
    double r = moments[1], t = ((k.shift ? k.shift[row * C + col] : 0) - (double)moments[0]) * r;
    f[SC_NORM_A * C] = (float)(k.weight[col] * r);
    f[SC_NORM_B * C] = (float)(k.bias[col] + k.weight[col] * t);
    f[SC_NORM_R * C] = (float)r;
    f[SC_NORM_T * C] = (float)t;
}

/* row: pixel of all images, col: channel */
typedef struct {
    float *y;
    const float *x0, *x1, *table;
    sc_norm_sizes s;
} sc_net_norm_apply;

SC_BODY void sc_body_net_norm_apply(int64_t row, int64_t col, sc_net_norm_apply k)
{
    int64_t C = k.s.c0 + k.s.c1;
    const float *f = k.table + row / k.s.pixels * SC_NORM_ROWS * C + col;
    float z = f[SC_NORM_A * C] * sc_norm_load(k.x0, k.x1, k.s, row, col) + f[SC_NORM_B * C];
    k.y[row * C + col] = k.s.silu ? z * sc_sigmoid(z) : z;
}

/* ---- backward ---- */

SC_BODY float sc_norm_gz(float gy, float z, int silu)
{
    return silu ? gy * sc_silu_slope(z, sc_sigmoid(z)) : gy;
}

/* row: (image, chunk), col: channel */
typedef struct {
    double *sums; /* (image, chunk, C, 3) */
    const float *gy, *x0, *x1, *table;
    sc_norm_sizes s;
} sc_net_norm_gradient_sums;

SC_BODY void sc_body_net_norm_gradient_sums(int64_t row, int64_t col, sc_net_norm_gradient_sums k)
{
    int64_t image = row / k.s.chunks, chunk = row % k.s.chunks, C = k.s.c0 + k.s.c1;
    const float *f = k.table + image * SC_NORM_ROWS * C + col;
    float a = 0, b = 0, c = 0;
    for (int64_t p = chunk * SC_NET_CHUNK; p < sc_chunk_end(chunk, k.s.pixels); p++) {
        int64_t pixel = image * k.s.pixels + p;
        float x = sc_norm_load(k.x0, k.x1, k.s, pixel, col);
        float u = f[SC_NORM_R * C] * x + f[SC_NORM_T * C];
        float gz = sc_norm_gz(k.gy[pixel * C + col], f[SC_NORM_A * C] * x + f[SC_NORM_B * C],
                              k.s.silu);
        a += gz;
        b += gz * u;
        c += u;
    }
    double *to = k.sums + SC_NORM_GRADIENT_SUMS * (row * C + col);
    to[0] = a;
    to[1] = b;
    to[2] = c;
}

/* row: image, col: channel. The means of its group are made again by each channel of it. */
typedef struct {
    float *table, *shift;       /* shift (image, C): its gradient, or NULL */
    const double *sums;         /* (image, C, 3) */
    const float *moments, *weight;
    sc_norm_sizes s;
} sc_net_norm_gradient_coefficients;

SC_BODY void sc_body_net_norm_gradient_coefficients(int64_t row, int64_t col,
                                                    sc_net_norm_gradient_coefficients k)
{
    int64_t C = k.s.c0 + k.s.c1, size = C / k.s.groups, group = col / size;
    const double *sums = k.sums + SC_NORM_GRADIENT_SUMS * row * C;
    double count = (double)size * (double)k.s.pixels, mean_gz = 0, mean_gzu = 0;
    double r = k.moments[2 * (row * k.s.groups + group) + 1], w = k.weight[col];
    float *f = k.table + row * SC_NORM_ROWS * C + col;
    for (int64_t i = group * size; i < (group + 1) * size; i++) {
        mean_gz += k.weight[i] * sums[SC_NORM_GRADIENT_SUMS * i] / count;
        mean_gzu += k.weight[i] * sums[SC_NORM_GRADIENT_SUMS * i + 1] / count;
    }
    const double *own = sums + SC_NORM_GRADIENT_SUMS * col;
    if (k.shift)
        k.shift[row * C + col] =
            (float)(r * (w * own[0] - (double)k.s.pixels * mean_gz - mean_gzu * own[2]));
    f[SC_NORM_K0 * C] = (float)(r * w);
    f[SC_NORM_K1 * C] = (float)(-r * (mean_gz + (double)f[SC_NORM_T * C] * mean_gzu));
    f[SC_NORM_K2 * C] = (float)(-r * r * mean_gzu);
}

/* row: pixel of all images, col: channel */
typedef struct {
    float *gx0, *gx1; /* NULL: not wanted */
    const float *gy, *x0, *x1, *table;
    int add0, add1;
    sc_norm_sizes s;
} sc_net_norm_gradient_apply;

SC_BODY void sc_body_net_norm_gradient_apply(int64_t row, int64_t col, sc_net_norm_gradient_apply k)
{
    int64_t C = k.s.c0 + k.s.c1;
    int first = col < k.s.c0;
    float *gx = first ? k.gx0 : k.gx1;
    if (!gx)
        return;
    const float *f = k.table + row / k.s.pixels * SC_NORM_ROWS * C + col;
    float x = sc_norm_load(k.x0, k.x1, k.s, row, col);
    float gz = sc_norm_gz(k.gy[row * C + col], f[SC_NORM_A * C] * x + f[SC_NORM_B * C], k.s.silu);
    int64_t at = first ? row * k.s.c0 + col : row * k.s.c1 + col - k.s.c0;
    sc_set_or_add(gx + at, f[SC_NORM_K0 * C] * gz + f[SC_NORM_K1 * C] + f[SC_NORM_K2 * C] * x,
                  first ? k.add0 : k.add1);
}

/* col: channel; gradients of weight and bias, summed over images */
typedef struct {
    float *weight, *bias;
    const double *sums; /* (image, C, 3) */
    int64_t images, c;
} sc_net_norm_parameters;

SC_BODY void sc_body_net_norm_parameters(int64_t row, int64_t col, sc_net_norm_parameters k)
{
    double weight = 0, bias = 0;
    (void)row;
    for (int64_t image = 0; image < k.images; image++) {
        const double *sums = k.sums + SC_NORM_GRADIENT_SUMS * (image * k.c + col);
        weight += sums[1];
        bias += sums[0];
    }
    k.weight[col] += (float)weight;
    k.bias[col] += (float)bias;
}

#endif
