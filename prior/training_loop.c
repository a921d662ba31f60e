/* The loop around the updates: when to report, to write, to stop. */
#include "prior/training_internal.h"
#include <math.h>
#include <time.h>

typedef struct {
    sc_training *t;
    const sc_training_plan *plan;
    double start, last_write, last_report; /* seconds */
    int64_t start_images, reported_images;
    double loss_sum;
    int loss_count;
} loop;

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static double total_images(const sc_training *t) { return sc_options_get(&t->options, "images"); }

/* Time left by images or by hours, whichever ends first. */
static double seconds_left(const loop *l)
{
    double elapsed = seconds() - l->start;
    double seen = (double)(l->t->state.images - l->start_images);
    double left = seen > 0 ? (total_images(l->t) - (double)l->t->state.images) * elapsed / seen : 0;
    if (l->plan->hours > 0)
        left = fmin(left, l->plan->hours * 3600 - elapsed);
    return fmax(left, 0);
}

static void report(loop *l, const sc_validation *validation)
{
    double now = seconds();
    double rate = (double)(l->t->state.images - l->reported_images) / (now - l->last_report);
    if (l->plan->report)
        l->plan->report(l->plan->self, &l->t->state, l->loss_sum / fmax(l->loss_count, 1), rate,
                        seconds_left(l), validation);
    l->last_report = seconds();
    l->reported_images = l->t->state.images;
    l->loss_sum = 0;
    l->loss_count = 0;
}

/* The checkpoint first: it is what a resumed run needs. */
static sc_status write_files(loop *l)
{
    sc_status status = SC_OK;
    const sc_training_plan *plan = l->plan;
    sc_validation validation;
    if (plan->checkpoint)
        SC_TRY(sc_training_save(l->t, plan->checkpoint));
    SC_TRY(sc_training_validate(l->t, &validation));
    if (plan->weights)
        SC_TRY(sc_training_export(l->t, plan->weights, plan->about, &validation));
    report(l, &validation);
    l->last_write = seconds();
cleanup:
    return status;
}

static int finished(const loop *l)
{
    return (double)l->t->state.images >= total_images(l->t) ||
           (l->plan->hours > 0 && seconds() - l->start > l->plan->hours * 3600);
}

static sc_status one_step(loop *l)
{
    sc_status status = SC_OK;
    SC_TRY(sc_training_step(l->t));
    l->loss_sum += l->t->state.loss;
    l->loss_count++;
    if (l->plan->report_steps > 0 && l->t->state.step % l->plan->report_steps == 0)
        report(l, NULL);
    if (seconds() - l->last_write > l->plan->checkpoint_minutes * 60)
        SC_TRY(write_files(l));
    SC_TRY(sc_progress_step(l->plan->progress, "training", (double)l->t->state.images,
                            total_images(l->t)));
cleanup:
    return status;
}

/* What is done is kept when the caller stops the run; the reason to stop stays the message. */
static sc_status stop(loop *l)
{
    sc_status status = l->plan->checkpoint ? sc_training_save(l->t, l->plan->checkpoint) : SC_OK;
    if (status != SC_OK)
        return status;
    return sc_fail(SC_ERR_CANCELLED, "training stopped after %lld images%s%s",
                   (long long)l->t->state.images,
                   l->plan->checkpoint ? "; resume from " : ", nothing kept",
                   l->plan->checkpoint ? l->plan->checkpoint : "");
}

sc_status sc_training_run(sc_training *t, const sc_training_plan *plan)
{
    loop l = {.t = t, .plan = plan, .start = seconds(), .start_images = t->state.images,
              .reported_images = t->state.images};
    sc_status status = SC_OK;
    l.last_write = l.last_report = l.start;
    while (!finished(&l)) {
        status = one_step(&l);
        if (status == SC_ERR_CANCELLED)
            SC_TRY(stop(&l));
        if (status == SC_ERR_NUMERIC && plan->checkpoint)
            sc_context(status, "the last good state is in %s", plan->checkpoint);
        SC_TRY(status);
    }
    SC_TRY(write_files(&l));
cleanup:
    return status;
}
