/* The loop that all diffusion methods share:
 *
 *     noise levels -> start -> per level: predictor -> data step -> corrector -> estimate
 *
 * A method names the pieces it uses, NULL where it uses none. x is the state, at the end the
 * result, in problem units. Several samples run together as one batch for the score; each draws
 * its noise from its own key, so that a sample does not depend on the batch it ran in, and can be
 * drawn alone (key.sample). Each map set of a sample is one image for the score.
 *
 * Levels: sigma[0] > ... > sigma[levels - 1] > sigma[levels] >= 0; level k goes from sigma[k] to
 * sigma[k + 1].
 */
#ifndef SC_RECON_DIFFUSION_H
#define SC_RECON_DIFFUSION_H

#include "recon/gaussian_step.h"
#include "recon/through_slice.h"

typedef struct sc_diffusion sc_diffusion;
typedef sc_status sc_diffusion_piece(sc_diffusion *run, int level);

typedef struct {
    const char *name; /* phase for the progress report */
    bool random;      /* results differ between samples: option "samples" exists */
    bool gradient;    /* asks for sc_diffusion_gradient */
    int kept;         /* arrays of the host that it keeps between levels */
    sc_status (*plan)(sc_diffusion *run); /* once: run->sigma, run->initial; levels by "levels" */
    sc_diffusion_piece *start;            /* x at sigma[0] (level 0) */
    sc_diffusion_piece *predictor;        /* at level k */
    sc_diffusion_piece *data;
    sc_diffusion_piece *corrector;
    sc_diffusion_piece *finish; /* x: result (level = levels) */
    void (*release)(sc_diffusion *run); /* of what plan made in run->own */
} sc_diffusion_pieces;

struct sc_diffusion {
    const sc_diffusion_pieces *pieces;
    const sc_problem *problem;
    const sc_score *score;
    const sc_options *options;
    sc_key key;  /* of sample 0 of this batch */
    int samples; /* in this batch */
    int64_t n;   /* real components of one sample */
    int levels;
    double *sigma; /* (levels + 1) */
    sc_gaussian_step *gaussian;
    sc_through_slice *through; /* of a stack, if option "through-slice" is on; NULL: none */
    sc_solve solve; /* of every data step; iterations from option "cg", if there is one */
    int mirror;     /* what the score sees is reflected: 1 in y, 2 in x, 3 both; the prior knows
                       no left and right, and taking turns averages what it does wrong */

    float *initial;      /* (n) device: where a warm start begins, zero until plan fills it */
    float *x;            /* (samples, n) device: the state */
    float *d;            /* (samples, n) device: denoised, or what a piece leaves for the next */
    float *z;            /* (samples, n) device: noise */
    float *host;         /* (2, samples, n) host: in and out of the score; 4 with a gradient */
    float *kept;         /* (pieces->kept, samples, n) host: zero at the start of every batch */
    double *host_sigma;  /* (samples * sets) */
    void *own;           /* the method's, made by plan */
    int64_t evaluations; /* of the score, counted per sample */
};

/* Run a method. estimate: empty on entry and on failure. */
sc_status sc_diffusion_run(sc_estimate *estimate, const sc_diffusion_pieces *pieces,
                           const sc_problem *problem, const sc_score *score,
                           const sc_options *options, sc_key key, const sc_progress *progress);

/* ---- for the pieces ---- */

/* sigma[k] geometric from first to last over k = 0 .. levels - 1; sigma[levels] = 0. */
void sc_diffusion_levels(sc_diffusion *run, double first, double last);

double sc_diffusion_option(const sc_diffusion *run, const char *name);

/* d = D(x, sigma) for all samples of the batch. */
sc_status sc_diffusion_denoise(sc_diffusion *run, float *d, const float *x, double sigma);

/* A predictor piece: d = D(x, sigma[level]). */
sc_status sc_diffusion_denoised(sc_diffusion *run, int level);

/* A finish piece: x = D(x, last sigma), if option `denoise` says so. */
sc_status sc_diffusion_last_denoise(sc_diffusion *run, int level);

/* g = J^T v for all samples, J the Jacobian of D(., sigma) at x; g may be v. Counted as
 * SC_GRADIENT_EVALUATIONS of the score, forward and back. SC_ERR_UNSUPPORTED for a score without
 * derivative. */
enum { SC_GRADIENT_EVALUATIONS = 2 };
sc_status sc_diffusion_gradient(sc_diffusion *run, float *g, const float *x, const float *v,
                                double sigma);

/* z = unit noise, each sample from its own key; in a stack each slice too: that of the first slice is
 * the run's key.slice. */
void sc_diffusion_noise(sc_diffusion *run, float *z, uint32_t draw, uint32_t step);

/* d = E[x0 | y, x0 ~ N(d, r^2)], sample by sample: the data step on the denoised image. With option
 * "through-slice" (SC_OPTION_THROUGH_SLICE) and a stack, the mode with total variation through the
 * slices instead. */
sc_status sc_diffusion_condition(sc_diffusion *run, float *d, double r);

/* Standard deviation per component of the image outside the centre of k-space, which is what the
 * data of an undersampled scan leave open; measured in the data by cg-sense's rule. Where that
 * says nothing, 0.1: images have a 99.9th percentile of 1. */
sc_status sc_diffusion_detail(const sc_diffusion *run, double *spread);

/* Standard deviation per component of the error of an image of which sc_gaussian_step_residual is
 * given, as far as the data see it: with white error e, ||y - A d||^2 is on average 2 M sigma_y^2 +
 * 2 e^2 tr(A^H A), and for maps of unit root sum of squares tr(A^H A) is the support's share of the
 * image times M over the number of coils. */
double sc_diffusion_measured_error(const sc_diffusion *run, double residual);

/* initial = CG-SENSE: the Gaussian step's mean with the prior N(0, spread^2) per component, by at
 * most SC_START_CG iterations. */
enum { SC_START_CG = 30 };
sc_status sc_diffusion_sense_start(sc_diffusion *run, double spread);

/* A plan piece: levels geometric from option start times the error that the data leave open (one draw through the
 * posterior covariance of the Gaussian model of CG-SENSE, the same for all samples) to option
 * sigma-end times the measured noise; initial = CG-SENSE with the spread of sc_diffusion_detail. Takes
 * 2 (SC_START_CG + 1) operator applications at most. */
sc_status sc_diffusion_warm_levels(sc_diffusion *run);

/* A plan piece: levels from option sigma-max to sigma-min; 0: the largest and least of the prior. */
sc_status sc_diffusion_prior_levels(sc_diffusion *run);

/* A start piece: x = initial. */
sc_status sc_diffusion_warm_start(sc_diffusion *run, int level);

/* A start piece: x = initial + sigma[0] z. */
sc_status sc_diffusion_noisy_start(sc_diffusion *run, int level);

/* How far the denoised image is from the truth, per component, if images are N(., spread^2) and
 * x_t = x_0 + sigma z: (1 / sigma^2 + 1 / spread^2)^-1/2 (REFERENCE 4.12). */
double sc_diffusion_spread(double sigma, double spread);

/* z = a x + b y over the whole batch */
void sc_diffusion_axpby(sc_diffusion *run, float *z, double a, const float *x, double b,
                        const float *y);

/* Options that several tables share. */
#define SC_OPTION_SAMPLES                                                                          \
    {                                                                                              \
        "samples", SC_OPT_INT, "", 1, 10000, 1, NULL,                                              \
            "number of samples: their mean and standard deviation are written"                     \
    }
#define SC_OPTION_BATCH                                                                            \
    {                                                                                              \
        "batch", SC_OPT_INT, "", 0, 1024, 0, NULL,                                                 \
            "samples that run together; 0: as many as make up about 64 Ki values. Results do not " \
            "depend "                                                                              \
            "on it"                                                                                \
    }
#define SC_OPTION_CG(standard)                                                                     \
    {                                                                                              \
        "cg", SC_OPT_INT, "", 1, 500, standard, NULL,                                              \
            "conjugate gradient iterations of a data step, at most"                                \
    }
#define SC_OPTION_FIRST_LEVEL(standard)                                                            \
    {                                                                                              \
        "start", SC_OPT_REAL, "", 1e-3, 1e3, standard, NULL,                                       \
            "first noise level, as a multiple of the error expected of the CG-SENSE start"         \
    }
#define SC_OPTION_LAST_LEVEL(standard)                                                             \
    {                                                                                              \
        "sigma-end", SC_OPT_REAL, "", 1e-3, 1e3, standard, NULL,                                   \
            "last noise level, as a multiple of the measured noise"                                \
    }
#define SC_OPTION_SPREAD(standard)                                                                 \
    {                                                                                              \
        "spread", SC_OPT_REAL, "image units", 1e-6, 1e6, standard, NULL,                           \
            "standard deviation per component that images have under the prior"                    \
    }

#endif
