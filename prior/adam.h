/* Adam (Kingma and Ba 2015) over a flat vector, with the exponential moving average of the
 * weights that samplers use (REFERENCE 1.3).
 */
#ifndef SC_PRIOR_ADAM_H
#define SC_PRIOR_ADAM_H

#include <stdint.h>

typedef struct {
    double rate, beta1, beta2, epsilon;
    double scale;     /* on the gradient: clipping */
    double ema_decay; /* d of this step */
    int64_t step;     /* 1 for the first update */
} sc_adam;

/* theta, ema, m, v of n floats are updated from the gradient. */
void sc_adam_update(float *theta, float *ema, float *m, float *v, const float *gradient, int64_t n,
                    const sc_adam *adam);

/* Square of the Euclidean norm, in double, fixed order. */
double sc_squared_norm(const float *x, int64_t n);

#endif
