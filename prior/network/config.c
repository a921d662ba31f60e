/* The configuration of a network: defaults, JSON, ranges. One table: a row a field. */
#include "base/memory.h"
#include "prior/network/network_internal.h"
#include <jansson.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

typedef enum { INTEGER, REAL, FLAG, CHOICE, LEVELS, LEVEL_FLAGS, TAPS } field_type;

typedef struct {
    const char *name;
    field_type type;
    size_t offset;
    double min, max;
    const char *const *choices; /* max + 1 of them */
} field;

static const char *const activations[] = {"swish", "elu", "relu", "lrelu"};
static const char *const outputs[] = {"none", "output_skip", "residual"};
static const char *const inputs[] = {"none", "input_skip", "residual"};
static const char *const combines[] = {"sum", "cat"};
static const char *const sdes[] = {
    [SC_SDE_VE] = "ve", [SC_SDE_VP] = "vp", [SC_SDE_SUBVP] = "subvp"};

#define MEMBER(member) offsetof(sc_network_config, member)
#define FIELD(name, type, min, max) {#name, type, MEMBER(name), min, max, NULL}
#define CHOICES(name, member, list)                                                                \
    {#name, CHOICE, MEMBER(member), 0, sizeof list / sizeof *list - 1, list}

static const field table[] = {
    FIELD(channels, INTEGER, 1, 16),
    FIELD(nf, INTEGER, 4, 1024),
    FIELD(levels, INTEGER, 1, 8),
    FIELD(ch_mult, LEVELS, 1, 64),
    FIELD(num_res_blocks, INTEGER, 1, 64),
    FIELD(attention, LEVEL_FLAGS, 0, 1),
    FIELD(attention_middle, FLAG, 0, 1),
    FIELD(conditional, FLAG, 0, 1),
    CHOICES(nonlinearity, nonlinearity, activations),
    FIELD(norm_groups, INTEGER, 0, 1024),
    FIELD(embedding_fourier, FLAG, 0, 1),
    FIELD(fourier_scale, REAL, 1e-6, 1e6),
    FIELD(skip_rescale, FLAG, 0, 1),
    FIELD(resblock_biggan, FLAG, 0, 1),
    FIELD(resamp_with_conv, FLAG, 0, 1),
    FIELD(fir, FLAG, 0, 1),
    FIELD(fir_kernel, TAPS, -1e3, 1e3),
    CHOICES(progressive, progressive, outputs),
    CHOICES(progressive_input, progressive_input, inputs),
    CHOICES(progressive_combine, progressive_combine, combines),
    FIELD(dropout, REAL, 0, .99),
    FIELD(init_scale, REAL, 0, 1e3),
    FIELD(centred, FLAG, 0, 1),
    FIELD(precondition_edm, FLAG, 0, 1),
    FIELD(sigma_data, REAL, 1e-6, 1e6),
    CHOICES(sde, sde.kind, sdes),
    {"sigma_min", REAL, MEMBER(sde.sigma_min), 1e-9, 1e6, NULL},
    {"sigma_max", REAL, MEMBER(sde.sigma_max), 1e-9, 1e6, NULL},
    {"beta_min", REAL, MEMBER(sde.beta_min), 1e-9, 1e6, NULL},
    {"beta_max", REAL, MEMBER(sde.beta_max), 1e-9, 1e6, NULL},
    FIELD(continuous, FLAG, 0, 1),
    FIELD(num_scales, INTEGER, 2, 1000000),
    FIELD(scale_by_sigma, FLAG, 0, 1),
    FIELD(classes, INTEGER, 0, 64),
};
#define FIELDS ((int)(sizeof table / sizeof *table))

sc_network_config sc_network_config_default(void)
{
    return (sc_network_config){
        .channels = 2, .nf = 32, .levels = 4, .ch_mult = {1, 1, 2, 4}, .num_res_blocks = 1,
        .conditional = 1, .embedding_fourier = 1, .fourier_scale = 1, .skip_rescale = 1,
        .fir_kernel = {1, 3, 3, 1}, .fir_taps = 4, .centred = 1, .precondition_edm = 1,
        .sigma_data = .25, .sde = {SC_SDE_VE, .01, 50, .1, 20}, .continuous = 1,
        .num_scales = 1000, .scale_by_sigma = 1,
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

static bool a_level_each(const field *f) { return f->type == LEVELS || f->type == LEVEL_FLAGS; }
static bool is_real(const field *f) { return f->type == REAL || f->type == TAPS; }

/* How many numbers the field has in this configuration. */
static int count_of(const sc_network_config *config, const field *f)
{
    return a_level_each(f) ? config->levels : f->type == TAPS ? config->fir_taps : 1;
}

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
    if (config->fir_taps < 2 || config->fir_taps > SC_FIR_TAPS_MAX)
        return sc_fail(SC_ERR_FORMAT, "network configuration: fir_kernel: %d numbers, expected 2 "
                       "to %d", config->fir_taps, SC_FIR_TAPS_MAX);
    for (int i = 0; i < FIELDS; i++) {
        const field *f = &table[i];
        for (int j = 0; j < count_of(config, f); j++)
            SC_TRY(check_range(f, is_real(f) ? real(config, f)[j] : integers(config, f)[j]));
    }
cleanup:
    return status;
}

static sc_status refuse(const char *why)
{
    return sc_fail(SC_ERR_FORMAT, "network configuration: %s", why);
}

/* What the published code does not allow, or what has no meaning there. */
static sc_status check_published(const sc_network_config *config)
{
    const sc_sde *sde = &config->sde;
    if (sde->sigma_min >= sde->sigma_max || sde->beta_min >= sde->beta_max)
        return refuse("sigma_min and beta_min must be below sigma_max and beta_max");
    if (config->embedding_fourier && !config->continuous)
        return refuse("embedding_fourier needs continuous labels");
    if (sde->kind == SC_SDE_VP && !config->continuous && sde->beta_max >= config->num_scales)
        return refuse("num_scales must be above beta_max where noise levels are discrete");
    if (sde->kind == SC_SDE_SUBVP && !config->continuous)
        return refuse("subvp has continuous labels only");
    if (sde->kind == SC_SDE_VE && config->continuous && config->scale_by_sigma &&
        !config->embedding_fourier)
        return refuse("scale_by_sigma with a positional embedding needs discrete noise levels "
                      "(continuous 0)");
    return SC_OK;
}

static sc_status check_fir(const sc_network_config *config)
{
    double sum = 0, size = 0;
    for (int i = 0; i < config->fir_taps; i++) {
        sum += config->fir_kernel[i];
        size += fabs(config->fir_kernel[i]);
    }
    return fabs(sum) > 1e-6 * size ? SC_OK : refuse("fir_kernel: its sum must not vanish");
}

sc_status sc_network_config_check(const sc_network_config *config)
{
    sc_status status = SC_OK;
    SC_TRY(check_fields(config));
    for (int i = 0; i < config->levels; i++) {
        int c = config->nf * config->ch_mult[i];
        if (c > 8192)
            return sc_fail(SC_ERR_FORMAT, "network configuration: level %d has %d channels, "
                           "at most 8192", i, c);
    }
    SC_TRY(check_fir(config));
    if (!config->precondition_edm)
        SC_TRY(check_published(config));
    if (config->classes && !config->precondition_edm)
        return refuse("classes need precondition_edm");
    SC_TRY(sc_network_check_graph(config));
cleanup:
    return status;
}

static sc_status expected(const field *f, const char *what)
{
    return sc_fail(SC_ERR_FORMAT, "network configuration: %s: expected %s", f->name, what);
}

static sc_status parse_integer(int *to, const field *f, const json_t *value)
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

static sc_status parse_real(double *to, const field *f, const json_t *value)
{
    sc_status status = SC_OK;
    if (!json_is_number(value))
        return expected(f, "a number");
    SC_TRY(check_range(f, json_number_value(value)));
    *to = json_number_value(value);
cleanup:
    return status;
}

static sc_status parse_choice(int *to, const field *f, const json_t *value)
{
    const char *text = json_string_value(value);
    for (int i = 0; text && i <= (int)f->max; i++)
        if (strcmp(text, f->choices[i]) == 0) {
            *to = i;
            return SC_OK;
        }
    return sc_fail(SC_ERR_FORMAT, "network configuration: %s: expected %s, ... %s, found %.32s",
                   f->name, f->choices[0], f->choices[(int)f->max], text ? text : "no text");
}

static sc_status parse_list(sc_network_config *config, const field *f, const json_t *value)
{
    sc_status status = SC_OK;
    size_t count = json_array_size(value); /* 0 if it is no array */
    if (count < 1 || count > 8)
        return expected(f, is_real(f) ? "a list of 1 to 8 numbers" : "a list of 1 to 8 integers");
    if (is_real(f)) {
        memset(config->fir_kernel, 0, sizeof config->fir_kernel);
        config->fir_taps = (int)count;
    } else {
        memset(integers(config, f), 0, 8 * sizeof(int));
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(value, i);
        if (is_real(f))
            SC_TRY(parse_real(&real(config, f)[i], f, item));
        else
            SC_TRY(parse_integer(&integers(config, f)[i], f, item));
    }
cleanup:
    return status;
}

static sc_status parse_field(sc_network_config *config, const field *f, const json_t *value)
{
    if (a_level_each(f) || f->type == TAPS)
        return parse_list(config, f, value);
    if (f->type == CHOICE)
        return parse_choice(integers(config, f), f, value);
    if (f->type == REAL)
        return parse_real(real(config, f), f, value);
    return parse_integer(integers(config, f), f, value);
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
        if (a_level_each(&table[i]) && list && json_array_size(list) != (size_t)config->levels)
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

static json_t *number_of(const sc_network_config *config, const field *f, int i)
{
    if (f->type == CHOICE)
        return json_string(f->choices[*integers(config, f)]);
    return is_real(f) ? json_real(real(config, f)[i]) : json_integer(integers(config, f)[i]);
}

static json_t *value_of(const sc_network_config *config, const field *f)
{
    if (!a_level_each(f) && f->type != TAPS)
        return number_of(config, f, 0);
    json_t *list = json_array();
    for (int i = 0; i < count_of(config, f); i++)
        json_array_append_new(list, number_of(config, f, i));
    return list;
}

sc_status sc_network_config_print(char **json, const sc_network_config *config)
{
    sc_status status = SC_OK;
    char *text = NULL;
    json_t *root = json_object();
    *json = NULL;
    for (int i = 0; i < FIELDS; i++)
        if (table[i].offset == MEMBER(classes) && !config->classes)
            continue; /* a denoiser's text is what it was before there were classifiers */
        else if (json_object_set_new(root, table[i].name, value_of(config, &table[i])))
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
