#include "subject.h"
#include "sdes.h"
#include <base/file.h>
#include <prior/score_sde_config.h>
#include <string.h>

#define CONFIG_LIMIT ((size_t)16 << 20)

static sc_status path_of(char path[4096], const parity *p, const char *name, const char *end)
{
    char file[160];
    snprintf(file, sizeof file, "%s%s", name, end);
    return sc_path_join(path, 4096, p->folder, file);
}

static sc_status open_part(reference *r, const subject *s, const char *end)
{
    char file[160];
    snprintf(file, sizeof file, "%s%s", s->name, end);
    return reference_open(r, s->p->folder, file);
}

sc_status load_theta(float *theta, const sc_network *network, const reference *r,
                     const char *prefix)
{
    const sc_parameter *parameter;
    int count = sc_network_parameters(network, &parameter);
    for (int i = 0; i < count; i++) {
        const sc_parameter *q = &parameter[i];
        tensor t = tensor_get(r, "%s%s", prefix, q->name);
        bool fits = t.v && t.count == q->count && t.rank == q->rank;
        for (int k = 0; fits && k < t.rank; k++)
            fits = t.dim[k] == q->dim[k];
        if (!fits)
            return sc_fail(SC_ERR_FORMAT, "parameter %s of the network is %s in the state dict",
                           q->name, t.v ? "of another shape" : "missing");
        for (int64_t k = 0; k < t.count; k++)
            theta[q->offset + k] = (float)t.v[k];
    }
    return SC_OK;
}

sc_status subject_open(subject *s, const parity *p, const char *name)
{
    sc_status status = SC_OK;
    char path[4096];
    sc_score_sde_config config;
    *s = (subject){.p = p};
    snprintf(s->name, sizeof s->name, "%s", name);
    SC_TRY(path_of(path, p, name, ".config.json"));
    SC_TRY(sc_json_read(&s->json, path, CONFIG_LIMIT));
    SC_TRY(open_part(&s->state, s, ".safetensors"));
    SC_TRY(open_part(&s->io, s, ".io.safetensors"));
    SC_TRY(open_part(&s->grads, s, ".grads.safetensors"));
    SC_TRY(sc_score_sde_config_read(&config, path));
    s->config = config.network;
    SC_TRY(sc_network_create(&s->network, &s->config));
    s->theta = POOL(float, sc_network_parameter_count(s->network));
    SC_TRY(load_theta(s->theta, s->network, &s->state, ""));
cleanup:
    return status;
}

void subject_close(subject *s)
{
    json_decref(s->json);
    reference_free(&s->state);
    reference_free(&s->io);
    reference_free(&s->grads);
    sc_network_free(s->network);
}

int variant_count(const subject *s)
{
    return (int)json_array_size(json_object_get(s->json, "sde"));
}

sc_status variant_get(variant *v, const subject *s, int i)
{
    sc_status status = SC_OK;
    const json_t *entry = json_array_get(json_object_get(s->json, "sde"), (size_t)i);
    const char *kind;
    int64_t levels;
    *v = (variant){.prefix = "", .eps = 1e-5};
    SC_TRY(sc_json_get_string(&kind, entry, "kind"));
    SC_TRY(sc_json_get_bool(&v->continuous, entry, "continuous"));
    SC_TRY(sc_json_get_int(&levels, entry, "N", 1, 1000000));
    SC_TRY(sc_json_get_string(&v->prefix, entry, "prefix"));
    v->levels = (int)levels;
    v->sde.kind = sde_kind_of(kind);
    if (v->sde.kind == SC_SDE_VE) {
        SC_TRY(sc_json_get_real(&v->sde.sigma_min, entry, "sigma_min", 1e-12, 1e12));
        SC_TRY(sc_json_get_real(&v->sde.sigma_max, entry, "sigma_max", 1e-12, 1e12));
    } else {
        SC_TRY(sc_json_get_real(&v->sde.beta_min, entry, "beta_min", 1e-12, 1e12));
        SC_TRY(sc_json_get_real(&v->sde.beta_max, entry, "beta_max", 1e-12, 1e12));
    }
cleanup:
    return status;
}

sc_status variant_network(sc_network **network, const subject *s, const variant *v)
{
    sc_network_config config = s->config;
    config.sde = (sc_sde){v->sde.kind, .01, 50, .1, 20}; /* what the kind does not read is any */
    if (v->sde.kind == SC_SDE_VE)
        config.sde.sigma_min = v->sde.sigma_min, config.sde.sigma_max = v->sde.sigma_max;
    else
        config.sde.beta_min = v->sde.beta_min, config.sde.beta_max = v->sde.beta_max;
    config.continuous = v->continuous;
    config.num_scales = v->levels;
    return sc_network_create(network, &config);
}

sc_status variant_run(sc_run **run, const sc_network *network, const subject *s, int n, int h,
                      int w, bool backward)
{
    sc_status status = sc_run_create(run, network, s->p->device, n, h, w, backward);
    return status == SC_OK ? sc_run_set_theta(*run, s->theta) : status;
}

static json_t *config_of(const parity *p, const char *name)
{
    char path[4096];
    json_t *json = NULL;
    if (path_of(path, p, name, ".config.json") == SC_OK)
        sc_json_read(&json, path, CONFIG_LIMIT);
    return json;
}

static bool same_shape(const json_t *shape, const tensor *t, int first)
{
    bool same = (int)json_array_size(shape) == t->rank - first;
    for (int i = first; same && i < t->rank; i++)
        same = json_integer_value(json_array_get(shape, (size_t)(i - first))) == t->dim[i];
    return same;
}

const char *fits_weights(const parity *p, const reference *r, const char *prefix)
{
    const char *candidate = p->network[p->candidate];
    json_t *json = config_of(p, candidate), *list = json_object_get(json, "parameters");
    bool fits = json_array_size(list) > 0;
    for (size_t k = 0; fits && k < json_array_size(list); k++) {
        const json_t *entry = json_array_get(list, k);
        const char *name = json_string_value(json_object_get(entry, "name"));
        tensor t = name ? tensor_get(r, "%s%s", prefix, name) : (tensor){0};
        fits = t.v && same_shape(json_object_get(entry, "shape"), &t, 0);
    }
    json_decref(json);
    return fits ? candidate : NULL;
}

static int continuous_variant(const json_t *json, sc_sde_kind kind)
{
    const json_t *list = json_object_get(json, "sde");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *sde = json_array_get(list, i);
        const char *text = json_string_value(json_object_get(sde, "kind"));
        if (text && sde_kind_of(text) == kind && json_is_true(json_object_get(sde, "continuous")))
            return (int)i;
    }
    return -1;
}

const char *fits_images(int *which, const parity *p, const tensor *image, sc_sde_kind kind)
{
    const char *candidate = p->network[p->candidate];
    json_t *json = config_of(p, candidate);
    *which = continuous_variant(json, kind);
    bool fits = *which >= 0 && image->rank == 4 &&
                same_shape(json_object_get(json, "input_shape"), image, 1);
    json_decref(json);
    return fits ? candidate : NULL;
}

/* The network's parameters are those of the published one, in its order. */
static void check_parameters(const subject *s)
{
    const sc_parameter *ours;
    const json_t *list = json_object_get(s->json, "parameters");
    int count = sc_network_parameters(s->network, &ours), theirs = (int)json_array_size(list);
    int wrong = count != theirs;
    for (int i = 0; i < count && i < theirs; i++) {
        const json_t *entry = json_array_get(list, (size_t)i);
        const char *name = json_string_value(json_object_get(entry, "name"));
        bool trained = json_is_true(json_object_get(entry, "requires_grad"));
        tensor shape = {.rank = ours[i].rank};
        memcpy(shape.dim, ours[i].dim, sizeof ours[i].dim);
        wrong += !name || strcmp(name, ours[i].name) != 0 || trained == ours[i].frozen ||
                 !same_shape(json_object_get(entry, "shape"), &shape, 0);
    }
    report_compare(s->p->report, "parameters", "names, order, shapes, which are trained",
                   &(double){wrong}, &(double){0}, 1, ABSOLUTE(.5));
    report_note(s->p->report, "%d parameters, %d differ", theirs, wrong);
}

static void check_buffers(const subject *s)
{
    variant v;
    tensor sigmas = tensor_get(&s->state, "sigmas");
    const json_t *model = json_object_get(s->json, "model");
    v.sde = sc_sde_ve(json_number_value(json_object_get(model, "sigma_min")),
                      json_number_value(json_object_get(model, "sigma_max")));
    if (!sigmas.v)
        return;
    double *ours = POOL(double, sigmas.count);
    for (int i = 0; i < sigmas.count; i++)
        ours[i] = sc_sde_level_sigma(&v.sde, (int)sigmas.count, (int)sigmas.count - 1 - i);
    report_compare(s->p->report, "buffers", "sigmas", ours, sigmas.v, sigmas.count, EACH(1e-6));
}

/* One that fails leaves the others to be compared. */
static void check_part(subject *s, const char *kind, sc_status (*check)(subject *s))
{
    sc_status status = check(s);
    if (status != SC_OK)
        report_failure(s->p->report, kind, sc_status_name(status), sc_message());
}

sc_status check_network(const parity *p, const char *name)
{
    sc_status status = SC_OK;
    subject s;
    SC_TRY(subject_open(&s, p, name));
    check_parameters(&s);
    check_buffers(&s);
    check_part(&s, "outputs", check_outputs);
    check_part(&s, "modules' outputs", check_activations);
    check_part(&s, "losses", check_losses);
cleanup:
    if (s.io.file)
        report_unread(p->report, &s.io);
    if (s.grads.file)
        report_unread(p->report, &s.grads);
    subject_close(&s);
    return status;
}
