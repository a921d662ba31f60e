/* The residual as a map (residual_map.h). */
#include "recon/residual_map.h"
#include "base/memory.h"
#include "recon/window.h"
#include <assert.h>
#include <complex.h>
#include <math.h>

enum { PROBES = 16 };

typedef struct {
    const sc_problem *problem;
    int64_t n, m, pixels; /* floats of image and data; pixels of a set */
    float *image, *data;  /* (n), (m) device */
    void *work;
    sc_c32 *host;     /* (set, pixels) */
    double *expected; /* (pixels) v: |b|^2 of noise */
    double *square;   /* (pixels) |b|^2 */
} scratch;

static void drop(scratch *s)
{
    const sc_device *device = s->problem->device;
    sc_device_release(device, s->image);
    sc_device_release(device, s->data);
    if (s->work)
        sc_device_release(device, s->work);
    sc_free(s->host);
    sc_free(s->expected);
    sc_free(s->square);
}

static sc_status begin(scratch *s, const sc_problem *problem)
{
    sc_status status = SC_OK;
    const sc_op *A = problem->A;
    assert(A->domain.dtype == SC_C32);
    *s = (scratch){.problem = problem,
                   .n = sc_shape_floats(&A->domain),
                   .m = sc_shape_floats(&A->range),
                   .pixels = problem->ny * problem->nx};
    SC_TRY(SC_DEVICE_ALLOC(problem->device, &s->image, s->n));
    SC_TRY(SC_DEVICE_ALLOC(problem->device, &s->data, s->m));
    SC_TRY(sc_op_work_create(A, &s->work));
    SC_TRY(SC_ALLOC(&s->host, s->n / 2, "residual map"));
    SC_TRY(SC_ALLOC(&s->expected, s->pixels, "residual map"));
    SC_TRY(SC_ALLOC(&s->square, s->pixels, "residual map"));
cleanup:
    return status;
}

static sc_status send(scratch *s, const sc_c32 *image)
{
    return s->problem->device->kernels->upload(s->problem->device, s->image, image,
                                               (size_t)s->n * sizeof(float));
}

static sc_status fetch(scratch *s)
{
    sc_status status = s->problem->device->kernels->download(s->problem->device, s->host, s->image,
                                                             (size_t)s->n * sizeof(float));
    return status == SC_OK ? s->problem->device->kernels->sync(s->problem->device) : status;
}

/* host = A^H A image, by way of the data, for image is both in and out */
static sc_status normal(scratch *s)
{
    sc_op_forward(s->problem->A, s->data, s->image, s->work);
    sc_op_adjoint(s->problem->A, s->image, s->data, s->work);
    return fetch(s);
}

static double power(sc_c32 v)
{
    const float *part = (const float *)&v;
    return (double)part[0] * part[0] + (double)part[1] * part[1];
}

/* sum_c |S_c(p)|^2 of one set */
static double maps_power(const sc_problem *problem, int set, int64_t p)
{
    int64_t pixels = problem->ny * problem->nx;
    double sum = 0;
    for (int c = 0; c < problem->coils; c++)
        sum += power(problem->maps[(set * problem->coils + c) * pixels + p]);
    return sum;
}

/* Sampled power per pixel from the answer to one bright pixel, then v by the maps. */
static sc_status expect_by_maps(scratch *s)
{
    sc_status status = SC_OK;
    const sc_problem *problem = s->problem;
    int64_t best = 0;
    for (int64_t p = 1; p < s->pixels; p++)
        if (maps_power(problem, 0, p) > maps_power(problem, 0, best))
            best = p;
    double most = maps_power(problem, 0, best);
    for (int64_t i = 0; i < s->n / 2; i++)
        s->host[i] = i == best;
    SC_TRY(send(s, s->host));
    SC_TRY(normal(s));
    double gain = most > 0 ? crealf(s->host[best]) / most : 0;
    for (int64_t p = 0; p < s->pixels; p++)
        for (int set = 0; set < problem->sets; set++)
            s->expected[p] += gain * maps_power(problem, set, p);
cleanup:
    return status;
}

static sc_status expect_by_probes(scratch *s, sc_key key)
{
    sc_status status = SC_OK;
    sc_c32 *probe = NULL;
    float *turn = NULL;
    int64_t n = s->n / 2;
    SC_TRY(SC_ALLOC(&probe, n, "residual map"));
    SC_TRY(SC_ALLOC(&turn, n, "residual map"));
    for (uint32_t k = 0; k < PROBES; k++) {
        sc_random_uniform(turn, n, key, SC_DRAW_PROBE, 1 + k);
        for (int64_t i = 0; i < n; i++)
            probe[i] = cexpf(2 * (float)M_PI * turn[i] * I);
        SC_TRY(send(s, probe));
        SC_TRY(normal(s));
        for (int64_t i = 0; i < n; i++)
            s->expected[i % s->pixels] += crealf(conjf(probe[i]) * s->host[i]) / PROBES;
    }
cleanup:
    sc_free(probe);
    sc_free(turn);
    return status;
}

static sc_status expect(scratch *s, sc_key key)
{
    double sigma = s->problem->sigma;
    sc_status status = s->problem->maps ? expect_by_maps(s) : expect_by_probes(s, key);
    for (int64_t p = 0; p < s->pixels && status == SC_OK; p++)
        s->expected[p] *= 2 * sigma * sigma;
    return status;
}

/* square += |A^H data|^2 / count */
static sc_status carry_back(scratch *s, double count)
{
    sc_op_adjoint(s->problem->A, s->image, s->data, s->work);
    sc_status status = fetch(s);
    for (int64_t i = 0; i < s->n / 2 && status == SC_OK; i++)
        s->square[i % s->pixels] += power(s->host[i]) / count;
    return status;
}

static sc_status ratio(sc_array *map, const scratch *s)
{
    return sc_window_ratio(map, s->square, s->expected, s->problem->support, s->problem->ny,
                           s->problem->nx);
}

/* What noise alone leaves of the map. */
static sc_status null_deviation(double *deviation, scratch *s, sc_key key)
{
    sc_status status = SC_OK;
    const sc_device *device = s->problem->device;
    sc_array map = {0};
    double sum = 0, count = 0;
    for (int64_t p = 0; p < s->pixels; p++)
        s->square[p] = 0;
    device->kernels->normal(device, s->data, s->m, key, SC_DRAW_PROBE, 0);
    device->kernels->axpby(device, s->data, (float)s->problem->sigma, s->data, 0, s->data, s->m);
    SC_TRY(carry_back(s, 1));
    SC_TRY(ratio(&map, s));
    for (int64_t p = 0; p < s->pixels; p++) {
        double e = (double)((float *)map.data)[p] - 1;
        if (isfinite(e))
            sum += e * e, count++;
    }
    *deviation = count > 0 ? sqrt(sum / count) : 0;
cleanup:
    sc_array_free(&map);
    return status;
}

sc_status sc_residual_map(sc_array *chi2, double *deviation, const sc_array *images,
                          const sc_problem *problem, sc_key key)
{
    assert(images->dtype == SC_C32 && images->rank == 4 && images->dim[1] == problem->sets);
    sc_status status = SC_OK;
    const sc_device *device = problem->device;
    scratch s = {0};
    SC_TRY(begin(&s, problem));
    SC_TRY(expect(&s, key));
    for (int64_t i = 0; i < images->dim[0]; i++) {
        SC_TRY(send(&s, (const sc_c32 *)images->data + i * s.n / 2));
        sc_op_forward(problem->A, s.data, s.image, s.work);
        device->kernels->axpby(device, s.data, 1, problem->y, -1, s.data, s.m);
        SC_TRY(carry_back(&s, (double)images->dim[0]));
    }
    SC_TRY(ratio(chi2, &s));
    if (deviation)
        SC_TRY(null_deviation(deviation, &s, key));
cleanup:
    drop(&s);
    if (status != SC_OK)
        sc_array_free(chi2);
    return status;
}
