/* Reference files: tensors of any type as doubles, images between the files' order (N,C,H,W) and
 * the library's (N,H,W,C). A file remembers which of its tensors were read, so that none is left
 * out unnoticed. Memory comes from a pool that a section of the program empties.
 */
#ifndef PARITY_TENSORS_H
#define PARITY_TENSORS_H

#include <prior/safetensors.h>

/* Zeroed, aligned to 64 bytes, freed by pool_free. Ends the program when memory is short. */
void *pool(int64_t count, size_t size);
void pool_free(void);
#define POOL(type, count) ((type *)pool((count), sizeof(type)))

typedef struct {
    char name[96]; /* of the file */
    sc_safetensors *file;
    bool *seen; /* a tensor each */
} reference;

/* Missing file: SC_OK and .file NULL, so that every tensor of it is absent. */
sc_status reference_open(reference *r, const char *folder, const char *name);
void reference_free(reference *r);
int reference_count(const reference *r);
const char *reference_name(const reference *r, int i);
bool reference_seen(const reference *r, int i);

typedef struct {
    int rank;
    int64_t dim[SC_MAX_RANK], count;
    double *v; /* NULL: there is no such tensor */
} tensor;

/* printf-like name; .v NULL when absent or empty. */
tensor tensor_get(const reference *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
bool tensor_has(const reference *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* [index, ...], whose memory is the tensor's */
tensor tensor_slice(const tensor *x, int64_t index);
bool tensor_alike(const tensor *a, const tensor *b); /* same shape */

/* Tensors of rank 2 and more have their channels as axis 1: (n, c, ...) to (n, ..., c). */
float *to_engine(const tensor *x);
/* Back, with the shape of `like`. */
double *from_engine(const float *x, const tensor *like);
float *to_floats(const double *x, int64_t n);
double *to_doubles(const float *x, int64_t n);
/* |x|, sum in double. */
double norm_of(const double *x, int64_t n);

#endif
