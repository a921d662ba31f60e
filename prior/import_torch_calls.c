/* What a checkpoint's pickle may name and call, and what that means: tensors, storages and inert
 * things. Nothing is looked up, imported or run: a global is a row here or the file is refused.
 * The list is that of PyTorch's own restricted reader, as far as checkpoints use it.
 */
#include "prior/import_internal.h"
#include <stdio.h>
#include <string.h>

typedef enum {
    ORDERED_DICT,
    TENSOR,     /* (storage, offset, size, stride[, requires_grad, hooks[, metadata]]) */
    TENSOR_V3,  /* (storage, offset, size, stride, requires_grad, hooks, dtype[, metadata]) */
    PARAMETER,  /* (tensor[, requires_grad[, hooks]]) */
    SIZE,       /* (tuple,) */
    INERT_CALL, /* devices, numpy's scalars: made of anything, never looked at */
    STORAGE,    /* torch.FloatStorage, ...: the suffix decides */
    UNTYPED,
    DTYPE       /* torch.float32, ... */
} meaning;

static const struct {
    const char *module, *name;
    meaning meaning;
} globals[] = {
    {"collections", "OrderedDict", ORDERED_DICT},
    {"torch._utils", "_rebuild_tensor_v2", TENSOR},
    {"torch._utils", "_rebuild_tensor", TENSOR},
    {"torch._utils", "_rebuild_tensor_v3", TENSOR_V3},
    {"torch._utils", "_rebuild_parameter", PARAMETER},
    {"torch.nn.parameter", "Parameter", PARAMETER},
    {"torch", "Size", SIZE},
    {"torch", "device", INERT_CALL},
    {"numpy", "dtype", INERT_CALL},
    {"numpy.core.multiarray", "scalar", INERT_CALL},
    {"numpy._core.multiarray", "scalar", INERT_CALL},
    {"_codecs", "encode", INERT_CALL},
    {"torch.storage", "UntypedStorage", UNTYPED},
    {"torch.storage", "TypedStorage", UNTYPED},
};

#define GLOBALS ((int64_t)(sizeof globals / sizeof *globals))

/* A global's index: a row above; beyond them a storage class of torch, then its dtypes. */
static int64_t dtypes(void)
{
    int64_t n = 0;
    while (sc_torch_dtypes[n].name)
        n++;
    return n;
}

static bool same(const unsigned char *bytes, size_t n, const char *text)
{
    return strlen(text) == n && memcmp(bytes, text, n) == 0;
}

sc_status sc_pickle_global(int64_t *index, const unsigned char *module, size_t module_bytes,
                           const unsigned char *name, size_t name_bytes)
{
    int64_t n = dtypes();
    for (*index = 0; *index < GLOBALS; ++*index)
        if (same(module, module_bytes, globals[*index].module) &&
            same(name, name_bytes, globals[*index].name))
            return SC_OK;
    bool torch = same(module, module_bytes, "torch"), cuda = same(module, module_bytes, "torch.cuda");
    for (int64_t i = 0; i < n && (torch || cuda); i++) {
        *index = GLOBALS + i;
        if (same(name, name_bytes, sc_torch_dtypes[i].storage))
            return SC_OK;
        *index += n;
        if (torch && same(name, name_bytes, sc_torch_dtypes[i].name))
            return SC_OK;
    }
    char m[64], k[64];
    return sc_fail(SC_ERR_FORMAT, "global %s.%s is not one that a checkpoint of weights may name; "
                   "nothing of the file was executed", sc_printable(m, module, module_bytes),
                   sc_printable(k, name, name_bytes));
}

static meaning meaning_of(int64_t index)
{
    if (index < GLOBALS)
        return globals[index].meaning;
    return index < GLOBALS + dtypes() ? STORAGE : DTYPE;
}

static const sc_torch_dtype *dtype_of(int64_t index)
{
    return &sc_torch_dtypes[(index - GLOBALS) % dtypes()];
}

const char *sc_pickle_global_name(char text[128], int64_t index)
{
    if (index < GLOBALS)
        snprintf(text, 128, "%s.%s", globals[index].module, globals[index].name);
    else
        snprintf(text, 128, "torch.%s", meaning_of(index) == STORAGE ? dtype_of(index)->storage
                                                                    : dtype_of(index)->name);
    return text;
}

/* ---- arguments ---- */

#define MOST 8 /* arguments of a call, entries of a size */
#define STORAGES_LIMIT 20000 /* each is searched for: keeps a hostile file from costing minutes */

/* The entries of a tuple (or list). */
static sc_status entries(const sc_pickle_value *entry[MOST], const sc_pickle *p,
                         const sc_pickle_value *tuple, uint32_t least, uint32_t most,
                         const char *what)
{
    if (tuple->kind != SC_PICKLE_TUPLE && tuple->kind != SC_PICKLE_LIST)
        return sc_fail(SC_ERR_FORMAT, "%s: expected a tuple, found %s", what,
                       sc_pickle_kind_name(tuple->kind));
    if (tuple->count < least || tuple->count > most)
        return sc_fail(SC_ERR_FORMAT, "%s: expected %u to %u entries, found %u", what, least, most,
                       tuple->count);
    uint32_t cell = tuple->count ? tuple->as.cell.first : 0;
    for (uint32_t i = 0; i < tuple->count; i++, cell = sc_pickle_cell_at(p, cell)->next)
        entry[i] = sc_pickle_at(p, sc_pickle_cell_at(p, cell)->value);
    return SC_OK;
}

static sc_status whole(int64_t *x, const sc_pickle_value *value, const char *what)
{
    *x = 0;
    if (value->kind != SC_PICKLE_WHOLE || value->as.whole < 0)
        return sc_fail(SC_ERR_FORMAT, "%s: expected a whole number of at least 0, found %s", what,
                       value->kind == SC_PICKLE_WHOLE ? "a negative one"
                                                      : sc_pickle_kind_name(value->kind));
    *x = value->as.whole;
    return SC_OK;
}

static sc_status wholes(int64_t *x, int *count, const sc_pickle *p, const sc_pickle_value *tuple,
                        const char *what)
{
    const sc_pickle_value *entry[MOST];
    sc_status status = entries(entry, p, tuple, 0, SC_MAX_RANK, what);
    *count = (int)tuple->count;
    for (int i = 0; i < *count && status == SC_OK; i++)
        status = whole(&x[i], entry[i], what);
    return status;
}

/* ---- tensors ---- */

/* Axes longer than 1 by growing stride: each must step over all that the smaller ones span, so no
 * element occurs twice; the last gives the extent. */
static sc_status span(sc_torch_tensor *t)
{
    int order[SC_MAX_RANK], n = 0;
    int64_t step;
    t->extent = 1;
    for (int i = 0; i < t->rank; i++) {
        if (t->dim[i] == 0) {
            t->extent = 0;
            return SC_OK;
        }
        if (t->dim[i] == 1)
            continue;
        int j = n++;
        for (; j > 0 && t->stride[order[j - 1]] > t->stride[i]; j--)
            order[j] = order[j - 1];
        order[j] = i;
    }
    for (int k = 0; k < n; k++) {
        int64_t dim = t->dim[order[k]], stride = t->stride[order[k]];
        if (stride < t->extent)
            return sc_fail(SC_ERR_FORMAT, "axis %d: stride %lld: elements overlap", order[k],
                           (long long)stride);
        if (__builtin_mul_overflow(dim - 1, stride, &step) ||
            __builtin_add_overflow(t->extent, step, &t->extent))
            return sc_fail(SC_ERR_FORMAT, "axis %d: size %lld with stride %lld is beyond 64 bits",
                           order[k], (long long)dim, (long long)stride);
    }
    return SC_OK;
}

/* Offset and extent, in elements, against the view's bytes. */
static sc_status place(sc_torch_tensor *t, const sc_torch_view *view, int64_t offset)
{
    int64_t room = view->bytes / t->dtype->size, end;
    if (__builtin_add_overflow(offset, t->extent, &end) || end > room)
        return sc_fail(SC_ERR_FORMAT, "tensor from element %lld spans %lld, but its storage has "
                       "%lld", (long long)offset, (long long)t->extent, (long long)room);
    t->storage = view->storage;
    t->first = view->first + offset * t->dtype->size;
    return SC_OK;
}

static sc_status make_tensor(sc_pickle *p, uint32_t *result, const sc_pickle_value *arguments,
                             bool v3)
{
    sc_status status = SC_OK;
    const sc_pickle_value *a[MOST];
    sc_torch_tensor t = {0};
    int64_t offset;
    int strides;
    SC_TRY(entries(a, p, arguments, v3 ? 7 : 4, v3 ? 8 : 7, "tensor"));
    if (a[0]->kind != SC_PICKLE_STORAGE)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "tensor: expected a storage, found %s",
                       sc_pickle_kind_name(a[0]->kind)));
    const sc_torch_view *view = (sc_torch_view *)p->view.p + a[0]->as.whole;
    t.dtype = sc_pickle_storage(p, view->storage)->dtype;
    if (v3)
        t.dtype = a[6]->kind == SC_PICKLE_GLOBAL && meaning_of(a[6]->as.whole) == DTYPE
                      ? dtype_of(a[6]->as.whole)
                      : NULL;
    if (!t.dtype)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "tensor: of no number type"));
    SC_TRY(whole(&offset, a[1], "tensor offset"));
    SC_TRY(wholes(t.dim, &t.rank, p, a[2], "tensor size"));
    SC_TRY(wholes(t.stride, &strides, p, a[3], "tensor stride"));
    if (strides != t.rank)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "tensor: %d sizes, but %d strides", t.rank, strides));
    SC_TRY(span(&t));
    SC_TRY(place(&t, view, offset));
    SC_TRY(sc_pickle_grow(&p->tensor, sizeof t));
    *sc_pickle_tensor(p, (int64_t)p->tensor.count) = t;
    SC_TRY(sc_pickle_add(p, result, (sc_pickle_value){.kind = SC_PICKLE_TENSOR,
                                                      .as.whole = (int64_t)p->tensor.count++}));
cleanup:
    return status;
}

/* ---- storages ---- */

static const sc_torch_dtype byte_dtype = {"uint8", "ByteStorage", 1, NULL};

static int64_t storage_bytes(const sc_torch_storage *s)
{
    return s->count * (s->dtype ? s->dtype->size : 1); /* no overflow: checked when it was added */
}

/* The storage of that key, new or seen before: then class and size must agree. */
static sc_status intern(int *index, sc_pickle *p, sc_torch_storage wanted)
{
    char key[64];
    sc_printable(key, wanted.key, wanted.key_bytes);
    for (size_t i = p->storage.count; i-- > 0;) { /* the last one is the likeliest */
        const sc_torch_storage *s = sc_pickle_storage(p, (int64_t)i);
        if (s->key_bytes != wanted.key_bytes || memcmp(s->key, wanted.key, s->key_bytes) != 0)
            continue;
        if (s->dtype != wanted.dtype || s->count != wanted.count)
            return sc_fail(SC_ERR_FORMAT, "storage %s is described twice and differently", key);
        *index = (int)i;
        return SC_OK;
    }
    if (p->storage.count >= STORAGES_LIMIT)
        return sc_fail(SC_ERR_FORMAT, "more than %d storages", STORAGES_LIMIT);
    const sc_torch_dtype *dtype = wanted.dtype ? wanted.dtype : &byte_dtype;
    if (wanted.count > INT64_MAX / 2 / dtype->size)
        return sc_fail(SC_ERR_FORMAT, "storage %s: %lld elements", key, (long long)wanted.count);
    sc_status status = sc_pickle_grow(&p->storage, sizeof wanted);
    if (status != SC_OK)
        return status;
    *index = (int)p->storage.count;
    *sc_pickle_storage(p, (int64_t)p->storage.count++) = wanted;
    return SC_OK;
}

/* (view_key, offset, size) of legacy files: a part of the storage, in its elements. */
static sc_status narrow(sc_torch_view *view, const sc_pickle *p, const sc_pickle_value *metadata,
                        const sc_torch_storage *storage)
{
    const sc_pickle_value *m[MOST];
    int64_t offset, size;
    sc_status status = SC_OK;
    int64_t element = storage->dtype ? storage->dtype->size : 1;
    SC_TRY(entries(m, p, metadata, 3, 3, "storage view"));
    SC_TRY(whole(&offset, m[1], "storage view"));
    SC_TRY(whole(&size, m[2], "storage view"));
    if (offset > storage->count || size > storage->count - offset)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "storage view of %lld elements from %lld, but the storage "
                       "has %lld", (long long)size, (long long)offset, (long long)storage->count));
    view->first = offset * element;
    view->bytes = size * element;
cleanup:
    return status;
}

/* ('storage', class, key, location, count[, view]) */
sc_status sc_pickle_persistent(sc_pickle *p, uint32_t *result, uint32_t id)
{
    sc_status status = SC_OK;
    const sc_pickle_value *a[MOST], *tuple = sc_pickle_at(p, id);
    sc_torch_storage storage = {0};
    sc_torch_view view = {0};
    SC_TRY(entries(a, p, tuple, 5, 6, "persistent id"));
    if (!sc_pickle_is_text(a[0], "storage"))
        SC_TRY(sc_fail(SC_ERR_FORMAT, "persistent id: expected 'storage' (a module's code is not "
                       "read)"));
    meaning class = a[1]->kind == SC_PICKLE_GLOBAL ? meaning_of(a[1]->as.whole) : INERT_CALL;
    if (class != STORAGE && class != UNTYPED)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "persistent id: expected a storage class, found %s",
                       sc_pickle_kind_name(a[1]->kind)));
    if (a[2]->kind != SC_PICKLE_TEXT || !a[2]->count || a[2]->count > 60)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "persistent id: expected a key of 1 to 60 bytes"));
    SC_TRY(whole(&storage.count, a[4], "persistent id"));
    storage.key = a[2]->as.text;
    storage.key_bytes = a[2]->count;
    storage.dtype = class == STORAGE ? dtype_of(a[1]->as.whole) : NULL;
    SC_TRY(intern(&view.storage, p, storage));
    view.bytes = storage_bytes(&storage);
    if (tuple->count == 6 && a[5]->kind != SC_PICKLE_NONE)
        SC_TRY(narrow(&view, p, a[5], &storage));
    SC_TRY(sc_pickle_grow(&p->view, sizeof view));
    ((sc_torch_view *)p->view.p)[p->view.count] = view;
    SC_TRY(sc_pickle_add(p, result, (sc_pickle_value){.kind = SC_PICKLE_STORAGE,
                                                      .as.whole = (int64_t)p->view.count++}));
cleanup:
    return status;
}

/* ---- calls ---- */

static sc_status not_callable(const sc_pickle_value *callee)
{
    char name[128];
    return sc_fail(SC_ERR_FORMAT, "a call of %s is not one that a checkpoint may make",
                   callee->kind == SC_PICKLE_GLOBAL ? sc_pickle_global_name(name, callee->as.whole)
                                                    : sc_pickle_kind_name(callee->kind));
}

/* OrderedDict(), or of a list of pairs as old pickles have it. */
static sc_status make_dict(sc_pickle *p, uint32_t *result, const sc_pickle_value *arguments)
{
    sc_status status = SC_OK;
    const sc_pickle_value *a[MOST], *pair[MOST];
    SC_TRY(entries(a, p, arguments, 0, 1, "OrderedDict"));
    const uint32_t count = arguments->count;
    uint32_t list = count ? sc_pickle_cell_at(p, arguments->as.cell.first)->value : 0;
    if (count && a[0]->kind != SC_PICKLE_LIST)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "OrderedDict: expected a list of pairs, found %s",
                       sc_pickle_kind_name(a[0]->kind)));
    SC_TRY(sc_pickle_add(p, result, (sc_pickle_value){.kind = SC_PICKLE_DICT}));
    const uint32_t pairs = count ? sc_pickle_at(p, list)->count : 0;
    uint32_t cell = pairs ? sc_pickle_at(p, list)->as.cell.first : 0;
    for (uint32_t i = 0; i < pairs; i++, cell = sc_pickle_cell_at(p, cell)->next) {
        const sc_pickle_value *tuple = sc_pickle_at(p, sc_pickle_cell_at(p, cell)->value);
        SC_TRY(entries(pair, p, tuple, 2, 2, "OrderedDict"));
        const sc_pickle_cell *key = sc_pickle_cell_at(p, tuple->as.cell.first);
        SC_TRY(sc_pickle_append(p, *result, key->value, sc_pickle_cell_at(p, key->next)->value));
    }
cleanup:
    return status;
}

/* The first argument of a call, which must be of a kind. */
static sc_status first_of(sc_pickle *p, uint32_t *result, const sc_pickle_value *arguments,
                          sc_pickle_kind kind, uint32_t most, const char *what)
{
    const sc_pickle_value *a[MOST];
    sc_status status = entries(a, p, arguments, 1, most, what);
    if (status == SC_OK && a[0]->kind != (int)kind)
        status = sc_fail(SC_ERR_FORMAT, "%s: expected %s, found %s", what,
                         sc_pickle_kind_name((int)kind), sc_pickle_kind_name(a[0]->kind));
    if (status == SC_OK)
        *result = sc_pickle_cell_at(p, arguments->as.cell.first)->value;
    return status;
}

sc_status sc_pickle_call(sc_pickle *p, uint32_t *result, uint32_t callee, uint32_t arguments)
{
    const sc_pickle_value *f = sc_pickle_at(p, callee), *a = sc_pickle_at(p, arguments);
    if (f->kind != SC_PICKLE_GLOBAL)
        return not_callable(f);
    if (a->kind != SC_PICKLE_TUPLE)
        return sc_fail(SC_ERR_FORMAT, "expected a tuple of arguments, found %s",
                       sc_pickle_kind_name(a->kind));
    switch (meaning_of(f->as.whole)) {
    case ORDERED_DICT: return make_dict(p, result, a);
    case TENSOR: return make_tensor(p, result, a, false);
    case TENSOR_V3: return make_tensor(p, result, a, true);
    case PARAMETER: return first_of(p, result, a, SC_PICKLE_TENSOR, 3, "parameter");
    case SIZE: return first_of(p, result, a, SC_PICKLE_TUPLE, 1, "size");
    case INERT_CALL: return sc_pickle_add(p, result, (sc_pickle_value){.kind = SC_PICKLE_INERT});
    default: return not_callable(f);
    }
}

sc_status sc_pickle_new(sc_pickle *p, uint32_t *result, uint32_t callee, uint32_t arguments)
{
    const sc_pickle_value *f = sc_pickle_at(p, callee);
    meaning m = f->kind == SC_PICKLE_GLOBAL ? meaning_of(f->as.whole) : STORAGE;
    if (m != ORDERED_DICT && m != PARAMETER && m != SIZE)
        return not_callable(f);
    return sc_pickle_call(p, result, callee, arguments);
}

/* The state of an OrderedDict is torch's {'_metadata': ...}, that of a dtype numpy's own: dropped. */
sc_status sc_pickle_build(sc_pickle *p, uint32_t object, uint32_t state)
{
    int o = sc_pickle_at(p, object)->kind, s = sc_pickle_at(p, state)->kind;
    if ((o == SC_PICKLE_DICT && s == SC_PICKLE_DICT) ||
        (o == SC_PICKLE_INERT && s == SC_PICKLE_TUPLE))
        return SC_OK;
    return sc_fail(SC_ERR_FORMAT, "%s cannot have the state %s", sc_pickle_kind_name(o),
                   sc_pickle_kind_name(s));
}
