#include "prior/classifier_train.h"
#include "base/memory.h"
#include "prior/adam.h"
#include "prior/classifier.h"
#include "prior/training_internal.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CLASSES_MAX = 64, REPORT_STEPS = 50 };

typedef struct {
    const sc_classifier_job *job;
    sc_image_set train, val; /* source NULL if none */
    int *label, *val_label;  /* (count) */
    char *name[CLASSES_MAX];
    int classes, crop, batch;
    sc_network_config config;
    sc_network *network;
    sc_device *device;
    sc_run *run;
    int64_t count, example, small, places; /* floats in theta, an example, its half, places */
    float *theta, *ema, *m, *v, *gradient;
    float *x0, *x, *halves, *evidence; /* x0, x: one example; halves, evidence: (batch) */
    double *sigma;                     /* (batch) */
    int *c;                            /* (batch) class of each */
    int64_t step;
    double start;
} training;

static double option(const training *t, const char *name)
{
    return sc_options_get(t->job->options, name);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* ---- classes ---- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int find_class(const training *t, const char *name, size_t length)
{
    for (int k = 0; k < t->classes; k++)
        if (strlen(t->name[k]) == length && strncmp(t->name[k], name, length) == 0)
            return k;
    return -1;
}

static sc_status add_class(training *t, const char *name, size_t length)
{
    sc_status status = SC_OK;
    if (find_class(t, name, length) >= 0)
        return SC_OK;
    if (t->classes == CLASSES_MAX)
        return sc_fail(SC_ERR_INPUT, "classifier: expected at most %d classes, found %.60s beside "
                                     "them", CLASSES_MAX, name);
    if (length == 0 || memchr(name, '|', length))
        return sc_fail(SC_ERR_INPUT, "classifier: expected the name of a class before '/', without "
                                     "'|', found %.60s", name);
    SC_TRY(SC_ALLOC(&t->name[t->classes], length + 1, "classes"));
    memcpy(t->name[t->classes++], name, length);
cleanup:
    return status;
}

static sc_status list_classes(training *t)
{
    sc_status status = SC_OK;
    const sc_image_source *s = t->job->train;
    for (int i = 0; i < s->count; i++) {
        const char *name = s->name(s->self, i);
        SC_TRY(add_class(t, name, strcspn(name, "/")));
    }
    qsort(t->name, (size_t)t->classes, sizeof *t->name, compare_names);
    if (t->classes < 2)
        SC_TRY(sc_fail(SC_ERR_INPUT, "classifier: expected images of two classes or more, in a "
                                     "folder each; found %d", t->classes));
cleanup:
    return status;
}

static sc_status label_images(int **label, const training *t, const sc_image_source *s)
{
    sc_status status = SC_OK;
    SC_TRY(SC_ALLOC(label, s->count, "classes of images"));
    for (int i = 0; i < s->count; i++) {
        const char *name = s->name(s->self, i);
        (*label)[i] = find_class(t, name, strcspn(name, "/"));
        if ((*label)[i] < 0)
            SC_TRY(sc_fail(SC_ERR_INPUT, "%s: its class is not among those trained", name));
    }
cleanup:
    return status;
}

/* ---- examples ---- */

/* The n-th image of a class. */
static int nth_image(const training *t, int c, double u)
{
    int count = 0, image = 0;
    for (int i = 0; i < t->train.source->count; i++)
        count += t->label[i] == c;
    int n = (int)(u * count);
    while (t->label[image] != c || n-- > 0)
        image++;
    return image;
}

/* Half of x0 + sigma z */
static void add_example(training *t, int item, double sigma, sc_key key)
{
    sc_training_add_noise(t->x, t->x0, sigma, t->example, key);
    sc_classifier_reduce(t->halves + item * t->small, t->x, t->crop, t->crop, t->config.channels);
    t->sigma[item] = sigma / SC_CLASSIFIER_REDUCE;
}

static unsigned left_out(const training *t)
{
    const sc_training as_prior = {.options = *t->job->options, .train = t->train};
    return sc_training_left_out(&as_prior);
}

static sc_status draw_example(training *t, int item)
{
    const sc_image_source *source = t->train.source;
    const sc_augmentation how = {
        .crop = t->crop, .channels = t->config.channels, .without = left_out(t)};
    sc_key key = {(uint64_t)option(t, "seed"), (uint32_t)t->step, (uint32_t)item};
    double low = log(fmax(option(t, "sigma-min"), SC_CLASSIFIER_NOISE_MIN)),
           high = log(fmin(option(t, "sigma-max"), SC_CLASSIFIER_NOISE_MAX)),
           u = sc_random_uniform1(5, key, SC_DRAW_DATASET + SC_DATASET_SIGMA, 0);
    const uint32_t pick = SC_DRAW_DATASET + SC_DATASET_PICK;
    sc_array image;
    t->c[item] = (int)(sc_random_uniform1(1, key, pick, 0) * t->classes);
    int index = nth_image(t, t->c[item], sc_random_uniform1(0, key, pick, 0));
    sc_status status = source->get(source->self, &image, index);
    if (status != SC_OK)
        return status;
    sc_augment(t->x0, &image, t->train.scale[index], &how, key);
    add_example(t, item, exp(low + u * (high - low)), key);
    return SC_OK;
}

/* ---- updates ---- */

/* Share of the whole that is done, by images or by time. */
static double share(const training *t)
{
    double images = (double)(t->step * t->batch) / option(t, "images");
    double time = t->job->hours > 0 ? (seconds() - t->start) / (3600 * t->job->hours) : 0;
    return fmax(images, time);
}

static double learning_rate(const training *t, double done)
{
    double rate = option(t, "lr") * fmin(1, (double)(t->step + 1) / fmax(option(t, "warmup"), 1));
    double decay = option(t, "decay");
    if (decay > 0 && done > 1 - decay)
        rate *= (1 + cos(M_PI * fmin((done - (1 - decay)) / decay, 1))) / 2;
    return rate;
}

/* log p of each example's class: their mean, negative, is the loss; its gradient is added up. */
static sc_status find_gradient(training *t, double *loss)
{
    sc_status status = SC_OK;
    double log_p[CLASSES_MAX];
    *loss = 0;
    SC_TRY(sc_run_set_theta(t->run, t->theta));
    SC_TRY(sc_run_classify(t->run, t->evidence, t->halves, t->sigma));
    for (int i = 0; i < t->batch; i++) {
        float *evidence = t->evidence + i * t->places * t->classes;
        sc_classifier_log_p(log_p, evidence, t->places, t->classes, t->c[i]);
        *loss -= log_p[t->c[i]] / t->batch;
        for (int64_t j = 0; j < t->places * t->classes; j++)
            evidence[j] /= (float)-t->batch;
    }
    memset(t->gradient, 0, (size_t)t->count * sizeof *t->gradient);
    SC_TRY(sc_run_backward(t->run, t->gradient, NULL, t->evidence));
    sc_loss_clear_frozen(t->gradient, t->network);
cleanup:
    return status;
}

static sc_status update(training *t, double done, double *loss)
{
    sc_status status = SC_OK;
    for (int i = 0; i < t->batch; i++)
        SC_TRY(draw_example(t, i));
    SC_TRY(find_gradient(t, loss));
    double norm = sqrt(sc_squared_norm(t->gradient, t->count)), n = (double)t->step + 1;
    if (!isfinite(*loss) || !isfinite(norm))
        SC_TRY(sc_fail(SC_ERR_NUMERIC, "classifier: the loss is not finite after %lld updates",
                       (long long)t->step));
    const sc_adam adam = {.rate = learning_rate(t, done), .beta1 = 0.9, .beta2 = 0.999,
                          .epsilon = 1e-8,
                          .ema_decay = fmin(option(t, "ema"), (1 + n) / (10 + n)),
                          .scale = fmin(1, option(t, "clip") / (norm + 1e-6)), .step = t->step + 1};
    sc_adam_update(t->theta, t->ema, t->m, t->v, t->gradient, t->count, &adam);
    t->step++;
cleanup:
    return status;
}

static sc_status run(training *t)
{
    sc_status status = SC_OK;
    double loss, sum = 0;
    t->start = seconds();
    for (double done; (done = share(t)) < 1;) {
        SC_TRY(sc_progress_step(t->job->progress, "training", done, 1));
        SC_TRY(update(t, done, &loss));
        sum += loss;
        if (t->step % REPORT_STEPS == 0) {
            if (t->job->report)
                t->job->report(t->job->self, t->step * t->batch, sum / REPORT_STEPS);
            sum = 0;
        }
    }
cleanup:
    return status;
}

/* ---- validation: centre crops, classes weighted alike ---- */

static sc_status validate_level(training *t, sc_classifier_result *r, int level)
{
    sc_status status = SC_OK;
    const sc_image_source *source = t->val.source;
    const sc_augmentation how = {.crop = t->crop, .channels = t->config.channels, .fixed = true};
    double log_p[CLASSES_MAX], right[CLASSES_MAX] = {0}, loss[CLASSES_MAX] = {0};
    int count[CLASSES_MAX] = {0}, present = 0;
    for (int first = 0; first < source->count; first += t->batch) {
        int n = source->count - first < t->batch ? source->count - first : t->batch;
        for (int i = 0; i < t->batch; i++) { /* the last batch is filled up with its last image */
            sc_array image;
            int index = first + (i < n ? i : n - 1);
            sc_key key = {7, (uint32_t)level, (uint32_t)index};
            SC_TRY(source->get(source->self, &image, index));
            sc_augment(t->x0, &image, t->val.scale[index], &how, key);
            add_example(t, i, sc_validation_sigma[level], key);
        }
        SC_TRY(sc_run_classify(t->run, t->evidence, t->halves, t->sigma));
        for (int i = 0; i < n; i++) {
            int c = t->val_label[first + i], best = 0;
            sc_classifier_log_p(log_p, t->evidence + i * t->places * t->classes, t->places,
                                t->classes, -1);
            for (int k = 1; k < t->classes; k++)
                best = log_p[k] > log_p[best] ? k : best;
            right[c] += best == c;
            loss[c] -= log_p[c];
            count[c]++;
        }
    }
    for (int k = 0; k < t->classes; k++)
        present += count[k] > 0;
    for (int k = 0; k < t->classes; k++)
        if (count[k]) {
            r->accuracy[level] += right[k] / count[k] / present;
            r->log_loss[level] += loss[k] / count[k] / present;
        }
cleanup:
    return status;
}

static sc_status validate(training *t, sc_classifier_result *r)
{
    sc_status status = SC_OK;
    r->seen = t->step * t->batch;
    r->classes = t->classes;
    if (!t->val.source)
        return SC_OK;
    r->images = t->val.source->count;
    SC_TRY(sc_run_set_theta(t->run, t->ema));
    for (int i = 0; i < SC_VALIDATION_LEVELS; i++)
        SC_TRY(validate_level(t, r, i));
cleanup:
    return status;
}

/* ---- weights ---- */

static void describe(char *text, size_t size, const training *t, const sc_classifier_result *r)
{
    int n = snprintf(text, size, "{\"images\": %lld, \"steps\": %lld, \"seed\": %.0f, \"crop\": %d",
                     (long long)r->seen, (long long)t->step, option(t, "seed"), t->crop);
    for (int i = 0; r->images && i < SC_VALIDATION_LEVELS && n < (int)size; i++)
        n += snprintf(text + n, size - (size_t)n, ", \"accuracy at sigma %g\": %.4f",
                      sc_validation_sigma[i], r->accuracy[i]);
    if (n < (int)size)
        snprintf(text + n, size - (size_t)n, "}");
}

static sc_status write(const training *t, const sc_classifier_result *r, const char *path)
{
    char text[1024], *names = NULL;
    size_t size = 1;
    const sc_training_about *about = t->job->about;
    sc_status status = SC_OK;
    for (int k = 0; k < t->classes; k++)
        size += strlen(t->name[k]) + 1;
    SC_TRY(SC_ALLOC(&names, size, "classes"));
    for (int k = 0; k < t->classes; k++) {
        strcat(names, k ? "|" : "");
        strcat(names, t->name[k]);
    }
    describe(text, sizeof text, t, r);
    const sc_weights_record record = {
        .sde = sc_sde_ve(SC_CLASSIFIER_NOISE_MIN, SC_CLASSIFIER_NOISE_MAX),
        .normalisation = (char *)SC_WEIGHTS_NORMALISATION, .modality = (char *)about->modality,
        .anatomy = (char *)about->anatomy, .licence = (char *)about->licence,
        .data = (char *)about->data, .training = text, .program = (char *)about->program,
        .classes = names};
    SC_TRY(sc_weights_write(path, t->network, t->ema, &record));
cleanup:
    sc_free(names);
    return status;
}

/* ---- the whole ---- */

static sc_status allocate(training *t)
{
    sc_status status = SC_OK;
    int multiple = sc_network_multiple(t->network), side = t->crop / SC_CLASSIFIER_REDUCE;
    float **vectors[] = {&t->theta, &t->ema, &t->m, &t->v, &t->gradient};
    t->count = sc_network_parameter_count(t->network);
    t->example = (int64_t)t->crop * t->crop * t->config.channels;
    t->small = t->example / (SC_CLASSIFIER_REDUCE * SC_CLASSIFIER_REDUCE);
    t->places = (int64_t)(side / multiple) * (side / multiple);
    if (t->crop % (SC_CLASSIFIER_REDUCE * multiple))
        SC_TRY(sc_fail(SC_ERR_USAGE, "option crop: expected a multiple of %d, found %d",
                       SC_CLASSIFIER_REDUCE * multiple, t->crop));
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        SC_TRY(SC_ALLOC(vectors[i], t->count, "classifier"));
    SC_TRY(SC_ALLOC(&t->x0, t->example, "example"));
    SC_TRY(SC_ALLOC(&t->x, t->example, "example"));
    SC_TRY(SC_ALLOC(&t->halves, t->small * t->batch, "examples"));
    SC_TRY(SC_ALLOC(&t->evidence, t->places * t->classes * t->batch, "evidence"));
    SC_TRY(SC_ALLOC(&t->sigma, t->batch, "examples"));
    SC_TRY(SC_ALLOC(&t->c, t->batch, "examples"));
    SC_TRY(sc_device_create_cpu(&t->device, t->job->threads));
    SC_TRY(sc_run_create(&t->run, t->network, t->device, t->batch, side, side, 1));
    sc_network_initialise(t->network, t->theta, (uint64_t)option(t, "seed"));
    memcpy(t->ema, t->theta, (size_t)t->count * sizeof *t->ema);
cleanup:
    return status;
}

static sc_status prepare(training *t, const sc_classifier_job *job)
{
    sc_status status = SC_OK;
    *t = (training){.job = job, .config = *job->config, .crop = 0};
    t->crop = (int)option(t, "crop");
    t->batch = (int)option(t, "batch");
    SC_TRY(list_classes(t));
    t->config.classes = t->classes;
    SC_TRY(sc_network_create(&t->network, &t->config));
    SC_TRY(sc_image_set_create(&t->train, job->train, t->config.channels));
    SC_TRY(label_images(&t->label, t, job->train));
    if (job->val) {
        SC_TRY(sc_image_set_create(&t->val, job->val, t->config.channels));
        SC_TRY(label_images(&t->val_label, t, job->val));
    }
    SC_TRY(allocate(t));
cleanup:
    return status;
}

static void release(training *t)
{
    void *owned[] = {t->label, t->val_label, t->theta, t->ema,    t->m,        t->v,    t->gradient,
                     t->x0,    t->x,         t->sigma, t->halves, t->evidence, t->c};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        sc_free(owned[i]);
    for (int k = 0; k < t->classes; k++)
        sc_free(t->name[k]);
    sc_run_free(t->run);
    sc_device_free(t->device);
    sc_network_free(t->network);
    sc_image_set_free(&t->train);
    sc_image_set_free(&t->val);
}

sc_network_config sc_classifier_config_default(void)
{
    sc_network_config c = sc_network_config_default();
    c.nf = 16;
    c.ch_mult[1] = 2;
    c.ch_mult[2] = c.ch_mult[3] = 3;
    return c;
}

sc_status sc_classifier_train(sc_classifier_result *result, const char *path,
                              const sc_classifier_job *job)
{
    sc_status status = SC_OK;
    training t = {0};
    *result = (sc_classifier_result){0};
    SC_TRY(prepare(&t, job));
    SC_TRY(run(&t));
    SC_TRY(validate(&t, result));
    SC_TRY(write(&t, result, path));
cleanup:
    release(&t);
    return status;
}
