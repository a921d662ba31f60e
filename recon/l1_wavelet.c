/* Sparse reconstruction (Lustig et al. 2007): min_x ||A x - y||^2 / 2 + lambda ||W x||_1 by FISTA,
 * W a periodic orthogonal wavelet transform of the zero-padded image, moved at random in each
 * iteration (cycle spinning). All coefficients are thresholded, the coarse band too, as BART does;
 * `lambda` is in BART's convention (bart_scale.h); the default is a quarter of the measured noise,
 * the best of a sweep on simulated scans of validation images (validation/regularisation).
 * BART's image is not the minimum but one step towards the data from it: `end=data` is that.
 */
#include "recon/classical.h"
#include "recon/fista.h"

static const sc_option options_l1_wavelet[] = {
    {"lambda", SC_OPT_REAL, "data scale", 0, 1e6, 0, NULL,
     "weight, as BART's pics -R W:6:0:lambda; 0: from the measured noise"},
    {"lambda-sigma", SC_OPT_REAL, "noise std", 0, 1e6, 0.25, NULL,
     "without lambda: weight in units of the measured noise"},
    {"iterations", SC_OPT_INT, "", 1, 100000, 100, NULL, "FISTA iterations, at most"},
    {"tolerance", SC_OPT_REAL, "", 0, 1, 0, NULL,
     "stop when the image changes by less, relative; 0: never"},
    {"wavelet", SC_OPT_CHOICE, "", 0, 0, 1, "haar|db2|db4", "wavelet filter"},
    {"shift", SC_OPT_BOOL, "", 0, 1, 1, NULL, "random shifts: cycle spinning"},
    {"end", SC_OPT_CHOICE, "", 0, 0, 0, "sparse|data",
     "the image after the last shrinking, or (as BART) after the step to the data that follows"},
    {0},
};

static const char *const filter_names[] = {"haar", "db2", "db4"};

typedef struct {
    sc_op *W;
    void *work;
    double lambda;
    bool shift;
    int64_t period[3];
    sc_key key;
} wavelet_prox;

static void apply(void *self, float *x, double step, int iteration)
{
    wavelet_prox *prox = self;
    int64_t shift[3] = {0, 0, 0};
    for (int a = 0; prox->shift && a < 3; a++) {
        double u = sc_random_uniform1(a, prox->key, SC_DRAW_SHIFT, (uint32_t)iteration);
        shift[a] = (int64_t)(u * (double)prox->period[a]);
    }
    sc_op_wavelet_shrink(prox->W, (sc_c32 *)x, (const sc_c32 *)x, (float)(prox->lambda * step),
                         shift, prox->work);
}

static void prox_end(wavelet_prox *prox)
{
    if (prox->W)
        sc_device_release(prox->W->device, prox->work);
    sc_op_free(prox->W);
}

static sc_status prox_begin(wavelet_prox *prox, const sc_problem *problem,
                            const sc_options *options, sc_key key)
{
    const sc_shape *domain = &problem->A->domain;
    const char *filter = filter_names[(int)sc_options_get(options, "wavelet")];
    sc_status status = SC_OK;
    *prox = (wavelet_prox){.key = key, .shift = sc_options_get(options, "shift") != 0};
    SC_TRY(sc_op_wavelet(&prox->W, problem->device, domain, domain->rank - 1, filter));
    SC_TRY(sc_op_work_create(prox->W, &prox->work));
    SC_TRY(sc_classical_lambda(&prox->lambda, problem, options));
    sc_op_wavelet_period(prox->W, prox->period);
cleanup:
    return status;
}

static sc_status run(sc_estimate *estimate, const sc_problem *problem, const sc_score *score,
                     const sc_options *options, sc_key key, const sc_progress *progress)
{
    sc_classical work = {0};
    wavelet_prox wavelet = {0};
    sc_prox prox = {&wavelet, apply};
    sc_fista_options fista = {.iterations = (int)sc_options_get(options, "iterations"),
                              .tolerance = sc_options_get(options, "tolerance"),
                              .end_on_data = sc_options_get(options, "end") == 1,
                              .phase = "l1-wavelet"};
    int64_t applications = 0;
    sc_status status = SC_OK;
    (void)score;
    SC_TRY(sc_classical_needs_complex(problem, "l1-wavelet"));
    SC_TRY(sc_classical_begin(&work, problem));
    SC_TRY(prox_begin(&wavelet, problem, options, key));
    SC_TRY(sc_classical_step(&fista.step, &work, key));
    SC_TRY(sc_fista(work.x, work.rhs, problem->A, &prox, &fista, &applications, progress));
    work.applications += applications;
    SC_TRY(sc_classical_estimate(estimate, &work));
cleanup:
    prox_end(&wavelet);
    sc_classical_end(&work);
    return status;
}

static void plan(double *evaluations, double *applications, const sc_options *options)
{
    *evaluations = 0;
    *applications = sc_options_get(options, "iterations") + SC_CLASSICAL_STEP_COST;
}

const sc_method sc_method_l1_wavelet = {
    .name = "l1-wavelet",
    .claim = "point estimate",
    .help = "sparse in a wavelet basis, FISTA with random shifts",
    .source = "Lustig et al. 2007, Magn. Reson. Med. 58:1182; Beck and Teboulle 2009",
    .options = options_l1_wavelet,
    .run = run,
    .plan = plan,
};
