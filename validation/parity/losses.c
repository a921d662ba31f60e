/* NAME.io loss.KIND_{cont,disc}.{mean,sum}.{plain,lw}: value and gradient norms; NAME.grads: the
 * gradient itself, for every parameter. */
#include "sdes.h"
#include "subject.h"
#include <math.h>
#include <prior/training_loss.h>
#include <string.h>

#define LOSS 1e-5
#define LOSS_WEIGHTED                                                                              \
    1e-4 /* likelihood weighting: g^2 / std^2, where the published std is float32 */
#define GRADIENT 1e-4
#define GRADIENT_FLOOR 1e-6 /* of the largest gradient: some are zero in exact arithmetic */

typedef struct {
    subject *s;
    variant v;
    char kind[16]; /* "vp_cont" */
    sc_network *network;
    sc_run *run;
    sc_loss_batch batch;
    bool discrete;
} losses;

/* The SDE of a loss: that of the variant of its kind, with continuous or discrete labels. */
static sc_status find_variant(losses *l, const char *sde)
{
    sc_status status = SC_OK;
    const json_t *model = json_object_get(l->s->json, "model");
    for (int i = 0; i < variant_count(l->s); i++) {
        SC_TRY(variant_get(&l->v, l->s, i));
        if (l->v.sde.kind == sde_kind_of(sde))
            break;
    }
    if (l->v.sde.kind != sde_kind_of(sde)) {
        l->v = (variant){.sde = {.kind = sde_kind_of(sde)}, .prefix = ""};
        l->v.sde.sigma_min = json_number_value(json_object_get(model, "sigma_min"));
        l->v.sde.sigma_max = json_number_value(json_object_get(model, "sigma_max"));
        l->v.sde.beta_min = json_number_value(json_object_get(model, "beta_min"));
        l->v.sde.beta_max = json_number_value(json_object_get(model, "beta_max"));
        l->v.levels = (int)json_integer_value(json_object_get(model, "num_scales"));
    }
    l->v.continuous = !l->discrete;
cleanup:
    return status;
}

static sc_status open_losses(losses *l, subject *s, const char *sde, bool discrete)
{
    sc_status status = SC_OK;
    *l = (losses){.s = s, .discrete = discrete};
    snprintf(l->kind, sizeof l->kind, "%s_%s", sde, discrete ? "disc" : "cont");
    tensor x0 = tensor_get(&s->io, "loss.x0"), z = tensor_get(&s->io, "loss.%s.z", l->kind);
    tensor t = tensor_get(&s->io, "loss.%s.%s", l->kind, discrete ? "labels" : "t");
    if (!tensor_alike(&x0, &z) || !t.v || t.count != x0.dim[0] || x0.rank != 4)
        return sc_fail(SC_ERR_FORMAT, "loss %s needs x0, z and one time an image", l->kind);
    l->batch = (sc_loss_batch){.n = (int)x0.dim[0],
                               .h = (int)x0.dim[2],
                               .w = (int)x0.dim[3],
                               .x0 = to_engine(&x0),
                               .z = to_engine(&z),
                               .time = t.v};
    SC_TRY(find_variant(l, sde));
    SC_TRY(variant_network(&l->network, s, &l->v));
    SC_TRY(variant_run(&l->run, l->network, s, l->batch.n, l->batch.h, l->batch.w, true));
cleanup:
    return status;
}

static void close_losses(losses *l)
{
    sc_run_free(l->run);
    sc_network_free(l->network);
}

static sc_loss loss_of(const losses *l, bool sum, bool weighted)
{
    sc_loss_kind kind = !l->discrete                 ? SC_LOSS_SCORE
                        : l->v.sde.kind == SC_SDE_VE ? SC_LOSS_SMLD
                                                     : SC_LOSS_DDPM;
    return (sc_loss){
        .kind = kind, .sde = l->v.sde, .levels = l->v.levels, .sum = sum, .likelihood = weighted};
}

static const char *parameter_name(const losses *l, int i)
{
    const json_t *list = json_object_get(l->s->json, "parameters");
    const char *name = json_string_value(json_object_get(json_array_get(list, (size_t)i), "name"));
    return name ? name : "?";
}

static const sc_parameter *find_parameter(const losses *l, const char *name)
{
    const sc_parameter *list;
    int count = sc_network_parameters(l->network, &list);
    for (int i = 0; i < count; i++)
        if (strcmp(list[i].name, name) == 0)
            return &list[i];
    return NULL;
}

/* Norms in the order of the file's parameters, -1 for what is not trained. A row a loss; the worst
 * parameter in its note. */
static void compare_norms(const losses *l, const char *name, const double *gradient)
{
    tensor theirs = tensor_get(&l->s->io, "%s.gradnorm", name);
    double largest = 0, worst = 0;
    int at = 0;
    if (!theirs.v)
        return;
    double *ours = POOL(double, theirs.count), slack = l->s->p->slack;
    for (int i = 0; i < theirs.count; i++) {
        const sc_parameter *q = find_parameter(l, parameter_name(l, i));
        ours[i] = q && !q->frozen ? norm_of(gradient + q->offset, q->count) : -1;
        largest = fmax(largest, theirs.v[i]);
    }
    for (int i = 0; i < theirs.count; i++) {
        double share = fabs(ours[i] - theirs.v[i]) /
                       (slack * (GRADIENT * fabs(theirs.v[i]) + GRADIENT_FLOOR * largest));
        if (!(share <= worst))
            worst = share, at = i;
    }
    char key[192];
    snprintf(key, sizeof key, "%s.gradnorm", name);
    report_compare(
        l->s->p->report, "gradient norms", key, &ours[at], &theirs.v[at], 1,
        (limit){.relative = slack * GRADIENT, .floor = slack * GRADIENT_FLOOR * largest});
    report_note(l->s->p->report, "worst of %lld: %s", (long long)theirs.count,
                parameter_name(l, at));
}

static void compare_gradients(const losses *l, const double *gradient)
{
    double largest = 0, slack = l->s->p->slack;
    for (int i = 0; i < reference_count(&l->s->grads); i++) {
        tensor g = tensor_get(&l->s->grads, "%s", reference_name(&l->s->grads, i));
        largest = fmax(largest, norm_of(g.v, g.count));
    }
    for (int i = 0; i < reference_count(&l->s->grads); i++) {
        const char *name = reference_name(&l->s->grads, i);
        const sc_parameter *q = find_parameter(l, name);
        tensor g = tensor_get(&l->s->grads, "%s", name);
        if (!q || q->count != g.count)
            report_failure(l->s->p->report, "gradients", name, "the network has no such parameter");
        else
            report_compare(
                l->s->p->report, "gradients", name, gradient + q->offset, g.v, g.count,
                (limit){.relative = slack * GRADIENT, .floor = slack * GRADIENT_FLOOR * largest});
    }
}

static sc_status check_loss(const losses *l, bool sum, bool weighted)
{
    sc_status status = SC_OK;
    char name[64], key[160];
    snprintf(name, sizeof name, "%s.%s.%s", l->kind, sum ? "sum" : "mean",
             weighted ? "lw" : "plain");
    tensor theirs = tensor_get(&l->s->io, "loss.%s.value", name);
    const char *chosen = json_string_value(json_object_get(l->s->json, "grads_of_loss"));
    sc_loss loss = loss_of(l, sum, weighted);
    double value;
    int64_t count = sc_network_parameter_count(l->network);
    if (!theirs.v || theirs.count != 1)
        return SC_OK;
    float *gradient = POOL(float, count);
    SC_TRY(sc_loss_check(&loss, sc_network_configuration(l->network)));
    SC_TRY(sc_loss_evaluate(&value, NULL, gradient, &loss, l->network, l->run, &l->batch));
    double *g = to_doubles(gradient, count);
    snprintf(key, sizeof key, "loss.%s.value", name);
    report_compare(l->s->p->report, weighted ? "loss, likelihood weighting" : "loss", key, &value,
                   theirs.v, 1, RELATIVE(l->s->p->slack * (weighted ? LOSS_WEIGHTED : LOSS)));
    snprintf(key, sizeof key, "loss.%s", name);
    compare_norms(l, key, g);
    if (chosen && strcmp(chosen, name) == 0)
        compare_gradients(l, g);
cleanup:
    return status;
}

sc_status check_losses(subject *s)
{
    static const char *const sdes[] = {"ve", "vp", "subvp"};
    for (int i = 0; i < 6; i++) {
        losses l;
        if (!tensor_has(&s->io, "loss.%s_%s.z", sdes[i / 2], i % 2 ? "disc" : "cont"))
            continue;
        sc_status status = open_losses(&l, s, sdes[i / 2], i % 2);
        for (int k = 0; k < 4 && status == SC_OK; k++)
            status = check_loss(&l, k & 1, k & 2);
        if (status != SC_OK)
            report_failure(s->p->report, "loss", l.kind, sc_message());
        close_losses(&l);
    }
    return SC_OK;
}
