/* Karras et al. 2022, "Elucidating the design space of diffusion-based generative models": the
 * probability flow dy/dsigma = (y - D(y, sigma)) / sigma by Heun's rule (algorithm 1), and with
 * churn (algorithm 2), where before a step from sigma_k within [churn-min, churn-max] the noise is
 * raised to
 *     sigma^ = sigma_k (1 + gamma),  gamma = min(churn / steps, sqrt 2 - 1),
 *     y^ = y + sqrt(sigma^^2 - sigma_k^2) churn-noise z.
 * sigma^ never exceeds the first level: a score knows no more noise than that.
 */
#include "base/memory.h"
#include "prior/sample_internal.h"
#include <math.h>

typedef struct {
    const sc_sample_plan *plan;
    float *slope, *next, *z;
} work;

/* slope = (y - D(y, sigma)) / sigma = dy/dsigma */
static sc_status find_slope(float *slope, const work *w, const float *y, double sigma)
{
    sc_status status = sc_sample_denoise(slope, w->plan, y, sigma);
    for (int64_t i = 0; status == SC_OK && i < w->plan->all; i++)
        slope[i] = (float)(((double)y[i] - slope[i]) / sigma);
    return status;
}

/* Heun's rule from sigma to `to`; Euler's for the last step, where the slope at 0 is unknown. */
static sc_status step(float *y, const work *w, double sigma, double to)
{
    sc_status status = SC_OK;
    double h = to - sigma;
    SC_TRY(find_slope(w->slope, w, y, sigma));
    for (int64_t i = 0; i < w->plan->all; i++)
        w->next[i] = (float)(y[i] + h * w->slope[i]);
    if (to > 0) {
        float *ahead = w->z; /* the noise of this step has been added */
        SC_TRY(find_slope(ahead, w, w->next, to));
        for (int64_t i = 0; i < w->plan->all; i++)
            w->next[i] = (float)(y[i] + h * ((double)w->slope[i] + ahead[i]) / 2);
    }
    for (int64_t i = 0; i < w->plan->all; i++)
        y[i] = w->next[i];
cleanup:
    return status;
}

/* The level after the noise was raised. */
static double churn(float *y, const work *w, int k)
{
    const sc_sample_plan *p = w->plan;
    double sigma = p->sigma[k];
    if (sigma < sc_options_get(p->options, "churn-min") ||
        sigma > sc_options_get(p->options, "churn-max"))
        return sigma;
    double gamma = fmin(sc_options_get(p->options, "churn") / p->steps, sqrt(2) - 1);
    double raised = fmin(sigma * (1 + gamma), p->sigma[0]);
    double std =
        sqrt((raised - sigma) * (raised + sigma)) * sc_options_get(p->options, "churn-noise");
    if (std > 0)
        sc_sample_draw(w->z, p, SC_DRAW_PREDICTOR, (uint32_t)k);
    for (int64_t i = 0; std > 0 && i < p->all; i++)
        y[i] = (float)(y[i] + std * w->z[i]);
    return raised;
}

sc_status sc_sample_edm(float *x, const sc_sample_plan *plan)
{
    sc_status status = SC_OK;
    work w = {.plan = plan};
    SC_TRY(SC_ALLOC(&w.slope, plan->all, "sampler"));
    SC_TRY(SC_ALLOC(&w.next, plan->all, "sampler"));
    SC_TRY(SC_ALLOC(&w.z, plan->all, "sampler"));
    sc_sample_draw(x, plan, SC_DRAW_INIT, 0);
    for (int64_t i = 0; i < plan->all; i++)
        x[i] *= (float)plan->sigma[0];
    for (int k = 0; k < plan->steps; k++) {
        SC_TRY(sc_sample_report(plan, k));
        double sigma = plan->variant == SC_EDM_CHURN ? churn(x, &w, k) : plan->sigma[k];
        sc_sample_impose(x, plan, 1, sigma, 0, k);
        SC_TRY(step(x, &w, sigma, plan->sigma[k + 1]));
    }
cleanup:
    sc_free(w.slope);
    sc_free(w.next);
    sc_free(w.z);
    return status;
}
