#include "prior/condition.h"
#include <math.h>
#include <stddef.h>

/* <x, column j of M> of one pixel */
static double along(const float *x, const double *mix, int channels, int j)
{
    double sum = 0;
    for (int i = 0; i < channels; i++)
        sum += x[i] * mix[i * channels + j];
    return sum;
}

/* The columns are orthonormal, so each channel of u is set without touching the others. */
static void set_mixture(float *x, const double *mix, int channels, int j, double value)
{
    double change = value - along(x, mix, channels, j);
    for (int i = 0; i < channels; i++)
        x[i] = (float)(x[i] + change * mix[i * channels + j]);
}

void sc_condition_impose(float *x, const sc_condition *condition, int64_t pixels, int channels,
                         double factor, double std, const float *z)
{
    for (int64_t p = 0; p < pixels; p++)
        for (int j = 0; j < channels; j++) {
            int64_t at = p * channels + j;
            if (!condition->mask[at])
                continue;
            double value = factor * condition->y[at] + (z ? std * z[at] : 0);
            if (condition->mix)
                set_mixture(x + p * channels, condition->mix, channels, j, value);
            else
                x[at] = (float)value;
        }
}

void sc_condition_grey(double *mix, int channels)
{
    for (int i = 0; i < channels; i++)
        for (int j = 0; j < channels; j++)
            mix[i * channels + j] =
                sqrt((j ? 2.0 : 1.0) / channels) * cos(M_PI * (i + 0.5) * j / channels);
}

void sc_condition_mix(float *u, const float *x, const double *mix, int64_t pixels, int channels)
{
    for (int64_t p = 0; p < pixels; p++)
        for (int j = 0; j < channels; j++)
            u[p * channels + j] = (float)along(x + p * channels, mix, channels, j);
}
