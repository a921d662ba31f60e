/* The run record, record.json: everything that is needed to know what was done, and to do it again.
 *
 * Keys are dotted paths ("method.options.steps"). The text is JSON with sorted keys; the same run
 * gives the same text, except for what lies under "cost.measured" (seconds, bytes of memory), which
 * depends on the machine. Nothing identifying goes in: inputs are named without their folder, and
 * known by hash.
 *
 *     program, version, command   what was called
 *     input[]                     file, bytes, sha256
 *     protocol, prior             name, sha256
 *     seed, method, data          name, options; noise level, acceleration
 *     geometry                    as in io/geometry.h
 *     residual                    the test after the run
 *     cost                        evaluations, operator applications; measured: seconds, bytes
 *     warning[]                   one line each
 */
#ifndef SC_IO_RECORD_H
#define SC_IO_RECORD_H

#include "base/volume.h"
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sc_record sc_record;

/* With "program" and "version" set. */
sc_status sc_record_create(sc_record **record, const char *program, const char *version);
void sc_record_free(sc_record *record); /* NULL is fine */

/* Set a value; an older one under the key is replaced. Objects on the way are made.
 * SC_ERR_INTERNAL if a value stands where an object is needed. Bytes that are no UTF-8 become '?';
 * NULL, NaN and infinity become null. */
sc_status sc_record_set_text(sc_record *record, const char *key, const char *value);
sc_status sc_record_set_number(sc_record *record, const char *key, double value);
sc_status sc_record_set_integer(sc_record *record, const char *key, int64_t value);
sc_status sc_record_set_bool(sc_record *record, const char *key, bool value);
sc_status sc_record_set_geometry(sc_record *record, const char *key, const sc_geometry *geometry);

/* Append to the list under the key ("command", "warning"); the list is made. */
sc_status sc_record_add_text(sc_record *record, const char *key, const char *value);
sc_status sc_record_add_number(sc_record *record, const char *key, double value);

/* Append {file, bytes, sha256} to "input". A folder counts as all files below it, by name; a
 * BART pair as both files. */
sc_status sc_record_add_input(sc_record *record, const char *path);

/* SHA-256 over the inputs' hashes: what identifies the data of this run. */
void sc_record_input_hash(const sc_record *record, char hex[65]);

/* SHA-256 over everything but "cost" and "warning": the same for every repetition of a run. The
 * text for sc_dicom_options.run. */
sc_status sc_record_run_hash(const sc_record *record, char hex[65]);

/* The text, to be freed with sc_free. */
sc_status sc_record_text(const sc_record *record, char **text);

sc_status sc_record_write(const sc_record *record, const char *path);

#ifdef __cplusplus
}
#endif
#endif
