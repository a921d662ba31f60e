/* scorecon sample: images drawn from a prior alone. */
#include "cli/command.h"
#include "base/memory.h"
#include "io/npy.h"
#include "io/png.h"
#include "prior/sample.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    sc_cli cli;
    const char *prior, *output;
    int count, height, width, steps;
    uint64_t seed;
} arguments;

enum { KEY_PRIOR = 0x2000, KEY_SIZE, KEY_STEPS, KEY_SEED };

static const struct argp_option options[] = {
    {"prior", KEY_PRIOR, "FILE", 0, "the prior (safetensors)", 1},
    {"output", 'o', "FILE", 0, "what to write: .npy (sample, y, x), complex for a complex prior; "
     ".png: magnitudes side by side", 1},
    {"count", 'n', "N", 0, "number of images (default 4)", 1},
    {"size", KEY_SIZE, "HxW", 0, "their size (default 128x128)", 1},
    {"steps", KEY_STEPS, "N", 0, "noise levels; 2 N - 1 evaluations an image (default 32)", 1},
    {"seed", KEY_SEED, "K", 0, "seed (default 1); image i depends on seed and i only", 1},
    {0},
};

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
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &a->cli; return 0;
    case 'o': a->output = text; return 0;
    case 'n': a->count = (int)sc_cli_integer(state, "-n", text, 1, 10000); return 0;
    case KEY_PRIOR: a->prior = text; return 0;
    case KEY_SIZE: parse_size(a, text, state); return 0;
    case KEY_STEPS: a->steps = (int)sc_cli_integer(state, "--steps", text, 2, 10000); return 0;
    case KEY_SEED: a->seed = (uint64_t)sc_cli_integer(state, "--seed", text, 0, INT64_MAX); return 0;
    case ARGP_KEY_END:
        if (!a->prior || !a->output)
            argp_error(state, "--prior FILE and -o FILE are needed");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* Magnitudes of all images in one row. */
static sc_status write_png(const char *path, const float *x, const arguments *a, int channels)
{
    float *strip;
    int64_t h = a->height, w = a->width, width = w * a->count;
    sc_status status = SC_ALLOC(&strip, h * width, "picture");
    if (status != SC_OK)
        return status;
    for (int64_t n = 0; n < a->count; n++)
        for (int64_t i = 0; i < h; i++)
            for (int64_t j = 0; j < w; j++) {
                const float *p = x + ((n * h + i) * w + j) * channels;
                strip[i * width + n * w + j] = channels == 2 ? hypotf(p[0], p[1]) : p[0];
            }
    status = sc_png_write_gray(path, strip, h, width, 0, sc_png_white(strip, h * width));
    sc_free(strip);
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

static sc_status sample(const arguments *a)
{
    sc_status status = SC_OK;
    sc_score *score = NULL;
    float *x = NULL;
    bool png = ends_with(a->output, ".png");
    if (!png && !ends_with(a->output, ".npy"))
        SC_TRY(sc_fail(SC_ERR_USAGE, "%s: expected a name that ends in .npy or .png", a->output));
    SC_TRY(sc_score_load(&score, a->prior, a->cli.threads));
    size_t size = (size_t)a->height * (size_t)a->width * (size_t)score->channels;
    SC_TRY(sc_alloc((void **)&x, size * (size_t)a->count, sizeof *x, "samples"));
    for (int i = 0; i < a->count; i++)
        SC_TRY(sc_prior_sample(x + (size_t)i * size, score, a->height, a->width, a->steps,
                               (sc_key){a->seed, 0, (uint32_t)i}, sc_cli_progress(&a->cli)));
    SC_TRY(png ? write_png(a->output, x, a, score->channels)
               : write_npy(a->output, x, a, score->channels));
cleanup:
    sc_score_free(score);
    sc_free(x);
    return status;
}

int sc_command_sample(int argc, char **argv)
{
    static const struct argp_child children[] = {{&sc_cli_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .options = options, .parser = parse, .children = children,
        .args_doc = "--prior FILE -o FILE",
        .doc = "Draw images from a prior alone: what it has learned, to look at.\v"
               "Example:\n  scorecon sample --prior brain-mr.safetensors -n 4 --size 128x128 "
               "-o samples.png"};
    arguments a = {.count = 4, .height = 128, .width = 128, .steps = 32, .seed = 1};
    sc_cli_parse(&argp, argc, argv, &a, &a.cli);
    return sc_cli_exit(&a.cli, sample(&a));
}
