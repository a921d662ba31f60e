/* What the scanner measured, in the scanner's units, with its header. Fields are present or
 * absent, never invented.
 *
 * One sc_scan is one or more images of the same kind: 2D multi-slice (slices >= 1) or 3D
 * (nz > 1, slices 1). Contrasts, repetitions, sets and phases are separate frames.
 */
#ifndef SC_BASE_SCAN_H
#define SC_BASE_SCAN_H

#include "base/array.h"
#include "base/volume.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Text facts: an empty string is absent. Numbers: NaN is absent. */
typedef struct {
    char patient_name[128], patient_id[64], patient_birth_date[16], patient_sex[4];
    char patient_position[8]; /* HFS, ... */
    char study_uid[68], study_date[16], study_time[24], study_id[32], accession[32];
    char frame_of_reference_uid[68];
    char institution[128], station[64], vendor[64], model[64], protocol[128],
        series_description[128];
    char measurement_id[64];
    double field_tesla, frequency_hz, tr_ms, te_ms, ti_ms, flip_deg, weight_kg;
    char sequence_type[64];
} sc_header;

void sc_header_clear(sc_header *header); /* all absent */

/* How data are laid out: kspace (frame, slice, coil, kz, ky, kx), frames of `frames` counters. */
typedef struct {
    uint16_t contrast, repetition, set, phase;
} sc_frame;

typedef struct {
    int64_t frames, slices, coils, nz, ny, nx; /* of kspace, readout oversampling removed */
    sc_array kspace; /* c32 (frame, slice, coil, kz, ky, kx), 0 where not measured; centre n/2 */
    sc_array mask;   /* f32 (frame, slice, kz, ky, kx): averages measured, 0 = not measured */
    sc_array calibration;      /* c32 (slice, coil, kz, ky, kx), the lines that the scan marks for
                                  calibration, on the same grid, one contrast throughout; empty if none
                                  of them lies outside kspace */
    sc_array calibration_mask; /* f32 (slice, kz, ky, kx), or empty */
    sc_array noise;  /* c32 (coil, sample), prescan noise scaled to the readout's bandwidth, or
                        empty: E|n|^2 is that of one k-space sample of this scan */
    sc_frame *frame; /* (frames) */
    int64_t image_ny, image_nx,
        image_nz;         /* wanted image size (recon space); crop is centred at n/2 */
    sc_geometry geometry; /* of the wanted image; .known false if the scan does not say */
    sc_header header;
    char readout;     /* 'x' or 'y': the axis of kspace along which lines were read; 0: neither
                         (both phase-encoded) or not known */
    char source[256]; /* file name without folder, for messages */
    char format[32];  /* "ISMRMRD", "fastMRI", "cfl", "npy" */
} sc_scan;

void sc_scan_free(sc_scan *scan);

#ifdef __cplusplus
}
#endif
#endif
