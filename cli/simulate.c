/* scorecon simulate: measure an image as a scanner would, or undersample a full scan. */
#include "recon/simulate.h"
#include "base/file.h"
#include "base/memory.h"
#include "cli/command.h"
#include "io/image.h"
#include "io/nifti.h"
#include "io/npy.h"
#include "io/scan.h"
#include "recon/sampling.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    sc_cli cli;
    const char *image, *output, *truth, *mask;
    sc_simulate_options options;
    bool physics; /* an option was given that only an image's simulation has */
} simulate_arguments;

enum {
    KEY_COILS = 0x2000,
    KEY_MASK,
    KEY_NOISE,
    KEY_SEED,
    KEY_TRUTH,
    KEY_SLICES,
    KEY_MATRIX,
    KEY_3D,
    KEY_CORRELATION,
    KEY_PRESCAN
};

static const struct argp_option options[] = {
    {"output", 'o', "SCAN", 0, "file to write: .h5 (ISMRMRD) or .cfl", 0},
    {"truth", KEY_TRUTH, "FILE", 0,
     "also write the noiseless fully sampled magnitude (.npy, .nii.gz)", 0},
    {"coils", KEY_COILS, "N", 0, "receiver coils around the image (default 8)", 0},
    {"mask", KEY_MASK, "MASK", 0,
     "lines:4:24 (every 4th line, and 24 in the centre), random:4:24 (a 4th of the lines, 24 of "
     "them in the centre), poisson:8:24 (an 8th of the points; .cfl only), full, or a FILE "
     "(default lines:4:24)",
     0},
    {"noise", KEY_NOISE, "S", 0,
     "standard deviation per real component as a share of the image's 99.9th percentile (default "
     "0.01)",
     0},
    {"correlation", KEY_CORRELATION, "C", 0, "of the noise of neighbouring coils (default 0)", 0},
    {"noise-samples", KEY_PRESCAN, "N", 0, "of the noise prescan (default 4096; 0: none)", 0},
    {"matrix", KEY_MATRIX, "NYxNX", 0, "of the measured image (default: the image's own)", 0},
    {"slices", KEY_SLICES, "A:B:S", 0, "slices A, A+S, ... before B, from 0 (default: all)", 0},
    {"3d", KEY_3D, 0, 0, "one 3D scan instead of slices", 0},
    {"seed", KEY_SEED, "K", 0, "of noise and mask (default 0)", 0},
    {0},
};

static void parse_slices(sc_simulate_options *o, const char *text, struct argp_state *state)
{
    long a, b, s = 1;
    int used = 0, n = sscanf(text, "%ld:%ld%n:%ld%n", &a, &b, &used, &s, &used);
    if (n < 2 || text[used] || a < 0 || b <= a || s < 1)
        argp_failure(state, 2, 0, "--slices: expected A:B or A:B:S with A < B, found '%s'", text);
    o->first = a, o->step = s, o->slices = (b - a + s - 1) / s;
}

static void parse_matrix(sc_simulate_options *o, const char *text, struct argp_state *state)
{
    long ny, nx;
    int used = 0;
    if (sscanf(text, "%ldx%ld%n", &ny, &nx, &used) != 2 || text[used] || ny < 8 || nx < 8 ||
        ny > 4096 || nx > 4096)
        argp_failure(state, 2, 0, "--matrix: expected NYxNX from 8 to 4096, found '%s'", text);
    o->ny = ny, o->nx = nx;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    simulate_arguments *a = state->input;
    sc_simulate_options *o = &a->options;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->cli;
        return 0;
    case 'o':
        a->output = argument;
        return 0;
    case KEY_TRUTH:
        a->truth = argument, a->physics = true;
        return 0;
    case KEY_MASK:
        a->mask = argument;
        return 0;
    case KEY_COILS:
        o->coils = (int)sc_cli_integer(state, "--coils", argument, 1, 1024), a->physics = true;
        return 0;
    case KEY_NOISE:
        o->noise = sc_cli_number(state, "--noise", argument, 0, 10), a->physics = true;
        return 0;
    case KEY_CORRELATION:
        o->correlation = sc_cli_number(state, "--correlation", argument, 0, 0.45),
        a->physics = true;
        return 0;
    case KEY_PRESCAN:
        o->noise_samples = sc_cli_integer(state, "--noise-samples", argument, 0, 1 << 20),
        a->physics = true;
        return 0;
    case KEY_MATRIX:
        parse_matrix(o, argument, state), a->physics = true;
        return 0;
    case KEY_SLICES:
        parse_slices(o, argument, state), a->physics = true;
        return 0;
    case KEY_3D:
        o->three_d = true, a->physics = true;
        return 0;
    case KEY_SEED:
        o->seed = (uint64_t)sc_cli_integer(state, "--seed", argument, 0, INT64_MAX);
        return 0;
    case ARGP_KEY_ARG:
        if (a->image)
            argp_failure(state, 2, 0, "expected one IMAGE, found '%s' too", argument);
        a->image = argument;
        return 0;
    case ARGP_KEY_END:
        if (!a->image || !a->output)
            argp_failure(state, 2, 0, "expected IMAGE and -o SCAN");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&sc_cli_argp, 0, 0, 0}, {0}};
static const struct argp argp = {
    options,
    parse,
    "IMAGE -o SCAN",
    "Measure an image (NIfTI, DICOM, TIFF, .npy) with simulated coils, phase and noise; the "
    "scanner sees "
    "it on a finer grid than the reconstruction. Or, if IMAGE is a full raw scan, undersample it.\v"
    "Examples:\n"
    "  scorecon simulate head.nii.gz -o scan.h5 --truth truth.npy --slices 60:130:10\n"
    "  scorecon simulate full.h5 -o quarter.h5 --mask random:4:24\n",
    children,
    0,
    0};

static sc_status write_scan(const char *path, const sc_scan *scan)
{
    if (sc_cli_ends_with(path, ".cfl"))
        return sc_scan_write_cfl(path, scan);
    if (sc_cli_ends_with(path, ".h5") || sc_cli_ends_with(path, ".mrd"))
        return sc_scan_write_ismrmrd(path, scan, NULL);
    return sc_fail(SC_ERR_USAGE, "%s: expected a name that ends in .h5, .mrd or .cfl", path);
}

/* One line on what was written, or one JSON object. */
static void print_scan(const char *path, const sc_scan *scan, const sc_cli *cli)
{
    long long slices = scan->slices * scan->nz;
    if (cli->json)
        printf("{\"slices\": %lld, \"ny\": %lld, \"nx\": %lld, \"coils\": %lld}\n", slices,
               (long long)scan->ny, (long long)scan->nx, (long long)scan->coils);
    else if (!cli->quiet)
        printf("%s: %lld slice%s of %lld x %lld, %lld coils\n", path, slices,
               slices == 1 ? "" : "s", (long long)scan->ny, (long long)scan->nx,
               (long long)scan->coils);
}

/* "full" is the word, even where a file or folder has that name. */
static bool is_mask_file(const char *mask) { return strcmp(mask, "full") != 0 && sc_path_exists(mask); }

/* A mask file as (ny, nx) floats; sizes are checked by the simulation. */
static sc_status read_mask(sc_array *mask, sc_simulate_options *o, const sc_volume *image)
{
    int64_t ny = o->ny ? o->ny : image->data.dim[1], nx = o->nx ? o->nx : image->data.dim[2];
    sc_array file;
    sc_status status = sc_npy_read(&file, o->mask);
    if (status != SC_OK)
        return status;
    if (file.rank != 2 || file.dim[0] != ny || file.dim[1] != nx ||
        (file.dtype != SC_F32 && file.dtype != SC_U8))
        status = sc_fail(SC_ERR_INPUT, "%s: expected a real mask of %lld x %lld", o->mask,
                         (long long)ny, (long long)nx);
    if (status == SC_OK)
        status = sc_array_create(mask, SC_F32, 2, file.dim);
    for (int64_t i = 0; status == SC_OK && i < ny * nx; i++)
        ((float *)mask->data)[i] =
            file.dtype == SC_U8 ? ((uint8_t *)file.data)[i] : ((float *)file.data)[i];
    o->mask_array = mask->data;
    sc_array_free(&file);
    return status;
}

static sc_status simulate_image(const simulate_arguments *a, const sc_device *device)
{
    sc_status status = SC_OK;
    sc_simulate_options o = a->options;
    sc_volume image = {0}, truth = {0};
    sc_array mask = {0};
    sc_scan scan = {0};
    o.mask = a->mask ? a->mask : o.mask;
    SC_TRY(sc_image_read(&image, a->image));
    if (a->mask && is_mask_file(a->mask))
        SC_TRY(read_mask(&mask, &o, &image));
    SC_TRY(sc_context(sc_simulate(&scan, a->truth ? &truth : NULL, &image, &o, device), "%s",
                      a->image));
    SC_TRY(write_scan(a->output, &scan));
    if (a->truth)
        SC_TRY(strstr(a->truth, ".nii") ? sc_nifti_write(a->truth, &truth)
                                        : sc_npy_write(a->truth, &truth.data));
    print_scan(a->output, &scan, &a->cli);
cleanup:
    sc_volume_free(&image);
    sc_volume_free(&truth);
    sc_array_free(&mask);
    sc_scan_free(&scan);
    return status;
}

/* Drop samples of a full scan. */
static sc_status undersample(const simulate_arguments *a)
{
    sc_status status = SC_OK;
    sc_scan scan = {0};
    sc_array mask = {0};
    if (a->physics)
        return sc_fail(SC_ERR_USAGE, "%s is a raw scan: only --mask, --seed and -o apply",
                       a->image);
    if (!a->mask)
        return sc_fail(SC_ERR_USAGE, "%s is a raw scan: expected --mask", a->image);
    SC_TRY(sc_scan_read(&scan, a->image, NULL));
    if (is_mask_file(a->mask)) {
        SC_TRY(sc_scan_apply_mask(&scan, a->mask));
    } else {
        int64_t plane = scan.ny * scan.nx, planes = sc_array_count(&scan.kspace) / plane;
        SC_TRY(sc_array_create(&mask, SC_F32, 2, (int64_t[]){scan.ny, scan.nx}));
        SC_TRY(sc_sampling_mask(mask.data, scan.ny, scan.nx, a->mask,
                                (sc_key){a->options.seed, 0, 0}));
        const float *m = mask.data;
        for (int64_t i = 0; i < planes * plane; i++)
            ((sc_c32 *)scan.kspace.data)[i] *= m[i % plane];
        for (int64_t i = 0; i < sc_array_count(&scan.mask); i++)
            ((float *)scan.mask.data)[i] *= m[i % plane];
    }
    SC_TRY(write_scan(a->output, &scan));
    print_scan(a->output, &scan, &a->cli);
cleanup:
    sc_array_free(&mask);
    sc_scan_free(&scan);
    return status;
}

/* Raw scans are HDF5 with readouts or k-space. Arrays (.npy, .cfl) may be either: what can be read
 * as an image is one, so that only those with several coils are scans. */
static bool is_raw_scan(const char *path)
{
    const char *format;
    sc_volume image = {0};
    sc_scan scan = {0};
    if (sc_scan_recognise(&format, path) != SC_OK)
        return false;
    if (strcmp(format, "npy") != 0 && strcmp(format, "cfl") != 0)
        return true;
    bool raw = sc_image_read(&image, path) != SC_OK && sc_scan_read(&scan, path, NULL) == SC_OK;
    sc_volume_free(&image);
    sc_scan_free(&scan);
    return raw;
}

int sc_command_simulate(int argc, char **argv)
{
    simulate_arguments a = {.options = sc_simulate_default()};
    sc_device *device = NULL;
    sc_cli_parse(&argp, argc, argv, &a, &a.cli);
    sc_status status = sc_device_create_cpu(&device, a.cli.threads);
    if (status == SC_OK)
        status = is_raw_scan(a.image) ? undersample(&a) : simulate_image(&a, device);
    sc_device_free(device);
    return sc_cli_exit(&a.cli, status);
}
