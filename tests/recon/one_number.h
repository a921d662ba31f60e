/* An image of one number (or one complex number) measured by one datum, many times over: posteriors
 * that are known by quadrature, whatever the likelihood. Every map set is an independent copy, as
 * in sampler_test.h.
 */
#ifndef SC_TESTS_ONE_NUMBER_H
#define SC_TESTS_ONE_NUMBER_H

#include "sampler_test.h"

#include "recon/data_term.h"

typedef struct {
    sc_device *device;
    sc_op *op; /* multiplies by `gain` */
    double gain;
    sc_data_term term;
    int copies, parts;
} one_number;

/* term: law and parameters; y: the datum. */
static inline void one_begin(one_number *o, int copies, int parts, int threads, double gain,
                             sc_data_term term, double y)
{
    *o = (one_number){.gain = gain, .copies = copies, .parts = parts, .term = term};
    const sc_shape shape = {parts == 2 ? SC_C32 : SC_F32, 3, {copies, 1, 1}};
    float *data = NULL, *weight = NULL;
    OK(SC_ALLOC(&weight, copies, "weights"));
    for (int i = 0; i < copies; i++)
        weight[i] = (float)gain;
    OK(sc_device_create_cpu(&o->device, threads));
    OK(sc_op_mask(&o->op, o->device, &shape, weight, copies));
    sc_free(weight);
    OK(SC_DEVICE_ALLOC(o->device, &data, copies * parts));
    for (int i = 0; i < copies; i++)
        data[i] = (float)y;
    o->term.A = o->op;
    o->term.y = data;
}

static inline void one_end(one_number *o)
{
    sc_device_release(o->device, (void *)o->term.y);
    sc_op_free(o->op);
    sc_device_free(o->device);
}

/* value (n) = log p(y | gain x) at x (n, parts), by the code under test, which test_data_term holds
 * to its formulas */
static inline void one_log_likelihood(const one_number *o, double *value, const double *x, int n)
{
    one_number single;
    sc_data_eval *eval;
    float a[2] = {0, 0};
    one_begin(&single, 1, o->parts, 1, o->gain, o->term, o->term.y[0]);
    OK(sc_data_eval_create(&eval, &single.term));
    for (int i = 0; i < n; i++) {
        for (int p = 0; p < o->parts; p++)
            a[p] = (float)(o->gain * x[i * o->parts + p]);
        OK(sc_data_eval_at(eval, &value[i], NULL, a));
    }
    sc_data_eval_free(eval);
    one_end(&single);
}

/* ---- laws of one number by quadrature: density on a grid from low to high ---- */

enum { GRID = 2000 };

typedef struct {
    double low, high, cdf[GRID + 1];
} line;

static inline double line_centre(const line *l, int i)
{
    return l->low + (l->high - l->low) * (i + 0.5) / GRID;
}

/* log density (GRID) at the cells' centres, up to a constant */
static inline void line_of(line *l, const double *log_density)
{
    double largest = -INFINITY;
    for (int i = 0; i < GRID; i++)
        largest = fmax(largest, log_density[i]);
    l->cdf[0] = 0;
    for (int i = 0; i < GRID; i++)
        l->cdf[i + 1] = l->cdf[i] + exp(log_density[i] - largest);
    for (int i = 0; i <= GRID; i++)
        l->cdf[i] /= l->cdf[GRID];
}

static inline double line_cdf(const line *l, double x)
{
    double at = (x - l->low) / (l->high - l->low) * GRID;
    if (at <= 0 || at >= GRID)
        return at > 0;
    int i = (int)at;
    return l->cdf[i] + (at - i) * (l->cdf[i + 1] - l->cdf[i]);
}

static inline int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The quantiles of samples against a law: the share of the law below the sample's quantile, for 5
 * %, 25 %, 50 %, 75 % and 95 %, off by at most 4 standard errors of n samples plus the stated bias.
 * Returns the worst error; samples are sorted. */
static inline double assert_quantiles(double *x, int n, const line *exact, double bias,
                                      const char *what)
{
    const double share[] = {0.05, 0.25, 0.5, 0.75, 0.95};
    double worst = 0;
    int bad = 0;
    qsort(x, (size_t)n, sizeof *x, ascending);
    for (int i = 0; i < 5; i++) {
        double error = fabs(line_cdf(exact, x[(int)(share[i] * n)]) - share[i]);
        bad += error > 4 * sqrt(share[i] * (1 - share[i]) / n) + bias;
        worst = fmax(worst, error);
    }
    print_message("%s: quantiles off by %.4f at most (4 SE of the median: %.4f)\n", what, worst,
                  2 / sqrt(n));
    if (bad)
        fail_msg("%s: %d quantiles outside", what, bad);
    return worst;
}

#endif
