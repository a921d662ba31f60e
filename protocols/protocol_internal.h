/* Between a protocol's schema and the strict look at its text. */
#ifndef SC_PROTOCOLS_PROTOCOL_INTERNAL_H
#define SC_PROTOCOLS_PROTOCOL_INTERNAL_H

#include "base/status.h"
#include <cyaml/cyaml.h>
#include <stddef.h>

/* The text is one YAML document, a flat mapping of `fields` (which end with CYAML_FIELD_END), each
 * at most once and of its type. line[i]: where key i stands, from 1; 0: absent.
 * SC_ERR_FORMAT: line, key, expected and found. */
sc_status sc_protocol_check(int *line, const cyaml_schema_field_t *fields, const void *text,
                            size_t bytes, const char *name);

#endif
