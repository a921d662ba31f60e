/* scorecon encode: images become latents of a prior, which sample --latents decodes. */
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/prior_images.h"
#include "prior/flow.h"
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    sc_cli cli;
    sc_cli_prior prior;
    const char *output;
    sc_cli_input input;
    sc_options options;
} arguments;

enum { KEY_TABLE = 0x3000 };

static const struct argp_option own_options[] = {
    {"output", 'o', "FILE", 0, "the latents: .npy (image, y, x), complex for a complex prior", 1},
};

#define OWN_OPTIONS (sizeof own_options / sizeof *own_options)

static struct argp_option all_options[OWN_OPTIONS + SC_OPTIONS_MAX + 2];
static char help_text[SC_OPTIONS_MAX][SC_CLI_HELP];

static error_t parse(int key, char *text, struct argp_state *state)
{
    arguments *a = state->input;
    if (sc_cli_set_option(&a->options, key, KEY_TABLE, text, state))
        return 0;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->cli;
        state->child_inputs[1] = &a->prior;
        state->child_inputs[2] = &a->input;
        return 0;
    case 'o':
        a->output = text;
        return 0;
    case ARGP_KEY_END:
        if (!a->output)
            argp_error(state, "-o FILE is needed");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* rms of the latent over that of the noise it should be */
static double relative_size(const float *z, int64_t n, const sc_sde *sde)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)z[i] * z[i];
    return sqrt(sum / (double)n) / sc_flow_latent_std(sde);
}

static void report(const arguments *a, json_t *rows, const char *name, double size,
                   sc_ode_count count)
{
    if (a->cli.json)
        json_array_append_new(rows, json_pack("{s:o, s:f, s:i, s:i}", "image", sc_json_text(name),
                                              "relative_size", size, "evaluations",
                                              count.evaluations, "steps", count.steps));
    else
        printf("%13.4f %12d %8d  %s\n", size, count.evaluations, count.steps, name);
    fflush(stdout);
}

/* *z (count, h, w, channels) */
static sc_status encode_all(const arguments *a, sc_flow *flow, sc_cli_images *set, float **z,
                            json_t *rows)
{
    sc_status status = SC_OK;
    sc_cli_image image = {0};
    size_t size = 0;
    sc_progress_part part = {.outer = sc_cli_progress(&a->cli), .count = set->count};
    const sc_progress progress = sc_progress_of(&part);
    flow->progress = &progress;
    if (!a->cli.json)
        printf("%13s %12s %8s  %s\n", "relative size", "evaluations", "steps", "image");
    for (; part.index < set->count; part.index++) {
        sc_ode_count count;
        SC_TRY(sc_cli_images_get(&image, set, part.index));
        if (part.index == 0) {
            flow->h = image.h;
            flow->w = image.w;
            size = (size_t)image.h * (size_t)image.w * (size_t)set->score->channels;
            SC_TRY(sc_alloc((void **)z, size * (size_t)set->count, sizeof **z, "latents"));
        }
        if (image.h != flow->h || image.w != flow->w)
            SC_TRY(sc_fail(SC_ERR_INPUT,
                           "%s is %d x %d, the images before it %d x %d: expected "
                           "one size",
                           image.name, image.h, image.w, flow->h, flow->w));
        float *latent = *z + (size_t)part.index * size;
        SC_TRY(sc_context(sc_flow_encode(flow, latent, image.x, &count), "%s", image.name));
        report(a, rows, image.name, relative_size(latent, (int64_t)size, &set->score->sde), count);
        sc_free(image.x);
        image.x = NULL;
    }
cleanup:
    sc_free(image.x);
    return status;
}

static sc_status encode(const arguments *a)
{
    sc_status status = SC_OK;
    sc_score *score = NULL;
    sc_device *gpu = NULL;
    sc_cli_images set = {0};
    float *z = NULL;
    json_t *rows = json_array();
    if (!sc_cli_ends_with(a->output, ".npy"))
        SC_TRY(sc_fail(SC_ERR_USAGE, "%s: expected a name that ends in .npy", a->output));
    SC_TRY(sc_file_check_writable(a->output)); /* before the work */
    SC_TRY(sc_cli_prior_load(&score, &gpu, &a->prior, a->cli.threads));
    SC_TRY(sc_cli_images_open(&set, score, &a->input, a->output));
    sc_flow flow = sc_flow_create(score, 0, 0);
    sc_flow_set(&flow, &a->options);
    SC_TRY(encode_all(a, &flow, &set, &z, rows));
    SC_TRY(sc_cli_stack_write(a->output, z, set.count, flow.h, flow.w, score->channels));
    if (a->cli.json) {
        json_t *all =
            json_pack("{s:o, s:s, s:o, s:O}", "prior", sc_json_text(a->prior.path), "prior_sha256",
                      score->hash, "output", sc_json_text(a->output), "images", rows);
        sc_cli_print_json(all, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
    }
cleanup:
    json_decref(rows);
    sc_free(z);
    sc_cli_images_free(&set);
    sc_score_free(score);
    sc_device_free(gpu);
    return status;
}

int sc_command_encode(int argc, char **argv)
{
    static const struct argp_child children[] = {{&sc_cli_argp, 0, NULL, 0},
                                                 {&sc_cli_prior_argp, 0, NULL, 0},
                                                 {&sc_cli_input_argp, 0, NULL, 0},
                                                 {0}};
    static const struct argp argp = {
        .options = all_options,
        .parser = parse,
        .children = children,
        .args_doc = "IMAGES... -o FILE",
        .doc =
            "Carry images along a prior's probability flow to their latents: noise, if the prior "
            "knows such images. IMAGES are files or folders of TIFF, NIfTI, .npy or DICOM, read "
            "and scaled as train does, all of one size.\v"
            "Example:\n  scorecon encode slices.npy -o latents.npy\n\n"
            "and back, or from one to the next in 7 images between:\n\n"
            "  scorecon sample --latents latents.npy --sampler ode "
            "--end 1e-5 --denoise no -o images.npy\n"
            "  scorecon sample --latents latents.npy --between 7 "
            "-o film.png\n\n"
            "Relative size: of the latent, over that of noise; 1 where the prior fits."};
    static arguments a;
    a = (arguments){.options = sc_options_default(sc_flow_options)};
    memcpy(all_options, own_options, sizeof own_options);
    sc_cli_list_options(all_options + OWN_OPTIONS, help_text, KEY_TABLE, sc_flow_options, "Flow:");
    sc_cli_parse(&argp, argc, argv, &a, &a.cli);
    return sc_cli_exit(&a.cli, encode(&a));
}
