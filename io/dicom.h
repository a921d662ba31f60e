/* DICOM behind plain C: the standard's objects go in and out as volumes with a header.
 *
 * Written: classic MR Image Storage, one file a slice, Explicit VR Little Endian, 16 bits, one
 * scale for the whole series (it stands in RealWorldValueMappingSequence; classic MR has no
 * rescale). Every derived image says that it is derived, and whether a learned prior had a part
 * in it. Facts that the header lacks stay empty or absent. The same run gives the same bytes:
 * UIDs are hashes, and no clock is read.
 *
 * The only C++ of the tree stands behind this header; no exception passes it.
 */
#ifndef SC_IO_DICOM_H
#define SC_IO_DICOM_H

#include "base/file.h"
#include "base/scan.h"
#include "base/volume.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A map that goes with an image, such as its standard deviation: no anatomy, and to be taken for
 * none. It is written as Secondary Capture of modality OT, ImageType DERIVED\\SECONDARY\\OTHER\\kind,
 * in the image's place; real value = RescaleSlope * stored + RescaleIntercept. Stored 0 is
 * PixelPaddingValue and means that nothing is known there: values that are not finite become that. */
typedef struct {
    const char *kind;  /* "STD_DEV": upper case, at most 16 characters; also the LUTLabel */
    const char *words; /* "standard deviation of the magnitude": at most 64 characters */
} sc_dicom_map;

/* All texts UTF-8; NULL: absent, unless said otherwise. */
typedef struct {
    const char *run;    /* required: all that decides the pixels (input hashes, configuration, prior
                           hash, seed, frame). Same text, same UIDs */
    const char *source; /* required: hash of the input data; names it in DerivationDescription, and
                           stands for the study where the header has no UID of it */
    const char *description; /* SeriesDescription; NULL: "scorecon reconstruction" */
    const char *derivation;  /* what was done: method, acceleration, steps, seed; first part of
                                DerivationDescription */
    const char *prior;       /* name, version and hash of the learned prior; NULL: none was used, and
                                nothing is said of machine learning */
    const char *software;    /* "scorecon 0.1.0" */
    const char *comment;     /* ImageComments: warnings, the fallback's reason */
    const char *acquisition; /* "2D" or "3D" */
    int series_number;       /* 0: 901 */
    const sc_dicom_map *map; /* NULL: the volume is an image */
} sc_dicom_options;

/* Write the series of an image or a map into `folder` of outdir, files 0001.dcm ... in the order of position along the
 * slice normal. magnitude: f32 (slice, y, x), negative values are stored as 0 and counted in the
 * log. On failure the outdir holds nothing usable: discard it.
 * SC_ERR_INPUT: geometry unknown (names --geometry), not orthonormal, two slices in one place, or
 * a value that is not finite in an image. */
sc_status sc_dicom_write_series(sc_outdir *outdir, const char *folder, const sc_volume *magnitude,
                                const sc_header *header, const sc_dicom_options *options);

/* Read one series of MR or CT images: a file (classic, or enhanced multi-frame), or a folder with
 * all its sub-folders. Values are rescaled (CT: HU, with units "HU"; MR without rescale: by its real
 * world value mapping to units of 1, as in series written here), slices sorted by position.
 * Maps written here are no images of a scan, and passed over.
 * SC_ERR_INPUT: several series (the message lists them), missing or doubled slices;
 * SC_ERR_UNSUPPORTED: a transfer syntax without a decoder (named), colour, no images in it.
 * On success volume and header (may be NULL) are set; on failure they are empty. */
sc_status sc_dicom_read_series(sc_volume *volume, sc_header *header, const char *path);

/* Does the file begin like DICOM part 10? (bytes: the first 132 or more of it) */
bool sc_dicom_probe(const void *data, size_t bytes);

#ifdef __cplusplus
}
#endif
#endif
