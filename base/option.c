#include "base/option.h"
#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

sc_options sc_options_default(const sc_option *table)
{
    sc_options options = {.table = table};
    for (int i = 0; table && table[i].name; i++) {
        assert(i < SC_OPTIONS_MAX);
        options.value[i] = table[i].standard;
    }
    return options;
}

static int find(const sc_option *table, const char *name)
{
    for (int i = 0; table && table[i].name; i++)
        if (strcmp(table[i].name, name) == 0)
            return i;
    return -1;
}

static int choice_index(const char *choices, const char *value)
{
    size_t length = strlen(value);
    int index = 0;
    for (const char *c = choices; c; index++) {
        const char *end = strchr(c, '|');
        size_t n = end ? (size_t)(end - c) : strlen(c);
        if (n == length && strncmp(c, value, n) == 0)
            return index;
        c = end ? end + 1 : NULL;
    }
    return -1;
}

static sc_status parse_number(double *x, const sc_option *option, const char *value)
{
    char *end;
    errno = 0;
    *x = strtod(value, &end);
    if (end == value || *end || errno || !isfinite(*x) || *x < option->min || *x > option->max ||
        (option->type == SC_OPT_INT && *x != floor(*x)))
        return sc_fail(SC_ERR_USAGE, "option %s: expected %s from %g to %g%s%s, found '%s'",
                       option->name, option->type == SC_OPT_INT ? "a whole number" : "a number",
                       option->min, option->max, option->unit[0] ? " " : "", option->unit, value);
    return SC_OK;
}

sc_status sc_options_set(sc_options *options, const char *key, const char *value)
{
    int i = find(options->table, key);
    if (i < 0) {
        char known[512] = "";
        size_t used = 0;
        for (const sc_option *o = options->table; o && o->name && used < sizeof known; o++)
            used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", o->name);
        return sc_fail(SC_ERR_USAGE, "unknown option '%s', expected one of: %s", key, known[0] ? known : "none");
    }
    const sc_option *option = &options->table[i];
    double x;
    switch (option->type) {
    case SC_OPT_INT:
    case SC_OPT_REAL:
        if (parse_number(&x, option, value) != SC_OK)
            return SC_ERR_USAGE;
        break;
    case SC_OPT_BOOL:
        x = choice_index("no|yes", value);
        if (x < 0)
            x = choice_index("false|true", value);
        if (x < 0)
            return sc_fail(SC_ERR_USAGE, "option %s: expected yes or no, found '%s'", key, value);
        break;
    default:
        x = choice_index(option->choices, value);
        if (x < 0)
            return sc_fail(SC_ERR_USAGE, "option %s: expected one of %s, found '%s'", key,
                           option->choices, value);
    }
    options->value[i] = x;
    return SC_OK;
}

void sc_option_print(char *text, size_t size, const sc_option *option, double value)
{
    if (option->type == SC_OPT_BOOL) {
        snprintf(text, size, "%s", value != 0 ? "yes" : "no");
    } else if (option->type == SC_OPT_CHOICE) {
        const char *c = option->choices;
        for (int i = 0; i < (int)value && strchr(c, '|'); i++)
            c = strchr(c, '|') + 1;
        snprintf(text, size, "%.*s", (int)strcspn(c, "|"), c);
    } else {
        snprintf(text, size, "%.12g", value);
    }
}

double sc_options_get(const sc_options *options, const char *name)
{
    int i = find(options->table, name);
    assert(i >= 0);
    return options->value[i];
}
