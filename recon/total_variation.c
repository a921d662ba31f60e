#include "recon/total_variation.h"
#include "base/memory.h"
#include <math.h>

struct sc_tv {
    const sc_device *device;
    int rank;
    int64_t batch, n;   /* images; complex elements of one */
    const int64_t *dim; /* of one image, in shape */
    sc_shape shape;
    float *dual;                   /* (batch, rank, n) complex: w of each image */
    float *before, *ahead, *image; /* (rank, n), (rank, n), (n) complex: scratch */
};

sc_status sc_tv_create(sc_tv **tv, const sc_device *device, const sc_shape *shape, int rank)
{
    sc_tv *t = NULL;
    sc_status status = SC_OK;
    *tv = NULL;
    SC_TRY(SC_ALLOC(&t, 1, "total variation"));
    t->device = device;
    t->rank = rank;
    t->shape = *shape;
    t->dim = t->shape.dim + shape->rank - rank;
    t->n = 1;
    for (int a = 0; a < rank; a++)
        t->n *= t->dim[a];
    t->batch = sc_shape_elements(shape) / t->n;
    SC_TRY(SC_DEVICE_ALLOC(device, &t->dual, 2 * t->batch * rank * t->n));
    SC_TRY(SC_DEVICE_ALLOC(device, &t->before, 2 * rank * t->n));
    SC_TRY(SC_DEVICE_ALLOC(device, &t->ahead, 2 * rank * t->n));
    SC_TRY(SC_DEVICE_ALLOC(device, &t->image, 2 * t->n));
    *tv = t;
    t = NULL;
cleanup:
    sc_tv_free(t);
    return status;
}

void sc_tv_free(sc_tv *tv)
{
    if (!tv)
        return;
    sc_device_release(tv->device, tv->dual);
    sc_device_release(tv->device, tv->before);
    sc_device_release(tv->device, tv->ahead);
    sc_device_release(tv->device, tv->image);
    sc_free(tv);
}

/* image = v - D^H w */
static void primal(const sc_tv *t, float *image, const float *v, const float *w)
{
    const sc_kernels *k = t->device->kernels;
    k->gradient_adjoint(t->device, (sc_c32 *)t->image, (const sc_c32 *)w, t->rank, t->dim);
    k->axpby(t->device, image, 1, v, -1, t->image, 2 * t->n);
}

/* w <- projection on |w(r)| <= mu of (ahead + D (v - D^H ahead) / (4 d)); scratch: ahead. The
 * projection is what the shrinkage takes away. */
static void project(const sc_tv *t, float *w, const float *v, double mu)
{
    const sc_kernels *k = t->device->kernels;
    int64_t planes = 2 * t->rank * t->n;
    primal(t, t->image, v, t->ahead);
    k->gradient(t->device, (sc_c32 *)w, (const sc_c32 *)t->image, t->rank, t->dim);
    k->axpby(t->device, w, 1, t->ahead, 1.0f / (4.0f * (float)t->rank), w, planes);
    k->shrink(t->device, (sc_c32 *)t->ahead, (const sc_c32 *)w, (float)mu, t->rank, t->n);
    k->axpby(t->device, w, 1, w, -1, t->ahead, planes);
}

static void denoise_one(const sc_tv *t, float *w, float *x, double mu, int iterations)
{
    const sc_kernels *k = t->device->kernels;
    int64_t planes = 2 * t->rank * t->n;
    double s = 1;
    k->axpby(t->device, t->ahead, 1, w, 0, w, planes);
    for (int i = 0; i < iterations; i++) {
        double next = (1 + sqrt(1 + 4 * s * s)) / 2, momentum = (s - 1) / next;
        k->axpby(t->device, t->before, 1, w, 0, w, planes);
        project(t, w, x, mu);
        k->axpby(t->device, t->ahead, (float)(1 + momentum), w, (float)-momentum, t->before,
                 planes);
        s = next;
    }
    primal(t, x, x, w);
}

void sc_tv_denoise(sc_tv *tv, float *x, double mu, int iterations)
{
    for (int64_t i = 0; i < tv->batch; i++)
        denoise_one(tv, tv->dual + 2 * i * tv->rank * tv->n, x + 2 * i * tv->n, mu, iterations);
}

/* mu |D x| - Re<D x, w> summed over the pixels of one image, all (rank, n) on the host */
static double gap_of(const sc_c32 *g, const sc_c32 *w, double mu, int rank, int64_t n)
{
    double gap = 0;
    for (int64_t p = 0; p < n; p++) {
        double square = 0, product = 0;
        for (int a = 0; a < rank; a++) {
            const float *u = (const float *)(g + a * n + p), *v = (const float *)(w + a * n + p);
            square += (double)u[0] * u[0] + (double)u[1] * u[1];
            product += (double)u[0] * v[0] + (double)u[1] * v[1];
        }
        gap += mu * sqrt(square) - product;
    }
    return gap;
}

sc_status sc_tv_gap(double *gap, sc_tv *tv, const float *x, double mu)
{
    const sc_kernels *k = tv->device->kernels;
    int64_t planes = tv->rank * tv->n;
    size_t bytes = (size_t)planes * sizeof(sc_c32);
    sc_c32 *g = NULL, *w = NULL;
    sc_status status = SC_OK;
    *gap = 0;
    SC_TRY(SC_ALLOC(&g, planes, "gradient"));
    SC_TRY(SC_ALLOC(&w, planes, "dual"));
    for (int64_t i = 0; i < tv->batch; i++) {
        k->gradient(tv->device, (sc_c32 *)tv->ahead, (const sc_c32 *)(x + 2 * i * tv->n), tv->rank,
                    tv->dim);
        SC_TRY(k->download(tv->device, g, tv->ahead, bytes));
        SC_TRY(k->download(tv->device, w, tv->dual + 2 * i * planes, bytes));
        *gap += gap_of(g, w, mu, tv->rank, tv->n);
    }
cleanup:
    sc_free(g);
    sc_free(w);
    return status;
}
