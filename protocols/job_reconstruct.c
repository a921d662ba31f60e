/* All planes of a scan, several at a time. On the CPU the unit of parallel work is the plane, on
 * one thread; only a single plane has all threads for its kernels. Bytes do not depend on it. On a
 * GPU planes take turns, and what they ask of the prior is one batch (prior/gather.h); the last
 * bits may depend on the number of planes in it.
 */
#include "base/memory.h"
#include "prior/gather.h"
#include "protocols/job_internal.h"
#include <omp.h>
#include <stdio.h>
#include <string.h>

sc_status sc_job_one(sc_estimate *estimate, const sc_running *run, const sc_method *method,
                     const sc_options *options, const sc_problem *problem, const sc_score *score,
                     int64_t frame, int64_t slice, const sc_progress *progress)
{
    int64_t image = frame * run->calibration.planes.count + slice;
    sc_key key = {run->job->settings.seed, (uint32_t)image, 0};
    return method->run(estimate, problem, score, options, key, progress);
}

/* The classical method where the prior's result failed its test and the user allows it. */
static sc_status fall_back(sc_estimate *estimate, sc_running *run, sc_job_plane *plane,
                           const sc_problem *problem, int64_t frame, int64_t slice,
                           const sc_progress *progress)
{
    sc_estimate_free(estimate);
    sc_log(SC_LOG_WARN, "image %lld: %s; writing %s instead",
           (long long)(frame * run->calibration.planes.count + slice + 1), sc_message(),
           run->classical->name);
    sc_status status = sc_job_one(estimate, run, run->classical, &run->classical_options, problem,
                                  NULL, frame, slice, progress);
    if (status != SC_OK)
        return status;
    plane->fell_back = true;
    return sc_gate_check(&plane->gate, estimate, problem, NULL);
}

/* Where the result is further from its data than the noise allows and the classical result is not,
 * the prior does not fit this scan, and the classical result takes its place. Where both are too
 * far, the maps or the noise are at fault, and the prior's result stays. */
static sc_status prefer_classical(sc_estimate *estimate, sc_running *run, sc_job_plane *plane,
                                  const sc_problem *problem, int64_t frame, int64_t slice,
                                  const sc_progress *progress)
{
    sc_estimate classical = {0};
    sc_gate gate;
    sc_status status = sc_job_one(&classical, run, run->classical, &run->classical_options, problem,
                                  NULL, frame, slice, progress);
    if (status == SC_OK)
        status = sc_gate_check(&gate, &classical, problem, NULL);
    if (status == SC_OK && gate.fit != SC_FIT_TOO_FAR) {
        if (gate.warnings < SC_GATE_WARNINGS)
            snprintf(
                gate.warning[gate.warnings++], sizeof gate.warning[0],
                "the prior does not fit this scan: residual %.2f, expected 1 +- %.3f (%.0f degrees "
                "of freedom), %s leaves %.2f and is written instead",
                plane->gate.residual, gate.deviation, gate.degrees, run->classical->name,
                gate.residual);
        sc_estimate_free(estimate);
        *estimate = classical;
        plane->gate = gate;
        plane->fell_back = true;
        return SC_OK;
    }
    sc_estimate_free(&classical);
    return status == SC_ERR_NUMERIC ? SC_OK : status;
}

sc_status sc_job_settle(sc_running *run, int64_t index, sc_estimate *estimate, sc_status status,
                        const sc_problem *problem, const sc_score *score,
                        const sc_progress *progress)
{
    int64_t frame = index / run->calibration.planes.count;
    int64_t slice = index % run->calibration.planes.count;
    sc_job_plane *plane = &run->plane[index];
    if (status == SC_OK)
        status = sc_gate_check(&plane->gate, estimate, problem, score);
    if (status == SC_ERR_NUMERIC && run->job->settings.fallback && score)
        status = fall_back(estimate, run, plane, problem, frame, slice, progress);
    if (status == SC_OK && plane->gate.fit == SC_FIT_TOO_FAR && run->job->settings.fallback &&
        score)
        status = prefer_classical(estimate, run, plane, problem, frame, slice, progress);
    if (status == SC_ERR_NUMERIC && run->job->force && plane->gate.residual > 0)
        status = SC_OK; /* there is an image; sc_job_run says that it failed */
    SC_TRY(status);
    sc_array view = sc_series_frame(&run->series, &run->series.image, frame, -1);
    SC_TRY(sc_finish_image(&view, estimate, problem, &run->calibration, slice, -1));
    SC_TRY(sc_job_place_maps(run, index, estimate, problem, score, progress));
    plane->evaluations = estimate->score_evaluations;
    plane->applications = estimate->operator_applications;
cleanup:
    return status;
}

static sc_status reconstruct_plane(sc_running *run, int64_t index, const sc_device *device,
                                   const sc_score *score, const sc_progress *progress)
{
    sc_status status = SC_OK;
    int64_t frame = index / run->calibration.planes.count;
    int64_t slice = index % run->calibration.planes.count;
    sc_job_plane *plane = &run->plane[index];
    sc_problem problem = {0};
    sc_estimate estimate = {0};
    SC_TRY(
        sc_prepare(&problem, &plane->prepare, &run->scan, &run->calibration, frame, slice, device));
    status = sc_job_one(&estimate, run, run->method, &run->options, &problem, score, frame, slice,
                        progress);
    SC_TRY(sc_job_settle(run, index, &estimate, status, &problem, score, progress));
cleanup:
    if (run->planes > 1)
        sc_context(status, "image %lld", (long long)index + 1);
    sc_context(status, "%s", run->scan.source);
    sc_estimate_free(&estimate);
    sc_problem_free(&problem);
    return status;
}

/* Progress of one plane as part of all: the outer loop reports, an inner one only asks whether to
 * stop, except for a single plane. */
static bool cancelled(void *self)
{
    const sc_progress *outer = self;
    return outer->cancelled && outer->cancelled(outer->self);
}

/* One worker's share: planes are taken in order. The first failure stops all; its message is kept,
 * as messages are per thread. */
typedef struct {
    int64_t next, done;
    sc_status status;
    char message[1024];
} queue;

static int64_t take(queue *q, int64_t planes)
{
    int64_t index;
#pragma omp critical(sc_job_queue)
    index = q->status == SC_OK && q->next < planes ? q->next++ : -1;
    return index;
}

static void finished(queue *q, sc_status status, int64_t planes, const sc_progress *progress)
{
#pragma omp critical(sc_job_queue)
    {
        q->done++;
        if (status == SC_OK)
            status = sc_progress_step(progress, "reconstruction", (double)q->done, (double)planes);
        if (status != SC_OK && q->status == SC_OK) {
            q->status = status;
            snprintf(q->message, sizeof q->message, "%s", sc_message());
        }
    }
}

static void work(sc_running *run, queue *q, int threads, const sc_progress *inner)
{
    sc_device *device = NULL;
    sc_status status = run->job->cuda ? SC_OK : sc_device_create_cpu(&device, threads);
    if (status != SC_OK) {
        finished(q, status, run->planes, NULL);
        return;
    }
    for (int64_t index; (index = take(q, run->planes)) >= 0;)
        finished(q, reconstruct_plane(run, index, device ? device : run->device, run->score, inner),
                 run->planes, run->job->progress);
    sc_device_free(device);
}

static void reconstruct_apart(sc_running *run, queue *q, const sc_progress *inner)
{
    int workers = run->planes < run->threads ? (int)run->planes : run->threads;
    if (run->job->cuda)
        workers = 1;
    int threads = workers > 1 ? 1 : run->threads;
#pragma omp parallel num_threads(workers)
    work(run, q, threads, inner);
}

/* ---- planes that take turns ---- */

typedef struct {
    sc_running *run;
    queue *q;
    const sc_progress *inner;
    int count; /* of the members */
} turns;

/* Planes are dealt out beforehand, so that batches are the same in every run. */
static void work_in_turns(void *self, int member, const sc_score *score)
{
    const turns *t = self;
    sc_running *run = t->run;
    for (int64_t i = member; i < run->planes && t->q->status == SC_OK; i += t->count)
        finished(t->q, reconstruct_plane(run, i, run->device, score, t->inner), run->planes,
                 run->job->progress);
}

int sc_job_together(const sc_running *run)
{
    if (!run->method->needs_score)
        return 1;
    return run->planes < run->together ? (int)run->planes : run->together;
}

/* False: there was no memory for so many at once, and none is done. */
static bool reconstruct_together(sc_running *run, queue *q, const sc_progress *inner)
{
    int count = sc_job_together(run);
    turns all = {run, q, inner, count};
    if (count < 2)
        return false;
    if (sc_gather_run(run->score, count, work_in_turns, &all) == SC_OK &&
        q->status != SC_ERR_MEMORY)
        return true;
    sc_log(SC_LOG_INFO, "no memory for %d images at once: one at a time", count);
    *q = (queue){0};
    return false;
}

sc_status sc_job_reconstruct(sc_running *run)
{
    queue q = {0};
    sc_progress quiet = {(void *)run->job->progress, NULL, cancelled};
    const sc_progress *inner = !run->job->progress ? NULL
                               : run->planes == 1  ? run->job->progress
                                                   : &quiet;
    sc_array volume;
    sc_status status = sc_finish_volume(&volume, SC_F32, &run->scan, &run->calibration);
    if (status != SC_OK)
        return status;
    status = sc_series_create(&run->series, run->scan.frames, volume.dim[0], volume.dim[1],
                              volume.dim[2], run->samples > 1 ? run->samples : 0,
                              run->job->settings.residual_map, run->score != NULL);
    sc_array_free(&volume);
    if (status != SC_OK)
        return status;
    run->series.geometry = &run->geometry;
    run->series.header = &run->scan.header;
    if (sc_job_is_stack(run))
        return sc_job_reconstruct_stacks(run);
    if (!reconstruct_together(run, &q, inner))
        reconstruct_apart(run, &q, inner);
    return q.status == SC_OK ? SC_OK : sc_fail(q.status, "%s", q.message);
}
