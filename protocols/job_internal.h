/* The parts of a running job (job.c), shared by the files that do them. */
#ifndef SC_PROTOCOLS_JOB_INTERNAL_H
#define SC_PROTOCOLS_JOB_INTERNAL_H

#include "io/record.h"
#include "protocols/job.h"
#include "protocols/series.h"
#include "recon/finish.h"
#include "recon/prepare.h"

/* What the warning and the record say where the prior is not one of complex images. */
#define SC_JOB_ONE_CHANNEL                                                                         \
    "the prior has one channel and is applied to real and imaginary part as if each were an image"

/* What is known of one plane after it ran. */
typedef struct {
    sc_prepare_facts prepare;
    sc_gate gate;
    double chi2_mean, chi2_deviation; /* of the residual map, and of one of noise from 1 */
    int64_t evaluations, applications;
    bool fell_back;
} sc_job_plane;

typedef struct {
    const sc_job *job;
    int threads;
    sc_device *device; /* all threads */
    sc_scan scan;
    sc_geometry geometry; /* of the scan or of the geometry file */
    sc_array maps;
    sc_calibration calibration;
    sc_score *score;  /* NULL where the method needs none */
    bool one_channel; /* the prior has one channel; score applies it to both parts */
    const sc_method *method, *classical; /* classical: what --fallback writes */
    sc_options options, classical_options;
    int together; /* planes that ask the score as one batch, in turns; below 2: each for itself */
    unsigned formats;
    int samples;
    int64_t planes;        /* frames x planes of a frame */
    char doubt[256];       /* about the scan as a whole; "" if there is none */
    char noise_doubt[256]; /* about a noise that was given; "" if there is none */
    char budget[256];      /* what --time-budget chose, and why; "" without one */
    sc_job_plane *plane;   /* (planes) */
    sc_series series;
} sc_running;

/* *run: a job with its method and options, checked without reading a file. */
sc_status sc_job_begin(sc_running *run, const sc_job *job);
/* Read everything, check everything, nothing is computed but the noise. */
sc_status sc_job_load(sc_running *run);
void sc_job_unload(sc_running *run); /* an empty one is fine */

/* text: why the scan may not be what it is read as, "" if it looks right (job_doubt.c). */
sc_status sc_job_doubt(char *text, size_t size, const sc_scan *scan);

/* text: that the noise which was given is far from what the scan shows, with both numbers; "" if it
 * is not, or nothing can be measured. */
void sc_job_doubt_noise(char *text, size_t size, const sc_scan *scan, double given);

/* No image of the run was undersampled. After sc_job_reconstruct. */
bool sc_job_fully_sampled(const sc_running *run);

/* Reconstruct all planes into run->series and run->plane. */
sc_status sc_job_reconstruct(sc_running *run);

/* Test the estimate of image `index`, which the method left with `status`, fall back if need be and
 * allowed, and place it into run->series and run->plane. */
sc_status sc_job_settle(sc_running *run, int64_t index, sc_estimate *estimate, sc_status status,
                        const sc_problem *problem, const sc_score *score,
                        const sc_progress *progress);

/* The planes of a frame are held together as a stack: option "through-slice" (job_stack.c). */
bool sc_job_is_stack(const sc_running *run);
sc_status sc_job_reconstruct_stacks(sc_running *run);
/* What that takes in memory, if its planes are like this one; 0 without a stack. */
double sc_job_stack_bytes(const sc_running *run, const sc_problem *plane);

/* Maps of an estimate of image `index` into run->series (job_maps.c); what they cost is added to
 * the estimate's. */
sc_status sc_job_place_maps(sc_running *run, int64_t index, sc_estimate *estimate,
                            const sc_problem *problem, const sc_score *score,
                            const sc_progress *progress);
sc_status sc_job_record_maps(sc_record *record, const sc_running *run);

/* text: that the samples are too few for what the maps say; "" if they are not. */
void sc_job_doubt_samples(char *text, size_t size, const sc_running *run);

/* How many planes ask the score as one batch; below 2: each for itself. */
int sc_job_together(const sc_running *run);

/* Prepare one plane and run the method on `device`, without finishing: what planning measures. */
sc_status sc_job_one(sc_estimate *estimate, const sc_running *run, const sc_method *method,
                     const sc_options *options, const sc_problem *problem, const sc_score *score,
                     int64_t frame, int64_t slice, const sc_progress *progress);

/* *record: what was done. `seconds` since the start. */
sc_status sc_job_record(sc_record **record, const sc_running *run, double seconds);
/* All output files. */
sc_status sc_job_write(const sc_running *run, const sc_record *record, sc_outdir *outdir);

/* --time-budget: choose the number of steps by measuring the first plane, and say so in run->budget
 * and as a warning where it is too short. No-op without one. */
sc_status sc_job_budget(sc_running *run);

/* sc_job_plan of a run that is loaded, which took so long. */
sc_status sc_job_plan_loaded(sc_running *run, double load_seconds, bool json, char **text);

double sc_job_clock(void); /* monotonic seconds */

#endif
