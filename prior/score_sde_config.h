/* The configuration file of a published prior (score_sde of Song et al. 2021, and score-MRI, which
 * kept its form) as JSON: what its ml_collections.ConfigDict gives with to_dict(). Read are
 *
 *   model     the network's options and the noise's range (REFERENCE 1.7)
 *   data      image_size, num_channels, centered
 *   training  sde, continuous, reduce_mean, likelihood_weighting
 *
 * Other sections do not change what the network computes. A key of `model` that is not known is
 * refused, since it might; optional ones have the published defaults.
 */
#ifndef SC_PRIOR_SCORE_SDE_CONFIG_H
#define SC_PRIOR_SCORE_SDE_CONFIG_H

#include "prior/network/network.h"
#include "prior/sde.h"

typedef struct {
    sc_network_config network;
    sc_sde sde;
    int num_scales;  /* N: noise levels of the discrete SDE, steps of the published sampler */
    int image_size;  /* width at which attn_resolutions were meant */
    bool continuous; /* trained on continuous times; false: on N labels */
    bool reduce_mean, likelihood_weighting; /* of the loss */
    double ema_rate;
} sc_score_sde_config;

/* SC_ERR_FORMAT names file, section, key, what was expected and what was found; SC_ERR_UNSUPPORTED
 * an option that exists but is not supported. On failure *config is untouched. */
sc_status sc_score_sde_config_read(sc_score_sde_config *config, const char *path);
/* The same from memory, `name` for messages. */
sc_status sc_score_sde_config_parse(sc_score_sde_config *config, const char *text, size_t bytes,
                                    const char *name);

#endif
