/* A protocol: what to do with which scan, as a YAML file that a site keeps with its scanner's
 * protocols. Every key is optional; unknown keys and wrong types are refused with their line.
 *
 *     name: brain, Cartesian 2D
 *     modality: MR
 *     method: annealed-proximal
 *     options: [evaluations=12]
 *     samples: 0
 *     maps: auto
 *     formats: [dicom, npy, png]
 */
#ifndef SC_PROTOCOLS_PROTOCOL_H
#define SC_PROTOCOLS_PROTOCOL_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum { SC_MAPS_AUTO = 0, SC_MAPS_ONE = 1, SC_MAPS_TWO = 2 } sc_maps_choice;

enum { /* bits of sc_protocol.formats */
       SC_FORMAT_DICOM = 1,
       SC_FORMAT_NPY = 2,
       SC_FORMAT_CFL = 4,
       SC_FORMAT_NIFTI = 8,
       SC_FORMAT_PNG = 16
};

typedef struct {
    char *name, *description;
    char *modality; /* "MR"; NULL: any */
    char *method;   /* row of sc_methods; NULL: the default */
    char **options; /* "key=value" of that method */
    unsigned options_count;
    char *prior;    /* weights file; NULL: the shipped one */
    char *geometry; /* geometry file; NULL: from the scan */
    int samples;    /* 0: point estimate only */
    uint64_t seed;
    sc_maps_choice maps;
    int virtual_coils;    /* compress to so many; 0: a stated rule decides */
    double time_budget_s; /* 0: none */
    bool residual_map;    /* chi2 without samples, too */
    bool fallback;        /* write the classical result when the prior's fails its test */
    unsigned formats;     /* bits; 0: dicom where geometry is known, npy and png */
    char *series_description;
} sc_protocol;

/* *protocol is to be freed with sc_protocol_free; NULL on failure.
 * SC_ERR_IO: not readable. SC_ERR_FORMAT: key, line, expected and found. */
sc_status sc_protocol_read(sc_protocol **protocol, const char *path);
sc_status sc_protocol_parse(sc_protocol **protocol, const void *text, size_t bytes,
                            const char *name);
void sc_protocol_free(sc_protocol *protocol); /* NULL is fine */

/* "dicom,npy" -> bits. SC_ERR_USAGE names what is unknown. */
sc_status sc_formats_parse(unsigned *formats, const char *list);
const char *sc_format_name(unsigned bit);

#endif
