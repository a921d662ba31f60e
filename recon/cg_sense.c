/* CG-SENSE (Pruessmann et al. 2001): (A^H A + lambda I) x = A^H y by conjugate gradients from 0.
 *
 * The default is unregularised and stops by the discrepancy principle (Morozov 1966): at the first
 * iterate that explains the data as well as the truth would, ||A x - y||^2 <= tau 2 M sigma^2, M
 * complex samples with the measured noise sigma per component. With a lambda it runs to
 * convergence instead.
 */
#include "recon/classical.h"
#include "recon/conjugate_gradient.h"

static const sc_option options_cg_sense[] = {
    {"lambda", SC_OPT_REAL, "", 0, 1e6, 0, NULL,
     "Tikhonov weight, as BART's pics -l2 -r; 0: none, stop by the measured noise"},
    {"iterations", SC_OPT_INT, "", 1, 10000, 100, NULL, "conjugate gradient iterations, at most"},
    {"tau", SC_OPT_REAL, "", 0.1, 10, 1.0, NULL,
     "without lambda: stop at tau times the residual that the noise explains"},
    {0},
};

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
    sc_cg_options cg = {
        .a = 1, .tolerance = 1e-6, .iterations = (int)sc_options_get(options, "iterations")};
    double lambda = sc_options_get(options, "lambda");
    int64_t m = sc_shape_floats(&problem->A->range);
    int parts = problem->A->range.dtype == SC_C32 ? 2 : 1;
    sc_status status = SC_OK;
    (void)score, (void)key;
    SC_TRY(sc_progress_step(progress, "cg-sense", 0, 1));
    SC_TRY(sc_classical_begin(&work, problem));
    if (lambda > 0) {
        cg.b = lambda; /* both terms are quadratic: the scale of the data does not matter */
    } else {
        cg.data_square = problem->device->kernels->dot(problem->device, problem->y, problem->y, m);
        cg.residual_square = sc_options_get(options, "tau") * parts * (double)problem->measured *
                             problem->sigma * problem->sigma;
    }
    SC_TRY(solve(&work, &cg, progress));
    SC_TRY(sc_classical_estimate(estimate, &work));
cleanup:
    sc_classical_end(&work);
    return status;
}

static void plan(double *evaluations, double *applications, const sc_options *options)
{
    *evaluations = 0;
    *applications =
        sc_options_get(options, "lambda") > 0 ? sc_options_get(options, "iterations") : 12;
}

const sc_method sc_method_cg_sense = {
    .name = "cg-sense",
    .claim = "point estimate",
    .help = "least squares by conjugate gradients, stopped by the measured noise",
    .source = "Pruessmann et al. 2001, Magn. Reson. Med. 46:638",
    .options = options_cg_sense,
    .run = run,
    .plan = plan,
};
