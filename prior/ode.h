/* Dormand and Prince's Runge-Kutta 5(4) with adaptive steps, for probability flows (Song et al.
 * 2021, section 4.3). Step control as SciPy's RK45, so that evaluations and steps can be compared:
 * the error of a step, in units of atol + rtol max(|y|, |y_new|), has a root mean square below 1.
 */
#ifndef SC_PRIOR_ODE_H
#define SC_PRIOR_ODE_H

#include "base/status.h"
#include <stdint.h>

typedef struct {
    void *self;
    sc_status (*slope)(void *self, double *dydt, double t, const double *y);
    void (*accepted)(void *self, double t, const double *y); /* after each step; may be NULL */
    int64_t n;
    double rtol, atol;
} sc_ode;

typedef struct {
    int evaluations, steps; /* steps: accepted ones */
} sc_ode_count;

/* y (n) at time `from` becomes y at time `to`, which may be earlier. SC_ERR_NUMERIC if the step
 * falls below what t can resolve (y is then at the time reached), as for a slope that is not
 * finite; whatever slope returns. count may be NULL. */
sc_status sc_ode_solve(double *y, const sc_ode *ode, double from, double to, sc_ode_count *count);

#endif
