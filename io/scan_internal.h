/* One reader of raw scans: a row of the table in scan_read.c. */
#ifndef SC_IO_SCAN_INTERNAL_H
#define SC_IO_SCAN_INTERNAL_H

#include "io/scan.h"

typedef struct {
    const char *path;
    const void *head; /* the first bytes of the file; none if `path` is not itself a file */
    size_t bytes;
} sc_scan_probe;

typedef struct {
    const char *name;
    bool (*probe)(const sc_scan_probe *probe);
    /* scan is empty with a cleared header; on failure the caller frees it. Sets all but source and
     * format, and may leave image sizes 0 for those of the grid. options->device is set. */
    sc_status (*read)(sc_scan *scan, const char *path, const sc_scan_options *options);
} sc_scan_reader;

/* Read all that the HDF5 readers would, and keep nothing: for sc_hdf5_trial. */
void sc_ismrmrd_try(const char *path, const char *group);
void sc_fastmri_try(const char *path);

bool sc_fastmri_probe(const sc_scan_probe *probe);
sc_status sc_fastmri_read(sc_scan *scan, const char *path, const sc_scan_options *options);
bool sc_ismrmrd_probe(const sc_scan_probe *probe);
sc_status sc_ismrmrd_read(sc_scan *scan, const char *path, const sc_scan_options *options);
bool sc_scan_npy_probe(const sc_scan_probe *probe);
sc_status sc_scan_npy_read(sc_scan *scan, const char *path, const sc_scan_options *options);
bool sc_scan_cfl_probe(const sc_scan_probe *probe);
sc_status sc_scan_cfl_read(sc_scan *scan, const char *path, const sc_scan_options *options);

/* Removal of readout oversampling from `lines` lines at a time: unitary centred inverse FFT along
 * the line, a crop that starts at stored/2 - kept/2 (integer divisions: this keeps index n/2 the
 * centre, (stored - kept)/2 does not), unitary FFT back. Noise keeps its standard deviation.
 * stored == kept: nothing happens. */
typedef struct sc_crop sc_crop;
sc_status sc_crop_create(sc_crop **crop, const sc_device *device, int64_t stored, int64_t kept,
                         int64_t lines);
sc_c32 *sc_crop_lines(sc_crop *crop);       /* (lines, stored): to be filled, zero at first */
const sc_c32 *sc_crop_apply(sc_crop *crop); /* (lines, kept); the filled lines are lost */
void sc_crop_clear(sc_crop *crop);          /* lines to zero */
void sc_crop_free(sc_crop *crop);           /* NULL is fine */

/* kspace of shape (frame, slice, coil, kz, ky, kx) exists: set sizes, make frame counters and a
 * mask that is 1 wherever any coil has a sample other than 0. */
sc_status sc_scan_from_kspace(sc_scan *scan);

/* k-space and mask of a cfl file on our axes, everything in it. */
sc_status sc_scan_cfl_load(sc_scan *scan, const char *path);

/* A choice of sc_scan_options, -1 for none, among low to high. SC_ERR_USAGE names all three. */
sc_status sc_scan_choice(const char *name, int choice, int64_t low, int64_t high);

/* Keep the chosen slice and frames of a whole scan. SC_ERR_USAGE if nothing is left. */
sc_status sc_scan_select(sc_scan *scan, const sc_scan_options *options);

/* The fully sampled box [low, high) around the centre of k-space, axes (kz, ky, kx), of the mask
 * of one image: grown from index n/2 side by side. Empty if the centre is not measured. */
void sc_scan_centre(int64_t low[3], int64_t high[3], const sc_scan *scan, const float *mask);

/* Finite, and something in each image. SC_ERR_INPUT names slice, frame and count. */
sc_status sc_scan_check(const sc_scan *scan);

#endif
