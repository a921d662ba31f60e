/* The header of a .npy file: what the three keys of its dict literal say. */
#ifndef SC_IO_NPY_INTERNAL_H
#define SC_IO_NPY_INTERNAL_H

#include "base/array.h"

typedef struct {
    char kind;    /* f c i u b */
    int size;     /* bytes of one element */
    bool swapped; /* big endian */
    bool fortran;
    int rank; /* 0 for a scalar */
    int64_t dim[SC_MAX_RANK];
} sc_npy_header;

/* text: the dict literal, `length` bytes. SC_ERR_FORMAT or SC_ERR_UNSUPPORTED. */
sc_status sc_npy_header_parse(sc_npy_header *header, const char *text, size_t length);

#endif
