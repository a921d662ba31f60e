/* scorecon sample: images drawn from a prior alone. */
#include "cli/command.h"
#include "base/memory.h"
#include "base/option.h"
#include "io/npy.h"
#include "io/png.h"
#include "prior/sample.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    sc_cli cli;
    const char *prior, *output, *png;
    int count, height, width;
    uint64_t seed;
    bool cuda;
    sc_precision precision;
    sc_options options;
} arguments;

enum { KEY_PRIOR = 0x2000, KEY_SIZE, KEY_SEED, KEY_PNG, KEY_DEVICE, KEY_TABLE = 0x3000 };

static const struct argp_option own_options[] = {
    {"prior", KEY_PRIOR, "FILE", 0, "the prior (safetensors)", 1},
    {"output", 'o', "FILE", 0, "what to write: .npy (sample, y, x), complex for a complex prior; "
     ".png: magnitudes in a grid", 1},
    {"png", KEY_PNG, "FILE", 0, "the grid of magnitudes, beside a .npy", 1},
    {"count", 'n', "N", 0, "number of images (default 4)", 1},
    {"size", KEY_SIZE, "HxW", 0, "their size (default 128x128)", 1},
    {"device", KEY_DEVICE, "NAME", 0, "where to compute: cpu (default), cuda, cuda:tf32, cuda:bf16",
     1},
    {"seed", KEY_SEED, "K", 0, "seed (default 1); image i depends on seed and i only", 1},
};

#define OWN_OPTIONS (sizeof own_options / sizeof *own_options)

static struct argp_option all_options[OWN_OPTIONS + SC_OPTIONS_MAX + 2];
static char help_text[SC_OPTIONS_MAX][SC_CLI_HELP];

static void parse_size(arguments *a, char *text, struct argp_state *state)
{
    char *cross = strchr(text, 'x');
    if (!cross)
        argp_error(state, "--size: expected HxW, as in 128x128, found '%s'", text);
    *cross = 0;
    a->height = (int)sc_cli_integer(state, "--size", text, 1, 4096);
    a->width = (int)sc_cli_integer(state, "--size", cross + 1, 1, 4096);
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    arguments *a = state->input;
    if (key >= KEY_TABLE && key < KEY_TABLE + SC_OPTIONS_MAX) {
        if (sc_options_set(&a->options, sc_sample_options[key - KEY_TABLE].name, text) != SC_OK)
            argp_failure(state, 2, 0, "%s", sc_message());
        return 0;
    }
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &a->cli; return 0;
    case 'o': a->output = text; return 0;
    case 'n': a->count = (int)sc_cli_integer(state, "-n", text, 1, 10000); return 0;
    case KEY_PRIOR: a->prior = text; return 0;
    case KEY_SIZE: parse_size(a, text, state); return 0;
    case KEY_PNG: a->png = text; return 0;
    case KEY_DEVICE: sc_cli_device(state, text, &a->cuda, &a->precision); return 0;
    case KEY_SEED:
        a->seed = (uint64_t)sc_cli_integer(state, "--seed", text, 0, INT64_MAX);
        return 0;
    case ARGP_KEY_END:
        if (!a->prior || !a->output)
            argp_error(state, "--prior FILE and -o FILE are needed");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* Magnitudes of all images in a grid of nearly as many rows as columns; white is one for all. */
static sc_status write_png(const char *path, const float *x, const arguments *a, int channels)
{
    float *grid;
    int64_t h = a->height, w = a->width, columns = (int64_t)ceil(sqrt(a->count));
    int64_t rows = (a->count + columns - 1) / columns, ny = rows * h, nx = columns * w;
    sc_status status = SC_ALLOC(&grid, ny * nx, "picture");
    if (status != SC_OK)
        return status;
    for (int64_t n = 0; n < a->count; n++) {
        float *corner = grid + n / columns * h * nx + n % columns * w;
        for (int64_t i = 0; i < h; i++)
            for (int64_t j = 0; j < w; j++) {
                const float *p = x + ((n * h + i) * w + j) * channels;
                corner[i * nx + j] = channels == 2 ? hypotf(p[0], p[1]) : p[0];
            }
    }
    status = sc_png_write_gray(path, grid, ny, nx, 0, sc_png_white(grid, ny * nx));
    sc_free(grid);
    return status;
}

static sc_status write_npy(const char *path, float *x, const arguments *a, int channels)
{
    const int64_t dim[4] = {a->count, a->height, a->width, channels};
    sc_array array = channels == 2   ? sc_array_view(SC_C32, 3, dim, x)
                     : channels == 1 ? sc_array_view(SC_F32, 3, dim, x)
                                     : sc_array_view(SC_F32, 4, dim, x);
    return sc_npy_write(path, &array);
}

/* Progress of one image as a part of all. */
typedef struct {
    const sc_progress *outer;
    int index, count;
} part;

static void report_part(void *self, const char *phase, double done, double total)
{
    const part *p = self;
    if (p->outer->report)
        p->outer->report(p->outer->self, phase, p->index + done / total, p->count);
}

static bool part_cancelled(void *self)
{
    const part *p = self;
    return p->outer->cancelled && p->outer->cancelled(p->outer->self);
}

/* *gpu: must outlive the score; NULL on the CPU. */
static sc_status load_prior(sc_score **score, sc_device **gpu, const arguments *a)
{
    if (!a->cuda)
        return sc_score_load(score, a->prior, a->cli.threads);
    sc_status status = sc_device_create_cuda(gpu);
    if (status != SC_OK)
        return status;
    (*gpu)->precision = a->precision;
    return sc_score_load_on(score, a->prior, *gpu);
}

static sc_status sample(const arguments *a)
{
    sc_status status = SC_OK;
    sc_score *score = NULL;
    sc_device *gpu = NULL;
    float *x = NULL;
    bool png = sc_cli_ends_with(a->output, ".png");
    part p = {.outer = sc_cli_progress(&a->cli), .count = a->count};
    const sc_progress progress = {&p, report_part, part_cancelled};
    if (!png && !sc_cli_ends_with(a->output, ".npy"))
        SC_TRY(sc_fail(SC_ERR_USAGE, "%s: expected a name that ends in .npy or .png", a->output));
    SC_TRY(load_prior(&score, &gpu, a));
    size_t size = (size_t)a->height * (size_t)a->width * (size_t)score->channels;
    SC_TRY(sc_alloc((void **)&x, size * (size_t)a->count, sizeof *x, "samples"));
    for (p.index = 0; p.index < a->count; p.index++)
        SC_TRY(sc_prior_sample_by(x + (size_t)p.index * size, score, a->height, a->width,
                                  &a->options, (sc_key){a->seed, 0, (uint32_t)p.index}, &progress));
    SC_TRY(png ? write_png(a->output, x, a, score->channels)
               : write_npy(a->output, x, a, score->channels));
    if (a->png)
        SC_TRY(write_png(a->png, x, a, score->channels));
cleanup:
    sc_score_free(score);
    sc_device_free(gpu);
    sc_free(x);
    return status;
}

int sc_command_sample(int argc, char **argv)
{
    static const struct argp_child children[] = {{&sc_cli_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .options = all_options, .parser = parse, .children = children,
        .args_doc = "--prior FILE -o FILE",
        .doc = "Draw images from a prior alone: what it has learned, to look at.\v"
               "Example:\n  scorecon sample --prior brain-mr.safetensors -n 4 --size 128x128 "
               "-o samples.npy --png samples.png\n\nThe published sampler of a VE prior: --sampler "
               "reverse-diffusion --corrector langevin --steps 1000"};
    arguments a = {.count = 4, .height = 128, .width = 128, .seed = 1,
                   .options = sc_options_default(sc_sample_options)};
    memcpy(all_options, own_options, sizeof own_options);
    sc_cli_list_options(all_options + OWN_OPTIONS, help_text, KEY_TABLE, sc_sample_options,
                        "Sampler:");
    sc_cli_parse(&argp, argc, argv, &a, &a.cli);
    return sc_cli_exit(&a.cli, sample(&a));
}
