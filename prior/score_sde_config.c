#include "prior/score_sde_config.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include <string.h>

#define CONFIG_LIMIT ((size_t)16 << 20)
#define LIST 16 /* most entries of a list */

typedef struct {
    int64_t count, value[LIST];
} list;

/* The keys as they stand in the file; choices by their place in the row's text. */
typedef struct {
    int64_t name, nf, num_res_blocks, embedding_type, resblock_type, progressive;
    int64_t progressive_input, progressive_combine, nonlinearity, num_scales;
    int64_t image_size, num_channels, sde;
    list ch_mult, attn_resolutions, fir_kernel;
    bool conditional, resamp_with_conv, fir, skip_rescale, scale_by_sigma;
    bool centered, continuous, reduce_mean, likelihood_weighting;
    double dropout, init_scale, fourier_scale, ema_rate, sigma_min, sigma_max, beta_min, beta_max;
} published;

enum { NCSNPP, DDPM };
enum { FOURIER, POSITIONAL };
enum { BIGGAN, DDPM_BLOCK };

static const published defaults = {
    .fir_kernel = {4, {1, 3, 3, 1}}, .conditional = true, .resamp_with_conv = true,
    .skip_rescale = true, .fourier_scale = 16, .ema_rate = .999, .sigma_min = .01,
    .sigma_max = 50, .beta_min = .1, .beta_max = 20, .num_scales = 1000,
    .embedding_type = POSITIONAL, .resblock_type = DDPM_BLOCK,
};

typedef enum { WHOLE, REAL, FLAG, CHOICE, WHOLES, IGNORED } key_type;
/* Needed: always, by ncsnpp only, never; the plain ddpm class reads no row of NCSNPP_ONLY. */
typedef enum { NEEDED, OPTIONAL, NEEDED_NCSNPP, OPTIONAL_NCSNPP } key_use;

typedef struct {
    const char *section, *name;
    key_type type;
    key_use use;
    size_t offset;
    double min, max;
    const char *choices;
} key_row;

#define ROW(section, name, type, use, min, max)                                                    \
    {section, #name, type, use, offsetof(published, name), min, max, NULL}
#define ONE_OF(section, name, use, choices)                                                        \
    {section, #name, CHOICE, use, offsetof(published, name), 0, 0, choices}
#define UNREAD(section, name) {section, #name, IGNORED, OPTIONAL, 0, 0, 0, NULL}

static const key_row rows[] = {
    ONE_OF("model", name, NEEDED, "ncsnpp|ddpm"),
    ROW("model", nf, WHOLE, NEEDED, 4, 1024),
    ROW("model", ch_mult, WHOLES, NEEDED, 1, 64),
    ROW("model", num_res_blocks, WHOLE, NEEDED, 1, 64),
    ROW("model", attn_resolutions, WHOLES, NEEDED, 0, 65536),
    ROW("model", scale_by_sigma, FLAG, NEEDED, 0, 0),
    ROW("model", conditional, FLAG, OPTIONAL, 0, 0),
    ROW("model", resamp_with_conv, FLAG, OPTIONAL, 0, 0),
    ROW("model", dropout, REAL, OPTIONAL, 0, .99),
    ONE_OF("model", nonlinearity, OPTIONAL, "swish|elu|relu|lrelu"),
    ONE_OF("model", embedding_type, NEEDED_NCSNPP, "fourier|positional"),
    ROW("model", fourier_scale, REAL, OPTIONAL_NCSNPP, 1e-6, 1e6),
    ONE_OF("model", resblock_type, NEEDED_NCSNPP, "biggan|ddpm"),
    ROW("model", fir, FLAG, NEEDED_NCSNPP, 0, 0),
    ROW("model", fir_kernel, WHOLES, OPTIONAL_NCSNPP, 0, 1000),
    ROW("model", skip_rescale, FLAG, OPTIONAL_NCSNPP, 0, 0),
    ONE_OF("model", progressive, NEEDED_NCSNPP, "none|output_skip|residual"),
    ONE_OF("model", progressive_input, NEEDED_NCSNPP, "none|input_skip|residual"),
    ONE_OF("model", progressive_combine, OPTIONAL_NCSNPP, "sum|cat"),
    ROW("model", init_scale, REAL, OPTIONAL, 0, 1000),
    ROW("model", ema_rate, REAL, OPTIONAL, 0, 1),
    ROW("model", num_scales, WHOLE, OPTIONAL, 2, 100000),
    ROW("model", sigma_min, REAL, OPTIONAL, 1e-9, 1e6),
    ROW("model", sigma_max, REAL, OPTIONAL, 1e-9, 1e6),
    ROW("model", beta_min, REAL, OPTIONAL, 1e-9, 1e6),
    ROW("model", beta_max, REAL, OPTIONAL, 1e-9, 1e6),
    UNREAD("model", normalization), /* these are read nowhere by these two networks */
    UNREAD("model", attention_type),
    UNREAD("model", conv_size),
    ROW("data", image_size, WHOLE, NEEDED, 1, 65536),
    ROW("data", num_channels, WHOLE, NEEDED, 1, 16),
    ROW("data", centered, FLAG, NEEDED, 0, 0),
    ONE_OF("training", sde, NEEDED, "vesde|vpsde|subvpsde"),
    ROW("training", continuous, FLAG, NEEDED, 0, 0),
    ROW("training", reduce_mean, FLAG, OPTIONAL, 0, 0),
    ROW("training", likelihood_weighting, FLAG, OPTIONAL, 0, 0),
};

#define ROWS (sizeof rows / sizeof *rows)

static const char *const sections[] = {"model", "data", "training"};

static sc_status read_choice(int64_t *place, const json_t *section, const key_row *row)
{
    const char *text;
    sc_status status = sc_json_get_string(&text, section, row->name);
    size_t length = status == SC_OK ? strlen(text) : 0;
    int64_t i = 0;
    for (const char *c = row->choices; status == SC_OK && c; i++) {
        size_t n = strcspn(c, "|");
        if (n == length && memcmp(c, text, n) == 0) {
            *place = i;
            return SC_OK;
        }
        c = c[n] ? c + n + 1 : NULL;
    }
    if (status == SC_OK)
        status = sc_fail(SC_ERR_FORMAT, "key '%s': expected %s, found '%.40s'", row->name,
                         row->choices, text);
    return status;
}

static sc_status read_list(list *to, const json_t *section, const key_row *row)
{
    const json_t *array;
    sc_status status = sc_json_get_array(&array, section, row->name);
    if (status != SC_OK)
        return status;
    to->count = (int64_t)json_array_size(array);
    if (to->count > LIST)
        return sc_fail(SC_ERR_FORMAT, "key '%s': expected at most %d entries, found %lld",
                       row->name, LIST, (long long)to->count);
    for (int64_t i = 0; i < to->count; i++) {
        const json_t *entry = json_array_get(array, (size_t)i);
        double value = (double)json_integer_value(entry);
        if (!json_is_integer(entry) || value < row->min || value > row->max)
            return sc_fail(SC_ERR_FORMAT, "key '%s': expected whole numbers from %g to %g, found "
                           "another entry at place %lld", row->name, row->min, row->max,
                           (long long)i);
        to->value[i] = (int64_t)json_integer_value(entry);
    }
    return SC_OK;
}

static sc_status read_key(published *p, const json_t *section, const key_row *row)
{
    void *to = (char *)p + row->offset;
    switch (row->type) {
    case WHOLE: return sc_json_get_int(to, section, row->name, (int64_t)row->min, (int64_t)row->max);
    case REAL: return sc_json_get_real(to, section, row->name, row->min, row->max);
    case FLAG: return sc_json_get_bool(to, section, row->name);
    case CHOICE: return read_choice(to, section, row);
    case WHOLES: return read_list(to, section, row);
    default: return SC_OK;
    }
}

static bool wanted(const key_row *row, const published *p, const json_t *section)
{
    bool ncsnpp_only = row->use == NEEDED_NCSNPP || row->use == OPTIONAL_NCSNPP;
    if (ncsnpp_only && p->name != NCSNPP)
        return false;
    return row->use == NEEDED || row->use == NEEDED_NCSNPP || json_object_get(section, row->name);
}

/* The known key that begins most like an unknown one. */
static const key_row *nearest(const char *section, const char *name)
{
    const key_row *best = NULL;
    size_t longest = 1;
    for (size_t i = 0; i < ROWS; i++) {
        size_t n = 0;
        while (name[n] && rows[i].name[n] == name[n])
            n++;
        if (n > longest && strcmp(rows[i].section, section) == 0)
            longest = n, best = &rows[i];
    }
    return best;
}

static sc_status check_known(const char *section_name, const json_t *section)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)section, key, value) {
        const key_row *near = nearest(section_name, key);
        if (near && strcmp(near->name, key) == 0)
            continue;
        return sc_fail(SC_ERR_FORMAT, "key '%.64s' is unknown%s%s%s", key,
                       near ? ": did you mean '" : "", near ? near->name : "", near ? "'?" : "");
    }
    return SC_OK;
}

static sc_status read_section(published *p, const json_t *root, const char *name)
{
    sc_status status = SC_OK;
    const json_t *section = NULL;
    SC_TRY(sc_json_get_object(&section, root, name));
    if (strcmp(name, "model") == 0)
        SC_TRY(check_known(name, section));
    for (size_t i = 0; i < ROWS; i++)
        if (strcmp(rows[i].section, name) == 0 && wanted(&rows[i], p, section))
            SC_TRY(read_key(p, section, &rows[i]));
cleanup:
    return section ? sc_context(status, "%s", name) : status;
}

/* What the network's own check (sc_network_config_check) would say in other words than the file's. */
static sc_status check(const published *p)
{
    const list *lists[] = {&p->ch_mult, &p->fir_kernel};
    static const char *const names[] = {"ch_mult", "fir_kernel"};
    for (int i = 0; i < 2; i++)
        if (lists[i]->count < 1 || lists[i]->count > 8)
            return sc_fail(SC_ERR_FORMAT, "model: key '%s': expected 1 to 8 entries, found %lld",
                           names[i], (long long)lists[i]->count);
    if (!(p->sigma_min < p->sigma_max) || !(p->beta_min < p->beta_max))
        return sc_fail(SC_ERR_FORMAT, "model: expected sigma_min < sigma_max and beta_min < "
                       "beta_max, found %g, %g and %g, %g", p->sigma_min, p->sigma_max,
                       p->beta_min, p->beta_max);
    if (!p->continuous && p->embedding_type == FOURIER)
        return sc_fail(SC_ERR_FORMAT, "training: key 'continuous': expected true with the fourier "
                       "embedding, found false");
    if (!p->continuous && p->sde == SC_SDE_SUBVP)
        return sc_fail(SC_ERR_FORMAT, "training: key 'continuous': expected true with subvpsde, "
                       "found false");
    return SC_OK;
}

/* Resolution of level l: image_size / 2^l, halved without its remainder. */
static bool attends(const published *p, int level)
{
    for (int64_t i = 0; i < p->attn_resolutions.count; i++)
        if (p->attn_resolutions.value[i] == p->image_size >> level)
            return true;
    return false;
}

static void set_levels(sc_network_config *n, const published *p)
{
    n->levels = (int)p->ch_mult.count;
    for (int i = 0; i < n->levels; i++) {
        n->ch_mult[i] = (int)p->ch_mult.value[i];
        n->attention[i] = attends(p, i);
    }
    n->attention_middle = 1;
}

/* The plain ddpm class has positional embedding, its own blocks and 32 groups, no pyramids. */
static void set_family(sc_network_config *n, const published *p)
{
    n->norm_groups = p->name == DDPM ? 32 : 0;
    n->skip_rescale = p->name == NCSNPP && p->skip_rescale;
    n->embedding_fourier = p->embedding_type == FOURIER;
    n->fourier_scale = p->fourier_scale;
    n->resblock_biggan = p->resblock_type == BIGGAN;
    n->fir = p->fir;
    n->fir_taps = (int)p->fir_kernel.count;
    for (int i = 0; i < n->fir_taps; i++)
        n->fir_kernel[i] = (double)p->fir_kernel.value[i];
    n->progressive = (int)p->progressive;
    n->progressive_input = (int)p->progressive_input;
    n->progressive_combine = (int)p->progressive_combine;
}

static sc_network_config network_of(const published *p)
{
    sc_network_config n = sc_network_config_default();
    n.channels = (int)p->num_channels;
    n.nf = (int)p->nf;
    n.num_res_blocks = (int)p->num_res_blocks;
    n.conditional = p->conditional;
    n.nonlinearity = (int)p->nonlinearity;
    n.resamp_with_conv = p->resamp_with_conv;
    n.dropout = p->dropout;
    n.init_scale = p->init_scale;
    n.centred = p->centered;
    n.precondition_edm = 0;
    n.sde = (sc_sde){(sc_sde_kind)p->sde, p->sigma_min, p->sigma_max, p->beta_min, p->beta_max};
    n.continuous = p->continuous;
    n.num_scales = (int)p->num_scales;
    n.scale_by_sigma = p->scale_by_sigma;
    set_levels(&n, p);
    set_family(&n, p);
    return n;
}

sc_status sc_score_sde_config_parse(sc_score_sde_config *config, const char *text, size_t bytes,
                                    const char *name)
{
    sc_status status = SC_OK;
    json_t *root = NULL;
    published p = defaults;
    sc_network_config network;
    status = sc_json_parse(&root, text, bytes, name);
    if (status != SC_OK)
        return status;
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
        SC_TRY(read_section(&p, root, sections[i]));
    SC_TRY(check(&p));
    network = network_of(&p);
    SC_TRY(sc_network_config_check(&network));
    *config = (sc_score_sde_config){
        .network = network, .sde = network.sde, .num_scales = (int)p.num_scales,
        .image_size = (int)p.image_size, .continuous = p.continuous, .reduce_mean = p.reduce_mean,
        .likelihood_weighting = p.likelihood_weighting, .ema_rate = p.ema_rate};
cleanup:
    json_decref(root);
    return sc_context(status, "%s", name);
}

sc_status sc_score_sde_config_read(sc_score_sde_config *config, const char *path)
{
    void *text;
    size_t bytes;
    sc_status status = sc_file_read(&text, &bytes, path, CONFIG_LIMIT);
    if (status == SC_OK)
        status = sc_score_sde_config_parse(config, text, bytes, path);
    sc_free(text);
    return status;
}
