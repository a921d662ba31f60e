#include "prior/import.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "prior/import_internal.h"
#include "prior/score_sde_config.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A configuration that does not fit the weights may still build the same network (the noise's
 * range changes no shape). The buffer `sigmas`, descending from sigma_max, tells. */
static sc_status check_sigmas(const float *sigmas, int64_t count, const sc_score_sde_config *config)
{
    const sc_network_config *n = &config->network;
    const double low = n->sde.sigma_min, high = n->sde.sigma_max;
    if (!sigmas || n->sde.kind != SC_SDE_VE)
        return SC_OK; /* VP networks have it, from unused keys */
    if (fabs(sigmas[0] / high - 1) > 1e-4 || fabs(sigmas[count - 1] / low - 1) > 1e-4)
        return sc_fail(SC_ERR_FORMAT, "model: sigma_max and sigma_min are %g and %g, but the "
                       "checkpoint's sigmas go from %g to %g", high, low, sigmas[0],
                       sigmas[count - 1]);
    if (!n->continuous && count != n->num_scales)
        return sc_fail(SC_ERR_FORMAT, "model: num_scales is %d, but the checkpoint has %lld sigmas",
                       n->num_scales, (long long)count);
    return SC_OK;
}

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Where the weights come from, as the record's `training`. */
static sc_status describe_source(char **text, const sc_import_options *options,
                                 const sc_import_facts *facts)
{
    sc_status status = SC_OK;
    json_t *source = json_object();
    char hash[65], config_hash[65], *printed = NULL;
    SC_TRY(sc_file_sha256(hash, options->checkpoint));
    SC_TRY(sc_file_sha256(config_hash, options->config));
    SC_TRY(sc_json_set_string(source, "imported", file_name(options->checkpoint)));
    SC_TRY(sc_json_set_string(source, "sha256", hash));
    SC_TRY(sc_json_set_string(source, "config_sha256", config_hash));
    SC_TRY(sc_json_set_string(source, "weights", facts->averaged ? "averaged" : "as they are"));
    if (facts->averaged)
        SC_TRY(sc_json_set_real(source, "ema_decay", facts->decay));
    if (facts->updates >= 0)
        SC_TRY(sc_json_set_int(source, "ema_updates", facts->updates));
    if (facts->step >= 0)
        SC_TRY(sc_json_set_int(source, "step", facts->step));
    printed = json_dumps(source, JSON_COMPACT | JSON_REAL_PRECISION(9));
    if (!printed)
        SC_TRY(sc_fail(SC_ERR_MEMORY, "no memory for the record of the import"));
    SC_TRY(sc_string_copy(text, printed));
cleanup:
    free(printed);
    json_decref(source);
    return status;
}

static const char *or_none(const char *text) { return text ? text : ""; }

static sc_status fill_record(sc_weights_record *record, const sc_score_sde_config *config,
                             const sc_import_options *options, const sc_import_facts *facts)
{
    sc_status status = SC_OK;
    record->sde = config->sde;
    SC_TRY(sc_string_copy(&record->normalisation,
                          config->network.centred ? SC_WEIGHTS_NORMALISATION_CENTRED
                                                  : SC_WEIGHTS_NORMALISATION_PUBLISHED));
    SC_TRY(sc_string_copy(&record->modality, or_none(options->modality)));
    SC_TRY(sc_string_copy(&record->anatomy, or_none(options->anatomy)));
    SC_TRY(sc_string_copy(&record->licence, options->licence ? options->licence : "not stated"));
    SC_TRY(sc_string_copy(&record->data, options->data ? options->data : "not stated"));
    SC_TRY(sc_string_copy(&record->program, or_none(options->program)));
    SC_TRY(describe_source(&record->training, options, facts));
cleanup:
    return status;
}

sc_status sc_import_read(sc_weights *weights, const sc_import_options *options)
{
    sc_status status = SC_OK;
    sc_score_sde_config config;
    sc_import_facts facts;
    float *sigmas = NULL;
    int64_t count;
    *weights = (sc_weights){0};
    SC_TRY(sc_score_sde_config_read(&config, options->config));
    SC_TRY(sc_context(sc_network_create(&weights->network, &config.network), "%s", options->config));
    SC_TRY(sc_import_state(&weights->theta, &sigmas, &count, &facts, weights->network,
                           options->checkpoint, options->raw));
    SC_TRY(sc_context(check_sigmas(sigmas, count, &config), "%s", options->config));
    SC_TRY(fill_record(&weights->record, &config, options, &facts));
cleanup:
    sc_free(sigmas);
    if (status != SC_OK)
        sc_weights_free(weights);
    return status;
}
