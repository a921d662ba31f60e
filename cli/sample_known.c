#include "cli/sample_known.h"
#include "base/memory.h"
#include "io/npy.h"
#include <math.h>
#include <string.h>

static int64_t pixels(const sc_cli_known *k) { return (int64_t)k->h * k->w; }

static sc_status take_memory(sc_cli_known *k, int channels)
{
    sc_status status = SC_OK;
    SC_TRY(SC_ALLOC(&k->y, pixels(k) * channels, "what is known"));
    SC_TRY(SC_ALLOC(&k->mask, pixels(k) * channels, "what is known"));
cleanup:
    return status;
}

/* *x (h, w, channels): the one image of a file, to be freed */
static sc_status read_image(float **x, sc_cli_known *k, const char *path, const sc_score *score)
{
    sc_status status = SC_OK;
    sc_cli_images set = {0};
    sc_cli_image image = {0};
    static sc_cli_input input;
    input = (sc_cli_input){.path = {(char *)path}, .paths = 1, .matrix = 4096};
    *x = NULL;
    SC_TRY(sc_cli_images_open(&set, score, &input, NULL));
    if (set.count != 1)
        SC_TRY(sc_fail(SC_ERR_INPUT, "%s: expected one image with signal, found %d", path,
                       set.count));
    SC_TRY(sc_cli_images_get(&image, &set, 0));
    k->h = image.h;
    k->w = image.w;
    *x = image.x;
cleanup:
    sc_cli_images_free(&set);
    return status;
}

/* ---- inpainting ---- */

static bool is_known(const sc_array *mask, int64_t i)
{
    return mask->dtype == SC_U8 ? ((const uint8_t *)mask->data)[i] != 0
                                : ((const float *)mask->data)[i] != 0;
}

static sc_status read_mask(sc_cli_known *k, const char *path, int channels)
{
    sc_status status = SC_OK;
    sc_array mask;
    int64_t known = 0;
    SC_TRY(sc_npy_read(&mask, path));
    if ((mask.dtype != SC_U8 && mask.dtype != SC_F32) || mask.rank != 2 || mask.dim[0] != k->h ||
        mask.dim[1] != k->w)
        SC_TRY(sc_fail(SC_ERR_INPUT, "%s: expected a mask (y, x) of %d x %d, the image's size, "
                                     "as bool, uint8 or float32",
                       path, k->h, k->w));
    for (int64_t i = 0; i < pixels(k); i++) {
        memset(k->mask + i * channels, is_known(&mask, i), (size_t)channels);
        known += is_known(&mask, i);
    }
    if (known == 0 || known == pixels(k))
        SC_TRY(sc_fail(SC_ERR_INPUT, "%s: expected 1 where the image is known and 0 elsewhere, "
                                     "found only %d",
                       path, known > 0));
cleanup:
    sc_array_free(&mask);
    return status;
}

static sc_status read_inpaint(sc_cli_known *k, const sc_cli_observed *from, const sc_score *score)
{
    sc_status status = SC_OK;
    float *x = NULL;
    int channels = score->channels;
    SC_TRY(read_image(&x, k, from->inpaint, score));
    SC_TRY(take_memory(k, channels));
    memcpy(k->y, x, (size_t)(pixels(k) * channels) * sizeof *x);
    SC_TRY(read_mask(k, from->mask, channels));
cleanup:
    sc_free(x);
    return status;
}

/* ---- colourisation ---- */

/* The mean of the channels in a real .npy (y, x); *found: it is one. */
static sc_status read_mean(bool *found, sc_cli_known *k, const char *path, int channels)
{
    sc_status status = SC_OK;
    sc_array mean;
    *found = false;
    if (!sc_cli_ends_with(path, ".npy"))
        return SC_OK;
    SC_TRY(sc_npy_read(&mean, path));
    *found = mean.dtype == SC_F32 && mean.rank == 2;
    if (!*found)
        goto cleanup;
    if (mean.dim[0] > 4096 || mean.dim[1] > 4096)
        SC_TRY(sc_fail(SC_ERR_INPUT, "%s: expected at most 4096 x 4096, found %lld x %lld", path,
                       (long long)mean.dim[0], (long long)mean.dim[1]));
    k->h = (int)mean.dim[0];
    k->w = (int)mean.dim[1];
    SC_TRY(take_memory(k, channels));
    for (int64_t i = 0; i < pixels(k); i++) {
        float value = ((const float *)mean.data)[i];
        if (!isfinite(value))
            SC_TRY(sc_fail(SC_ERR_INPUT, "%s: expected finite numbers, found %g", path,
                           (double)value));
        k->y[i * channels] = (float)(sqrt(channels) * value);
    }
cleanup:
    sc_array_free(&mean);
    return status;
}

static sc_status read_colourise(sc_cli_known *k, const sc_cli_observed *from,
                                const sc_score *score)
{
    sc_status status = SC_OK;
    float *x = NULL;
    int channels = score->channels;
    bool found;
    if (channels == 1)
        return sc_fail(SC_ERR_USAGE, "--colourise: the prior has 1 channel, so that nothing is "
                                     "unknown; expected one of 2 or more");
    SC_TRY(SC_ALLOC(&k->mix, channels * channels, "mixture of channels"));
    sc_condition_grey(k->mix, channels);
    SC_TRY(read_mean(&found, k, from->colourise, channels));
    if (!found) {
        SC_TRY(read_image(&x, k, from->colourise, score));
        SC_TRY(take_memory(k, channels));
        sc_condition_mix(k->y, x, k->mix, pixels(k), channels);
    }
    for (int64_t i = 0; i < pixels(k); i++)
        k->mask[i * channels] = 1;
cleanup:
    sc_free(x);
    return status;
}

sc_status sc_cli_known_read(sc_cli_known *known, const sc_cli_observed *from,
                            const sc_score *score)
{
    *known = (sc_cli_known){0};
    sc_status status = from->inpaint ? read_inpaint(known, from, score)
                                     : read_colourise(known, from, score);
    known->condition = (sc_condition){known->y, known->mask, known->mix};
    return status;
}

void sc_cli_known_free(sc_cli_known *known)
{
    sc_free(known->y);
    sc_free(known->mask);
    sc_free(known->mix);
    *known = (sc_cli_known){0};
}
