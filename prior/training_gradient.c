/* The gradient of a batch on several threads: parts of the batch are shared out, each worker runs
 * the network on a device of one thread, and adds its parts to the sum in the parts' order. So the
 * sum's bits depend on batch and part, not on the number of threads, and threads meet once a part
 * instead of once a layer.
 */
#include "base/memory.h"
#include "prior/training_internal.h"
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static int greatest_common_divisor(int a, int b)
{
    while (b) {
        int rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static bool on_cpu(const sc_training *t) { return strcmp(t->device->kernels->name, "cpu") == 0; }

static sc_status start_worker(sc_training_worker *w, sc_training *t)
{
    sc_status status = SC_OK;
    int crop = (int)sc_training_option(t, "crop");
    w->device = t->device;
    if (on_cpu(t)) {
        SC_TRY(sc_device_create_cpu(&w->owned, 1));
        w->device = w->owned;
    }
    SC_TRY(SC_ALLOC(&w->gradient, t->count, "gradient of a part"));
    SC_TRY(SC_ALLOC(&w->x, t->part * t->example, "noisy examples"));
    SC_TRY(SC_ALLOC(&w->f, t->part * t->example, "output of the network"));
    SC_TRY(sc_run_create(&w->run, t->network, w->device, t->part, crop, crop, 1));
cleanup:
    return status;
}

sc_status sc_training_start_workers(sc_training *t)
{
    sc_status status = SC_OK;
    int batch = (int)sc_training_option(t, "batch");
    t->part = greatest_common_divisor(batch, (int)sc_training_option(t, "part"));
    int parts = batch / t->part, threads = on_cpu(t) ? t->device->threads : 1;
    int workers = threads < parts ? threads : parts;
    SC_TRY(SC_ALLOC(&t->worker, workers, "workers"));
    t->workers = workers;
    for (int i = 0; i < workers; i++)
        SC_TRY(start_worker(&t->worker[i], t));
cleanup:
    return status;
}

void sc_training_stop_workers(sc_training *t)
{
    for (int i = 0; i < t->workers; i++) {
        sc_run_free(t->worker[i].run);
        sc_free(t->worker[i].gradient);
        sc_free(t->worker[i].x);
        sc_free(t->worker[i].f);
        sc_device_free(t->worker[i].owned);
    }
    sc_free(t->worker);
    t->worker = NULL;
    t->workers = 0;
}

/* What the workers share during a step. */
typedef struct {
    sc_training *t;
    pthread_mutex_t lock;
    pthread_cond_t turn_passed;
    int next, turn; /* part to be taken; part whose gradient is added next */
    sc_status status;
    char message[512]; /* of the first failure: messages are a thread's own */
} shared;

typedef struct {
    shared *all;
    sc_training_worker *worker;
} job;

static sc_status compute_part(sc_training *t, sc_training_worker *w, int part)
{
    int first = part * t->part, crop = (int)sc_training_option(t, "crop");
    const sc_loss_batch batch = {.n = t->part, .h = crop, .w = crop,
                                 .x0 = t->x0 + first * t->example, .z = t->z + first * t->example,
                                 .time = t->time + first};
    const sc_key key = {(uint64_t)sc_training_option(t, "seed"), (uint32_t)(t->state.step >> 20),
                        (uint32_t)first};
    sc_run_set_dropout(w->run, &key, (uint32_t)(t->state.step & 0xfffff));
    memset(w->gradient, 0, (size_t)t->count * sizeof *w->gradient);
    return sc_loss_add(t->loss + first, w->gradient, w->x, w->f, &t->loss_kind, t->network, w->run,
                       &batch, 1 / sc_training_option(t, "batch"));
}

/* Wait for the parts before this one, then add. */
static void add_part(shared *all, const sc_training_worker *w, int part, sc_status status)
{
    sc_training *t = all->t;
    pthread_mutex_lock(&all->lock);
    while (all->turn != part)
        pthread_cond_wait(&all->turn_passed, &all->lock);
    if (status != SC_OK && all->status == SC_OK) {
        all->status = status;
        snprintf(all->message, sizeof all->message, "%s", sc_message());
    }
    for (int64_t i = 0; all->status == SC_OK && i < t->count; i++)
        t->gradient[i] += w->gradient[i];
    all->turn++;
    pthread_cond_broadcast(&all->turn_passed);
    pthread_mutex_unlock(&all->lock);
}

static int take_part(shared *all)
{
    int parts = (int)sc_training_option(all->t, "batch") / all->t->part;
    pthread_mutex_lock(&all->lock);
    int part = all->next < parts ? all->next++ : -1;
    pthread_mutex_unlock(&all->lock);
    return part;
}

static void *work(void *self)
{
    const job *j = self;
    sc_status status = sc_run_set_theta(j->worker->run, j->all->t->theta);
    for (int part; (part = take_part(j->all)) >= 0;) {
        if (status == SC_OK)
            status = compute_part(j->all->t, j->worker, part);
        add_part(j->all, j->worker, part, status);
    }
    return NULL;
}

/* The caller's thread is worker 0; where no further thread can be had, fewer do the work. */
sc_status sc_training_gradient(sc_training *t)
{
    shared all = {.t = t};
    job jobs[64];
    pthread_t thread[64];
    int workers = t->workers < 64 ? t->workers : 64, started = 1;
    memset(t->gradient, 0, (size_t)t->count * sizeof *t->gradient);
    pthread_mutex_init(&all.lock, NULL);
    pthread_cond_init(&all.turn_passed, NULL);
    for (int i = 0; i < workers; i++)
        jobs[i] = (job){&all, &t->worker[i]};
    while (started < workers && !pthread_create(&thread[started], NULL, work, &jobs[started]))
        started++;
    work(&jobs[0]);
    for (int i = 1; i < started; i++)
        pthread_join(thread[i], NULL);
    pthread_mutex_destroy(&all.lock);
    pthread_cond_destroy(&all.turn_passed);
    return all.status == SC_OK ? SC_OK : sc_fail(all.status, "%s", all.message);
}
