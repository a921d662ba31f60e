/* The implicit Gaussian likelihood step (gaussian_step.h): right-hand sides, one solver. */
#include "recon/gaussian_step.h"
#include "base/memory.h"
#include <math.h>

sc_status sc_gaussian_step_create(sc_gaussian_step **step, const sc_problem *problem)
{
    sc_status status = SC_OK;
    sc_gaussian_step *s = NULL;
    const sc_device *device = problem->device;
    SC_TRY(SC_ALLOC(&s, 1, "Gaussian step"));
    s->problem = problem;
    s->n = sc_shape_floats(&problem->A->domain);
    s->m = sc_shape_floats(&problem->A->range);
    SC_TRY(SC_DEVICE_ALLOC(device, &s->aty, s->n));
    SC_TRY(SC_DEVICE_ALLOC(device, &s->rhs, s->n));
    SC_TRY(SC_DEVICE_ALLOC(device, &s->image, s->n));
    SC_TRY(SC_DEVICE_ALLOC(device, &s->data, s->m));
    SC_TRY(sc_cg_work_create(&s->cg, problem->A));
    sc_op_adjoint(problem->A, s->aty, problem->y, s->cg.op_work);
    *step = s;
    return SC_OK;
cleanup:
    sc_gaussian_step_free(s);
    *step = NULL;
    return status;
}

void sc_gaussian_step_free(sc_gaussian_step *step)
{
    if (!step)
        return;
    const sc_device *device = step->problem->device;
    sc_device_release(device, step->aty);
    sc_device_release(device, step->rhs);
    sc_device_release(device, step->image);
    sc_device_release(device, step->data);
    sc_cg_work_free(&step->cg, step->problem->A);
    sc_free(step);
}

sc_status sc_gaussian_step_solve(sc_gaussian_step *s, float *x, const float *rhs, double kappa,
                                 sc_solve solve)
{
    sc_cg_options options = {
        .a = kappa, .b = 1, .iterations = solve.iterations, .tolerance = solve.tolerance};
    sc_cg_result result = {0};
    sc_status status = sc_cg_solve(x, rhs, s->problem->A, &options, true, &s->cg, &result, NULL);
    s->applications += result.applications;
    return status;
}

sc_status sc_gaussian_step_mean_of(sc_gaussian_step *s, float *x, const float *centre,
                                   const float *aty, double r, sc_solve solve)
{
    const sc_device *device = s->problem->device;
    double sigma_y = s->problem->sigma, kappa = r * r / (sigma_y * sigma_y);
    const float *c = centre ? centre : aty;
    device->kernels->axpby(device, s->rhs, (float)kappa, aty, centre ? 1 : 0, c, s->n);
    return sc_gaussian_step_solve(s, x, s->rhs, kappa, solve);
}

sc_status sc_gaussian_step_mean(sc_gaussian_step *s, float *x, const float *centre, double r,
                                sc_solve solve)
{
    return sc_gaussian_step_mean_of(s, x, centre, s->aty, r, solve);
}

/* image = A^H n1, n1 unit noise in the data; what A does not measure, A^H ignores */
static void data_noise(sc_gaussian_step *s, sc_key key, uint32_t index)
{
    const sc_device *device = s->problem->device;
    device->kernels->normal(device, s->data, s->m, key, SC_DRAW_LIKELIHOOD_DATA, index);
    sc_op_adjoint(s->problem->A, s->image, s->data, s->cg.op_work);
}

enum { SPREAD_INDEX = (1 << 20) - 1 };

/* sqrt of the mean square of x (n) over the support */
static sc_status support_rms(sc_gaussian_step *s, double *rms, const float *x)
{
    const sc_problem *problem = s->problem;
    sc_status status = SC_OK;
    float *host = NULL;
    int64_t pixels = problem->ny * problem->nx, parts = s->n / (pixels * problem->sets);
    double square = 0, count = 0;
    SC_TRY(SC_ALLOC(&host, s->n, "image"));
    SC_TRY(
        problem->device->kernels->download(problem->device, host, x, (size_t)s->n * sizeof *host));
    for (int64_t e = 0; e < s->n; e++)
        if (!problem->support || problem->support[e / parts % pixels] > 0) {
            square += (double)host[e] * host[e];
            count++;
        }
    *rms = count > 0 ? sqrt(square / count) : 0;
cleanup:
    sc_free(host);
    return status;
}

sc_status sc_gaussian_step_spread(sc_gaussian_step *s, double *std, double r, sc_key key,
                                  sc_solve solve)
{
    sc_status status = SC_OK;
    const sc_device *device = s->problem->device;
    float *e = NULL;
    double sigma_y = s->problem->sigma, kappa = r * r / (sigma_y * sigma_y);
    SC_TRY(SC_DEVICE_ALLOC(device, &e, s->n));
    /* C^(1/2) noise = (kappa A^H A + I)^-1 (r n2 + kappa sigma_y A^H n1) */
    device->kernels->normal(device, s->rhs, s->n, key, SC_DRAW_LIKELIHOOD_IMAGE, SPREAD_INDEX);
    data_noise(s, key, SPREAD_INDEX);
    device->kernels->axpby(device, s->rhs, (float)r, s->rhs, (float)(kappa * sigma_y), s->image,
                           s->n);
    SC_TRY(sc_gaussian_step_solve(s, e, s->rhs, kappa, solve));
    SC_TRY(support_rms(s, std, e));
cleanup:
    sc_device_release(device, e);
    return status;
}

sc_status sc_gaussian_step_draw(sc_gaussian_step *s, float *x, const float *centre, double r,
                                sc_key key, uint32_t index, sc_solve solve)
{
    const sc_device *device = s->problem->device;
    const sc_kernels *k = device->kernels;
    double sigma_y = s->problem->sigma, kappa = r * r / (sigma_y * sigma_y);
    /* rhs = centre + r n2 + kappa A^H (y + sigma_y n1) */
    k->normal(device, s->rhs, s->n, key, SC_DRAW_LIKELIHOOD_IMAGE, index);
    k->axpby(device, s->rhs, (float)r, s->rhs, centre ? 1 : 0, centre ? centre : s->rhs, s->n);
    k->axpby(device, s->rhs, 1, s->rhs, (float)kappa, s->aty, s->n);
    data_noise(s, key, index);
    k->axpby(device, s->rhs, 1, s->rhs, (float)(kappa * sigma_y), s->image, s->n);
    return sc_gaussian_step_solve(s, x, s->rhs, kappa, solve);
}

sc_status sc_gaussian_step_langevin(sc_gaussian_step *s, float *x, const float *d, double sigma,
                                    double gamma, sc_key key, uint32_t index, sc_solve solve)
{
    const sc_device *device = s->problem->device;
    const sc_kernels *k = device->kernels;
    double sigma_y = s->problem->sigma, kappa = sigma * sigma / (sigma_y * sigma_y);
    float g = (float)gamma, spread = (float)sqrt(2 * gamma);
    /* the update times M^-1 sigma^2:
     * rhs = (1 - g) x + g d + sqrt(2 g) sigma n2
     *     + kappa ((1 - g) A^H A x + g A^H y + sqrt(2 g) sigma_y A^H n1) */
    k->normal(device, s->rhs, s->n, key, SC_DRAW_LIKELIHOOD_IMAGE, index);
    k->axpby(device, s->rhs, spread * (float)sigma, s->rhs, g, d, s->n);
    k->axpby(device, s->rhs, 1, s->rhs, 1 - g, x, s->n);
    data_noise(s, key, index);
    k->axpby(device, s->rhs, 1, s->rhs, spread * (float)(kappa * sigma_y), s->image, s->n);
    k->axpby(device, s->rhs, 1, s->rhs, g * (float)kappa, s->aty, s->n);
    sc_op_normal(s->problem->A, s->image, x, s->cg.op_work);
    k->axpby(device, s->rhs, 1, s->rhs, (1 - g) * (float)kappa, s->image, s->n);
    s->applications++;
    return sc_gaussian_step_solve(s, x, s->rhs, kappa, solve);
}

double sc_gaussian_step_residual(sc_gaussian_step *s, const float *x)
{
    const sc_problem *problem = s->problem;
    const sc_device *device = problem->device;
    sc_op_forward(problem->A, s->data, x, s->cg.op_work);
    device->kernels->axpby(device, s->data, 1, problem->y, -1, s->data, s->m);
    double square = device->kernels->dot(device, s->data, s->data, s->m);
    int parts = problem->A->range.dtype == SC_C32 ? 2 : 1;
    return square / (parts * (double)problem->measured * problem->sigma * problem->sigma);
}
