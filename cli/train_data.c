/* The list of training images: names, weights, subjects (train_read.c fills it from files). */
#include "cli/train_data_internal.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WEAK_SHARE 0.05 /* of the signal of a series' strongest slice */

/* ---- the list ---- */

static sc_status grow(sc_train_data *data)
{
    if (data->count < data->capacity)
        return SC_OK;
    int capacity = data->capacity ? 2 * data->capacity : 256;
    sc_train_image *image;
    sc_status status = SC_ALLOC(&image, capacity, "list of images");
    if (status != SC_OK)
        return status;
    if (data->count)
        memcpy(image, data->image, (size_t)data->count * sizeof *image);
    sc_free(data->image);
    data->image = image;
    data->capacity = capacity;
    return SC_OK;
}

/* 99.9 % of the slice is exactly 0. */
static bool is_empty(const sc_array *slice)
{
    int64_t n = sc_array_count(slice), zeros = 0;
    const float *x = slice->data;
    for (int64_t i = 0; i < n; i++)
        zeros += slice->dtype == SC_C32 ? x[2 * i] == 0 && x[2 * i + 1] == 0 : x[i] == 0;
    return zeros > (int64_t)(0.999 * (double)(n - 1));
}

sc_status sc_train_data_add(sc_train_data *data, const sc_array *slice, const sc_train_name *name,
                            double weight)
{
    sc_status status = SC_OK;
    size_t size = strlen(name->contrast) + strlen(name->subject) + 32;
    if (is_empty(slice))
        return SC_OK;
    SC_TRY(grow(data));
    sc_train_image *image = &data->image[data->count];
    *image = (sc_train_image){.series = name->series, .weight = weight, .hu = name->hu,
                              .contrast_length = strlen(name->contrast),
                              .subject_length = strlen(name->subject)};
    SC_TRY(
        sc_context(sc_image_scale(&image->scale, slice), "slice %lld", (long long)name->slice + 1));
    SC_TRY(sc_slice_store_add(data->store, &image->slice, slice));
    SC_TRY(SC_ALLOC(&image->name, size, "name"));
    snprintf(image->name, size, "%s/%s:%lld", name->contrast, name->subject,
             (long long)name->slice + 1);
    data->count++;
cleanup:
    return status;
}

static sc_status drop_weak(sc_train_data *data)
{
    double *largest;
    int kept = 0;
    sc_status status = SC_ALLOC(&largest, data->series, "signal of the series");
    if (status != SC_OK)
        return status;
    for (int i = 0; i < data->count; i++)
        largest[data->image[i].series] = fmax(largest[data->image[i].series], data->image[i].scale);
    for (int i = 0; i < data->count; i++) {
        if (data->image[i].scale < WEAK_SHARE * largest[data->image[i].series])
            sc_free(data->image[i].name);
        else
            data->image[kept++] = data->image[i];
    }
    if (kept < data->count)
        sc_log(SC_LOG_INFO,
               "%d slices with less than %g of the signal of their series are left out",
               data->count - kept, WEAK_SHARE);
    data->left_out = data->count - kept;
    data->count = kept;
    sc_free(largest);
    return SC_OK;
}

static bool same_contrast(const sc_train_image *a, const sc_train_image *b)
{
    return a->contrast_length == b->contrast_length &&
           memcmp(a->name, b->name, a->contrast_length) == 0;
}

/* Each contrast weighs the root of its slices. */
static void balance(sc_train_data *data)
{
    for (int i = 0; i < data->count; i++)
        data->weight[i] = 0;
    for (int first = 0; first < data->count; first++) {
        double slices = 0;
        if (data->weight[first] > 0)
            continue;
        for (int i = first; i < data->count; i++)
            if (same_contrast(&data->image[i], &data->image[first]))
                slices += data->image[i].weight;
        for (int i = first; i < data->count; i++)
            if (same_contrast(&data->image[i], &data->image[first]))
                data->weight[i] = data->image[i].weight / sqrt(slices);
    }
}

static sc_status get_image(void *self, sc_array *image, int index)
{
    const sc_train_data *data = self;
    return sc_slice_store_get(data->store, image, data->image[index].slice);
}

static const char *get_name(void *self, int index)
{
    return ((sc_train_data *)self)->image[index].name;
}

/* CT has a scale of its own, which a prior cannot share with images that have none. */
static sc_status find_scales(sc_train_data *data)
{
    sc_status status = SC_OK;
    sc_free(data->scale);
    data->scale = NULL;
    for (int i = 1; i < data->count; i++)
        if (data->image[i].hu != data->image[0].hu)
            return sc_fail(SC_ERR_INPUT,
                           "%s is%s CT in Hounsfield units, %s is%s: expected one kind",
                           data->image[0].name, data->image[0].hu ? "" : " not",
                           data->image[i].name, data->image[i].hu ? "" : " not");
    if (!data->image[0].hu)
        return SC_OK;
    SC_TRY(SC_ALLOC(&data->scale, data->count, "scales of the images"));
    for (int i = 0; i < data->count; i++)
        data->scale[i] = 1;
cleanup:
    return status;
}

static sc_status finish(sc_train_data *data)
{
    sc_status status = SC_OK;
    sc_free(data->weight);
    data->weight = NULL;
    SC_TRY(SC_ALLOC(&data->weight, data->count, "weights of the images"));
    balance(data);
    SC_TRY(find_scales(data));
    data->source = (sc_image_source){.self = data, .count = data->count, .weight = data->weight,
                                     .scale = data->scale, .get = get_image, .name = get_name};
cleanup:
    return status;
}

sc_status sc_train_data_load(sc_train_data *data, sc_slice_store *store, const char *path,
                             const char *occupied, int matrix, const sc_device *device,
                             const sc_progress *progress)
{
    sc_status status = SC_OK;
    *data = (sc_train_data){.store = store};
    SC_TRY(sc_train_data_read(data, path, occupied, matrix, device, progress));
    if (data->count == 0)
        SC_TRY(sc_fail(SC_ERR_INPUT, "%s: no images with signal in it (TIFF, NIfTI, .npy, DICOM)",
                       path));
    SC_TRY(drop_weak(data));
    SC_TRY(finish(data));
cleanup:
    if (status != SC_OK)
        sc_train_data_free(data);
    return status;
}

void sc_train_data_free(sc_train_data *data)
{
    for (int i = 0; i < data->count; i++)
        sc_free(data->image[i].name);
    sc_free(data->image);
    sc_free(data->weight);
    sc_free(data->scale);
    *data = (sc_train_data){0};
}

/* ---- subjects ---- */

typedef struct {
    char hash[65];
} subject;

static int by_hash(const void *a, const void *b)
{
    return strcmp(((const subject *)a)->hash, ((const subject *)b)->hash);
}

static void hash_subject(subject *s, const sc_train_image *image)
{
    sc_sha256(s->hash, image->name + image->contrast_length + 1, image->subject_length);
}

/* (*subjects) of the images, by rising hash. */
static sc_status list_subjects(subject **list, int *subjects, const sc_train_data *data)
{
    sc_status status = SC_ALLOC(list, data->count, "subjects");
    if (status != SC_OK)
        return status;
    for (int i = 0; i < data->count; i++)
        hash_subject(&(*list)[i], &data->image[i]);
    qsort(*list, (size_t)data->count, sizeof **list, by_hash);
    *subjects = 1;
    for (int i = 1; i < data->count; i++)
        if (by_hash(&(*list)[i], &(*list)[*subjects - 1]) != 0)
            (*list)[(*subjects)++] = (*list)[i];
    return SC_OK;
}

int sc_train_data_subjects(const sc_train_data *data)
{
    subject *list;
    int subjects = 0;
    if (list_subjects(&list, &subjects, data) == SC_OK)
        sc_free(list);
    return subjects;
}

sc_status sc_train_data_split(sc_train_data *data, sc_train_data *val, double share)
{
    sc_status status = SC_OK;
    subject *list = NULL, one;
    int subjects, kept = 0;
    *val = (sc_train_data){.store = data->store, .series = data->series};
    SC_TRY(list_subjects(&list, &subjects, data));
    if (subjects < 2)
        SC_TRY(sc_fail(SC_ERR_INPUT, "all images are of one subject: none can be set aside for "
                       "validation"));
    int wanted = (int)fmin(fmax(floor(share * subjects + 0.5), 1), subjects - 1);
    SC_TRY(SC_ALLOC(&val->image, data->count, "list of images"));
    val->capacity = data->count;
    for (int i = 0; i < data->count; i++) {
        hash_subject(&one, &data->image[i]);
        if (by_hash(&one, &list[wanted - 1]) <= 0)
            val->image[val->count++] = data->image[i];
        else
            data->image[kept++] = data->image[i];
    }
    data->count = kept;
    SC_TRY(finish(data));
    SC_TRY(finish(val));
cleanup:
    sc_free(list);
    if (status != SC_OK)
        sc_train_data_free(val);
    return status;
}
