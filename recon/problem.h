/* The problem and the estimate: all that a reconstruction method sees.
 *
 * y = A x + n. After `prepare`: coils are prewhitened, maps have unit root sum of squares, and the
 * image is scaled so that the prior's training normalisation holds (99.9th percentile of the
 * magnitude about 1). Noise is white with standard deviation `sigma` per real component of y in
 * these units (1 / scale for data whitened to unit variance). Nothing here knows MR from CT.
 */
#ifndef SC_RECON_PROBLEM_H
#define SC_RECON_PROBLEM_H

#include "base/option.h"
#include "base/progress.h"
#include "operators/operator.h"
#include "prior/score.h"
#include "recon/data_term.h"

typedef struct {
    const sc_device *device;
    sc_op *A;      /* owned; domain (set, y, x) complex, or (y, x) real */
    void *y;       /* owned, device memory, shape of A->range; 0 where not measured */
    double sigma;  /* noise std per real component of y, > 0 */
    int64_t measured; /* complex (real) samples in y */
    double scale;  /* image in units of the whitened data = scale * x */
    int sets;      /* images in the domain */
    int64_t ny, nx;
    float *support; /* (y, x) 1 inside the maps' support, host, owned; NULL: everywhere */
    float *shading; /* (y, x) host, owned: intensity of the unwhitened coil combination per unit
                       whitened combination; NULL: 1 */
    sc_c32 *maps;  /* (set, coil, y, x) host, owned, whitened; NULL if none */
    int coils;
    int slices;     /* of a stack (stack.h): the domain is (slices, sets / slices, y, x), and there is
                       no support, shading or map; 0: one slice */
    sc_op *through; /* owned; D_z of a stack; NULL if there is none */
    /* Borrowed; NULL: the noise is as said above. Otherwise the data's own likelihood, for an image of
       A's domain, of which A, y and sigma are a Gaussian approximation; daps draws from it. */
    const sc_data_term *term;
} sc_problem;

void sc_problem_free(sc_problem *problem);

typedef struct {
    sc_array mean;    /* c32 (set, y, x), problem units */
    sc_array std;     /* f32 (y, x) of the magnitude, or empty */
    sc_array samples; /* c32 (sample, set, y, x), or empty */
    int64_t score_evaluations, operator_applications;
    double residual; /* ||y - A mean||^2 / (2 measured sigma^2): 1 = explains the data */
} sc_estimate;

void sc_estimate_free(sc_estimate *estimate);

/* One reconstruction method: a row of sc_methods. */
typedef struct {
    const char *name;
    const char *claim; /* "point estimate" or "posterior samples" or "heuristic samples" */
    const char *help;
    const char *source; /* paper and equation */
    bool needs_score;
    const sc_option *options;
    /* estimate is empty on entry and on failure. score may be NULL unless needs_score. */
    sc_status (*run)(sc_estimate *estimate, const sc_problem *problem, const sc_score *score,
                     const sc_options *options, sc_key key, const sc_progress *progress);
    /* score evaluations and normal-operator applications of one run, for --plan */
    void (*plan)(double *evaluations, double *applications, const sc_options *options);
} sc_method;

extern const sc_method *const sc_methods[]; /* NULL-terminated */
sc_status sc_method_find(const sc_method **method, const char *name);

#endif
