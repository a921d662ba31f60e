/* Mean, standard deviation and quantiles of samples (uncertainty.h). */
#include "recon/uncertainty.h"
#include "base/memory.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>

static double magnitude(const sc_c32 *sample /* (set, pixels) */, int64_t sets, int64_t pixels,
                        int64_t pixel)
{
    double square = 0;
    for (int64_t s = 0; s < sets; s++) {
        const float *v = (const float *)(sample + s * pixels + pixel);
        square += (double)v[0] * v[0] + (double)v[1] * v[1];
    }
    return sqrt(square);
}

/* two passes: the spread of the samples may be far smaller than their mean */
static double deviation(const sc_c32 *x, int64_t count, int64_t sets, int64_t pixels, int64_t pixel)
{
    double mean = 0, square = 0;
    for (int64_t i = 0; i < count; i++)
        mean += magnitude(x + i * sets * pixels, sets, pixels, pixel);
    mean /= (double)count;
    for (int64_t i = 0; i < count; i++) {
        double e = magnitude(x + i * sets * pixels, sets, pixels, pixel) - mean;
        square += e * e;
    }
    return count > 1 ? sqrt(square / (double)(count - 1)) : 0;
}

sc_status sc_uncertainty_moments(sc_array *mean, sc_array *std, const sc_array *samples)
{
    assert(samples->dtype == SC_C32 && samples->rank == 4);
    sc_status status = SC_OK;
    int64_t count = samples->dim[0], sets = samples->dim[1];
    int64_t pixels = samples->dim[2] * samples->dim[3];
    const sc_c32 *x = samples->data;
    SC_TRY(sc_array_create(mean, SC_C32, 3, samples->dim + 1));
    SC_TRY(sc_array_create(std, SC_F32, 2, samples->dim + 2));
    for (int64_t e = 0; e < 2 * sets * pixels; e++) {
        double sum = 0;
        for (int64_t i = 0; i < count; i++)
            sum += ((const float *)(x + i * sets * pixels))[e];
        ((float *)mean->data)[e] = (float)(sum / (double)count);
    }
    for (int64_t p = 0; p < pixels; p++)
        ((float *)std->data)[p] = (float)deviation(x, count, sets, pixels, p);
    return SC_OK;
cleanup:
    sc_array_free(mean);
    sc_array_free(std);
    return status;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

sc_status sc_uncertainty_quantile(sc_array *quantile, const sc_array *samples, double q)
{
    assert(samples->dtype == SC_C32 && samples->rank == 4 && q >= 0 && q <= 1);
    sc_status status = SC_OK;
    double *value = NULL;
    int64_t count = samples->dim[0], sets = samples->dim[1];
    int64_t pixels = samples->dim[2] * samples->dim[3];
    const sc_c32 *x = samples->data;
    double place = q * (double)(count - 1);
    int64_t low = (int64_t)place, high = low + 1 < count ? low + 1 : low;
    SC_TRY(SC_ALLOC(&value, count, "quantile"));
    SC_TRY(sc_array_create(quantile, SC_F32, 2, samples->dim + 2));
    for (int64_t p = 0; p < pixels; p++) {
        for (int64_t i = 0; i < count; i++)
            value[i] = magnitude(x + i * sets * pixels, sets, pixels, p);
        qsort(value, (size_t)count, sizeof *value, ascending);
        double between = place - (double)low;
        ((float *)quantile->data)[p] = (float)((1 - between) * value[low] + between * value[high]);
    }
cleanup:
    sc_free(value);
    return status;
}
