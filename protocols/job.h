/* A job: one scan, what to do with it, where the result goes. `recon`, `batch` and `serve` are
 * ways to fill one in.
 *
 *     scan -> calibration once -> per image: prepare, method, finish -> test -> output folder
 *
 * The output folder is complete or absent (base/file.h). It holds image.npy (complex, (image, y,
 * x), scan units), with samples std.npy, p05.npy, p95.npy, chi2.npy, prior-share.npy, samples.npy;
 * dicom/, and for each map dicom-std/ and so on; preview.png, record.json. Images run through
 * frames, then slices.
 */
#ifndef SC_PROTOCOLS_JOB_H
#define SC_PROTOCOLS_JOB_H

#include "base/progress.h"
#include "io/scan.h"
#include "protocols/protocol.h"

typedef struct {
    sc_protocol settings;    /* texts are borrowed */
    const char *protocol;    /* file the settings came from, for the record; NULL: none */
    const char *scan;        /* path */
    const char *maps;        /* coil maps (.npy, .cfl); NULL: from the scan's calibration lines */
    const char *shipped_prior; /* used where settings.prior is NULL */
    const char *output;      /* folder to be made */
    bool strict_formats;     /* the formats were asked for by name: DICOM without geometry is an
                                error, not a warning */
    double noise;            /* known standard deviation per real component, alike in all coils and
                                independent; 0: measured */
    sc_scan_options read;    /* mask, group, which slice, contrast, ... */
    int threads;             /* 0: all */
    bool cuda;
    sc_precision precision;  /* of the network's products on a GPU */
    bool force;              /* write an image that fails the test of its data, too */
    const char *version;
    const char *const *command; /* argv for the record, NULL-terminated; NULL: none */
    const sc_progress *progress;
} sc_job;

/* The methods where none is named; recon/README.md says why these. */
#define SC_METHOD_POINT "annealed-proximal"
#define SC_METHOD_SAMPLES "pula"
#define SC_METHOD_CLASSICAL "l1-wavelet" /* for --fallback */

sc_job sc_job_default(void);

/* What the run says of itself, for the terminal. */
typedef struct {
    const char *method, *claim;
    int64_t images, ny, nx;
    int warnings;
    bool fell_back;
    double residual;  /* median over the images; 1: explains the data */
    double seconds, score_evaluations;
    char budget[256]; /* what --time-budget chose, and why; "" without one */
} sc_job_report;

/* Method, its options and samples, without reading or making a file: SC_ERR_USAGE. */
sc_status sc_job_check_options(const sc_job *job);

/* SC_ERR_NUMERIC: the result failed its test; nothing is written unless `force`. */
sc_status sc_job_run(const sc_job *job, sc_job_report *report);

/* What a run would do and cost, measured on the first image: operator, schedule, evaluations,
 * memory, time. Nothing is written. *text is to be freed with sc_free. */
sc_status sc_job_plan(const sc_job *job, bool json, char **text);

/* Everything short of reconstructing: read, calibrate, prepare every image. *text: what was found,
 * line by line, to be freed with sc_free; NULL on failure, whose message says what is wrong.
 * *doubtful: it can be reconstructed, but may not be what it is read as. */
sc_status sc_job_check(const sc_job *job, char **text, bool *doubtful);

#endif
