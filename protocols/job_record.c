/* The record of a run, and the output files that quote it. */
#include "base/memory.h"
#include "protocols/job_internal.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static sc_status record_options(sc_record *record, const sc_options *options)
{
    sc_status status = SC_OK;
    for (int i = 0; options->table && options->table[i].name && status == SC_OK; i++) {
        char key[96], text[64];
        snprintf(key, sizeof key, "method.options.%s", options->table[i].name);
        sc_option_print(text, sizeof text, &options->table[i], options->value[i]);
        status = sc_record_set_text(record, key, text);
    }
    return status;
}

/* The command without folders: nothing identifying, and the same wherever the files lie. */
static sc_status record_command(sc_record *record, const char *const *argv)
{
    sc_status status = SC_OK;
    for (int i = 0; argv && argv[i] && status == SC_OK; i++) {
        /* --mask=/folder/file becomes --mask=file */
        char text[512];
        const char *slash = strrchr(argv[i], '/'), *equals = strchr(argv[i], '=');
        int kept = argv[i][0] != '-' ? 0 : equals ? (int)(equals + 1 - argv[i]) : 2;
        if (slash)
            snprintf(text, sizeof text, "%.*s%s", kept, argv[i], slash + 1);
        status = sc_record_add_text(record, "command", slash ? text : argv[i]);
    }
    return status;
}

static sc_status record_inputs(sc_record *record, const sc_running *run)
{
    sc_status status = SC_OK;
    const sc_job *job = run->job;
    const char *const inputs[] = {job->scan, job->read.mask, job->maps, job->settings.geometry,
                                  job->protocol};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs && status == SC_OK; i++)
        if (inputs[i])
            status = sc_record_add_input(record, inputs[i]);
    return status;
}

static sc_status record_noise(sc_record *record, const sc_running *run)
{
    sc_status status = SC_OK;
    char text[256];
    const sc_noise *noise = &run->calibration.noise;
    sc_noise_describe(noise, text, sizeof text);
    SC_TRY(sc_record_set_text(record, "data.noise.source", text));
    SC_TRY(sc_record_set_number(record, "data.noise.sigma", sc_noise_sigma(noise)));
    SC_TRY(sc_record_set_number(record, "data.noise.relative_error", noise->relative_error));
cleanup:
    return status;
}

static sc_status record_data(sc_record *record, const sc_running *run)
{
    sc_status status = SC_OK;
    const sc_scan *scan = &run->scan;
    const sc_job_plane *first = &run->plane[0];
    SC_TRY(sc_record_set_text(record, "data.format", scan->format));
    SC_TRY(sc_record_set_integer(record, "data.frames", scan->frames));
    SC_TRY(sc_record_set_integer(record, "data.slices", scan->slices));
    if (run->job->read.slice >= 0)
        SC_TRY(sc_record_set_integer(record, "data.only_slice", run->job->read.slice));
    SC_TRY(sc_record_set_integer(record, "data.coils", scan->coils));
    SC_TRY(sc_record_set_number(record, "data.acceleration", first->prepare.acceleration));
    if (sc_job_fully_sampled(run))
        SC_TRY(sc_record_set_text(record, "data.sampling", "full: nothing was undersampled"));
    SC_TRY(sc_record_set_integer(record, "data.calibration.ny", first->prepare.block.ny));
    SC_TRY(sc_record_set_integer(record, "data.calibration.nx", first->prepare.block.nx));
    SC_TRY(sc_record_set_integer(record, "data.map_sets", first->prepare.sets));
    SC_TRY(record_noise(record, run));
    if (run->doubt[0])
        SC_TRY(sc_record_add_text(record, "warning", run->doubt));
    if (run->noise_doubt[0])
        SC_TRY(sc_record_add_text(record, "warning", run->noise_doubt));
    if (run->geometry.known)
        SC_TRY(sc_record_set_geometry(record, "geometry", &run->geometry));
cleanup:
    return status;
}

static const char *const fit_names[] = {[SC_FIT_GOOD] = "good",
                                        [SC_FIT_TOO_CLOSE] = "too close",
                                        [SC_FIT_TOO_FAR] = "too far",
                                        [SC_FIT_IMPLAUSIBLE] = "implausible"};

/* The worst fit decides what is said of the whole; each plane's residual is listed. */
static sc_status record_planes(sc_record *record, const sc_running *run)
{
    sc_status status = SC_OK;
    sc_fit worst = SC_FIT_GOOD;
    double evaluations = 0, applications = 0;
    bool fell_back = false;
    for (int64_t i = 0; i < run->planes; i++) {
        const sc_job_plane *p = &run->plane[i];
        SC_TRY(sc_record_add_number(record, "residual.value", p->gate.residual));
        SC_TRY(sc_record_add_number(record, "residual.degrees_of_freedom", p->gate.degrees));
        SC_TRY(sc_record_add_number(record, "residual.deviation_of_noise", p->gate.deviation));
        SC_TRY(sc_record_add_number(record, "residual.low", p->gate.low));
        SC_TRY(sc_record_add_number(record, "residual.high", p->gate.high));
        SC_TRY(sc_record_add_number(record, "data.scale", p->prepare.scale));
        worst = p->gate.fit > worst ? p->gate.fit : worst;
        evaluations += (double)p->evaluations;
        applications += (double)p->applications;
        fell_back = fell_back || p->fell_back;
        for (int w = 0; w < p->gate.warnings; w++) {
            char text[256];
            snprintf(text, sizeof text, "image %lld: %s", (long long)i + 1, p->gate.warning[w]);
            SC_TRY(sc_record_add_text(record, "warning", text));
        }
    }
    SC_TRY(sc_record_set_text(record, "residual.fit", fit_names[worst]));
    SC_TRY(sc_record_set_text(
        record, "residual.meaning",
        "squared distance to the data over its expectation from the measured noise: chi-square of so "
        "many degrees of freedom over their number, for the truth"));
    SC_TRY(sc_record_set_bool(record, "method.fell_back", fell_back));
    SC_TRY(sc_record_set_number(record, "cost.score_evaluations", evaluations));
    SC_TRY(sc_record_set_number(record, "cost.operator_applications", applications));
cleanup:
    return status;
}

static sc_status record_cost(sc_record *record, const sc_running *run, double seconds)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    sc_status status = sc_record_set_number(record, "cost.measured.seconds", seconds);
    if (status == SC_OK && run->budget[0])
        status = sc_record_set_text(record, "cost.measured.time_budget", run->budget);
    if (status == SC_OK)
        status = sc_record_set_number(record, "cost.measured.peak_memory_bytes",
                                      1024.0 * (double)usage.ru_maxrss);
    return status;
}

static sc_status record_method(sc_record *record, const sc_running *run)
{
    sc_status status = SC_OK;
    SC_TRY(sc_record_set_text(record, "method.name", run->method->name));
    SC_TRY(sc_record_set_text(record, "method.claim", run->method->claim));
    SC_TRY(sc_record_set_text(record, "method.source", run->method->source));
    SC_TRY(record_options(record, &run->options));
    SC_TRY(sc_record_set_integer(record, "seed", (int64_t)run->job->settings.seed));
    if (run->score) {
        SC_TRY(sc_record_set_text(record, "prior.sha256", run->score->hash));
        SC_TRY(sc_record_set_text(record, "prior.anatomy", run->score->anatomy));
        SC_TRY(sc_record_set_text(record, "prior.licence", run->score->licence));
        SC_TRY(sc_record_set_integer(record, "prior.channels", run->one_channel ? 1 : 2));
    }
    if (run->one_channel)
        SC_TRY(sc_record_add_text(record, "warning", SC_JOB_ONE_CHANNEL));
    if (run->job->settings.name)
        SC_TRY(sc_record_set_text(record, "protocol.name", run->job->settings.name));
cleanup:
    return status;
}

sc_status sc_job_record(sc_record **record, const sc_running *run, double seconds)
{
    sc_status status = SC_OK;
    SC_TRY(sc_record_create(record, "scorecon", run->job->version));
    SC_TRY(record_command(*record, run->job->command));
    SC_TRY(record_inputs(*record, run));
    SC_TRY(record_data(*record, run));
    SC_TRY(record_method(*record, run));
    SC_TRY(record_planes(*record, run));
    SC_TRY(sc_job_record_maps(*record, run));
    SC_TRY(record_cost(*record, run, seconds));
cleanup:
    return status;
}

/* What DICOM says of the image's making: how much was measured, by what the rest was filled in. */
static void derivation(char *text, size_t size, const sc_running *run)
{
    char sampling[48] = "fully sampled";
    if (!sc_job_fully_sampled(run))
        snprintf(sampling, sizeof sampling, "%.3g-fold undersampled",
                 run->plane[0].prepare.acceleration);
    snprintf(text, size, "%s from %s k-space, %lld coils%s%s; seed %llu",
             run->method->name, sampling, (long long)run->scan.coils,
             run->samples ? ", mean of " : "", run->samples ? run->method->claim : "",
             (unsigned long long)run->job->settings.seed);
}

static void comment(char *text, size_t size, const sc_running *run)
{
    text[0] = 0;
    for (int64_t i = 0; i < run->planes && !text[0]; i++)
        if (run->plane[i].fell_back)
            snprintf(text, size, "The prior's result failed its test in some images; those are %s.",
                     run->classical->name);
        else if (run->plane[i].gate.warnings)
            snprintf(text, size, "%s", run->plane[i].gate.warning[0]);
}

sc_status sc_job_write(const sc_running *run, const sc_record *record, sc_outdir *outdir)
{
    sc_status status = SC_OK;
    char run_hash[65], input_hash[65], derived[256], prior[192], software[64], remark[256];
    const char *path;
    SC_TRY(sc_record_run_hash(record, run_hash));
    sc_record_input_hash(record, input_hash);
    derivation(derived, sizeof derived, run);
    comment(remark, sizeof remark, run);
    snprintf(software, sizeof software, "scorecon %s", run->job->version);
    if (run->score)
        snprintf(prior, sizeof prior, "score-based prior%s, %s %s, sha256 %s",
                 run->one_channel ? " of one channel, on real and imaginary part" : "",
                 run->score->modality, run->score->anatomy, run->score->hash);
    sc_dicom_options dicom = {.run = run_hash,
                              .source = input_hash,
                              .description = run->job->settings.series_description,
                              .derivation = derived,
                              .prior = run->score ? prior : NULL,
                              .software = software,
                              .comment = remark[0] ? remark : NULL,
                              .acquisition = run->scan.nz > 1 ? "3D" : "2D"};
    SC_TRY(sc_series_write(&run->series, outdir, run->formats, &dicom));
    SC_TRY(sc_outdir_path(outdir, &path, "record.json"));
    SC_TRY(sc_record_write(record, path));
cleanup:
    return status;
}
