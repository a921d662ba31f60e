#include "cli/prior_images.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include "cli/locate.h"
#include "io/npy.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SIDE_MAX 4096 /* rows and columns of an image */

/* ---- arguments ---- */

enum { KEY_PRIOR = 0x2100, KEY_DEVICE, KEY_MATRIX };

static const struct argp_option prior_options[] = {
    {"prior", KEY_PRIOR, "FILE", 0, "the prior (default: the shipped brain prior)", 1},
    {"device", KEY_DEVICE, "NAME", 0, "where to compute: cpu (default), cuda, cuda:tf32, cuda:bf16",
     1},
    {0},
};

static error_t parse_prior(int key, char *text, struct argp_state *state)
{
    static char shipped[4096];
    sc_cli_prior *prior = state->input;
    switch (key) {
    case KEY_PRIOR:
        prior->path = text;
        return 0;
    case KEY_DEVICE:
        sc_cli_device(state, text, &prior->cuda, &prior->precision);
        return 0;
    case ARGP_KEY_END:
        if (!prior->path &&
            sc_cli_locate(shipped, sizeof shipped, "weights/brain-mr.safetensors") != SC_OK)
            argp_error(state, "--prior FILE is needed: the shipped prior is not where it belongs");
        prior->path = prior->path ? prior->path : shipped;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp sc_cli_prior_argp = {.options = prior_options, .parser = parse_prior};

static const struct argp_option input_options[] = {
    {"matrix", KEY_MATRIX, "N", 0, "images with more rows are reduced to N", 1},
    {0},
};

static error_t parse_input(int key, char *text, struct argp_state *state)
{
    sc_cli_input *input = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        input->matrix = 4096;
        return 0;
    case KEY_MATRIX:
        input->matrix = (int)sc_cli_integer(state, "--matrix", text, 8, 4096);
        return 0;
    case ARGP_KEY_ARG:
        if (input->paths == SC_CLI_PATHS)
            argp_error(state, "more than %d images: name their folder", SC_CLI_PATHS);
        input->path[input->paths++] = text;
        return 0;
    case ARGP_KEY_END:
        if (!input->paths)
            argp_error(state, "IMAGES are needed");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp sc_cli_input_argp = {.options = input_options, .parser = parse_input};

/* ---- the prior ---- */

sc_status sc_cli_prior_load(sc_score **score, sc_device **gpu, const sc_cli_prior *prior,
                            int threads)
{
    if (!prior->cuda)
        return sc_score_load(score, prior->path, threads);
    sc_status status = sc_device_create_cuda(gpu);
    if (status != SC_OK)
        return status;
    (*gpu)->precision = prior->precision;
    return sc_score_load_on(score, prior->path, *gpu);
}

/* ---- images ---- */

static int64_t memory_limit(void)
{
    return (int64_t)sysconf(_SC_PHYS_PAGES) / 4 * (int64_t)sysconf(_SC_PAGESIZE);
}

sc_status sc_cli_images_open(sc_cli_images *set, const sc_score *score, const sc_cli_input *input,
                             const char *output)
{
    sc_status status = SC_OK;
    *set = (sc_cli_images){.score = score};
    if (score->channels > 2)
        SC_TRY(sc_fail(SC_ERR_UNSUPPORTED, "a prior of %d channels has no images here",
                       score->channels));
    SC_TRY(SC_ALLOC(&set->data, input->paths, "images"));
    SC_TRY(sc_device_create_cpu(&set->device, 1));
    SC_TRY(sc_slice_store_create_beside(&set->store, memory_limit(), output));
    for (; set->paths < input->paths; set->paths++) {
        const char *path = input->path[set->paths];
        SC_TRY(sc_train_data_load(&set->data[set->paths], set->store, path, NULL, input->matrix,
                                  set->device, NULL));
        set->count += set->data[set->paths].count;
        if (set->data[set->paths].left_out > 0)
            sc_log(SC_LOG_WARN, "%s: %d slices with hardly any signal are left out", path,
                   set->data[set->paths].left_out);
    }
cleanup:
    return status;
}

void sc_cli_images_free(sc_cli_images *set)
{
    for (int i = 0; i < set->paths; i++)
        sc_train_data_free(&set->data[i]);
    sc_free(set->data);
    sc_slice_store_free(set->store);
    sc_device_free(set->device);
    *set = (sc_cli_images){0};
}

static sc_status check_kind(const sc_score *score, const sc_array *slice, bool hu, const char *name)
{
    bool ct = strcmp(score->modality, "CT") == 0;
    if (slice->dtype == SC_C32 && score->channels == 1)
        return sc_fail(SC_ERR_INPUT, "%s is complex, but the prior has 1 channel", name);
    if (slice->dim[0] > SIDE_MAX || slice->dim[1] > SIDE_MAX)
        return sc_fail(SC_ERR_INPUT, "%s: expected at most %d x %d, found %lld x %lld", name,
                       SIDE_MAX, SIDE_MAX, (long long)slice->dim[0], (long long)slice->dim[1]);
    if (score->modality[0] && hu != ct)
        sc_log(SC_LOG_WARN, "%s is%s CT in Hounsfield units, the prior knows %s", name,
               hu ? "" : " not", score->modality);
    return SC_OK;
}

/* 1 / scale of the slice, as the prior's channels hold it */
static void fill(float *x, const sc_score *score, const sc_array *slice, double scale)
{
    int64_t n = sc_array_count(slice), parts = slice->dtype == SC_C32 ? 2 : 1;
    const float *from = slice->data;
    double black = score->black;
    for (int64_t i = 0; i < n; i++)
        for (int64_t c = 0; c < score->channels; c++)
            x[i * score->channels + c] =
                c < parts ? (float)(black + (1 - black) * (from[i * parts + c] / scale)) : 0;
}

sc_status sc_cli_images_get(sc_cli_image *image, sc_cli_images *set, int index)
{
    sc_status status = SC_OK;
    sc_array slice;
    char hash[65], start[9] = "";
    sc_train_data *data = set->data;
    for (; index >= data->count; data++)
        index -= data->count;
    const sc_train_image *from = &data->image[index];
    /* a file named alone has no folder for a contrast: "/subject:slice" */
    *image = (sc_cli_image){.name = from->name + (from->contrast_length == 0)};
    SC_TRY(sc_slice_store_get(set->store, &slice, from->slice));
    SC_TRY(check_kind(set->score, &slice, from->hu, image->name));
    image->h = (int)slice.dim[0];
    image->w = (int)slice.dim[1];
    size_t count = (size_t)image->h * (size_t)image->w * (size_t)set->score->channels;
    SC_TRY(SC_ALLOC(&image->x, count, "image"));
    fill(image->x, set->score, &slice, from->hu ? 1 : from->scale);
    sc_sha256(hash, image->x, count * sizeof *image->x);
    memcpy(start, hash, 8);
    image->key = (uint32_t)strtoul(start, NULL, 16);
cleanup:
    return status;
}

/* ---- stacks ---- */

sc_status sc_cli_stack_write(const char *path, float *x, int n, int h, int w, int channels)
{
    const int64_t dim[4] = {n, h, w, channels};
    sc_array array = channels == 2   ? sc_array_view(SC_C32, 3, dim, x)
                     : channels == 1 ? sc_array_view(SC_F32, 3, dim, x)
                                     : sc_array_view(SC_F32, 4, dim, x);
    return sc_npy_write(path, &array);
}

sc_status sc_cli_stack_read(float **x, int *n, int *h, int *w, int channels, const char *path)
{
    sc_status status = SC_OK;
    sc_array array;
    *x = NULL;
    SC_TRY(sc_npy_read(&array, path));
    const int64_t *dim = array.dim;
    int planes = channels > 2 ? array.rank - 1 : array.rank; /* axes without the channel's */
    sc_dtype dtype = channels == 2 ? SC_C32 : SC_F32;
    if (array.dtype != dtype || (planes != 2 && planes != 3) ||
        (channels > 2 && dim[array.rank - 1] != channels))
        SC_TRY(sc_fail(SC_ERR_INPUT, "%s: expected %s (image, y, x%s) for a prior of %d channel%s",
                       path, dtype == SC_C32 ? "complex64" : "float32",
                       channels > 2 ? ", channel" : "", channels, channels == 1 ? "" : "s"));
    const int64_t *side = dim + planes - 2, count = planes == 3 ? dim[0] : 1;
    if (count > INT32_MAX || side[0] > SIDE_MAX || side[1] > SIDE_MAX)
        SC_TRY(sc_fail(SC_ERR_INPUT,
                       "%s: expected images of at most %d x %d, found %lld of "
                       "%lld x %lld",
                       path, SIDE_MAX, SIDE_MAX, (long long)count, (long long)side[0],
                       (long long)side[1]));
    *n = (int)count;
    *h = (int)side[0];
    *w = (int)side[1];
    size_t numbers = (size_t)sc_array_count(&array) * (dtype == SC_C32 ? 2 : 1);
    SC_TRY(SC_ALLOC(x, numbers, "images"));
    memcpy(*x, array.data, numbers * sizeof **x);
    for (size_t i = 0; i < numbers; i++)
        if (!isfinite((*x)[i])) {
            status = sc_fail(SC_ERR_INPUT, "%s: expected finite numbers, found %g as number %zu",
                             path, (double)(*x)[i], i);
            break;
        }
cleanup:
    if (status != SC_OK) {
        sc_free(*x);
        *x = NULL;
    }
    sc_array_free(&array);
    return status;
}
