/* A network: its configuration, graph and parameters, and their published initial values. */
#include "base/memory.h"
#include "prior/network/network_internal.h"
#include <math.h>

static sc_status build(sc_network **network, const sc_network_config *config)
{
    sc_status status = SC_OK;
    sc_network *net = NULL;
    SC_TRY(SC_ALLOC(&net, 1, "network"));
    net->config = *config;
    SC_TRY(sc_network_build(net));
    *network = net;
    net = NULL;
cleanup:
    sc_network_free(net);
    return status;
}

sc_status sc_network_create(sc_network **network, const sc_network_config *config)
{
    sc_status status = SC_OK;
    *network = NULL;
    SC_TRY(sc_network_config_check(config));
    SC_TRY(build(network, config));
cleanup:
    return status;
}

sc_status sc_network_check_graph(const sc_network_config *config)
{
    sc_network *net = NULL;
    sc_status status = build(&net, config);
    sc_network_free(net);
    return status;
}

void sc_network_free(sc_network *network)
{
    if (!network)
        return;
    sc_free(network->tensor);
    sc_free(network->node);
    sc_free(network->parameter);
    sc_free(network->initial);
    sc_free(network);
}

const sc_network_config *sc_network_configuration(const sc_network *network)
{
    return &network->config;
}

int64_t sc_network_parameter_count(const sc_network *network) { return network->theta; }

int sc_network_parameters(const sc_network *network, const sc_parameter **parameter)
{
    *parameter = network->parameter;
    return network->parameters;
}

int sc_network_multiple(const sc_network *network) { return 1 << (network->config.levels - 1); }

/* Uniform in +- sqrt(3 scale / fan_average): score_sde's default_init. */
static void variance_scaling(float *value, const sc_parameter *p, double scale, sc_key key,
                             uint32_t step)
{
    int64_t taps = 1;
    for (int i = 2; i < p->rank; i++)
        taps *= p->dim[i];
    double fan = (double)(taps * (p->dim[0] + p->dim[1])) / 2, limit = sqrt(3 * scale / fan);
    sc_random_uniform(value, p->count, key, SC_DRAW_WEIGHTS, step);
    for (int64_t i = 0; i < p->count; i++)
        value[i] = (float)(limit * (2.0 * (double)value[i] - 1));
}

void sc_network_initialise(const sc_network *network, float *theta, uint64_t seed)
{
    sc_key key = {.seed = seed};
    for (int i = 0; i < network->parameters; i++) {
        const sc_parameter *p = &network->parameter[i];
        double initial = network->initial[i];
        float *value = theta + p->offset;
        if (initial > 0)
            variance_scaling(value, p, initial, key, (uint32_t)i);
        else if (initial == SC_INITIAL_FOURIER)
            sc_random_normal(value, p->count, key, SC_DRAW_WEIGHTS, (uint32_t)i);
        for (int64_t j = 0; j < p->count && initial <= 0; j++)
            value[j] = initial == SC_INITIAL_FOURIER
                           ? (float)(network->config.fourier_scale * (double)value[j])
                           : (float)-initial; /* one or zero */
    }
}
