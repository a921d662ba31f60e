/* scorecon sample: images drawn from a prior alone, or decoded from latents. */
#include "prior/sample.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/prior_images.h"
#include "cli/sample_known.h"
#include "io/png.h"
#include "prior/classifier.h"
#include "prior/flow.h"
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 16 /* images of one job */

typedef struct {
    sc_cli cli;
    sc_cli_prior prior;
    const char *output, *png, *latents;
    int count, height, width; /* 0: not said */
    int between;
    uint64_t seed;
    sc_cli_observed observed;
    const char *class_name, *classifier;
    double guidance; /* below 0: not said */
    sc_options options;
    bool asked[SC_OPTIONS_MAX]; /* options that were given */
} arguments;

enum {
    KEY_SIZE = 0x2000,
    KEY_SEED,
    KEY_PNG,
    KEY_LATENTS,
    KEY_BETWEEN,
    KEY_INPAINT,
    KEY_MASK,
    KEY_COLOURISE,
    KEY_CLASS,
    KEY_CLASSIFIER,
    KEY_GUIDANCE,
    KEY_TABLE = 0x3000
};

static const struct argp_option own_options[] = {
    {"output", 'o', "FILE", 0,
     "what to write: .npy (sample, y, x), complex for a complex prior; "
     ".png: magnitudes in a grid",
     1},
    {"png", KEY_PNG, "FILE", 0, "the grid of magnitudes, beside a .npy", 1},
    {"count", 'n', "N", 0, "number of images (default 4)", 1},
    {"size", KEY_SIZE, "HxW", 0, "their size (default 128x128)", 1},
    {"latents", KEY_LATENTS, "FILE", 0,
     "begin at these latents (of scorecon encode, .npy) instead of random ones", 1},
    {"between", KEY_BETWEEN, "N", 0,
     "N more images between each and the next, on the arc between their latents", 1},
    {"seed", KEY_SEED, "K", 0,
     "seed (default 1); image i depends on seed and i only (and on all with --norm batch)", 1},
    {"inpaint", KEY_INPAINT, "IMAGE", 0,
     "draw what --mask hides of this image, given the rest (one slice, read and scaled as "
     "likelihood does)",
     1},
    {"mask", KEY_MASK, "FILE", 0, ".npy (y, x): 1 where the image of --inpaint is known", 1},
    {"colourise", KEY_COLOURISE, "IMAGE", 0,
     "draw images whose channels have the mean of this image's: for a complex prior that of real "
     "and imaginary part. A real .npy (y, x) is the mean itself, in the prior's units",
     1},
    {"class", KEY_CLASS, "NAME", 0, "draw images of this class of --classifier", 1},
    {"classifier", KEY_CLASSIFIER, "FILE", 0,
     "tells classes apart in noisy images (of scorecon train --classifier)", 1},
    {"guidance", KEY_GUIDANCE, "X", 0,
     "factor on the classifier's gradient (default 1, which is the law of the class; more: images "
     "that the classifier is surer of)",
     1},
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

static bool is_conditional(const arguments *a)
{
    return a->observed.inpaint || a->observed.colourise;
}

static void check_observed(const arguments *a, struct argp_state *state)
{
    if (!a->observed.inpaint != !a->observed.mask)
        argp_error(state, "--inpaint IMAGE and --mask FILE go together");
    if (a->observed.inpaint && a->observed.colourise)
        argp_error(state, "--inpaint and --colourise: expected one of them");
    if (is_conditional(a) && (a->height || a->latents || a->between))
        argp_error(state, "--inpaint and --colourise: --size, --latents and --between do not go "
                          "with them, the size is the image's");
}

/* What nobody asked for is as suits a condition, unless a sampler was named. */
static void settle_options(arguments *a)
{
    const sc_options suited = sc_sample_options_conditional();
    if (!is_conditional(a) || a->asked[0])
        return;
    for (int i = 0; sc_sample_options[i].name; i++)
        if (!a->asked[i])
            a->options.value[i] = suited.value[i];
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    arguments *a = state->input;
    if (sc_cli_set_option(&a->options, key, KEY_TABLE, text, state)) {
        a->asked[key - KEY_TABLE] = true;
        return 0;
    }
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->cli;
        state->child_inputs[1] = &a->prior;
        return 0;
    case 'o':
        a->output = text;
        return 0;
    case 'n':
        a->count = (int)sc_cli_integer(state, "-n", text, 1, 10000);
        return 0;
    case KEY_LATENTS:
        a->latents = text;
        return 0;
    case KEY_BETWEEN:
        a->between = (int)sc_cli_integer(state, "--between", text, 1, 1000);
        return 0;
    case KEY_SIZE:
        parse_size(a, text, state);
        return 0;
    case KEY_PNG:
        a->png = text;
        return 0;
    case KEY_SEED:
        a->seed = (uint64_t)sc_cli_integer(state, "--seed", text, 0, INT64_MAX);
        return 0;
    case KEY_INPAINT:
        a->observed.inpaint = text;
        return 0;
    case KEY_MASK:
        a->observed.mask = text;
        return 0;
    case KEY_COLOURISE:
        a->observed.colourise = text;
        return 0;
    case KEY_CLASS:
        a->class_name = text;
        return 0;
    case KEY_CLASSIFIER:
        a->classifier = text;
        return 0;
    case KEY_GUIDANCE:
        a->guidance = sc_cli_number(state, "--guidance", text, 0, 1000);
        return 0;
    case ARGP_KEY_END:
        if (!a->output)
            argp_error(state, "-o FILE is needed");
        check_observed(a, state);
        if (!a->class_name != !a->classifier || (a->guidance >= 0 && !a->classifier))
            argp_error(state, "--class NAME and --classifier FILE go together, and --guidance X "
                              "with them");
        if (a->latents && (a->count || a->height))
            argp_error(state, "--latents: their number and size are the file's, not -n or --size");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* What is drawn: images and the latents they begin at, which are noise times the last level's
 * std, or NULL where all are random. */
typedef struct {
    int count, h, w, channels;
    float *x, *latents; /* (count, h, w, channels) */
    double black;       /* of the prior's images */
    sc_cli_known known; /* empty: nothing */
    sc_classifier *classifier;
    sc_score *guided; /* NULL: the prior as it is */
    int64_t evaluations;
} sampling;

static size_t image_size(const sampling *s)
{
    return (size_t)s->h * (size_t)s->w * (size_t)s->channels;
}

/* Magnitudes of all images in a grid of nearly as many rows as columns; black is the prior's, white
 * one for all. */
static sc_status write_png(const char *path, const sampling *s)
{
    float *grid;
    int64_t h = s->h, w = s->w, columns = (int64_t)ceil(sqrt(s->count));
    int64_t rows = (s->count + columns - 1) / columns, ny = rows * h, nx = columns * w;
    sc_status status = SC_ALLOC(&grid, ny * nx, "picture");
    if (status != SC_OK)
        return status;
    for (int64_t n = 0; n < s->count; n++) {
        float *corner = grid + n / columns * h * nx + n % columns * w;
        for (int64_t i = 0; i < h; i++)
            for (int64_t j = 0; j < w; j++) {
                const float *p = s->x + ((n * h + i) * w + j) * s->channels;
                corner[i * nx + j] = s->channels == 2 ? hypotf(p[0], p[1]) : p[0];
            }
    }
    status = sc_png_write_gray(path, grid, ny, nx, s->black, sc_png_white(grid, ny * nx));
    sc_free(grid);
    return status;
}

/* ---- where images begin ---- */

/* Random latents of `count` images. */
static sc_status draw_latents(sampling *s, const sc_sde *sde, uint64_t seed)
{
    size_t size = image_size(s);
    sc_status status =
        sc_alloc((void **)&s->latents, size * (size_t)s->count, sizeof *s->latents, "latents");
    for (int i = 0; status == SC_OK && i < s->count; i++)
        sc_flow_draw(s->latents + (size_t)i * size, sde, (int64_t)size,
                     (sc_key){seed, 0, (uint32_t)i});
    return status;
}

/* `between` more between each latent and the next. */
static sc_status fill_arcs(sampling *s, int between)
{
    float *all, *to;
    size_t size = image_size(s);
    int64_t step = between + 1, count = (s->count - 1) * step + 1;
    if (count > INT32_MAX)
        return sc_fail(SC_ERR_USAGE, "--between: %lld images are too many", (long long)count);
    sc_status status = sc_alloc((void **)&all, size * (size_t)count, sizeof *all, "latents");
    if (status != SC_OK)
        return status;
    to = all;
    for (int64_t i = 0; i < count; i++, to += size) {
        const float *from = s->latents + (size_t)(i / step) * size;
        double share = (double)(i % step) / (double)step;
        sc_flow_interpolate(to, from, share > 0 ? from + size : from, share, (int64_t)size);
    }
    sc_free(s->latents);
    s->latents = all;
    s->count = (int)count;
    return SC_OK;
}

/* The prior of the class that was asked for. */
static sc_status guide(sampling *s, const arguments *a, const sc_score *score)
{
    sc_status status = SC_OK;
    int c;
    SC_TRY(sc_classifier_load(&s->classifier, a->classifier, a->cli.threads));
    SC_TRY(sc_classifier_find(&c, s->classifier, a->class_name));
    SC_TRY(sc_context(sc_score_guide(&s->guided, score, s->classifier, c,
                                     a->guidance < 0 ? 1 : a->guidance),
                      "%s", a->classifier));
cleanup:
    return status;
}

static sc_status prepare(sampling *s, const arguments *a, const sc_score *score)
{
    sc_status status = SC_OK;
    const sc_sde *sde = &score->sde;
    s->count = a->count ? a->count : 4;
    s->h = a->height ? a->height : 128;
    s->w = a->width ? a->width : 128;
    if (is_conditional(a)) {
        SC_TRY(sc_cli_known_read(&s->known, &a->observed, score));
        s->h = s->known.h;
        s->w = s->known.w;
    }
    if (a->latents)
        SC_TRY(sc_cli_stack_read(&s->latents, &s->count, &s->h, &s->w, s->channels, a->latents));
    else if (a->between)
        SC_TRY(draw_latents(s, sde, a->seed));
    if (a->between && s->count < 2)
        SC_TRY(sc_fail(SC_ERR_USAGE, "--between: expected two latents or more, found one"));
    if (a->between)
        SC_TRY(fill_arcs(s, a->between));
    SC_TRY(sc_alloc((void **)&s->x, image_size(s) * (size_t)s->count, sizeof *s->x, "samples"));
cleanup:
    return status;
}

/* ---- sampling ---- */

typedef struct {
    const float *latents; /* of the job's first image */
    double std;
    sc_key key;
} given_noise;

/* The first draw is the latent; all others are as random as ever. */
static void draw_given(void *self, float *z, int64_t n, int image, uint32_t draw, uint32_t step)
{
    const given_noise *g = self;
    sc_key key = g->key;
    key.sample += (uint32_t)image;
    if (draw != SC_DRAW_INIT)
        sc_random_normal(z, n, key, draw, step);
    for (int64_t i = 0; draw == SC_DRAW_INIT && i < n; i++)
        z[i] = (float)(g->latents[image * n + i] / g->std);
}

/* Images that do not depend on each other come in jobs of BATCH. */
static sc_status draw_images(sampling *s, const arguments *a, const sc_score *score)
{
    sc_status status = SC_OK;
    size_t size = image_size(s);
    bool together = sc_options_get(&a->options, "norm") != 0;
    int most = together || s->count < BATCH ? s->count : BATCH;
    sc_progress_part part = {.outer = sc_cli_progress(&a->cli),
                             .count = (s->count + most - 1) / most};
    const sc_progress progress = sc_progress_of(&part);
    for (; part.index < part.count; part.index++) {
        int first = part.index * most, left = s->count - first;
        size_t at = (size_t)first * size;
        given_noise given = {s->latents ? s->latents + at : NULL,
                             sc_flow_latent_std(&score->sde),
                             {a->seed, 0, (uint32_t)first}};
        const sc_sample_noise noise = {&given, draw_given};
        const sc_sample_job job = {.score = score,
                                   .n = left < most ? left : most,
                                   .h = s->h,
                                   .w = s->w,
                                   .key = given.key,
                                   .progress = &progress,
                                   .noise = s->latents ? &noise : NULL,
                                   .condition = s->known.y ? &s->known.condition : NULL,
                                   .evaluations = &s->evaluations};
        SC_TRY(sc_prior_draw(s->x + at, &job, &a->options));
    }
cleanup:
    return status;
}

static void report(const sampling *s, const arguments *a)
{
    if (a->cli.json) {
        json_t *all = json_pack("{s:o, s:i, s:i, s:i, s:I}", "output", sc_json_text(a->output),
                                "images", s->count, "rows", s->h, "columns", s->w, "evaluations",
                                (json_int_t)s->evaluations);
        sc_cli_print_json(all, JSON_INDENT(1));
    } else if (!a->cli.quiet) {
        printf("%s: %d image%s of %d x %d, %lld evaluations of the prior each\n", a->output,
               s->count, s->count == 1 ? "" : "s", s->h, s->w,
               (long long)(s->evaluations / s->count));
    }
}

static sc_status sample(const arguments *a)
{
    sc_status status = SC_OK;
    sc_score *score = NULL;
    sc_device *gpu = NULL;
    sampling s = {0};
    bool png = sc_cli_ends_with(a->output, ".png");
    if (!png && !sc_cli_ends_with(a->output, ".npy"))
        SC_TRY(sc_fail(SC_ERR_USAGE, "%s: expected a name that ends in .npy or .png", a->output));
    SC_TRY(sc_file_check_writable(a->output)); /* before the work */
    if (a->png)
        SC_TRY(sc_file_check_writable(a->png));
    SC_TRY(sc_cli_prior_load(&score, &gpu, &a->prior, a->cli.threads));
    s.channels = score->channels;
    s.black = score->channels == 1 ? score->black : 0;
    SC_TRY(prepare(&s, a, score));
    if (a->class_name)
        SC_TRY(guide(&s, a, score));
    SC_TRY(draw_images(&s, a, s.guided ? s.guided : score));
    SC_TRY(png ? write_png(a->output, &s)
               : sc_cli_stack_write(a->output, s.x, s.count, s.h, s.w, s.channels));
    if (a->png)
        SC_TRY(write_png(a->png, &s));
    report(&s, a);
cleanup:
    sc_score_free(s.guided);
    sc_classifier_free(s.classifier);
    sc_score_free(score);
    sc_device_free(gpu);
    sc_free(s.x);
    sc_free(s.latents);
    sc_cli_known_free(&s.known);
    return status;
}

int sc_command_sample(int argc, char **argv)
{
    static const struct argp_child children[] = {
        {&sc_cli_argp, 0, NULL, 0}, {&sc_cli_prior_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .options = all_options,
        .parser = parse,
        .children = children,
        .args_doc = "-o FILE",
        .doc =
            "Draw images from a prior alone: what it has learned, to look at.\v"
            "Example:\n  scorecon sample -n 4 --size 128x128 "
            "-o samples.npy --png samples.png\n\nThe published sampler of a VE prior: --sampler "
            "reverse-diffusion --corrector langevin --steps 1000\n\nA film from one image to the "
            "next:\n\n  scorecon sample -n 2 --between 7 -o "
            "film.png\n\nFour ways to fill a hole:\n\n  scorecon sample --inpaint slice.npy --mask "
            "known.npy -o filled.npy\n\nWith --inpaint and --colourise the options are, unless "
            "given or --sampler is named: --sampler reverse-diffusion --steps 50 --grid log-sigma "
            "--corrector annealed --corrector-steps 10 --snr 0.4. Without many corrector steps the "
            "drawn part follows the known part too little; ode takes no condition."};
    arguments a = {.seed = 1, .guidance = -1, .options = sc_options_default(sc_sample_options)};
    memcpy(all_options, own_options, sizeof own_options);
    sc_cli_list_options(all_options + OWN_OPTIONS, help_text, KEY_TABLE, sc_sample_options,
                        "Sampler:");
    sc_cli_parse(&argp, argc, argv, &a, &a.cli);
    settle_options(&a);
    return sc_cli_exit(&a.cli, sample(&a));
}
