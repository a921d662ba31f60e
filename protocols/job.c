#include "protocols/job.h"
#include "base/memory.h"
#include "protocols/job_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

sc_job sc_job_default(void)
{
    return (sc_job){.read = sc_scan_options_default(), .version = "unknown"};
}

double sc_job_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static sc_status summarise(sc_job_report *report, const sc_running *run, double seconds)
{
    double *residual;
    sc_status status = SC_ALLOC(&residual, run->planes, "residuals");
    if (status != SC_OK)
        return status;
    *report = (sc_job_report){.method = run->method->name,
                              .claim = run->method->claim,
                              .images = run->series.frames * run->series.slices,
                              .ny = run->series.ny,
                              .nx = run->series.nx,
                              .seconds = seconds};
    for (int64_t i = 0; i < run->planes; i++) {
        const sc_job_plane *p = &run->plane[i];
        residual[i] = p->gate.residual;
        report->warnings += p->gate.warnings;
        report->fell_back = report->fell_back || p->fell_back;
        report->score_evaluations += (double)p->evaluations;
    }
    snprintf(report->budget, sizeof report->budget, "%s", run->budget);
    qsort(residual, (size_t)run->planes, sizeof *residual, ascending);
    report->residual = residual[run->planes / 2];
    sc_free(residual);
    return SC_OK;
}

/* What was written by force still fails. */
static sc_status verdict(const sc_running *run)
{
    for (int64_t i = 0; i < run->planes; i++)
        if (run->plane[i].gate.fit == SC_FIT_IMPLAUSIBLE)
            return sc_fail(SC_ERR_NUMERIC, "%s: image %lld is written by force: %s",
                           run->scan.source, (long long)i + 1, run->plane[i].gate.warning[0]);
    return SC_OK;
}

/* Before the time is spent. */
static void warn_of_scan(const sc_running *run)
{
    char samples[256];
    sc_job_doubt_samples(samples, sizeof samples, run);
    if (samples[0])
        sc_log(SC_LOG_WARN, "%s", samples);
    if (run->doubt[0])
        sc_log(SC_LOG_WARN, "%s: %s", run->scan.source, run->doubt);
    if (run->noise_doubt[0])
        sc_log(SC_LOG_WARN, "%s: %s", run->scan.source, run->noise_doubt);
}

bool sc_job_fully_sampled(const sc_running *run)
{
    for (int64_t i = 0; i < run->planes; i++)
        if (run->plane[i].prepare.acceleration > 1)
            return false;
    return true;
}

static void warn(const sc_running *run)
{
    if (sc_job_fully_sampled(run))
        sc_log(SC_LOG_INFO, "%s: nothing was undersampled, all of k-space is measured",
               run->scan.source);
    for (int64_t i = 0; i < run->planes; i++)
        for (int w = 0; w < run->plane[i].gate.warnings; w++)
            if (run->planes == 1)
                sc_log(SC_LOG_WARN, "%s: %s", run->scan.source, run->plane[i].gate.warning[w]);
            else
                sc_log(SC_LOG_WARN, "%s: image %lld: %s", run->scan.source, (long long)i + 1,
                       run->plane[i].gate.warning[w]);
}

sc_status sc_job_check_options(const sc_job *job)
{
    sc_running run;
    return sc_job_begin(&run, job);
}

sc_status sc_job_run(const sc_job *job, sc_job_report *report)
{
    sc_status status = SC_OK;
    double start = sc_job_clock();
    sc_running run = {0};
    sc_outdir *outdir = NULL;
    sc_record *record = NULL;
    SC_TRY(sc_job_begin(&run, job));
    SC_TRY(sc_outdir_create(&outdir, job->output)); /* an unusable folder is said at once */
    SC_TRY(sc_job_load(&run));
    warn_of_scan(&run);
    SC_TRY(sc_job_budget(&run));
    SC_TRY(sc_job_reconstruct(&run));
    warn(&run);
    SC_TRY(sc_job_record(&record, &run, sc_job_clock() - start));
    SC_TRY(sc_job_write(&run, record, outdir));
    SC_TRY(summarise(report, &run, sc_job_clock() - start));
    if (job->progress && job->progress->cancelled && job->progress->cancelled(job->progress->self))
        SC_TRY(sc_fail(SC_ERR_CANCELLED, "stopped before the result was written"));
    status = sc_outdir_commit(outdir);
    outdir = NULL;
    SC_TRY(status);
    status = verdict(&run);
cleanup:
    sc_outdir_discard(outdir);
    sc_record_free(record);
    sc_job_unload(&run);
    return status;
}
