#include "prior/ode.h"
#include "base/memory.h"
#include <assert.h>
#include <math.h>
#include <string.h>

enum { STAGES = 7 };

#define SAFETY 0.9
#define SHRINK 0.2 /* most that a step changes */
#define GROW 10.0

static const double node_time[STAGES] = {0, 1. / 5, 3. / 10, 4. / 5, 8. / 9, 1, 1};
/* The last row is the step itself: its slope is the first of the next step. */
static const double row[STAGES][STAGES - 1] = {
    {0},
    {1. / 5},
    {3. / 40, 9. / 40},
    {44. / 45, -56. / 15, 32. / 9},
    {19372. / 6561, -25360. / 2187, 64448. / 6561, -212. / 729},
    {9017. / 3168, -355. / 33, 46732. / 5247, 49. / 176, -5103. / 18656},
    {35. / 384, 0, 500. / 1113, 125. / 192, -2187. / 6784, 11. / 84},
};
static const double error_weight[STAGES] = {-71. / 57600,    0,          71. / 16695, -71. / 1920,
                                            17253. / 339200, -22. / 525, 1. / 40};

typedef struct {
    const sc_ode *ode;
    sc_ode_count count;
    double *k[STAGES]; /* slopes */
    double *y, *next;
    double t, h, end; /* h > 0: length of the next step */
    double direction;
} solver;

static sc_status evaluate(solver *s, double *dydt, double t, const double *y)
{
    s->count.evaluations++;
    return s->ode->slope(s->ode->self, dydt, t, y);
}

static double scale_of(const sc_ode *ode, double a, double b)
{
    return ode->atol + ode->rtol * fmax(fabs(a), fabs(b));
}

/* Root mean square of x - x0 in units of the tolerance at y; x0 may be NULL. */
static double size_of(const sc_ode *ode, const double *x, const double *x0, const double *y)
{
    double sum = 0;
    for (int64_t i = 0; i < ode->n; i++) {
        double d = (x[i] - (x0 ? x0[i] : 0)) / scale_of(ode, y[i], y[i]);
        sum += d * d;
    }
    return sqrt(sum / (double)ode->n);
}

/* First step (Hairer, Norsett and Wanner, II.4): from the sizes of y, its slope, and the slope's
 * change over an Euler step. */
static sc_status choose_first_step(solver *s)
{
    sc_status status = SC_OK;
    double whole = fabs(s->end - s->t), d0 = size_of(s->ode, s->y, NULL, s->y);
    double d1 = size_of(s->ode, s->k[0], NULL, s->y);
    double h0 = fmin(d0 < 1e-5 || d1 < 1e-5 ? 1e-6 : 0.01 * d0 / d1, whole);
    for (int64_t i = 0; i < s->ode->n; i++)
        s->next[i] = s->y[i] + h0 * s->direction * s->k[0][i];
    SC_TRY(evaluate(s, s->k[1], s->t + h0 * s->direction, s->next));
    double d2 = size_of(s->ode, s->k[1], s->k[0], s->y) / h0, most = fmax(d1, d2);
    double h1 = most <= 1e-15 ? fmax(1e-6, h0 * 1e-3) : pow(0.01 / most, 0.2);
    s->h = fmin(fmin(100 * h0, h1), whole);
cleanup:
    return status;
}

/* y at t + h into next; k[1..6] */
static sc_status try_step(solver *s, double h)
{
    sc_status status = SC_OK;
    for (int stage = 1; stage < STAGES; stage++) {
        for (int64_t i = 0; i < s->ode->n; i++) {
            double sum = 0;
            for (int j = 0; j < stage; j++)
                sum += row[stage][j] * s->k[j][i];
            s->next[i] = s->y[i] + h * sum;
        }
        SC_TRY(evaluate(s, s->k[stage], s->t + node_time[stage] * h, s->next));
    }
cleanup:
    return status;
}

static double step_error(const solver *s, double h)
{
    double squares = 0;
    for (int64_t i = 0; i < s->ode->n; i++) {
        double sum = 0;
        for (int j = 0; j < STAGES; j++)
            sum += error_weight[j] * s->k[j][i];
        sum *= h / scale_of(s->ode, s->y[i], s->next[i]);
        squares += sum * sum;
    }
    return sqrt(squares / (double)s->ode->n);
}

static void accept(solver *s, double t)
{
    double *slope = s->k[0];
    memcpy(s->y, s->next, (size_t)s->ode->n * sizeof *s->y);
    s->k[0] = s->k[STAGES - 1];
    s->k[STAGES - 1] = slope;
    s->t = t;
    s->count.steps++;
    if (s->ode->accepted)
        s->ode->accepted(s->ode->self, t, s->y);
}

/* One accepted step, however many tries it takes. After a rejection it does not grow again. */
static sc_status step(solver *s)
{
    sc_status status = SC_OK;
    for (double grow = GROW;; grow = 1) {
        double least = 10 * fabs(nextafter(s->t, s->direction * INFINITY) - s->t);
        if (!(s->h >= least))
            return sc_fail(SC_ERR_NUMERIC, "the differential equation's step fell to %g at t = %g",
                           s->h, s->t);
        double t = s->t + s->direction * s->h;
        if (s->direction * (t - s->end) > 0)
            t = s->end;
        double h = t - s->t;
        SC_TRY(try_step(s, h));
        double error = step_error(s, h), factor = error == 0 ? GROW : SAFETY * pow(error, -0.2);
        if (error < 1) {
            s->h = fabs(h) * fmin(factor, grow);
            accept(s, t);
            return SC_OK;
        }
        s->h = fabs(h) * (factor > SHRINK ? factor : SHRINK); /* not finite: shrinks too */
    }
cleanup:
    return status;
}

sc_status sc_ode_solve(double *y, const sc_ode *ode, double from, double to, sc_ode_count *count)
{
    sc_status status = SC_OK;
    double *memory = NULL;
    solver s = {.ode = ode, .y = y, .t = from, .end = to, .direction = to < from ? -1 : 1};
    assert(ode->n > 0 && ode->atol >= 0 && ode->rtol >= 0);
    SC_TRY(SC_ALLOC(&memory, (STAGES + 1) * ode->n, "differential equation"));
    for (int j = 0; j < STAGES; j++)
        s.k[j] = memory + j * ode->n;
    s.next = memory + STAGES * ode->n;
    if (from == to)
        goto cleanup;
    SC_TRY(evaluate(&s, s.k[0], from, y));
    SC_TRY(choose_first_step(&s));
    while (s.t != to)
        SC_TRY(step(&s));
cleanup:
    if (count)
        *count = s.count;
    sc_free(memory);
    return status;
}
