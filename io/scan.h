/* Raw MR scans: read, written, described.
 *
 * A file is recognised by its content (io/README.md has the table): ISMRMRD and fastMRI HDF5,
 * NumPy .npy, BART cfl. What comes out is an sc_scan on the encoded Cartesian grid: readout
 * oversampling removed, averages combined, slices ordered by position, 0 where nothing was
 * measured.
 */
#ifndef SC_IO_SCAN_H
#define SC_IO_SCAN_H

#include "base/device.h"
#include "base/progress.h"
#include "base/scan.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    const char *mask;  /* .npy or cfl: samples where it is 0 are dropped (retrospective
                          undersampling); shape (ny, nx), (slice, ny, nx), (nz, ny, nx), or the
                          length of the phase-encoding axis; NULL: none */
    const char *group; /* ISMRMRD group; NULL: the only one with a measurement */
    /* select one; -1: all. Averages selected one by one are not combined. */
    int slice, contrast, repetition, set, phase, average, encoding;
    bool calibration_as_data; /* count calibration-only lines as measured too */
    bool keep_oversampling;   /* leave the readout as it is stored */
    bool trusted; /* HDF5 files come from a program of ours: no trial reading in a child process */
    const sc_device *device; /* for FFTs along the readout; NULL: the CPU, one thread */
    const sc_progress *progress;
} sc_scan_options;

sc_scan_options sc_scan_options_default(void);

/* *scan: owned, sc_scan_free; on failure it is empty. The message names the file, without its
 * folder, and the fact: SC_ERR_FORMAT for a damaged or contradicting file, SC_ERR_INPUT for
 * samples that are not finite or all zero, SC_ERR_UNSUPPORTED for compressed or non-Cartesian
 * data, SC_ERR_USAGE for an option that the file cannot meet. options NULL: defaults. */
sc_status sc_scan_read(sc_scan *scan, const char *path, const sc_scan_options *options);

/* Would sc_scan_read try? *format: the reader's name. SC_ERR_IO or SC_ERR_FORMAT. */
sc_status sc_scan_recognise(const char **format, const char *path);

/* Set the data to 0 where the mask file says so. Shapes as in sc_scan_options.mask. */
sc_status sc_scan_apply_mask(sc_scan *scan, const char *path);

typedef struct {
    int oversampling;      /* of the readout, 1 or more */
    double dwell_us;       /* of one stored sample */
    bool flag_calibration; /* flag 21 on the fully sampled centre lines (20 on scan->calibration) */
} sc_scan_write_options;

sc_scan_write_options sc_scan_write_options_default(void);

/* ISMRMRD, atomically; needs a mask of whole lines, or of lines that lack one end (asymmetric
 * echo): SC_ERR_UNSUPPORTED otherwise, as the format has no other samples. Averages are written
 * once each. Noise goes into readouts of its own, so that it reads back as it is. */
sc_status sc_scan_write_ismrmrd(const char *path, const sc_scan *scan,
                                const sc_scan_write_options *options);

/* cfl with dims (1, ny, nx, coil, ..., TIME frame, SLICE) or, for 3D, (nx, ny, nz, coil, ...).
 * k-space only. */
sc_status sc_scan_write_cfl(const char *path, const sc_scan *scan);

/* Facts about a scan as text ("name: value" lines) or JSON; *text: sc_free. identifying: also
 * who, when and where. */
sc_status sc_scan_describe(char **text, const sc_scan *scan, bool json, bool identifying);

#ifdef __cplusplus
}
#endif
#endif
