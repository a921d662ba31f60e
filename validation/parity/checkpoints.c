/* NAME.pth, NAME.legacy.pth: imported as users do, against NAME.safetensors (the averaged weights)
 * and, where FILE.json exists, against sum, norm and first element of each raw weight. */
#include "checkpoints.h"
#include "subject.h"
#include <base/file.h>
#include <math.h>
#include <prior/import.h>
#include <string.h>

#define JSON_LIMIT ((size_t)64 << 20)

sc_status import_theta(const float **theta, const subject *s, const char *file, bool raw)
{
    sc_status status = SC_OK;
    char checkpoint[4096], config[4096], name[160];
    sc_weights weights = {0};
    const sc_import_options options = {.checkpoint = checkpoint, .config = config, .raw = raw};
    int64_t count = sc_network_parameter_count(s->network);
    snprintf(name, sizeof name, "%s.config.json", s->name);
    SC_TRY(sc_path_join(checkpoint, sizeof checkpoint, s->p->folder, file));
    SC_TRY(sc_path_join(config, sizeof config, s->p->folder, name));
    SC_TRY(sc_import_read(&weights, &options));
    if (sc_network_parameter_count(weights.network) != count)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "the imported network has another number of parameters"));
    float *copy = POOL(float, count);
    memcpy(copy, weights.theta, (size_t)count * sizeof *copy);
    *theta = copy;
cleanup:
    sc_weights_free(&weights);
    return status;
}

static sc_status check_raw(const subject *s, const char *file)
{
    sc_status status = SC_OK;
    char path[4096], name[160];
    json_t *json = NULL;
    const json_t *raw;
    const float *theta = NULL;
    const sc_parameter *q;
    snprintf(name, sizeof name, "%s.json", file);
    SC_TRY(sc_path_join(path, sizeof path, s->p->folder, name));
    if (!sc_path_exists(path))
        return SC_OK;
    SC_TRY(sc_json_read(&json, path, JSON_LIMIT));
    SC_TRY(sc_json_get_object(&raw, json, "raw"));
    SC_TRY(import_theta(&theta, s, file, true));
    int count = sc_network_parameters(s->network, &q);
    for (int i = 0; i < count; i++) {
        const json_t *entry = json_object_get(raw, q[i].name);
        double *x = to_doubles(theta + q[i].offset, q[i].count), sum = 0;
        for (int64_t k = 0; k < q[i].count; k++)
            sum += x[k];
        const double ours[3] = {sum, norm_of(x, q[i].count), x[0]};
        const double theirs[3] = {json_number_value(json_object_get(entry, "sum")),
                                  json_number_value(json_object_get(entry, "l2")),
                                  json_number_value(json_object_get(entry, "first"))};
        report_compare(s->p->report, "raw weights: sum, norm, first", q[i].name, ours, theirs, 3,
                       RELATIVE(1e-6));
    }
cleanup:
    json_decref(json);
    return status;
}

sc_status check_checkpoint(const parity *p, const char *file)
{
    sc_status status = SC_OK;
    subject s = {0};
    const float *theta = NULL;
    char name[96];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(file, "."), file);
    SC_TRY(subject_open(&s, p, name));
    SC_TRY(import_theta(&theta, &s, file, false));
    int64_t count = sc_network_parameter_count(s.network);
    report_compare(p->report, "averaged weights", "all", to_doubles(theta, count),
                   to_doubles(s.theta, count), count, EACH(1e-7));
    SC_TRY(check_raw(&s, file));
cleanup:
    subject_close(&s);
    return status;
}
