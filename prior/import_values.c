/* The values of a pickle: one array of them, one of cells that chain them into containers. Nothing
 * is freed before the whole, nothing refers to memory that may move, and nothing recurs.
 */
#include "base/memory.h"
#include "prior/import_internal.h"
#include <string.h>

#define DEPTH_LIMIT 64

static const char *const kind_names[] = {
    "None", "a bool", "a whole number", "a whole number beyond 64 bits", "a number", "a text",
    "a tuple", "a list", "a dict", "a set", "a global", "a storage", "a tensor", "an inert object"};

const char *sc_pickle_kind_name(int kind) { return kind_names[kind]; }

bool sc_pickle_is_text(const sc_pickle_value *value, const char *text)
{
    return value->kind == SC_PICKLE_TEXT && value->count == strlen(text) &&
           memcmp(value->as.text, text, value->count) == 0;
}

const char *sc_printable(char text[64], const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    size_t used = n < 60 ? n : 60;
    for (size_t i = 0; i < used; i++)
        text[i] = p[i] >= 32 && p[i] < 127 ? (char)p[i] : '?';
    text[used] = 0;
    return text;
}

/* ---- memory ---- */

sc_status sc_pickle_grow(sc_pickle_array *array, size_t element)
{
    if (array->count < array->room)
        return SC_OK;
    if (array->count >= SC_PICKLE_ELEMENTS)
        return sc_fail(SC_ERR_FORMAT, "more than %zu elements", SC_PICKLE_ELEMENTS);
    size_t room = array->room ? 2 * array->room : 64;
    void *p;
    sc_status status = sc_alloc(&p, room, element, "pickle");
    if (status != SC_OK)
        return status;
    if (array->count)
        memcpy(p, array->p, array->count * element);
    sc_free(array->p);
    array->p = p;
    array->room = room;
    return SC_OK;
}

sc_status sc_pickle_add(sc_pickle *p, uint32_t *index, sc_pickle_value value)
{
    sc_status status = sc_pickle_grow(&p->value, sizeof value);
    if (status != SC_OK)
        return status;
    *index = (uint32_t)p->value.count;
    ((sc_pickle_value *)p->value.p)[p->value.count++] = value;
    return SC_OK;
}

sc_status sc_pickle_append(sc_pickle *p, uint32_t container, uint32_t key, uint32_t value)
{
    sc_status status = sc_pickle_grow(&p->cell, sizeof(sc_pickle_cell));
    if (status != SC_OK)
        return status;
    if (!p->cell.count) /* index 0 means: no cell */
        p->cell.count = 1;
    sc_pickle_value *c = sc_pickle_at(p, container);
    uint32_t cell = (uint32_t)p->cell.count++, inside = sc_pickle_at(p, value)->depth;
    if (inside >= DEPTH_LIMIT)
        return sc_fail(SC_ERR_FORMAT, "nested more than %d deep", DEPTH_LIMIT);
    if (c->depth <= inside)
        c->depth = (uint8_t)(inside + 1);
    *sc_pickle_cell_at(p, cell) = (sc_pickle_cell){key, value, 0};
    if (c->count++)
        sc_pickle_cell_at(p, c->as.cell.last)->next = cell;
    else
        c->as.cell.first = cell;
    c->as.cell.last = cell;
    return SC_OK;
}

void sc_pickle_free(sc_pickle *p)
{
    sc_pickle_array *all[] = {&p->value, &p->cell, &p->stack, &p->mark,
                              &p->memo, &p->storage, &p->view, &p->tensor};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        sc_free(all[i]->p);
    *p = (sc_pickle){0};
}

sc_status sc_pickle_find(const sc_pickle_value **found, const sc_pickle *p,
                         const sc_pickle_value *dict, const char *key)
{
    *found = NULL;
    for (uint32_t i = dict->count ? dict->as.cell.first : 0; i; i = sc_pickle_cell_at(p, i)->next) {
        const sc_pickle_cell *cell = sc_pickle_cell_at(p, i);
        if (!sc_pickle_is_text(sc_pickle_at(p, cell->key), key))
            continue;
        if (*found)
            return sc_fail(SC_ERR_FORMAT, "key '%s' occurs twice", key);
        *found = sc_pickle_at(p, cell->value);
    }
    return SC_OK;
}

