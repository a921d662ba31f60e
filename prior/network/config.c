/* The configuration of a network: defaults, JSON, ranges. One table: a row a field. */
#include "base/memory.h"
#include "prior/network/network.h"
#include <jansson.h>
#include <stddef.h>
#include <string.h>

typedef enum { INTEGER, REAL, FLAG, LEVELS, LEVEL_FLAGS } field_type;

typedef struct {
    const char *name;
    field_type type;
    size_t offset;
    double min, max;
} field;

#define FIELD(name, type, min, max) {#name, type, offsetof(sc_network_config, name), min, max}

static const field table[] = {
    FIELD(channels, INTEGER, 1, 16),
    FIELD(nf, INTEGER, 4, 1024),
    FIELD(levels, INTEGER, 1, 8),
    FIELD(ch_mult, LEVELS, 1, 64),
    FIELD(num_res_blocks, INTEGER, 1, 64),
    FIELD(attention, LEVEL_FLAGS, 0, 1),
    FIELD(attention_middle, FLAG, 0, 1),
    FIELD(embedding_fourier, FLAG, 0, 1),
    FIELD(fourier_scale, REAL, 1e-6, 1e6),
    FIELD(skip_rescale, FLAG, 0, 1),
    FIELD(precondition_edm, FLAG, 0, 1),
    FIELD(sigma_data, REAL, 1e-6, 1e6),
    FIELD(scale_by_sigma, FLAG, 0, 1),
    FIELD(resblock_biggan, FLAG, 0, 1),
    FIELD(resamp_with_conv, FLAG, 0, 1),
    FIELD(fir, FLAG, 0, 1),
    FIELD(centred, FLAG, 0, 1),
};
#define FIELDS ((int)(sizeof table / sizeof *table))

sc_network_config sc_network_config_default(void)
{
    return (sc_network_config){
        .channels = 2, .nf = 32, .levels = 4, .ch_mult = {1, 1, 2, 4}, .num_res_blocks = 1,
        .embedding_fourier = 1, .fourier_scale = 1, .skip_rescale = 1, .precondition_edm = 1,
        .sigma_data = .25, .scale_by_sigma = 1, .centred = 1,
    };
}

static int *integers(const sc_network_config *config, const field *f)
{
    return (int *)((char *)config + f->offset);
}

static double *real(const sc_network_config *config, const field *f)
{
    return (double *)((char *)config + f->offset);
}

static bool is_list(const field *f) { return f->type == LEVELS || f->type == LEVEL_FLAGS; }

static sc_status check_range(const field *f, double value)
{
    if (value >= f->min && value <= f->max)
        return SC_OK;
    return sc_fail(SC_ERR_FORMAT, "network configuration: %s: %g is not in %g..%g", f->name, value,
                   f->min, f->max);
}

static sc_status check_fields(const sc_network_config *config)
{
    sc_status status = SC_OK;
    for (int i = 0; i < FIELDS; i++) {
        const field *f = &table[i];
        int count = is_list(f) ? config->levels : 1;
        if (f->type == REAL)
            SC_TRY(check_range(f, *real(config, f)));
        for (int j = 0; j < count && f->type != REAL; j++)
            SC_TRY(check_range(f, integers(config, f)[j]));
    }
cleanup:
    return status;
}

/* GroupNorm has min(C / 4, 32) groups, and C must be a multiple of that. */
static sc_status check_groups(int channels)
{
    int groups = channels / 4 < 32 ? channels / 4 : 32;
    if (channels % groups == 0)
        return SC_OK;
    return sc_fail(SC_ERR_FORMAT, "network configuration: %d channels do not divide into %d groups",
                   channels, groups);
}

sc_status sc_network_config_check(const sc_network_config *config)
{
    sc_status status = SC_OK;
    SC_TRY(check_fields(config));
    int below = config->nf;
    for (int i = 0; i < config->levels; i++) {
        int c = config->nf * config->ch_mult[i];
        if (c > 8192)
            return sc_fail(SC_ERR_FORMAT, "network configuration: level %d has %d channels, "
                           "at most 8192", i, c);
        SC_TRY(check_groups(c));
        SC_TRY(check_groups(2 * c));
        SC_TRY(check_groups(c + below)); /* [h, skip] across a change of level, both ways */
        below = c;
    }
    SC_TRY(check_groups(config->nf));
    if (config->fir && config->resamp_with_conv && !config->resblock_biggan)
        return sc_fail(SC_ERR_UNSUPPORTED, "network configuration: DDPM blocks with fir and "
                       "resamp_with_conv: fused FIR convolutions are not supported");
    if (!config->precondition_edm && config->scale_by_sigma && !config->embedding_fourier)
        return sc_fail(SC_ERR_UNSUPPORTED, "network configuration: scale_by_sigma with a positional "
                       "embedding needs discrete noise levels, which are not supported");
cleanup:
    return status;
}

static sc_status expected(const field *f, const char *what)
{
    return sc_fail(SC_ERR_FORMAT, "network configuration: %s: expected %s", f->name, what);
}

static sc_status parse_number(int *to, const field *f, const json_t *value)
{
    sc_status status = SC_OK;
    if (json_is_boolean(value) && (f->type == FLAG || f->type == LEVEL_FLAGS)) {
        *to = json_is_true(value);
        return SC_OK;
    }
    if (!json_is_integer(value))
        return expected(f, "an integer");
    json_int_t number = json_integer_value(value);
    SC_TRY(check_range(f, (double)number));
    *to = (int)number;
cleanup:
    return status;
}

static sc_status parse_list(int *to, const field *f, const json_t *value)
{
    sc_status status = SC_OK;
    size_t count = json_array_size(value); /* 0 if it is no array */
    if (count < 1 || count > 8)
        return expected(f, "a list of 1 to 8 integers");
    memset(to, 0, 8 * sizeof *to);
    for (size_t i = 0; i < count; i++)
        SC_TRY(parse_number(&to[i], f, json_array_get(value, i)));
cleanup:
    return status;
}

static sc_status parse_field(sc_network_config *config, const field *f, const json_t *value)
{
    sc_status status = SC_OK;
    if (is_list(f))
        return parse_list(integers(config, f), f, value);
    if (f->type != REAL)
        return parse_number(integers(config, f), f, value);
    if (!json_is_number(value))
        return expected(f, "a number");
    SC_TRY(check_range(f, json_number_value(value)));
    *real(config, f) = json_number_value(value);
cleanup:
    return status;
}

static const field *find(const char *name)
{
    for (int i = 0; i < FIELDS; i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

/* The lists have an entry a level. */
static sc_status check_lists(const json_t *root, const sc_network_config *config)
{
    for (int i = 0; i < FIELDS; i++) {
        const json_t *list = json_object_get(root, table[i].name);
        if (is_list(&table[i]) && list && json_array_size(list) != (size_t)config->levels)
            return sc_fail(SC_ERR_FORMAT, "network configuration: %s: %zu entries for %d levels",
                           table[i].name, json_array_size(list), config->levels);
    }
    return SC_OK;
}

sc_status sc_network_config_parse(sc_network_config *config, const char *json)
{
    sc_status status = SC_OK;
    sc_network_config result = sc_network_config_default();
    json_error_t error;
    const char *key;
    json_t *value, *root = json_loads(json, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        return sc_fail(SC_ERR_FORMAT, "network configuration: line %d: %s", error.line, error.text);
    if (!json_is_object(root))
        SC_TRY(sc_fail(SC_ERR_FORMAT, "network configuration: expected a JSON object"));
    json_object_foreach(root, key, value) {
        const field *f = find(key);
        if (!f)
            SC_TRY(sc_fail(SC_ERR_FORMAT, "network configuration: unknown key %.64s", key));
        SC_TRY(parse_field(&result, f, value));
    }
    SC_TRY(check_lists(root, &result));
    SC_TRY(sc_network_config_check(&result));
    *config = result;
cleanup:
    json_decref(root);
    return status;
}

static json_t *value_of(const sc_network_config *config, const field *f)
{
    if (f->type == REAL)
        return json_real(*real(config, f));
    if (!is_list(f))
        return json_integer(*integers(config, f));
    json_t *list = json_array();
    for (int i = 0; i < config->levels; i++)
        json_array_append_new(list, json_integer(integers(config, f)[i]));
    return list;
}

sc_status sc_network_config_print(char **json, const sc_network_config *config)
{
    sc_status status = SC_OK;
    char *text = NULL;
    json_t *root = json_object();
    *json = NULL;
    for (int i = 0; i < FIELDS; i++)
        if (json_object_set_new(root, table[i].name, value_of(config, &table[i])))
            SC_TRY(sc_fail(SC_ERR_MEMORY, "network configuration: no memory for its text"));
    text = json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(17));
    if (!text)
        SC_TRY(sc_fail(SC_ERR_MEMORY, "network configuration: no memory for its text"));
    SC_TRY(sc_string_copy(json, text));
cleanup:
    free(text);
    json_decref(root);
    return status;
}
