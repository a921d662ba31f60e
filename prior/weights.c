#include "prior/weights.h"
#include "base/memory.h"
#include "prior/import.h"
#include "prior/safetensors.h"
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    sc_sde_kind kind;
} sde_kinds[] = {{"ve", SC_SDE_VE}, {"vp", SC_SDE_VP}, {"subvp", SC_SDE_SUBVP}};

#define SDE_KINDS (sizeof sde_kinds / sizeof *sde_kinds)

sc_status sc_sde_print(char **json, const sc_sde *sde)
{
    const char *kind = sde_kinds[sde->kind].name, *low, *high;
    double a = sde->sigma_min, b = sde->sigma_max;
    low = "sigma_min", high = "sigma_max";
    if (sde->kind != SC_SDE_VE)
        a = sde->beta_min, b = sde->beta_max, low = "beta_min", high = "beta_max";
    *json = NULL;
    json_t *object = json_pack("{s:s, s:f, s:f}", "kind", kind, low, a, high, b);
    char *text = object ? json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(object);
    sc_status status = text ? sc_string_copy(json, text)
                            : sc_fail(SC_ERR_MEMORY, "sde: no memory for its description");
    free(text);
    return status;
}

static sc_status sde_range(double *low, double *high, const json_t *object, const char *low_name,
                           const char *high_name)
{
    const json_t *a = json_object_get(object, low_name), *b = json_object_get(object, high_name);
    *low = json_number_value(a);
    *high = json_number_value(b);
    if (!json_is_number(a) || !json_is_number(b) || !(*low > 0 && *low < *high && *high < 1e6))
        return sc_fail(SC_ERR_FORMAT, "sde: expected 0 < %s < %s, found %g and %g", low_name,
                       high_name, *low, *high);
    return SC_OK;
}

sc_status sc_sde_parse(sc_sde *sde, const char *json)
{
    sc_status status;
    json_t *object = json_loads(json, JSON_REJECT_DUPLICATES, NULL);
    const char *kind = json_string_value(json_object_get(object, "kind"));
    size_t i = 0;
    *sde = (sc_sde){0};
    while (kind && i < SDE_KINDS && strcmp(kind, sde_kinds[i].name) != 0)
        i++;
    if (!kind || i == SDE_KINDS) {
        status = sc_fail(SC_ERR_FORMAT, "sde: kind is %s, expected ve, vp or subvp",
                         kind ? kind : "missing");
    } else {
        sde->kind = sde_kinds[i].kind;
        status = sde->kind == SC_SDE_VE
                     ? sde_range(&sde->sigma_min, &sde->sigma_max, object, "sigma_min", "sigma_max")
                     : sde_range(&sde->beta_min, &sde->beta_max, object, "beta_min", "beta_max");
    }
    json_decref(object);
    return status;
}

/* ---- the sde of the record and that of the network ---- */

static sc_status check_number(const char *name, double found, double expected)
{
    if (fabs(found - expected) <= 1e-6 * expected) /* either may have passed through float32 */
        return SC_OK;
    return sc_fail(SC_ERR_FORMAT, "sde: %s: expected %g, as in the network's configuration, "
                   "found %g", name, expected, found);
}

/* A published network computes with its configuration's SDE: the record must say the same. One with
 * EDM's preconditioning is a denoiser at any noise level: VE, and its range is the training's. */
static sc_status check_sde(const sc_sde *sde, const sc_network_config *network)
{
    sc_status status = SC_OK;
    sc_sde_kind expected = network->precondition_edm ? SC_SDE_VE : network->sde.kind;
    if (sde->kind != expected)
        return sc_fail(SC_ERR_FORMAT, "sde: kind: expected %s, %s, found %s",
                       sde_kinds[expected].name,
                       network->precondition_edm ? "as the network has EDM's preconditioning"
                                                 : "as in the network's configuration",
                       sde_kinds[sde->kind].name);
    if (network->precondition_edm)
        return SC_OK;
    if (expected == SC_SDE_VE) {
        SC_TRY(check_number("sigma_min", sde->sigma_min, network->sde.sigma_min));
        SC_TRY(check_number("sigma_max", sde->sigma_max, network->sde.sigma_max));
    } else {
        SC_TRY(check_number("beta_min", sde->beta_min, network->sde.beta_min));
        SC_TRY(check_number("beta_max", sde->beta_max, network->sde.beta_max));
    }
cleanup:
    return status;
}

/* The record's texts and their keys in the file. */
static const struct {
    const char *key;
    size_t offset;
} texts[] = {
    {"normalisation", offsetof(sc_weights_record, normalisation)},
    {"modality", offsetof(sc_weights_record, modality)},
    {"anatomy", offsetof(sc_weights_record, anatomy)},
    {"licence", offsetof(sc_weights_record, licence)},
    {"data", offsetof(sc_weights_record, data)},
    {"training", offsetof(sc_weights_record, training)},
    {"program", offsetof(sc_weights_record, program)},
    {"classes", offsetof(sc_weights_record, classes)},
};

#define TEXTS (sizeof texts / sizeof *texts)

static char **record_text(const sc_weights_record *record, size_t i)
{
    return (char **)((char *)record + texts[i].offset);
}

void sc_weights_record_free(sc_weights_record *record)
{
    for (size_t i = 0; i < TEXTS; i++)
        sc_free(*record_text(record, i));
    *record = (sc_weights_record){0};
}

void sc_weights_free(sc_weights *weights)
{
    sc_network_free(weights->network);
    sc_free(weights->theta);
    sc_weights_record_free(&weights->record);
    *weights = (sc_weights){0};
}

static sc_status required(const char **value, const sc_safetensors *file, const char *key)
{
    *value = sc_safetensors_metadata(file, key);
    return *value ? SC_OK
                  : sc_fail(SC_ERR_FORMAT, "no '%s' in the metadata: not a prior of scorecon", key);
}

static sc_status read_record(sc_weights *weights, const sc_safetensors *file)
{
    sc_status status = SC_OK;
    const char *format, *network, *sde;
    sc_network_config config;
    SC_TRY(required(&format, file, "format"));
    if (strcmp(format, SC_WEIGHTS_FORMAT) != 0)
        SC_TRY(sc_fail(SC_ERR_UNSUPPORTED, "format is '%.60s', expected %s", format,
                       SC_WEIGHTS_FORMAT));
    SC_TRY(required(&network, file, "network"));
    SC_TRY(required(&sde, file, "sde"));
    SC_TRY(sc_network_config_parse(&config, network));
    SC_TRY(sc_network_create(&weights->network, &config));
    SC_TRY(sc_sde_parse(&weights->record.sde, sde));
    SC_TRY(check_sde(&weights->record.sde, &config));
    for (size_t i = 0; i < TEXTS; i++) {
        const char *value = sc_safetensors_metadata(file, texts[i].key);
        SC_TRY(sc_string_copy(record_text(&weights->record, i), value ? value : ""));
    }
cleanup:
    return status;
}

static int same_shape(const sc_array *array, const sc_parameter *p)
{
    if (array->dtype != SC_F32 || array->rank != p->rank)
        return 0;
    for (int i = 0; i < p->rank; i++)
        if (array->dim[i] != p->dim[i])
            return 0;
    return 1;
}

static sc_status check_finite(const float *x, int64_t n, sc_status code, const char *name)
{
    int64_t bad = 0;
    for (int64_t i = 0; i < n; i++)
        bad += !isfinite(x[i]);
    return bad ? sc_fail(code, "tensor %s holds %lld values that are not finite", name,
                         (long long)bad)
               : SC_OK;
}

static sc_status read_theta(sc_weights *weights, const sc_safetensors *file)
{
    sc_status status = SC_OK;
    const sc_parameter *parameter;
    int count = sc_network_parameters(weights->network, &parameter);
    SC_TRY(SC_ALLOC(&weights->theta, sc_network_parameter_count(weights->network), "weights"));
    for (int i = 0; i < count; i++) {
        const sc_parameter *p = &parameter[i];
        const sc_safetensor *tensor = sc_safetensors_find(file, p->name);
        if (!tensor)
            SC_TRY(sc_fail(SC_ERR_FORMAT, "tensor %s of the network is missing", p->name));
        if (!same_shape(&tensor->array, p))
            SC_TRY(sc_fail(SC_ERR_FORMAT, "tensor %s: expected float32 of %d axes, %lld numbers; "
                           "found %s of %d axes, %lld numbers", p->name, p->rank,
                           (long long)p->count, sc_dtype_name(tensor->array.dtype),
                           tensor->array.rank, (long long)sc_array_count(&tensor->array)));
        memcpy(weights->theta + p->offset, tensor->array.data, (size_t)p->count * sizeof(float));
        SC_TRY(check_finite(weights->theta + p->offset, p->count, SC_ERR_FORMAT, p->name));
    }
    if (sc_safetensors_count(file) != count)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "%d tensors, but the network has %d",
                       sc_safetensors_count(file), count));
cleanup:
    return status;
}

sc_status sc_weights_read(sc_weights *weights, const char *path)
{
    sc_status status = SC_OK;
    sc_safetensors *file = NULL;
    *weights = (sc_weights){0};
    if (sc_import_recognise(path))
        return sc_fail(SC_ERR_UNSUPPORTED, "%s: a PyTorch checkpoint: 'scorecon import' makes a prior "
                       "of it", path);
    status = sc_safetensors_read(&file, path, SC_WEIGHTS_LIMIT);
    if (status != SC_OK)
        return status;
    SC_TRY(read_record(weights, file));
    SC_TRY(read_theta(weights, file));
    memcpy(weights->hash, sc_safetensors_hash(file), sizeof weights->hash);
cleanup:
    sc_safetensors_free(file);
    if (status != SC_OK)
        sc_weights_free(weights);
    return sc_context(status, "%s", path);
}

static sc_status list_tensors(sc_safetensor *tensor, const sc_parameter *parameter, int count,
                              const float *theta)
{
    for (int i = 0; i < count; i++) {
        const sc_parameter *p = &parameter[i];
        float *data = (float *)theta + p->offset;
        sc_status status = check_finite(data, p->count, SC_ERR_NUMERIC, p->name);
        if (status != SC_OK)
            return status;
        tensor[i] = (sc_safetensor){p->name, sc_array_view(SC_F32, p->rank, p->dim, data)};
    }
    return SC_OK;
}

sc_status sc_weights_write(const char *path, const sc_network *network, const float *theta,
                           const sc_weights_record *record)
{
    sc_status status = SC_OK;
    const sc_parameter *parameter;
    int count = sc_network_parameters(network, &parameter), n = 3;
    char *config = NULL, *sde = NULL;
    sc_safetensor *tensor = NULL;
    sc_metadata metadata[3 + TEXTS];
    SC_TRY(SC_ALLOC(&tensor, count, "list of tensors"));
    SC_TRY(sc_network_config_print(&config, sc_network_configuration(network)));
    SC_TRY(sc_sde_print(&sde, &record->sde));
    SC_TRY(list_tensors(tensor, parameter, count, theta));
    metadata[0] = (sc_metadata){"format", SC_WEIGHTS_FORMAT};
    metadata[1] = (sc_metadata){"network", config};
    metadata[2] = (sc_metadata){"sde", sde};
    for (size_t i = 0; i < TEXTS; i++)
        if (*record_text(record, i) && (record->classes != *record_text(record, i) ||
                                        *record->classes)) /* no classes, no line */
            metadata[n++] = (sc_metadata){texts[i].key, *record_text(record, i)};
    SC_TRY(sc_safetensors_write(path, tensor, count, metadata, n));
cleanup:
    sc_free(tensor);
    sc_free(config);
    sc_free(sde);
    return status;
}
