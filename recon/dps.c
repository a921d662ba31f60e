/* Diffusion posterior sampling (Chung et al. 2023, "Diffusion posterior sampling for general noisy
 * inverse problems"), VE form: an ancestral step, and one along the gradient of the misfit of the
 * denoised image, through the denoiser (their algorithm 1):
 *
 *     x0 = D(x, sigma_k);   g = J^T A^H (y - A x0),   J = dD / dx at x,
 *     x <- x0 + (sigma_{k+1} / sigma_k)^2 (x - x0) + sigma_{k+1} sqrt(change) / sigma_k z + step g,
 *
 * change = sigma_k^2 - sigma_{k+1}^2. The score of y given x_t that g stands for is g over the
 * variance of the data about A x0. `step`
 *  measured: zeta change / (sigma_y^2 + e^2), e the error of x0 as the data show it, one number a
 *     sample. The scalar form of what Song et al. 2023 (PiGDM) take from the schedule.
 *  norm: zeta / |y - A x0|, as published (their zeta: 0.3 to 1).
 * A heuristic: the law of x_0 given x_t is taken for one image (Jensen's gap), the variance for one
 * number (REFERENCE 4.4). Start: CG-SENSE plus noise.
 */
#include "recon/diffusion.h"
#include <math.h>

enum { STEP_MEASURED, STEP_NORM };

static const sc_option options_dps[] = {
    {"levels", SC_OPT_INT, "", 1, 100000, 100, NULL, "noise levels, geometric"},
    SC_OPTION_SAMPLES,
    {"zeta", SC_OPT_REAL, "", 0, 1e6, 1, NULL, "factor on the step along the data's gradient"},
    {"step", SC_OPT_CHOICE, "", 0, 0, STEP_MEASURED, "measured|norm",
     "length of that step: from the measured noise and error, or over the residual's norm"},
    SC_OPTION_FIRST_LEVEL(3),
    SC_OPTION_LAST_LEVEL(1),
    SC_OPTION_BATCH,
    {0},
};

/* The factor on g of one sample, whose relative residual is given; change: of sigma^2. */
static double step_length(const sc_diffusion *run, double residual, double change)
{
    const sc_problem *problem = run->problem;
    double zeta = sc_diffusion_option(run, "zeta");
    if (sc_diffusion_option(run, "step") == STEP_MEASURED)
        return zeta * change /
               (pow(problem->sigma, 2) + pow(sc_diffusion_measured_error(run, residual), 2));
    int parts = problem->A->range.dtype == SC_C32 ? 2 : 1;
    double norm = problem->sigma * sqrt(parts * (double)problem->measured * residual);
    return norm > 0 ? zeta / norm : 0;
}

/* z = step A^H (y - A d), sample by sample */
static sc_status data(sc_diffusion *run, int level)
{
    sc_gaussian_step *g = run->gaussian;
    const sc_device *device = run->problem->device;
    double sigma = run->sigma[level], next = run->sigma[level + 1];
    for (int i = 0; i < run->samples; i++) {
        float *z = run->z + i * run->n;
        double residual = sc_gaussian_step_residual(g, run->d + i * run->n);
        double step = step_length(run, residual, sigma * sigma - next * next);
        sc_op_adjoint(run->problem->A, z, g->data, g->cg.op_work);
        g->applications++;
        device->kernels->axpby(device, z, (float)step, z, 0, z, run->n);
    }
    return SC_OK;
}

/* The ancestral step along J^T z. */
static sc_status corrector(sc_diffusion *run, int level)
{
    sc_status status = SC_OK;
    double sigma = run->sigma[level], next = run->sigma[level + 1];
    double keep = next * next / (sigma * sigma);
    SC_TRY(sc_diffusion_gradient(run, run->z, run->x, run->z, sigma));
    sc_diffusion_axpby(run, run->x, keep, run->x, 1 - keep, run->d);
    sc_diffusion_axpby(run, run->x, 1, run->x, 1, run->z);
    if (next == 0)
        return SC_OK;
    sc_diffusion_noise(run, run->z, SC_DRAW_PREDICTOR, (uint32_t)level);
    sc_diffusion_axpby(run, run->x, 1, run->x, next * sqrt(1 - keep), run->z);
cleanup:
    return status;
}

static const sc_diffusion_pieces pieces = {
    .name = "dps",
    .random = true,
    .gradient = true,
    .plan = sc_diffusion_warm_levels,
    .start = sc_diffusion_noisy_start,
    .predictor = sc_diffusion_denoised,
    .data = data,
    .corrector = corrector,
};

static sc_status run_dps(sc_estimate *estimate, const sc_problem *problem, const sc_score *score,
                         const sc_options *options, sc_key key, const sc_progress *progress)
{
    return sc_diffusion_run(estimate, &pieces, problem, score, options, key, progress);
}

static void plan_cost(double *evaluations, double *applications, const sc_options *options)
{
    double updates = sc_options_get(options, "samples") * sc_options_get(options, "levels");
    *evaluations = updates * (1 + SC_GRADIENT_EVALUATIONS);
    *applications = updates + 2 * (SC_START_CG + 1);
}

const sc_method sc_method_dps = {
    .name = "dps",
    .claim = "heuristic samples",
    .help = "ancestral sampling with steps along the data's gradient through the denoiser",
    .source = "Chung et al. 2023 (DPS), algorithm 1, VE form",
    .needs_score = true,
    .options = options_dps,
    .run = run_dps,
    .plan = plan_cost,
};
