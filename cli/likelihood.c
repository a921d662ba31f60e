/* scorecon likelihood: how likely images are under a prior. */
#include "prior/likelihood.h"
#include "base/json.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/prior_images.h"
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    sc_cli cli;
    sc_cli_prior prior;
    sc_cli_input input;
    uint64_t seed;
    double offset; /* NAN: the prior's */
    sc_options options;
} arguments;

enum { KEY_SEED = 0x2000, KEY_OFFSET, KEY_TABLE = 0x3000 };

static const struct argp_option own_options[] = {
    {"seed", KEY_SEED, "K", 0,
     "seed of the random vectors (default 1); those of an image depend on seed and image only", 1},
    {"offset", KEY_OFFSET, "B", 0,
     "added to bits per dimension (default: 8 for a prior of values from 0 to 1, 7 for complex "
     "ones "
     "and -1 to 1: an image in 256 steps)",
     1},
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
    case KEY_SEED:
        a->seed = (uint64_t)sc_cli_integer(state, "--seed", text, 0, INT64_MAX);
        return 0;
    case KEY_OFFSET:
        a->offset = sc_cli_number(state, "--offset", text, -100, 100);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static json_t *number(double x) { return isfinite(x) ? json_real(x) : json_null(); }

static void report_json(json_t *rows, const char *name, const sc_likelihood *found)
{
    json_array_append_new(
        rows, json_pack("{s:o, s:o, s:o, s:o, s:o, s:i, s:i}", "image", sc_json_text(name),
                        "bits_per_dimension", number(found->bits), "standard_error",
                        number(found->bits_error), "log_density", number(found->log_density),
                        "log_density_standard_error", number(found->error), "probes", found->probes,
                        "evaluations", found->evaluations));
}

static void report_row(const char *name, const sc_likelihood *found)
{
    char error[2][32] = {"-", "-"};
    if (isfinite(found->error)) {
        snprintf(error[0], sizeof error[0], "%.4f", found->bits_error);
        snprintf(error[1], sizeof error[1], "%.1f", found->error);
    }
    printf("%12.4f %10s %14.1f %10s %12d  %s\n", found->bits, error[0], found->log_density,
           error[1], found->evaluations, name);
    fflush(stdout);
}

static sc_status find_all(const arguments *a, const sc_score *score, sc_cli_images *set,
                          double offset, json_t *rows)
{
    sc_status status = SC_OK;
    sc_cli_image image = {0};
    sc_progress_part part = {.outer = sc_cli_progress(&a->cli), .count = set->count};
    const sc_progress progress = sc_progress_of(&part);
    double sum = 0;
    if (!a->cli.json)
        printf("%12s %10s %14s %10s %12s  %s\n", "bits/dim", "std. error", "log density",
               "std. error", "evaluations", "image");
    for (; part.index < set->count; part.index++) {
        sc_likelihood found;
        SC_TRY(sc_cli_images_get(&image, set, part.index));
        SC_TRY(sc_context(sc_likelihood_find(&found, NULL, score, image.x, image.h, image.w,
                                             &a->options, offset, (sc_key){a->seed, image.key, 0},
                                             &progress),
                          "%s", image.name));
        if (a->cli.json)
            report_json(rows, image.name, &found);
        else
            report_row(image.name, &found);
        sum += found.bits;
        sc_free(image.x);
        image.x = NULL;
    }
    if (!a->cli.json && set->count > 1)
        printf("%12.4f %*s  mean of %d images\n", sum / set->count, 49, "", set->count);
cleanup:
    sc_free(image.x);
    return status;
}

static sc_status likelihood(const arguments *a)
{
    sc_status status = SC_OK;
    sc_score *score = NULL;
    sc_device *gpu = NULL;
    sc_cli_images set = {0};
    json_t *rows = json_array();
    SC_TRY(sc_cli_prior_load(&score, &gpu, &a->prior, a->cli.threads));
    SC_TRY(sc_cli_images_open(&set, score, &a->input, NULL));
    double offset = isnan(a->offset) ? sc_likelihood_offset(score) : a->offset;
    SC_TRY(find_all(a, score, &set, offset, rows));
    if (a->cli.json) {
        json_t *all = json_pack("{s:o, s:s, s:f, s:I, s:O}", "prior", sc_json_text(a->prior.path),
                                "prior_sha256", score->hash, "offset", offset, "seed",
                                (json_int_t)a->seed, "images", rows);
        sc_cli_print_json(all, JSON_INDENT(1) | JSON_REAL_PRECISION(12));
    }
cleanup:
    json_decref(rows);
    sc_cli_images_free(&set);
    sc_score_free(score);
    sc_device_free(gpu);
    return status;
}

int sc_command_likelihood(int argc, char **argv)
{
    static const struct argp_child children[] = {{&sc_cli_argp, 0, NULL, 0},
                                                 {&sc_cli_prior_argp, 0, NULL, 0},
                                                 {&sc_cli_input_argp, 0, NULL, 0},
                                                 {0}};
    static const struct argp argp = {
        .options = all_options,
        .parser = parse,
        .children = children,
        .args_doc = "IMAGES...",
        .doc =
            "How likely images are under a prior: the exact density of the probability flow "
            "(Song et al. 2021), its divergence estimated by random vectors. IMAGES are files or "
            "folders of TIFF, NIfTI, .npy or DICOM, read and scaled as train does; one row a "
            "slice.\v"
            "Example:\n  scorecon likelihood slices.npy\n\n"
            "Bits per dimension: -log2 p(x) over the numbers of the image, plus the offset; a "
            "complex image has two numbers a pixel. Less is likelier. Densities depend on the "
            "noise that an image holds: compare images of one kind. An evaluation is one forward "
            "and one backward pass; --probes 1 is fastest, and has no standard error."};
    static arguments a;
    a = (arguments){.seed = 1, .offset = NAN, .options = sc_options_default(sc_likelihood_options)};
    memcpy(all_options, own_options, sizeof own_options);
    sc_cli_list_options(all_options + OWN_OPTIONS, help_text, KEY_TABLE, sc_likelihood_options,
                        "Estimate:");
    sc_cli_parse(&argp, argc, argv, &a, &a.cli);
    return sc_cli_exit(&a.cli, likelihood(&a));
}
