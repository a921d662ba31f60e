/* Decoupled annealing posterior sampling for any likelihood of data_term.h: the method row `daps`
 * for data that are no sc_problem (counts of X-rays, magnitude images). A caller that has a problem
 * sets problem->term and runs the row.
 */
#ifndef SC_RECON_DAPS_H
#define SC_RECON_DAPS_H

#include "recon/problem.h"

extern const sc_method sc_method_daps;

/* Samples of p(x | y) ~ prior(x) p(y | A x), A and y the term's. A's domain is (y, x) or (set, y,
 * x), real for a prior of one channel, complex for one of two; images are in the units of the
 * prior. options: of sc_method_daps's table. estimate: empty on entry and on failure; residual is
 * the deviance per measured number (sc_data_eval_residual). */
sc_status sc_daps_sample(sc_estimate *estimate, const sc_data_term *term, const sc_score *score,
                         const sc_options *options, sc_key key, const sc_progress *progress);

#endif
