/* What a run would cost, measured on its first plane: the method is run there with few steps and
 * with a few more, and the time is a line through both. Nothing is guessed from a table of
 * processors.
 */
#include "base/memory.h"
#include "prior/gather.h"
#include "protocols/job_internal.h"
#include "recon/prior_share.h"
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define FEW 2
#define MORE 5
#define QUICK 0.5      /* seconds of a plane; so short a run is measured whole */
#define FEWEST_STEPS 4 /* below that a result is not worth its name */

/* The options that count a method's steps. */
static const char *const step_options[] = {"levels", "iterations"};

static const char *step_option(const sc_method *method)
{
    for (size_t i = 0; i < sizeof step_options / sizeof *step_options; i++)
        for (const sc_option *o = method->options; o && o->name; o++)
            if (!strcmp(o->name, step_options[i]))
                return o->name;
    return NULL;
}

/* Seconds of a round of `workers` planes: prepare + start + steps * step. On the CPU each has a
 * worker of `threads`; on a GPU they take turns, as in the run, so that what is between two steps
 * adds up but their batch of the network does not. */
typedef struct {
    double load, prepare, start, step, steps;
    int workers, threads;
    bool in_turns;
    size_t bytes; /* peak of the whole run */
    char operator_text[256];
    double operator_flops;
    double sigma;
} measured;

/* Of the map of posterior over prior variance, an image. */
static double prior_share_evaluations(const sc_running *run)
{
    return run->samples > 1 && run->score ? SC_PRIOR_SHARE_EVALUATIONS : 0;
}

static double round_seconds(const measured *m, const sc_running *run, double steps)
{
    double samples = run->samples > 1 ? run->samples : 1;
    double maps = m->step * prior_share_evaluations(run); /* a step is an evaluation, and more */
    return m->prepare + samples * (m->start + steps * m->step) + maps;
}

static double total_seconds(const measured *m, const sc_running *run, double steps)
{
    return m->load + ceil((double)run->planes / m->workers) * round_seconds(m, run, steps);
}

/* One timed call of the method, by several workers at once. */
typedef struct {
    const sc_running *run;
    const sc_problem *problem;
    sc_options options;
    sc_status status; /* the first failure */
    char message[1024];
} trial;

static void try_one(void *self, int worker, const sc_score *score)
{
    trial *t = self;
    sc_estimate estimate = {0};
    (void)worker;
    sc_status mine =
        sc_job_one(&estimate, t->run, t->run->method, &t->options, t->problem, score, 0, 0, NULL);
    sc_estimate_free(&estimate);
    if (mine == SC_OK)
        return;
#pragma omp critical(sc_job_queue)
    {
        t->status = mine;
        snprintf(t->message, sizeof t->message, "%s", sc_message());
    }
}

/* As many workers at once as the run will have, each with its own copy of the problem's work: they
 * share memory and caches, so one alone would be too fast. */
static sc_status time_steps(double *seconds, const measured *m, const sc_running *run,
                            const sc_problem *problem, const char *name, double steps)
{
    trial t = {run, problem, run->options, SC_OK, ""};
    for (int i = 0; t.options.table && t.options.table[i].name; i++) {
        if (name && !strcmp(t.options.table[i].name, name))
            t.options.value[i] = steps;
        if (!strcmp(t.options.table[i].name, "samples"))
            t.options.value[i] = 1;
    }
    double start = sc_job_clock();
    if (m->in_turns) {
        sc_status status = sc_gather_run(run->score, m->workers, try_one, &t);
        if (status != SC_OK)
            return status;
    } else {
#pragma omp parallel num_threads(m->workers)
        try_one(&t, 0, run->score);
    }
    *seconds = sc_job_clock() - start;
    return t.status == SC_OK ? SC_OK : sc_fail(t.status, "%s", t.message);
}

static size_t peak_bytes(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (size_t)usage.ru_maxrss * 1024;
}

static sc_status measure_steps(measured *m, const sc_running *run, const sc_problem *problem)
{
    sc_status status = SC_OK;
    const char *name = step_option(run->method);
    double warm, few, more;
    if (!name) {
        m->steps = 1;
        SC_TRY(time_steps(&warm, m, run, problem, NULL, 0));
        SC_TRY(time_steps(&m->step, m, run, problem, NULL, 0));
        goto cleanup;
    }
    m->steps = sc_options_get(&run->options, name);
    SC_TRY(time_steps(&warm, m, run, problem, name, 1)); /* plans and caches are made here */
    SC_TRY(time_steps(&few, m, run, problem, name, FEW));
    SC_TRY(time_steps(&more, m, run, problem, name, MORE));
    m->step = fmax(more - few, 0.05 * more) / (MORE - FEW);
    m->start = fmax(few - FEW * m->step, 0);
    if (m->start + m->steps * m->step < QUICK) { /* it may stop before its last step */
        double whole;
        SC_TRY(time_steps(&whole, m, run, problem, name, m->steps));
        m->step = fmax(whole - m->start, 0) / m->steps;
    }
cleanup:
    return status;
}

static sc_status measure(measured *m, const sc_running *run, double load_seconds)
{
    sc_status status = SC_OK;
    sc_device *device = NULL;
    sc_problem problem = {0};
    *m = (measured){.load = load_seconds};
    m->workers = run->planes < run->threads ? (int)run->planes : run->threads;
    if (run->job->cuda || sc_job_together(run) > 1)
        m->workers = sc_job_together(run);
    m->in_turns = m->workers > 1 && sc_job_together(run) > 1;
    m->threads = m->workers > 1 ? 1 : run->threads;
    if (!run->job->cuda)
        SC_TRY(sc_device_create_cpu(&device, m->threads));
    double start = sc_job_clock();
    SC_TRY(sc_prepare(&problem, NULL, &run->scan, &run->calibration, 0, 0,
                      device ? device : run->device));
    m->prepare = sc_job_clock() - start;
    m->sigma = problem.sigma;
    m->operator_flops = problem.A->flops;
    if (problem.A->describe)
        problem.A->describe(problem.A, m->operator_text, sizeof m->operator_text);
    status = measure_steps(m, run, &problem);
    if (status == SC_ERR_MEMORY && m->in_turns) { /* as the run will find out, too */
        m->workers = 1;
        m->in_turns = false;
        status = measure_steps(m, run, &problem);
    }
    SC_TRY(status);
    if (m->in_turns)
        m->prepare *= m->workers;
    double images = (double)run->planes * (double)(problem.ny * problem.nx);
    m->bytes = peak_bytes() + (size_t)sc_job_stack_bytes(run, &problem) +
               (size_t)(images * (8 + run->samples * 8.0 + (run->samples ? 20 : 0)));
cleanup:
    sc_problem_free(&problem);
    sc_device_free(device);
    return status;
}

/* "levels=12 sigma-end=1 ...": the method's options, as the user would write them. */
static void schedule_text(char *text, size_t size, const sc_options *options)
{
    size_t used = 0;
    text[0] = 0;
    for (int i = 0; options->table && options->table[i].name && used < size; i++) {
        char value[64];
        sc_option_print(value, sizeof value, &options->table[i], options->value[i]);
        used += (size_t)snprintf(text + used, size - used, "%s%s=%s", i ? " " : "",
                                 options->table[i].name, value);
    }
}

/* What the text calls the facts, in its order, less those that are 0; JSON has them all by key.
 * Sigma is relative, because the image's bright end is 1 inside. */
static const struct {
    const char *key, *label, *unit;
} rows[] = {
    {"method", "method", ""},
    {"claim", "claim", ""},
    {"schedule", "options", ""},
    {"operator", "operator", ""},
    {"operator_gflop", "operator, once", "GFLOP"},
    {"sigma", "noise", "of the image's bright end, standard deviation of a real component"},
    {"images", "images", ""},
    {"images_at_once", "images at once", ""},
    {"threads_per_image", "threads for each image", ""},
    {"samples", "samples of each image", ""},
    {"steps", "steps, at most", ""},
    {"time_budget", "time budget", ""},
    {"score_evaluations_per_image", "score evaluations, an image", ""},
    {"operator_applications_per_image", "operator and adjoint, an image", "times"},
    {"seconds_per_image", "time, an image", "s"},
    {"seconds", "time, in all", "s"},
    {"peak_memory_mib", "memory, at most", "MiB"},
};

static json_t *facts_of(const measured *m, const sc_running *run)
{
    double evaluations = 0, applications = 0;
    char schedule[512];
    schedule_text(schedule, sizeof schedule, &run->options);
    if (run->method->plan)
        run->method->plan(&evaluations, &applications, &run->options);
    evaluations += prior_share_evaluations(run);
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:f, s:f, s:I, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:i, s:i}",
        "method", run->method->name, "claim", run->method->claim, "operator", m->operator_text,
        "schedule", schedule, "operator_gflop", m->operator_flops * 1e-9, "sigma", m->sigma,
        "images", (json_int_t)run->planes, "samples", run->samples, "steps", m->steps,
        "score_evaluations_per_image", evaluations, "operator_applications_per_image", applications,
        "seconds_per_image", round_seconds(m, run, m->steps) / (m->in_turns ? m->workers : 1),
        "seconds", total_seconds(m, run, m->steps), "peak_memory_mib", (double)m->bytes / 1048576,
        "images_at_once", m->workers, "threads_per_image", m->threads);
}

static sc_status print(char **text, json_t *facts, bool json)
{
    char *all = NULL;
    size_t size;
    FILE *out = open_memstream(&all, &size);
    if (!out)
        return sc_fail(SC_ERR_MEMORY, "no memory for the plan");
    if (json)
        json_dumpf(facts, out, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    for (size_t i = 0; !json && i < sizeof rows / sizeof *rows; i++) {
        const json_t *value = json_object_get(facts, rows[i].key);
        if (!value || (json_is_number(value) && json_number_value(value) == 0))
            continue;
        fprintf(out, "%-32s ", rows[i].label);
        if (json_is_string(value))
            fprintf(out, "%s\n", json_string_value(value));
        else
            fprintf(out, "%.4g%s%s\n", json_number_value(value), rows[i].unit[0] ? " " : "",
                    rows[i].unit);
    }
    if (json)
        fputc('\n', out);
    fclose(out);
    sc_status status = sc_string_copy(text, all);
    free(all);
    return status;
}

sc_status sc_job_plan_loaded(sc_running *run, double load_seconds, bool json, char **text)
{
    sc_status status = SC_OK;
    measured m;
    json_t *facts = NULL;
    *text = NULL;
    SC_TRY(sc_job_budget(run));
    SC_TRY(measure(&m, run, load_seconds));
    facts = facts_of(&m, run);
    if (!facts)
        SC_TRY(sc_fail(SC_ERR_MEMORY, "no memory for the plan"));
    if (run->budget[0])
        json_object_set_new(facts, "time_budget", json_string(run->budget));
    SC_TRY(print(text, facts, json));
cleanup:
    json_decref(facts);
    return status;
}

sc_status sc_job_plan(const sc_job *job, bool json, char **text)
{
    sc_status status = SC_OK;
    double start = sc_job_clock();
    sc_running run = {0};
    *text = NULL;
    SC_TRY(sc_job_begin(&run, job));
    SC_TRY(sc_job_load(&run));
    SC_TRY(sc_job_plan_loaded(&run, sc_job_clock() - start, json, text));
cleanup:
    sc_job_unload(&run);
    return status;
}

/* "30 s: levels=9 of 12, about 27 s: 2.1 s for each step, 8 s for the rest; measuring ...", or
 * "1 s is too short: the fewest steps are taken, levels=4 of 12, about 16 s: ..." */
static void explain(sc_running *run, const measured *m, const char *name, double steps,
                    double measuring)
{
    double budget = run->job->settings.time_budget_s, fixed = total_seconds(m, run, 0);
    double all = total_seconds(m, run, steps);
    bool short_of_it = all + measuring > budget;
    snprintf(run->budget, sizeof run->budget,
             "%.3g s%s: %s=%g of %g, about %.2g s: %.2g s for each step, %.2g s for "
             "the rest; measuring them took %.2g s",
             budget, short_of_it ? " is too short, the fewest steps are taken" : "", name, steps,
             m->steps, all, total_seconds(m, run, 1) - fixed, fixed, measuring);
    sc_log(short_of_it ? SC_LOG_WARN : SC_LOG_INFO, "time budget %s", run->budget);
}

sc_status sc_job_budget(sc_running *run)
{
    double budget = run->job->settings.time_budget_s, start = sc_job_clock();
    const char *name = step_option(run->method);
    measured m;
    if (budget <= 0)
        return SC_OK;
    if (!name)
        return sc_fail(SC_ERR_USAGE, "method %s has no steps to choose: no time budget",
                       run->method->name);
    sc_status status = measure(&m, run, 0);
    if (status != SC_OK)
        return status;
    double measuring = sc_job_clock() - start, fixed = total_seconds(&m, run, 0);
    double per_step = total_seconds(&m, run, 1) - fixed;
    double steps = floor((budget - measuring - fixed) / per_step);
    steps = fmin(fmax(steps, FEWEST_STEPS), m.steps);
    explain(run, &m, name, steps, measuring);
    for (int i = 0; run->options.table[i].name; i++)
        if (!strcmp(run->options.table[i].name, name))
            run->options.value[i] = steps;
    return SC_OK;
}
