/* What a published module computes, shown to an observer as the run goes on. Most such outputs are
 * never in memory, so they are taken apart here, at some cost:
 *   - a convolution that adds to a sum, scaled: (after - before) / scale; one in two halves (over
 *     [h, skip]): the sum of both
 *   - a norm with its activation: once more without it
 *   - a block, an attention, a sum: the tensor, once nothing is added to it any more; one that is
 *     resampled: at once.
 */
#include "base/memory.h"
#include "prior/network/network_internal.h"
#include <stdio.h>
#include <string.h>

static int64_t count_of(const sc_step *s) { return (int64_t)s->n * s->out_h * s->out_w * s->out_c; }

static bool is_conv(const sc_node *node) { return node->layer == &sc_layer_conv; }

/* "all_modules.4.Conv_0" of "all_modules.4.Conv_0.weight" */
static bool module_of(char name[96], const sc_network *net, const sc_node *node)
{
    if (node->parameter[0] == SC_NONE || node->layer == &sc_layer_embed)
        return false;
    snprintf(name, 96, "%s", net->parameter[node->parameter[0]].name);
    char *end = strrchr(name, '.');
    if (end)
        *end = 0;
    return end != NULL;
}

static bool resamples(const sc_node *node)
{
    return node->layer == &sc_layer_resample || node->layer == &sc_layer_fir;
}

/* Is the named tensor that node i writes what its module gave? */
static bool complete_after(const sc_network *net, int i)
{
    for (int j = 0; j < net->nodes; j++)
        if (net->node[j].out == net->node[i].out) {
            if (resamples(&net->node[j]))
                return i == j;
            if (j > i)
                return false;
        }
    return true;
}

static void show(const sc_run *r, const char *name, const float *value, const sc_step *s)
{
    r->observer(r->observer_user, name, value, s->n, s->out_h, s->out_w, s->out_c);
}

/* *value: host copy of device memory of the size of the step's output, to be freed */
static sc_status fetch(float **value, const sc_step *s, const float *from)
{
    sc_status status = SC_OK;
    int64_t count = count_of(s);
    SC_TRY(SC_ALLOC(value, count, "activation"));
    SC_TRY(s->device->kernels->download(s->device, *value, from, (size_t)count * sizeof(float)));
cleanup:
    return status;
}

sc_status sc_run_observe_before(sc_run *r, int i)
{
    const sc_step *s = &r->step[i];
    sc_free(r->before);
    r->before = NULL;
    return is_conv(s->node) && s->node->accumulate ? fetch(&r->before, s, s->y) : SC_OK;
}

/* The second half of a convolution adds to what the first one left in r->half. */
static sc_status show_conv(sc_run *r, int i, const char *name)
{
    sc_status status = SC_OK;
    const sc_network *net = r->network;
    const sc_step *s = &r->step[i];
    float *value = NULL;
    SC_TRY(fetch(&value, s, s->y));
    for (int64_t k = 0; k < count_of(s); k++) {
        value[k] = (value[k] - (r->before ? r->before[k] : 0)) / s->node->scale;
        if (r->half)
            value[k] += r->half[k];
    }
    sc_free(r->half);
    r->half = NULL;
    if (i + 1 < net->nodes && is_conv(&net->node[i + 1]) &&
        net->node[i + 1].parameter[0] == s->node->parameter[0]) {
        r->half = value;
        return SC_OK;
    }
    show(r, name, value, s);
cleanup:
    sc_free(value);
    return status;
}

static sc_status show_norm(sc_run *r, int i, const char *name)
{
    sc_status status = SC_OK;
    sc_step s = r->step[i];
    sc_node plain = *s.node;
    float *value = NULL, *y = NULL;
    plain.silu = 0;
    s.node = &plain;
    SC_TRY(SC_DEVICE_ALLOC(s.device, &y, count_of(&s)));
    s.y = y;
    SC_TRY(s.node->layer->forward(&s));
    SC_TRY(fetch(&value, &s, y));
    show(r, name, value, &s);
cleanup:
    sc_free(value);
    sc_device_release(s.device, y);
    return status;
}

static sc_status show_tensor(sc_run *r, int i, const char *name)
{
    float *value = NULL;
    sc_status status = fetch(&value, &r->step[i], r->step[i].y);
    if (status == SC_OK)
        show(r, name, value, &r->step[i]);
    sc_free(value);
    return status;
}

sc_status sc_run_observe_after(sc_run *r, int i)
{
    sc_status status = SC_OK;
    const sc_node *node = &r->network->node[i];
    const char *named = r->network->tensor[node->out].module;
    char name[96];
    if (module_of(name, r->network, node) && strcmp(name, named) != 0) {
        if (is_conv(node))
            SC_TRY(show_conv(r, i, name));
        else if (node->layer == &sc_layer_norm)
            SC_TRY(show_norm(r, i, name));
        else
            SC_TRY(show_tensor(r, i, name));
    }
    if (*named && complete_after(r->network, i))
        SC_TRY(show_tensor(r, i, named));
cleanup:
    return status;
}
