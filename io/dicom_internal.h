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
    SC_VR_LT, /* 10240 */
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

#ifdef __cplusplus
}
#endif
#endif
