/* Annealed proximal iteration: half-quadratic splitting with a denoiser (Zhang et al. 2021,
 * "Plug-and-play image restoration with deep denoiser prior", DPIR), from a CG-SENSE start:
 *
 *     x^ = D(x, sigma_k);   x = (A^H A / sigma_y^2 + I / r^2)^-1 (A^H y / sigma_y^2 + x^ / r^2);
 *     lower sigma;          r^2 = (ratio sigma_k)^2 + (floor sigma_y)^2,
 *
 * r being the error of x^: a share of the noise removed, and what stays however little is removed.
 * It is also held above what the scan itself shows: the distance of A x^ to the data, less the
 * noise, is the error of x^ where it was measured. So the data rule where the prior does not fit.
 * No noise is added back. For a Gaussian prior the two steps at fixed sigma contract to a
 * point that tends to the posterior mean as sigma -> 0. The measured noise enters every data step.
 */
#include "recon/diffusion.h"
#include <math.h>

enum { FINAL_DATA, FINAL_DENOISED };

static const sc_option options_annealed[] = {
    {"levels", SC_OPT_INT, "", 1, 10000, 24, NULL, "noise levels, geometric"},
    SC_OPTION_FIRST_LEVEL(3),
    SC_OPTION_LAST_LEVEL(1),
    {"ratio", SC_OPT_REAL, "", 1e-3, 1e3, 0.8, NULL,
     "error expected of the denoised image, as a multiple of the noise level"},
    {"floor", SC_OPT_REAL, "", 0, 1e3, 1.5, NULL,
     "the part of that error that stays at low noise levels, as a multiple of the measured noise"},
    {"measured", SC_OPT_REAL, "", 0, 10, 0.8, NULL,
     "the same, at least this multiple of its error as measured by the data; 0: not measured"},
    {"final", SC_OPT_CHOICE, "", 0, 0, FINAL_DATA, "data|denoised",
     "the result: after the last data step, or the last denoised image"},
    {"mirror", SC_OPT_BOOL, "", 0, 1, 1, NULL,
     "show the image to the prior in its four reflections in turn"},
    SC_OPTION_CG(10),
    {0},
};

static sc_status predictor(sc_diffusion *run, int level)
{
    run->mirror = sc_diffusion_option(run, "mirror") != 0 ? level & 3 : 0;
    return sc_diffusion_denoise(run, run->d, run->x, run->sigma[level]);
}

static sc_status data(sc_diffusion *run, int level)
{
    double measured = sc_diffusion_option(run, "measured");
    double r = hypot(sc_diffusion_option(run, "ratio") * run->sigma[level],
                     sc_diffusion_option(run, "floor") * run->problem->sigma);
    bool last = level == run->levels - 1;
    if (last && sc_diffusion_option(run, "final") == FINAL_DENOISED) {
        sc_diffusion_axpby(run, run->x, 1, run->d, 0, run->d);
        return SC_OK;
    }
    if (measured > 0)
        r = fmax(r, measured * sc_diffusion_measured_error(
                                   run, sc_gaussian_step_residual(run->gaussian, run->d)));
    return sc_gaussian_step_mean(run->gaussian, run->x, run->d, r, run->solve);
}

static const sc_diffusion_pieces pieces = {
    .name = "annealed-proximal",
    .plan = sc_diffusion_warm_levels,
    .start = sc_diffusion_warm_start,
    .predictor = predictor,
    .data = data,
};

static sc_status run_annealed(sc_estimate *estimate, const sc_problem *problem,
                              const sc_score *score, const sc_options *options, sc_key key,
                              const sc_progress *progress)
{
    return sc_diffusion_run(estimate, &pieces, problem, score, options, key, progress);
}

static void plan_cost(double *evaluations, double *applications, const sc_options *options)
{
    double levels = sc_options_get(options, "levels"), cg = sc_options_get(options, "cg");
    *evaluations = levels;
    *applications = levels * (cg + 1) + 2 * (SC_START_CG + 1);
}

const sc_method sc_method_annealed_proximal = {
    .name = "annealed-proximal",
    .claim = "point estimate",
    .help = "denoise, fit the data, lower the noise level; from a CG-SENSE start",
    .source = "Zhang et al. 2021 (DPIR), equation 7",
    .needs_score = true,
    .options = options_annealed,
    .run = run_annealed,
    .plan = plan_cost,
};
