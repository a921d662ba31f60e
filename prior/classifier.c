/* The network as a classifier, and the score it guides. */
#include "prior/classifier.h"
#include "base/memory.h"
#include "prior/weights.h"
#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* ---- evidence to probabilities ---- */

void sc_classifier_reduce(float *small, const float *x, int h, int w, int channels)
{
    int64_t row = (int64_t)w * channels;
    for (int i = 0; i < h / 2; i++)
        for (int j = 0; j < w / 2; j++)
            for (int c = 0; c < channels; c++, small++) {
                const float *p = x + 2 * i * row + (int64_t)2 * j * channels + c;
                *small = (p[0] + p[channels] + p[row] + p[row + channels]) / 4;
            }
}

void sc_classifier_spread(float *g, const float *small, int h, int w, int channels)
{
    for (int i = 0; i < h; i++)
        for (int j = 0; j < w; j++)
            for (int c = 0; c < channels; c++)
                g[((int64_t)i * w + j) * channels + c] =
                    small[((int64_t)(i / 2) * (w / 2) + j / 2) * channels + c] / 4;
}

void sc_classifier_log_p(double *log_p, float *evidence, int64_t places, int classes, int c)
{
    double largest = -INFINITY, sum = 0;
    for (int k = 0; k < classes; k++) {
        log_p[k] = 0;
        for (int64_t i = 0; i < places; i++)
            log_p[k] += evidence[i * classes + k];
        log_p[k] /= (double)places;
        largest = fmax(largest, log_p[k]);
    }
    for (int k = 0; k < classes; k++)
        sum += exp(log_p[k] - largest);
    for (int k = 0; k < classes; k++)
        log_p[k] -= largest + log(sum);
    for (int64_t i = 0; c >= 0 && i < places; i++)
        for (int k = 0; k < classes; k++)
            evidence[i * classes + k] = (float)(((k == c) - exp(log_p[k])) / (double)places);
}

/* ---- the network ---- */

enum { CLASSES_MAX = 64 };

typedef struct {
    sc_weights weights;
    sc_device *device;
    pthread_mutex_t lock; /* of what follows */
    sc_run *run;
    int h, w;                       /* of the run: half the size of what is seen */
    float *image, *small, *evidence; /* of the run */
    char *names;
    const char *name[CLASSES_MAX];
} network_classifier;

static void drop_run(network_classifier *net)
{
    sc_run_free(net->run);
    sc_free(net->image);
    sc_free(net->small);
    sc_free(net->evidence);
    net->run = NULL;
    net->image = net->small = net->evidence = NULL;
}

static sc_status prepare_run(network_classifier *net, int h, int w)
{
    sc_status status = SC_OK;
    const sc_network_config *c = sc_network_configuration(net->weights.network);
    int multiple = sc_network_multiple(net->weights.network);
    size_t places = (size_t)(h / multiple) * (size_t)(w / multiple);
    if (net->run && net->h == h && net->w == w)
        return SC_OK;
    drop_run(net);
    SC_TRY(SC_ALLOC(&net->image, (size_t)4 * h * w * c->channels, "classifier"));
    SC_TRY(SC_ALLOC(&net->small, (size_t)h * w * c->channels, "classifier"));
    SC_TRY(SC_ALLOC(&net->evidence, places * c->classes, "classifier"));
    SC_TRY(sc_run_create(&net->run, net->weights.network, net->device, 1, h, w, 1));
    SC_TRY(sc_run_set_theta(net->run, net->weights.theta));
    net->h = h;
    net->w = w;
cleanup:
    if (status != SC_OK)
        drop_run(net);
    return status;
}

/* rows of `from` into rows of `to`, bytes each */
static void copy_rows(float *to, const float *from, int rows, size_t to_row, size_t from_row,
                      size_t numbers)
{
    for (int i = 0; i < rows; i++)
        memcpy(to + i * to_row, from + i * from_row, numbers * sizeof *to);
}

/* One image, (w) wide; what the network sees of it has 2 net->h rows and 2 net->w columns. */
static sc_status evaluate_one(network_classifier *net, double *log_p, float *g, int c,
                              const float *x, double sigma, int h, int w)
{
    sc_status status = SC_OK;
    const sc_network_config *config = sc_network_configuration(net->weights.network);
    int multiple = sc_network_multiple(net->weights.network);
    size_t row = (size_t)w * config->channels, seen = (size_t)2 * net->w * config->channels;
    int64_t places = (int64_t)(net->h / multiple) * (net->w / multiple);
    double small_sigma = sigma / SC_CLASSIFIER_REDUCE;
    copy_rows(net->image, x, 2 * net->h, seen, row, seen);
    sc_classifier_reduce(net->small, net->image, 2 * net->h, 2 * net->w, config->channels);
    SC_TRY(sc_run_classify(net->run, net->evidence, net->small, &small_sigma));
    sc_classifier_log_p(log_p, net->evidence, places, config->classes, g ? c : -1);
    if (!g)
        return SC_OK;
    SC_TRY(sc_run_backward(net->run, NULL, net->small, net->evidence));
    sc_classifier_spread(net->image, net->small, 2 * net->h, 2 * net->w, config->channels);
    memset(g, 0, (size_t)h * row * sizeof *g);
    copy_rows(g, net->image, 2 * net->h, row, seen, seen);
cleanup:
    return status;
}

static sc_status evaluate(const sc_classifier *self, double *log_p, float *g, int c,
                          const float *x, const double *sigma, int n, int h, int w)
{
    sc_status status = SC_OK;
    network_classifier *net = self->impl;
    int multiple = sc_network_multiple(net->weights.network);
    int sh = h / 2 / multiple * multiple, sw = w / 2 / multiple * multiple;
    size_t size = (size_t)h * w * self->channels;
    if (sh == 0 || sw == 0)
        return sc_fail(SC_ERR_INPUT, "classifier: expected images of at least %d x %d, found %d x %d",
                       2 * multiple, 2 * multiple, h, w);
    pthread_mutex_lock(&net->lock);
    SC_TRY(prepare_run(net, sh, sw));
    for (int i = 0; i < n; i++)
        SC_TRY(evaluate_one(net, log_p + (size_t)i * self->classes, g ? g + i * size : NULL, c,
                            x + i * size, sigma[i], h, w));
cleanup:
    pthread_mutex_unlock(&net->lock);
    return status;
}

static void destroy(sc_classifier *self)
{
    network_classifier *net = self->impl;
    if (net) {
        drop_run(net);
        pthread_mutex_destroy(&net->lock);
        sc_device_free(net->device);
        sc_weights_free(&net->weights);
        sc_free(net->names);
    }
    sc_free(net);
    sc_free(self);
}

/* "A|B" into as many names as the network has classes */
static sc_status split_names(network_classifier *net, int classes, const char *path)
{
    sc_status status = sc_string_copy(&net->names, net->weights.record.classes);
    int found = 0;
    char *at = status == SC_OK ? net->names : NULL;
    while (at && found < CLASSES_MAX) {
        net->name[found++] = at;
        at = strchr(at, '|');
        if (at)
            *at++ = 0;
    }
    if (status == SC_OK && (at || found != classes))
        status = sc_fail(SC_ERR_FORMAT, "%s: classes: expected %d names, found %d", path, classes,
                         found);
    return status;
}

sc_status sc_classifier_load(sc_classifier **classifier, const char *path, int threads)
{
    sc_status status = SC_OK;
    sc_classifier *s = NULL;
    network_classifier *net = NULL;
    *classifier = NULL;
    SC_TRY(SC_ALLOC(&s, 1, "classifier"));
    SC_TRY(SC_ALLOC(&net, 1, "classifier"));
    pthread_mutex_init(&net->lock, NULL);
    *s = (sc_classifier){.evaluate = evaluate, .destroy = destroy, .impl = net};
    SC_TRY(sc_weights_read(&net->weights, path));
    const sc_network_config *config = sc_network_configuration(net->weights.network);
    if (!config->classes)
        SC_TRY(sc_fail(SC_ERR_UNSUPPORTED, "%s: expected a classifier, found a prior", path));
    SC_TRY(split_names(net, config->classes, path));
    SC_TRY(sc_device_create_cpu(&net->device, threads));
    s->channels = config->channels;
    s->classes = config->classes;
    s->class_name = net->name;
    memcpy(s->hash, net->weights.hash, sizeof s->hash);
    *classifier = s;
cleanup:
    if (status != SC_OK && s)
        s->destroy ? destroy(s) : sc_free(s);
    return status;
}

void sc_classifier_free(sc_classifier *classifier)
{
    if (classifier)
        classifier->destroy(classifier);
}

sc_status sc_classifier_find(int *c, const sc_classifier *classifier, const char *name)
{
    char list[256] = "";
    size_t length = 0;
    for (*c = 0; *c < classifier->classes; ++*c) {
        const char *known = classifier->class_name[*c];
        if (strcmp(known, name) == 0)
            return SC_OK;
        length += (size_t)snprintf(list + length, sizeof list - length, "%s%s", *c ? ", " : "",
                                   known);
        length = length < sizeof list ? length : sizeof list - 1;
    }
    return sc_fail(SC_ERR_USAGE, "class: expected one of %s, found '%.60s'", list, name);
}

/* ---- the guided score ---- */

typedef struct {
    const sc_score *score;
    const sc_classifier *classifier;
    int c;
    double guidance;
} guide;

static sc_status guided_denoise(const sc_score *self, float *d, const float *x,
                                const double *sigma, int n, int h, int w)
{
    sc_status status = SC_OK;
    const guide *to = self->impl;
    int64_t size = (int64_t)h * w * self->channels;
    float *g = NULL;
    double *log_p = NULL;
    SC_TRY(SC_ALLOC(&g, n * size, "guidance"));
    SC_TRY(SC_ALLOC(&log_p, (size_t)n * to->classifier->classes, "guidance"));
    SC_TRY(sc_score_denoise(to->score, d, x, sigma, n, h, w));
    SC_TRY(to->classifier->evaluate(to->classifier, log_p, g, to->c, x, sigma, n, h, w));
    for (int i = 0; i < n; i++) {
        double step = to->guidance * sigma[i] * sigma[i];
        for (int64_t j = i * size; j < (i + 1) * size; j++)
            d[j] = (float)(d[j] + step * g[j]);
    }
cleanup:
    sc_free(g);
    sc_free(log_p);
    return status;
}

static void guided_cost(const sc_score *self, size_t *bytes, double *flops, int n, int h, int w)
{
    const guide *to = self->impl;
    to->score->cost(to->score, bytes, flops, n, h, w); /* the classifier's is small beside it */
    *bytes += (size_t)n * h * w * self->channels * sizeof(float);
}

static void guided_destroy(sc_score *self)
{
    sc_free(self->impl);
    sc_free(self);
}

sc_status sc_score_guide(sc_score **guided, const sc_score *score, const sc_classifier *classifier,
                         int c, double guidance)
{
    sc_status status = SC_OK;
    sc_score *s = NULL;
    guide *to;
    *guided = NULL;
    assert(c >= 0 && c < classifier->classes);
    if (score->channels != classifier->channels)
        return sc_fail(SC_ERR_INPUT, "classifier: expected %d channels, as the prior has, found %d",
                       score->channels, classifier->channels);
    SC_TRY(SC_ALLOC(&s, 1, "guided prior"));
    *s = *score;
    s->impl = NULL;
    SC_TRY(SC_ALLOC(&to, 1, "guided prior"));
    *to = (guide){score, classifier, c, guidance};
    s->name = "guided";
    s->denoise = guided_denoise;
    s->denoise_vjp = NULL;
    s->cost = guided_cost;
    s->destroy = guided_destroy;
    s->impl = to;
    *guided = s;
    s = NULL;
cleanup:
    sc_free(s);
    return status;
}
