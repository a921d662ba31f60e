/* D = c_skip x + c_out F(c_in x, c_noise) for the parametrisations of the family.
 *
 * EDM: Karras et al. 2022, table 1. VE: s = F(x, ln sigma) / sigma (NCSN++, scale_by_sigma), so
 * D = x + sigma^2 s = x + sigma F. VP: F predicts minus the noise's negative, s = -F / std at the
 * time whose signal-to-noise ratio is that of sigma (beta from 0.1 to 20):
 * D = x - sigma F(x / sqrt(1 + sigma^2), 999 t).
 */
#include "prior/network/network_internal.h"
#include <math.h>

static sc_precondition edm(const sc_network_config *config, double sigma)
{
    double data = config->sigma_data, norm = sqrt(sigma * sigma + data * data);
    return (sc_precondition){1 / norm, data * data / (norm * norm), sigma * data / norm,
                             log(sigma) / 4};
}

static sc_precondition ve(double sigma)
{
    return (sc_precondition){1, 1, sigma, log(sigma)};
}

static sc_precondition vp(double sigma)
{
    const double beta_min = .1, beta_range = 19.9;
    double s2 = sigma * sigma;
    double t = (sqrt(beta_min * beta_min + 2 * beta_range * log1p(s2)) - beta_min) / beta_range;
    return (sc_precondition){1 / sqrt(1 + s2), 1, -sigma, 999 * t};
}

sc_precondition sc_precondition_at(const sc_network_config *config, double sigma)
{
    if (config->precondition_edm)
        return edm(config, sigma);
    return config->scale_by_sigma ? ve(sigma) : vp(sigma);
}
