/* Annealed proximal iteration: half-quadratic splitting with a denoiser (Zhang et al. 2021,
 * "Plug-and-play image restoration with deep denoiser prior", DPIR), from a CG-SENSE start:
 *
 *     x^ = D(v, sigma_k);   x_k = (A^H A / sigma_y^2 + I / r^2)^-1 (A^H y / sigma_y^2 + x^ / r^2);
 *     lower sigma;          v = x_k + momentum (x_k - x_{k-1}),
 *     r^2 = (ratio sigma_k)^2 + (floor sigma_y)^2,
 *
 * r being the error of x^: a share of the noise removed, and what stays however little is removed.
 * It is also held above what the scan itself shows: the distance of A x^ to the data, less the
 * noise, is the error of x^ where it was measured. So the data rule where the prior does not fit.
 * Momentum (Nesterov's extrapolation) is for the directions that data and prior leave nearly open: a
 * step that shrinks the distance there by 1 - e shrinks it by 1 - e / (1 - momentum) with it, and
 * all that shrink stay stable, for r^2 - l (1 + b) r + l b = 0 has |r| < 1 for 0 <= l < 1, b <= 1.
 * No noise is added back. For a Gaussian prior the two steps at fixed sigma contract to a
 * point that tends to the posterior mean as sigma -> 0. The measured noise enters every data step.
 */
#include "recon/diffusion.h"
#include <math.h>

enum { FINAL_DATA, FINAL_DENOISED };

static const sc_option options_annealed[] = {
    {"levels", SC_OPT_INT, "", 1, 10000, 15, NULL, "noise levels, geometric"},
    SC_OPTION_FIRST_LEVEL(6),
    SC_OPTION_LAST_LEVEL(1),
    {"ratio", SC_OPT_REAL, "", 1e-3, 1e3, 0.8, NULL,
     "error expected of the denoised image, as a multiple of the noise level"},
    {"floor", SC_OPT_REAL, "", 0, 1e3, 1.5, NULL,
     "the part of that error that stays at low noise levels, as a multiple of the measured noise"},
    {"measured", SC_OPT_REAL, "", 0, 10, 0.8, NULL,
     "the same, at least this multiple of its error as measured by the data; 0: not measured"},
    {"momentum", SC_OPT_REAL, "", 0, 1, 0.5, NULL,
     "how far the next level starts beyond the result of this one, as a multiple of its last step"},
    {"final", SC_OPT_CHOICE, "", 0, 0, FINAL_DATA, "data|denoised",
     "the result: after the last data step, or the last denoised image"},
    {"mirror", SC_OPT_BOOL, "", 0, 1, 1, NULL,
     "show the image to the prior in its four reflections in turn"},
    SC_OPTION_CG(30),
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

/* z: the result of the level before */
static sc_status start(sc_diffusion *run, int level)
{
    sc_status status = sc_diffusion_warm_start(run, level);
    if (status == SC_OK)
        sc_diffusion_axpby(run, run->z, 1, run->x, 0, run->x);
    return status;
}

static sc_status corrector(sc_diffusion *run, int level)
{
    double momentum = sc_diffusion_option(run, "momentum");
    if (level == run->levels - 1)
        return SC_OK;
    sc_diffusion_axpby(run, run->d, 1 + momentum, run->x, -momentum, run->z);
    sc_diffusion_axpby(run, run->z, 1, run->x, 0, run->x);
    sc_diffusion_axpby(run, run->x, 1, run->d, 0, run->d);
    return SC_OK;
}

static const sc_diffusion_pieces pieces = {
    .name = "annealed-proximal",
    .plan = sc_diffusion_warm_levels,
    .start = start,
    .predictor = predictor,
    .data = data,
    .corrector = corrector,
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
