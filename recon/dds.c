/* Decomposed diffusion sampling (Chung, Lee, Ye 2024, "Decomposed diffusion sampler for
 * accelerating large-scale inverse problems"): few steps, each
 *
 *     x0 = D(x, sigma_k);   x0 <- argmin kappa_k |y - A z|^2 + |z - x0|^2  by conjugate gradients,
 *     x <- x0 + sigma_{k+1} (eta z + sqrt(1 - eta^2) e),   e = (x - D(x, sigma_k)) / sigma_k,
 *
 * with kappa_k = r_k^2 / sigma_y^2 from the measured noise, r_k the error expected of D
 * (REFERENCE 4.6, 4.12), and a warm start: CG-SENSE plus noise (4.11). That is the published VE
 * form; the VP form sqrt(alphabar') x0 + sqrt(1 - alphabar') (...) is the same in x /
 * sqrt(alphabar), with sigma = sqrt((1 - alphabar) / alphabar), so one code serves both.
 * `grid=published` takes the published times, `gamma` the published constant kappa. A heuristic:
 * the kept direction e is not that of the conditional process. For stacks the data step can hold
 * slices together (through_slice.h).
 */
#include "recon/diffusion.h"
#include <math.h>

enum { GRID_GEOMETRIC, GRID_PUBLISHED };

#define PUBLISHED_TIMES 1000 /* of the discretised SDE; a step takes every so many */

static const sc_option options_dds[] = {
    {"levels", SC_OPT_INT, "", 1, 10000, 20, NULL, "noise levels"},
    {"grid", SC_OPT_CHOICE, "", 0, 0, GRID_GEOMETRIC, "geometric|published",
     "levels: geometric between sigma-start and sigma-end, or every so many of the 1000 times of "
     "the "
     "prior's SDE, all the way"},
    SC_OPTION_SAMPLES,
    {"eta", SC_OPT_REAL, "", 0, 1, 1, NULL, "share of fresh noise: 0 none, 1 all"},
    {"sigma-start", SC_OPT_REAL, "image units", 0, 1e6, 0.2, NULL, "first noise level"},
    {"sigma-end", SC_OPT_REAL, "image units", 0, 1e6, 0, NULL,
     "last noise level; 0: the measured noise's"},
    {"warm", SC_OPT_BOOL, "", 0, 1, 1, NULL, "start from CG-SENSE plus noise, or noise alone"},
    SC_OPTION_SPREAD(0.3),
    {"gamma", SC_OPT_REAL, "", 0, 1e9, 0, NULL,
     "weight of the data as published, whatever the noise; 0: from the measured noise"},
    SC_OPTION_CG(10),
    SC_OPTION_THROUGH_SLICE,
    SC_OPTION_BATCH,
    {0},
};

static bool published(const sc_diffusion *run)
{
    return sc_diffusion_option(run, "grid") == GRID_PUBLISHED;
}

/* sigma = std / mean at discrete time i of 1000; sub-VP is not discretised: at t = i / 999 */
static double published_sigma(const sc_sde *sde, int i)
{
    double t = (double)i / (PUBLISHED_TIMES - 1);
    double alphabar = exp(sc_sde_level_log_alphabar(sde, PUBLISHED_TIMES, i));
    switch (sde->kind) {
    case SC_SDE_VE:
        return sc_sde_level_sigma(sde, PUBLISHED_TIMES, i);
    case SC_SDE_VP:
        return sqrt((1 - alphabar) / alphabar);
    default:
        return sc_sde_std(sde, fmax(t, 1e-3)) / sc_sde_mean(sde, fmax(t, 1e-3));
    }
}

/* Times (levels - 1) stride, ..., stride, 0. */
static sc_status published_levels(sc_diffusion *run)
{
    int n = run->levels, stride = PUBLISHED_TIMES / n;
    if (n > PUBLISHED_TIMES)
        return sc_fail(SC_ERR_USAGE,
                       "option levels: expected at most %d with grid=published, found %d",
                       PUBLISHED_TIMES, n);
    for (int k = 0; k < n; k++)
        run->sigma[k] = published_sigma(&run->score->sde, (n - 1 - k) * stride);
    run->sigma[n] = 0;
    return SC_OK;
}

static sc_status plan_levels(sc_diffusion *run)
{
    sc_status status = SC_OK;
    double first = sc_diffusion_option(run, "sigma-start"),
           last = sc_diffusion_option(run, "sigma-end");
    last = last > 0 ? last : run->problem->sigma;
    if (published(run))
        SC_TRY(published_levels(run));
    else
        sc_diffusion_levels(run, fmax(first, last), last);
    if (sc_diffusion_option(run, "warm") != 0)
        SC_TRY(sc_diffusion_sense_start(run, sc_diffusion_option(run, "spread")));
cleanup:
    return status;
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
    double gamma = sc_diffusion_option(run, "gamma");
    double r = gamma > 0
                   ? run->problem->sigma * sqrt(gamma)
                   : sc_diffusion_spread(run->sigma[level], sc_diffusion_option(run, "spread"));
    return sc_diffusion_condition(run, run->d, r);
}

/* x = d + sigma' (eta z + sqrt(1 - eta^2) e); the published sampler adds nothing at its least level
 */
static sc_status corrector(sc_diffusion *run, int level)
{
    double eta = sc_diffusion_option(run, "eta"), next = run->sigma[level + 1];
    if (published(run) && level + 2 == run->levels)
        next = 0;
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
    if (sc_options_get(options, "through-slice") > 0)
        cg = (cg + 1) * sc_options_get(options, "through-iterations") - 1;
    *applications = *evaluations * (cg + 1) + sc_options_get(options, "warm") * (SC_START_CG + 1);
}

const sc_method sc_method_dds = {
    .name = "dds",
    .claim = "heuristic samples",
    .help = "few denoising steps with conjugate-gradient data consistency, from a warm start",
    .source = "Chung, Lee, Ye 2024, algorithm 1; through slices: Chung et al. 2023, DiffusionMBIR",
    .needs_score = true,
    .options = options_dds,
    .run = run_dds,
    .plan = plan_cost,
};
