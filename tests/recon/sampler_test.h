/* A reconstruction small enough to know everything about, many times over: a 2 x 2 complex image
 * (8 real numbers), two coils, 2 of 4 k-space samples, noise. The operator treats every map set of
 * the domain as an independent copy of the same measurement, so that one run of a sampler with
 * `copies` sets draws `copies` independent samples: the score's batch, the keys and the solver are
 * those of the product. Real dense algebra in double gives the exact answers (REFERENCE 5).
 */
#ifndef SC_TESTS_SAMPLER_TEST_H
#define SC_TESTS_SAMPLER_TEST_H

#include "base/memory.h"
#include "recon/classical.h"
#include "recon/gaussian_step.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h> /* after the four that it needs */

enum { D = 8, M = 16 }; /* real components of one image and of its data */

extern const sc_method sc_method_pc, sc_method_dds, sc_method_pula, sc_method_annealed_proximal,
    sc_method_diffpir, sc_method_dps, sc_method_red_diff, sc_method_daps;

#define OK(x) assert_ok((x), #x)
static inline void assert_ok(sc_status status, const char *what)
{
    if (status != SC_OK)
        fail_msg("%s: %s", what, sc_message());
}

/* ---- dense algebra, D x D, row-major ---- */

static inline void invert(double *inverse, const double *matrix)
{
    double a[D][2 * D];
    for (int i = 0; i < D; i++)
        for (int j = 0; j < D; j++) {
            a[i][j] = matrix[i * D + j];
            a[i][D + j] = i == j;
        }
    for (int c = 0; c < D; c++) { /* positive definite: no pivoting */
        double p = a[c][c];
        for (int j = 0; j < 2 * D; j++)
            a[c][j] /= p;
        for (int i = 0; i < D; i++) {
            double f = i == c ? 0 : a[i][c];
            for (int j = 0; f != 0 && j < 2 * D; j++)
                a[i][j] -= f * a[c][j];
        }
    }
    for (int i = 0; i < D; i++)
        for (int j = 0; j < D; j++)
            inverse[i * D + j] = a[i][D + j];
}

static inline double log_determinant(const double *matrix)
{
    double a[D][D], sum = 0;
    memcpy(a, matrix, sizeof a);
    for (int c = 0; c < D; c++) {
        sum += log(a[c][c]);
        for (int i = c + 1; i < D; i++) {
            double f = a[i][c] / a[c][c];
            for (int j = c; j < D; j++)
                a[i][j] -= f * a[c][j];
        }
    }
    return sum;
}

static inline void times(double *z, const double *a, const double *b)
{
    double out[D * D] = {0};
    for (int i = 0; i < D; i++)
        for (int k = 0; k < D; k++)
            for (int j = 0; j < D; j++)
                out[i * D + j] += a[i * D + k] * b[k * D + j];
    memcpy(z, out, sizeof out);
}

static inline void transpose(double *z, const double *a)
{
    double out[D * D];
    for (int i = 0; i < D; i++)
        for (int j = 0; j < D; j++)
            out[j * D + i] = a[i * D + j];
    memcpy(z, out, sizeof out);
}

static inline void apply(double *z, const double *a, const double *x)
{
    double out[D] = {0};
    for (int i = 0; i < D; i++)
        for (int j = 0; j < D; j++)
            out[i] += a[i * D + j] * x[j];
    memcpy(z, out, sizeof out);
}

/* z = a x + b y, n numbers */
static inline void mix(double *z, double a, const double *x, double b, const double *y, int n)
{
    for (int i = 0; i < n; i++)
        z[i] = a * x[i] + b * y[i];
}

static inline void identity(double *z, double scale)
{
    for (int i = 0; i < D * D; i++)
        z[i] = i % (D + 1) ? 0 : scale;
}

/* ---- the problem ---- */

typedef struct {
    sc_op op;
    double matrix[M * D]; /* real representation of the complex measurement of one copy */
    double gram[D * D];   /* its A^T A */
} copies_op;

static inline void copies_forward(const sc_op *self, void *y, const void *x, void *work)
{
    (void)work;
    const copies_op *op = (const copies_op *)self;
    for (int64_t s = 0; s < self->domain.dim[0]; s++)
        for (int i = 0; i < M; i++) {
            double sum = 0;
            for (int j = 0; j < D; j++)
                sum += op->matrix[i * D + j] * ((const float *)x)[s * D + j];
            ((float *)y)[s * M + i] = (float)sum;
        }
}

static inline void copies_adjoint(const sc_op *self, void *x, const void *y, void *work)
{
    (void)work;
    const copies_op *op = (const copies_op *)self;
    for (int64_t s = 0; s < self->domain.dim[0]; s++) {
        double sum[D] = {0};
        for (int i = 0; i < M; i++)
            for (int j = 0; j < D; j++)
                sum[j] += op->matrix[i * D + j] * ((const float *)y)[s * M + i];
        for (int j = 0; j < D; j++)
            ((float *)x)[s * D + j] = (float)sum[j];
    }
}

static inline void copies_normal(const sc_op *self, void *z, const void *x, void *work)
{
    (void)work;
    const copies_op *op = (const copies_op *)self;
    for (int64_t s = 0; s < self->domain.dim[0]; s++)
        for (int i = 0; i < D; i++) {
            double sum = 0;
            for (int j = 0; j < D; j++)
                sum += op->gram[i * D + j] * ((const float *)x)[s * D + j];
            ((float *)z)[s * D + i] = (float)sum;
        }
}

static inline void copies_destroy(sc_op *self) { sc_free(self); }

/* The measurement: two coils, k-space samples 0 and 3 of a 2 x 2 image. */
static inline void fill_matrix(double *matrix, const sc_device *device)
{
    const float w[8] = {0.8f, 0.1f, 0.6f, -0.3f, 0.3f, 0.4f, 0.2f, 0.9f};
    sc_c32 maps[8]; /* (coil 2, y 2, x 2), unit root sum of squares */
    for (int p = 0; p < 4; p++) {
        float a = w[2 * p], b = w[2 * p + 1], c = sqrtf(1 - a * a - b * b);
        ((float *)maps)[2 * p] = a;
        ((float *)maps)[2 * p + 1] = b;
        ((float *)maps)[8 + 2 * p] = c * 0.6f;
        ((float *)maps)[8 + 2 * p + 1] = c * -0.8f;
    }
    const float weight[4] = {1, 0, 0, 1};
    sc_op *sense = NULL;
    void *work = NULL;
    OK(sc_op_sense(&sense, device, maps, weight, 1, 2, 2, (int64_t[]){2, 2}));
    OK(sc_op_work_create(sense, &work));
    assert_int_equal(sc_shape_floats(&sense->range), M);
    for (int j = 0; j < D; j++) {
        float x[D] = {0}, y[M];
        x[j] = 1;
        sc_op_forward(sense, y, x, work);
        for (int i = 0; i < M; i++)
            matrix[i * D + j] = y[i];
    }
    sc_device_release(device, work);
    sc_op_free(sense);
}

/* scale: of the measurement, 0 measures nothing. One noisy measurement of an image of the size of
 * the prior, the same for all copies. */
static inline void problem_create(sc_problem *problem, sc_device *device, int copies, double scale,
                                  double sigma)
{
    copies_op *op = NULL;
    OK(SC_ALLOC(&op, 1, "test operator"));
    fill_matrix(op->matrix, device);
    for (int i = 0; i < M * D; i++)
        op->matrix[i] *= scale;
    for (int e = 0; e < D * D; e++)
        for (int k = 0; k < M; k++)
            op->gram[e] += op->matrix[k * D + e / D] * op->matrix[k * D + e % D];
    op->op = (sc_op){.name = "copies",
                     .device = device,
                     .domain = {SC_C32, 3, {copies, 2, 2}},
                     .range = {SC_C32, 2, {copies, M / 2}},
                     .work_bytes = 64,
                     .forward = copies_forward,
                     .adjoint = copies_adjoint,
                     .normal = copies_normal,
                     .destroy = copies_destroy};
    *problem = (sc_problem){.device = device,
                            .A = &op->op,
                            .sigma = sigma,
                            .sets = copies,
                            .ny = 2,
                            .nx = 2,
                            .scale = 1,
                            .measured = 4 * (int64_t)copies};
    const float truth[D] = {0.9f, -0.4f, 0.2f, 0.5f, -0.7f, 0.3f, 1.1f, 0.1f};
    float y[M], noise[M], *all = NULL;
    sc_random_normal(noise, M, (sc_key){7, 0, 0}, SC_DRAW_TEST, 0);
    for (int i = 0; i < M; i++) {
        double sum = 0, norm = 0;
        for (int j = 0; j < D; j++) {
            sum += op->matrix[i * D + j] * truth[j];
            norm += fabs(op->matrix[i * D + j]);
        }
        y[i] = (float)(norm > 0 ? sum + sigma * noise[i] : 0);
    }
    OK(SC_DEVICE_ALLOC(device, &all, (int64_t)copies * M));
    for (int s = 0; s < copies; s++)
        OK(device->kernels->upload(device, all + s * M, y, sizeof y));
    problem->y = all;
}

static inline void problem_free(sc_problem *problem)
{
    sc_device_release(problem->device, problem->y);
    sc_op_free(problem->A);
}

/* A^T A / sigma^2 and A^T y / sigma^2 of one copy, in real components */
static inline void information(double *precision, double *pull, const sc_problem *problem)
{
    const double *a = ((const copies_op *)problem->A)->matrix;
    double v = problem->sigma * problem->sigma;
    for (int i = 0; i < D; i++) {
        pull[i] = 0;
        for (int k = 0; k < M; k++)
            pull[i] += a[k * D + i] * ((const float *)problem->y)[k] / v;
        for (int j = 0; j < D; j++) {
            precision[i * D + j] = 0;
            for (int k = 0; k < M; k++)
                precision[i * D + j] += a[k * D + i] * a[k * D + j] / v;
        }
    }
}

/* ---- laws ---- */

typedef struct {
    double mean[D], cov[D * D];
} law;

/* Posterior of one Gaussian component; returns log weight up to a constant of the data:
 * log N(y; A m, S) = (m'^T C'^-1 m' - m^T C^-1 m + log|C'| - log|C|) / 2 + const. */
static inline double posterior(law *post, const law *prior, const sc_problem *problem)
{
    double precision[D * D], pull[D], inverse[D * D], q[D];
    information(precision, pull, problem);
    invert(inverse, prior->cov);
    apply(q, inverse, prior->mean);
    double log_weight = -log_determinant(prior->cov);
    for (int i = 0; i < D; i++)
        log_weight -= prior->mean[i] * q[i];
    mix(precision, 1, precision, 1, inverse, D * D);
    invert(post->cov, precision);
    mix(q, 1, q, 1, pull, D);
    apply(post->mean, post->cov, q);
    for (int i = 0; i < D; i++)
        log_weight += post->mean[i] * q[i];
    return (log_weight + log_determinant(post->cov)) / 2;
}

/* Posterior mean and covariance of a mixture; extra: variance added to every component. */
static inline void mixture_posterior(law *post, int k, const double *weight, const law *prior,
                                     double extra, const sc_problem *problem)
{
    law part[8], wide;
    double w[8], largest = -INFINITY, total = 0;
    for (int i = 0; i < k; i++) {
        wide = prior[i];
        for (int j = 0; j < D; j++)
            wide.cov[j * (D + 1)] += extra;
        w[i] = log(weight[i]) + posterior(&part[i], &wide, problem);
        largest = fmax(largest, w[i]);
    }
    for (int i = 0; i < k; i++)
        total += w[i] = exp(w[i] - largest);
    memset(post, 0, sizeof *post);
    for (int i = 0; i < k; i++)
        mix(post->mean, 1, post->mean, w[i] / total, part[i].mean, D);
    for (int i = 0; i < k; i++) {
        double d[D];
        mix(d, 1, part[i].mean, -1, post->mean, D);
        for (int a = 0; a < D * D; a++)
            post->cov[a] += w[i] / total * (part[i].cov[a] + d[a / D] * d[a % D]);
    }
}

/* x <- F x + b + c z with independent z of covariance `noise`: the law of x moves along. */
static inline void step_law(law *x, const double *factor, const double *shift, const double *noise)
{
    double t[D * D];
    apply(x->mean, factor, x->mean);
    mix(x->mean, 1, x->mean, 1, shift, D);
    transpose(t, factor);
    times(x->cov, factor, x->cov);
    times(x->cov, x->cov, t);
    mix(x->cov, 1, x->cov, 1, noise, D * D);
}

/* Of a Gaussian prior: D(x, sigma) = G x + shift. */
static inline void gaussian_denoiser(double *g, double *shift, const law *prior, double sigma)
{
    double wide[D * D];
    memcpy(wide, prior->cov, sizeof wide);
    for (int i = 0; i < D; i++)
        wide[i * (D + 1)] += sigma * sigma;
    invert(wide, wide);
    times(g, prior->cov, wide);
    apply(shift, g, prior->mean);
    mix(shift, 1, prior->mean, -1, shift, D);
}

/* The data step on that: D_y(x) = H x + shift, with the surrogate N(D(x), r^2). */
static inline void data_denoiser(double *h, double *shift, const law *prior, double sigma, double r,
                                 const sc_problem *problem)
{
    double precision[D * D], pull[D];
    information(precision, pull, problem);
    for (int i = 0; i < D; i++)
        precision[i * (D + 1)] += 1 / (r * r);
    invert(precision, precision);
    gaussian_denoiser(h, shift, prior, sigma);
    times(h, precision, h);
    mix(h, 1 / (r * r), h, 0, h, D * D);
    mix(shift, 1, pull, 1 / (r * r), shift, D);
    apply(shift, precision, shift);
}

/* The noise levels of a method: geometric, then 0. */
static inline double level_sigma(int k, int levels, double first, double last)
{
    return k == levels ? 0 : first * pow(last / first, k / (levels - 1.0));
}

/* Where sc_diffusion_warm_levels begins: the law of CG-SENSE plus noise; returns the first level. */
static inline double warm_start(law *x, double start, const sc_problem *problem, sc_key key)
{
    double lambda = 0, error = 0, spread = 0.1;
    sc_gaussian_step *step = NULL;
    OK(sc_cg_sense_weight(&lambda, problem));
    if (lambda > 0)
        spread = problem->sigma / sqrt(lambda);
    OK(sc_gaussian_step_create(&step, problem));
    OK(sc_gaussian_step_spread(step, &error, spread, key, (sc_solve){30, 1e-6}));
    sc_gaussian_step_free(step);
    law wide = {{0}, {0}};
    identity(wide.cov, spread * spread);
    posterior(x, &wide, problem);
    identity(x->cov, start * start * error * error);
    return start * error;
}

/* Mean and covariance of `copies` samples in an estimate's mean. */
static inline void sample_law(law *found, const float *x, int copies)
{
    memset(found, 0, sizeof *found);
    for (int s = 0; s < copies; s++)
        for (int i = 0; i < D; i++)
            found->mean[i] += x[s * D + i] / (double)copies;
    for (int s = 0; s < copies; s++)
        for (int i = 0; i < D; i++)
            for (int j = 0; j < D; j++)
                found->cov[i * D + j] += (x[s * D + i] - found->mean[i]) *
                                         (x[s * D + j] - found->mean[j]) / (copies - 1.0);
}

/* Every entry within 4 standard errors plus the stated bias: `mean_bias` of the mean, in standard
 * deviations, and `cov_bias` of the covariance, relative to sqrt(C_ii C_jj). The standard error of
 * a covariance is that of a Gaussian law times `tail` (mixtures: fourth moments). */
static inline void assert_law(const law *found, const law *expected, int copies, double mean_bias,
                              double cov_bias, const char *what)
{
    double worst_mean = 0, worst_cov = 0;
    int bad = 0;
    for (int i = 0; i < D; i++) {
        double v = expected->cov[i * (D + 1)], e = fabs(found->mean[i] - expected->mean[i]);
        bad += e > 4 * sqrt(v / copies) + mean_bias * sqrt(v);
        worst_mean = fmax(worst_mean, e / sqrt(v));
        for (int j = 0; j < D; j++) {
            double w = expected->cov[j * (D + 1)], c = expected->cov[i * D + j];
            double error = fabs(found->cov[i * D + j] - c);
            bad += error > 4 * sqrt((v * w + c * c) / copies) + cov_bias * sqrt(v * w);
            worst_cov = fmax(worst_cov, error / sqrt(v * w));
        }
    }
    print_message("%s: worst mean error %.4f std, covariance error %.4f (4 SE: %.4f, %.4f)\n", what,
                  worst_mean, worst_cov, 4 / sqrt(copies), 4 * sqrt(2.0 / copies));
    if (bad)
        fail_msg("%s: %d entries outside", what, bad);
}

/* ---- priors ---- */

static inline void isotropic(law *prior, double std)
{
    const double mean[D] = {0.3, -0.2, 0.1, 0.0, -0.1, 0.2, 0.4, -0.3};
    memcpy(prior->mean, mean, sizeof mean);
    identity(prior->cov, std * std);
}

/* Correlated: C = B B^T + 0.05 I with a fixed pattern. */
static inline void correlated(law *prior, double scale, int pattern)
{
    for (int i = 0; i < D; i++) {
        prior->mean[i] = 0.4 * sin(1.3 * i + 2.1 * pattern);
        for (int j = 0; j < D; j++) {
            double sum = i == j ? 0.05 : 0;
            for (int k = 0; k < D; k++)
                sum += 0.12 * sin(0.7 * i * (k + 1) + pattern) * sin(0.7 * j * (k + 1) + pattern);
            prior->cov[i * D + j] = scale * sum;
        }
    }
}

static inline void two_components(law prior[2])
{
    correlated(&prior[0], 1, 0);
    correlated(&prior[1], 0.6, 1);
    for (int i = 0; i < D; i++)
        prior[1].mean[i] += 0.5;
}

static inline sc_score *mixture_score(int k, const double *weight, const law *prior)
{
    double mean[8 * D], cov[8 * D * D];
    for (int i = 0; i < k; i++) {
        memcpy(mean + i * D, prior[i].mean, sizeof prior[i].mean);
        memcpy(cov + i * D * D, prior[i].cov, sizeof prior[i].cov);
    }
    sc_score *score = NULL;
    OK(sc_score_mixture(&score, 2, k, D, weight, mean, cov));
    return score;
}

static inline void set_options(sc_options *options, const sc_option *table, const char *text)
{
    char copy[512], *save = NULL;
    *options = sc_options_default(table);
    snprintf(copy, sizeof copy, "%s", text);
    for (char *key = strtok_r(copy, " ", &save); key; key = strtok_r(NULL, " ", &save)) {
        char *value = strchr(key, '=');
        *value++ = 0;
        OK(sc_options_set(options, key, value));
    }
}

/* Run a method on all copies; *found: the law of the results. Counts are checked against plan. */
static inline void run_method(law *found, const sc_method *method, const sc_problem *problem,
                              const sc_score *score, const char *text)
{
    sc_options options;
    set_options(&options, method->options, text);
    sc_estimate estimate = {0};
    OK(method->run(&estimate, problem, score, &options, (sc_key){11, 0, 0}, NULL));
    double evaluations, applications;
    method->plan(&evaluations, &applications, &options);
    assert_int_equal(estimate.score_evaluations, (int64_t)evaluations);
    assert_true((double)estimate.operator_applications <= applications);
    sample_law(found, estimate.mean.data, problem->sets);
    sc_array_free(&estimate.mean);
    sc_array_free(&estimate.std);
    sc_array_free(&estimate.samples);
}

/* ---- what heuristics are worth ---- */

/* Mean of x off by so many standard deviations of the posterior at worst, its variances between
 * `least` and `most` of the posterior's. */
typedef struct {
    double mean, least, most;
} nearness;

static inline nearness near_posterior(const law *x, const law *post)
{
    nearness n = {0, INFINITY, 0};
    for (int i = 0; i < D; i++) {
        double v = x->cov[i * (D + 1)] / post->cov[i * (D + 1)];
        n.mean = fmax(n.mean, fabs(x->mean[i] - post->mean[i]) / sqrt(post->cov[i * (D + 1)]));
        n.least = fmin(n.least, v), n.most = fmax(n.most, v);
    }
    return n;
}

/* A method with these options on a mixture of two components that the data do not tell apart fully:
 * 10^4 samples within 4 standard errors plus the stated biases of assert_law. */
static inline void assert_law_on_mixture(const sc_method *method, const char *text,
                                         double mean_bias, double cov_bias)
{
    enum { COPIES_OF_MIXTURE = 10000 };
    sc_device *device;
    sc_problem problem;
    law prior[2], post, found;
    const double weight[2] = {0.4, 0.6};
    OK(sc_device_create_cpu(&device, 1));
    problem_create(&problem, device, COPIES_OF_MIXTURE, 1, 0.3);
    two_components(prior);
    mixture_posterior(&post, 2, weight, prior, 0, &problem);
    sc_score *score = mixture_score(2, weight, prior);
    run_method(&found, method, &problem, score, text);
    print_message("%s on a mixture, ", method->name);
    assert_law(&found, &post, COPIES_OF_MIXTURE, mean_bias, cov_bias, text);
    sc_score_free(score);
    problem_free(&problem);
    sc_device_free(device);
}

#endif
