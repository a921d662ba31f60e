/* Zero-filled, combined by the coil maps: x = A^H y (Roemer et al. 1990), the matched filter. No
 * prior: what was not measured is 0.
 */
#include "recon/classical.h"

static const sc_option options_zero_filled[] = {{0}};

static sc_status run(sc_estimate *estimate, const sc_problem *problem, const sc_score *score,
                     const sc_options *options, sc_key key, const sc_progress *progress)
{
    sc_classical work;
    sc_status status = SC_OK;
    (void)score, (void)options, (void)key, (void)progress;
    SC_TRY(sc_classical_begin(&work, problem));
    problem->device->kernels->axpby(problem->device, work.x, 1, work.rhs, 0, work.rhs, work.n);
    SC_TRY(sc_classical_estimate(estimate, &work));
cleanup:
    sc_classical_end(&work);
    return status;
}

static void plan(double *evaluations, double *applications, const sc_options *options)
{
    (void)options;
    *evaluations = 0;
    *applications = 1;
}

const sc_method sc_method_zero_filled = {
    .name = "zero-filled",
    .claim = "point estimate",
    .help = "adjoint of the measurement: coil images combined by the maps",
    .source = "Roemer et al. 1990, Magn. Reson. Med. 16:192",
    .options = options_zero_filled,
    .run = run,
    .plan = plan,
};
