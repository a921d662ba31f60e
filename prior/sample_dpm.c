/* DPM-Solver++ 2M and SDE-DPM-Solver++ 2M (Lu et al. 2022, "DPM-Solver++: fast solver for guided
 * sampling of diffusion probabilistic models", algorithm 2): exponential integrators in the
 * log-SNR lambda = -ln sigma, which take D as linear in lambda along the last two levels. With
 * h = ln(sigma_k / sigma_k+1), q = sigma_k+1 / sigma_k = e^-h and
 *     D' = D_k + h / (2 h_before) (D_k - D_k-1)
 * a step is
 *     ODE  y <- q y + (1 - q) D'
 *     SDE  y <- q^2 y + (1 - q^2) D' + sigma_k+1 sqrt(1 - q^2) z
 * and the last one, to sigma = 0, y <- D. In y = x / mean the factors alpha_t of the paper are 1.
 */
#include "base/memory.h"
#include "prior/sample_internal.h"
#include <math.h>

typedef struct {
    float *d, *before, *z;
} work;

/* `weight`: h / (2 h_before), 0 for the first step */
static void step(float *y, const work *w, const sc_sample_plan *p, int k, double weight)
{
    double q = p->sigma[k + 1] / p->sigma[k], keep = q, noise = 0;
    if (p->variant == SC_DPM_SDE) {
        keep = q * q;
        noise = p->sigma[k + 1] * sqrt((1 - q) * (1 + q));
        sc_sample_draw(w->z, p, SC_DRAW_PREDICTOR, (uint32_t)k);
    }
    for (int64_t i = 0; i < p->all; i++) {
        double d = w->d[i] + weight * ((double)w->d[i] - w->before[i]);
        y[i] = (float)(keep * y[i] + (1 - keep) * d + (noise > 0 ? noise * w->z[i] : 0));
    }
}

sc_status sc_sample_dpm(float *x, const sc_sample_plan *plan)
{
    sc_status status = SC_OK;
    const double *sigma = plan->sigma;
    work w = {0};
    SC_TRY(SC_ALLOC(&w.d, plan->all, "sampler"));
    SC_TRY(SC_ALLOC(&w.before, plan->all, "sampler"));
    SC_TRY(SC_ALLOC(&w.z, plan->all, "sampler"));
    sc_sample_draw(x, plan, SC_DRAW_INIT, 0);
    for (int64_t i = 0; i < plan->all; i++)
        x[i] *= (float)sigma[0];
    for (int k = 0; k < plan->steps; k++) {
        SC_TRY(sc_sample_report(plan, k));
        sc_sample_impose(x, plan, 1, sigma[k], 0, k);
        SC_TRY(sc_sample_denoise(w.d, plan, x, sigma[k]));
        if (k == plan->steps - 1)
            break;
        double weight = k ? log(sigma[k] / sigma[k + 1]) / log(sigma[k - 1] / sigma[k]) / 2 : 0;
        step(x, &w, plan, k, weight);
        float *swap = w.before;
        w.before = w.d;
        w.d = swap;
    }
    for (int64_t i = 0; i < plan->all; i++)
        x[i] = w.d[i];
cleanup:
    sc_free(w.d);
    sc_free(w.before);
    sc_free(w.z);
    return status;
}
