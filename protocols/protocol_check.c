/* A strict look at a protocol's text before libcyaml fills in the structure. libcyaml says the
 * line of the token before the one at fault, takes any word for `true` and -1 for a very large
 * seed, and passes over a second document; here the parser's own events tell where each key and
 * value stands. What is known of keys and types comes from the schema.
 */
#include "protocols/protocol.h"
#include "protocols/protocol_internal.h"
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

typedef struct {
    yaml_parser_t parser;
    yaml_event_t event; /* the current one */
    const char *name;
    const unsigned char *text;
    size_t bytes;
    int *line;
} walk;

static int line_of(const walk *w) { return (int)w->event.start_mark.line + 1; }

static const char *scalar(const walk *w) { return (const char *)w->event.data.scalar.value; }

/* Bytes that are no text have an offset, other faults a mark. */
static sc_status syntax(const walk *w)
{
    const yaml_parser_t *p = &w->parser;
    const char *problem = p->problem ? p->problem : "no YAML";
    int line = (int)p->problem_mark.line + 1, from = (int)p->context_mark.line + 1;
    if (p->error == YAML_MEMORY_ERROR)
        return sc_fail(SC_ERR_MEMORY, "%s: no memory to read it", w->name);
    if (p->error == YAML_READER_ERROR) {
        line = 1;
        for (size_t i = 0; i < p->problem_offset && i < w->bytes; i++)
            line += w->text[i] == '\n';
    }
    if (p->context && from < line)
        return sc_fail(SC_ERR_FORMAT, "%s: line %d: %s, %s from line %d", w->name, line, problem,
                       p->context, from);
    return sc_fail(SC_ERR_FORMAT, "%s: line %d: %s", w->name, line, problem);
}

static sc_status next(walk *w)
{
    yaml_event_delete(&w->event);
    if (!yaml_parser_parse(&w->parser, &w->event)) {
        memset(&w->event, 0, sizeof w->event);
        return syntax(w);
    }
    if (w->event.type == YAML_ALIAS_EVENT)
        return sc_fail(SC_ERR_FORMAT, "%s: line %d: expected a value, found the alias *%s", w->name,
                       line_of(w), (const char *)w->event.data.alias.anchor);
    return SC_OK;
}

/* ---- values ---- */

static bool is_whole(const char *text)
{
    char *end;
    errno = 0;
    long x = strtol(text, &end, 0);
    return end != text && !*end && !errno && x >= INT_MIN && x <= INT_MAX;
}

static bool is_unsigned(const char *text)
{
    char *end;
    errno = 0;
    strtoull(text, &end, 0);
    return end != text && !*end && !errno && !strpbrk(text, "-+ \t");
}

static bool is_number(const char *text)
{
    char *end;
    double x = strtod(text, &end);
    return end != text && !*end && isfinite(x);
}

static bool is_truth(const char *text)
{
    return !strcmp(text, "true") || !strcmp(text, "false") || !strcmp(text, "yes") ||
           !strcmp(text, "no");
}

static bool is_option(const char *text) { return strchr(text, '=') && text[0] != '='; }

static const struct {
    cyaml_type_e type;
    bool list;
    bool (*good)(const char *text); /* NULL: any text, or one of the schema's names */
    const char *expected;
} kinds[] = {
    {CYAML_STRING, false, NULL, "a text"},
    {CYAML_INT, false, is_whole, "a whole number"},
    {CYAML_UINT, false, is_unsigned, "a whole number from 0"},
    {CYAML_FLOAT, false, is_number, "a number"},
    {CYAML_BOOL, false, is_truth, "true or false"},
    {CYAML_ENUM, false, NULL, "one of"},
    {CYAML_FLAGS, true, NULL, "a list of"},
    {CYAML_SEQUENCE, true, is_option, "a list of KEY=VALUE"},
};

enum { KINDS = sizeof kinds / sizeof *kinds };

static bool is_named(const cyaml_schema_value_t *value, const char *text)
{
    for (uint32_t i = 0; i < value->enumeration.count; i++)
        if (!strcmp(value->enumeration.strings[i].str, text))
            return true;
    return false;
}

static bool has_names(const cyaml_schema_value_t *value)
{
    return value->type == CYAML_ENUM || value->type == CYAML_FLAGS;
}

/* "samples: expected a whole number, found 'many'" */
static sc_status refuse(const walk *w, const cyaml_schema_field_t *field, int kind)
{
    static const char *const events[] = {
        [YAML_SEQUENCE_START_EVENT] = "a list", [YAML_MAPPING_START_EVENT] = "keys with values"};
    char names[256] = "", found[96];
    size_t used = 0;
    for (uint32_t i = 0; has_names(&field->value) && i < field->value.enumeration.count; i++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : " ",
                                 field->value.enumeration.strings[i].str);
    if (w->event.type == YAML_SCALAR_EVENT)
        snprintf(found, sizeof found, "'%.80s'", scalar(w));
    else
        snprintf(found, sizeof found, "%s", events[w->event.type]);
    return sc_fail(SC_ERR_FORMAT, "%s: line %d: %s: expected %s%s, found %s", w->name, line_of(w),
                   field->key, kinds[kind].expected, names, found);
}

static sc_status check_scalar(const walk *w, const cyaml_schema_field_t *field, int kind)
{
    if (w->event.type != YAML_SCALAR_EVENT || (kinds[kind].good && !kinds[kind].good(scalar(w))) ||
        (has_names(&field->value) && !is_named(&field->value, scalar(w))))
        return refuse(w, field, kind);
    return SC_OK;
}

static sc_status check_value(walk *w, const cyaml_schema_field_t *field)
{
    sc_status status = SC_OK;
    int kind = 0;
    while (kind < KINDS - 1 && kinds[kind].type != field->value.type)
        kind++;
    if (!kinds[kind].list)
        return check_scalar(w, field, kind);
    if (w->event.type != YAML_SEQUENCE_START_EVENT)
        return refuse(w, field, kind);
    for (;;) {
        SC_TRY(next(w));
        if (w->event.type == YAML_SEQUENCE_END_EVENT)
            return SC_OK;
        SC_TRY(check_scalar(w, field, kind));
    }
cleanup:
    return status;
}

/* ---- the document ---- */

static sc_status find_field(const walk *w, int *field, const cyaml_schema_field_t *fields)
{
    if (w->event.type != YAML_SCALAR_EVENT)
        return sc_fail(SC_ERR_FORMAT, "%s: line %d: expected a key", w->name, line_of(w));
    for (*field = 0; fields[*field].key; (*field)++)
        if (!strcmp(fields[*field].key, scalar(w)))
            break;
    if (!fields[*field].key)
        return sc_fail(SC_ERR_FORMAT, "%s: line %d: unknown key '%.80s'", w->name, line_of(w),
                       scalar(w));
    if (w->line[*field])
        return sc_fail(SC_ERR_FORMAT, "%s: line %d: '%s' stands in line %d already", w->name,
                       line_of(w), scalar(w), w->line[*field]);
    return SC_OK;
}

static sc_status check_mapping(walk *w, const cyaml_schema_field_t *fields)
{
    sc_status status = SC_OK;
    if (w->event.type != YAML_MAPPING_START_EVENT)
        return sc_fail(SC_ERR_FORMAT, "%s: line %d: expected lines of KEY: VALUE, found %s",
                       w->name, line_of(w),
                       w->event.type == YAML_SEQUENCE_START_EVENT ? "a list" : "a text");
    for (;;) {
        int field = 0;
        SC_TRY(next(w));
        if (w->event.type == YAML_MAPPING_END_EVENT)
            return SC_OK;
        SC_TRY(find_field(w, &field, fields));
        w->line[field] = line_of(w);
        SC_TRY(next(w));
        SC_TRY(check_value(w, &fields[field]));
    }
cleanup:
    return status;
}

static sc_status check_document(walk *w, const cyaml_schema_field_t *fields)
{
    sc_status status = SC_OK;
    SC_TRY(next(w)); /* the stream starts */
    SC_TRY(next(w));
    if (w->event.type == YAML_STREAM_END_EVENT)
        return sc_fail(SC_ERR_FORMAT, "%s: the protocol is empty", w->name);
    SC_TRY(next(w)); /* after the start of the document */
    SC_TRY(check_mapping(w, fields));
    SC_TRY(next(w)); /* the document ends */
    SC_TRY(next(w));
    if (w->event.type != YAML_STREAM_END_EVENT)
        status = sc_fail(SC_ERR_FORMAT, "%s: line %d: expected one document, found a second",
                         w->name, line_of(w));
cleanup:
    return status;
}

sc_status sc_protocol_check(int *line, const cyaml_schema_field_t *fields, const void *text,
                            size_t bytes, const char *name)
{
    walk w = {.name = name, .text = text, .bytes = bytes, .line = line};
    for (int i = 0; fields[i].key; i++)
        line[i] = 0;
    if (!yaml_parser_initialize(&w.parser))
        return sc_fail(SC_ERR_MEMORY, "%s: no memory to read it", name);
    yaml_parser_set_input_string(&w.parser, text, bytes);
    sc_status status = check_document(&w, fields);
    yaml_event_delete(&w.event);
    yaml_parser_delete(&w.parser);
    return status;
}
