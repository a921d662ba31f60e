/* What would go wrong with a scan: every step that can fail on the data, without the method. */
#include "base/memory.h"
#include "protocols/job_internal.h"
#include <stdio.h>
#include <stdlib.h>

static sc_status prepare_all(const sc_running *run, sc_prepare_facts *first)
{
    sc_status status = SC_OK;
    const int64_t count = run->calibration.planes.count;
    for (int64_t i = 0; i < run->planes && status == SC_OK; i++) {
        sc_problem problem;
        sc_prepare_facts facts;
        status = sc_prepare(&problem, &facts, &run->scan, &run->calibration, i / count, i % count,
                            run->device);
        if (status == SC_OK)
            sc_problem_free(&problem);
        else
            sc_context(status, "%s: image %lld", run->scan.source, (long long)i + 1);
        if (i == 0)
            *first = facts;
        if (status == SC_OK)
            status = sc_progress_step(run->job->progress, "checking", (double)i + 1,
                                      (double)run->planes);
    }
    return status;
}

static void write_facts(FILE *out, const sc_running *run, const sc_prepare_facts *facts)
{
    char noise[256];
    sc_noise_describe(&run->calibration.noise, noise, sizeof noise);
    fprintf(out, "%s: %s\n", run->scan.source, run->doubt[0] ? "doubtful" : "good");
    fprintf(out, "  images        %lld of %lld x %lld, %lld coils\n", (long long)run->planes,
            (long long)run->calibration.planes.ny, (long long)run->calibration.planes.nx,
            (long long)run->scan.coils);
    fprintf(out, "  acceleration  %.2f\n", facts->acceleration);
    fprintf(out, "  coil maps     %d set%s, calibration block %lld x %lld\n", facts->sets,
            facts->sets == 1 ? "" : "s", (long long)facts->block.ny, (long long)facts->block.nx);
    fprintf(out, "  noise         %s\n", noise);
    fprintf(out, "  geometry      %s\n",
            run->geometry.known ? "known" : "unknown: no DICOM without --geometry");
    if (run->doubt[0])
        fprintf(out, "  doubt         %s\n", run->doubt);
}

sc_status sc_job_check(const sc_job *job, char **text, bool *doubtful)
{
    sc_status status = SC_OK;
    sc_running run = {0};
    sc_prepare_facts facts = {0};
    char *all = NULL;
    size_t size;
    *text = NULL;
    *doubtful = false;
    SC_TRY(sc_job_begin(&run, job));
    SC_TRY(sc_job_load(&run));
    SC_TRY(prepare_all(&run, &facts));
    FILE *out = open_memstream(&all, &size);
    if (!out)
        SC_TRY(sc_fail(SC_ERR_MEMORY, "no memory for the report"));
    write_facts(out, &run, &facts);
    fclose(out);
    SC_TRY(sc_string_copy(text, all));
    *doubtful = run.doubt[0] != 0;
cleanup:
    free(all);
    sc_job_unload(&run);
    return status;
}
