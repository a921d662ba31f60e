/* Slices joined to one problem, and its estimate taken apart again (stack.h). */
#include "recon/stack.h"
#include "base/memory.h"
#include "recon/uncertainty.h"
#include <assert.h>
#include <math.h>
#include <string.h>

/* The brightest slice's: levels that end at the measured noise end low enough for all. */
static double common_sigma(const sc_problem *slice, int slices)
{
    double least = slice->sigma;
    for (int k = 1; k < slices; k++)
        least = fmin(least, slice[k].sigma);
    return least;
}

/* whole.A: the slices' operators, each in units of the common noise */
static sc_status join_operators(sc_stack *s, int threads)
{
    sc_status status = SC_OK;
    sc_op **part = NULL;
    SC_TRY(SC_ALLOC(&part, s->slices, "slices"));
    for (int k = 0; k < s->slices; k++)
        SC_TRY(sc_op_scaled(&part[k], s->slice[k].A, s->whole.sigma / s->slice[k].sigma));
    status = sc_op_blocks(&s->whole.A, s->whole.device, part, s->slices, threads);
cleanup:
    for (int k = 0; part && k < s->slices; k++)
        sc_op_free(part[k]);
    sc_free(part);
    return status;
}

/* The slices' data move into the whole's. */
static sc_status join_data(sc_stack *s)
{
    sc_status status = SC_OK;
    const sc_device *device = s->whole.device;
    float *y = NULL;
    SC_TRY(SC_DEVICE_ALLOC(device, &y, sc_shape_floats(&s->whole.A->range)));
    s->whole.y = y;
    for (int k = 0; k < s->slices; k++) {
        sc_problem *slice = &s->slice[k];
        int64_t m = sc_shape_floats(&slice->A->range);
        device->kernels->axpby(device, y, (float)(s->whole.sigma / slice->sigma), slice->y, 0,
                               slice->y, m);
        SC_TRY(device->kernels->sync(device));
        sc_device_release(slice->device, slice->y);
        slice->y = NULL;
        s->whole.measured += slice->measured;
        y += m;
    }
cleanup:
    return status;
}

static sc_status join_differences(sc_stack *s, double slope)
{
    sc_status status = SC_OK;
    sc_c32 *weight = NULL;
    float *pair = NULL;
    SC_TRY(sc_stack_weights(&weight, &pair, s->slice, s->slices, slope));
    SC_TRY(sc_op_slice_difference(&s->whole.through, s->whole.device, &s->whole.A->domain, weight,
                                  pair));
cleanup:
    sc_free(weight);
    sc_free(pair);
    return status;
}

sc_status sc_stack_join(sc_stack *stack, const sc_device *device, sc_problem *slice, int slices,
                        double slope, int threads)
{
    sc_status status = SC_OK;
    sc_stack s = {.slices = slices};
    assert(slices >= 2);
    SC_TRY(SC_ALLOC(&s.slice, slices, "slices"));
    for (int k = 0; k < slices; k++) {
        assert(slice[k].ny == slice->ny && slice[k].nx == slice->nx &&
               slice[k].sets == slice->sets);
        s.slice[k] = slice[k];
    }
    memset(slice, 0, (size_t)slices * sizeof *slice);
    s.whole = (sc_problem){.device = device,
                           .sigma = common_sigma(s.slice, slices),
                           .sets = slices * s.slice->sets,
                           .slices = slices,
                           .ny = s.slice->ny,
                           .nx = s.slice->nx,
                           .coils = s.slice->coils,
                           .scale = 1};
    SC_TRY(join_operators(&s, threads));
    SC_TRY(join_differences(&s, slope));
    SC_TRY(join_data(&s));
    *stack = s;
    s = (sc_stack){0};
cleanup:
    for (int k = 0; k < slices; k++)
        sc_problem_free(&slice[k]);
    if (status != SC_OK)
        *stack = (sc_stack){0};
    sc_stack_free(&s);
    return status;
}

void sc_stack_free(sc_stack *stack)
{
    sc_problem_free(&stack->whole);
    for (int k = 0; stack->slice && k < stack->slices; k++)
        sc_problem_free(&stack->slice[k]);
    sc_free(stack->slice);
    *stack = (sc_stack){0};
}

sc_status sc_stack_slice(sc_problem **one, sc_stack *s, int index)
{
    sc_status status = SC_OK;
    *one = NULL;
    const float *y = s->whole.y;
    for (int k = 0; k < s->slices; k++) {
        sc_device_release(s->slice[k].device, s->slice[k].y);
        s->slice[k].y = NULL;
    }
    for (int k = 0; k < index; k++)
        y += sc_shape_floats(&s->slice[k].A->range);
    sc_problem *slice = &s->slice[index];
    int64_t m = sc_shape_floats(&slice->A->range);
    float *mine = NULL;
    SC_TRY(SC_DEVICE_ALLOC(slice->device, &mine, m));
    slice->y = mine;
    slice->device->kernels->axpby(slice->device, mine, (float)(slice->sigma / s->whole.sigma), y, 0,
                                  y, m);
    SC_TRY(slice->device->kernels->sync(slice->device));
    *one = slice;
cleanup:
    return status;
}

/* Images (count, slices, sets, y, x) -> (count, sets, y, x) of one slice, 0 outside its support */
static void cut(sc_c32 *out, const sc_c32 *in, int64_t count, const sc_stack *s, int index)
{
    const sc_problem *slice = &s->slice[index];
    int64_t n = slice->ny * slice->nx, images = slice->sets * n;
    for (int64_t i = 0; i < count; i++)
        for (int64_t e = 0; e < images; e++) {
            bool inside = !slice->support || slice->support[e % n] > 0;
            out[i * images + e] = inside ? in[(i * s->slices + index) * images + e] : 0;
        }
}

sc_status sc_stack_part(sc_estimate *part, const sc_stack *stack, const sc_estimate *whole,
                        int index)
{
    sc_status status = SC_OK;
    const sc_problem *slice = &stack->slice[index];
    int64_t wanted = whole->samples.data ? whole->samples.dim[0] : 0;
    const int64_t dim[4] = {wanted, slice->sets, slice->ny, slice->nx};
    if (wanted > 0) {
        SC_TRY(sc_array_create(&part->samples, SC_C32, 4, dim));
        cut(part->samples.data, whole->samples.data, wanted, stack, index);
        SC_TRY(sc_uncertainty_moments(&part->mean, &part->std, &part->samples));
    } else {
        SC_TRY(sc_array_create(&part->mean, SC_C32, 3, dim + 1));
        cut(part->mean.data, whole->mean.data, 1, stack, index);
    }
    part->score_evaluations = whole->score_evaluations;
    part->operator_applications = whole->operator_applications;
    part->residual = whole->residual;
cleanup:
    if (status != SC_OK)
        sc_estimate_free(part);
    return status;
}

/* Images: the sampler's initial, x, d, z, two for the score; A^H y, rhs, image and r, p, q of the
 * Gaussian step; the mean and the samples. The coupled step: six, v, u, D_z x, the weights of D_z
 * and half an image of pairs. Data: y and the Gaussian step's. Each slice: maps on host and device,
 * each thread a SENSE workspace of an image of each coil. */
double sc_stack_bytes(int64_t slices, int sets, int coils, int64_t ny, int64_t nx, int samples,
                      int batch, int threads)
{
    double pixel = sizeof(sc_c32), slice = pixel * (double)(ny * nx), image = slice * sets;
    double images = 1 + 5.0 * batch + 6 + 1 + samples + 6;
    double differences = 2.0 * batch + 1 + 1.5;
    double data = 2.0 * coils, maps = 2.0 * sets * coils;
    return (double)slices * (image * images + slice * (differences + data + maps)) +
           threads * slice * coils * 2;
}
