/* The loop of diffusion.h: it owns the memory of a run, asks the score, counts the cost, and
 * turns the samples of all batches into the estimate.
 */
#include "recon/diffusion.h"
#include "base/memory.h"
#include "recon/classical.h"
#include "recon/uncertainty.h"
#include <assert.h>
#include <math.h>
#include <string.h>

enum { AUTO_BATCH_VALUES = 65536 };

static int samples_wanted(const sc_diffusion_pieces *pieces, const sc_options *options)
{
    return pieces->random ? (int)sc_options_get(options, "samples") : 1;
}

static int batch_size(const sc_diffusion *run, int samples)
{
    int batch = run->pieces->random ? (int)sc_options_get(run->options, "batch") : 1;
    if (batch == 0)
        batch = run->n < AUTO_BATCH_VALUES ? (int)(AUTO_BATCH_VALUES / run->n) : 1;
    return batch < samples ? batch : samples;
}

static void release(sc_diffusion *run)
{
    const sc_device *device = run->problem->device;
    if (run->pieces->release)
        run->pieces->release(run);
    sc_gaussian_step_free(run->gaussian);
    sc_through_slice_free(run->through);
    sc_device_release(device, run->initial);
    sc_device_release(device, run->x);
    sc_device_release(device, run->d);
    sc_device_release(device, run->z);
    sc_free(run->host);
    sc_free(run->kept);
    sc_free(run->host_sigma);
    sc_free(run->sigma);
}

static bool has_option(const sc_options *options, const char *name)
{
    for (const sc_option *o = options->table; o->name; o++)
        if (strcmp(o->name, name) == 0)
            return true;
    return false;
}

/* The coupling of a stack's slices, where the method knows it and it is on. */
static sc_status couple(sc_diffusion *run, int batch)
{
    const sc_problem *problem = run->problem;
    if (!problem->through || !has_option(run->options, "through-slice") ||
        sc_diffusion_option(run, "through-slice") == 0)
        return SC_OK;
    sc_through_slice_options options = {
        .lambda = sc_diffusion_option(run, "through-slice"),
        .threshold = sc_diffusion_option(run, "through-threshold"),
        .iterations = (int)sc_diffusion_option(run, "through-iterations")};
    return sc_through_slice_create(&run->through, problem->A, problem->through, problem->sigma,
                                   batch, &options);
}

static sc_status reserve(sc_diffusion *run, int batch)
{
    sc_status status = SC_OK;
    const sc_problem *problem = run->problem;
    const sc_device *device = problem->device;
    int64_t values = batch * run->n;
    SC_TRY(sc_gaussian_step_create(&run->gaussian, problem));
    SC_TRY(couple(run, batch));
    SC_TRY(SC_DEVICE_ALLOC(device, &run->initial, run->n));
    SC_TRY(SC_DEVICE_ALLOC(device, &run->x, values));
    SC_TRY(SC_DEVICE_ALLOC(device, &run->d, values));
    SC_TRY(SC_DEVICE_ALLOC(device, &run->z, values));
    SC_TRY(SC_ALLOC(&run->host, (run->pieces->gradient ? 4 : 2) * values, "images for the score"));
    if (run->pieces->kept > 0)
        SC_TRY(SC_ALLOC(&run->kept, run->pieces->kept * values, "images between levels"));
    SC_TRY(SC_ALLOC(&run->host_sigma, (int64_t)batch * problem->sets, "noise levels"));
    SC_TRY(SC_ALLOC(&run->sigma, run->levels + 1, "noise levels"));
cleanup:
    return status;
}

static sc_status piece(sc_diffusion *run, sc_diffusion_piece *what, int level)
{
    return what ? what(run, level) : SC_OK;
}

/* One batch through all levels. `done` batches before it, of `total`. */
static sc_status run_batch(sc_diffusion *run, const sc_progress *progress, double done,
                           double total)
{
    sc_status status = SC_OK;
    const sc_diffusion_pieces *p = run->pieces;
    const sc_device *device = run->problem->device;
    if (run->kept)
        memset(run->kept, 0, (size_t)(p->kept * run->samples * run->n) * sizeof(float));
    if (run->through)
        sc_through_slice_reset(run->through);
    SC_TRY(piece(run, p->start, 0));
    for (int k = 0; k < run->levels; k++) {
        SC_TRY(sc_progress_step(progress, p->name, done + (double)k / run->levels, total));
        SC_TRY(piece(run, p->predictor, k));
        SC_TRY(piece(run, p->data, k));
        SC_TRY(piece(run, p->corrector, k));
        if (device->kernels->count_not_finite(device, run->x, run->samples * run->n))
            SC_TRY(sc_fail(SC_ERR_NUMERIC, "%s: values are no longer finite at noise level %g",
                           p->name, run->sigma[k]));
    }
    SC_TRY(piece(run, p->finish, run->levels));
cleanup:
    return status;
}

/* The batch's results into samples[first ...], zero where the maps say nothing. */
static sc_status keep(sc_array *samples, sc_diffusion *run, int first)
{
    const sc_problem *problem = run->problem;
    const sc_device *device = problem->device;
    int64_t values = run->samples * run->n, pixels = problem->ny * problem->nx;
    int64_t images = (int64_t)run->samples * problem->sets;
    int parts = problem->A->domain.dtype == SC_C32 ? 2 : 1;
    sc_status status =
        device->kernels->download(device, run->host, run->x, (size_t)values * sizeof(float));
    if (status != SC_OK)
        return status;
    float *out = (float *)((sc_c32 *)samples->data + (int64_t)first * problem->sets * pixels);
    for (int64_t i = 0; i < images; i++)
        for (int64_t p = 0; p < pixels; p++) {
            const float *v = run->host + (i * pixels + p) * parts;
            float w = problem->support ? problem->support[p] : 1;
            out[2 * (i * pixels + p)] = w * v[0];
            out[2 * (i * pixels + p) + 1] = parts == 2 ? w * v[1] : 0;
        }
    return SC_OK;
}

static sc_status residual(sc_estimate *estimate, sc_diffusion *run)
{
    const sc_device *device = run->problem->device;
    int parts = run->problem->A->domain.dtype == SC_C32 ? 2 : 1;
    const float *mean = estimate->mean.data;
    for (int64_t e = 0; e < run->n; e++)
        run->host[e] = mean[parts == 2 ? e : 2 * e];
    sc_status status =
        device->kernels->upload(device, run->x, run->host, (size_t)run->n * sizeof(float));
    if (status != SC_OK)
        return status;
    estimate->residual = sc_gaussian_step_residual(run->gaussian, run->x);
    estimate->score_evaluations = run->evaluations;
    estimate->operator_applications = run->gaussian->applications;
    return device->kernels->sync(device);
}

static sc_status run_all(sc_array *samples, sc_diffusion *run, int wanted, int batch,
                         const sc_progress *progress)
{
    sc_status status = SC_OK;
    sc_key key = run->key;
    SC_TRY(run->pieces->plan(run));
    for (int first = 0; first < wanted; first += batch) {
        run->samples = wanted - first < batch ? wanted - first : batch;
        run->key.sample = key.sample + (uint32_t)first;
        SC_TRY(run_batch(run, progress, first / (double)batch, ceil(wanted / (double)batch)));
        SC_TRY(keep(samples, run, first));
    }
    SC_TRY(sc_progress_step(progress, run->pieces->name, 1, 1));
cleanup:
    return status;
}

/* Methods without a data step to solve have no option for it. */
static int solver_iterations(const sc_options *options)
{
    return has_option(options, "cg") ? (int)sc_options_get(options, "cg") : 0;
}

static sc_status begin(sc_diffusion *run, int *batch, int samples)
{
    const sc_score *score = run->score;
    int channels = run->problem->A->domain.dtype == SC_C32 ? 2 : 1;
    if (score->channels != channels)
        return sc_fail(SC_ERR_INPUT, "prior %s: expected %d channel%s for this scan, found %d",
                       score->name, channels, channels == 2 ? "s (complex)" : " (real)",
                       score->channels);
    run->n = sc_shape_floats(&run->problem->A->domain);
    assert(run->n == (int64_t)channels * run->problem->sets * run->problem->ny * run->problem->nx);
    run->levels = (int)sc_options_get(run->options, "levels");
    run->solve = (sc_solve){solver_iterations(run->options), 1e-6};
    *batch = batch_size(run, samples);
    run->samples = *batch;
    return reserve(run, *batch);
}

sc_status sc_diffusion_run(sc_estimate *estimate, const sc_diffusion_pieces *pieces,
                           const sc_problem *problem, const sc_score *score,
                           const sc_options *options, sc_key key, const sc_progress *progress)
{
    sc_status status = SC_OK;
    sc_diffusion run = {
        .pieces = pieces, .problem = problem, .score = score, .options = options, .key = key};
    sc_array samples = {0};
    int wanted = samples_wanted(pieces, options), batch = 1;
    SC_TRY(begin(&run, &batch, wanted));
    SC_TRY(sc_array_create(&samples, SC_C32, 4,
                           (int64_t[]){wanted, problem->sets, problem->ny, problem->nx}));
    SC_TRY(run_all(&samples, &run, wanted, batch, progress));
    SC_TRY(sc_uncertainty_moments(&estimate->mean, &estimate->std, &samples));
    SC_TRY(residual(estimate, &run));
    if (wanted > 1) {
        estimate->samples = samples;
        samples = (sc_array){0};
    } else
        sc_array_free(&estimate->std);
cleanup:
    if (status != SC_OK) {
        sc_array_free(&estimate->mean);
        sc_array_free(&estimate->std);
    }
    sc_array_free(&samples);
    release(&run);
    return status;
}

void sc_diffusion_levels(sc_diffusion *run, double first, double last)
{
    int n = run->levels;
    for (int k = 0; k < n; k++)
        run->sigma[k] = n == 1 ? first : first * pow(last / first, (double)k / (n - 1));
    run->sigma[n] = 0;
}

/* Reflect images (images, ny, nx, parts) in place. */
static void reflect(float *x, int how, int64_t images, int64_t ny, int64_t nx, int parts)
{
    int64_t pixels = ny * nx;
    for (int64_t i = 0; i < images && how; i++, x += pixels * parts)
        for (int64_t p = 0; p < pixels; p++) {
            int64_t row = p / nx, column = p % nx;
            int64_t q = (how & 1 ? ny - 1 - row : row) * nx + (how & 2 ? nx - 1 - column : column);
            for (int c = 0; c < parts && p < q; c++) {
                float other = x[q * parts + c];
                x[q * parts + c] = x[p * parts + c];
                x[p * parts + c] = other;
            }
        }
}

double sc_diffusion_option(const sc_diffusion *run, const char *name)
{
    return sc_options_get(run->options, name);
}

sc_status sc_diffusion_denoised(sc_diffusion *run, int level)
{
    return sc_diffusion_denoise(run, run->d, run->x, run->sigma[level]);
}

sc_status sc_diffusion_last_denoise(sc_diffusion *run, int level)
{
    if (sc_diffusion_option(run, "denoise") == 0)
        return SC_OK;
    return sc_diffusion_denoise(run, run->x, run->x, run->sigma[level - 1]);
}

sc_status sc_diffusion_denoise(sc_diffusion *run, float *d, const float *x, double sigma)
{
    sc_status status = SC_OK;
    const sc_problem *problem = run->problem;
    const sc_device *device = problem->device;
    int64_t values = run->samples * run->n;
    size_t bytes = (size_t)values * sizeof(float);
    int images = run->samples * problem->sets;
    for (int i = 0; i < images; i++)
        run->host_sigma[i] = sigma;
    SC_TRY(device->kernels->download(device, run->host, x, bytes));
    reflect(run->host, run->mirror, images, problem->ny, problem->nx, run->score->channels);
    SC_TRY(sc_score_denoise(run->score, run->host + values, run->host, run->host_sigma, images,
                            (int)problem->ny, (int)problem->nx));
    reflect(run->host + values, run->mirror, images, problem->ny, problem->nx,
            run->score->channels);
    SC_TRY(device->kernels->upload(device, d, run->host + values, bytes));
    run->evaluations += run->samples;
cleanup:
    return status;
}

sc_status sc_diffusion_gradient(sc_diffusion *run, float *g, const float *x, const float *v,
                                double sigma)
{
    sc_status status = SC_OK;
    const sc_problem *problem = run->problem;
    const sc_device *device = problem->device;
    const sc_score *score = run->score;
    int64_t values = run->samples * run->n, ny = problem->ny, nx = problem->nx;
    size_t bytes = (size_t)values * sizeof(float);
    int images = run->samples * problem->sets;
    float *x_host = run->host, *v_host = x_host + values, *d_host = v_host + values;
    float *g_host = d_host + values;
    assert(run->pieces->gradient);
    for (int i = 0; i < images; i++)
        run->host_sigma[i] = sigma;
    SC_TRY(device->kernels->download(device, x_host, x, bytes));
    SC_TRY(device->kernels->download(device, v_host, v, bytes));
    reflect(x_host, run->mirror, images, ny, nx, score->channels);
    reflect(v_host, run->mirror, images, ny, nx, score->channels);
    SC_TRY(sc_score_denoise_vjp(score, d_host, g_host, x_host, run->host_sigma, v_host, images,
                                (int)ny, (int)nx));
    reflect(g_host, run->mirror, images, ny, nx, score->channels);
    SC_TRY(device->kernels->upload(device, g, g_host, bytes));
    run->evaluations += SC_GRADIENT_EVALUATIONS * run->samples;
cleanup:
    return status;
}

void sc_diffusion_noise(sc_diffusion *run, float *z, uint32_t draw, uint32_t step)
{
    const sc_device *device = run->problem->device;
    int slices = run->problem->slices > 1 ? run->problem->slices : 1;
    int64_t n = run->n / slices;
    for (int i = 0; i < run->samples * slices; i++) {
        sc_key key = run->key;
        key.sample += (uint32_t)(i / slices);
        key.slice += (uint32_t)(i % slices);
        device->kernels->normal(device, z + i * n, n, key, draw, step);
    }
}

sc_status sc_diffusion_condition(sc_diffusion *run, float *d, double r)
{
    sc_status status = SC_OK;
    sc_gaussian_step *g = run->gaussian;
    for (int i = 0; i < run->samples; i++) {
        float *x = d + i * run->n;
        if (run->through)
            SC_TRY(sc_through_slice_step(run->through, x, g->aty, r, i, run->solve.iterations,
                                         run->solve.tolerance, &g->applications));
        else
            SC_TRY(sc_gaussian_step_mean(g, x, x, r, run->solve));
    }
cleanup:
    return status;
}

sc_status sc_diffusion_detail(const sc_diffusion *run, double *spread)
{
    double lambda = 0; /* sigma^2 / spread^2 */
    sc_status status = sc_cg_sense_weight(&lambda, run->problem);
    *spread = lambda > 0 ? run->problem->sigma / sqrt(lambda) : 0.1;
    return status;
}

double sc_diffusion_measured_error(const sc_diffusion *run, double residual)
{
    const sc_problem *p = run->problem;
    int64_t pixels = p->ny * p->nx, inside = 0;
    for (int64_t i = 0; p->support && i < pixels; i++)
        inside += p->support[i] != 0;
    double share = p->support ? (double)inside / (double)pixels : 1;
    double gain = share / (p->coils > 0 ? p->coils : 1);
    return residual > 1 && gain > 0 ? p->sigma * sqrt((residual - 1) / gain) : 0;
}

sc_status sc_diffusion_sense_start(sc_diffusion *run, double spread)
{
    const sc_device *device = run->problem->device;
    device->kernels->fill(device, run->initial, 0, run->n);
    sc_solve solve = {SC_START_CG, run->solve.tolerance};
    return sc_gaussian_step_mean(run->gaussian, run->initial, NULL, spread, solve);
}

sc_status sc_diffusion_warm_levels(sc_diffusion *run)
{
    sc_status status = SC_OK;
    double start = sc_diffusion_option(run, "start"), error = 0, spread = 0;
    double last = sc_diffusion_option(run, "sigma-end") * run->problem->sigma;
    sc_key key = run->key;
    key.sample = 0;
    SC_TRY(sc_diffusion_detail(run, &spread));
    SC_TRY(sc_diffusion_sense_start(run, spread));
    SC_TRY(sc_gaussian_step_spread(run->gaussian, &error, spread, key,
                                   (sc_solve){SC_START_CG, run->solve.tolerance}));
    double first = fmin(start * error, sc_sde_noise_max(&run->score->sde));
    sc_diffusion_levels(run, fmax(first, last), last);
cleanup:
    return status;
}

sc_status sc_diffusion_prior_levels(sc_diffusion *run)
{
    const sc_sde *sde = &run->score->sde;
    double first = sc_diffusion_option(run, "sigma-max");
    double last = sc_diffusion_option(run, "sigma-min");
    first = first > 0 ? first : sc_sde_noise_max(sde);
    last = last > 0 ? last : sc_sde_noise_min(sde);
    if (!(last < first))
        return sc_fail(SC_ERR_USAGE, "option sigma-min: expected less than sigma-max %g, found %g",
                       first, last);
    sc_diffusion_levels(run, first, last);
    return SC_OK;
}

sc_status sc_diffusion_warm_start(sc_diffusion *run, int level)
{
    (void)level;
    sc_diffusion_axpby(run, run->x, 1, run->initial, 0, run->initial);
    return SC_OK;
}

sc_status sc_diffusion_noisy_start(sc_diffusion *run, int level)
{
    const sc_device *device = run->problem->device;
    sc_diffusion_noise(run, run->x, SC_DRAW_INIT, (uint32_t)level);
    for (int i = 0; i < run->samples; i++) {
        float *x = run->x + i * run->n;
        device->kernels->axpby(device, x, (float)run->sigma[0], x, 1, run->initial, run->n);
    }
    return SC_OK;
}

double sc_diffusion_spread(double sigma, double spread)
{
    return sigma * spread / hypot(sigma, spread);
}

void sc_diffusion_axpby(sc_diffusion *run, float *z, double a, const float *x, double b,
                        const float *y)
{
    const sc_device *device = run->problem->device;
    device->kernels->axpby(device, z, (float)a, x, (float)b, y, run->samples * run->n);
}
