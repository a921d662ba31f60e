/* Bodies of attention's softmax and of linear layers; part of net_indexed_internal.h. Kernels over
 * rows (SC_NET_ROWS of net_list_internal.h) reduce each row before they finish it. */
#ifndef SC_BASE_NET_DENSE_INTERNAL_H
#define SC_BASE_NET_DENSE_INTERNAL_H

/* ---- softmax of rows of scores, in place ---- */

typedef struct {
    float *s; /* (rows, columns) */
    int64_t columns;
} sc_net_softmax;

SC_BODY float sc_peak_softmax(int64_t row, int64_t col, sc_net_softmax k)
{
    return k.s[row * k.columns + col];
}

SC_BODY double sc_term_softmax(int64_t row, int64_t col, float peak, sc_net_softmax k)
{
    return sc_fast_exp(k.s[row * k.columns + col] - peak);
}

SC_BODY void sc_finish_softmax(int64_t row, int64_t col, float peak, double sum, sc_net_softmax k)
{
    float *s = k.s + row * k.columns + col;
    *s = sc_fast_exp(*s - peak) * (float)(1 / sum);
}

/* gs = p (gp - sum_j p gp) scale, in place of gp */
typedef struct {
    float *gp;
    const float *p;
    int64_t columns;
    float scale;
} sc_net_softmax_gradient;

SC_BODY float sc_peak_softmax_gradient(int64_t row, int64_t col, sc_net_softmax_gradient k)
{
    (void)row, (void)col, (void)k;
    return 0;
}

SC_BODY double sc_term_softmax_gradient(int64_t row, int64_t col, float peak,
                                        sc_net_softmax_gradient k)
{
    (void)peak;
    return (double)k.p[row * k.columns + col] * (double)k.gp[row * k.columns + col];
}

SC_BODY void sc_finish_softmax_gradient(int64_t row, int64_t col, float peak, double sum,
                                        sc_net_softmax_gradient k)
{
    (void)peak;
    float *gp = k.gp + row * k.columns + col;
    *gp = k.p[row * k.columns + col] * (*gp - (float)sum) * k.scale;
}

/* ---- linear: y = W act(x) + bias ---- */

SC_BODY float sc_act(float x, int silu) { return silu ? x * sc_sigmoid(x) : x; }

/* row: (image, output), columns: inputs */
typedef struct {
    float *y; /* (image, out) */
    const float *x, *weight, *bias; /* (image, in), (out, in), (out) */
    int64_t in, out;
    int silu;
} sc_net_linear;

SC_BODY float sc_peak_linear(int64_t row, int64_t col, sc_net_linear k)
{
    (void)row, (void)col, (void)k;
    return 0;
}

SC_BODY double sc_term_linear(int64_t row, int64_t col, float peak, sc_net_linear k)
{
    (void)peak;
    return (double)sc_act(k.x[row / k.out * k.in + col], k.silu) *
           (double)k.weight[row % k.out * k.in + col];
}

SC_BODY void sc_finish_linear(int64_t row, int64_t col, float peak, double sum, sc_net_linear k)
{
    (void)peak;
    if (col == 0)
        k.y[row] = k.bias[row % k.out] + (float)sum;
}

/* row: image, col: input */
typedef struct {
    float *gx;
    const float *gy, *x, *weight;
    int64_t in, out;
    int silu, add;
} sc_net_linear_gradient_x;

SC_BODY void sc_body_net_linear_gradient_x(int64_t row, int64_t col, sc_net_linear_gradient_x k)
{
    double sum = 0;
    float x = k.x[row * k.in + col], slope = k.silu ? sc_silu_slope(x, sc_sigmoid(x)) : 1.f;
    for (int64_t o = 0; o < k.out; o++)
        sum += (double)k.gy[row * k.out + o] * (double)k.weight[o * k.in + col];
    sc_set_or_add(k.gx + row * k.in + col, (float)(sum * (double)slope), k.add);
}

/* row: output, col: input */
typedef struct {
    float *gweight;
    const float *gy, *x;
    int64_t images, in, out;
    int silu;
} sc_net_linear_gradient_w;

SC_BODY void sc_body_net_linear_gradient_w(int64_t row, int64_t col, sc_net_linear_gradient_w k)
{
    double sum = 0;
    for (int64_t i = 0; i < k.images; i++)
        sum += (double)k.gy[i * k.out + row] * (double)sc_act(k.x[i * k.in + col], k.silu);
    k.gweight[row * k.in + col] += (float)sum;
}

/* col: output */
typedef struct {
    float *gbias;
    const float *gy;
    int64_t images, out;
} sc_net_linear_gradient_b;

SC_BODY void sc_body_net_linear_gradient_b(int64_t row, int64_t col, sc_net_linear_gradient_b k)
{
    float sum = 0;
    (void)row;
    for (int64_t i = 0; i < k.images; i++)
        sum += k.gy[i * k.out + col];
    k.gbias[col] += sum;
}

#endif
