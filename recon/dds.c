/* Decomposed diffusion sampling (Chung, Lee, Ye 2024, "Decomposed diffusion sampler for
 * accelerating large-scale inverse problems"), VE form: few steps, each
 *
 *     x0 = D(x, sigma_k);   x0 <- argmin kappa_k |y - A z|^2 + |z - x0|^2  by conjugate gradients,
 *     x <- x0 + sigma_{k+1} (eta z + sqrt(1 - eta^2) e),   e = (x - D(x, sigma_k)) / sigma_k,
 *
 * with kappa_k = r_k^2 / sigma_y^2 from the measured noise, r_k the error expected of D
 * (REFERENCE 4.6, 4.12), and a warm start: CG-SENSE plus noise (4.11). A heuristic: the kept
 * direction e is not that of the conditional process.
 */
#include "recon/diffusion.h"
#include <math.h>

static const sc_option options_dds[] = {
    {"levels", SC_OPT_INT, "", 1, 10000, 20, NULL, "noise levels, geometric"},
    SC_OPTION_SAMPLES,
    {"eta", SC_OPT_REAL, "", 0, 1, 1, NULL, "share of fresh noise: 0 none, 1 all"},
    {"sigma-start", SC_OPT_REAL, "image units", 0, 1e6, 0.2, NULL, "first noise level"},
    {"sigma-end", SC_OPT_REAL, "image units", 0, 1e6, 0, NULL,
     "last noise level; 0: the measured noise's"},
    {"warm", SC_OPT_BOOL, "", 0, 1, 1, NULL, "start from CG-SENSE plus noise, or noise alone"},
    SC_OPTION_SPREAD(0.3),
    SC_OPTION_CG(10),
    SC_OPTION_BATCH,
    {0},
};

static sc_status plan_levels(sc_diffusion *run)
{
    double first = sc_diffusion_option(run, "sigma-start"),
           last = sc_diffusion_option(run, "sigma-end");
    last = last > 0 ? last : run->problem->sigma;
    sc_diffusion_levels(run, fmax(first, last), last);
    return sc_diffusion_option(run, "warm") != 0
               ? sc_diffusion_sense_start(run, sc_diffusion_option(run, "spread"))
               : SC_OK;
}

/* d = D(x), x = e sigma_k: what the denoiser took away */
static sc_status predictor(sc_diffusion *run, int level)
{
    sc_status status = sc_diffusion_denoise(run, run->d, run->x, run->sigma[level]);
    if (status == SC_OK)
        sc_diffusion_axpby(run, run->x, 1, run->x, -1, run->d);
    return status;
}

static sc_status data(sc_diffusion *run, int level)
{
    double r = sc_diffusion_spread(run->sigma[level], sc_diffusion_option(run, "spread"));
    return sc_diffusion_condition(run, run->d, r);
}

/* x = d + sigma' (eta z + sqrt(1 - eta^2) e) */
static sc_status corrector(sc_diffusion *run, int level)
{
    double eta = sc_diffusion_option(run, "eta"), next = run->sigma[level + 1];
    double keep = next * sqrt(1 - eta * eta) / run->sigma[level];
    sc_diffusion_axpby(run, run->x, keep, run->x, 1, run->d);
    if (next == 0 || eta == 0)
        return SC_OK;
    sc_diffusion_noise(run, run->z, SC_DRAW_PREDICTOR, (uint32_t)level);
    sc_diffusion_axpby(run, run->x, 1, run->x, next * eta, run->z);
    return SC_OK;
}

static const sc_diffusion_pieces pieces = {
    .name = "dds",
    .random = true,
    .plan = plan_levels,
    .start = sc_diffusion_noisy_start,
    .predictor = predictor,
    .data = data,
    .corrector = corrector,
};

static sc_status run_dds(sc_estimate *estimate, const sc_problem *problem, const sc_score *score,
                         const sc_options *options, sc_key key, const sc_progress *progress)
{
    return sc_diffusion_run(estimate, &pieces, problem, score, options, key, progress);
}

static void plan_cost(double *evaluations, double *applications, const sc_options *options)
{
    double cg = sc_options_get(options, "cg");
    *evaluations = sc_options_get(options, "samples") * sc_options_get(options, "levels");
    *applications = *evaluations * (cg + 1) + sc_options_get(options, "warm") * (SC_START_CG + 1);
}

const sc_method sc_method_dds = {
    .name = "dds",
    .claim = "heuristic samples",
    .help = "few denoising steps with conjugate-gradient data consistency, from a warm start",
    .source = "Chung, Lee, Ye 2024, algorithm 1, VE form",
    .needs_score = true,
    .options = options_dds,
    .run = run_dds,
    .plan = plan_cost,
};
