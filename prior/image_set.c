/* Training images, looked at once: their scale, how to draw them, and a fingerprint of names,
 * sizes, weights and pixels, so that a checkpoint is not resumed on other data.
 */
#include "base/file.h"
#include "base/memory.h"
#include "prior/training_internal.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define LINE 256

static sc_status describe(char *line, sc_image_set *set, int channels, int i)
{
    const sc_image_source *source = set->source;
    sc_array image;
    char hash[65];
    const char *name = source->name(source->self, i);
    sc_status status = source->get(source->self, &image, i);
    if (status == SC_OK && (image.rank != 2 || (image.dtype != SC_F32 && image.dtype != SC_C32)))
        status = sc_fail(SC_ERR_INPUT, "expected a float32 or complex64 image (y, x)");
    if (status == SC_OK && image.dtype == SC_C32 && channels == 1)
        status = sc_fail(SC_ERR_INPUT, "is complex, but the network has 1 channel");
    if (status == SC_OK)
        status = sc_image_scale(&set->scale[i], &image);
    if (source->scale)
        set->scale[i] = source->scale[i];
    if (status != SC_OK)
        return sc_context(status, "%s: image %d", name, i);
    sc_sha256(hash, image.data, sc_array_bytes(&image));
    snprintf(line, LINE, "%.80s %lld %lld %.9g %s\n", name, (long long)image.dim[0],
             (long long)image.dim[1], source->weight ? source->weight[i] : 1.0, hash);
    return SC_OK;
}

static sc_status accumulate(sc_image_set *set)
{
    double total = 0;
    int n = set->source->count;
    for (int i = 0; i < n; i++) {
        double weight = set->source->weight ? set->source->weight[i] : 1;
        total += weight;
        set->cumulative[i] = total;
        if (!(weight >= 0) || !isfinite(total))
            return sc_fail(SC_ERR_USAGE, "weight of image %d is %g, expected 0 or more", i, weight);
    }
    if (!(total > 0))
        return sc_fail(SC_ERR_USAGE, "all images have the weight 0");
    for (int i = 0; i < n; i++)
        set->cumulative[i] /= total;
    return SC_OK;
}

sc_status sc_image_set_create(sc_image_set *set, const sc_image_source *source, int channels)
{
    sc_status status = SC_OK;
    char *text = NULL;
    size_t length = 0;
    *set = (sc_image_set){.source = source};
    if (source->count < 1)
        return sc_fail(SC_ERR_INPUT, "no images");
    if (channels > 2)
        return sc_fail(SC_ERR_USAGE, "images train networks of 1 or 2 channels, this one has %d",
                       channels);
    SC_TRY(SC_ALLOC(&set->scale, source->count, "image scales"));
    SC_TRY(SC_ALLOC(&set->cumulative, source->count, "image weights"));
    SC_TRY(SC_ALLOC(&text, (size_t)source->count * LINE, "image list"));
    for (int i = 0; i < source->count; i++) {
        SC_TRY(describe(text + length, set, channels, i));
        length += strlen(text + length);
    }
    SC_TRY(accumulate(set));
    sc_sha256(set->fingerprint, text, length);
cleanup:
    sc_free(text);
    if (status != SC_OK)
        sc_image_set_free(set);
    return status;
}

void sc_image_set_free(sc_image_set *set)
{
    sc_free(set->scale);
    sc_free(set->cumulative);
    *set = (sc_image_set){0};
}

int sc_image_set_pick(const sc_image_set *set, double u)
{
    int low = 0, high = set->source->count - 1;
    while (low < high) { /* first index with cumulative > u */
        int middle = (low + high) / 2;
        if (set->cumulative[middle] > u)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}
