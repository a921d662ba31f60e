/* FISTA (Beck and Teboulle 2009): min_x ||A x - y||^2 / 2 + R(x), R given by its proximal map
 *     prox_s(v) = argmin_x ||x - v||^2 / 2 + s R(x).
 *
 * The order is BART's (REFERENCE.md 3), starting from the x given, t_1 = 1:
 *     x <- prox_s(x);  t' = (1 + sqrt(1 + 4 t^2)) / 2;
 *     x <- x + (t - 1) / t' (x - x_prev);  x <- x + s A^H (y - A x)
 * until x comes from the last prox: the minimum, when all has converged. `end_on_data` leaves that
 * prox out, as BART does: the result is then x + s A^H (y - A x), which at the minimum is one step
 * nearer to the data. With a tolerance the loop ends when the prox changed its result by less. It
 * converges for a step s <= 1 / ||A||^2.
 */
#ifndef SC_RECON_FISTA_H
#define SC_RECON_FISTA_H

#include "base/progress.h"
#include "operators/operator.h"

/* x <- prox_step(x) in place, device memory; iteration counts from 0: for random shifts. */
typedef struct {
    void *self;
    void (*apply)(void *self, float *x, double step, int iteration);
} sc_prox;

typedef struct {
    double step;
    int iterations;
    double tolerance;  /* stop when two results of the prox differ by less, relative; 0: never */
    bool end_on_data;  /* the result is that of the last step towards the data */
    const char *phase; /* for the progress report */
} sc_fista_options;

/* x: start on entry, solution on exit; rhs = A^H y. *applications (may be NULL): of A^H A.
 * Allocates its three vectors once. */
sc_status sc_fista(float *x, const float *rhs, const sc_op *A, const sc_prox *prox,
                   const sc_fista_options *options, int64_t *applications,
                   const sc_progress *progress);

#endif
