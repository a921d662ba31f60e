/* Options of a method, a layer, a format: one table a thing. Arguments, --help, man page,
 * protocol schema and record all come from that table.
 */
#ifndef SC_BASE_OPTION_H
#define SC_BASE_OPTION_H

#include "base/status.h"
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum { SC_OPT_INT, SC_OPT_REAL, SC_OPT_BOOL, SC_OPT_CHOICE } sc_option_type;

typedef struct {
    const char *name; /* NULL ends a table */
    sc_option_type type;
    const char *unit;    /* "" if none */
    double min, max;     /* inclusive; ignored for BOOL and CHOICE */
    double standard;     /* default; index into choices for CHOICE */
    const char *choices; /* "a|b|c" for CHOICE, else NULL */
    const char *help;
} sc_option;

#define SC_OPTIONS_MAX 40

/* Values of one table, by position. */
typedef struct {
    const sc_option *table;
    double value[SC_OPTIONS_MAX];
} sc_options;

sc_options sc_options_default(const sc_option *table);

/* "key=value" or key and value; SC_ERR_USAGE names the key, its range and what was found. */
sc_status sc_options_set(sc_options *options, const char *key, const char *value);

/* A value as text that sc_options_set reads back: a number of up to 12 digits, yes or no, a choice. */
void sc_option_print(char *text, size_t size, const sc_option *option, double value);

/* Value by name; asserts that the name is in the table. */
double sc_options_get(const sc_options *options, const char *name);

#ifdef __cplusplus
}
#endif
#endif
