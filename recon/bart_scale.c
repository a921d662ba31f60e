#include "recon/bart_scale.h"
#include "base/memory.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { AXES = 3, LARGEST = 32 };

/* Data as (coil, dim[0], dim[1], dim[2]) on the host, and the centred block inside them. */
typedef struct {
    int64_t coils, dim[AXES], block[AXES];
    sc_c32 *y;     /* (coil, dim...) */
    sc_c32 *image; /* (coil, block...) */
} centre;

static int64_t volume(const int64_t dim[AXES]) { return dim[0] * dim[1] * dim[2]; }

/* First index of a centred block: its own centre (size / 2) on that of the axis. */
static int64_t first(const centre *c, int axis) { return c->dim[axis] / 2 - c->block[axis] / 2; }

static int64_t element(const centre *c, int64_t i, int64_t j, int64_t k)
{
    return ((first(c, 0) + i) * c->dim[1] + first(c, 1) + j) * c->dim[2] + first(c, 2) + k;
}

/* Not measured is exactly 0 in all coils. */
static bool measured(const centre *c, int64_t e)
{
    for (int64_t coil = 0; coil < c->coils; coil++)
        if (c->y[coil * volume(c->dim) + e] != 0)
            return true;
    return false;
}

static bool full(const centre *c)
{
    for (int64_t i = 0; i < c->block[0]; i++)
        for (int64_t j = 0; j < c->block[1]; j++)
            for (int64_t k = 0; k < c->block[2]; k++)
                if (!measured(c, element(c, i, j, k)))
                    return false;
    return true;
}

/* Each axis in turn by one, until it is at its end or the block has a hole. */
static void grow(centre *c)
{
    bool stopped[AXES] = {false};
    for (int a = 0; a < AXES; a++)
        c->block[a] = 1;
    for (bool growing = true; growing;) {
        growing = false;
        for (int a = 0; a < AXES; a++) {
            if (stopped[a])
                continue;
            c->block[a]++;
            stopped[a] = c->block[a] > c->dim[a] || c->block[a] > LARGEST || !full(c);
            c->block[a] -= stopped[a];
            growing = growing || !stopped[a];
        }
    }
}

static void cut(centre *c)
{
    sc_c32 *out = c->image;
    for (int64_t coil = 0; coil < c->coils; coil++)
        for (int64_t i = 0; i < c->block[0]; i++)
            for (int64_t j = 0; j < c->block[1]; j++)
                for (int64_t k = 0; k < c->block[2]; k++)
                    *out++ = c->y[coil * volume(c->dim) + element(c, i, j, k)];
}

/* image <- centred unitary inverse FFT of the block, on the problem's device */
static sc_status transform(centre *c, const sc_device *device)
{
    const sc_kernels *k = device->kernels;
    size_t bytes = (size_t)(c->coils * volume(c->block)) * sizeof(sc_c32);
    sc_c32 *z = NULL;
    sc_fft *fft = NULL;
    sc_status status = SC_OK;
    SC_TRY(sc_device_alloc(device, (void **)&z, bytes, 1));
    SC_TRY(k->upload(device, z, c->image, bytes));
    SC_TRY(k->fft_create(device, &fft, AXES, c->block, c->coils));
    k->fft(fft, z, z, true);
    SC_TRY(k->download(device, c->image, z, bytes));
cleanup:
    if (fft)
        k->fft_free(fft);
    sc_device_release(device, z);
    return status;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* BART: the 90th percentile, unless a few pixels are far brighter. */
static double robust_peak(double *magnitude, int64_t n)
{
    qsort(magnitude, (size_t)n, sizeof *magnitude, ascending);
    double median = magnitude[n / 2], high = magnitude[(int64_t)(0.9 * (double)n)];
    double max = magnitude[n - 1];
    return max - high < 2 * (high - median) ? high : max;
}

static sc_status scale_of(double *scale, const centre *c)
{
    int64_t n = volume(c->block);
    double *magnitude = NULL, ratio = (double)volume(c->dim) / (double)n;
    sc_status status = SC_OK;
    SC_TRY(SC_ALLOC(&magnitude, n, "calibration image"));
    for (int64_t p = 0; p < n; p++) {
        double square = 0;
        for (int64_t coil = 0; coil < c->coils; coil++) {
            const float *v = (const float *)(c->image + coil * n + p);
            square += (double)v[0] * v[0] + (double)v[1] * v[1];
        }
        magnitude[p] = sqrt(square / ratio);
    }
    *scale = robust_peak(magnitude, n);
    if (!(*scale > 0))
        SC_TRY(sc_fail(SC_ERR_INPUT, "the centre of k-space holds no signal"));
cleanup:
    sc_free(magnitude);
    return status;
}

sc_status sc_bart_scaling(double *scale, const sc_problem *problem)
{
    const sc_shape *range = &problem->A->range;
    const sc_device *device = problem->device;
    centre c = {.coils = range->dim[0], .dim = {1, 1, 1}};
    size_t bytes = (size_t)sc_shape_elements(range) * sizeof(sc_c32);
    sc_status status = SC_OK;

    if (range->dtype != SC_C32 || range->rank < 2 || range->rank > 1 + AXES)
        return sc_fail(SC_ERR_UNSUPPORTED, "BART's scale is known for Cartesian MR data only");
    for (int a = 1; a < range->rank; a++)
        c.dim[AXES - range->rank + a] = range->dim[a];
    SC_TRY(sc_alloc((void **)&c.y, bytes, 1, "k-space"));
    SC_TRY(device->kernels->download(device, c.y, problem->y, bytes));
    grow(&c);
    SC_TRY(SC_ALLOC(&c.image, c.coils * volume(c.block), "calibration"));
    cut(&c);
    SC_TRY(transform(&c, device));
    SC_TRY(scale_of(scale, &c));
cleanup:
    sc_free(c.y);
    sc_free(c.image);
    return status;
}
