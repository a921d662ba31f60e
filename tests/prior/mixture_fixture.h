/* A Gaussian mixture whose diffused densities are known: the prior of tests of the flow. */
#ifndef SC_TESTS_MIXTURE_FIXTURE_H
#define SC_TESTS_MIXTURE_FIXTURE_H

#include "base/random.h"
#include "prior/score.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { MIX_K = 3, MIX_H = 2, MIX_W = 2, MIX_CHANNELS = 2, MIX_D = MIX_H * MIX_W * MIX_CHANNELS };

typedef struct {
    double weight[MIX_K], mean[MIX_K][MIX_D], covariance[MIX_K][MIX_D][MIX_D];
} mixture;

static const sc_sde every_sde[] = {
    {SC_SDE_VE, 0.01, 50, 0, 0}, {SC_SDE_VP, 0, 0, 0.1, 20}, {SC_SDE_SUBVP, 0, 0, 0.1, 20}};
static const char *const sde_name[] = {"VE", "VP", "sub-VP"};
enum { SDES = 3 };

/* Means of size 1, covariances 0.05 (I + B B^T / D): correlated, and apart enough to be modes. */
static inline mixture mixture_example(void)
{
    mixture mix = {.weight = {0.2, 0.5, 0.3}};
    float m[MIX_D], b[MIX_D * MIX_D];
    for (uint32_t k = 0; k < MIX_K; k++) {
        sc_random_normal(m, MIX_D, (sc_key){20241, 0, k}, SC_DRAW_TEST, 0);
        sc_random_normal(b, MIX_D * MIX_D, (sc_key){20241, 0, k}, SC_DRAW_TEST, 1);
        for (int i = 0; i < MIX_D; i++) {
            mix.mean[k][i] = m[i];
            for (int j = 0; j < MIX_D; j++) {
                mix.covariance[k][i][j] = i == j ? 0.05 : 0;
                for (int l = 0; l < MIX_D; l++)
                    mix.covariance[k][i][j] += 0.05 * b[i * MIX_D + l] * b[j * MIX_D + l] / MIX_D;
            }
        }
    }
    return mix;
}

static inline sc_score *mixture_score(const mixture *mix, const sc_sde *sde)
{
    sc_score *score;
    assert_int_equal(sc_score_mixture(&score, MIX_CHANNELS, MIX_K, MIX_D, mix->weight,
                                      &mix->mean[0][0], &mix->covariance[0][0][0]),
                     SC_OK);
    score->sde = *sde;
    return score;
}

/* log of N(x; m, S) by Gaussian elimination on a copy of S. */
static inline double log_gauss(const float *x, const double *m, double s[MIX_D][MIX_D])
{
    double r[MIX_D], result = -MIX_D / 2.0 * log(2 * M_PI);
    for (int i = 0; i < MIX_D; i++)
        r[i] = x[i] - m[i];
    for (int p = 0; p < MIX_D; p++) {
        result -= (log(s[p][p]) + r[p] * r[p] / s[p][p]) / 2;
        for (int i = p + 1; i < MIX_D; i++) {
            double f = s[i][p] / s[p][p];
            r[i] -= f * r[p];
            for (int j = p; j < MIX_D; j++)
                s[i][j] -= f * s[p][j];
        }
    }
    return result;
}

/* log p_t(x): components N(mean m, mean^2 C + std^2 I) (REFERENCE 5.1) */
static inline double mixture_log_density(const mixture *mix, const sc_sde *sde, const float *x,
                                         double t)
{
    double logs[MIX_K], largest = -INFINITY, sum = 0;
    double a = sc_sde_mean(sde, t), v = sc_sde_std(sde, t) * sc_sde_std(sde, t);
    for (int k = 0; k < MIX_K; k++) {
        double s[MIX_D][MIX_D], m[MIX_D];
        for (int i = 0; i < MIX_D; i++) {
            m[i] = a * mix->mean[k][i];
            for (int j = 0; j < MIX_D; j++)
                s[i][j] = a * a * mix->covariance[k][i][j] + (i == j ? v : 0);
        }
        logs[k] = log(mix->weight[k]) + log_gauss(x, m, s);
        largest = fmax(largest, logs[k]);
    }
    for (int k = 0; k < MIX_K; k++)
        sum += exp(logs[k] - largest);
    return largest + log(sum);
}

/* A point of component `which`, or between components. */
static inline void mixture_point(float *x, const mixture *mix, int which)
{
    float z[MIX_D];
    sc_random_normal(z, MIX_D, (sc_key){20242, 0, (uint32_t)which}, SC_DRAW_TEST, 0);
    for (int i = 0; i < MIX_D; i++)
        x[i] = which < MIX_K ? (float)mix->mean[which][i] + 0.2f * z[i]
                             : (float)(mix->mean[0][i] + mix->mean[1][i]) / 2 + 0.1f * z[i];
}

#endif
