/* scorecon info: what is in a file; --build: what this build can do and which GPU it sees. */
#include "base/device.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/locate.h"
#include "io/image.h"
#include "io/scan.h"
#include "prior/import.h"
#include "prior/weights.h"
#include "protocols/protocol.h"
#include "recon/problem.h"
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    sc_cli cli;
    bool build, identifying;
    char *file[256];
    int files;
} info_arguments;

enum { KEY_BUILD = 0x2000, KEY_IDENTIFYING };

static const struct argp_option options[] = {
    {"build", KEY_BUILD, 0, 0, "what this build can do, and which GPU it sees", 0},
    {"identifying", KEY_IDENTIFYING, 0, 0, "also who, when and where (patient, dates, institution)",
     0},
    {0},
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
    info_arguments *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->cli;
        return 0;
    case KEY_BUILD:
        a->build = true;
        return 0;
    case KEY_IDENTIFYING:
        a->identifying = true;
        return 0;
    case ARGP_KEY_ARG:
        if (a->files == (int)(sizeof a->file / sizeof *a->file))
            argp_failure(state, 2, 0, "more than %d files", a->files);
        a->file[a->files++] = argument;
        return 0;
    case ARGP_KEY_END:
        if (!a->files && !a->build)
            argp_failure(state, 2, 0, "expected a FILE or --build");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&sc_cli_argp, 0, 0, 0}, {0}};
static const struct argp argp = {options,
                                 parse,
                                 "FILE...",
                                 "Say what is in a scan, an image, a prior or a protocol.\v"
                                 "Example:\n  scorecon info scan.h5\n  scorecon info --build\n",
                                 children,
                                 0,
                                 0};

/* Facts go into one object, whatever the file; printed as lines or as JSON. */
static void fact(json_t *facts, const char *name, json_t *value)
{
    json_object_set_new(facts, name, value);
}

/* Lists of numbers with " x " between, of words with ", "; empty words as such; what is deeper as
 * JSON. */
static void print_value(const json_t *value)
{
    size_t i;
    json_t *part = json_array_get(value, 0);
    if (json_is_string(value)) {
        fputs(json_string_length(value) ? json_string_value(value) : "not stated", stdout);
    } else if (json_is_real(value)) {
        printf("%.6g", json_real_value(value));
    } else if (part && !json_is_array(part) && !json_is_object(part)) {
        json_array_foreach(value, i, part)
        {
            fputs(i == 0 ? "" : json_is_string(part) ? ", " : " x ", stdout);
            if (json_is_string(part))
                fputs(json_string_value(part), stdout);
            else
                printf("%.6g", json_number_value(part));
        }
    } else {
        json_dumpf(value, stdout, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
    }
}

static void print_facts(const json_t *facts, const char *heading, bool json)
{
    if (json) {
        json_dumpf(facts, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
        putchar('\n');
        return;
    }
    printf("%s\n", heading);
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)facts, name, value)
    {
        printf("  %-22s ", name);
        print_value(value);
        putchar('\n');
    }
}

static sc_status describe_scan(const char *path, const info_arguments *a)
{
    sc_scan scan;
    char *text = NULL;
    sc_status status = sc_scan_read(&scan, path, NULL);
    if (status == SC_OK)
        status = sc_scan_describe(&text, &scan, true, a->identifying);
    json_error_t error;
    json_t *facts = status == SC_OK ? json_loads(text, 0, &error) : NULL;
    if (facts)
        print_facts(facts, path, a->cli.json);
    else if (status == SC_OK)
        status = sc_fail(SC_ERR_FORMAT, "%s: its header cannot be shown: line %d: %s", path,
                         error.line, error.text);
    json_decref(facts);
    sc_free(text);
    sc_scan_free(&scan);
    return status;
}

static sc_status describe_weights(const char *path, bool json)
{
    sc_weights weights;
    sc_status status = sc_weights_read(&weights, path);
    if (status != SC_OK)
        return status;
    char *network = NULL, *sde = NULL;
    json_t *facts = json_object();
    fact(facts, "kind", json_string("prior"));
    fact(facts, "modality", json_string(weights.record.modality));
    fact(facts, "anatomy", json_string(weights.record.anatomy));
    fact(facts, "licence", json_string(weights.record.licence));
    fact(facts, "data", json_string(weights.record.data));
    fact(facts, "normalisation", json_string(weights.record.normalisation));
    fact(facts, "parameters", json_integer(sc_network_parameter_count(weights.network)));
    if (sc_network_config_print(&network, sc_network_configuration(weights.network)) == SC_OK)
        fact(facts, "network", json_loads(network, 0, NULL));
    if (sc_sde_print(&sde, &weights.record.sde) == SC_OK)
        fact(facts, "sde", json_loads(sde, 0, NULL));
    json_t *training = json_loads(weights.record.training ? weights.record.training : "", 0, NULL);
    fact(facts, "training", training ? training : json_null());
    fact(facts, "sha256", json_string(weights.hash));
    print_facts(facts, path, json);
    json_decref(facts);
    sc_free(network);
    sc_free(sde);
    sc_weights_free(&weights);
    return SC_OK;
}

static sc_status describe_protocol(const char *path, bool json)
{
    sc_protocol *p;
    sc_status status = sc_protocol_read(&p, path);
    if (status != SC_OK)
        return status;
    json_t *facts = json_object();
    fact(facts, "kind", json_string("protocol"));
    fact(facts, "name", json_string(p->name ? p->name : ""));
    fact(facts, "description", json_string(p->description ? p->description : ""));
    fact(facts, "method", json_string(p->method ? p->method : "default"));
    fact(facts, "samples", json_integer(p->samples));
    print_facts(facts, path, json);
    json_decref(facts);
    sc_protocol_free(p);
    return SC_OK;
}

static sc_status describe_image(const char *path, bool json)
{
    sc_volume volume;
    const char *format;
    sc_status status = sc_image_recognise(&format, path);
    if (status == SC_OK)
        status = sc_image_read(&volume, path);
    if (status != SC_OK)
        return status;
    json_t *facts = json_object();
    const int64_t *dim = volume.data.dim;
    fact(facts, "kind", json_string("image"));
    fact(facts, "format", json_string(format));
    fact(facts, "slices", json_integer(dim[0]));
    fact(facts, "image", json_pack("[I,I]", (json_int_t)dim[1], (json_int_t)dim[2]));
    fact(facts, "type", json_string(sc_dtype_name(volume.data.dtype)));
    if (volume.units[0])
        fact(facts, "units", json_string(volume.units));
    fact(facts, "geometry", json_string(volume.geometry.known ? "known" : "unknown"));
    if (volume.geometry.known) {
        json_t *affine = json_array();
        for (int i = 0; i < 3; i++)
            json_array_append_new(affine, json_pack("[f,f,f,f]", volume.geometry.affine[i][0],
                                                    volume.geometry.affine[i][1],
                                                    volume.geometry.affine[i][2],
                                                    volume.geometry.affine[i][3]));
        fact(facts, "voxel_to_lps_mm", affine);
    }
    print_facts(facts, path, json);
    json_decref(facts);
    sc_volume_free(&volume);
    return SC_OK;
}

/* By content: the length of a JSON header, then its brace. */
static bool is_safetensors(const char *path)
{
    char head[9] = "";
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(head, 1, sizeof head, f) : 0;
    if (f)
        fclose(f);
    return n == sizeof head && head[8] == '{' && head[7] == 0;
}

static sc_status describe(const char *path, const info_arguments *a)
{
    const char *format;
    if (is_safetensors(path) || sc_import_recognise(path)) /* the latter is told what to do */
        return describe_weights(path, a->cli.json);
    if (sc_cli_ends_with(path, ".yaml") || sc_cli_ends_with(path, ".yml"))
        return describe_protocol(path, a->cli.json);
    if (sc_scan_recognise(&format, path) == SC_OK) {
        sc_status status = describe_scan(path, a);
        /* arrays may be an image or k-space; what is no scan is tried as an image */
        if (status == SC_OK || !(sc_cli_ends_with(path, ".npy") || sc_cli_ends_with(path, ".cfl")))
            return status;
    }
    if (sc_image_recognise(&format, path) == SC_ERR_FORMAT)
        return sc_fail(SC_ERR_FORMAT,
                       "%s: expected a scan, an image, a prior (.safetensors) or a protocol "
                       "(.yaml), found none of them",
                       path);
    return describe_image(path, a->cli.json);
}

static void describe_build(bool json)
{
    char prior[4096];
    sc_device *gpu = NULL;
    json_t *facts = json_object(), *methods = json_array();
    fact(facts, "version", json_string(SC_VERSION));
    fact(facts, "compiler", json_string(__VERSION__));
    fact(facts, "processor_threads", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
    fact(facts, "CUDA", json_string(sc_cuda_build()));
    if (sc_device_create_cuda(&gpu) == SC_OK)
        fact(facts, "gpu", json_string(gpu->description));
    else
        fact(facts, "gpu", json_sprintf("none: %s", sc_message()));
    sc_device_free(gpu);
    for (int i = 0; sc_methods[i]; i++)
        json_array_append_new(methods, json_string(sc_methods[i]->name));
    fact(facts, "methods", methods);
    fact(facts, "reads",
         json_string("ISMRMRD, fastMRI, cfl, npy; images: DICOM, NIfTI, TIFF, npy, cfl"));
    fact(facts, "writes", json_string("DICOM, NIfTI, npy, cfl, PNG"));
    if (sc_cli_locate(prior, sizeof prior, "weights/brain-mr.safetensors") == SC_OK)
        fact(facts, "shipped_prior", json_string(prior));
    else
        fact(facts, "shipped_prior", json_sprintf("none: %s", sc_message()));
    print_facts(facts, "scorecon", json);
    json_decref(facts);
}

int sc_command_info(int argc, char **argv)
{
    info_arguments a = {0};
    sc_status status = SC_OK;
    sc_cli_parse(&argp, argc, argv, &a, &a.cli);
    if (a.build)
        describe_build(a.cli.json);
    for (int i = 0; i < a.files && status == SC_OK; i++)
        status = describe(a.file[i], &a);
    return sc_cli_exit(&a.cli, status);
}
