/* scorecon check: what would go wrong, before the patient has left. */
#include "base/memory.h"
#include "cli/command.h"
#include "cli/locate.h"
#include "protocols/job.h"
#include <jansson.h>
#include <stdio.h>

typedef struct {
    sc_cli cli;
    const char *protocol, *mask, *maps, *geometry;
    char *scan[256];
    int scans;
} check_arguments;

enum { KEY_MASK = 0x2000, KEY_MAPS, KEY_GEOMETRY };

static const struct argp_option options[] = {
    {"protocol", 'p', "FILE", 0, "settings from a protocol (YAML)", 0},
    {"mask", KEY_MASK, "FILE", 0, "use only these samples", 0},
    {"maps", KEY_MAPS, "FILE", 0, "coil maps", 0},
    {"geometry", KEY_GEOMETRY, "FILE", 0, "where the image lies in the patient", 0},
    {0},
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
    check_arguments *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->cli;
        return 0;
    case 'p':
        a->protocol = argument;
        return 0;
    case KEY_MASK:
        a->mask = argument;
        return 0;
    case KEY_MAPS:
        a->maps = argument;
        return 0;
    case KEY_GEOMETRY:
        a->geometry = argument;
        return 0;
    case ARGP_KEY_ARG:
        if (a->scans == (int)(sizeof a->scan / sizeof *a->scan))
            argp_failure(state, 2, 0, "more than %d scans", a->scans);
        a->scan[a->scans++] = argument;
        return 0;
    case ARGP_KEY_END:
        if (!a->scans)
            argp_failure(state, 2, 0, "expected a SCAN");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&sc_cli_argp, 0, 0, 0}, {0}};
static const struct argp argp = {
    options,
    parse,
    "SCAN...",
    "Read a scan, measure its noise, make its coil maps, and say what would go wrong. Nothing is "
    "written. Exit 1 if its data are at fault; what can be reconstructed but may not be Cartesian "
    "is "
    "called doubtful.\v"
    "Example:\n  scorecon check scan.h5\n",
    children,
    0,
    0};

static void report(const char *path, sc_status status, const char *text, bool doubtful, bool json)
{
    if (json) {
        json_t *facts =
            json_pack("{s:s, s:b, s:b, s:s}", "file", path, "good", status == SC_OK && !doubtful,
                      "doubtful", doubtful, "message", status == SC_OK ? text : sc_message());
        sc_cli_print_json(facts, 0);
    } else if (status == SC_OK) {
        fputs(text, stdout);
    }
    if (status != SC_OK)
        fprintf(stderr, "scorecon: %s\n", sc_message());
}

int sc_command_check(int argc, char **argv)
{
    check_arguments a = {0};
    sc_status status = SC_OK, first = SC_OK;
    sc_protocol *protocol = NULL;
    char prior[4096];
    sc_cli_parse(&argp, argc, argv, &a, &a.cli);
    sc_job job = sc_job_default();
    if (a.protocol && (status = sc_protocol_read(&protocol, a.protocol)) != SC_OK)
        return sc_cli_exit(&a.cli, status);
    if (protocol)
        job.settings = *protocol;
    else
        job.settings.method = "cg-sense"; /* checking needs no prior */
    job.settings.geometry = (char *)(a.geometry ? a.geometry : job.settings.geometry);
    if (sc_cli_locate(prior, sizeof prior, "weights/brain-mr.safetensors") == SC_OK)
        job.shipped_prior = prior;
    job.protocol = a.protocol;
    job.read.mask = a.mask;
    job.maps = a.maps;
    job.threads = a.cli.threads;
    job.progress = sc_cli_progress(&a.cli);
    for (int i = 0; i < a.scans; i++) {
        char *text = NULL;
        bool doubtful;
        job.scan = a.scan[i];
        status = sc_job_check(&job, &text, &doubtful);
        report(a.scan[i], status, text, doubtful, a.cli.json);
        sc_free(text);
        first = first == SC_OK ? status : first;
    }
    sc_protocol_free(protocol);
    sc_cli_exit(&a.cli, SC_OK);
    return sc_status_exit(first);
}
