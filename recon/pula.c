/* Preconditioned unadjusted Langevin sampling with the exact likelihood at every level
 * (Blumenthal et al. 2025, arXiv 2512.05791; REFERENCE 4.10). The target at level sigma is
 * p_sigma(x | y) ~ (p_0 * N(0, sigma^2))(x) exp(-|y - A x|^2 / (2 sigma_y^2)): diffused prior,
 * undiffused likelihood, whose score is known exactly. With M = (A^H A / sigma_y^2 + I /
 * sigma^2)^-1,
 *
 *     x <- x + gamma M grad log p_sigma(x | y) + sqrt(2 gamma) M^{1/2} z,
 *
 * `steps` times per level, sigma falling geometrically. Start: the exact posterior of the prior
 * N(0, sigma_max^2).
 *
 * Bias of the samples: they are of p_sigma(x | y) at the last sigma, and a Langevin step of
 * length gamma inflates the variance along a direction of precision P by 1 / (1 - gamma M P / 2),
 * at most 1 / (1 - gamma / 2), and that only where the prior is narrower than sigma. Where the
 * chain is too short to forget the level before, it keeps that level's wider spread.
 */
#include "recon/diffusion.h"

static const sc_option options_pula[] = {
    {"levels", SC_OPT_INT, "", 1, 10000, 100, NULL, "noise levels, geometric"},
    SC_OPTION_SAMPLES,
    {"steps", SC_OPT_INT, "", 1, 1000, 1, NULL, "Langevin steps per level"},
    {"gamma", SC_OPT_REAL, "", 1e-4, 1, 0.5, NULL, "length of a Langevin step"},
    {"sigma-max", SC_OPT_REAL, "image units", 0, 1e6, 0.5, NULL,
     "first noise level; 0: the prior's largest"},
    {"sigma-min", SC_OPT_REAL, "image units", 0, 1e6, 0, NULL,
     "last noise level; 0: the prior's smallest"},
    {"denoise", SC_OPT_BOOL, "", 0, 1, 0, NULL, "denoise the result at the last level"},
    SC_OPTION_CG(10),
    SC_OPTION_BATCH,
    {0},
};

static uint32_t draw_index(const sc_diffusion *run, int level, int step)
{
    return 1 + (uint32_t)(level * (int)sc_diffusion_option(run, "steps") + step);
}

static sc_status start(sc_diffusion *run, int level)
{
    sc_status status = SC_OK;
    const sc_device *device = run->problem->device;
    sc_key key = run->key;
    for (int i = 0; i < run->samples; i++, key.sample++) {
        float *x = run->x + i * run->n;
        device->kernels->fill(device, x, 0, run->n);
        SC_TRY(
            sc_gaussian_step_draw(run->gaussian, x, NULL, run->sigma[level], key, 0, run->solve));
    }
cleanup:
    return status;
}

static sc_status corrector(sc_diffusion *run, int level)
{
    sc_status status = SC_OK;
    double sigma = run->sigma[level], gamma = sc_diffusion_option(run, "gamma");
    for (int j = 0; j < (int)sc_diffusion_option(run, "steps"); j++) {
        SC_TRY(sc_diffusion_denoise(run, run->d, run->x, sigma));
        sc_key key = run->key;
        for (int i = 0; i < run->samples; i++, key.sample++)
            SC_TRY(sc_gaussian_step_langevin(run->gaussian, run->x + i * run->n,
                                             run->d + i * run->n, sigma, gamma, key,
                                             draw_index(run, level, j), run->solve));
    }
cleanup:
    return status;
}

static const sc_diffusion_pieces pieces = {
    .name = "pula",
    .random = true,
    .plan = sc_diffusion_prior_levels,
    .start = start,
    .corrector = corrector,
    .finish = sc_diffusion_last_denoise,
};

static sc_status run_pula(sc_estimate *estimate, const sc_problem *problem, const sc_score *score,
                          const sc_options *options, sc_key key, const sc_progress *progress)
{
    return sc_diffusion_run(estimate, &pieces, problem, score, options, key, progress);
}

static void plan_cost(double *evaluations, double *applications, const sc_options *options)
{
    double samples = sc_options_get(options, "samples");
    double updates = sc_options_get(options, "levels") * sc_options_get(options, "steps");
    double cg = sc_options_get(options, "cg");
    *evaluations = samples * (updates + sc_options_get(options, "denoise"));
    *applications = samples * (updates * (cg + 3) + cg + 2);
}

const sc_method sc_method_pula = {
    .name = "pula",
    .claim = "posterior samples",
    .help = "Langevin sampling with the exact likelihood, preconditioned by data and noise level",
    .source = "arXiv 2512.05791",
    .needs_score = true,
    .options = options_pula,
    .run = run_pula,
    .plan = plan_cost,
};
