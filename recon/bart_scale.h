/* The scale that BART's `pics` gives to Cartesian data, so that a lambda of BART means the same
 * here (REFERENCE.md 2.1): x_bart = x / scale, lambda = scale * lambda_bart.
 */
#ifndef SC_RECON_BART_SCALE_H
#define SC_RECON_BART_SCALE_H

#include "recon/problem.h"

/* *scale in problem units, from the fully sampled centre of problem->y (coil, [kz,] ky, kx), at
 * most 32 along each axis: root sum of squares of its image; the 90th percentile if the maximum is
 * near it, otherwise the maximum. SC_ERR_INPUT if that image is 0. */
sc_status sc_bart_scaling(double *scale, const sc_problem *problem);

#endif
