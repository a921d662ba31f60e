/* A trained network as a score model: D(x, sigma) of prior/network, for images of any size, from
 * any number of threads.
 *
 * Images are padded by reflection to the network's multiple, half on each side. On the CPU each is
 * evaluated alone, so an image's result does not depend on the batch that it came in; a GPU takes
 * up to BATCH at once. Runs (planned memory) are kept in a small pool keyed by number and padded
 * size: a call takes one or makes one, and puts it back.
 */
#include "base/device.h"
#include "base/memory.h"
#include "prior/score.h"
#include "prior/weights.h"
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define POOL 8   /* idle runs kept */
#define BATCH 16 /* images of one run on a GPU */

typedef struct {
    sc_run *run;
    int n, h, w;
    uint64_t used; /* for: the least recently used goes first */
} pooled;

typedef struct {
    sc_weights weights;
    const sc_device *device;
    sc_device *own; /* the same, if it was made here */
    int batch;
    pthread_mutex_t lock;
    pooled idle[POOL];
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

static sc_status take_run(sc_run **run, network_score *net, int n, int h, int w)
{
    *run = NULL;
    pthread_mutex_lock(&net->lock);
    for (int i = 0; i < POOL && !*run; i++)
        if (net->idle[i].run && net->idle[i].n == n && net->idle[i].h == h && net->idle[i].w == w) {
            *run = net->idle[i].run;
            net->idle[i].run = NULL;
        }
    pthread_mutex_unlock(&net->lock);
    if (*run)
        return SC_OK;
    sc_status status = sc_run_create(run, net->weights.network, net->device, n, h, w, 0);
    if (status == SC_OK)
        status = sc_run_set_theta(*run, net->weights.theta);
    if (status != SC_OK) {
        sc_run_free(*run);
        *run = NULL;
    }
    return status;
}

static void give_run(network_score *net, sc_run *run, int n, int h, int w)
{
    pthread_mutex_lock(&net->lock);
    int slot = 0;
    for (int i = 1; i < POOL && net->idle[slot].run; i++)
        if (!net->idle[i].run || net->idle[i].used < net->idle[slot].used)
            slot = i;
    sc_run *oldest = net->idle[slot].run;
    net->idle[slot] = (pooled){.run = run, .n = n, .h = h, .w = w, .used = ++net->clock};
    pthread_mutex_unlock(&net->lock);
    sc_run_free(oldest);
}

/* n images, at most a batch, in one run; in and out have room for them, padded. */
static sc_status denoise_batch(network_score *net, float *d, const float *x, const double *sigma,
                               int n, int h, int w, float *in, float *out)
{
    sc_status status = SC_OK;
    int multiple = sc_network_multiple(net->weights.network);
    int c = sc_network_configuration(net->weights.network)->channels;
    int ph = padded(h, multiple), pw = padded(w, multiple);
    size_t size = (size_t)h * w * c, padded_size = (size_t)ph * pw * c;
    sc_run *run = NULL;
    SC_TRY(take_run(&run, net, n, ph, pw));
    for (int i = 0; i < n; i++)
        pad(in + i * padded_size, x + i * size, h, w, ph, pw, c);
    SC_TRY(sc_run_denoise(run, out, in, sigma));
    for (int i = 0; i < n; i++)
        crop(d + i * size, out + i * padded_size, h, w, ph, pw, c);
cleanup:
    if (run)
        give_run(net, run, n, ph, pw);
    return status;
}

static sc_status denoise(const sc_score *self, float *d, const float *x, const double *sigma,
                         int n, int h, int w)
{
    sc_status status = SC_OK;
    network_score *net = self->impl;
    int multiple = sc_network_multiple(net->weights.network), c = self->channels;
    int most = n < net->batch ? n : net->batch;
    size_t size = (size_t)h * w * c;
    size_t padded_size = (size_t)padded(h, multiple) * padded(w, multiple) * c * most;
    float *in = NULL, *out = NULL;
    SC_TRY(SC_ALLOC(&in, padded_size, "padded image"));
    SC_TRY(SC_ALLOC(&out, padded_size, "padded image"));
    for (int i = 0; i < n; i += most) {
        int count = n - i < most ? n - i : most;
        SC_TRY(denoise_batch(net, d + i * size, x + i * size, sigma + i, count, h, w, in, out));
    }
cleanup:
    sc_free(in);
    sc_free(out);
    return status;
}

static void cost(const sc_score *self, size_t *bytes, double *flops, int n, int h, int w)
{
    network_score *net = self->impl;
    int multiple = sc_network_multiple(net->weights.network);
    int ph = padded(h, multiple), pw = padded(w, multiple);
    sc_run *run;
    *bytes = 0;
    *flops = 0;
    int most = n < net->batch ? n : net->batch;
    if (take_run(&run, net, most, ph, pw) != SC_OK)
        return;
    *bytes = sc_run_bytes(run) + 2 * (size_t)most * ph * pw * self->channels * sizeof(float);
    *flops = sc_run_flops(run) / most * n;
    give_run(net, run, most, ph, pw);
}

static void destroy(sc_score *self)
{
    network_score *net = self->impl;
    if (net) {
        for (int i = 0; i < POOL; i++)
            sc_run_free(net->idle[i].run);
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
    score->sde = record->sde;
    score->channels = sc_network_configuration(net->weights.network)->channels;
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
    *s = (sc_score){.name = "network", .denoise = denoise, .cost = cost, .destroy = destroy,
                    .impl = net};
    net->batch = device ? BATCH : 1;
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
