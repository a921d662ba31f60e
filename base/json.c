#include "base/json.h"
#include "base/file.h"
#include "base/memory.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- text in and out ---- */

sc_status sc_json_parse(json_t **root, const char *text, size_t bytes, const char *what)
{
    json_error_t error;
    *root = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
    if (!*root)
        return sc_fail(SC_ERR_FORMAT, "%s: line %d column %d: %s", what, error.line, error.column,
                       error.text);
    return SC_OK;
}

sc_status sc_json_read(json_t **root, const char *path, size_t limit)
{
    *root = NULL;
    void *text;
    size_t bytes;
    sc_status status = sc_file_read(&text, &bytes, path, limit);
    if (status == SC_OK)
        status = sc_json_parse(root, text, bytes, path);
    sc_free(text);
    return status;
}

#define PRINTED (JSON_INDENT(2) | JSON_ENCODE_ANY | JSON_REAL_PRECISION(17))

sc_status sc_json_print(char **text, const json_t *root)
{
    *text = NULL;
    size_t bytes = json_dumpb(root, NULL, 0, PRINTED);
    if (bytes == 0)
        return sc_fail(SC_ERR_MEMORY, "JSON: no memory for the text");
    char *buffer;
    sc_status status = SC_ALLOC(&buffer, bytes + 2, "JSON text"); /* newline and 0 */
    if (status != SC_OK)
        return status;
    if (json_dumpb(root, buffer, bytes, PRINTED) != bytes) {
        sc_free(buffer);
        return sc_fail(SC_ERR_MEMORY, "JSON: no memory for the text");
    }
    buffer[bytes] = '\n';
    *text = buffer;
    return SC_OK;
}

sc_status sc_json_write(const char *path, const json_t *root)
{
    char *text;
    sc_status status = sc_json_print(&text, root);
    if (status == SC_OK)
        status = sc_file_write(path, text, strlen(text));
    sc_free(text);
    return status;
}

/* ---- getters ---- */

/* What was found, in a few words. */
static void describe(char text[48], const json_t *value)
{
    static const char *const names[] = {"an object", "an array", "a string", "a whole number",
                                        "a number",  "true",     "false",    "null"};
    if (!value)
        snprintf(text, 48, "nothing");
    else if (json_is_integer(value))
        snprintf(text, 48, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        snprintf(text, 48, "%g", json_real_value(value));
    else if (json_is_string(value))
        snprintf(text, 48, "'%.30s'", json_string_value(value));
    else
        snprintf(text, 48, "%s", names[json_typeof(value)]);
}

static sc_status wrong(const json_t *value, const char *key, const char *expected)
{
    char found[48];
    describe(found, value);
    return sc_fail(SC_ERR_FORMAT, "key '%s': expected %s, found %s", key, expected, found);
}

json_t *sc_json_text(const char *text)
{
    json_t *string = json_string(text);
    if (string)
        return string;
    size_t n = strlen(text);
    char *ascii;
    if (SC_ALLOC(&ascii, (int64_t)n + 1, "text") != SC_OK)
        return json_null();
    for (size_t i = 0; i < n; i++)
        ascii[i] = (signed char)text[i] < 0 ? '?' : text[i];
    string = json_string(ascii);
    sc_free(ascii);
    return string ? string : json_null();
}

sc_status sc_json_get_int(int64_t *x, const json_t *object, const char *key, int64_t min,
                          int64_t max)
{
    const json_t *value = json_object_get(object, key);
    int64_t found = json_integer_value(value); /* 0 for another type */
    if (!json_is_integer(value) || found < min || found > max) {
        char expected[96];
        snprintf(expected, sizeof expected, "a whole number from %lld to %lld", (long long)min,
                 (long long)max);
        return wrong(value, key, expected);
    }
    *x = found;
    return SC_OK;
}

sc_status sc_json_get_real(double *x, const json_t *object, const char *key, double min, double max)
{
    const json_t *value = json_object_get(object, key);
    double found = json_number_value(value);
    if (!json_is_number(value) || !(found >= min && found <= max)) {
        char expected[96];
        snprintf(expected, sizeof expected, "a number from %g to %g", min, max);
        return wrong(value, key, expected);
    }
    *x = found;
    return SC_OK;
}

sc_status sc_json_get_bool(bool *x, const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_boolean(value))
        return wrong(value, key, "true or false");
    *x = json_is_true(value);
    return SC_OK;
}

sc_status sc_json_get_string(const char **x, const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value))
        return wrong(value, key, "a string");
    *x = json_string_value(value);
    return SC_OK;
}

sc_status sc_json_get_object(const json_t **x, const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_object(value))
        return wrong(value, key, "an object");
    *x = value;
    return SC_OK;
}

sc_status sc_json_get_array(const json_t **x, const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_array(value))
        return wrong(value, key, "an array");
    *x = value;
    return SC_OK;
}

/* ---- builders ---- */

sc_status sc_json_set(json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) != 0)
        return sc_fail(SC_ERR_MEMORY, "JSON: no memory for key '%s'", key);
    return SC_OK;
}

sc_status sc_json_set_int(json_t *object, const char *key, int64_t x)
{
    return sc_json_set(object, key, json_integer(x));
}

sc_status sc_json_set_real(json_t *object, const char *key, double x)
{
    return sc_json_set(object, key, isfinite(x) ? json_real(x) : json_null());
}

sc_status sc_json_set_bool(json_t *object, const char *key, bool x)
{
    return sc_json_set(object, key, json_boolean(x));
}

sc_status sc_json_set_string(json_t *object, const char *key, const char *x)
{
    return sc_json_set(object, key, x ? json_string(x) : json_null());
}

sc_status sc_json_append(json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) != 0)
        return sc_fail(SC_ERR_MEMORY, "JSON: no memory for an element");
    return SC_OK;
}

/* ---- option tables ---- */

static json_t *choice_text(const char *choices, int index)
{
    for (; index > 0; index--)
        choices = strchr(choices, '|') + 1;
    return json_stringn(choices, strcspn(choices, "|"));
}

static json_t *option_value(const sc_option *option, double x)
{
    switch (option->type) {
    case SC_OPT_INT:
        return json_integer((json_int_t)x);
    case SC_OPT_REAL:
        return json_real(x);
    case SC_OPT_BOOL:
        return json_boolean(x != 0);
    default:
        return choice_text(option->choices, (int)x);
    }
}

sc_status sc_json_from_options(json_t **object, const sc_options *options)
{
    sc_status status = SC_OK;
    *object = NULL;
    json_t *made = json_object();
    for (int i = 0; options->table && options->table[i].name; i++)
        SC_TRY(sc_json_set(made, options->table[i].name,
                           option_value(&options->table[i], options->value[i])));
    if (!made)
        SC_TRY(sc_fail(SC_ERR_MEMORY, "JSON: no memory for options"));
    *object = made;
    made = NULL;
cleanup:
    json_decref(made);
    return status;
}

sc_status sc_json_to_options(sc_options *options, const json_t *object)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        char text[64];
        const char *given = text;
        if (json_is_string(value))
            given = json_string_value(value);
        else if (json_is_integer(value))
            snprintf(text, sizeof text, "%lld", (long long)json_integer_value(value));
        else if (json_is_real(value))
            snprintf(text, sizeof text, "%.17g", json_real_value(value));
        else
            describe(text, value);
        sc_status status = sc_options_set(options, key, given);
        if (status != SC_OK)
            return status;
    }
    return SC_OK;
}
