/* Total variation through the slices of a stack, as part of a data step (DiffusionMBIR, Chung et
 * al. 2023, "Solving 3D inverse problems using pre-trained 2D diffusion models"; REFERENCE 4.6):
 *
 *     min_x  ||A x - y||^2 / (2 sigma_y^2) + ||x - d||^2 / (2 r^2) + lambda ||D_z x||_1
 *
 * by ADMM, v = D_z x, u its scaled dual:
 *
 *     (kappa (A^H A + rho sigma_y^2 D_z^H D_z) + I) x
 *                         = d + kappa (A^H y + rho sigma_y^2 D_z^H (v - u)),  kappa = r^2 /
 * sigma_y^2 v = soft(D_z x + u, lambda / rho),   u = u + D_z x - v.
 *
 * v and u are kept from one step to the next, where d and r have changed a little: one iteration a
 * step is enough. rho = lambda / threshold, so that threshold, a difference between slices, is all
 * there is to choose and lambda = 0 is the step without; where it converges to does not depend on
 * it. The weight lambda is against the measured noise, like everything here; it is per unit of
 * D_z x. A and D_z may be any operators of one domain: slices apart (stack.h), or a volume.
 */
#ifndef SC_RECON_THROUGH_SLICE_H
#define SC_RECON_THROUGH_SLICE_H

#include "recon/conjugate_gradient.h"

typedef struct {
    double lambda;    /* > 0 */
    double threshold; /* lambda / rho, > 0 */
    int iterations;   /* of ADMM a step, >= 1 */
} sc_through_slice_options;

typedef struct sc_through_slice sc_through_slice;

/* For `samples` volumes with a v and a u each. A and D, complex, are borrowed. */
sc_status sc_through_slice_create(sc_through_slice **through, const sc_op *A, const sc_op *D,
                                  double sigma_y, int samples,
                                  const sc_through_slice_options *options);
void sc_through_slice_free(sc_through_slice *through); /* NULL is fine */

/* Forget v and u: the next step of each sample begins with v = soft(D_z d), u = 0. */
void sc_through_slice_reset(sc_through_slice *through);

/* x (domain of A, device): d on entry, the new image on exit. aty = A^H y. At most `iterations`
 * of conjugate gradients to `tolerance` for each of ADMM's. Applications of A^H A are added to
 * *applications. */
sc_status sc_through_slice_step(sc_through_slice *through, float *x, const float *aty, double r,
                                int sample, int iterations, double tolerance,
                                int64_t *applications);

/* Bytes of device memory, for what has to be known before. */
size_t sc_through_slice_bytes(const sc_op *A, const sc_op *D, int samples);

/* The options of a method that has the hook in its data step (sc_diffusion_condition). */
#define SC_OPTION_THROUGH_SLICE                                                                    \
    {"through-slice",                                                                              \
     SC_OPT_REAL,                                                                                  \
     "per image unit",                                                                             \
     0,                                                                                            \
     1e6,                                                                                          \
     0,                                                                                            \
     NULL,                                                                                         \
     "stacks: weight of the total variation through the slices, against the measured noise; 0: "   \
     "each slice for itself"},                                                                     \
        {"through-threshold",                                                                      \
         SC_OPT_REAL,                                                                              \
         "image units",                                                                            \
         1e-6,                                                                                     \
         1e3,                                                                                      \
         0.02,                                                                                     \
         NULL,                                                                                     \
         "difference between slices that one ADMM iteration takes away; says how fast it "         \
         "converges, not where to"},                                                               \
    {                                                                                              \
        "through-iterations", SC_OPT_INT, "", 1, 1000, 1, NULL, "ADMM iterations of a data step"   \
    }

#endif
