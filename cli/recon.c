/* scorecon recon: arguments into jobs, jobs into output folders. */
#include "base/file.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/locate.h"
#include "protocols/job.h"
#include "recon/problem.h"
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SCANS_MAX 1024

typedef struct {
    sc_cli cli;
    sc_job job;
    sc_protocol *file; /* from --protocol */
    char *scan[SCANS_MAX];
    char *option[64];
    int scans, options;
    bool plan;
    char prior[4096];
} recon_arguments;

enum {
    KEY_PRIOR = 0x2000,
    KEY_METHOD,
    KEY_MAPS,
    KEY_MASK,
    KEY_GEOMETRY,
    KEY_SAMPLES,
    KEY_SEED,
    KEY_DEVICE,
    KEY_FORMAT,
    KEY_BUDGET,
    KEY_FALLBACK,
    KEY_RESIDUAL_MAP,
    KEY_PLAN,
    KEY_OPT,
    KEY_SETS,
    KEY_COILS,
    KEY_GROUP,
    KEY_NOISE,
    KEY_SLICE,
    KEY_CONTRAST,
    KEY_REPETITION,
    KEY_CALIBRATION,
    KEY_FORCE
};

static const struct argp_option options[] = {
    {"output", 'o', "OUT", 0, "folder to make; with several scans, one inside it for each", 1},
    {"protocol", 'p', "FILE", 0, "settings from a protocol (YAML); options here win", 1},
    {"prior", KEY_PRIOR, "FILE", 0, "weights of the prior (default: the shipped brain prior)", 1},
    {"method", KEY_METHOD, "NAME", 0, "method of reconstruction; list: say which there are", 1},
    {"opt", KEY_OPT, "KEY=VALUE", 0, "option of the method; may be repeated", 1},
    {"samples", KEY_SAMPLES, "N", 0, "draw N samples: their mean, standard deviation and quantiles",
     1},
    {"seed", KEY_SEED, "K", 0, "of the random numbers (default 0)", 1},
    {"mask", KEY_MASK, "FILE", 0, "use only these samples (.npy, .cfl): undersample a full scan",
     2},
    {"maps", KEY_MAPS, "FILE", 0,
     "coil maps (coil, y, x) or (set, coil, y, x) instead of the calibration lines'", 2},
    {"sets", KEY_SETS, "auto|1|2", 0,
     "sets of coil maps; 2 for a field of view smaller than the head", 2},
    {"coils", KEY_COILS, "N", 0,
     "compress to N virtual coils (default: by energy, where there are many)", 2},
    {"noise", KEY_NOISE, "S", 0,
     "known noise: standard deviation per real component, alike in all coils, independent "
     "(default: measured)",
     2},
    {"geometry", KEY_GEOMETRY, "FILE", 0,
     "where the image lies in the patient (JSON), if the scan does not say", 2},
    {"group", KEY_GROUP, "NAME", 0, "ISMRMRD measurement, if the file holds several", 2},
    {"slice", KEY_SLICE, "K", 0, "only this slice, from 0", 2},
    {"contrast", KEY_CONTRAST, "K", 0, "only this contrast (echo), from 0", 2},
    {"repetition", KEY_REPETITION, "K", 0, "only this repetition, from 0", 2},
    {"calibration-as-data", KEY_CALIBRATION, 0, 0, "count calibration-only lines as measured too",
     2},
    {"format", KEY_FORMAT, "LIST", 0,
     "of dicom,npy,cfl,nifti,png (default dicom where the geometry is known, npy, png)", 3},
    {"device", KEY_DEVICE, "NAME", 0,
     "where to compute: cpu (default) or cuda; cuda:tf32 and cuda:bf16 multiply the network's "
     "weights on tensor cores",
     3},
    {"time-budget", KEY_BUDGET, "S", 0, "seconds for the whole scan: chooses the number of steps",
     3},
    {"fallback", KEY_FALLBACK, 0, 0, "write the classical result where the prior's fails its test",
     3},
    {"residual-map", KEY_RESIDUAL_MAP, 0, 0,
     "write chi2, the residual over the noise as a map, also without --samples", 3},
    {"force", KEY_FORCE, 0, 0,
     "write the image even where it fails the test of its data; the exit code stays 1", 3},
    {"plan", KEY_PLAN, 0, 0, "say what would be done and what it costs, and stop", 3},
    {0},
};

/* One line of a list, wrapped with the rest two deeper than its beginning: argp would put it to
 * column 0. */
static void put_item(FILE *out, int indent, const char *text)
{
    enum { WIDTH = 78 };
    int column = fprintf(out, "%*s", indent, "");
    for (bool first = true; *text; first = false) {
        int length = (int)strcspn(text, " ");
        if (!first && column + 1 + length > WIDTH)
            column = fprintf(out, "\n%*s", indent + 2, "") - 1;
        else if (!first)
            column += fprintf(out, " ");
        column += fprintf(out, "%.*s", length, text);
        text += length;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

/* The methods and their options, straight from the table. */
static void list_methods(FILE *out)
{
    fprintf(out, "Methods (default %s; with --samples %s;\nwith --fallback %s):\n", SC_METHOD_POINT,
            SC_METHOD_SAMPLES, SC_METHOD_CLASSICAL);
    for (int i = 0; sc_methods[i]; i++) {
        const sc_method *m = sc_methods[i];
        char item[512];
        snprintf(item, sizeof item, "%s: %s (%s; %s)", m->name, m->help, m->claim, m->source);
        put_item(out, 2, item);
        for (const sc_option *o = m->options; o && o->name; o++) {
            if (o->type == SC_OPT_CHOICE || o->type == SC_OPT_BOOL)
                snprintf(item, sizeof item, "%s=%s: %s", o->name,
                         o->type == SC_OPT_BOOL ? "yes|no" : o->choices, o->help);
            else
                snprintf(item, sizeof item, "%s=%g%s%s: %s", o->name, o->standard,
                         o->unit[0] ? " " : "", o->unit, o->help);
            put_item(out, 6, item);
        }
    }
}

static void override(char **slot, char *value) { *slot = value; }

static error_t parse(int key, char *argument, struct argp_state *state)
{
    recon_arguments *a = state->input;
    sc_job *job = &a->job;
    sc_protocol *s = &job->settings;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->cli;
        return 0;
    case 'o':
        job->output = argument;
        return 0;
    case 'p': /* read before, by read_protocol */
        if (!job->protocol || strcmp(job->protocol, argument) != 0)
            argp_failure(state, 2, 0, "write -p FILE or --protocol FILE, once and in full");
        return 0;
    case KEY_PRIOR:
        override(&s->prior, argument);
        return 0;
    case KEY_METHOD:
        if (!strcmp(argument, "list")) {
            list_methods(stdout);
            exit(0);
        }
        override(&s->method, argument);
        return 0;
    case KEY_GEOMETRY:
        override(&s->geometry, argument);
        return 0;
    case KEY_MASK:
        job->read.mask = argument;
        return 0;
    case KEY_MAPS:
        job->maps = argument;
        return 0;
    case KEY_GROUP:
        job->read.group = argument;
        return 0;
    case KEY_SLICE:
        job->read.slice = (int)sc_cli_integer(state, "--slice", argument, 0, 65535);
        return 0;
    case KEY_CONTRAST:
        job->read.contrast = (int)sc_cli_integer(state, "--contrast", argument, 0, 65535);
        return 0;
    case KEY_REPETITION:
        job->read.repetition = (int)sc_cli_integer(state, "--repetition", argument, 0, 65535);
        return 0;
    case KEY_CALIBRATION:
        job->read.calibration_as_data = true;
        return 0;
    case KEY_SAMPLES:
        s->samples = (int)sc_cli_integer(state, "--samples", argument, 0, 10000);
        return 0;
    case KEY_SEED:
        s->seed = (uint64_t)sc_cli_integer(state, "--seed", argument, 0, INT64_MAX);
        return 0;
    case KEY_COILS:
        s->virtual_coils = (int)sc_cli_integer(state, "--coils", argument, 1, 1024);
        return 0;
    case KEY_BUDGET:
        s->time_budget_s = sc_cli_number(state, "--time-budget", argument, 1e-3, 1e7);
        return 0;
    case KEY_FALLBACK:
        s->fallback = true;
        return 0;
    case KEY_RESIDUAL_MAP:
        s->residual_map = true;
        return 0;
    case KEY_FORCE:
        job->force = true;
        return 0;
    case KEY_NOISE:
        job->noise = sc_cli_number(state, "--noise", argument, 1e-30, 1e30);
        return 0;
    case KEY_PLAN:
        a->plan = true;
        return 0;
    case KEY_SETS:
        s->maps = !strcmp(argument, "1")   ? SC_MAPS_ONE
                  : !strcmp(argument, "2") ? SC_MAPS_TWO
                                           : SC_MAPS_AUTO;
        if (s->maps == SC_MAPS_AUTO && strcmp(argument, "auto") != 0)
            argp_failure(state, 2, 0, "--sets: expected auto, 1 or 2, found '%s'", argument);
        return 0;
    case KEY_DEVICE:
        sc_cli_device(state, argument, &job->cuda, &job->precision);
        return 0;
    case KEY_FORMAT:
        if (sc_formats_parse(&s->formats, argument) != SC_OK)
            argp_failure(state, 2, 0, "--format: %s", sc_message());
        job->strict_formats = true;
        return 0;
    case KEY_OPT:
        if (a->options == (int)(sizeof a->option / sizeof *a->option) || !strchr(argument, '='))
            argp_failure(state, 2, 0, "--opt: expected KEY=VALUE, found '%s'", argument);
        a->option[a->options++] = argument;
        return 0;
    case ARGP_KEY_ARG:
        if (a->scans == SCANS_MAX)
            argp_failure(state, 2, 0, "more than %d scans", SCANS_MAX);
        a->scan[a->scans++] = argument;
        return 0;
    case ARGP_KEY_END:
        if (!a->scans)
            argp_failure(state, 2, 0, "expected a SCAN");
        if (!job->output && !a->plan)
            argp_failure(state, 2, 0, "expected -o OUT");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static char *append_methods(int key, const char *text, void *input)
{
    (void)input;
    char *all = NULL;
    size_t size;
    FILE *out = key == ARGP_KEY_HELP_POST_DOC ? open_memstream(&all, &size) : NULL;
    if (!out)
        return (char *)text;
    fprintf(out, "%s\n", text);
    list_methods(out);
    fclose(out);
    return all;
}

static const struct argp_child children[] = {{&sc_cli_argp, 0, 0, 0}, {0}};
static const struct argp argp = {
    options,
    parse,
    "SCAN...",
    "Reconstruct MR scans (ISMRMRD, fastMRI, cfl, npy) into OUT: image.npy, dicom/, preview.png, "
    "record.json; with --samples also std, p05, p95, chi2 and prior-share, each as .npy and as a "
    "DICOM series in dicom-NAME/, and samples.npy.\v"
    "Examples:\n"
    "  scorecon recon scan.h5 -o out\n"
    "  scorecon recon scan.h5 -o out --samples 16 --seed 1\n"
    "  scorecon recon full.cfl --mask mask.npy -o out\n"
    "  scorecon recon scan.h5 -o out --method l1-wavelet --opt lambda=0.005\n",
    children,
    append_methods,
    0};

/* The protocol is read before the other options, so that these win. */
static sc_status read_protocol(recon_arguments *a, int argc, char **argv)
{
    const char *path = NULL;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "-p") || !strcmp(argv[i], "--protocol"))
            path = i + 1 < argc ? argv[i + 1] : NULL;
        else if (!strncmp(argv[i], "--protocol=", 11))
            path = argv[i] + 11;
        else if (!strncmp(argv[i], "-p", 2) && argv[i][2])
            path = argv[i] + 2;
    }
    if (!path)
        return SC_OK;
    sc_status status = sc_protocol_read(&a->file, path);
    if (status != SC_OK)
        return status;
    a->job.settings = *a->file;
    a->job.protocol = path;
    for (unsigned i = 0; i < a->file->options_count && a->options < 64; i++)
        a->option[a->options++] = a->file->options[i];
    return SC_OK;
}

static void print_report(const sc_job_report *r, const char *output, bool json)
{
    if (json) {
        json_t *facts =
            json_pack("{s:s, s:s, s:s, s:I, s:f, s:f, s:f, s:i, s:b}", "output", output, "method",
                      r->method, "claim", r->claim, "images", (json_int_t)r->images, "residual",
                      r->residual, "score_evaluations", r->score_evaluations, "seconds", r->seconds,
                      "warnings", r->warnings, "fell_back", r->fell_back);
        if (r->budget[0])
            json_object_set_new(facts, "time_budget", json_string(r->budget));
        sc_cli_print_json(facts, JSON_REAL_PRECISION(6));
        return;
    }
    printf(
        "%s: %lld image%s of %lld x %lld by %s (%s), residual %.2f of the measured noise, %.1f s\n",
        output, (long long)r->images, r->images == 1 ? "" : "s", (long long)r->ny, (long long)r->nx,
        r->method, r->claim, r->residual, r->seconds);
    if (r->budget[0])
        printf("  time budget %s\n", r->budget);
}

/* OUT for one scan, OUT/NAME for several. */
static sc_status output_of(char *path, size_t size, const recon_arguments *a, const char *scan)
{
    if (a->scans == 1 || !a->job.output) {
        snprintf(path, size, "%s", a->job.output ? a->job.output : "");
        return SC_OK;
    }
    char name[256];
    const char *base = strrchr(scan, '/');
    snprintf(name, sizeof name, "%s", base ? base + 1 : scan);
    char *dot = strrchr(name, '.');
    if (dot && dot != name)
        *dot = 0;
    return sc_path_join(path, size, a->job.output, name);
}

static int same_name(const recon_arguments *a, int i)
{
    char path[4096], other[4096];
    for (int j = 0; j < i; j++)
        if (output_of(path, sizeof path, a, a->scan[i]) == SC_OK &&
            output_of(other, sizeof other, a, a->scan[j]) == SC_OK && !strcmp(path, other))
            return 1;
    return 0;
}

/* Several scans: make OUT, and refuse two that would be written to one place. */
static sc_status prepare_outputs(const recon_arguments *a)
{
    if (a->scans == 1 || a->plan)
        return SC_OK;
    for (int i = 1; i < a->scans; i++)
        if (same_name(a, i))
            return sc_fail(SC_ERR_USAGE,
                           "%s: another scan of that name would be written to the same place",
                           a->scan[i]);
    if (mkdir(a->job.output, 0777) != 0 && errno != EEXIST)
        return sc_fail(SC_ERR_IO, "%s: %s", a->job.output, strerror(errno));
    return SC_OK;
}

static sc_status run_one(recon_arguments *a, const char *scan)
{
    sc_status status = SC_OK;
    char output[4096];
    char *text = NULL;
    sc_job_report report = {0};
    sc_job job = a->job;
    SC_TRY(output_of(output, sizeof output, a, scan));
    job.scan = scan;
    job.output = output;
    if (a->plan) {
        SC_TRY(sc_job_plan(&job, a->cli.json, &text));
        fputs(text, stdout);
    } else {
        SC_TRY(sc_job_run(&job, &report));
        print_report(&report, output, a->cli.json);
    }
cleanup:
    sc_free(text);
    return status;
}

int sc_command_recon(int argc, char **argv)
{
    recon_arguments a = {.job = sc_job_default()};
    sc_status status = read_protocol(&a, argc, argv);
    if (status != SC_OK)
        return sc_cli_exit(&a.cli, status);
    sc_cli_parse(&argp, argc, argv, &a, &a.cli);
    a.job.settings.options = a.option;
    a.job.settings.options_count = (unsigned)a.options;
    a.job.threads = a.cli.threads;
    a.job.progress = sc_cli_progress(&a.cli);
    a.job.version = SC_VERSION;
    a.job.command = (const char *const *)argv;
    if (!a.job.settings.prior &&
        sc_cli_locate(a.prior, sizeof a.prior, "weights/brain-mr.safetensors") == SC_OK)
        a.job.shipped_prior = a.prior;
    status = sc_job_check_options(&a.job);
    if (status == SC_OK)
        status = prepare_outputs(&a);
    int code = sc_status_exit(status);
    for (int i = 0; i < a.scans && status != SC_ERR_USAGE && status != SC_ERR_CANCELLED; i++) {
        if (i > 0 && status != SC_OK) /* one bad scan does not stop the others */
            fprintf(stderr, "scorecon: %s\n", sc_message());
        if (i == 0 && status != SC_OK)
            break;
        status = run_one(&a, a.scan[i]);
        code = code ? code : sc_status_exit(status);
    }
    sc_protocol_free(a.file);
    int last = sc_cli_exit(&a.cli, status);
    return code ? code : last;
}
