/* The safetensors container: 8 bytes little-endian header length, a JSON header
 * {"name": {"dtype", "shape", "data_offsets": [begin, end]}, ..., "__metadata__": {text: text}},
 * then the data. Tensors cover the data without gap or overlap; little-endian, C order.
 * Weights (prior/weights.h) and training checkpoints (prior/checkpoint.h) are such files.
 */
#ifndef SC_PRIOR_SAFETENSORS_H
#define SC_PRIOR_SAFETENSORS_H

#include "base/array.h"

typedef struct {
    const char *name;
    sc_array array; /* a view; dtype F32, F64, BF16, U8, I32 or I64; a dim may be 0 only when reading */
} sc_safetensor;

typedef struct {
    const char *key, *value;
} sc_metadata;

typedef struct sc_safetensors sc_safetensors;

/* Read and check a whole file: every size and offset against the file's, no gap, no overlap, no
 * name twice. SC_ERR_FORMAT names file, tensor and fact. *file is NULL on failure. */
sc_status sc_safetensors_read(sc_safetensors **file, const char *path, size_t limit);
/* The same from memory, `name` for messages; the bytes are copied. */
sc_status sc_safetensors_parse(sc_safetensors **file, const void *data, size_t bytes,
                               const char *name);
void sc_safetensors_free(sc_safetensors *file); /* NULL is fine */

int sc_safetensors_count(const sc_safetensors *file);
const sc_safetensor *sc_safetensors_tensor(const sc_safetensors *file, int index); /* in data order */
const sc_safetensor *sc_safetensors_find(const sc_safetensors *file, const char *name); /* or NULL */
const char *sc_safetensors_metadata(const sc_safetensors *file, const char *key);   /* or NULL */
const char *sc_safetensors_hash(const sc_safetensors *file); /* SHA-256 of the bytes, hex */

/* Data as written: the bytes of a whole file, to be freed with sc_free. Data start at a multiple
 * of 64. */
sc_status sc_safetensors_print(void **data, size_t *bytes, const sc_safetensor *tensor, int count,
                               const sc_metadata *metadata, int metadata_count);
/* Write atomically. */
sc_status sc_safetensors_write(const char *path, const sc_safetensor *tensor, int count,
                               const sc_metadata *metadata, int metadata_count);

#endif
