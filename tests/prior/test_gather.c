/* Callers that share a score: one batch a round, whatever the threads' speed; the same results. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "prior/gather.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MEMBERS = 4, MOST = 64 };

/* A score that notes its batches: D = sigma x, J^T v = sigma v. */
typedef struct {
    int calls, images[MOST], fail_at;
} noted;

static sc_status note(noted *s, int n)
{
    assert_true(s->calls < MOST);
    s->images[s->calls++] = n;
    return s->calls == s->fail_at ? sc_fail(SC_ERR_NUMERIC, "batch %d fails", s->calls) : SC_OK;
}

static void scale(float *d, const float *x, const double *sigma, int n, int h, int w)
{
    for (int i = 0; i < n * h * w; i++)
        d[i] = (float)sigma[i / (h * w)] * x[i];
}

static sc_status denoise(const sc_score *self, float *d, const float *x, const double *sigma,
                         int n, int h, int w)
{
    scale(d, x, sigma, n, h, w);
    return note(self->impl, n);
}

static sc_status denoise_vjp(const sc_score *self, float *d, float *g, const float *x,
                             const double *sigma, const float *v, int n, int h, int w)
{
    scale(d, x, sigma, n, h, w);
    scale(g, v, sigma, n, h, w);
    return note(self->impl, n);
}

typedef struct {
    sc_gather *gather;
    int index, rounds, n, side, pause_us;
    bool derivative;
    int failures, wrong;
    int *running; /* members at work: never more than one */
} caller;

static void *call(void *self)
{
    caller *c = self;
    sc_gather_enter(c->gather, c->index);
    for (int k = 0; k < c->rounds; k++) {
        float x[2 * 9], d[2 * 9], g[2 * 9];
        double sigma[2] = {c->index + 1, k + 10};
        int size = c->side * c->side;
        c->wrong += ++*c->running != 1;
        usleep((unsigned)c->pause_us);
        for (int i = 0; i < c->n * size; i++)
            x[i] = (float)(100 * c->index + 10 * k + i);
        --*c->running;
        const sc_score *score = sc_gather_score(c->gather, c->index);
        sc_status status =
            c->derivative ? sc_score_denoise_vjp(score, d, g, x, sigma, x, c->n, c->side, c->side)
                          : sc_score_denoise(score, d, x, sigma, c->n, c->side, c->side);
        if (status != SC_OK) {
            c->failures += strcmp(sc_message(), "batch 2 fails") == 0;
            continue;
        }
        for (int i = 0; i < c->n * size; i++) {
            c->wrong += d[i] != (float)sigma[i / size] * x[i];
            c->wrong += c->derivative && g[i] != d[i];
        }
    }
    sc_gather_leave(c->gather, c->index);
    return NULL;
}

static void run(caller *callers, noted *s)
{
    pthread_t thread[MEMBERS];
    int running = 0;
    sc_gather *gather;
    const sc_score score = {.name = "noted", .channels = 1, .denoise = denoise,
                            .denoise_vjp = denoise_vjp, .impl = s};
    assert_int_equal(sc_gather_create(&gather, &score, MEMBERS), SC_OK);
    for (int i = MEMBERS; i-- > 0;) {
        callers[i].gather = gather, callers[i].index = i, callers[i].running = &running;
        assert_int_equal(pthread_create(&thread[i], NULL, call, &callers[i]), 0);
    }
    for (int i = 0; i < MEMBERS; i++) {
        pthread_join(thread[i], NULL);
        assert_int_equal(callers[i].wrong, 0);
    }
    sc_gather_free(gather);
}

static void expect_batches(const noted *s, int calls, const int *images)
{
    assert_int_equal(s->calls, calls);
    for (int i = 0; i < calls; i++)
        assert_int_equal(s->images[i], images[i]);
}

static void all_that_ask_are_one_batch(void **state)
{
    (void)state;
    for (int pause = 0; pause < 2; pause++) {
        noted s = {0};
        caller c[MEMBERS];
        for (int i = 0; i < MEMBERS; i++) /* the first is the slowest, or none is */
            c[i] = (caller){.rounds = 3, .n = 1 + i % 2, .side = 3,
                            .pause_us = pause * 3000 * (MEMBERS - i)};
        run(c, &s);
        expect_batches(&s, 3, (int[]){6, 6, 6});
    }
}

static void who_leaves_is_not_waited_for(void **state)
{
    (void)state;
    noted s = {0};
    caller c[MEMBERS];
    for (int i = 0; i < MEMBERS; i++)
        c[i] = (caller){.rounds = i, .n = 1, .side = 2}; /* 0, 1, 2, 3 */
    run(c, &s);
    expect_batches(&s, 3, (int[]){3, 2, 1});
}

/* Other sizes, and requests with a derivative, are batches of their own. */
static void what_is_not_alike_is_asked_apart(void **state)
{
    (void)state;
    noted s = {0};
    caller c[MEMBERS];
    for (int i = 0; i < MEMBERS; i++)
        c[i] = (caller){.rounds = 1, .n = 1, .side = i == 1 ? 2 : 3, .derivative = i > 1};
    run(c, &s);
    expect_batches(&s, 3, (int[]){1, 1, 2});
}

static void a_batch_that_fails_fails_for_all_with_its_message(void **state)
{
    (void)state;
    noted s = {.fail_at = 2};
    caller c[MEMBERS];
    for (int i = 0; i < MEMBERS; i++)
        c[i] = (caller){.rounds = 3, .n = 2, .side = 3};
    run(c, &s);
    expect_batches(&s, 3, (int[]){8, 8, 8});
    for (int i = 0; i < MEMBERS; i++)
        assert_int_equal(c[i].failures, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_ask_are_one_batch),
        cmocka_unit_test(who_leaves_is_not_waited_for),
        cmocka_unit_test(what_is_not_alike_is_asked_apart),
        cmocka_unit_test(a_batch_that_fails_fails_for_all_with_its_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
