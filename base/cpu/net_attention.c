/* Single-head attention on the CPU: y = softmax(q k^T / sqrt c) v, per image.
 *
 * Scores are made for BLOCK rows at a time and never stored whole. Backward remembers
 * L_i = max_j s_ij + log sum_j exp(s_ij - max) and D_i = <gy_i, y_i>, and makes the scores again,
 * once by blocks of queries for gq and once by blocks of keys for gk and gv, so that no two
 * threads add to one place and the result does not depend on their number:
 *     P = exp(S - L),  gS = P (gy v^T - D) / sqrt c,  gq = gS k,  gk = gS^T q,  gv = P^T gy.
 */
#include "base/cpu/net_internal.h"
#include "base/cpu/net_vector.h"
#include <math.h>
#include <oneapi/dnnl/dnnl.h>
#include <omp.h>

#define BLOCK 64

/* Row-major c (m, n) = alpha a b, in the calling thread (we are inside a parallel region, or have
 * one thread). Sizes are positive and dense, so oneDNN has no reason to refuse. */
static void gemm(char ta, char tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
                 const float *b, float *c)
{
    dnnl_sgemm(ta, tb, m, n, k, alpha, a, ta == 'N' ? k : m, b, tb == 'N' ? n : k, 0.f, c, n);
}

size_t sc_cpu_attention_scratch(const sc_device *device, int n, int64_t pixels, int c)
{
    (void)c;
    size_t scores = (size_t)device->threads * 2 * BLOCK * (size_t)pixels;
    return sizeof(float) * (scores + (size_t)n * 2 * (size_t)pixels);
}

SC_CLONES static float row_max(const float *s, int64_t n)
{
    float most = s[0];
    for (int64_t i = 1; i < n; i++)
        most = s[i] > most ? s[i] : most;
    return most;
}

SC_CLONES static void row_exp(float *s, float shift, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        s[i] = sc_fast_exp(s[i] - shift);
}

static double row_sum(const float *s, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += s[i];
    return sum;
}

/* Scores of rows to probabilities; L (rows) may be NULL. */
static void softmax(float *s /* (rows, n) */, float *L, int64_t rows, int64_t n)
{
    for (int64_t i = 0; i < rows; i++, s += n) {
        float most = row_max(s, n);
        row_exp(s, most, n);
        double sum = row_sum(s, n);
        if (L)
            L[i] = most + (float)log(sum);
        float inverse = (float)(1 / sum);
        for (int64_t j = 0; j < n; j++)
            s[j] *= inverse;
    }
}

void sc_cpu_attention_forward(const sc_device *device, float *y, const float *q, const float *k,
                              const float *v, int n, int64_t pixels, int c, void *scratch)
{
    int64_t blocks = (pixels + BLOCK - 1) / BLOCK, image_size = pixels * c;
    float scale = (float)(1 / sqrt((double)c));
    int before = omp_get_max_threads();
    omp_set_num_threads(device->threads);
#pragma omp parallel for schedule(static) num_threads(device->threads)
    for (int64_t unit = 0; unit < n * blocks; unit++) {
        int64_t image = unit / blocks, first = unit % blocks * BLOCK;
        int64_t rows = pixels - first < BLOCK ? pixels - first : BLOCK;
        int64_t at = image * image_size, here = at + first * c;
        float *s = (float *)scratch + (int64_t)omp_get_thread_num() * 2 * BLOCK * pixels;
        gemm('N', 'T', rows, pixels, c, scale, q + here, k + at, s);
        softmax(s, NULL, rows, pixels);
        gemm('N', 'N', rows, c, pixels, 1.f, s, v + at, y + here);
    }
    omp_set_num_threads(before);
}

/* gS from P and gP: P (gP - D) scale, D per row or per column. */
SC_CLONES static void score_gradient(float *restrict gp, const float *restrict p, const float *D,
                                     int by_row, float scale, int64_t rows, int64_t n)
{
    for (int64_t i = 0; i < rows; i++, gp += n, p += n) {
#pragma omp simd
        for (int64_t j = 0; j < n; j++)
            gp[j] = p[j] * (gp[j] - (by_row ? D[i] : D[j])) * scale;
    }
}

SC_CLONES static void exp_columns(float *restrict s, const float *restrict L, int64_t rows,
                                  int64_t n)
{
    for (int64_t i = 0; i < rows; i++, s += n) {
#pragma omp simd
        for (int64_t j = 0; j < n; j++)
            s[j] = sc_fast_exp(s[j] - L[j]);
    }
}

typedef struct {
    float *gq, *gk, *gv;             /* of one image, as all below */
    const float *gy, *y, *q, *k, *v; /* (pixels, c) */
    float *L, *D;                    /* (pixels) */
    int64_t pixels;
    int c;
    float scale;
} attention;

static void backward_queries(const attention *a, float *s, int64_t first, int64_t rows)
{
    int64_t here = first * a->c;
    float *gp = s + BLOCK * a->pixels;
    for (int64_t i = 0; i < rows; i++) {
        double dot = 0;
        for (int j = 0; j < a->c; j++)
            dot += (double)a->gy[here + i * a->c + j] * a->y[here + i * a->c + j];
        a->D[first + i] = (float)dot;
    }
    gemm('N', 'T', rows, a->pixels, a->c, a->scale, a->q + here, a->k, s);
    softmax(s, a->L + first, rows, a->pixels);
    gemm('N', 'T', rows, a->pixels, a->c, 1.f, a->gy + here, a->v, gp);
    score_gradient(gp, s, a->D + first, 1, a->scale, rows, a->pixels);
    gemm('N', 'N', rows, a->c, a->pixels, 1.f, gp, a->k, a->gq + here);
}

static void backward_keys(const attention *a, float *s, int64_t first, int64_t rows)
{
    int64_t here = first * a->c;
    float *gp = s + BLOCK * a->pixels;
    gemm('N', 'T', rows, a->pixels, a->c, a->scale, a->k + here, a->q, s);
    exp_columns(s, a->L, rows, a->pixels);
    gemm('N', 'N', rows, a->c, a->pixels, 1.f, s, a->gy, a->gv + here);
    gemm('N', 'T', rows, a->pixels, a->c, 1.f, a->v + here, a->gy, gp);
    score_gradient(gp, s, a->D, 0, a->scale, rows, a->pixels);
    gemm('N', 'N', rows, a->c, a->pixels, 1.f, gp, a->q, a->gk + here);
}

void sc_cpu_attention_backward(const sc_device *device, float *gq, float *gk, float *gv,
                               const float *gy, const float *y, const float *q, const float *k,
                               const float *v, int n, int64_t pixels, int c, void *scratch)
{
    int64_t blocks = (pixels + BLOCK - 1) / BLOCK;
    float *scores = scratch, *kept = scores + (int64_t)device->threads * 2 * BLOCK * pixels;
    int before = omp_get_max_threads();
    omp_set_num_threads(device->threads);
    for (int keys = 0; keys < 2; keys++) {
#pragma omp parallel for schedule(static) num_threads(device->threads)
        for (int64_t unit = 0; unit < n * blocks; unit++) {
            int64_t image = unit / blocks, first = unit % blocks * BLOCK, at = image * pixels * c;
            int64_t rows = pixels - first < BLOCK ? pixels - first : BLOCK;
            float *L = kept + image * 2 * pixels;
            attention a = {gq + at, gk + at, gv + at, gy + at, y + at, q + at, k + at, v + at,
                           L, L + pixels, pixels, c, (float)(1 / sqrt((double)c))};
            float *s = scores + (int64_t)omp_get_thread_num() * 2 * BLOCK * pixels;
            (keys ? backward_keys : backward_queries)(&a, s, first, rows);
        }
    }
    omp_set_num_threads(before);
}
