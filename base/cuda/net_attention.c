/* Attention on the GPU: y = softmax(q k^T / sqrt c) v by cuBLAS and a softmax of rows.
 *
 * Scores are made for as many images, or as many rows of one image, as fit SCORES floats; keys
 * and values gather the gradients of blocks of rows one after the other, in order. With P the
 * probabilities and gP = gy v^T:
 *     gS = P (gP - sum_j P gP) / sqrt c,  gq = gS k,  gk = gS^T q,  gv = P^T gy.
 */
#include "base/cuda/net_internal.h"

#define SCORES ((int64_t)1 << 24) /* 64 MiB */

typedef struct {
    const sc_device *device;
    int64_t pixels, c, images, rows; /* images and rows of one block */
} block;

static block block_of(const sc_device *device, int n, int64_t pixels, int c)
{
    block b = {device, pixels, c, 1, pixels};
    int64_t fit = SCORES / pixels; /* rows of scores */
    if (fit >= pixels)
        b.images = fit / pixels < n ? fit / pixels : n;
    else
        b.rows = fit > 1 ? fit : 1;
    return b;
}

static int64_t score_count(const block *b) { return b->images * b->rows * b->pixels; }

/* Scores and, in backward, their gradient. */
size_t sc_cuda_attention_scratch(const sc_device *device, int n, int64_t pixels, int c)
{
    block b = block_of(device, n, pixels, c);
    return 2 * sc_cuda_align(sizeof(float) * (size_t)score_count(&b));
}

/* A batch of row-major products z (m, n) = alpha op(a) op(b) + beta z, image after image. */
typedef struct {
    int64_t m, n, k;
    bool transpose_a, transpose_b;
    int64_t z_stride, a_stride, b_stride; /* between images */
} product;

/* cuBLAS counts columns first: z' = op(b)' op(a)'. */
static void multiply(const block *b, int64_t images, float *z, const float *x, const float *y,
                     const product *p, float alpha, float beta)
{
    sc_cuda_context *cuda = sc_cuda_of(b->device);
    if (cuda->failed)
        return;
    sc_cuda_library_lock(cuda);
    cublasStatus_t result = cublasSgemmStridedBatched(
        cuda->blas, p->transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N,
        p->transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N, (int)p->n, (int)p->m, (int)p->k, &alpha, y,
        (int)(p->transpose_b ? p->k : p->n), p->b_stride, x, (int)(p->transpose_a ? p->m : p->k),
        p->a_stride, &beta, z, (int)p->n, p->z_stride, (int)images);
    sc_cuda_library_unlock(cuda);
    if (result != CUBLAS_STATUS_SUCCESS)
        sc_cuda_failed(cuda, "attention", "cuBLAS does not run the product");
}

/* z (rows, pixels) = alpha a (rows, c) b (pixels, c)^T */
static void scores_of(const block *b, int64_t images, int64_t rows, float *z, const float *x,
                      const float *y, float alpha)
{
    const int64_t image = b->pixels * b->c;
    const product p = {rows, b->pixels, b->c, false, true, rows * b->pixels, image, image};
    multiply(b, images, z, x, y, &p, alpha, 0);
}

/* z (rows, c) = s (rows, pixels) a (pixels, c) */
static void mix(const block *b, int64_t images, int64_t rows, float *z, const float *s,
                const float *x)
{
    const int64_t image = b->pixels * b->c;
    const product p = {rows, b->c, b->pixels, false, false, image, rows * b->pixels, image};
    multiply(b, images, z, s, x, &p, 1, 0);
}

/* z (pixels, c) = s (rows, pixels)^T a (rows, c), added to z unless these are the first rows */
static void mix_transposed(const block *b, int64_t images, int64_t rows, float *z, const float *s,
                           const float *x, bool first)
{
    const int64_t image = b->pixels * b->c;
    const product p = {b->pixels, b->c, rows, true, false, image, rows * b->pixels, image};
    multiply(b, images, z, s, x, &p, 1, first ? 0.f : 1.f);
}

static void probabilities(const block *b, int64_t images, int64_t rows, float *s, const float *q,
                          const float *k)
{
    scores_of(b, images, rows, s, q, k, (float)(1 / sqrt((double)b->c)));
    run_net_softmax(b->device, images * rows, b->pixels, (sc_net_softmax){s, b->pixels});
}

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

void sc_cuda_attention_forward(const sc_device *device, float *y, const float *q, const float *k,
                               const float *v, int n, int64_t pixels, int c, void *scratch)
{
    const block b = block_of(device, n, pixels, c);
    float *s = scratch;
    for (int64_t image = 0; image < n; image += b.images)
        for (int64_t row = 0; row < pixels; row += b.rows) {
            int64_t images = smaller(b.images, n - image), rows = smaller(b.rows, pixels - row);
            int64_t at = image * pixels * c, here = at + row * c;
            probabilities(&b, images, rows, s, q + here, k + at);
            mix(&b, images, rows, y + here, s, v + at);
        }
}

void sc_cuda_attention_backward(const sc_device *device, float *gq, float *gk, float *gv,
                                const float *gy, const float *y, const float *q, const float *k,
                                const float *v, int n, int64_t pixels, int c, void *scratch)
{
    const block b = block_of(device, n, pixels, c);
    const float scale = (float)(1 / sqrt((double)c));
    float *s = scratch, *gs = s + sc_cuda_align(sizeof *s * (size_t)score_count(&b)) / sizeof *s;
    (void)y;
    for (int64_t image = 0; image < n; image += b.images)
        for (int64_t row = 0; row < pixels; row += b.rows) {
            int64_t images = smaller(b.images, n - image), rows = smaller(b.rows, pixels - row);
            int64_t at = image * pixels * c, here = at + row * c;
            probabilities(&b, images, rows, s, q + here, k + at);
            mix_transposed(&b, images, rows, gv + at, s, gy + here, row == 0);
            scores_of(&b, images, rows, gs, gy + here, v + at, 1);
            run_net_softmax_gradient(device, images * rows, pixels,
                                     (sc_net_softmax_gradient){gs, s, pixels, scale});
            mix(&b, images, rows, gq + here, gs, k + at);
            mix_transposed(&b, images, rows, gk + at, gs, q + here, row == 0);
        }
}
