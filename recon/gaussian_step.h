/* The implicit Gaussian likelihood step: what data and a Gaussian belief about the image say
 * together. For y = A x + n, n ~ N(0, sigma_y^2) and x ~ N(centre, r^2) per real component, the
 * posterior is N(m, C) with
 *
 *     C^-1 = A^H A / sigma_y^2 + I / r^2,   C^-1 m = A^H y / sigma_y^2 + centre / r^2.
 *
 * All solves are of the same system times r^2, (kappa A^H A + I) x = rhs, kappa = r^2 / sigma_y^2,
 * which is stable at every noise level and needs no step size (REFERENCE 4.12). The measured
 * sigma_y of the problem is the only weight.
 */
#ifndef SC_RECON_GAUSSIAN_STEP_H
#define SC_RECON_GAUSSIAN_STEP_H

#include "recon/conjugate_gradient.h"
#include "recon/problem.h"

typedef struct {
    int iterations;   /* of conjugate gradients, at most */
    double tolerance; /* stop when |residual| <= tolerance |rhs| */
} sc_solve;

/* Workspace for one problem, to be used by one thread. The fields may be read. */
typedef struct {
    const sc_problem *problem; /* borrowed */
    int64_t n, m;              /* real components of image and data */
    float *aty;                /* (n) A^H y */
    float *rhs, *image;        /* (n) scratch of the steps */
    float *data;               /* (m) scratch of the steps */
    sc_cg_work cg;             /* of the solver; cg.op_work serves A elsewhere too */
    int64_t applications;      /* of A^H A (or A and A^H), so far */
} sc_gaussian_step;

/* *step is NULL on failure. */
sc_status sc_gaussian_step_create(sc_gaussian_step **step, const sc_problem *problem);
void sc_gaussian_step_free(sc_gaussian_step *step); /* NULL is fine */

/* (kappa A^H A + I) x = rhs; x (n, device): start on entry, solution on exit. rhs may be
 * step->rhs. */
sc_status sc_gaussian_step_solve(sc_gaussian_step *step, float *x, const float *rhs, double kappa,
                                 sc_solve solve);

/* x = m. x (n, device): start on entry; centre (n, device) NULL: zero; may be x. */
sc_status sc_gaussian_step_mean(sc_gaussian_step *step, float *x, const float *centre, double r,
                                sc_solve solve);

/* The same with other data than the problem's: aty = A^H (data), (n, device). */
sc_status sc_gaussian_step_mean_of(sc_gaussian_step *step, float *x, const float *centre,
                                   const float *aty, double r, sc_solve solve);

/* x ~ N(m, C), exact when the solve converges: perturb both the data and the belief, then solve.
 * Draws SC_DRAW_LIKELIHOOD_DATA and _IMAGE of (key, index). */
sc_status sc_gaussian_step_draw(sc_gaussian_step *step, float *x, const float *centre, double r,
                                sc_key key, uint32_t index, sc_solve solve);

/* *std: standard deviation per component that the posterior has on average inside the problem's
 * support, sqrt(tr C / n), from one draw of noise pushed through C: how wrong the mean is if
 * images are N(centre, r^2). The draw is the last of its kind (index 2^20 - 1). */
sc_status sc_gaussian_step_spread(sc_gaussian_step *step, double *std, double r, sc_key key,
                                  sc_solve solve);

/* Preconditioned Langevin step of length gamma for p(x | y) with the denoised image d = D(x,
 * sigma) of x (REFERENCE 4.10): with M = (A^H A / sigma_y^2 + I / sigma^2)^-1,
 * x <- x + gamma M (A^H (y - A x) / sigma_y^2 + (d - x) / sigma^2) + sqrt(2 gamma) M^{1/2} z. */
sc_status sc_gaussian_step_langevin(sc_gaussian_step *step, float *x, const float *d, double sigma,
                                    double gamma, sc_key key, uint32_t index, sc_solve solve);

/* ||y - A x||^2 over the measured samples, relative to its expectation under the noise:
 * 1 explains the data. step->data is left as y - A x. */
double sc_gaussian_step_residual(sc_gaussian_step *step, const float *x);

#endif
