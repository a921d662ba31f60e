/* Conditional predictor-corrector sampling (Song et al. 2021, algorithm 2; conditional as in
 * Song et al. 2022, "Solving inverse problems in medical imaging with score-based generative
 * models"), VE noise: x_t = x_0 + sigma z.
 *
 * Predictor, reverse diffusion: x <- x + (sigma_k^2 - sigma_{k+1}^2) s + sqrt(same) z.
 * Corrector, Langevin: x <- x + r s + sqrt(2 r) z, r = 2 (snr |z| / |s|)^2, norms per sample.
 *
 * The data enter in one of two ways:
 *  likelihood: s = (D_y(x) - x) / sigma^2, D_y the implicit Gaussian step on the denoised image
 *     (REFERENCE 4.12). Exact for an isotropic Gaussian prior of std `spread`, otherwise right in
 *     the limit sigma -> 0 only: a heuristic between.
 *  proximal: after every update, x <- argmin |z - x|^2 / 2 + kappa / 2 |A z - (y + sigma A z')|^2,
 *     the noisy-y step of Song et al. 2022 for any A (REFERENCE 4.1), kappa = r^2 / sigma_y^2. A
 *     heuristic.
 */
#include "recon/diffusion.h"
#include <math.h>

enum { DATA_LIKELIHOOD, DATA_PROXIMAL };
enum { PREDICT_REVERSE, PREDICT_ANCESTRAL, PREDICT_NONE };

static const sc_option options_pc[] = {
    {"levels", SC_OPT_INT, "", 2, 10000, 100, NULL, "noise levels, geometric"},
    SC_OPTION_SAMPLES,
    {"data", SC_OPT_CHOICE, "", 0, 0, DATA_LIKELIHOOD, "likelihood|proximal",
     "how the data enter: implicit Gaussian likelihood step, or proximal step to noisy data"},
    {"predictor", SC_OPT_CHOICE, "", 0, 0, PREDICT_REVERSE, "reverse|ancestral|none",
     "reverse diffusion, ancestral sampling, or none"},
    {"corrector", SC_OPT_INT, "", 0, 100, 1, NULL, "Langevin steps per level"},
    {"snr", SC_OPT_REAL, "", 1e-4, 2, 0.16, NULL, "signal-to-noise ratio of a Langevin step"},
    {"sigma-max", SC_OPT_REAL, "image units", 0, 1e6, 0.5, NULL,
     "first noise level; 0: the prior's largest"},
    {"sigma-min", SC_OPT_REAL, "image units", 0, 1e6, 0, NULL,
     "last noise level; 0: the prior's smallest"},
    {"warm", SC_OPT_BOOL, "", 0, 1, 1, NULL,
     "start from CG-SENSE plus noise of sigma-max instead of noise alone"},
    {"denoise", SC_OPT_BOOL, "", 0, 1, 1, NULL, "no noise in the last predictor step"},
    SC_OPTION_SPREAD(0.5),
    SC_OPTION_CG(10),
    SC_OPTION_BATCH,
    {0},
};

static sc_status plan_levels(sc_diffusion *run)
{
    sc_status status = sc_diffusion_prior_levels(run);
    if (status != SC_OK || sc_diffusion_option(run, "warm") == 0)
        return status;
    return sc_diffusion_sense_start(run, sc_diffusion_option(run, "spread"));
}

/* d = sigma^2 s, the step to the (conditional) denoised image */
static sc_status direction(sc_diffusion *run, double sigma)
{
    sc_status status = SC_OK;
    SC_TRY(sc_diffusion_denoise(run, run->d, run->x, sigma));
    if (sc_diffusion_option(run, "data") == DATA_LIKELIHOOD)
        SC_TRY(sc_diffusion_condition(
            run, run->d, sc_diffusion_spread(sigma, sc_diffusion_option(run, "spread"))));
    sc_diffusion_axpby(run, run->d, 1, run->d, -1, run->x);
cleanup:
    return status;
}

static sc_status predictor(sc_diffusion *run, int level)
{
    sc_status status = SC_OK;
    double sigma = run->sigma[level], next = run->sigma[level + 1];
    double change = sigma * sigma - next * next;
    int kind = (int)sc_diffusion_option(run, "predictor");
    bool last = level == run->levels - 1;
    if (kind == PREDICT_NONE && !(last && sc_diffusion_option(run, "denoise") != 0))
        return SC_OK;
    SC_TRY(direction(run, sigma));
    sc_diffusion_axpby(run, run->x, 1, run->x, change / (sigma * sigma), run->d);
    if (last && sc_diffusion_option(run, "denoise") != 0)
        return SC_OK;
    sc_diffusion_noise(run, run->z, SC_DRAW_PREDICTOR, (uint32_t)level);
    double spread = sqrt(change) * (kind == PREDICT_ANCESTRAL ? next / sigma : 1);
    sc_diffusion_axpby(run, run->x, 1, run->x, spread, run->z);
cleanup:
    return status;
}

/* One Langevin update, each sample with its own step; d = sigma^2 s. The step depends on |s|, which
 * biases the variance by about 2 / n: nothing for images. */
static void langevin(sc_diffusion *run, double sigma, double snr)
{
    const sc_device *device = run->problem->device;
    const sc_kernels *k = device->kernels;
    int64_t n = run->n;
    for (int i = 0; i < run->samples; i++) {
        float *x = run->x + i * n, *d = run->d + i * n, *z = run->z + i * n;
        double v = sigma * sigma, ss = k->dot(device, d, d, n) / (v * v);
        double r = ss > 0 ? 2 * snr * snr * k->dot(device, z, z, n) / ss : 0;
        k->axpby(device, x, 1, x, (float)(r / v), d, n);
        k->axpby(device, x, 1, x, (float)sqrt(2 * r), z, n);
    }
}

/* x <- the proximal point of the noisy data at sigma; index: a number for the draw. */
static sc_status proximal(sc_diffusion *run, double sigma, uint32_t index)
{
    sc_status status = SC_OK;
    sc_gaussian_step *g = run->gaussian;
    const sc_problem *problem = run->problem;
    const sc_kernels *k = problem->device->kernels;
    double r = sc_diffusion_spread(sigma, sc_diffusion_option(run, "spread"));
    sc_diffusion_noise(run, run->z, SC_DRAW_DATA, index);
    for (int i = 0; i < run->samples; i++) {
        float *x = run->x + i * run->n, *z = run->z + i * run->n;
        /* A^H (y + sigma A z'), one z' in the image: the noise keeps A's correlation */
        sc_op_normal(problem->A, g->image, z, g->cg.op_work);
        g->applications++;
        k->axpby(problem->device, z, 1, g->aty, (float)sigma, g->image, run->n);
        SC_TRY(sc_gaussian_step_mean_of(g, x, x, z, r, run->solve));
    }
cleanup:
    return status;
}

static sc_status data(sc_diffusion *run, int level)
{
    if (sc_diffusion_option(run, "data") != DATA_PROXIMAL || level == run->levels - 1)
        return SC_OK;
    return proximal(run, run->sigma[level + 1],
                    (uint32_t)(level * (1 + (int)sc_diffusion_option(run, "corrector"))));
}

static sc_status corrector(sc_diffusion *run, int level)
{
    sc_status status = SC_OK;
    double sigma = run->sigma[level + 1];
    int steps = (int)sc_diffusion_option(run, "corrector");
    if (level == run->levels - 1)
        return SC_OK;
    for (int j = 0; j < steps; j++) {
        SC_TRY(direction(run, sigma));
        sc_diffusion_noise(run, run->z, SC_DRAW_CORRECTOR + (uint32_t)j, (uint32_t)level);
        langevin(run, sigma, sc_diffusion_option(run, "snr"));
        if (sc_diffusion_option(run, "data") == DATA_PROXIMAL)
            SC_TRY(proximal(run, sigma, (uint32_t)(level * (1 + steps) + 1 + j)));
    }
cleanup:
    return status;
}

/* The last projection of the proximal form is to the data themselves. */
static sc_status finish(sc_diffusion *run, int level)
{
    if (sc_diffusion_option(run, "data") != DATA_PROXIMAL)
        return SC_OK;
    sc_status status = SC_OK;
    double r = sc_diffusion_spread(run->sigma[level - 1], sc_diffusion_option(run, "spread"));
    for (int i = 0; i < run->samples; i++) {
        float *x = run->x + i * run->n;
        SC_TRY(sc_gaussian_step_mean(run->gaussian, x, x, r, run->solve));
    }
cleanup:
    return status;
}

static const sc_diffusion_pieces pieces = {
    .name = "pc",
    .random = true,
    .plan = plan_levels,
    .start = sc_diffusion_noisy_start,
    .predictor = predictor,
    .data = data,
    .corrector = corrector,
    .finish = finish,
};

static sc_status run_pc(sc_estimate *estimate, const sc_problem *problem, const sc_score *score,
                        const sc_options *options, sc_key key, const sc_progress *progress)
{
    return sc_diffusion_run(estimate, &pieces, problem, score, options, key, progress);
}

static void plan_cost(double *evaluations, double *applications, const sc_options *options)
{
    double samples = sc_options_get(options, "samples");
    double levels = sc_options_get(options, "levels");
    double corrections = (levels - 1) * sc_options_get(options, "corrector");
    double predictions = sc_options_get(options, "predictor") == PREDICT_NONE
                             ? sc_options_get(options, "denoise")
                             : levels;
    *evaluations = samples * (predictions + corrections);
    bool proximal_data = sc_options_get(options, "data") == DATA_PROXIMAL;
    double solves = proximal_data ? levels + corrections : predictions + corrections;
    *applications = samples * solves * (sc_options_get(options, "cg") + 1 + proximal_data) +
                    sc_options_get(options, "warm") * (SC_START_CG + 1);
}

const sc_method sc_method_pc = {
    .name = "pc",
    .claim = "heuristic samples",
    .help = "predictor-corrector sampling of the reverse SDE with data consistency",
    .source = "Song et al. 2021, algorithm 2; Song et al. 2022, equation 7",
    .needs_score = true,
    .options = options_pc,
    .run = run_pc,
    .plan = plan_cost,
};
