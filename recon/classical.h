/* What the classical methods share: A^H y, the image under way, the estimate made of it, the step
 * and the weight of the regulariser.
 */
#ifndef SC_RECON_CLASSICAL_H
#define SC_RECON_CLASSICAL_H

#include "recon/problem.h"

/* Device memory of one run. */
typedef struct {
    const sc_problem *problem; /* borrowed */
    int64_t n;                 /* real components of the image */
    float *x, *rhs;            /* (n) image, zero at first; A^H y */
    int64_t applications;      /* of A^H A, or of A and A^H together */
} sc_classical;

/* Empty on failure. */
sc_status sc_classical_begin(sc_classical *run, const sc_problem *problem);
void sc_classical_end(sc_classical *run); /* empty is fine */

/* SC_ERR_UNSUPPORTED unless the image is complex: (set, [z,] y, x). */
sc_status sc_classical_needs_complex(const sc_problem *problem, const char *method);

/* estimate: mean from run->x, residual and cost. Empty on failure. */
sc_status sc_classical_estimate(sc_estimate *estimate, const sc_classical *run);

/* 0.95 / ||A||^2, the norm by this many power iterations, counted in run->applications. */
#define SC_CLASSICAL_STEP_COST 15
sc_status sc_classical_step(double *step, sc_classical *run, sc_key key);

/* sigma^2 / tau^2 of cg-sense's rule `prior`: tau^2 is the image's variance per component outside
 * the centre of k-space. 0: nothing measured there, or not an MR problem. */
sc_status sc_cg_sense_weight(double *lambda, const sc_problem *problem);

/* lambda in ||A x - y||^2 / 2 + lambda R(x): option `lambda` as BART's if > 0 (see bart_scale.h),
 * otherwise option `lambda-sigma` times the noise. */
sc_status sc_classical_lambda(double *lambda, const sc_problem *problem, const sc_options *options);

#endif
