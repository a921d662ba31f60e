/* The probability flow from noise to an image with adaptive steps (flow.h), each image with steps
 * of its own. What is left of the noise at the end is removed unless option `denoise` is no.
 */
#include "prior/flow.h"
#include "prior/sample_internal.h"

sc_status sc_sample_ode(float *x, const sc_sample_plan *plan)
{
    sc_status status = SC_OK;
    const sc_sample_job *job = plan->job;
    const sc_sde *sde = &job->score->sde;
    sc_flow flow = sc_flow_create(job->score, job->h, job->w);
    double end = sc_options_get(plan->options, "end"), std = sc_flow_latent_std(sde);
    bool denoise = sc_options_get(plan->options, "denoise") != 0;
    flow.rtol = sc_options_get(plan->options, "rtol");
    flow.atol = sc_options_get(plan->options, "atol");
    flow.time_min = end > 0 ? end : sc_sample_time_min(sde);
    sc_sample_draw(x, plan, SC_DRAW_INIT, 0);
    for (int64_t i = 0; i < plan->all; i++)
        x[i] = (float)(x[i] * std);
    for (int k = 0; k < job->n; k++) {
        float *image = x + k * plan->count;
        sc_progress_part part = {job->progress, k, job->n};
        const sc_progress share = sc_progress_of(&part);
        sc_ode_count count;
        flow.progress = &share;
        SC_TRY(sc_flow_decode(&flow, image, image, &count));
        if (denoise)
            SC_TRY(sc_flow_denoise(&flow, image));
        if (job->evaluations)
            *job->evaluations += count.evaluations + denoise;
    }
cleanup:
    return status;
}
