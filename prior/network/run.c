/* A run of a network on images of one size: steps with sizes, one arena planned by life spans,
 * forward and backward.
 *
 * Time of the plan, N nodes: 0 preconditions the input, 1..N are the nodes, N+1 makes D; backward:
 * N+2 begins at the gradient of F, N+3..2N+2 are the nodes from last to first, 2N+3 makes the
 * gradient of x. Without backward, a tensor dies with its last reader.
 */
#include "base/memory.h"
#include "prior/network/network_internal.h"
#include <assert.h>
#include <math.h>
#include <string.h>

#define PIXELS_MAX ((int64_t)1 << 31) /* n h w */

/* Buffers: a value and a gradient a tensor, a state a node, then these. */
enum { SCRATCH, THETA, GTHETA, IMAGE, RESULT, COEFFICIENT, FIXED };
enum { IN, SKIP, OUT, NOISE, COEFFICIENTS };

static int forward_time(int node) { return node + 1; }
static int backward_time(const sc_network *net, int node) { return 2 * net->nodes + 2 - node; }
static int last_time(const sc_network *net) { return 2 * net->nodes + 3; }

static sc_buffer *value_of(sc_run *r, int t) { return &r->buffer[t]; }
static sc_buffer *gradient_of(sc_run *r, int t) { return &r->buffer[r->network->tensors + t]; }
static sc_buffer *state_of(sc_run *r, int i) { return &r->buffer[2 * r->network->tensors + i]; }
static sc_buffer *fixed(sc_run *r, int which)
{
    return &r->buffer[2 * r->network->tensors + r->network->nodes + which];
}

static void *place(const sc_run *r, const sc_buffer *b) { return b->bytes ? r->arena + b->offset : NULL; }

static int side(int size, const sc_tensor *t)
{
    return t->level < 0 ? 1 : (size >> t->level) + t->margin;
}

static size_t tensor_bytes(const sc_run *r, int t)
{
    const sc_tensor *x = &r->network->tensor[t];
    return sizeof(float) * (size_t)r->n * (size_t)side(r->h, x) * (size_t)side(r->w, x) *
           (size_t)x->channels;
}

static sc_status prepare_step(sc_run *r, int i)
{
    const sc_network *net = r->network;
    const sc_node *node = &net->node[i];
    const sc_tensor *in = &net->tensor[node->in[0]], *out = &net->tensor[node->out];
    sc_step *s = &r->step[i];
    *s = (sc_step){.network = net, .node = node, .device = r->device, .n = r->n,
                   .h = side(r->h, in), .w = side(r->w, in), .out_h = side(r->h, out),
                   .out_w = side(r->w, out), .out_c = out->channels,
                   .with_backward = r->with_backward, .dropout = &r->dropout};
    for (int k = 0; k < SC_NODE_INPUTS; k++)
        s->c[k] = node->in[k] == SC_NONE ? 0 : net->tensor[node->in[k]].channels;
    return node->layer->prepare ? node->layer->prepare(s) : SC_OK;
}

static void extend(sc_buffer *b, size_t bytes, int time)
{
    if (b->bytes == 0)
        *b = (sc_buffer){.bytes = bytes, .first = time, .last = time};
    b->first = time < b->first ? time : b->first;
    b->last = time > b->last ? time : b->last;
}

/* One node's claims on the lives of the tensors around it. */
static void live_node(sc_run *r, int i)
{
    const sc_network *net = r->network;
    const sc_node *node = &net->node[i];
    unsigned reads = r->with_backward && node->layer->backward ? node->layer->backward_reads : 0;
    for (int k = 0; k < SC_NODE_INPUTS; k++) {
        int t = node->in[k];
        if (t == SC_NONE)
            continue;
        extend(value_of(r, t), tensor_bytes(r, t), forward_time(i));
        if (reads & 1u << k)
            extend(value_of(r, t), 0, backward_time(net, i));
        if (r->with_backward && net->tensor[t].gradient)
            extend(gradient_of(r, t), tensor_bytes(r, t), backward_time(net, i));
    }
    extend(value_of(r, node->out), tensor_bytes(r, node->out), forward_time(i));
    if (reads & SC_READS_OUT)
        extend(value_of(r, node->out), 0, backward_time(net, i));
    if (r->with_backward && net->tensor[node->out].gradient)
        extend(gradient_of(r, node->out), tensor_bytes(r, node->out), backward_time(net, i));
}

static void live_always(sc_run *r, sc_buffer *b, size_t bytes)
{
    *b = (sc_buffer){.bytes = bytes, .first = 0, .last = last_time(r->network)};
}

static void live_all(sc_run *r)
{
    const sc_network *net = r->network;
    size_t scratch = 0, image = tensor_bytes(r, net->input), output = tensor_bytes(r, net->output);
    size_t theta = sizeof(float) * (size_t)net->theta;
    extend(value_of(r, net->input), image, 0);
    extend(value_of(r, net->label), tensor_bytes(r, net->label), 0);
    for (int i = 0; i < net->nodes; i++) {
        live_node(r, i);
        live_always(r, state_of(r, i), r->step[i].state_bytes);
        scratch = r->step[i].scratch_bytes > scratch ? r->step[i].scratch_bytes : scratch;
    }
    extend(value_of(r, net->output), output, net->nodes + 1);
    if (r->with_backward) {
        extend(gradient_of(r, net->output), output, net->nodes + 2);
        extend(gradient_of(r, net->input), image, last_time(net));
    }
    live_always(r, fixed(r, SCRATCH), scratch);
    live_always(r, fixed(r, THETA), theta);
    live_always(r, fixed(r, GTHETA), r->with_backward ? theta : 0);
    live_always(r, fixed(r, IMAGE), image);
    live_always(r, fixed(r, RESULT), output);
    live_always(r, fixed(r, COEFFICIENT), sizeof(float) * COEFFICIENTS * (size_t)r->n);
}

static void place_step(sc_run *r, int i)
{
    const sc_node *node = &r->network->node[i];
    sc_step *s = &r->step[i];
    s->state = place(r, state_of(r, i));
    s->scratch = place(r, fixed(r, SCRATCH));
    s->y = place(r, value_of(r, node->out));
    s->gy = place(r, gradient_of(r, node->out));
    for (int k = 0; k < SC_NODE_INPUTS; k++)
        if (node->in[k] != SC_NONE) {
            s->x[k] = place(r, value_of(r, node->in[k]));
            s->gx[k] = place(r, gradient_of(r, node->in[k]));
        }
    for (int k = 0; k < SC_NODE_PARAMETERS; k++)
        if (node->parameter[k] != SC_NONE) {
            int64_t offset = r->network->parameter[node->parameter[k]].offset;
            s->theta[k] = r->theta + offset;
            s->gtheta[k] = r->gtheta ? r->gtheta + offset : NULL;
        }
}

/* In the order of backward, the first to write a gradient sets it and the others add. A node whose
 * output nothing reads (the residual output pyramid of a single level) has no gradient to pass on. */
static sc_status mark_adders(sc_run *r)
{
    sc_status status = SC_OK;
    const sc_network *net = r->network;
    bool *written = NULL;
    SC_TRY(SC_ALLOC(&written, net->tensors, "memory plan"));
    written[net->output] = true;
    for (int i = net->nodes - 1; i >= 0; i--) {
        r->step[i].idle = !written[net->node[i].out];
        for (int k = 0; k < SC_NODE_INPUTS && !r->step[i].idle; k++) {
            int t = net->node[i].in[k];
            if (t == SC_NONE)
                continue;
            r->step[i].add[k] = written[t];
            written[t] = true;
        }
    }
cleanup:
    sc_free(written);
    return status;
}

static sc_status check_size(const sc_network *net, int n, int h, int w)
{
    int multiple = sc_network_multiple(net);
    if (n < 1 || h < 1 || w < 1 || h % multiple || w % multiple)
        return sc_fail(SC_ERR_USAGE, "network: %d images of %d x %d: sizes must be multiples of %d",
                       n, h, w, multiple);
    if ((int64_t)n * h > PIXELS_MAX / w)
        return sc_fail(SC_ERR_MEMORY, "network: %d images of %d x %d exceed %lld pixels", n, h, w,
                       (long long)PIXELS_MAX);
    return SC_OK;
}

static sc_status take_memory(sc_run *r)
{
    sc_status status = SC_OK;
    live_all(r);
    SC_TRY(sc_plan_offsets(&r->arena_bytes, r->buffer, r->buffers));
    SC_TRY(SC_DEVICE_ALLOC(r->device, &r->arena, r->arena_bytes));
    r->theta = place(r, fixed(r, THETA));
    r->gtheta = place(r, fixed(r, GTHETA));
    r->image = place(r, fixed(r, IMAGE));
    r->result = place(r, fixed(r, RESULT));
    r->coefficient = place(r, fixed(r, COEFFICIENT));
    for (int i = 0; i < r->network->nodes; i++)
        place_step(r, i);
    if (r->with_backward)
        SC_TRY(mark_adders(r));
cleanup:
    return status;
}

sc_status sc_run_create(sc_run **run, const sc_network *network, const sc_device *device, int n,
                        int h, int w, int with_backward)
{
    sc_status status = SC_OK;
    sc_run *r = NULL;
    *run = NULL;
    SC_TRY(check_size(network, n, h, w));
    if (!device->kernels->net)
        return sc_fail(SC_ERR_UNSUPPORTED, "network: device %s has no network kernels",
                       device->kernels->name);
    SC_TRY(SC_ALLOC(&r, 1, "network run"));
    *r = (sc_run){.network = network, .device = device, .n = n, .h = h, .w = w,
                  .with_backward = with_backward,
                  .buffers = 2 * network->tensors + network->nodes + FIXED};
    SC_TRY(SC_ALLOC(&r->buffer, r->buffers, "network run"));
    SC_TRY(SC_ALLOC(&r->step, network->nodes, "network run"));
    SC_TRY(SC_ALLOC(&r->host_coefficient, COEFFICIENTS * n, "network run"));
    if (with_backward)
        SC_TRY(SC_ALLOC(&r->host_gradient, network->theta, "gradient"));
    for (int i = 0; i < network->nodes; i++)
        SC_TRY(prepare_step(r, i));
    SC_TRY(take_memory(r));
    *run = r;
    r = NULL;
cleanup:
    sc_run_free(r);
    return status;
}

void sc_run_free(sc_run *run)
{
    if (!run)
        return;
    for (int i = 0; run->step && i < run->network->nodes; i++)
        if (run->step[i].node && run->step[i].node->layer->release)
            run->step[i].node->layer->release(&run->step[i]);
    if (run->recording)
        run->device->kernels->recording_free(run->recording);
    sc_device_release(run->device, run->arena);
    sc_free(run->before);
    sc_free(run->half);
    sc_free(run->host_gradient);
    sc_free(run->host_coefficient);
    sc_free(run->step);
    sc_free(run->buffer);
    sc_free(run);
}

size_t sc_run_bytes(const sc_run *run)
{
    size_t host = COEFFICIENTS * (size_t)run->n;
    host += run->with_backward ? (size_t)run->network->theta : 0;
    return run->arena_bytes + sizeof(float) * host;
}

double sc_run_flops(const sc_run *run)
{
    double flops = 0;
    for (int i = 0; i < run->network->nodes; i++)
        flops += run->step[i].flops;
    return flops;
}

sc_status sc_run_set_theta(sc_run *run, const float *theta)
{
    sc_status status = SC_OK;
    const sc_network *net = run->network;
    SC_TRY(run->device->kernels->upload(run->device, run->theta, theta,
                                        sizeof *theta * (size_t)net->theta));
    for (int i = 0; i < net->nodes; i++)
        if (net->node[i].layer->set_theta)
            SC_TRY(net->node[i].layer->set_theta(&run->step[i]));
    run->has_theta = true;
    run->has_forward = false;
cleanup:
    return status;
}

void sc_run_set_dropout(sc_run *run, const sc_key *key, uint32_t step)
{
    assert(step < 1u << 20 && (!key || key->slice < 1u << 20));
    run->dropout = (sc_dropout){0};
    if (key)
        run->dropout = (sc_dropout){.on = true, .key = *key, .step = step};
}

void sc_run_observe(sc_run *run, sc_run_observer observer, void *user)
{
    run->observer = observer;
    run->observer_user = user;
}

static sc_status set_coefficients(sc_run *r, const double *condition, sc_precondition_rule *rule)
{
    float *c = r->host_coefficient;
    double factor = r->network->config.centred ? 1 : 2; /* the network sees 2 in x - 1 */
    for (int i = 0; i < r->n; i++) {
        sc_precondition p;
        sc_status status = rule(&p, &r->network->config, condition[i]);
        if (status != SC_OK)
            return sc_context(status, "image %d", i);
        c[IN * r->n + i] = (float)(factor * p.in);
        c[SKIP * r->n + i] = (float)p.skip;
        c[OUT * r->n + i] = (float)p.out;
        c[NOISE * r->n + i] = (float)p.noise;
    }
    return r->device->kernels->upload(r->device, r->coefficient, c,
                                      sizeof *c * COEFFICIENTS * (size_t)r->n);
}

static size_t image_bytes(const sc_run *r) { return tensor_bytes(r, r->network->input); }
static size_t output_bytes(const sc_run *r) { return tensor_bytes(r, r->network->output); }

/* z (+)= coefficient[row] x + b, each n images of `bytes` in all */
static void scale_numbers(sc_run *r, float *z, const float *x, int row, float b, int add,
                          size_t bytes)
{
    r->device->kernels->net->affine(r->device, z, x, r->coefficient + row * r->n, 0.f, b, r->n,
                                    (int64_t)(bytes / sizeof(float)) / r->n, add);
}

static void scale_images(sc_run *r, float *z, const float *x, int row, float b, int add)
{
    scale_numbers(r, z, x, row, b, add, image_bytes(r));
}

/* Everything between upload and download: the same kernels with the same pointers every time. */
static sc_status issue(sc_run *r)
{
    sc_status status = SC_OK;
    const sc_network *net = r->network;
    scale_images(r, place(r, value_of(r, net->input)), r->image, IN,
                 net->config.centred ? 0.f : -1.f, 0);
    r->device->kernels->net->affine(r->device, place(r, value_of(r, net->label)),
                                    r->coefficient + NOISE * r->n, NULL, 1.f, 0.f, 1, r->n, 0);
    for (int i = 0; i < net->nodes; i++) {
        if (r->observer)
            SC_TRY(sc_run_observe_before(r, i));
        SC_TRY(net->node[i].layer->forward(&r->step[i]));
        if (r->observer)
            SC_TRY(sc_run_observe_after(r, i));
    }
    if (!net->config.classes)
        scale_images(r, r->result, r->image, SKIP, 0.f, 0);
    scale_numbers(r, r->result, place(r, value_of(r, net->output)), OUT, 0.f, !net->config.classes,
                  output_bytes(r));
cleanup:
    return status;
}

static bool record(sc_run *r)
{
    const sc_kernels *kernels = r->device->kernels;
    if (kernels->record_begin(r->device) != SC_OK)
        return false;
    sc_status issued = issue(r), recorded = kernels->record_end(r->device, &r->recording);
    if (issued == SC_OK || recorded != SC_OK)
        return recorded == SC_OK;
    kernels->recording_free(r->recording);
    r->recording = NULL;
    return false;
}

/* Where the device records, the first evaluation runs as issued, since libraries choose and load
 * then; the second is recorded, and replayed from then on. */
static sc_status issue_or_replay(sc_run *r)
{
    if (r->observer || r->dropout.on)
        return issue(r);
    if (r->evaluations++ == 1 && r->device->kernels->record_begin)
        (void)record(r);
    if (!r->recording)
        return issue(r);
    r->device->kernels->replay(r->recording);
    return SC_OK;
}

static sc_status evaluate(sc_run *r, float *result, const float *x, const double *condition,
                          sc_precondition_rule *rule)
{
    sc_status status = SC_OK;
    const sc_kernels *kernels = r->device->kernels;
    assert(r->has_theta);
    SC_TRY(set_coefficients(r, condition, rule));
    SC_TRY(kernels->upload(r->device, r->image, x, image_bytes(r)));
    SC_TRY(issue_or_replay(r));
    SC_TRY(kernels->download(r->device, result, r->result, output_bytes(r)));
    r->has_forward = true;
cleanup:
    return status;
}

sc_status sc_run_denoise(sc_run *run, float *d, const float *x, const double *sigma)
{
    return evaluate(run, d, x, sigma, sc_precondition_denoise);
}

sc_status sc_run_score(sc_run *run, float *s, const float *x, const double *t)
{
    return evaluate(run, s, x, t, sc_precondition_score);
}

sc_status sc_run_forward(sc_run *run, float *output, const float *x, const double *label)
{
    return evaluate(run, output, x, label, sc_precondition_forward);
}

sc_status sc_run_classify(sc_run *run, float *evidence, const float *x, const double *sigma)
{
    assert(run->network->config.classes);
    return evaluate(run, evidence, x, sigma, sc_precondition_classify);
}

static sc_status backward_step(sc_run *r, int i, bool wants_theta, bool wants_x)
{
    sc_step step = r->step[i];
    if (!step.node->layer->backward || step.idle)
        return SC_OK;
    step.data_only = !wants_theta;
    for (int k = 0; k < SC_NODE_INPUTS; k++)
        if (step.node->in[k] == r->network->input && !wants_x)
            step.gx[k] = NULL;
    return step.node->layer->backward(&step);
}

static sc_status add_gradient(sc_run *r, float *grad_theta)
{
    sc_status status = SC_OK;
    int64_t n = r->network->theta;
    SC_TRY(r->device->kernels->download(r->device, r->host_gradient, r->gtheta,
                                        sizeof(float) * (size_t)n));
    for (int64_t i = 0; i < n; i++)
        grad_theta[i] += r->host_gradient[i];
cleanup:
    return status;
}

sc_status sc_run_backward(sc_run *r, float *grad_theta, float *grad_x, const float *grad)
{
    sc_status status = SC_OK;
    const sc_network *net = r->network;
    const sc_kernels *kernels = r->device->kernels;
    assert(r->with_backward && r->has_forward);
    kernels->fill(r->device, r->gtheta, 0.f, net->theta);
    SC_TRY(kernels->upload(r->device, r->result, grad, output_bytes(r)));
    scale_numbers(r, place(r, gradient_of(r, net->output)), r->result, OUT, 0.f, 0,
                  output_bytes(r));
    for (int i = net->nodes - 1; i >= 0; i--)
        SC_TRY(backward_step(r, i, grad_theta != NULL, grad_x != NULL));
    if (grad_theta)
        SC_TRY(add_gradient(r, grad_theta));
    if (grad_x) {
        if (!net->config.classes)
            scale_images(r, r->image, r->result, SKIP, 0.f, 0);
        scale_images(r, r->image, place(r, gradient_of(r, net->input)), IN, 0.f,
                     !net->config.classes);
        SC_TRY(kernels->download(r->device, grad_x, r->image, image_bytes(r)));
    }
cleanup:
    /* forward values that backward does not read have been overwritten */
    r->has_forward = false;
    return status;
}
