/* The images of one scan, in scan units, and writing them into an output folder. */
#ifndef SC_PROTOCOLS_SERIES_H
#define SC_PROTOCOLS_SERIES_H

#include "base/file.h"
#include "base/scan.h"
#include "io/dicom.h"

typedef struct {
    int64_t frames, slices, ny, nx; /* images = frames x slices, slices vary fastest */
    sc_array image;                 /* c32 (image, y, x) */
    sc_array std; /* f32 (image, y, x) of the magnitude, or empty; so are the next four */
    sc_array p05, p95;
    sc_array chi2, prior_share;  /* ratios; NaN where there is nothing to say */
    sc_array samples;            /* c32 (sample, image, y, x), or empty */
    const sc_geometry *geometry; /* of one frame; borrowed */
    const sc_header *header;     /* borrowed */
} sc_series;

/* Arrays for the images; with samples > 0 also those of the uncertainty, prior_share only if there
 * is a prior. chi2: that map without samples, too. */
sc_status sc_series_create(sc_series *series, int64_t frames, int64_t slices, int64_t ny,
                           int64_t nx, int samples, bool chi2, bool prior);
void sc_series_free(sc_series *series);

/* One file of each wanted format; maps as .npy, and with DICOM as a series each, in a folder
 * dicom-std, dicom-p05, ... formats: bits of SC_FORMAT_*. */
sc_status sc_series_write(const sc_series *series, sc_outdir *outdir, unsigned formats,
                          const sc_dicom_options *dicom);

/* A view of one frame (slice, y, x) of image, std, p05 or p95; of one sample with `sample` >= 0. */
sc_array sc_series_frame(const sc_series *series, const sc_array *array, int64_t frame,
                         int64_t sample);

/* |image| as f32 (slice, y, x) of one frame; owned by the caller. */
sc_status sc_series_magnitude(sc_array *magnitude, const sc_series *series, int64_t frame);

#endif
