/* Decoded training slices within a limit of memory: the first ones stay in memory, what does not
 * fit goes to a scratch file and is read back one slice at a time. The scratch file has no name
 * (it is unlinked at once), so nothing of it outlives the process, however that ends.
 */
#ifndef SC_CLI_TRAIN_STORE_H
#define SC_CLI_TRAIN_STORE_H

#include "base/array.h"

typedef struct sc_slice_store sc_slice_store;

typedef struct {
    int64_t slices, in_memory;       /* numbers of slices */
    int64_t memory_bytes, file_bytes;
} sc_store_size;

/* limit: bytes of slices in memory; folder: of the scratch file, copied. */
sc_status sc_slice_store_create(sc_slice_store **store, int64_t limit, const char *folder);
/* The scratch file in the folder of `output`; NULL: in that of TMPDIR, or /tmp. */
sc_status sc_slice_store_create_beside(sc_slice_store **store, int64_t limit, const char *output);
void sc_slice_store_free(sc_slice_store *store); /* NULL is fine */

/* A copy of a slice, f32 or c32 (y, x); *index names it from now on. */
sc_status sc_slice_store_add(sc_slice_store *store, int *index, const sc_array *slice);

/* A view of a slice, valid until the next get or add. One thread at a time. */
sc_status sc_slice_store_get(sc_slice_store *store, sc_array *slice, int index);

sc_store_size sc_slice_store_size(const sc_slice_store *store);

#endif
