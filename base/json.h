/* Thin helpers over jansson: checked getters whose message names key, expected and found, and
 * builders whose failure (no memory) is a status. References follow jansson: getters borrow,
 * `set` steals its value.
 */
#ifndef SC_BASE_JSON_H
#define SC_BASE_JSON_H

#include "base/option.h"
#include "base/status.h"
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* *root: to be released with json_decref; NULL on failure. SC_ERR_FORMAT names `what`, line and
 * column; keys must be unique. */
sc_status sc_json_parse(json_t **root, const char *text, size_t bytes, const char *what);
sc_status sc_json_read(json_t **root, const char *path, size_t limit);

/* Members in the order in which they were set, two spaces a level; free with sc_free. */
sc_status sc_json_print(char **text, const json_t *root);
sc_status sc_json_write(const char *path, const json_t *root);

/* A string of JSON. Bytes beyond ASCII become '?' where text is not UTF-8, as file names may be. */
json_t *sc_json_text(const char *text);

/* The member `key` of an object, required; on failure the output is untouched.
 * SC_ERR_FORMAT if it is missing, of another type, or outside [min, max]. */
sc_status sc_json_get_int(int64_t *x, const json_t *object, const char *key, int64_t min,
                          int64_t max);
sc_status sc_json_get_real(double *x, const json_t *object, const char *key, double min,
                           double max); /* a whole number is a number too */
sc_status sc_json_get_bool(bool *x, const json_t *object, const char *key);
sc_status sc_json_get_string(const char **x, const json_t *object, const char *key);
sc_status sc_json_get_object(const json_t **x, const json_t *object, const char *key);
sc_status sc_json_get_array(const json_t **x, const json_t *object, const char *key);

/* Set a member; the value is released also on failure. SC_ERR_MEMORY if value is NULL (jansson's
 * sign of it) or memory is short. */
sc_status sc_json_set(json_t *object, const char *key, json_t *value);
sc_status sc_json_set_int(json_t *object, const char *key, int64_t x);
sc_status sc_json_set_real(json_t *object, const char *key, double x); /* not finite: null */
sc_status sc_json_set_bool(json_t *object, const char *key, bool x);
sc_status sc_json_set_string(json_t *object, const char *key, const char *x); /* NULL: null */
sc_status sc_json_append(json_t *array, json_t *value);                       /* as sc_json_set */

/* Every option of a table by name, as number, boolean or the text of its choice. */
sc_status sc_json_from_options(json_t **object, const sc_options *options);
/* The members of an object set the options of that name; the rest keep their values.
 * SC_ERR_USAGE as sc_options_set. */
sc_status sc_json_to_options(sc_options *options, const json_t *object);

#ifdef __cplusplus
}
#endif
#endif
