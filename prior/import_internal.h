/* Reading of PyTorch checkpoints in parts: file, zip directory, pickle, tensors (import.h). */
#ifndef SC_PRIOR_IMPORT_INTERNAL_H
#define SC_PRIOR_IMPORT_INTERNAL_H

#include "base/array.h"
#include "prior/network/network.h"

#define SC_PICKLE_LIMIT ((size_t)64 << 20)   /* bytes of a pickle */
#define SC_PICKLE_ELEMENTS ((size_t)8 << 20) /* values, cells, places on the stack */

/* ---- a file, of which parts are read ---- */

typedef struct {
    const char *path;
    int descriptor;
    int64_t bytes;
} sc_import_file;

sc_status sc_import_file_open(sc_import_file *file, const char *path);
void sc_import_file_close(sc_import_file *file); /* never opened is fine: descriptor -1 */
/* SC_ERR_FORMAT if [offset, offset + bytes) is not inside. */
sc_status sc_import_file_part(const sc_import_file *file, void *to, int64_t offset, size_t bytes);

/* ---- zip: the stored entries of an archive ---- */

#define SC_ZIP_NAME 256

typedef struct {
    char name[SC_ZIP_NAME];
    int64_t begin, bytes; /* of the data, in the file */
    int64_t header;       /* of the local header */
    bool packed;          /* compressed: not to be read */
} sc_zip_entry;

typedef struct {
    sc_zip_entry *entry; /* sorted by name */
    int count;
} sc_zip;

/* From the central directory, each entry checked against its local header and the file, none
 * encrypted, no name twice, no byte in two entries. */
sc_status sc_zip_open(sc_zip *zip, const sc_import_file *file);
void sc_zip_free(sc_zip *zip);
sc_status sc_zip_check_stored(const sc_zip *zip); /* SC_ERR_UNSUPPORTED names a packed entry */
const sc_zip_entry *sc_zip_find(const sc_zip *zip, const char *name); /* or NULL */

/* ---- numbers as torch stores them ---- */

typedef struct {
    const char *name;    /* "float32": torch.float32 */
    const char *storage; /* "FloatStorage" */
    int size;
    /* n numbers in file order to float; NULL: this is not a number that a weight can be */
    void (*convert)(float *y, const void *x, int64_t n);
} sc_torch_dtype;

extern const sc_torch_dtype sc_torch_dtypes[]; /* ends with a NULL name */
const sc_torch_dtype *sc_torch_dtype_find(const char *name); /* "float32", or NULL */

/* ---- pickle: values, never code ---- */

typedef enum {
    SC_PICKLE_NONE,
    SC_PICKLE_BOOL,
    SC_PICKLE_WHOLE,
    SC_PICKLE_LONG, /* beyond 64 bits: its bytes */
    SC_PICKLE_REAL,
    SC_PICKLE_TEXT,
    SC_PICKLE_TUPLE,
    SC_PICKLE_LIST,
    SC_PICKLE_DICT,
    SC_PICKLE_SET,
    SC_PICKLE_GLOBAL,
    SC_PICKLE_STORAGE,
    SC_PICKLE_TENSOR,
    SC_PICKLE_INERT /* something allowed of which nothing is needed */
} sc_pickle_kind;

/* A value; others refer to it by its index. Containers are chains of cells. */
typedef struct {
    uint8_t kind, depth;
    uint32_t count; /* bytes of a text, entries of a container */
    union {
        int64_t whole; /* also: bool, index of a storage, tensor or global */
        double real;
        const unsigned char *text;
        struct {
            uint32_t first, last;
        } cell;
    } as;
} sc_pickle_value;

typedef struct {
    uint32_t key, value, next; /* next: 0 ends the chain (cell 0 is not used) */
} sc_pickle_cell;

/* A storage as the pickle describes it. */
typedef struct {
    const unsigned char *key;
    uint32_t key_bytes;
    const sc_torch_dtype *dtype; /* NULL: untyped, counted in bytes */
    int64_t count;
} sc_torch_storage;

/* A tensor: a strided view of a storage. Checked: it lies inside what the pickle says of its
 * storage, sizes and strides are not negative, no element occurs twice. */
typedef struct {
    int storage, rank;
    int64_t first;                           /* bytes from the storage's start */
    int64_t extent;                          /* elements from the first to the last, inclusive */
    int64_t dim[SC_MAX_RANK], stride[SC_MAX_RANK]; /* elements */
    const sc_torch_dtype *dtype;
} sc_torch_tensor;

/* A view of a storage, as legacy files have them; bytes. */
typedef struct {
    int storage;
    int64_t first, bytes;
} sc_torch_view;

typedef struct {
    void *p;
    size_t count, room;
} sc_pickle_array; /* grows */

typedef struct {
    const unsigned char *data; /* borrowed: texts point into it */
    size_t bytes, at;
    sc_pickle_array value, cell, stack, mark, memo; /* of value, cell, uint32_t, uint32_t, uint32_t */
    sc_pickle_array storage, view, tensor;          /* of the structs above */
    uint32_t result;
} sc_pickle;

/* Run the pickle at the start of data. *used: its bytes; data must outlive the pickle. On failure
 * the message names byte, opcode and fact, and the pickle is empty. */
sc_status sc_pickle_read(sc_pickle *pickle, size_t *used, const void *data, size_t bytes);
void sc_pickle_free(sc_pickle *pickle);

static inline sc_pickle_value *sc_pickle_at(const sc_pickle *p, uint32_t i)
{
    return (sc_pickle_value *)p->value.p + i;
}
static inline sc_pickle_cell *sc_pickle_cell_at(const sc_pickle *p, uint32_t i)
{
    return (sc_pickle_cell *)p->cell.p + i;
}
static inline sc_torch_storage *sc_pickle_storage(const sc_pickle *p, int64_t i)
{
    return (sc_torch_storage *)p->storage.p + i;
}
static inline sc_torch_tensor *sc_pickle_tensor(const sc_pickle *p, int64_t i)
{
    return (sc_torch_tensor *)p->tensor.p + i;
}

const char *sc_pickle_kind_name(int kind);
bool sc_pickle_is_text(const sc_pickle_value *value, const char *text);
/* The value of a key in a dict: *found NULL if there is none. SC_ERR_FORMAT if there are two. */
sc_status sc_pickle_find(const sc_pickle_value **found, const sc_pickle *p,
                         const sc_pickle_value *dict, const char *key);
/* Bytes of a file for a message: at most 60, what is not printable as '?'. */
const char *sc_printable(char text[64], const void *bytes, size_t n);

/* ---- values (import_values.c), and what calls mean (import_torch_calls.c), for the machine ---- */

sc_status sc_pickle_add(sc_pickle *p, uint32_t *index, sc_pickle_value value);
sc_status sc_pickle_append(sc_pickle *p, uint32_t container, uint32_t key, uint32_t value);
sc_status sc_pickle_grow(sc_pickle_array *array, size_t element); /* room for one more */
/* The whitelist: index of module.name; SC_ERR_FORMAT if it is not there. */
sc_status sc_pickle_global(int64_t *index, const unsigned char *module, size_t module_bytes,
                           const unsigned char *name, size_t name_bytes);
const char *sc_pickle_global_name(char text[128], int64_t index);
sc_status sc_pickle_call(sc_pickle *p, uint32_t *result, uint32_t callee, uint32_t arguments);
sc_status sc_pickle_new(sc_pickle *p, uint32_t *result, uint32_t callee, uint32_t arguments);
sc_status sc_pickle_build(sc_pickle *p, uint32_t object, uint32_t state);
sc_status sc_pickle_persistent(sc_pickle *p, uint32_t *result, uint32_t id);

/* ---- a checkpoint: either container, its object and where each storage lies ---- */

typedef struct {
    sc_import_file file;
    void *bytes; /* of the pickles */
    sc_pickle pickle;
    sc_zip zip;
    int64_t *begin; /* of each storage's data in the file */
} sc_checkpoint_file;

/* SC_ERR_FORMAT, SC_ERR_UNSUPPORTED (TorchScript, tar, big-endian): one line with the fact. */
sc_status sc_checkpoint_open(sc_checkpoint_file *checkpoint, const char *path);
void sc_checkpoint_close(sc_checkpoint_file *checkpoint);
/* The tensor's numbers in C order as float. */
sc_status sc_checkpoint_tensor(float *to, const sc_checkpoint_file *checkpoint,
                               const sc_torch_tensor *tensor);

/* ---- the weights in it ---- */

typedef struct {
    bool averaged;
    int64_t step, updates; /* -1: not stated */
    double decay;
} sc_import_facts;

/* theta of the network from a checkpoint or a safetensors state dict; free with sc_free. *sigmas:
 * the buffer of that name in float, NULL if there is none. */
sc_status sc_import_state(float **theta, float **sigmas, int64_t *sigma_count,
                          sc_import_facts *facts, const sc_network *network, const char *path,
                          bool raw);

#endif
