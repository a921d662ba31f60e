/* DiffPIR (Zhu et al. 2023, "Denoising diffusion models for plug-and-play image restoration"), VE
 * form, x_t = x_0 + sigma z: their VP iterates over sqrt(alphabar). Each level (their algorithm 1)
 *
 *     x0 = D(x, sigma_k),   rho_k = lambda sigma_y^2 / sigma_k^2;
 *     x0 <- argmin |y - A z|^2 / 2 + rho_k / 2 |z - x0|^2;   e = (x - x0) / sigma_k;
 *     x <- x0 + sigma_{k+1} (sqrt(1 - zeta) e + sqrt(zeta) z),
 *
 * sigma_y the measured noise: with lambda = 1 the data step is the posterior mean for the prior
 * N(x0, sigma_k^2). Unlike dds, e is the noise that leads from x to the image after the data step.
 * zeta = 1 is what they took where a part of the image was measured. No data step follows the last
 * denoising. Start: CG-SENSE plus noise (REFERENCE 4.7, 4.11). A heuristic: x0 is one image where
 * the conditional law of the process has a spread.
 */
#include "recon/diffusion.h"
#include <math.h>

enum { FINAL_DATA, FINAL_DENOISED };

static const sc_option options_diffpir[] = {
    {"levels", SC_OPT_INT, "", 1, 10000, 50, NULL, "noise levels, geometric"},
    SC_OPTION_SAMPLES,
    {"lambda", SC_OPT_REAL, "", 1e-4, 1e5, 1, NULL,
     "weight of the denoised image in the data step, 1: of variance sigma_k^2"},
    {"zeta", SC_OPT_REAL, "", 0, 1, 1, NULL,
     "share of fresh noise: 1 all, nearer to the mean; 0.3 spreads samples more"},
    SC_OPTION_FIRST_LEVEL(3),
    SC_OPTION_LAST_LEVEL(1),
    {"final", SC_OPT_CHOICE, "", 0, 0, FINAL_DENOISED, "data|denoised",
     "the result: after the last data step, or the last denoised image"},
    SC_OPTION_CG(10),
    SC_OPTION_BATCH,
    {0},
};

static sc_status data(sc_diffusion *run, int level)
{
    if (level == run->levels - 1 && sc_diffusion_option(run, "final") == FINAL_DENOISED)
        return SC_OK;
    return sc_diffusion_condition(run, run->d,
                                  run->sigma[level] / sqrt(sc_diffusion_option(run, "lambda")));
}

/* x = d + sigma' (sqrt(1 - zeta) (x - d) / sigma + sqrt(zeta) z) */
static sc_status corrector(sc_diffusion *run, int level)
{
    double zeta = sc_diffusion_option(run, "zeta"), next = run->sigma[level + 1];
    double keep = next * sqrt(1 - zeta) / run->sigma[level];
    sc_diffusion_axpby(run, run->x, keep, run->x, 1 - keep, run->d);
    if (next == 0 || zeta == 0)
        return SC_OK;
    sc_diffusion_noise(run, run->z, SC_DRAW_PREDICTOR, (uint32_t)level);
    sc_diffusion_axpby(run, run->x, 1, run->x, next * sqrt(zeta), run->z);
    return SC_OK;
}

static const sc_diffusion_pieces pieces = {
    .name = "diffpir",
    .random = true,
    .plan = sc_diffusion_warm_levels,
    .start = sc_diffusion_noisy_start,
    .predictor = sc_diffusion_denoised,
    .data = data,
    .corrector = corrector,
};

static sc_status run_diffpir(sc_estimate *estimate, const sc_problem *problem,
                             const sc_score *score, const sc_options *options, sc_key key,
                             const sc_progress *progress)
{
    return sc_diffusion_run(estimate, &pieces, problem, score, options, key, progress);
}

static void plan_cost(double *evaluations, double *applications, const sc_options *options)
{
    double samples = sc_options_get(options, "samples");
    double levels = sc_options_get(options, "levels");
    bool skip = sc_options_get(options, "final") == FINAL_DENOISED;
    *evaluations = samples * levels;
    *applications =
        samples * (levels - skip) * (sc_options_get(options, "cg") + 1) + 2 * (SC_START_CG + 1);
}

const sc_method sc_method_diffpir = {
    .name = "diffpir",
    .claim = "heuristic samples",
    .help = "denoise, fit the data at the weight of the noise level, add part of the noise again",
    .source = "Zhu et al. 2023 (DiffPIR), algorithm 1, VE form",
    .needs_score = true,
    .options = options_diffpir,
    .run = run_diffpir,
    .plan = plan_cost,
};
