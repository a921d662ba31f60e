/* Protocol files by libcyaml: the schema below is the only description of the file. What is wrong
 * with one is found before, by protocol_check.c. */
#include "protocols/protocol.h"
#include "base/file.h"
#include "base/memory.h"
#include "protocols/protocol_internal.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LARGEST_FILE (1 << 20)

static const cyaml_strval_t maps_names[] = {
    {"auto", SC_MAPS_AUTO}, {"1", SC_MAPS_ONE}, {"2", SC_MAPS_TWO}};

static const cyaml_strval_t format_names[] = {{"dicom", SC_FORMAT_DICOM},
                                              {"npy", SC_FORMAT_NPY},
                                              {"cfl", SC_FORMAT_CFL},
                                              {"nifti", SC_FORMAT_NIFTI},
                                              {"png", SC_FORMAT_PNG}};

static const cyaml_schema_value_t string = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, 4096)};

#define TEXT(key)                                                                                  \
    CYAML_FIELD_STRING_PTR(#key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, sc_protocol, key, 0,    \
                           4096)

static const cyaml_schema_field_t fields[] = {
    TEXT(name),
    TEXT(description),
    TEXT(modality),
    TEXT(method),
    CYAML_FIELD_SEQUENCE("options", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, sc_protocol, options,
                         &string, 0, 64),
    TEXT(prior),
    TEXT(geometry),
    CYAML_FIELD_INT("samples", CYAML_FLAG_OPTIONAL, sc_protocol, samples),
    CYAML_FIELD_UINT("seed", CYAML_FLAG_OPTIONAL, sc_protocol, seed),
    CYAML_FIELD_ENUM("maps", CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, sc_protocol, maps, maps_names,
                     CYAML_ARRAY_LEN(maps_names)),
    CYAML_FIELD_INT("virtual_coils", CYAML_FLAG_OPTIONAL, sc_protocol, virtual_coils),
    CYAML_FIELD_FLOAT("time_budget_s", CYAML_FLAG_OPTIONAL, sc_protocol, time_budget_s),
    CYAML_FIELD_BOOL("residual_map", CYAML_FLAG_OPTIONAL, sc_protocol, residual_map),
    CYAML_FIELD_BOOL("fallback", CYAML_FLAG_OPTIONAL, sc_protocol, fallback),
    CYAML_FIELD_FLAGS("formats", CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, sc_protocol, formats,
                      format_names, CYAML_ARRAY_LEN(format_names)),
    TEXT(series_description),
    CYAML_FIELD_END};

static const cyaml_schema_value_t schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, sc_protocol, fields)};

/* libcyaml reports a failure as a few lines: what, then a backtrace of where. Keep them as one:
 * "Unexpected key: foo, in mapping (line: 1, column: 1)". */
typedef struct {
    char line[512];
} report;

static void collect(cyaml_log_t level, void *self, const char *format, va_list arguments)
{
    report *r = self;
    char text[256];
    if (level < CYAML_LOG_ERROR)
        return;
    vsnprintf(text, sizeof text, format, arguments);
    const char *start = text + (strncmp(text, "Load: ", 6) == 0 ? 6 : 0);
    start += strspn(start, " ");
    size_t length = strcspn(start, "\n"), used = strlen(r->line);
    if (strncmp(start, "Backtrace", 9) != 0)
        snprintf(r->line + used, sizeof r->line - used, "%s%.*s", used ? ", " : "", (int)length,
                 start);
}

static void *allocate(void *ctx, void *pointer, size_t size)
{
    (void)ctx;
    return cyaml_mem(NULL, pointer, size);
}

static cyaml_config_t config(report *r)
{
    return (cyaml_config_t){.log_fn = collect,
                            .log_ctx = r,
                            .mem_fn = allocate,
                            .log_level = CYAML_LOG_ERROR,
                            .flags = CYAML_CFG_NO_ALIAS};
}

void sc_protocol_free(sc_protocol *protocol)
{
    report r = {{0}};
    cyaml_config_t c = config(&r);
    if (protocol)
        cyaml_free(&c, &schema, protocol, 0);
}

enum { FIELDS = sizeof fields / sizeof *fields };

static sc_status in_range(const char *name, const int *line, const char *key, double value,
                          double largest)
{
    int i = 0;
    while (strcmp(fields[i].key, key) != 0)
        i++;
    if (value >= 0 && value <= largest)
        return SC_OK;
    return sc_fail(SC_ERR_FORMAT, "%s: line %d: %s: expected 0 to %.12g, found %.12g", name,
                   line[i], key, largest, value);
}

static sc_status validate(const sc_protocol *p, const int *line, const char *name)
{
    sc_status status = SC_OK;
    SC_TRY(in_range(name, line, "samples", p->samples, 100000));
    SC_TRY(in_range(name, line, "virtual_coils", p->virtual_coils, 1024));
    SC_TRY(in_range(name, line, "time_budget_s", p->time_budget_s, 1e7));
    for (int i = 0; p->modality && fields[i].key; i++)
        if (!strcmp(fields[i].key, "modality") && strcmp(p->modality, "MR") != 0)
            SC_TRY(sc_fail(SC_ERR_FORMAT, "%s: line %d: modality: expected MR, found '%s'", name,
                           line[i], p->modality));
cleanup:
    return status;
}

sc_status sc_protocol_parse(sc_protocol **protocol, const void *bytes, size_t size,
                            const char *name)
{
    *protocol = NULL;
    report r = {{0}};
    cyaml_config_t c = config(&r);
    sc_protocol *p = NULL;
    int line[FIELDS];
    sc_status status = sc_protocol_check(line, fields, bytes, size, name);
    if (status != SC_OK)
        return status;
    cyaml_err_t error = cyaml_load_data(bytes, size, &c, &schema, (cyaml_data_t **)&p, NULL);
    if (error != CYAML_OK)
        return sc_fail(error == CYAML_ERR_OOM ? SC_ERR_MEMORY : SC_ERR_FORMAT, "%s: %s", name,
                       r.line[0] ? r.line : cyaml_strerror(error));
    if (!p)
        return sc_fail(SC_ERR_FORMAT, "%s: the protocol is empty", name);
    status = validate(p, line, name);
    if (status != SC_OK)
        sc_protocol_free(p);
    else
        *protocol = p;
    return status;
}

sc_status sc_protocol_read(sc_protocol **protocol, const char *path)
{
    *protocol = NULL;
    void *bytes = NULL;
    size_t size;
    sc_status status = sc_file_read(&bytes, &size, path, LARGEST_FILE);
    if (status == SC_OK)
        status = sc_protocol_parse(protocol, bytes, size, path);
    sc_free(bytes);
    return status;
}

sc_status sc_formats_parse(unsigned *formats, const char *list)
{
    *formats = 0;
    for (const char *c = list; c;) {
        const char *end = strchr(c, ',');
        size_t n = end ? (size_t)(end - c) : strlen(c), i;
        for (i = 0; i < CYAML_ARRAY_LEN(format_names); i++)
            if (strlen(format_names[i].str) == n && !strncmp(format_names[i].str, c, n))
                break;
        if (i == CYAML_ARRAY_LEN(format_names))
            return sc_fail(SC_ERR_USAGE,
                           "unknown format '%.*s', expected dicom, npy, cfl, nifti or png", (int)n,
                           c);
        *formats |= (unsigned)format_names[i].val;
        c = end ? end + 1 : NULL;
    }
    return SC_OK;
}

const char *sc_format_name(unsigned bit)
{
    for (size_t i = 0; i < CYAML_ARRAY_LEN(format_names); i++)
        if ((unsigned)format_names[i].val == bit)
            return format_names[i].str;
    return "";
}
