/* Conjugate gradients (Hestenes and Stiefel 1952) for (a A^H A + b I) x = rhs with a, b >= 0.
 *
 * Complex vectors are pairs of floats and the inner product is the real one, Re<x, y>: the system
 * is Hermitian, so alpha and beta are real and nothing is lost. All on the device of A.
 */
#ifndef SC_RECON_CONJUGATE_GRADIENT_H
#define SC_RECON_CONJUGATE_GRADIENT_H

#include "base/progress.h"
#include "operators/operator.h"

typedef struct {
    double a, b;
    int iterations;   /* at most */
    double tolerance; /* stop when ||rhs - (a A^H A + b) x|| <= tolerance ||rhs|| */
    /* Optional, for a = 1 and rhs = A^H y: with data_square = ||y||^2 also stop when
     * ||A x - y||^2 <= residual_square. 0: off. */
    double data_square, residual_square;
} sc_cg_options;

/* Workspace of one solve at a time: three vectors of A's domain and A's own workspace, device
 * memory. A caller that has such buffers may put them in itself. */
typedef struct {
    float *r, *p, *q;
    void *op_work;
} sc_cg_work;

typedef struct {
    int64_t applications; /* of A^H A */
    double relative;      /* ||rhs - (a A^H A + b) x|| / ||rhs|| at the end */
} sc_cg_result;

/* *work is empty on failure. */
sc_status sc_cg_work_create(sc_cg_work *work, const sc_op *A);
void sc_cg_work_free(sc_cg_work *work, const sc_op *A); /* empty is fine */

/* x: start on entry (zero, or a guess: `warm` says that it is not zero), solution on exit. result
 * may be NULL. Allocates nothing. SC_ERR_CANCELLED when progress asks to stop; SC_ERR_NUMERIC when
 * the residual is not finite. progress may be NULL: it is asked, not reported to. */
sc_status sc_cg_solve(float *x, const float *rhs, const sc_op *A, const sc_cg_options *options,
                      bool warm, const sc_cg_work *work, sc_cg_result *result,
                      const sc_progress *progress);

#endif
