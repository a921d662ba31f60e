/* What the samplers share: the plan of a run, its levels, noise and denoiser. */
#ifndef SC_PRIOR_SAMPLE_INTERNAL_H
#define SC_PRIOR_SAMPLE_INTERNAL_H

#include "prior/reverse_step.h"
#include "prior/sample.h"

/* In the order of option `grid`, whose first choice leaves it to the sampler. */
typedef enum {
    SC_GRID_PUBLISHED = 1, /* linspace(1, t_min, steps) and the tables of the discretised SDE */
    SC_GRID_TIME,          /* the same times */
    SC_GRID_LOG_SIGMA,     /* sigma geometric */
    SC_GRID_KARRAS         /* sigma^(1/7) linear */
} sc_sample_grid;

typedef struct {
    const sc_sample_job *job;
    const sc_options *options;
    int variant; /* which of the samplers that share a function */
    int steps;
    sc_sample_grid grid;
    int64_t count, all;  /* numbers in an image, in the batch */
    const double *sigma; /* (steps + 1) std / mean, falling; the last is 0 */
    double *level;       /* (n) room for one value per image */
    float *known;        /* (n, count) room for the noise of what is known */
} sc_sample_plan;

typedef sc_status sc_sample_run(float *x /*(n, count)*/, const sc_sample_plan *plan);
sc_sample_run sc_sample_edm, sc_sample_dpm, sc_sample_published, sc_sample_ode;

enum { SC_EDM_HEUN, SC_EDM_CHURN };
enum { SC_DPM_ODE, SC_DPM_SDE };
enum { SC_PUBLISHED_FLOW = SC_PREDICT_ANCESTRAL + 1, SC_PUBLISHED_NONE }; /* beside sc_predictor */

/* sigma (steps + 1) of a grid */
void sc_sample_levels(double *sigma, const sc_sde *sde, sc_sample_grid grid, int steps);
/* t with std(t) / mean(t) = sigma */
double sc_sample_time(const sc_sde *sde, double sigma);

/* z (n, count) of a step; d = D(y, sigma), and what is known where the image is; the known of x
 * becomes itself at a level, with noise of its own for each inner step (std 0: without); progress
 * and cancelling before level k */
void sc_sample_draw(float *z, const sc_sample_plan *plan, uint32_t draw, uint32_t step);
sc_status sc_sample_denoise(float *d, const sc_sample_plan *plan, const float *y, double sigma);
void sc_sample_impose(float *x, const sc_sample_plan *plan, double mean, double std, int inner,
                      int step);
sc_status sc_sample_report(const sc_sample_plan *plan, int k);

#endif
