/* A trained network as a score model: D(x, sigma) of prior/network, for images of any size, from
 * any number of threads.
 *
 * Images are padded by reflection to the network's multiple, half on each side. On the CPU each is
 * evaluated alone, so an image's result does not depend on the batch that it came in; a GPU takes
 * up to BATCH at once. Runs (planned memory) are kept in a small pool keyed by number, padded size
 * and whether they go backward: a call takes one or makes one, and puts it back.
 *
 * With P the padding and C the crop D is C D_net P; its gradient is P^T J_net^T C^T v, where C^T
 * puts zeros around v and P^T adds what lies outside to where it was reflected from.
 */
#include "base/device.h"
#include "base/memory.h"
#include "prior/score.h"
#include "prior/weights.h"
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define POOL 8   /* idle runs kept, at least: two sizes of a few threads */
#define BATCH 16 /* images of one run on a GPU */

/* What a run was planned for. */
typedef struct {
    int n, h, w;
    bool backward;
} plan;

typedef struct {
    sc_run *run;
    plan plan;
    uint64_t used; /* for: the least recently used goes first */
} pooled;

typedef struct {
    sc_weights weights;
    const sc_device *device;
    sc_device *own; /* the same, if it was made here */
    int batch;
    pthread_mutex_t lock;
    pooled *idle; /* (pool): a run forward and one with gradient for each thread that may ask */
    int pool;
    uint64_t clock;
} network_score;

static int padded(int n, int multiple) { return (n + multiple - 1) / multiple * multiple; }

/* Index into 0..n-1 with reflection about the first and last sample, as often as needed. */
static int reflect(int i, int n)
{
    if (n == 1)
        return 0;
    int period = 2 * (n - 1);
    i = ((i % period) + period) % period;
    return i < n ? i : period - i;
}

static void pad(float *out /*(ph,pw,c)*/, const float *x /*(h,w,c)*/, int h, int w, int ph, int pw,
                int c)
{
    int top = (ph - h) / 2, left = (pw - w) / 2;
    for (int i = 0; i < ph; i++)
        for (int j = 0; j < pw; j++) {
            size_t from = ((size_t)reflect(i - top, h) * w + reflect(j - left, w)) * c;
            memcpy(out + ((size_t)i * pw + j) * c, x + from, (size_t)c * sizeof *x);
        }
}

static void crop(float *out /*(h,w,c)*/, const float *x /*(ph,pw,c)*/, int h, int w, int ph, int pw,
                 int c)
{
    int top = (ph - h) / 2, left = (pw - w) / 2;
    for (int i = 0; i < h; i++)
        memcpy(out + (size_t)i * w * c, x + ((size_t)(i + top) * pw + left) * c,
               (size_t)w * c * sizeof *x);
}

/* C^T: zeros around x */
static void embed(float *out /*(ph,pw,c)*/, const float *x /*(h,w,c)*/, int h, int w, int ph,
                  int pw, int c)
{
    int top = (ph - h) / 2, left = (pw - w) / 2;
    memset(out, 0, (size_t)ph * pw * c * sizeof *out);
    for (int i = 0; i < h; i++)
        memcpy(out + ((size_t)(i + top) * pw + left) * c, x + (size_t)i * w * c,
               (size_t)w * c * sizeof *x);
}

/* P^T: reflected samples are added up */
static void fold(float *out /*(h,w,c)*/, const float *x /*(ph,pw,c)*/, int h, int w, int ph, int pw,
                 int c)
{
    int top = (ph - h) / 2, left = (pw - w) / 2;
    memset(out, 0, (size_t)h * w * c * sizeof *out);
    for (int i = 0; i < ph; i++)
        for (int j = 0; j < pw; j++) {
            float *to = out + ((size_t)reflect(i - top, h) * w + reflect(j - left, w)) * c;
            for (int k = 0; k < c; k++)
                to[k] += x[((size_t)i * pw + j) * c + k];
        }
}

static bool same_plan(const plan *a, const plan *b)
{
    return a->n == b->n && a->h == b->h && a->w == b->w && a->backward == b->backward;
}

static sc_status take_run(sc_run **run, network_score *net, const plan *p)
{
    *run = NULL;
    pthread_mutex_lock(&net->lock);
    for (int i = 0; i < net->pool && !*run; i++)
        if (net->idle[i].run && same_plan(&net->idle[i].plan, p)) {
            *run = net->idle[i].run;
            net->idle[i].run = NULL;
        }
    pthread_mutex_unlock(&net->lock);
    if (*run)
        return SC_OK;
    sc_status status = sc_run_create(run, net->weights.network, net->device, p->n, p->h, p->w,
                                     p->backward);
    if (status == SC_OK)
        status = sc_run_set_theta(*run, net->weights.theta);
    if (status != SC_OK) {
        sc_run_free(*run);
        *run = NULL;
    }
    return status;
}

static void give_run(network_score *net, sc_run *run, const plan *p)
{
    pthread_mutex_lock(&net->lock);
    int slot = 0;
    for (int i = 1; i < net->pool && net->idle[slot].run; i++)
        if (!net->idle[i].run || net->idle[i].used < net->idle[slot].used)
            slot = i;
    sc_run *oldest = net->idle[slot].run;
    net->idle[slot] = (pooled){.run = run, .plan = *p, .used = ++net->clock};
    pthread_mutex_unlock(&net->lock);
    sc_run_free(oldest);
}

/* One call: n images with sigma; v and g: NULL, or the vector and the gradient. */
typedef struct {
    float *d, *g;
    const float *x, *v;
    const double *sigma;
    int h, w;
} request;

/* `in` and `out` have room for a batch, padded. */
static sc_status answer_batch(network_score *net, const request *q, int first, const plan *p,
                              float *in, float *out)
{
    sc_status status = SC_OK;
    int c = sc_network_configuration(net->weights.network)->channels, n = p->n;
    size_t size = (size_t)q->h * q->w * c, padded_size = (size_t)p->h * p->w * c;
    size_t at = first * size;
    sc_run *run = NULL;
    SC_TRY(take_run(&run, net, p));
    for (int i = 0; i < n; i++)
        pad(in + i * padded_size, q->x + at + i * size, q->h, q->w, p->h, p->w, c);
    SC_TRY(sc_run_denoise(run, out, in, q->sigma + first));
    for (int i = 0; i < n; i++)
        crop(q->d + at + i * size, out + i * padded_size, q->h, q->w, p->h, p->w, c);
    if (!p->backward)
        goto cleanup;
    for (int i = 0; i < n; i++)
        embed(in + i * padded_size, q->v + at + i * size, q->h, q->w, p->h, p->w, c);
    SC_TRY(sc_run_backward(run, NULL, out, in));
    for (int i = 0; i < n; i++)
        fold(q->g + at + i * size, out + i * padded_size, q->h, q->w, p->h, p->w, c);
cleanup:
    if (run)
        give_run(net, run, p);
    return status;
}

static plan plan_for(const network_score *net, int n, int h, int w, bool backward)
{
    int multiple = sc_network_multiple(net->weights.network);
    return (plan){n < net->batch ? n : net->batch, padded(h, multiple), padded(w, multiple),
                  backward};
}

static sc_status answer(network_score *net, const request *q, int n)
{
    sc_status status = SC_OK;
    plan p = plan_for(net, n, q->h, q->w, q->v != NULL);
    int c = sc_network_configuration(net->weights.network)->channels, most = p.n;
    size_t padded_size = (size_t)p.h * p.w * c * most;
    float *in = NULL, *out = NULL;
    SC_TRY(SC_ALLOC(&in, padded_size, "padded image"));
    SC_TRY(SC_ALLOC(&out, padded_size, "padded image"));
    for (int i = 0; i < n; i += most) {
        p.n = n - i < most ? n - i : most;
        SC_TRY(answer_batch(net, q, i, &p, in, out));
    }
cleanup:
    sc_free(in);
    sc_free(out);
    return status;
}

static sc_status denoise(const sc_score *self, float *d, const float *x, const double *sigma,
                         int n, int h, int w)
{
    return answer(self->impl, &(request){.d = d, .x = x, .sigma = sigma, .h = h, .w = w}, n);
}

static sc_status denoise_vjp(const sc_score *self, float *d, float *g, const float *x,
                             const double *sigma, const float *v, int n, int h, int w)
{
    return answer(self->impl, &(request){d, g, x, v, sigma, h, w}, n);
}

static void cost(const sc_score *self, size_t *bytes, double *flops, int n, int h, int w)
{
    network_score *net = self->impl;
    const plan p = plan_for(net, n, h, w, false);
    sc_run *run;
    *bytes = 0;
    *flops = 0;
    if (take_run(&run, net, &p) != SC_OK)
        return;
    *bytes = sc_run_bytes(run) + 2 * (size_t)p.n * p.h * p.w * self->channels * sizeof(float);
    *flops = sc_run_flops(run) / p.n * n;
    give_run(net, run, &p);
}

static void destroy(sc_score *self)
{
    network_score *net = self->impl;
    if (net) {
        for (int i = 0; net->idle && i < net->pool; i++)
            sc_run_free(net->idle[i].run);
        sc_free(net->idle);
        pthread_mutex_destroy(&net->lock);
        sc_device_free(net->own);
        sc_weights_free(&net->weights);
    }
    sc_free(net);
    sc_free(self);
}

static sc_status read_network(network_score *net, sc_score *score, const char *path)
{
    sc_status status = SC_OK;
    SC_TRY(sc_weights_read(&net->weights, path));
    const sc_weights_record *record = &net->weights.record;
    if (sc_network_configuration(net->weights.network)->classes)
        SC_TRY(sc_fail(SC_ERR_UNSUPPORTED, "%s: expected a prior, found a classifier", path));
    score->sde = record->sde;
    score->channels = sc_network_configuration(net->weights.network)->channels;
    if (score->channels == 1 && !strcmp(record->normalisation, SC_WEIGHTS_NORMALISATION_CENTRED))
        score->black = -1;
    memcpy(score->hash, net->weights.hash, sizeof score->hash);
    snprintf(score->modality, sizeof score->modality, "%s", record->modality);
    snprintf(score->anatomy, sizeof score->anatomy, "%s", record->anatomy);
    snprintf(score->licence, sizeof score->licence, "%s", record->licence);
cleanup:
    return status;
}

/* On `device`, or with NULL on a CPU device of `threads` that the score owns. */
static sc_status load(sc_score **score, const char *path, const sc_device *device, int threads)
{
    sc_status status = SC_OK;
    sc_score *s = NULL;
    network_score *net = NULL;
    *score = NULL;
    SC_TRY(SC_ALLOC(&s, 1, "network prior"));
    SC_TRY(SC_ALLOC(&net, 1, "network prior"));
    pthread_mutex_init(&net->lock, NULL);
    *s = (sc_score){.name = "network", .denoise = denoise, .denoise_vjp = denoise_vjp, .cost = cost,
                    .destroy = destroy, .impl = net};
    net->batch = device ? BATCH : 1;
    net->pool = 2 * threads > POOL ? 2 * threads : POOL;
    SC_TRY(SC_ALLOC(&net->idle, net->pool, "network prior"));
    SC_TRY(read_network(net, s, path));
    if (!device)
        SC_TRY(sc_device_create_cpu(&net->own, threads));
    net->device = device ? device : net->own;
    *score = s;
cleanup:
    if (status != SC_OK && s)
        s->destroy ? destroy(s) : sc_free(s);
    return status;
}

sc_status sc_score_load(sc_score **score, const char *path, int threads)
{
    return load(score, path, NULL, threads);
}

sc_status sc_score_load_on(sc_score **score, const char *path, const sc_device *device)
{
    *score = NULL;
    if (!device->kernels->net)
        return sc_fail(SC_ERR_UNSUPPORTED, "network: device %s has no network kernels",
                       device->description);
    return load(score, path, device, 0);
}
