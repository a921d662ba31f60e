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

sc_quantile_rule sc_uncertainty_rule(int64_t count, double q)
{
    if (count < 2)
        return SC_QUANTILE_NONE;
    return 1 / (double)(count + 1) <= fmin(q, 1 - q) + 0.01 ? SC_QUANTILE_RANKS
                                                            : SC_QUANTILE_STUDENT;
}

/* P(|T| < sqrt(dof) tan angle), 0 <= angle < pi/2 (Abramowitz and Stegun 26.7.3 and 26.7.4). */
static double student_within(double angle, int64_t dof)
{
    double square = cos(angle) * cos(angle), odd = (double)(dof % 2);
    double term = odd > 0 ? cos(angle) : 1, sum = 0;
    for (int64_t k = 0; k < (dof - dof % 2) / 2; k++) {
        sum += term;
        term *= square * (2 * (double)k + 1 + odd) / (2 * (double)k + 2 + odd);
    }
    return odd > 0 ? (angle + sin(angle) * sum) / acos(0) : sin(angle) * sum;
}

/* t with P(T < t) = q, by halving the angle's interval. */
static double student(double q, int64_t dof)
{
    double low = 0, high = acos(0), within = fabs(2 * q - 1);
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        *(student_within(middle, dof) < within ? &low : &high) = middle;
    }
    return copysign(sqrt((double)dof) * tan(low), q - 0.5);
}

static double student_limit(const double *value, int64_t count, double t)
{
    double n = (double)count, mean = 0, square = 0;
    for (int64_t i = 0; i < count; i++)
        mean += value[i] / n;
    for (int64_t i = 0; i < count; i++)
        square += (value[i] - mean) * (value[i] - mean);
    return mean + t * sqrt(square / (n - 1) * (1 + 1 / n));
}

/* sorted from the end that is counted from: step 1 from the least, -1 from the greatest */
static double rank_limit(const double *end, int step, double h, bool tail)
{
    int64_t j = h > 1 ? (int64_t)h : 1;
    double g = h - (double)j, inner = end[step * (j - 1)];
    if (g == 0)
        return inner;
    if (tail)
        g *= (double)(j + 1) / ((double)j + g);
    return inner + g * (end[step * j] - inner);
}

/* What does not depend on the values. */
typedef struct {
    sc_quantile_rule rule;
    double q, t; /* t: Student's quantile, where that is the rule */
} recipe;

static recipe recipe_for(int64_t count, double q)
{
    assert(count > 0 && q > 0 && q < 1);
    recipe r = {sc_uncertainty_rule(count, q), q, 0};
    if (r.rule == SC_QUANTILE_STUDENT)
        r.t = student(q, count - 1);
    return r;
}

static double estimate(double *value, int64_t count, const recipe *r)
{
    double side = fmin(r->q, 1 - r->q), h = side * (double)(count + 1);
    qsort(value, (size_t)count, sizeof *value, ascending);
    if (r->rule == SC_QUANTILE_NONE)
        return value[0];
    if (r->rule == SC_QUANTILE_STUDENT)
        return student_limit(value, count, r->t);
    return r->q <= 0.5 ? rank_limit(value, 1, h, side < 0.25)
                       : rank_limit(value + count - 1, -1, h, side < 0.25);
}

double sc_uncertainty_estimate(double *value, int64_t count, double q)
{
    recipe r = recipe_for(count, q);
    return estimate(value, count, &r);
}

sc_status sc_uncertainty_quantile(sc_array *quantile, const sc_array *samples, double q)
{
    assert(samples->dtype == SC_C32 && samples->rank == 4);
    sc_status status = SC_OK;
    double *value = NULL;
    int64_t count = samples->dim[0], sets = samples->dim[1];
    int64_t pixels = samples->dim[2] * samples->dim[3];
    const sc_c32 *x = samples->data;
    recipe r = recipe_for(count, q);
    SC_TRY(SC_ALLOC(&value, count, "quantile"));
    SC_TRY(sc_array_create(quantile, SC_F32, 2, samples->dim + 2));
    for (int64_t p = 0; p < pixels; p++) {
        for (int64_t i = 0; i < count; i++)
            value[i] = magnitude(x + i * sets * pixels, sets, pixels, p);
        ((float *)quantile->data)[p] = (float)fmax(0, estimate(value, count, &r));
    }
cleanup:
    sc_free(value);
    return status;
}
