#include "prior/adam.h"
#include <math.h>

void sc_adam_update(float *theta, float *ema, float *m, float *v, const float *gradient, int64_t n,
                    const sc_adam *adam)
{
    const float b1 = (float)adam->beta1, b2 = (float)adam->beta2, scale = (float)adam->scale;
    /* bias corrections folded into the rate and the denominator */
    const float rate = (float)(adam->rate / (1 - pow(adam->beta1, (double)adam->step)));
    const float root = (float)(1 / sqrt(1 - pow(adam->beta2, (double)adam->step)));
    const float epsilon = (float)adam->epsilon, keep = (float)(1 - adam->ema_decay);
    for (int64_t i = 0; i < n; i++) {
        float g = gradient[i] * scale;
        m[i] = b1 * m[i] + (1 - b1) * g;
        v[i] = b2 * v[i] + (1 - b2) * g * g;
        theta[i] -= rate * m[i] / (sqrtf(v[i]) * root + epsilon);
        ema[i] -= keep * (ema[i] - theta[i]);
    }
}

/* 16 running sums, so that the compiler can use vectors without changing the order. */
double sc_squared_norm(const float *x, int64_t n)
{
    double part[16] = {0}, sum = 0;
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (int j = 0; j < 16; j++)
            part[j] += (double)x[i + j] * x[i + j];
    for (; i < n; i++)
        part[0] += (double)x[i] * x[i];
    for (int j = 0; j < 16; j++)
        sum += part[j];
    return sum;
}
