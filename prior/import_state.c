/* From a checkpoint's object to the network's parameter vector: which dict holds the weights, the
 * averaged ones in place of the last, each name and shape against the network's.
 */
#include "base/memory.h"
#include "prior/import_internal.h"
#include "prior/safetensors.h"
#include "prior/weights.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES_LIMIT 100000
#define NAME_BYTES 96
#define PREFIX "module." /* DataParallel's */
#define SIGMAS "sigmas"  /* a buffer of every network, used by few */

/* A named tensor, in a torch checkpoint or in a safetensors file. */
typedef struct {
    char name[NAME_BYTES];
    int rank;
    int64_t dim[SC_MAX_RANK];
    const sc_torch_tensor *tensor;
    const sc_safetensor *plain;
    bool used;
} entry;

typedef struct {
    entry *entry;
    int count;
    sc_checkpoint_file torch;
    sc_safetensors *safetensors;
} state;

static sc_status set_name(entry *e, const void *name, size_t n)
{
    char printed[64];
    const size_t prefix = sizeof PREFIX - 1;
    if (n > prefix && memcmp(name, PREFIX, prefix) == 0)
        name = (const char *)name + prefix, n -= prefix;
    if (n >= NAME_BYTES || memchr(name, 0, n))
        return sc_fail(SC_ERR_FORMAT, "key %s...: longer than %d bytes, or with a zero byte",
                       sc_printable(printed, name, n), NAME_BYTES - 1);
    memcpy(e->name, name, n);
    e->name[n] = 0;
    return SC_OK;
}

static void set_tensor(entry *e, const sc_torch_tensor *tensor)
{
    e->tensor = tensor;
    e->rank = tensor->rank;
    memcpy(e->dim, tensor->dim, sizeof e->dim);
}

static const char *shape_text(char text[96], int rank, const int64_t *dim)
{
    int used = snprintf(text, 96, rank ? "" : "a scalar");
    for (int i = 0; i < rank && used < 80; i++)
        used += snprintf(text + used, (size_t)(96 - used), "%s%lld", i ? "x" : "", (long long)dim[i]);
    return text;
}

static bool same_shape(int rank, const int64_t *dim, int other_rank, const int64_t *other)
{
    return rank == other_rank && memcmp(dim, other, (size_t)rank * sizeof *dim) == 0;
}

/* ---- which dict ---- */

static sc_status not_a_checkpoint(const sc_pickle *p, const sc_pickle_value *v)
{
    char keys[160] = "", one[64];
    if (v->kind != SC_PICKLE_DICT)
        return sc_fail(SC_ERR_FORMAT, "expected a dict, found %s", sc_pickle_kind_name(v->kind));
    uint32_t i = v->count ? v->as.cell.first : 0;
    for (int used = 0; i && used < 100; i = sc_pickle_cell_at(p, i)->next) {
        const sc_pickle_value *key = sc_pickle_at(p, sc_pickle_cell_at(p, i)->key);
        sc_printable(one, key->as.text, key->kind == SC_PICKLE_TEXT ? key->count : 0);
        used += snprintf(keys + used, sizeof keys - (size_t)used, "%s'%s'", used ? ", " : "", one);
    }
    return sc_fail(SC_ERR_FORMAT, "expected 'model' (a training checkpoint) or tensors (a state "
                   "dict), found %s", keys[0] ? keys : "an empty dict");
}

static bool holds_tensors(const sc_pickle *p, const sc_pickle_value *dict)
{
    return dict->count &&
           sc_pickle_at(p, sc_pickle_cell_at(p, dict->as.cell.first)->value)->kind == SC_PICKLE_TENSOR;
}

/* *model: the state dict; *wrapped: it is part of a training checkpoint. */
static sc_status find_model(const sc_pickle_value **model, bool *wrapped, const sc_pickle *p)
{
    const sc_pickle_value *top = sc_pickle_at(p, p->result);
    *model = NULL;
    *wrapped = false;
    if (top->kind != SC_PICKLE_DICT)
        return not_a_checkpoint(p, top);
    sc_status status = sc_pickle_find(model, p, top, "model");
    if (status != SC_OK)
        return status;
    *wrapped = *model != NULL;
    if (!*model && holds_tensors(p, top))
        *model = top;
    if (!*model)
        return not_a_checkpoint(p, top);
    if ((*model)->kind != SC_PICKLE_DICT)
        return sc_fail(SC_ERR_FORMAT, "model: expected a dict of tensors, found %s",
                       sc_pickle_kind_name((*model)->kind));
    return SC_OK;
}

static sc_status list_model(state *s, const sc_pickle_value *model)
{
    sc_status status = SC_OK;
    const sc_pickle *p = &s->torch.pickle;
    if (model->count > ENTRIES_LIMIT)
        return sc_fail(SC_ERR_FORMAT, "model: %u keys, at most %d are allowed", model->count,
                       ENTRIES_LIMIT);
    SC_TRY(SC_ALLOC(&s->entry, model->count, "list of tensors"));
    uint32_t i = model->count ? model->as.cell.first : 0;
    for (; i; i = sc_pickle_cell_at(p, i)->next) {
        const sc_pickle_value *key = sc_pickle_at(p, sc_pickle_cell_at(p, i)->key);
        const sc_pickle_value *value = sc_pickle_at(p, sc_pickle_cell_at(p, i)->value);
        entry *e = &s->entry[s->count++];
        if (key->kind != SC_PICKLE_TEXT)
            SC_TRY(sc_fail(SC_ERR_FORMAT, "model: a key is %s, expected a text",
                           sc_pickle_kind_name(key->kind)));
        SC_TRY(set_name(e, key->as.text, key->count));
        if (value->kind != SC_PICKLE_TENSOR)
            SC_TRY(sc_fail(SC_ERR_FORMAT, "model: '%s' holds %s, expected a tensor", e->name,
                           sc_pickle_kind_name(value->kind)));
        set_tensor(e, sc_pickle_tensor(p, value->as.whole));
    }
cleanup:
    return status;
}

/* ---- averaged weights ---- */

static bool is_frozen(const sc_parameter *parameter, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (parameter[i].frozen && strcmp(parameter[i].name, name) == 0)
            return true;
    return false;
}

static sc_status find_shadow(const sc_pickle_value **list, sc_import_facts *facts,
                             const sc_pickle *p)
{
    sc_status status = SC_OK;
    const sc_pickle_value *ema = NULL, *decay = NULL, *updates = NULL;
    *list = NULL;
    SC_TRY(sc_pickle_find(&ema, p, sc_pickle_at(p, p->result), "ema"));
    if (!ema || ema->kind != SC_PICKLE_DICT)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "ema: expected the dict of the averaged weights, found %s; "
                       "--raw takes the weights that are not averaged",
                       ema ? sc_pickle_kind_name(ema->kind) : "nothing"));
    SC_TRY(sc_pickle_find(list, p, ema, "shadow_params"));
    SC_TRY(sc_pickle_find(&decay, p, ema, "decay"));
    SC_TRY(sc_pickle_find(&updates, p, ema, "num_updates"));
    if (!*list || (*list)->kind != SC_PICKLE_LIST)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "ema: shadow_params: expected a list of tensors, found %s",
                       *list ? sc_pickle_kind_name((*list)->kind) : "nothing"));
    if (decay && decay->kind == SC_PICKLE_REAL)
        facts->decay = decay->as.real;
    if (updates && updates->kind == SC_PICKLE_WHOLE)
        facts->updates = updates->as.whole;
cleanup:
    return status;
}

/* shadow_params holds the trained parameters in the order of the model's keys, without names. */
static sc_status take_averaged(state *s, sc_import_facts *facts, const sc_network *network)
{
    sc_status status = SC_OK;
    const sc_pickle *p = &s->torch.pickle;
    const sc_pickle_value *list;
    const sc_parameter *parameter;
    int parameters = sc_network_parameters(network, &parameter), trained = 0;
    char a[96], b[96];
    SC_TRY(find_shadow(&list, facts, p));
    uint32_t cell = list->count ? list->as.cell.first : 0;
    for (int i = 0; i < s->count; i++) {
        entry *e = &s->entry[i];
        if (strcmp(e->name, SIGMAS) == 0 || is_frozen(parameter, parameters, e->name))
            continue;
        trained++;
        if (!cell)
            continue;
        const sc_pickle_value *value = sc_pickle_at(p, sc_pickle_cell_at(p, cell)->value);
        cell = sc_pickle_cell_at(p, cell)->next;
        if (value->kind != SC_PICKLE_TENSOR)
            SC_TRY(sc_fail(SC_ERR_FORMAT, "ema: shadow_params[%d] is %s, expected a tensor",
                           trained - 1, sc_pickle_kind_name(value->kind)));
        const sc_torch_tensor *t = sc_pickle_tensor(p, value->as.whole);
        if (!same_shape(e->rank, e->dim, t->rank, t->dim))
            SC_TRY(sc_fail(SC_ERR_FORMAT, "ema: shadow_params[%d]: expected %s as %s, found %s",
                           trained - 1, shape_text(a, e->rank, e->dim), e->name,
                           shape_text(b, t->rank, t->dim)));
        set_tensor(e, t);
    }
    if ((uint32_t)trained != list->count)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "ema: shadow_params: expected %d tensors as the model has "
                       "trained ones, found %u", trained, list->count));
    facts->averaged = true;
cleanup:
    return status;
}

static sc_status open_torch(state *s, sc_import_facts *facts, const sc_network *network,
                            const char *path, bool raw)
{
    sc_status status = SC_OK;
    const sc_pickle_value *model, *step = NULL;
    const sc_pickle *p = &s->torch.pickle;
    bool wrapped;
    status = sc_checkpoint_open(&s->torch, path);
    if (status != SC_OK)
        return status; /* names the file */
    SC_TRY(find_model(&model, &wrapped, p));
    SC_TRY(list_model(s, model));
    if (wrapped)
        SC_TRY(sc_pickle_find(&step, p, sc_pickle_at(p, p->result), "step"));
    if (step && step->kind == SC_PICKLE_WHOLE)
        facts->step = step->as.whole;
    if (wrapped && !raw)
        SC_TRY(take_averaged(s, facts, network));
cleanup:
    return sc_context(status, "%s", path);
}

/* ---- a state dict as safetensors ---- */

static sc_status open_safetensors(state *s, const char *path)
{
    sc_status status = SC_OK;
    status = sc_safetensors_read(&s->safetensors, path, SC_WEIGHTS_LIMIT);
    if (status != SC_OK)
        return status; /* names the file */
    int count = sc_safetensors_count(s->safetensors);
    SC_TRY(SC_ALLOC(&s->entry, count, "list of tensors"));
    for (int i = 0; i < count; i++) {
        entry *e = &s->entry[s->count++];
        e->plain = sc_safetensors_tensor(s->safetensors, i);
        e->rank = e->plain->array.rank;
        memcpy(e->dim, e->plain->array.dim, sizeof e->dim);
        SC_TRY(set_name(e, e->plain->name, strlen(e->plain->name)));
    }
cleanup:
    return sc_context(status, "%s", path);
}

static bool is_safetensors(const char *path)
{
    sc_import_file file;
    char head[9] = "";
    if (sc_import_file_open(&file, path) != SC_OK)
        return false;
    bool read = sc_import_file_part(&file, head, 0, sizeof head) == SC_OK;
    sc_import_file_close(&file);
    return read && head[8] == '{' && head[7] == 0;
}

static sc_status read_plain(float *to, const sc_array *array, int64_t count)
{
    static const struct {
        sc_dtype dtype;
        const char *name;
    } types[] = {{SC_F32, "float32"}, {SC_F64, "float64"}, {SC_BF16, "bfloat16"}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].dtype == array->dtype) {
            sc_torch_dtype_find(types[i].name)->convert(to, array->data, count);
            return SC_OK;
        }
    return sc_fail(SC_ERR_FORMAT, "holds %s, expected a float type", sc_dtype_name(array->dtype));
}

static sc_status read_entry(float *to, const state *s, const entry *e, int64_t count)
{
    int64_t bad = 0;
    sc_status status = e->plain ? read_plain(to, &e->plain->array, count)
                                : sc_checkpoint_tensor(to, &s->torch, e->tensor);
    for (int64_t i = 0; i < count && status == SC_OK; i++)
        bad += !isfinite(to[i]);
    if (bad)
        status = sc_fail(SC_ERR_FORMAT, "holds %lld values that are not finite", (long long)bad);
    return sc_context(status, "tensor %s", e->name);
}

/* ---- names and shapes against the network ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const entry *)a)->name, ((const entry *)b)->name);
}

static sc_status sort_entries(state *s)
{
    if (s->count)
        qsort(s->entry, (size_t)s->count, sizeof *s->entry, by_name);
    for (int i = 1; i < s->count; i++)
        if (by_name(&s->entry[i - 1], &s->entry[i]) == 0)
            return sc_fail(SC_ERR_FORMAT, "tensor %s occurs twice", s->entry[i].name);
    return SC_OK;
}

static entry *find_entry(const state *s, const char *name)
{
    entry key;
    snprintf(key.name, sizeof key.name, "%s", name);
    return s->count ? bsearch(&key, s->entry, (size_t)s->count, sizeof key, by_name) : NULL;
}

static sc_status check_entries(const state *s, const sc_parameter *parameter, int count)
{
    char a[96], b[96];
    for (int i = 0; i < count; i++) {
        const sc_parameter *p = &parameter[i];
        entry *e = find_entry(s, p->name);
        if (!e)
            return sc_fail(SC_ERR_FORMAT, "tensor %s of the configured network is missing", p->name);
        if (!same_shape(e->rank, e->dim, p->rank, p->dim))
            return sc_fail(SC_ERR_FORMAT, "tensor %s: expected %s by the configuration, found %s",
                           p->name, shape_text(a, p->rank, p->dim), shape_text(b, e->rank, e->dim));
        e->used = true;
    }
    for (int i = 0; i < s->count; i++)
        if (!s->entry[i].used && strcmp(s->entry[i].name, SIGMAS) != 0)
            return sc_fail(SC_ERR_FORMAT, "tensor %s is not part of the configured network",
                           s->entry[i].name);
    return SC_OK;
}

static sc_status read_theta(float **theta, const state *s, const sc_network *network,
                            const char *path)
{
    sc_status status = SC_OK;
    const sc_parameter *parameter;
    int count = sc_network_parameters(network, &parameter);
    int64_t total = sc_network_parameter_count(network), bytes = INT64_MAX;
    if (!s->safetensors) /* tensors may share a storage, so their shapes alone prove no size */
        bytes = s->torch.file.bytes;
    SC_TRY(check_entries(s, parameter, count));
    if (total > bytes / 2)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "%lld weights cannot be in %lld bytes", (long long)total,
                       (long long)bytes));
    SC_TRY(SC_ALLOC(theta, total, "weights"));
    for (int i = 0; i < count; i++)
        SC_TRY(read_entry(*theta + parameter[i].offset, s, find_entry(s, parameter[i].name),
                          parameter[i].count));
cleanup:
    return sc_context(status, "%s", path);
}

static sc_status read_sigmas(float **sigmas, int64_t *count, const state *s, const char *path)
{
    sc_status status = SC_OK;
    const entry *e = find_entry(s, SIGMAS);
    if (!e)
        return SC_OK;
    if (e->rank != 1 || e->dim[0] < 1)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "tensor %s: expected one axis", SIGMAS));
    SC_TRY(SC_ALLOC(sigmas, e->dim[0], "sigmas"));
    SC_TRY(read_entry(*sigmas, s, e, e->dim[0]));
    *count = e->dim[0];
cleanup:
    return sc_context(status, "%s", path);
}

sc_status sc_import_state(float **theta, float **sigmas, int64_t *sigma_count,
                          sc_import_facts *facts, const sc_network *network, const char *path,
                          bool raw)
{
    sc_status status = SC_OK;
    state s = {.torch.file.descriptor = -1};
    *theta = NULL;
    *sigmas = NULL;
    *sigma_count = 0;
    *facts = (sc_import_facts){.step = -1, .updates = -1};
    SC_TRY(is_safetensors(path) ? open_safetensors(&s, path)
                                : open_torch(&s, facts, network, path, raw));
    SC_TRY(sc_context(sort_entries(&s), "%s", path));
    SC_TRY(read_theta(theta, &s, network, path));
    SC_TRY(read_sigmas(sigmas, sigma_count, &s, path));
cleanup:
    sc_free(s.entry);
    sc_checkpoint_close(&s.torch);
    sc_safetensors_free(s.safetensors);
    if (status != SC_OK) {
        sc_free(*theta);
        sc_free(*sigmas);
        *theta = *sigmas = NULL;
    }
    return status;
}
