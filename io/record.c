/* The run record as a JSON tree (jansson). jansson allocates by itself: a NULL of its is a lack of
 * memory here. */
#include "io/record.h"
#include "base/file.h"
#include "base/memory.h"
#include "io/geometry_internal.h"
#include "io/record_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* 15 digits: what a double surely keeps, and 0.1 stays 0.1. */
#define RECORD_FLAGS (JSON_SORT_KEYS | JSON_REAL_PRECISION(15))

static sc_status no_memory(void) { return sc_fail(SC_ERR_MEMORY, "run record: not enough memory"); }

sc_status sc_record_create(sc_record **record, const char *program, const char *version)
{
    sc_status status;
    *record = NULL;
    sc_record *self = NULL;
    SC_TRY(SC_ALLOC(&self, 1, "run record"));
    self->root = json_object();
    if (!self->root)
        SC_TRY(no_memory());
    SC_TRY(sc_record_set_text(self, "program", program));
    SC_TRY(sc_record_set_text(self, "version", version));
    *record = self;
    self = NULL;
cleanup:
    sc_record_free(self);
    return status;
}

void sc_record_free(sc_record *record)
{
    if (!record)
        return;
    json_decref(record->root);
    sc_free(record);
}

json_t *sc_record_string(const char *text)
{
    if (!text)
        return json_null();
    json_t *string = json_string(text);
    if (string)
        return string;
    char *ascii;
    if (sc_string_copy(&ascii, text) != SC_OK)
        return NULL;
    for (char *p = ascii; *p; p++)
        if ((unsigned char)*p > 127)
            *p = '?';
    string = json_string(ascii);
    sc_free(ascii);
    return string;
}

/* The object that holds the last part of a dotted key, and that part. */
static sc_status descend(json_t **object, const char **last, sc_record *record, const char *key)
{
    *object = record->root;
    const char *dot;
    for (; (dot = strchr(key, '.')) != NULL; key = dot + 1) {
        char part[64];
        size_t length = (size_t)(dot - key);
        if (length == 0 || length >= sizeof part)
            return sc_fail(SC_ERR_INTERNAL, "run record: key \"%s\" has a part of %zu characters",
                           key, length);
        memcpy(part, key, length);
        part[length] = 0;
        json_t *next = json_object_get(*object, part);
        if (!next) {
            next = json_object();
            if (json_object_set_new(*object, part, next) != 0)
                return no_memory();
        }
        if (!json_is_object(next))
            return sc_fail(SC_ERR_INTERNAL, "run record: \"%s\" holds a value, no object", part);
        *object = next;
    }
    *last = key;
    return SC_OK;
}

/* Takes `value`. */
static sc_status set(sc_record *record, const char *key, json_t *value)
{
    json_t *object;
    const char *last;
    sc_status status = descend(&object, &last, record, key);
    if (status != SC_OK)
        json_decref(value);
    else if (json_object_set_new(object, last, value) != 0)
        status = no_memory();
    return status;
}

sc_status sc_record_append(sc_record *record, const char *key, json_t *value)
{
    json_t *object, *list;
    const char *last;
    sc_status status;
    SC_TRY(descend(&object, &last, record, key));
    list = json_object_get(object, last);
    if (!list) {
        list = json_array();
        if (json_object_set_new(object, last, list) != 0)
            SC_TRY(no_memory());
    }
    if (!json_is_array(list))
        SC_TRY(sc_fail(SC_ERR_INTERNAL, "run record: \"%s\" is no list", key));
    if (json_array_append(list, value) != 0)
        SC_TRY(no_memory());
cleanup:
    json_decref(value); /* the list has its own reference */
    return status;
}

static json_t *number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

sc_status sc_record_set_text(sc_record *record, const char *key, const char *value)
{
    return set(record, key, sc_record_string(value));
}

sc_status sc_record_set_number(sc_record *record, const char *key, double value)
{
    return set(record, key, number(value));
}

sc_status sc_record_set_integer(sc_record *record, const char *key, int64_t value)
{
    return set(record, key, json_integer(value));
}

sc_status sc_record_set_bool(sc_record *record, const char *key, bool value)
{
    return set(record, key, json_boolean(value));
}

sc_status sc_record_set_geometry(sc_record *record, const char *key, const sc_geometry *geometry)
{
    return set(record, key, geometry->known ? sc_geometry_to_json(geometry) : json_null());
}

sc_status sc_record_add_text(sc_record *record, const char *key, const char *value)
{
    return sc_record_append(record, key, sc_record_string(value));
}

sc_status sc_record_add_number(sc_record *record, const char *key, double value)
{
    return sc_record_append(record, key, number(value));
}

/* What belongs to this one call, and not to what was computed. */
static const char *const beside[] = {"command", "cost", "warning", "input"};

sc_status sc_record_run_hash(const sc_record *record, char hex[65])
{
    sc_status status = SC_OK;
    char *text = NULL, inputs[65];
    json_t *core = json_copy(record->root);
    sc_record_input_hash(record, inputs);
    for (size_t i = 0; core && i < sizeof beside / sizeof *beside; i++)
        json_object_del(core, beside[i]);
    if (!core || json_object_set_new(core, "input", json_string(inputs)) != 0)
        SC_TRY(no_memory());
    text = json_dumps(core, RECORD_FLAGS | JSON_COMPACT);
    if (!text)
        SC_TRY(no_memory());
    sc_sha256(hex, text, strlen(text));
cleanup:
    free(text);
    json_decref(core);
    return status;
}

sc_status sc_record_text(const sc_record *record, char **text)
{
    *text = NULL;
    char *made = json_dumps(record->root, RECORD_FLAGS | JSON_INDENT(2));
    if (!made)
        return no_memory();
    size_t length = strlen(made);
    sc_status status = SC_ALLOC(text, length + 2, "run record");
    if (status == SC_OK) {
        memcpy(*text, made, length);
        (*text)[length] = '\n';
    }
    free(made);
    return status;
}

sc_status sc_record_write(const sc_record *record, const char *path)
{
    char *text;
    sc_status status;
    SC_TRY(sc_record_text(record, &text));
    status = sc_file_write(path, text, strlen(text));
cleanup:
    sc_free(text);
    return status;
}
