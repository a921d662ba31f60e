/* Decoupled annealing posterior sampling (Zhang et al. 2024, "Improving diffusion inverse problem
 * solving with decoupled noise annealing"; REFERENCE 4.9), VE noise: x_t = x_0 + sigma z. A level
 * is
 *
 *     c = the image that x_t denoises to,
 *     x_0 ~ p(y | x_0) N(x_0; c, r^2)      by Langevin steps (langevin.h), r = sigma
 *     x_t' = x_0 + sigma' z
 *
 * so that the data enter through their own likelihood, whatever it is, and levels have nothing in
 * common but x_0. In the paper c is the end of the probability flow from x_t, by `ode` Euler steps;
 * with one step that is E[x_0 | x_t], the default. It makes a difference: with many levels one
 * level is a Langevin step of length sigma^2, of drift sigma^2 grad log p(y | x) from the draw and,
 * from c, sigma^2 grad log p(x) for the mean but only half of it for the end of the flow. So the
 * mean leads to p(x) p(y | x), and the flow to sqrt(p(x)) p(y | x). r = sigma is more than x_0
 * given x_t has where sigma is not small beside the width of the prior; `spread` bounds it.
 */
#include "recon/daps.h"
#include "base/memory.h"
#include "recon/diffusion.h"
#include "recon/langevin.h"
#include <math.h>

enum { METRIC_IMPLICIT, METRIC_NORM };

static const sc_option options_daps[] = {
    {"levels", SC_OPT_INT, "", 1, 10000, 100, NULL, "noise levels, geometric"},
    SC_OPTION_SAMPLES,
    {"ode", SC_OPT_INT, "", 1, 100, 1, NULL,
     "Euler steps of the probability flow from a level to the denoised image; 1: its mean"},
    {"steps", SC_OPT_INT, "", 0, 1000, 0, NULL,
     "Langevin steps per level; 0: 1 for Gaussian noise, 4 for others, 100 with metric=norm"},
    {"gamma", SC_OPT_REAL, "", 0, 1, 0, NULL,
     "length of a Langevin step; 0: 1 for Gaussian noise (exact with the implicit metric), 0.5 for "
     "others"},
    {"metric", SC_OPT_CHOICE, "", 0, 0, METRIC_IMPLICIT, "implicit|norm",
     "Langevin steps are preconditioned by data and noise level, or as long as the operator's norm "
     "allows"},
    {"sigma-max", SC_OPT_REAL, "image units", 0, 1e6, 0.5, NULL,
     "first noise level; 0: the prior's largest"},
    {"sigma-min", SC_OPT_REAL, "image units", 0, 1e6, 0, NULL,
     "last noise level; 0: the prior's smallest"},
    SC_OPTION_SPREAD(0.5),
    {"denoise", SC_OPT_BOOL, "", 0, 1, 0, NULL, "denoise the result at the last level"},
    SC_OPTION_CG(10),
    SC_OPTION_BATCH,
    {0},
};

typedef struct {
    sc_data_term term;
    sc_langevin *langevin;
    sc_langevin_options how;
    double spread;
} daps;

static int automatic_steps(bool gaussian, bool norm) { return norm ? 100 : gaussian ? 1 : 4; }

static void release(sc_diffusion *run)
{
    daps *own = run->own;
    if (own)
        sc_langevin_free(own->langevin);
    sc_free(own);
}

static sc_langevin_options langevin_options(const sc_diffusion *run, bool gaussian)
{
    int steps = (int)sc_diffusion_option(run, "steps");
    double gamma = sc_diffusion_option(run, "gamma");
    bool norm = sc_diffusion_option(run, "metric") == METRIC_NORM;
    return (sc_langevin_options){.norm = norm,
                                 .steps = steps ? steps : automatic_steps(gaussian, norm),
                                 .gamma = gamma > 0  ? gamma
                                          : gaussian ? 1
                                                     : 0.5,
                                 .solve = run->solve};
}

static sc_status plan(sc_diffusion *run)
{
    sc_status status = SC_OK;
    const sc_problem *problem = run->problem;
    daps *own = NULL;
    SC_TRY(sc_diffusion_prior_levels(run));
    SC_TRY(SC_ALLOC(&own, 1, "daps"));
    run->own = own;
    own->term = problem->term ? *problem->term
                              : (sc_data_term){.law = SC_DATA_GAUSSIAN,
                                               .A = problem->A,
                                               .y = problem->y,
                                               .sigma = problem->sigma,
                                               .measured = problem->measured};
    own->how = langevin_options(run, own->term.law == SC_DATA_GAUSSIAN);
    own->spread = sc_diffusion_option(run, "spread");
    SC_TRY(sc_langevin_create(&own->langevin, &own->term, own->how.norm));
cleanup:
    return status;
}

/* Draws of a level; level -1 is the start. */
static uint32_t draw_index(const daps *own, int level)
{
    return (uint32_t)(level + 1) * (uint32_t)(own->how.steps + 1);
}

/* x ~ p(y | x) N(x; d, r^2), beginning at x, for each sample; centre NULL: zero */
static sc_status draw(sc_diffusion *run, const float *centre, double sigma, int level)
{
    sc_status status = SC_OK;
    daps *own = run->own;
    sc_key key = run->key;
    double r = sc_diffusion_spread(sigma, own->spread);
    int64_t before = sc_langevin_applications(own->langevin);
    for (int i = 0; i < run->samples; i++, key.sample++)
        SC_TRY(sc_langevin_run(own->langevin, run->x + i * run->n,
                               centre ? centre + i * run->n : NULL, r, &own->how, key,
                               draw_index(own, level)));
cleanup:
    run->gaussian->applications += sc_langevin_applications(own->langevin) - before;
    return status;
}

static void add_noise(sc_diffusion *run, double sigma, uint32_t draw, int level)
{
    sc_diffusion_noise(run, run->z, draw, (uint32_t)level);
    sc_diffusion_axpby(run, run->x, 1, run->x, sigma, run->z);
}

/* As if the denoised image of a level before the first were 0. */
static sc_status start(sc_diffusion *run, int level)
{
    sc_status status = SC_OK;
    daps *own = run->own;
    const sc_device *device = run->problem->device;
    double sigma = run->sigma[level], r = sc_diffusion_spread(sigma, own->spread);
    SC_TRY(sc_langevin_guess(own->langevin, run->initial, r, run->solve));
    for (int i = 0; i < run->samples; i++)
        device->kernels->axpby(device, run->x + i * run->n, 1, run->initial, 0, run->initial,
                               run->n);
    SC_TRY(draw(run, NULL, sigma, -1));
    add_noise(run, sigma, SC_DRAW_INIT, 0);
cleanup:
    return status;
}

/* Noise of node j of the flow from sigma, REFERENCE 4.9: equal steps of its seventh root down to
 * the prior's least, then 0. */
static double node(const sc_diffusion *run, double sigma, int j, int steps)
{
    double last = fmin(sigma, sc_sde_noise_min(&run->score->sde)), power = 1 / 7.0;
    if (j == 0 || j == steps)
        return j ? 0 : sigma;
    double share = j / (double)(steps - 1);
    return pow(pow(sigma, power) + share * (pow(last, power) - pow(sigma, power)), 7);
}

/* d = where the flow ends: dx / dsigma = (x - D(x, sigma)) / sigma */
static sc_status predictor(sc_diffusion *run, int level)
{
    sc_status status = SC_OK;
    int steps = (int)sc_diffusion_option(run, "ode");
    for (int j = 0; j < steps; j++) {
        double sigma = node(run, run->sigma[level], j, steps);
        double keep = node(run, run->sigma[level], j + 1, steps) / sigma;
        SC_TRY(sc_diffusion_denoise(run, run->d, run->x, sigma));
        sc_diffusion_axpby(run, run->x, keep, run->x, 1 - keep, run->d);
    }
    sc_diffusion_axpby(run, run->d, 1, run->x, 0, run->x);
cleanup:
    return status;
}

static sc_status data(sc_diffusion *run, int level)
{
    return draw(run, run->d, run->sigma[level], level);
}

static sc_status corrector(sc_diffusion *run, int level)
{
    if (run->sigma[level + 1] > 0)
        add_noise(run, run->sigma[level + 1], SC_DRAW_PREDICTOR, level);
    return SC_OK;
}

static const sc_diffusion_pieces pieces = {
    .name = "daps",
    .random = true,
    .plan = plan,
    .start = start,
    .predictor = predictor,
    .data = data,
    .corrector = corrector,
    .finish = sc_diffusion_last_denoise,
    .release = release,
};

/* The residual of the mean against the data's own likelihood. */
static sc_status term_residual(sc_estimate *estimate, const sc_data_term *term)
{
    sc_status status = SC_OK;
    const sc_device *device = term->A->device;
    sc_langevin *langevin = NULL;
    float *host = NULL, *x = NULL;
    int64_t n = sc_shape_floats(&term->A->domain);
    int step = term->A->domain.dtype == SC_C32 ? 1 : 2; /* the mean is complex */
    const float *mean = estimate->mean.data;
    SC_TRY(sc_langevin_create(&langevin, term, false));
    SC_TRY(SC_ALLOC(&host, n, "image"));
    SC_TRY(SC_DEVICE_ALLOC(device, &x, n));
    for (int64_t i = 0; i < n; i++)
        host[i] = mean[i * step];
    SC_TRY(device->kernels->upload(device, x, host, (size_t)n * sizeof *host));
    SC_TRY(sc_langevin_residual(langevin, &estimate->residual, x));
cleanup:
    sc_device_release(device, x);
    sc_free(host);
    sc_langevin_free(langevin);
    return status;
}

/* The counter of the draws has 20 bits (base/random.h). */
static sc_status check_draws(const sc_options *options)
{
    double levels = sc_options_get(options, "levels"), steps = sc_options_get(options, "steps");
    if ((levels + 1) * ((steps > 0 ? steps : 100) + 1) < 1 << 20)
        return SC_OK;
    return sc_fail(SC_ERR_USAGE,
                   "options levels and steps: expected a product below 2^20, found %g",
                   levels * steps);
}

static sc_status run_daps(sc_estimate *estimate, const sc_problem *problem, const sc_score *score,
                          const sc_options *options, sc_key key, const sc_progress *progress)
{
    sc_status status = SC_OK;
    SC_TRY(check_draws(options));
    SC_TRY(sc_diffusion_run(estimate, &pieces, problem, score, options, key, progress));
    if (problem->term)
        SC_TRY(term_residual(estimate, problem->term));
cleanup:
    if (status != SC_OK)
        sc_estimate_free(estimate);
    return status;
}

sc_status sc_daps_sample(sc_estimate *estimate, const sc_data_term *term, const sc_score *score,
                         const sc_options *options, sc_key key, const sc_progress *progress)
{
    sc_status status = SC_OK;
    const sc_shape *domain = &term->A->domain;
    float *nothing = NULL; /* the Gaussian approximation that a problem has */
    if (domain->rank != 2 && domain->rank != 3)
        return sc_fail(SC_ERR_INPUT,
                       "daps: operator's domain: expected (y, x) or (set, y, x), found "
                       "%d axes",
                       domain->rank);
    SC_TRY(SC_DEVICE_ALLOC(term->A->device, &nothing, sc_shape_floats(&term->A->range)));
    sc_problem problem = {.device = term->A->device,
                          .A = (sc_op *)term->A, /* applied, not changed */
                          .y = nothing,
                          .sigma = 1,
                          .measured = sc_shape_elements(&term->A->range),
                          .scale = 1,
                          .sets = domain->rank == 3 ? (int)domain->dim[0] : 1,
                          .ny = domain->dim[domain->rank - 2],
                          .nx = domain->dim[domain->rank - 1],
                          .term = term};
    SC_TRY(run_daps(estimate, &problem, score, options, key, progress));
cleanup:
    sc_device_release(term->A->device, nothing);
    return status;
}

/* Of Gaussian data. */
static void plan_cost(double *evaluations, double *applications, const sc_options *options)
{
    double samples = sc_options_get(options, "samples");
    double levels = sc_options_get(options, "levels"), steps = sc_options_get(options, "steps");
    bool norm = sc_options_get(options, "metric") == METRIC_NORM;
    double cg = sc_options_get(options, "cg"),
           draws = steps > 0 ? steps : automatic_steps(true, norm);
    *evaluations =
        samples * (levels * sc_options_get(options, "ode") + sc_options_get(options, "denoise"));
    *applications = samples * (levels + 1) * draws * (norm ? 1 : cg + 2) + (norm ? 30 : 0) + cg + 2;
}

const sc_method sc_method_daps = {
    .name = "daps",
    .claim = "posterior samples",
    .help =
        "denoise, draw from likelihood and a Gaussian about the denoised image, add noise again; "
        "any likelihood",
    .source = "Zhang et al. 2024 (DAPS), algorithm 1, VE form",
    .needs_score = true,
    .options = options_daps,
    .run = run_daps,
    .plan = plan_cost,
};
