/* A training checkpoint, format "scorecon-training-1": safetensors with theta, ema, adam_m, adam_v
 * (F32, flat), and as __metadata__ the network, the options, the data's fingerprint, what the run
 * says of the prior (training_about.c), step and images seen. It holds no times and no paths, so equal states are equal bytes.
 */
#include "base/memory.h"
#include "prior/safetensors.h"
#include "prior/training_internal.h"
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT "scorecon-training-1"
#define VECTORS 4

/* These alone may differ silently between a run and its continuation. */
static const char *const free_options[] = {"images", "val-images", NULL};

static void vectors(float *out[VECTORS], const char *name[VECTORS], const sc_training *t)
{
    float *data[VECTORS] = {t->theta, t->ema, t->m, t->v};
    static const char *const names[VECTORS] = {"theta", "ema", "adam_m", "adam_v"};
    for (int i = 0; i < VECTORS; i++) {
        out[i] = data[i];
        name[i] = names[i];
    }
}

/* To be freed with free. */
static char *print_options(const sc_training *t)
{
    json_t *object = json_object();
    for (int i = 0; t->options.table[i].name; i++)
        json_object_set_new(object, t->options.table[i].name, json_real(t->options.value[i]));
    char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(17));
    json_decref(object);
    return text;
}

sc_status sc_training_save(const sc_training *t, const char *path)
{
    sc_status status = SC_OK;
    float *data[VECTORS];
    const char *name[VECTORS];
    sc_safetensor tensor[VECTORS];
    char *network = NULL, *about = NULL, *options = print_options(t), step[32], images[32];
    if (!options)
        SC_TRY(sc_fail(SC_ERR_MEMORY, "checkpoint: no memory for its options"));
    SC_TRY(sc_network_config_print(&network, sc_network_configuration(t->network)));
    SC_TRY(sc_training_about_print(&about, &t->about));
    snprintf(step, sizeof step, "%lld", (long long)t->state.step);
    snprintf(images, sizeof images, "%lld", (long long)t->state.images);
    vectors(data, name, t);
    for (int i = 0; i < VECTORS; i++)
        tensor[i] = (sc_safetensor){name[i], sc_array_view(SC_F32, 1, &t->count, data[i])};
    const sc_metadata metadata[] = {
        {"format", FORMAT}, {"network", network}, {"options", options},
        {"step", step},     {"images", images},   {"data", t->train.fingerprint},
        {"about", about},
    };
    SC_TRY(
        sc_safetensors_write(path, tensor, VECTORS, metadata, sizeof metadata / sizeof *metadata));
cleanup:
    free(options);
    sc_free(about);
    sc_free(network);
    return status;
}

static sc_status expect(const sc_safetensors *file, const char *key, const char *expected,
                        const char *what)
{
    const char *found = sc_safetensors_metadata(file, key);
    if (found && strcmp(found, expected) == 0)
        return SC_OK;
    return sc_fail(SC_ERR_INPUT, "%s of the checkpoint: expected %.200s, found %.200s", what,
                   expected, found ? found : "none");
}

static int is_free(const char *name)
{
    for (int i = 0; free_options[i]; i++)
        if (strcmp(name, free_options[i]) == 0)
            return 1;
    return 0;
}

/* The seed must agree; other options may be changed on purpose, but not in silence. One that the
 * checkpoint does not know had no effect when it was written: its default. */
static sc_status compare_options(const sc_training *t, const sc_safetensors *file)
{
    const char *text = sc_safetensors_metadata(file, "options");
    json_t *object = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    sc_status status = SC_OK;
    if (!object)
        return sc_fail(SC_ERR_FORMAT, "options of the checkpoint are missing or no JSON");
    for (int i = 0; status == SC_OK && t->options.table[i].name; i++) {
        const char *name = t->options.table[i].name;
        const json_t *value = json_object_get(object, name);
        double was = value ? json_number_value(value) : t->options.table[i].standard;
        double is = t->options.value[i];
        if (was == is || is_free(name))
            continue;
        if (strcmp(name, "seed") == 0)
            status = sc_fail(SC_ERR_INPUT, "seed of the checkpoint: expected %.0f, found %.0f", is,
                             was);
        else
            sc_log(SC_LOG_WARN, "resuming with %s %g, the checkpoint had %g", name, is, was);
    }
    json_decref(object);
    return status;
}

static sc_status read_count(int64_t *n, const sc_safetensors *file, const char *key)
{
    const char *text = sc_safetensors_metadata(file, key);
    char *end = NULL;
    *n = text ? strtoll(text, &end, 10) : -1;
    if (!text || end == text || *end || *n < 0)
        return sc_fail(SC_ERR_FORMAT, "%s of the checkpoint is %.40s, expected a number", key,
                       text ? text : "missing");
    return SC_OK;
}

static sc_status check_vector(const sc_safetensors *file, const char *name, int64_t count)
{
    const sc_safetensor *tensor = sc_safetensors_find(file, name);
    if (!tensor || tensor->array.dtype != SC_F32 || sc_array_count(&tensor->array) != count)
        return sc_fail(SC_ERR_FORMAT, "tensor %s of the checkpoint: expected %lld float32", name,
                       (long long)count);
    const char *bytes = tensor->array.data;
    for (int64_t i = 0; i < count; i++) {
        float x;
        memcpy(&x, bytes + (size_t)i * sizeof x, sizeof x);
        if (!isfinite(x))
            return sc_fail(SC_ERR_FORMAT, "tensor %s of the checkpoint is not finite at %lld", name,
                           (long long)i);
    }
    return SC_OK;
}

/* Where the first field begins in which two texts of a network differ; the fields' order is fixed. */
static size_t first_difference(const char *a, const char *b)
{
    size_t field = 0;
    for (size_t i = 0; a[i] && a[i] == b[i]; i++)
        if (a[i + 1] == '"' && (a[i] == ',' || a[i] == '{'))
            field = i + 1;
    return field;
}

static int field_length(const char *text)
{
    const char *next = strstr(text, ",\"");
    return (int)(next ? (size_t)(next - text) : strcspn(text, "}"));
}

/* The network's text may be that of an older version, which knew fewer fields. */
static sc_status expect_network(const sc_safetensors *file, const char *expected)
{
    sc_status status = SC_OK;
    sc_network_config config;
    const char *text = sc_safetensors_metadata(file, "network");
    char *found = NULL;
    SC_TRY(sc_network_config_parse(&config, text ? text : "none"));
    SC_TRY(sc_network_config_print(&found, &config));
    if (strcmp(found, expected) != 0) {
        size_t from = first_difference(expected, found);
        SC_TRY(sc_fail(SC_ERR_INPUT, "network of the checkpoint: expected %.*s, found %.*s (another --network "
                                     "or --init than before?)",
                       field_length(expected + from), expected + from, field_length(found + from), found + from));
    }
cleanup:
    sc_free(found);
    return status;
}

/* Nothing of t changes before all is checked. */
static sc_status load(sc_training *t, const sc_safetensors *file, const char *network)
{
    sc_status status = SC_OK;
    float *data[VECTORS];
    const char *name[VECTORS];
    sc_training_about about = {0};
    int64_t step, images;
    SC_TRY(expect(file, "format", FORMAT, "format"));
    SC_TRY(expect_network(file, network));
    SC_TRY(compare_options(t, file));
    SC_TRY(expect(file, "data", t->train.fingerprint, "fingerprint of the training data"));
    SC_TRY(read_count(&step, file, "step"));
    SC_TRY(read_count(&images, file, "images"));
    vectors(data, name, t);
    for (int i = 0; i < VECTORS; i++)
        SC_TRY(check_vector(file, name[i], t->count));
    SC_TRY(sc_training_about_parse(&about, sc_safetensors_metadata(file, "about")));
    for (int i = 0; i < VECTORS; i++)
        memcpy(data[i], sc_safetensors_find(file, name[i])->array.data,
               (size_t)t->count * sizeof(float));
    t->state = (sc_training_state){.step = step, .images = images};
    sc_training_forget(&t->about);
    t->about = about;
    about = (sc_training_about){0};
cleanup:
    sc_training_forget(&about);
    return status;
}

sc_status sc_training_load(sc_training *t, const char *path)
{
    sc_status status = SC_OK;
    sc_safetensors *file = NULL;
    char *network = NULL;
    SC_TRY(sc_network_config_print(&network, sc_network_configuration(t->network)));
    SC_TRY(sc_safetensors_read(&file, path, SC_WEIGHTS_LIMIT));
    status = sc_context(load(t, file, network), "%s", path);
cleanup:
    sc_safetensors_free(file);
    sc_free(network);
    return status;
}
