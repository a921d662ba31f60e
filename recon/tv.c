/* Total variation: min_x ||A x - y||^2 / 2 + lambda sum_r |D x (r)| (isotropic, Rudin, Osher,
 * Fatemi 1992; for MR Block et al. 2007) by FISTA, whose proximal map is TV denoising on the dual,
 * started from the dual of the iteration before (total_variation.h). `lambda` is in BART's
 * convention (bart_scale.h); the default is a quarter of the measured noise, the best of a sweep on
 * simulated scans of validation images (validation/regularisation).
 */
#include "recon/classical.h"
#include "recon/fista.h"
#include "recon/total_variation.h"

static const sc_option options_tv[] = {
    {"lambda", SC_OPT_REAL, "data scale", 0, 1e6, 0, NULL,
     "weight, as BART's pics -R T:6:0:lambda; 0: from the measured noise"},
    {"lambda-sigma", SC_OPT_REAL, "noise std", 0, 1e6, 0.25, NULL,
     "without lambda: weight in units of the measured noise"},
    {"iterations", SC_OPT_INT, "", 1, 100000, 100, NULL, "FISTA iterations, at most"},
    {"inner", SC_OPT_INT, "", 1, 1000, 10, NULL, "denoising iterations in each"},
    {"tolerance", SC_OPT_REAL, "", 0, 1, 0, NULL,
     "stop when the image changes by less, relative; 0: never"},
    {0},
};

typedef struct {
    sc_tv *tv;
    double lambda;
    int inner;
} tv_prox;

static void apply(void *self, float *x, double step, int iteration)
{
    tv_prox *prox = self;
    (void)iteration;
    sc_tv_denoise(prox->tv, x, prox->lambda * step, prox->inner);
}

static sc_status run(sc_estimate *estimate, const sc_problem *problem, const sc_score *score,
                     const sc_options *options, sc_key key, const sc_progress *progress)
{
    const sc_shape *domain = &problem->A->domain;
    sc_classical work = {0};
    tv_prox variation = {.inner = (int)sc_options_get(options, "inner")};
    sc_prox prox = {&variation, apply};
    sc_fista_options fista = {.iterations = (int)sc_options_get(options, "iterations"),
                              .tolerance = sc_options_get(options, "tolerance"),
                              .phase = "tv"};
    int64_t applications = 0;
    sc_status status = SC_OK;
    (void)score;
    SC_TRY(sc_classical_needs_complex(problem, "tv"));
    SC_TRY(sc_classical_begin(&work, problem));
    SC_TRY(sc_tv_create(&variation.tv, problem->device, domain, domain->rank - 1));
    SC_TRY(sc_classical_lambda(&variation.lambda, problem, options));
    SC_TRY(sc_classical_step(&fista.step, &work, key));
    SC_TRY(sc_fista(work.x, work.rhs, problem->A, &prox, &fista, &applications, progress));
    work.applications += applications;
    SC_TRY(sc_classical_estimate(estimate, &work));
cleanup:
    sc_tv_free(variation.tv);
    sc_classical_end(&work);
    return status;
}

static void plan(double *evaluations, double *applications, const sc_options *options)
{
    *evaluations = 0;
    *applications = sc_options_get(options, "iterations") + SC_CLASSICAL_STEP_COST;
}

const sc_method sc_method_tv = {
    .name = "tv",
    .claim = "point estimate",
    .help = "small total variation, FISTA with dual denoising",
    .source = "Rudin et al. 1992; Block et al. 2007, Magn. Reson. Med. 57:1086; Beck and Teboulle "
              "2009",
    .options = options_tv,
    .run = run,
    .plan = plan,
};
