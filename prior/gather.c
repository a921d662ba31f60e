#include "prior/gather.h"
#include "base/memory.h"
#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

typedef enum { READY, ASKED, GONE } member_state;

/* What one member asks: as sc_score_denoise, or with v and g as sc_score_denoise_vjp. */
typedef struct {
    float *d, *g;
    const float *x, *v;
    const double *sigma;
    int n, h, w;
} request;

typedef struct {
    sc_gather *gather;
    sc_score score;
    member_state state;
    request asked;
    sc_status status;
    char message[1024];
} member;

struct sc_gather {
    const sc_score *score;
    pthread_mutex_t lock;
    pthread_cond_t passed;
    int members, turn; /* turn: -1 when all have left */
    member *member;
};

/* ---- one batch ---- */

static sc_status ask(const sc_score *score, const request *q)
{
    if (q->v)
        return sc_score_denoise_vjp(score, q->d, q->g, q->x, q->sigma, q->v, q->n, q->h, q->w);
    return sc_score_denoise(score, q->d, q->x, q->sigma, q->n, q->h, q->w);
}

static bool alike(const request *a, const request *b)
{
    return a->h == b->h && a->w == b->w && !a->v == !b->v;
}

/* Images of all requests, one after the other, in or out: `part` says which array of a request. */
static void copy(float *batch, request *const *q, int count, size_t image, size_t part, bool out)
{
    for (int i = 0; i < count; i++) {
        size_t values = (size_t)q[i]->n * image;
        float *own = *(float **)((char *)q[i] + part);
        memcpy(out ? own : batch, out ? batch : own, values * sizeof *batch);
        batch += values;
    }
}

static sc_status ask_together(const sc_score *score, request *const *q, int count)
{
    sc_status status = SC_OK;
    request all = {.h = q[0]->h, .w = q[0]->w};
    float *x = NULL, *v = NULL;
    double *sigma = NULL;
    size_t image = (size_t)all.h * (size_t)all.w * (size_t)score->channels;
    for (int i = 0; i < count; i++)
        all.n += q[i]->n;
    SC_TRY(SC_ALLOC(&x, (size_t)all.n * image, "batch of images"));
    SC_TRY(SC_ALLOC(&all.d, (size_t)all.n * image, "batch of images"));
    SC_TRY(SC_ALLOC(&sigma, all.n, "noise levels"));
    if (q[0]->v) {
        SC_TRY(SC_ALLOC(&v, (size_t)all.n * image, "batch of vectors"));
        SC_TRY(SC_ALLOC(&all.g, (size_t)all.n * image, "batch of gradients"));
        copy(v, q, count, image, offsetof(request, v), false);
    }
    copy(x, q, count, image, offsetof(request, x), false);
    for (int i = 0, at = 0; i < count; at += q[i++]->n)
        memcpy(sigma + at, q[i]->sigma, (size_t)q[i]->n * sizeof *sigma);
    all.x = x, all.v = v, all.sigma = sigma;
    SC_TRY(ask(score, &all));
    copy(all.d, q, count, image, offsetof(request, d), true);
    if (v)
        copy(all.g, q, count, image, offsetof(request, g), true);
cleanup:
    sc_free(x);
    sc_free(v);
    sc_free(sigma);
    sc_free(all.d);
    sc_free(all.g);
    return status;
}

/* All that is alike with what member `first` asks; those members are ready again. */
static void answer(sc_gather *g, int first, request **q)
{
    int count = 0;
    for (int i = first; i < g->members; i++)
        if (g->member[i].state == ASKED && alike(&g->member[i].asked, &g->member[first].asked))
            q[count++] = &g->member[i].asked;
    sc_status status = count == 1 ? ask(g->score, q[0]) : ask_together(g->score, q, count);
    for (int i = 0; i < count; i++) {
        member *m = (member *)((char *)q[i] - offsetof(member, asked));
        m->state = READY;
        m->status = status;
        if (status != SC_OK)
            snprintf(m->message, sizeof m->message, "%s", sc_message());
    }
}

static void answer_all(sc_gather *g)
{
    request **q;
    sc_status status = SC_ALLOC(&q, g->members, "list of requests");
    for (int i = 0; i < g->members; i++) {
        member *m = &g->member[i];
        if (m->state != ASKED)
            continue;
        if (status == SC_OK) {
            answer(g, i, q);
            continue;
        }
        m->state = READY;
        m->status = status;
        snprintf(m->message, sizeof m->message, "%s", sc_message());
    }
    sc_free(q);
}

/* ---- turns ---- */

/* The next member in this round that can go on, or -1. */
static int next_ready(const sc_gather *g, int from)
{
    for (int i = from; i < g->members; i++)
        if (g->member[i].state == READY)
            return i;
    return -1;
}

/* With the lock held, by the member whose turn it is. */
static void pass(sc_gather *g)
{
    g->turn = next_ready(g, g->turn + 1);
    if (g->turn < 0) { /* the round is over: all have asked or left */
        answer_all(g);
        g->turn = next_ready(g, 0);
    }
    pthread_cond_broadcast(&g->passed);
}

static void wait_for_turn(sc_gather *g, int index)
{
    while (g->turn != index)
        pthread_cond_wait(&g->passed, &g->lock);
}

static sc_status submit(const sc_score *self, const request *q)
{
    member *m = self->impl;
    sc_gather *g = m->gather;
    int index = (int)(m - g->member);
    pthread_mutex_lock(&g->lock);
    assert(g->turn == index);
    m->asked = *q;
    m->state = ASKED;
    pass(g);
    wait_for_turn(g, index);
    pthread_mutex_unlock(&g->lock);
    return m->status == SC_OK ? SC_OK : sc_fail(m->status, "%s", m->message);
}

static sc_status denoise(const sc_score *self, float *d, const float *x, const double *sigma,
                         int n, int h, int w)
{
    return submit(self, &(request){.d = d, .x = x, .sigma = sigma, .n = n, .h = h, .w = w});
}

static sc_status denoise_vjp(const sc_score *self, float *d, float *g, const float *x,
                             const double *sigma, const float *v, int n, int h, int w)
{
    return submit(self, &(request){d, g, x, v, sigma, n, h, w});
}

static void cost(const sc_score *self, size_t *bytes, double *flops, int n, int h, int w)
{
    const sc_score *score = ((const member *)self->impl)->gather->score;
    score->cost(score, bytes, flops, n, h, w);
}

static void destroy(sc_score *self) { (void)self; /* the gather's */ }

void sc_gather_enter(sc_gather *g, int index)
{
    pthread_mutex_lock(&g->lock);
    wait_for_turn(g, index);
    pthread_mutex_unlock(&g->lock);
}

void sc_gather_leave(sc_gather *g, int index)
{
    pthread_mutex_lock(&g->lock);
    g->member[index].state = GONE;
    if (g->turn == index)
        pass(g);
    pthread_mutex_unlock(&g->lock);
}

/* ---- life ---- */

const sc_score *sc_gather_score(const sc_gather *g, int index) { return &g->member[index].score; }

sc_status sc_gather_create(sc_gather **gather, const sc_score *score, int members)
{
    sc_status status = SC_OK;
    sc_gather *g = NULL;
    *gather = NULL;
    assert(members > 0);
    SC_TRY(SC_ALLOC(&g, 1, "gathered score"));
    SC_TRY(SC_ALLOC(&g->member, members, "gathered score"));
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->passed, NULL);
    g->score = score;
    g->members = members;
    for (int i = 0; i < members; i++) {
        member *m = &g->member[i];
        m->gather = g;
        m->score = *score;
        m->score.denoise = denoise;
        m->score.denoise_vjp = score->denoise_vjp ? denoise_vjp : NULL;
        m->score.cost = cost;
        m->score.destroy = destroy;
        m->score.impl = m;
    }
    *gather = g;
    g = NULL;
cleanup:
    sc_free(g);
    return status;
}

void sc_gather_free(sc_gather *g)
{
    if (!g)
        return;
    pthread_mutex_destroy(&g->lock);
    pthread_cond_destroy(&g->passed);
    sc_free(g->member);
    sc_free(g);
}

/* ---- members in threads ---- */

typedef struct {
    sc_gather *gather;
    int index;
    void (*work)(void *self, int member, const sc_score *score);
    void *self;
} worker;

static void *work_as_member(void *argument)
{
    const worker *w = argument;
    sc_gather_enter(w->gather, w->index);
    w->work(w->self, w->index, sc_gather_score(w->gather, w->index));
    sc_gather_leave(w->gather, w->index);
    return NULL;
}

sc_status sc_gather_run(const sc_score *score, int members,
                        void (*work)(void *self, int member, const sc_score *score), void *self)
{
    sc_status status = SC_OK;
    sc_gather *gather = NULL;
    pthread_t *thread = NULL;
    worker *list = NULL;
    int started = 0;
    SC_TRY(sc_gather_create(&gather, score, members));
    SC_TRY(SC_ALLOC(&thread, members, "threads"));
    SC_TRY(SC_ALLOC(&list, members, "threads"));
    for (; started < members; started++) {
        list[started] = (worker){gather, started, work, self};
        if (pthread_create(&thread[started], NULL, work_as_member, &list[started]))
            break;
    }
    for (int i = started; i < members; i++)
        sc_gather_leave(gather, i);
    for (int i = 0; i < started; i++)
        pthread_join(thread[i], NULL);
    if (started < members)
        status = sc_fail(SC_ERR_MEMORY, "no more than %d threads of %d", started, members);
cleanup:
    sc_gather_free(gather);
    sc_free(thread);
    sc_free(list);
    return status;
}
