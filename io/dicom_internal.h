/* The parts of DICOM that need no DCMTK: UIDs by hash, legal texts, a look at the nesting. */
#ifndef SC_IO_DICOM_INTERNAL_H
#define SC_IO_DICOM_INTERNAL_H

#include "base/scan.h"
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SC_DICOM_UID_SIZE 65

/* 2.25.<128 bits of SHA-256 over kind, key and index>: unique without a registry, the same for the
 * same words (PS3.5 B.2; RFC 9562 version 8). */
void sc_dicom_uid(char uid[SC_DICOM_UID_SIZE], const char *kind, const char *key, int64_t index);

typedef enum {
    SC_VR_CS, /* 16, upper case, digits, space, underscore */
    SC_VR_SH, /* 16 characters */
    SC_VR_LO, /* 64 */
    SC_VR_PN, /* 64 a component group */
    SC_VR_ST, /* 1024, may hold lines */
    SC_VR_DA, /* YYYYMMDD; dashes are dropped */
    SC_VR_TM, /* HHMMSS.ffffff; colons are dropped */
    SC_VR_UI  /* 64, digits and dots */
} sc_dicom_vr;

#define SC_DICOM_TEXT_SIZE 4200 /* 1024 characters of 4 bytes, and some */

/* out: `text` made legal for its VR: no control characters, no value delimiter, clipped at a
 * character; bytes that are no UTF-8 become '?'. False, and out "", when nothing legal is left (a
 * date that is none, a UID with letters). *clipped (may be NULL): something was cut or replaced. */
bool sc_dicom_text(char out[SC_DICOM_TEXT_SIZE], const char *text, sc_dicom_vr vr, bool *clipped);

bool sc_dicom_is_ascii(const char *text);

/* Number as DS: the most digits that fit 16 bytes. */
void sc_dicom_ds(char out[17], double value);

/* What a look at a file's structure shows before a parser with recursion may have it. */
typedef struct {
    char syntax[SC_DICOM_UID_SIZE]; /* TransferSyntaxUID (0002,0010) */
    bool has_pixels;                /* PixelData (7fe0,0010) outside all sequences */
} sc_dicom_structure;

/* Part 10 files whose nesting, elements and lengths are sane: depth at most 64, no length beyond
 * its container, VRs of the standard. SC_ERR_FORMAT names the attribute and its offset;
 * SC_ERR_UNSUPPORTED names the transfer syntax and what can convert it. */
sc_status sc_dicom_inspect(sc_dicom_structure *structure, const void *data, size_t bytes);

/* Where the slices of a volume lie, in DICOM's words (PS3.3 C.7.6.2). */
typedef struct {
    int64_t slices;
    double orientation[6];    /* unit vectors of increasing column and row index, orthogonal */
    double pixel_spacing[2];  /* mm between rows, between columns */
    double normal[3];         /* first x second vector */
    double *position;         /* (slices, 3) centre of the first voxel of each slice, in array order */
    int64_t *order;           /* (slices) array indices, by position along the normal */
    double spacing;           /* mm between neighbours; 0: one slice, or not equidistant */
} sc_dicom_stack;

/* SC_ERR_INPUT: geometry unknown, not orthonormal to 1e-3, sizes not positive, another number of
 * slices than the volume's, two slices in one place. */
sc_status sc_dicom_stack_create(sc_dicom_stack *stack, const sc_geometry *geometry, int64_t slices);
void sc_dicom_stack_free(sc_dicom_stack *stack);

#ifdef __cplusplus
}
#endif
#endif
