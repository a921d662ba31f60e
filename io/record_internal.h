/* The run record's tree, shared by its two files. */
#ifndef SC_IO_RECORD_INTERNAL_H
#define SC_IO_RECORD_INTERNAL_H

#include "io/record.h"
#include <jansson.h>

struct sc_record {
    json_t *root;
};

/* Append to the list under a dotted key, which is made; takes `value` (NULL: memory was short). */
sc_status sc_record_append(sc_record *record, const char *key, json_t *value);

/* A JSON string; bytes that are no UTF-8 become '?'. NULL if memory is short. */
json_t *sc_record_string(const char *text);

#endif
