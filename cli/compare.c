/* scorecon compare: images against a reference, by metrics whose definitions are printed. */
#include "base/memory.h"
#include "cli/command.h"
#include "io/figure.h"
#include "io/image.h"
#include "recon/metrics.h"
#include <complex.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IMAGES_MAX 8
#define ERROR_GAIN 5 /* errors are drawn so much brighter than the image */

typedef struct {
    sc_cli cli;
    char *path[IMAGES_MAX + 1]; /* reference first */
    int paths;
    const char *region, *figure;
    bool fit;
    long slice; /* of the figure, and of stacks where one image is a single slice; -1: not said */
} compare_arguments;

enum { KEY_REGION = 0x2000, KEY_FIT, KEY_FIGURE, KEY_SLICE };

static const struct argp_option options[] = {
    {"region", KEY_REGION, "FILE", 0, "only where this image is not 0", 0},
    {"fit", KEY_FIT, 0, 0, "multiply each image by the one factor that fits it best", 0},
    {"figure", KEY_FIGURE, "FILE", 0, "draw images and errors (PNG)", 0},
    {"slice", KEY_SLICE, "K", 0,
     "slice of the figure, from 0 (default: the middle); where an image is a single slice of the "
     "reference, the one to compare (default: what recon --slice noted)",
     0},
    {0},
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
    compare_arguments *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->cli;
        return 0;
    case KEY_REGION:
        a->region = argument;
        return 0;
    case KEY_FIT:
        a->fit = true;
        return 0;
    case KEY_FIGURE:
        a->figure = argument;
        return 0;
    case KEY_SLICE:
        a->slice = sc_cli_integer(state, "--slice", argument, 0, 1 << 20);
        return 0;
    case ARGP_KEY_ARG:
        if (a->paths == IMAGES_MAX + 1)
            argp_failure(state, 2, 0, "more than %d images", IMAGES_MAX);
        a->path[a->paths++] = argument;
        return 0;
    case ARGP_KEY_END:
        if (a->paths < 2)
            argp_failure(state, 2, 0, "expected REFERENCE and IMAGE");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* The metrics' definitions, from their table. */
static char *append_definitions(int key, const char *text, void *input)
{
    (void)input;
    char *all = NULL;
    size_t size;
    FILE *out = key == ARGP_KEY_HELP_POST_DOC ? open_memstream(&all, &size) : NULL;
    if (!out)
        return (char *)text;
    fprintf(
        out,
        "%s\nMetrics (of magnitudes, per slice, then averaged; the peak is the reference's over "
        "all slices):\n",
        text);
    for (const sc_metric_definition *d = sc_metric_definitions; d->name; d++)
        fprintf(out, "  %s: %s\n", d->name, d->definition);
    fclose(out);
    return all;
}

static const struct argp_child children[] = {{&sc_cli_argp, 0, 0, 0}, {0}};
static const struct argp argp = {
    options,
    parse,
    "REFERENCE IMAGE...",
    "Compare images with a reference: PSNR, SSIM, NRMSE, HFEN. An IMAGE is a file (.npy, .cfl, "
    "NIfTI, "
    "TIFF, DICOM) or an output folder of recon.\v"
    "Example:\n  scorecon compare truth.npy out --figure comparison.png\n",
    children,
    append_definitions,
    0};

/* Magnitude (slice, y, x). */
typedef struct {
    char label[64];
    float *data; /* owned */
    int64_t slices, ny, nx;
    double seconds; /* from its record; NaN: unknown */
    int64_t only;   /* it is this slice of a stack, says its record; -1: unknown */
    double psnr, ssim, nrmse, hfen, worst_psnr; /* means over slices */
    double factor;
} image;

static void image_free(image *im)
{
    sc_free(im->data);
    *im = (image){0};
}

/* What recon's record says of the image in this folder, if it is one. */
static void read_record(image *im, const char *folder)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/record.json", folder);
    json_t *record = json_load_file(path, 0, NULL);
    json_t *cost = json_object_get(record, "cost"), *measured = json_object_get(cost, "measured");
    json_t *seconds = json_object_get(measured, "seconds");
    json_t *only = json_object_get(json_object_get(record, "data"), "only_slice");
    im->seconds = json_is_number(seconds) ? json_number_value(seconds) : NAN;
    im->only = json_is_integer(only) ? json_integer_value(only) : -1;
    json_decref(record);
}

static void label_of(char *label, size_t size, const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    size_t start = n;
    while (start > 0 && path[start - 1] != '/')
        start--;
    snprintf(label, size, "%.*s", (int)(n - start), path + start);
    char *dot = strrchr(label, '.'); /* "truth", not "truth.npy" */
    if (dot && dot != label && dot[1] && strlen(dot) <= 5)
        *dot = 0;
}

static sc_status image_load(image *im, const char *path)
{
    sc_volume volume;
    *im = (image){0};
    read_record(im, path);
    label_of(im->label, sizeof im->label, path);
    sc_status status = sc_image_read(&volume, path);
    if (status != SC_OK)
        return status;
    const sc_array *a = &volume.data;
    im->slices = a->dim[0], im->ny = a->dim[1], im->nx = a->dim[2];
    int64_t n = sc_array_count(a);
    status = SC_ALLOC(&im->data, n, "image");
    for (int64_t i = 0; status == SC_OK && i < n; i++)
        im->data[i] = a->dtype == SC_C32 ? cabsf(((const sc_c32 *)a->data)[i])
                                         : fabsf(((const float *)a->data)[i]);
    sc_volume_free(&volume);
    return status;
}

static sc_status same_shape(const image *a, const image *b)
{
    if (a->slices == b->slices && a->ny == b->ny && a->nx == b->nx)
        return SC_OK;
    return sc_fail(
        SC_ERR_INPUT,
        "%s: expected %lld x %lld x %lld (slice, y, x) as in %s, found %lld x %lld x %lld",
        b->label, (long long)a->slices, (long long)a->ny, (long long)a->nx, a->label,
        (long long)b->slices, (long long)b->ny, (long long)b->nx);
}

/* Of a stack only slice k; single slices stay. */
static sc_status keep_slice(image *im, int64_t k)
{
    int64_t plane = im->ny * im->nx;
    if (im->slices == 1)
        return SC_OK;
    if (k >= im->slices)
        return sc_fail(SC_ERR_USAGE, "%s: expected slice 0 to %lld, found %lld", im->label,
                       (long long)im->slices - 1, (long long)k);
    memmove(im->data, im->data + k * plane, (size_t)plane * sizeof *im->data);
    im->slices = 1;
    return SC_OK;
}

/* Where stacks meet single slices, *kept is the slice that all are cut down to; otherwise -1. */
static sc_status match_slices(int64_t *kept, image *im, int images, long asked)
{
    sc_status status = SC_OK;
    const image *single = NULL, *stack = NULL;
    *kept = -1;
    for (int i = 0; i < images; i++)
        if (im[i].slices == 1)
            single = single && single->only >= 0 ? single : &im[i];
        else
            stack = stack ? stack : &im[i];
    if (!single || !stack)
        return SC_OK;
    *kept = asked >= 0 ? asked : single->only;
    if (*kept < 0)
        return sc_fail(SC_ERR_USAGE, "%s is one slice, %s has %lld: say which one with --slice K",
                       single->label, stack->label, (long long)stack->slices);
    for (int i = 0; i < images; i++) {
        if (im[i].slices == 1 && im[i].only >= 0 && im[i].only != *kept)
            return sc_fail(SC_ERR_USAGE, "%s: expected slice %lld as the others, found slice %lld",
                           im[i].label, (long long)*kept, (long long)im[i].only);
        SC_TRY(keep_slice(&im[i], *kept));
    }
cleanup:
    return status;
}

/* One region for all slices, or one a slice; kept: the only slice that is looked at, or -1. */
static sc_status region_load(unsigned char **region, const image *reference, const char *path,
                             int64_t kept)
{
    image im;
    *region = NULL;
    if (!path)
        return SC_OK;
    sc_status status = image_load(&im, path);
    if (status != SC_OK)
        return status;
    if (kept >= 0)
        status = keep_slice(&im, kept);
    int64_t plane = reference->ny * reference->nx;
    if (status == SC_OK && (im.slices != 1 || im.ny != reference->ny || im.nx != reference->nx))
        status = same_shape(reference, &im);
    if (status == SC_OK)
        status = SC_ALLOC(region, reference->slices * plane, "region");
    for (int64_t i = 0; status == SC_OK && i < reference->slices * plane; i++)
        (*region)[i] = im.data[im.slices == 1 ? i % plane : i] != 0;
    image_free(&im);
    return status;
}

static double region_peak(const image *reference, const unsigned char *region)
{
    double peak = 0;
    for (int64_t i = 0; i < reference->slices * reference->ny * reference->nx; i++)
        if ((!region || region[i]) && reference->data[i] > peak)
            peak = reference->data[i];
    return peak;
}

static sc_status measure(image *im, json_t *slices, const image *reference,
                         const unsigned char *region, bool fit)
{
    sc_status status = SC_OK;
    int64_t plane = reference->ny * reference->nx;
    double peak = region_peak(reference, region);
    im->worst_psnr = INFINITY;
    for (int64_t k = 0; k < reference->slices; k++) {
        sc_metrics m;
        sc_metrics_options o = {region ? region + k * plane : NULL, fit, peak};
        SC_TRY(sc_context(sc_metrics_compare(&m, im->data + k * plane, reference->data + k * plane,
                                             reference->ny, reference->nx, &o),
                          "%s: slice %lld", im->label, (long long)k));
        double share = 1.0 / (double)reference->slices;
        im->psnr += share * m.psnr, im->ssim += share * m.ssim;
        im->nrmse += share * m.nrmse, im->hfen += share * m.hfen;
        im->factor += share * m.factor;
        im->worst_psnr = fmin(im->worst_psnr, m.psnr);
        json_array_append_new(slices, json_pack("{s:f, s:f, s:f, s:f, s:f}", "psnr",
                                                fmin(m.psnr, 999), "ssim", m.ssim, "nrmse", m.nrmse,
                                                "hfen", m.hfen, "factor", m.factor));
    }
cleanup:
    return status;
}

static void print_table(const image *im, int images, int64_t kept)
{
    if (kept >= 0)
        printf("slice %lld only\n", (long long)kept);
    printf("%-20s %8s %8s %8s %8s %10s %8s\n", "image", "PSNR dB", "SSIM", "NRMSE", "HFEN",
           "worst PSNR", "seconds");
    for (int i = 1; i < images; i++) {
        printf("%-20s %8.2f %8.4f %8.4f %8.4f %10.2f ", im[i].label, im[i].psnr, im[i].ssim,
               im[i].nrmse, im[i].hfen, im[i].worst_psnr);
        if (isnan(im[i].seconds))
            printf("%8s\n", "-");
        else
            printf("%8.1f\n", im[i].seconds);
    }
}

static void print_json(const image *im, int images, json_t *const *slices, int64_t kept)
{
    json_t *list = json_array();
    for (int i = 1; i < images; i++)
        json_array_append_new(list, json_pack("{s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:O}", "image",
                                              im[i].label, "psnr", fmin(im[i].psnr, 999), "ssim",
                                              im[i].ssim, "nrmse", im[i].nrmse, "hfen", im[i].hfen,
                                              "worst_psnr", fmin(im[i].worst_psnr, 999), "factor",
                                              im[i].factor, "slices", slices[i]));
    json_t *definitions = json_object();
    for (const sc_metric_definition *d = sc_metric_definitions; d->name; d++)
        json_object_set_new(definitions, d->name, json_string(d->definition));
    json_t *all = json_pack("{s:s, s:o, s:o}", "reference", im[0].label, "images", list,
                            "definitions", definitions);
    if (kept >= 0)
        json_object_set_new(all, "slice", json_integer(kept));
    sc_cli_print_json(all, JSON_INDENT(1) | JSON_REAL_PRECISION(8));
}

/* First row: reference and images. Second: |image - reference|, drawn ERROR_GAIN times brighter. */
static sc_status draw(const compare_arguments *a, const image *im, int images)
{
    sc_status status = SC_OK;
    sc_tile tile[2 * (IMAGES_MAX + 1)] = {0};
    char caption[IMAGES_MAX + 1][64];
    float *error = NULL;
    int64_t plane = im[0].ny * im[0].nx, k = a->slice < 0 ? im[0].slices / 2 : a->slice;
    if (k >= im[0].slices)
        return sc_fail(SC_ERR_USAGE, "--slice: expected 0 to %lld, found %lld",
                       (long long)im[0].slices - 1, (long long)k);
    double peak = 0;
    for (int64_t i = 0; i < plane; i++)
        peak = fmax(peak, im[0].data[k * plane + i]);
    SC_TRY(SC_ALLOC(&error, images * plane, "error maps"));
    for (int j = 0; j < images; j++) {
        const float *x = im[j].data + k * plane, *r = im[0].data + k * plane;
        double factor = a->fit && j ? im[j].factor : 1;
        for (int64_t i = 0; i < plane; i++)
            error[j * plane + i] = fabsf((float)factor * x[i] - r[i]);
        tile[j] = (sc_tile){.image = x,
                            .ny = im[0].ny,
                            .nx = im[0].nx,
                            .high = 0.8 * peak / factor,
                            .title = im[j].label};
        if (j == 0)
            continue;
        snprintf(caption[j], sizeof caption[j], "PSNR %.2f dB, SSIM %.3f", im[j].psnr, im[j].ssim);
        tile[images + j] = (sc_tile){.image = error + j * plane,
                                     .ny = im[0].ny,
                                     .nx = im[0].nx,
                                     .high = peak / ERROR_GAIN,
                                     .map = SC_COLOR_HEAT,
                                     .caption = caption[j]};
    }
    SC_TRY(sc_figure_panel(a->figure, tile, 2, images, 0, NULL, false));
cleanup:
    sc_free(error);
    return status;
}

int sc_command_compare(int argc, char **argv)
{
    compare_arguments a = {.slice = -1};
    image im[IMAGES_MAX + 1] = {0};
    json_t *slices[IMAGES_MAX + 1] = {0};
    unsigned char *region = NULL;
    int64_t kept;
    sc_status status = SC_OK;
    sc_cli_parse(&argp, argc, argv, &a, &a.cli);
    for (int i = 0; i < a.paths; i++)
        SC_TRY(image_load(&im[i], a.path[i]));
    SC_TRY(match_slices(&kept, im, a.paths, a.slice));
    if (kept >= 0)
        a.slice = 0;
    SC_TRY(region_load(&region, &im[0], a.region, kept));
    for (int i = 1; i < a.paths; i++) {
        SC_TRY(same_shape(&im[0], &im[i]));
        slices[i] = json_array();
        SC_TRY(measure(&im[i], slices[i], &im[0], region, a.fit));
    }
    if (a.cli.json)
        print_json(im, a.paths, slices, kept);
    else
        print_table(im, a.paths, kept);
    if (a.figure)
        SC_TRY(draw(&a, im, a.paths));
cleanup:
    for (int i = 0; i < a.paths; i++) {
        image_free(&im[i]);
        json_decref(slices[i]);
    }
    sc_free(region);
    return sc_cli_exit(&a.cli, status);
}
