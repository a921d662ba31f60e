/* CG-SENSE (Pruessmann et al. 2001): (A^H A + lambda I) x = A^H y by conjugate gradients from 0.
 *
 * Rule `prior`: lambda = sigma^2 / tau^2, the posterior mean for an image of variance tau^2 per
 * component beside the measured noise. What has to be filled in is not the bright centre of
 * k-space, so tau^2 is the mean power there is outside it (normalised radius above 1/4): with coil
 * maps of unit root sum of squares, E sum_c |y_c|^2 = 2 (tau^2 + C sigma^2) for C coils.
 * Rule `discrepancy` (Morozov 1966): no lambda; stop at the first iterate that explains the data as
 * well as the truth would, ||A x - y||^2 <= 2 M sigma^2, M samples. It also stands in where nothing
 * was measured outside the centre.
 */
#include "base/memory.h"
#include "recon/classical.h"
#include "recon/conjugate_gradient.h"
#include <math.h>

enum { RULE_PRIOR, RULE_DISCREPANCY };

static const sc_option options_cg_sense[] = {
    {"lambda", SC_OPT_REAL, "", 0, 1e6, 0, NULL,
     "Tikhonov weight, as BART's pics -l2 -r; 0: by the rule"},
    {"rule", SC_OPT_CHOICE, "", 0, 0, RULE_PRIOR, "prior|discrepancy",
     "weight from noise and signal outside the centre of k-space, or stop at the noise"},
    {"iterations", SC_OPT_INT, "", 1, 10000, 50, NULL, "conjugate gradient iterations, at most"},
    {"tolerance", SC_OPT_REAL, "", 0, 1, 1e-4, NULL,
     "relative residual of the equation to stop at"},
    {0},
};

/* Squared distance of sample i from the centre, 1 at the end of an axis; dim: (coil, axes...). */
static double radius_square(const sc_shape *range, int64_t i)
{
    double sum = 0;
    for (int a = range->rank - 1; a >= 1; a--) {
        int64_t n = range->dim[a];
        double r = n > 1 ? (double)(i % n - n / 2) / (0.5 * (double)n) : 0;
        sum += r * r;
        i /= n;
    }
    return sum;
}

/* sigma^2 / tau^2 from host data y (coil, n); 0 where nothing was measured outside the centre. */
static double lambda_of(const sc_c32 *y, const sc_shape *range, double sigma)
{
    int64_t coils = range->dim[0], n = sc_shape_elements(range) / coils, count = 0;
    double power = 0, noise = 2 * (double)coils * sigma * sigma;
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;
        for (int64_t c = 0; c < coils; c++) {
            const float *v = (const float *)(y + c * n + i);
            sum += (double)v[0] * v[0] + (double)v[1] * v[1];
        }
        if (sum > 0 && radius_square(range, i) > 1.0 / 16) {
            power += sum;
            count++;
        }
    }
    if (count == 0)
        return 0;
    double signal = power / (double)count - noise;
    return signal > 2 * sigma * sigma ? 2 * sigma * sigma / signal : 1; /* at most 1: all noise */
}

sc_status sc_cg_sense_weight(double *lambda, const sc_problem *problem)
{
    const sc_shape *range = &problem->A->range;
    sc_c32 *y = NULL;
    sc_status status = SC_OK;
    *lambda = 0;
    if (range->dtype != SC_C32 || range->rank < 3)
        return SC_OK;
    SC_TRY(SC_ALLOC(&y, sc_shape_elements(range), "k-space"));
    SC_TRY(problem->device->kernels->download(problem->device, y, problem->y,
                                              (size_t)sc_shape_elements(range) * sizeof *y));
    *lambda = lambda_of(y, range, problem->sigma);
cleanup:
    sc_free(y);
    return status;
}

/* Weight, or stop, of the solver. */
static sc_status choose(sc_cg_options *cg, const sc_problem *problem, const sc_options *options)
{
    int64_t m = sc_shape_floats(&problem->A->range);
    double parts = problem->A->range.dtype == SC_C32 ? 2 : 1;
    sc_status status = SC_OK;
    cg->b = sc_options_get(options, "lambda");
    if (cg->b <= 0 && sc_options_get(options, "rule") == RULE_PRIOR)
        SC_TRY(sc_cg_sense_weight(&cg->b, problem));
    if (cg->b <= 0) {
        cg->data_square = problem->device->kernels->dot(problem->device, problem->y, problem->y, m);
        cg->residual_square = parts * (double)problem->measured * problem->sigma * problem->sigma;
    }
cleanup:
    return status;
}

static sc_status solve(sc_classical *run, const sc_cg_options *options, const sc_progress *progress)
{
    sc_cg_work work = {0};
    sc_cg_result result = {0};
    const sc_op *A = run->problem->A;
    sc_status status = SC_OK;
    SC_TRY(sc_cg_work_create(&work, A));
    SC_TRY(sc_cg_solve(run->x, run->rhs, A, options, false, &work, &result, progress));
cleanup:
    run->applications += result.applications;
    sc_cg_work_free(&work, A);
    return status;
}

static sc_status run(sc_estimate *estimate, const sc_problem *problem, const sc_score *score,
                     const sc_options *options, sc_key key, const sc_progress *progress)
{
    sc_classical work = {0};
    sc_cg_options cg = {.a = 1,
                        .tolerance = sc_options_get(options, "tolerance"),
                        .iterations = (int)sc_options_get(options, "iterations")};
    sc_status status = SC_OK;
    (void)score, (void)key;
    SC_TRY(sc_progress_step(progress, "cg-sense", 0, 1));
    SC_TRY(choose(&cg, problem, options));
    SC_TRY(sc_classical_begin(&work, problem));
    SC_TRY(solve(&work, &cg, progress));
    SC_TRY(sc_classical_estimate(estimate, &work));
cleanup:
    sc_classical_end(&work);
    return status;
}

/* Seen on brain scans: about 15 iterations to the default tolerance. */
static void plan(double *evaluations, double *applications, const sc_options *options)
{
    *evaluations = 0;
    *applications = 1 + fmin(sc_options_get(options, "iterations"), 15);
}

const sc_method sc_method_cg_sense = {
    .name = "cg-sense",
    .claim = "point estimate",
    .help = "regularised least squares by conjugate gradients, weighed by the measured noise",
    .source = "Pruessmann et al. 2001, Magn. Reson. Med. 46:638",
    .options = options_cg_sense,
    .run = run,
    .plan = plan,
};
