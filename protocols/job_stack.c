/* The planes of a frame as one stack, for methods with total variation through the slices (recon/
 * through_slice.h): geometry is checked and memory is known before anything large is made.
 */
#include "base/memory.h"
#include "protocols/job_internal.h"
#include "recon/stack.h"
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EQUAL_DISTANCE                                                                             \
    0.02                 /* of the mean distance: scanners give positions to a hundredth of a mm */
#define SHEAR_PIXELS 0.5 /* a slice shifted against its neighbour by more is not below it */

static double weight(const sc_running *run)
{
    for (const sc_option *o = run->method->options; o && o->name; o++)
        if (!strcmp(o->name, "through-slice"))
            return sc_options_get(&run->options, o->name);
    return 0;
}

bool sc_job_is_stack(const sc_running *run)
{
    if (weight(run) == 0)
        return false;
    if (run->calibration.planes.count > 1)
        return true;
    sc_log(SC_LOG_WARN, "%s: one slice has no neighbours: option through-slice has no effect",
           run->scan.source);
    return false;
}

double sc_job_stack_bytes(const sc_running *run, const sc_problem *plane)
{
    int64_t slices = run->calibration.planes.count;
    if (weight(run) == 0 || slices < 2)
        return 0;
    int samples = run->samples > 1 ? run->samples : 1;
    int batch = (int)fmax(1, sc_options_get(&run->options, "batch"));
    return sc_stack_bytes(slices, plane->sets, plane->coils, plane->ny, plane->nx, samples,
                          batch < samples ? batch : samples, run->threads);
}

/* ---- geometry ---- */

typedef struct {
    int64_t index;
    double position[3], height; /* mm; along the normal */
} placed;

static int by_height(const void *a, const void *b)
{
    double x = ((const placed *)a)->height, y = ((const placed *)b)->height;
    return (x > y) - (x < y);
}

static double length(const double v[3]) { return sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]); }

static void column(double v[3], const sc_geometry *g, int axis)
{
    for (int i = 0; i < 3; i++)
        v[i] = g->affine[i][axis];
}

static void place_slices(placed *slice, const sc_geometry *g, int64_t count)
{
    double row[3], down[3], normal[3];
    column(row, g, 0), column(down, g, 1);
    for (int i = 0; i < 3; i++)
        normal[i] = (row[(i + 1) % 3] * down[(i + 2) % 3] - row[(i + 2) % 3] * down[(i + 1) % 3]) /
                    (length(row) * length(down));
    for (int64_t k = 0; k < count; k++) {
        slice[k].index = k;
        slice[k].height = 0;
        for (int i = 0; i < 3; i++) {
            slice[k].position[i] = g->slice_position
                                       ? g->slice_position[3 * k + i]
                                       : g->affine[i][3] + (double)k * g->affine[i][2];
            slice[k].height += normal[i] * slice[k].position[i];
        }
    }
}

/* Sorted slices have equal distances and lie one above the other. */
static sc_status check_stack(double *distance, const placed *slice, int64_t count, double pixel_mm)
{
    *distance = (slice[count - 1].height - slice[0].height) / (double)(count - 1);
    for (int64_t k = 0; k + 1 < count; k++) {
        double step[3], up = slice[k + 1].height - slice[k].height;
        for (int i = 0; i < 3; i++)
            step[i] = slice[k + 1].position[i] - slice[k].position[i];
        double across = sqrt(fmax(pow(length(step), 2) - up * up, 0));
        if (!(fabs(up - *distance) <= EQUAL_DISTANCE * *distance) || !(*distance > 0))
            return sc_fail(SC_ERR_INPUT,
                           "option through-slice: expected slices at equal distances, found slices "
                           "%lld and %lld %.2f mm apart, on average %.2f mm",
                           (long long)slice[k].index + 1, (long long)slice[k + 1].index + 1, up,
                           *distance);
        if (across > SHEAR_PIXELS * pixel_mm)
            return sc_fail(SC_ERR_INPUT,
                           "option through-slice: expected slices above each other, found slices "
                           "%lld and %lld shifted by %.2f mm in their plane",
                           (long long)slice[k].index + 1, (long long)slice[k + 1].index + 1,
                           across);
    }
    return SC_OK;
}

/* Of a multi-slice scan: the order in which slices lie, and a pixel over their distance. */
static sc_status look_at_slices(int64_t *order, double *slope, const sc_running *run)
{
    sc_status status = SC_OK;
    const sc_geometry *g = &run->geometry;
    int64_t count = run->calibration.planes.count;
    placed *slice = NULL;
    double row[3], down[3], distance;
    if (!g->known)
        return sc_fail(SC_ERR_INPUT, "option through-slice: the scan does not say where its slices "
                                     "lie: give --geometry FILE");
    SC_TRY(SC_ALLOC(&slice, count, "slices"));
    column(row, g, 0), column(down, g, 1);
    double pixel_mm = sqrt(length(row) * length(down));
    place_slices(slice, g, count);
    qsort(slice, (size_t)count, sizeof *slice, by_height);
    SC_TRY(check_stack(&distance, slice, count, pixel_mm));
    for (int64_t k = 0; k < count; k++)
        order[k] = slice[k].index;
    if (order[0] ==
        count - 1) /* descending: the same stack, and images keep their random numbers */
        for (int64_t k = 0; k < count; k++)
            order[k] = slice[count - 1 - k].index;
    *slope = pixel_mm / distance;
cleanup:
    sc_free(slice);
    return status;
}

/* Of a 3D scan: planes are in order; without geometry voxels are taken to be cubes. */
static void look_at_planes(int64_t *order, double *slope, const sc_running *run)
{
    const sc_geometry *g = &run->geometry;
    double side[3], v[3];
    int through = run->calibration.planes.kind == SC_PLANES_X ? 0 : 2;
    for (int64_t k = 0; k < run->calibration.planes.count; k++)
        order[k] = k;
    *slope = 1;
    if (!g->known)
        return;
    for (int axis = 0; axis < 3; axis++) {
        column(v, g, axis);
        side[axis] = length(v);
    }
    double distance = side[through];
    if (distance > 0)
        *slope = sqrt(side[0] * side[1] * side[2] / distance) / distance;
}

/* ---- one frame ---- */

/* Statuses of a parallel loop: the first failure and its message, which are per thread. */
typedef struct {
    sc_status status;
    char message[1024];
} failure;

static void note(failure *f, sc_status status)
{
    if (status == SC_OK)
        return;
#pragma omp critical(sc_job_stack)
    if (f->status == SC_OK) {
        f->status = status;
        snprintf(f->message, sizeof f->message, "%s", sc_message());
    }
}

typedef struct {
    sc_running *run;
    const sc_device *device; /* of the slices */
    const int64_t *order;
    int64_t frame;
    int slices;
    double slope;
} frame_of;

static sc_status prepare_one(sc_problem *slice, const frame_of *f, int k,
                             const sc_calibration *calibration)
{
    int64_t index = f->frame * f->slices + f->order[k];
    sc_status status = sc_prepare(slice, &f->run->plane[index].prepare, &f->run->scan, calibration,
                                  f->frame, f->order[k], f->device);
    return sc_context(status, "image %lld", (long long)index + 1);
}

/* Before the other slices are prepared: how much memory all of them will take. */
static sc_status check_memory(const frame_of *f, const sc_problem *first)
{
    const sc_running *run = f->run;
    double bytes = sc_job_stack_bytes(run, first);
    double most = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    sc_log(SC_LOG_INFO, "%d slices together take about %.0f MiB, besides the prior", f->slices,
           bytes / 1048576);
    if (run->job->cuda || bytes < most)
        return SC_OK;
    return sc_fail(
        SC_ERR_MEMORY,
        "option through-slice: %d slices together take about %.0f MiB, found %.0f MiB of "
        "memory",
        f->slices, bytes / 1048576, most / 1048576);
}

/* All slices that have not as many sets; 0: that are not prepared. */
static sc_status prepare_others(sc_problem *slice, const frame_of *f, int sets,
                                const sc_calibration *calibration)
{
    failure bad = {SC_OK, ""};
    int threads = f->run->job->cuda ? 1 : f->run->threads;
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (int k = 0; k < f->slices; k++)
        if (sets ? slice[k].sets != sets : !slice[k].A) {
            sc_problem_free(&slice[k]);
            note(&bad, prepare_one(&slice[k], f, k, calibration));
        }
    return bad.status == SC_OK ? SC_OK : sc_fail(bad.status, "%s", bad.message);
}

static bool equal_sets(const sc_problem *slice, int slices)
{
    for (int k = 1; k < slices; k++)
        if (slice[k].sets != slice->sets)
            return false;
    return true;
}

/* Where one slice needs two sets of maps all get them, for one domain for all; a slice that is all
 * but empty has one whatever is asked for, and then all have one. */
static sc_status prepare_all(sc_problem *slice, const frame_of *f)
{
    sc_status status = SC_OK;
    sc_calibration calibration = f->run->calibration; /* borrows all it holds */
    static const char *const sets[] = {"2", "1"};
    SC_TRY(prepare_one(&slice[0], f, 0, &calibration));
    SC_TRY(check_memory(f, &slice[0]));
    SC_TRY(prepare_others(slice, f, 0, &calibration));
    for (int i = 0; i < 2 && !equal_sets(slice, f->slices); i++) {
        SC_TRY(sc_options_set(&calibration.options.values, "sets", sets[i]));
        SC_TRY(prepare_others(slice, f, 2 - i, &calibration));
        SC_TRY(check_memory(f, &slice[0]));
        if (i == 1)
            sc_log(SC_LOG_WARN,
                   "%s: one set of coil maps for all slices, for one of them is all but empty",
                   f->run->scan.source);
    }
    assert(equal_sets(slice, f->slices));
cleanup:
    return status;
}

static sc_status settle_all(sc_stack *stack, const frame_of *f, const sc_estimate *whole,
                            sc_status found, const sc_progress *progress)
{
    sc_status status = SC_OK;
    for (int k = 0; k < f->slices && status == SC_OK; k++) {
        int64_t index = f->frame * f->slices + f->order[k];
        sc_estimate part = {0};
        sc_problem *slice;
        status = sc_stack_slice(&slice, stack, k);
        if (status == SC_OK && found == SC_OK)
            status = sc_stack_part(&part, stack, whole, k);
        if (status == SC_OK)
            status = sc_context(
                sc_job_settle(f->run, index, &part, found, slice, f->run->score, progress),
                "image %lld", (long long)index + 1);
        sc_estimate_free(&part);
    }
    return status;
}

static sc_status reconstruct_frame(const frame_of *f, const sc_progress *progress)
{
    sc_status status = SC_OK;
    sc_running *run = f->run;
    sc_problem *slice = NULL;
    sc_stack stack = {0};
    sc_estimate whole = {0};
    SC_TRY(SC_ALLOC(&slice, f->slices, "slices"));
    SC_TRY(prepare_all(slice, f));
    SC_TRY(sc_stack_join(&stack, run->device, slice, f->slices, f->slope,
                         run->job->cuda ? 1 : run->threads));
    sc_status found = sc_job_one(&whole, run, run->method, &run->options, &stack.whole, run->score,
                                 f->frame, 0, progress);
    if (found != SC_OK && found != SC_ERR_NUMERIC)
        SC_TRY(found);
    SC_TRY(settle_all(&stack, f, &whole, found, progress));
cleanup:
    for (int k = 0; slice && k < f->slices; k++)
        sc_problem_free(&slice[k]);
    sc_free(slice);
    sc_estimate_free(&whole);
    sc_stack_free(&stack);
    return status;
}

sc_status sc_job_reconstruct_stacks(sc_running *run)
{
    sc_status status = SC_OK;
    sc_device *one = NULL;
    int64_t *order = NULL, count = run->calibration.planes.count;
    sc_progress_part part = {run->job->progress, 0, (int)run->scan.frames};
    sc_progress progress = sc_progress_of(&part);
    assert(count > 1 && count <= 1 << 20);
    SC_TRY(SC_ALLOC(&order, count, "slices"));
    if (!run->job->cuda) /* slices are shared out to the threads */
        SC_TRY(sc_device_create_cpu(&one, 1));
    frame_of f = {run, one ? one : run->device, order, 0, (int)count, 1};
    if (run->calibration.planes.kind == SC_PLANES_SLICES)
        SC_TRY(look_at_slices(order, &f.slope, run));
    else
        look_at_planes(order, &f.slope, run);
    for (; f.frame < run->scan.frames; f.frame++) {
        part.index = (int)f.frame;
        SC_TRY(reconstruct_frame(&f, &progress));
    }
cleanup:
    sc_context(status, "%s", run->scan.source);
    sc_device_free(one);
    sc_free(order);
    return status;
}
