/* RED-diff (Mardani et al. 2023, "A variational perspective on solving inverse problems with
 * diffusion models"), VE form: the image mu that minimises
 *
 *     |y - A mu|^2 / (2 sigma_y^2) + score matching of a point mass at mu, weighted over levels,
 *
 * by Adam on one stochastic gradient a level, levels falling (their algorithm 1). With
 * x_t = mu + sigma_k z and e the noise that the denoiser sees in x_t,
 *
 *     gradient = A^H (A mu - y) / sigma_y^2 + w_k (e - z),
 *     e - z = (mu - D(x_t, sigma_k)) / sigma_k,   w_k = lambda (sigma_k / sigma_y)^power / sigma_y.
 *
 * power = 0 is their constant weight, 1 that by 1 / SNR. Both terms are sums over real components.
 * On average over z, (e - z) / sigma is minus the gradient of log p_sigma smoothed by sigma once
 * more: the fixed point at the last level is a mode, and where sigma_k = sigma_y and lambda = 1 the
 * prior counts there as much as Bayes would have it. Adam makes steps of rate sigma_k
 * (REFERENCE 4.8).
 */
#include "prior/adam.h"
#include "recon/diffusion.h"
#include <math.h>

static const sc_option options_red_diff[] = {
    {"levels", SC_OPT_INT, "", 1, 100000, 200, NULL, "noise levels, geometric: steps of Adam"},
    {"lambda", SC_OPT_REAL, "", 0, 1e6, 1, NULL,
     "weight of the prior; 1: Bayes' at a noise level like the measured noise"},
    {"power", SC_OPT_REAL, "", -1, 3, 0, NULL,
     "the weight grows with this power of the noise level; -1: Bayes' at every level"},
    {"rate", SC_OPT_REAL, "", 1e-4, 10, 0.2, NULL,
     "step of Adam, as a multiple of the noise level"},
    SC_OPTION_FIRST_LEVEL(3),
    SC_OPTION_LAST_LEVEL(1),
    {0},
};

enum { FIRST_MOMENT, SECOND_MOMENT, AVERAGE, KEPT };

/* d = D(mu + sigma z) */
static sc_status predictor(sc_diffusion *run, int level)
{
    double sigma = run->sigma[level];
    sc_diffusion_noise(run, run->z, SC_DRAW_PREDICTOR, (uint32_t)level);
    sc_diffusion_axpby(run, run->z, 1, run->x, sigma, run->z);
    return sc_diffusion_denoise(run, run->d, run->z, sigma);
}

/* z = sigma_y^2 times the gradient */
static sc_status data(sc_diffusion *run, int level)
{
    sc_gaussian_step *g = run->gaussian;
    double ratio = run->sigma[level] / run->problem->sigma;
    double weight =
        sc_diffusion_option(run, "lambda") * pow(ratio, sc_diffusion_option(run, "power") - 1);
    sc_op_normal(run->problem->A, g->image, run->x, g->cg.op_work);
    g->applications++;
    sc_diffusion_axpby(run, run->z, 1, g->image, -1, g->aty);
    sc_diffusion_axpby(run, run->d, weight, run->x, -weight, run->d);
    sc_diffusion_axpby(run, run->z, 1, run->z, 1, run->d);
    return SC_OK;
}

/* One step of Adam, where the score's images are: on the host. The gradient is scaled by 1 /
 * sigma_y, which makes it of order 1 at the end, so that epsilon is nothing. */
static sc_status corrector(sc_diffusion *run, int level)
{
    sc_status status = SC_OK;
    const sc_device *device = run->problem->device;
    int64_t n = run->n;
    size_t bytes = (size_t)n * sizeof(float);
    float *mu = run->host, *gradient = run->host + n;
    sc_adam adam = {.rate = sc_diffusion_option(run, "rate") * run->sigma[level],
                    .beta1 = 0.9,
                    .beta2 = 0.99,
                    .epsilon = 1e-8,
                    .scale = 1 / run->problem->sigma,
                    .step = level + 1};
    SC_TRY(device->kernels->download(device, mu, run->x, bytes));
    SC_TRY(device->kernels->download(device, gradient, run->z, bytes));
    sc_adam_update(mu, run->kept + AVERAGE * n, run->kept + FIRST_MOMENT * n,
                   run->kept + SECOND_MOMENT * n, gradient, n, &adam);
    SC_TRY(device->kernels->upload(device, run->x, mu, bytes));
cleanup:
    return status;
}

static const sc_diffusion_pieces pieces = {
    .name = "red-diff",
    .kept = KEPT,
    .plan = sc_diffusion_warm_levels,
    .start = sc_diffusion_warm_start,
    .predictor = predictor,
    .data = data,
    .corrector = corrector,
};

static sc_status run_red_diff(sc_estimate *estimate, const sc_problem *problem,
                              const sc_score *score, const sc_options *options, sc_key key,
                              const sc_progress *progress)
{
    return sc_diffusion_run(estimate, &pieces, problem, score, options, key, progress);
}

static void plan_cost(double *evaluations, double *applications, const sc_options *options)
{
    *evaluations = sc_options_get(options, "levels");
    *applications = *evaluations + 2 * (SC_START_CG + 1);
}

const sc_method sc_method_red_diff = {
    .name = "red-diff",
    .claim = "point estimate",
    .help =
        "a mode by stochastic gradients: the data's, and the denoiser's at falling noise levels",
    .source = "Mardani et al. 2023 (RED-diff), algorithm 1, VE form",
    .needs_score = true,
    .options = options_red_diff,
    .run = run_red_diff,
    .plan = plan_cost,
};
