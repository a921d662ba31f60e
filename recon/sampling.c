/* Sampling masks (see sampling.h). */
#include "recon/sampling.h"
#include "base/memory.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DRAW_MASK (SC_DRAW_SIMULATE + 3)

typedef struct {
    int64_t ny, nx;
    double r;       /* acceleration */
    int64_t centre; /* lines or side of the block */
    sc_key key;
} request;

typedef sc_status maker(float *mask, const request *q);

static void line(float *mask, const request *q, int64_t y)
{
    for (int64_t x = 0; x < q->nx; x++)
        mask[y * q->nx + x] = 1;
}

static void centre_lines(float *mask, const request *q)
{
    for (int64_t i = 0; i < q->centre; i++)
        line(mask, q, q->ny / 2 - q->centre / 2 + i);
}

static sc_status full(float *mask, const request *q)
{
    for (int64_t i = 0; i < q->ny * q->nx; i++)
        mask[i] = 1;
    return SC_OK;
}

static sc_status lines(float *mask, const request *q)
{
    int64_t step = (int64_t)q->r;
    for (int64_t y = q->ny / 2 % step; y < q->ny; y += step)
        line(mask, q, y);
    centre_lines(mask, q);
    return SC_OK;
}

typedef struct {
    double order;
    int64_t index;
} ticket;

static int by_order(const void *a, const void *b)
{
    const ticket *x = a, *y = b;
    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

/* Weighted drawing without replacement: the smallest -log(u) / weight (Efraimidis, Spirakis 2006).
 */
static sc_status random_lines(float *mask, const request *q)
{
    ticket *t = NULL;
    if ((double)q->ny / q->r < (double)q->centre)
        return sc_fail(SC_ERR_USAGE, "mask random:%g:%lld: %lld lines / %g are fewer than the centre's %lld",
                       q->r, (long long)q->centre, (long long)q->ny, q->r, (long long)q->centre);
    sc_status status = SC_ALLOC(&t, q->ny, "lines");
    if (status != SC_OK)
        return status;
    centre_lines(mask, q);
    int64_t n = 0, wanted = llround((double)q->ny / q->r) - q->centre;
    for (int64_t y = 0; y < q->ny; y++) {
        if (mask[y * q->nx] > 0)
            continue;
        double d = (double)(y - q->ny / 2), s = 0.2 * (double)q->ny;
        double weight = exp(-d * d / (2 * s * s)) + 0.05;
        double u = sc_random_uniform1(y, q->key, DRAW_MASK, 0);
        t[n++] = (ticket){-log(u + 1e-12) / weight, y};
    }
    qsort(t, (size_t)n, sizeof *t, by_order);
    for (int64_t i = 0; i < n && i < wanted; i++)
        line(mask, q, t[i].index);
    sc_free(t);
    return SC_OK;
}

/* Radius in units of the ellipse. */
static double radius(const request *q, int64_t i)
{
    double y = 2.0 * (double)(i / q->nx - q->ny / 2) / (double)q->ny;
    double x = 2.0 * (double)(i % q->nx - q->nx / 2) / (double)q->nx;
    return hypot(y, x);
}

static bool crowded(const float *mask, const request *q, int64_t i, double distance)
{
    int64_t y = i / q->nx, x = i % q->nx, reach = (int64_t)distance;
    for (int64_t b = y - reach; b <= y + reach; b++)
        for (int64_t a = x - reach; a <= x + reach; a++) {
            if (b < 0 || a < 0 || b >= q->ny || a >= q->nx || !(mask[b * q->nx + a] > 0))
                continue;
            if ((double)((b - y) * (b - y) + (a - x) * (a - x)) < distance * distance)
                return true;
        }
    return false;
}

static void centre_block(float *mask, const request *q)
{
    for (int64_t y = 0; y < q->centre; y++)
        for (int64_t x = 0; x < q->centre; x++)
            mask[(q->ny / 2 - q->centre / 2 + y) * q->nx + q->nx / 2 - q->centre / 2 + x] = 1;
}

/* One pass of darts in a fixed order; the smallest distance is d (1 + 3 radius) / 2. */
static int64_t throw_darts(float *mask, const request *q, const ticket *t, int64_t n, double d)
{
    memset(mask, 0, (size_t)(q->ny * q->nx) * sizeof *mask);
    centre_block(mask, q);
    int64_t count = q->centre * q->centre;
    for (int64_t i = 0; i < n; i++) {
        int64_t at = t[i].index;
        if (mask[at] > 0 || crowded(mask, q, at, d * (0.5 + 1.5 * radius(q, at))))
            continue;
        mask[at] = 1;
        count++;
    }
    return count;
}

static sc_status poisson(float *mask, const request *q)
{
    ticket *t = NULL;
    int64_t points = q->ny * q->nx, n = 0, wanted = llround((double)points / q->r);
    if (q->centre > q->nx)
        return sc_fail(SC_ERR_USAGE, "mask: a centre of %lld does not fit into %lld columns",
                       (long long)q->centre, (long long)q->nx);
    sc_status status = SC_ALLOC(&t, points, "darts");
    if (status != SC_OK)
        return status;
    for (int64_t i = 0; i < points; i++)
        if (radius(q, i) <= 1)
            t[n++] = (ticket){sc_random_uniform1(i, q->key, DRAW_MASK, 1), i};
    qsort(t, (size_t)n, sizeof *t, by_order);
    double low = 0, high = 2 * sqrt(q->r) + 2; /* counts fall with the distance */
    for (int i = 0; i < 24; i++) {
        double middle = 0.5 * (low + high);
        if (throw_darts(mask, q, t, n, middle) > wanted)
            low = middle;
        else
            high = middle;
    }
    int64_t count = throw_darts(mask, q, t, n, high);
    for (int64_t i = 0; i < n && count < wanted; i++) /* the few that are missing */
        if (!(mask[t[i].index] > 0)) {
            mask[t[i].index] = 1;
            count++;
        }
    sc_free(t);
    return SC_OK;
}

static const struct {
    const char *name;
    bool whole_steps; /* R must be an integer */
    maker *make;
} kinds[] = {{"lines", true, lines}, {"random", false, random_lines}, {"poisson", false, poisson}};

sc_status sc_sampling_mask(float *mask, int64_t ny, int64_t nx, const char *spec, sc_key key)
{
    request q = {ny, nx, 1, 0, key};
    char name[16] = "", rest[2] = "";
    long long centre = 0;
    memset(mask, 0, (size_t)(ny * nx) * sizeof *mask);
    if (strcmp(spec, "full") == 0)
        return full(mask, &q);
    if (sscanf(spec, "%15[a-z]:%lf:%lld%1s", name, &q.r, &centre, rest) != 3)
        return sc_fail(SC_ERR_USAGE,
                       "mask: expected full, lines:R:C, random:R:C or poisson:R:C, found '%s'",
                       spec);
    q.centre = centre;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(name, kinds[i].name) != 0)
            continue;
        if (!(q.r >= 1) || q.r > (double)ny || (kinds[i].whole_steps && q.r != floor(q.r)))
            return sc_fail(SC_ERR_USAGE, "mask '%s': the acceleration must be %s from 1 to %lld",
                           spec, kinds[i].whole_steps ? "an integer" : "a number", (long long)ny);
        if (q.centre < 0 || q.centre > ny)
            return sc_fail(SC_ERR_USAGE, "mask '%s': the centre must be from 0 to %lld lines", spec,
                           (long long)ny);
        return kinds[i].make(mask, &q);
    }
    return sc_fail(SC_ERR_USAGE, "mask: expected full, lines, random or poisson, found '%s'", name);
}
