/* NAME.io act.MODULE: eight numbers of each module's output over the batch: L2 norm, mean, largest
 * magnitude, number of elements, the first four elements. Compared as parts of what they measure:
 * the mean and the elements in units of the root mean square. */
#include "subject.h"
#include <math.h>
#include <string.h>

#define ACTIVATION 3e-5

enum { SUMMARY = 8, CALLS = 4096 };

typedef struct {
    char module[96];
    double summary[SUMMARY];
} call;

typedef struct {
    call *calls;
    int count;
    double *embedding; /* (n, width), if the network has such a first stage */
    int64_t embedding_count;
} recorder;

static int times_seen(const recorder *r, const char *module)
{
    int n = 0;
    for (int i = 0; i < r->count; i++) {
        size_t length = strcspn(r->calls[i].module, "#");
        n += length == strlen(module) && strncmp(r->calls[i].module, module, length) == 0;
    }
    return n;
}

static void summarise(double summary[SUMMARY], const float *x, int n, int h, int w, int c)
{
    int64_t pixels = (int64_t)h * w, count = n * pixels * c;
    double sum = 0, squares = 0, most = 0;
    for (int64_t i = 0; i < count; i++) {
        sum += x[i];
        squares += (double)x[i] * x[i];
        most = fabs(x[i]) <= most ? most : fabs(x[i]);
    }
    summary[0] = sqrt(squares);
    summary[1] = sum / (double)count;
    summary[2] = most;
    summary[3] = (double)count;
    for (int64_t i = 0; i < 4 && i < count; i++) /* of the order n, c, h, w */
        summary[4 + i] = x[i / (c * pixels) * c * pixels + i % pixels * c + i / pixels % c];
}

static void observe(void *user, const char *module, const float *value, int n, int h, int w,
                    int channels)
{
    recorder *r = user;
    if (r->count == CALLS)
        return;
    if (strcmp(module, "embedding") == 0 ||
        (strcmp(module, "all_modules.0") == 0 && !r->embedding)) {
        r->embedding_count = (int64_t)n * channels;
        r->embedding = to_doubles(value, r->embedding_count);
    }
    call *c = &r->calls[r->count];
    int before = times_seen(r, module);
    if (before)
        snprintf(c->module, sizeof c->module, "%.80s#%d", module, before + 1);
    else
        snprintf(c->module, sizeof c->module, "%.80s", module);
    summarise(c->summary, value, n, h, w, channels);
    r->count++;
}

static bool is_inside(const char *module, const char *outer)
{
    size_t n = strlen(outer);
    return strncmp(module, outer, n) == 0 && module[n] == '.';
}

/* The module's call; for one that is a single convolution (Downsample, Upsample) what is inside. */
static const call *find_call(const recorder *r, const char *module)
{
    const call *only = NULL;
    int inside = 0;
    for (int i = 0; i < r->count; i++) {
        if (strcmp(r->calls[i].module, module) == 0)
            return &r->calls[i];
        if (is_inside(r->calls[i].module, module)) {
            only = &r->calls[i];
            inside++;
        }
    }
    return inside == 1 ? only : NULL;
}

/* Each number in the unit that makes its error relative. */
static void compare_summary(const subject *s, const char *name, const double *ours,
                            const double *theirs)
{
    double a[SUMMARY], b[SUMMARY], rms = theirs[0] / sqrt(theirs[3]);
    const double unit[SUMMARY] = {theirs[0], rms, theirs[2], theirs[3], rms, rms, rms, rms};
    for (int i = 0; i < SUMMARY; i++) {
        a[i] = ours[i] / unit[i];
        b[i] = theirs[i] / unit[i];
    }
    report_compare(s->p->report, "modules' outputs", name, a, b, SUMMARY,
                   ABSOLUTE(ACTIVATION * s->p->slack));
}

static void compare_all(const subject *s, const recorder *r)
{
    for (int i = 0; i < reference_count(&s->io); i++) {
        const char *name = reference_name(&s->io, i), *module = name + 4;
        if (strncmp(name, "act.", 4) != 0)
            continue;
        tensor theirs = tensor_get(&s->io, "%s", name);
        const call *ours = find_call(r, module);
        if (theirs.count != SUMMARY)
            report_failure(s->p->report, "modules' outputs", name, "expected 8 numbers");
        else if (ours)
            compare_summary(s, name, ours->summary, theirs.v);
        else
            report_absent(s->p->report, "modules' outputs", name, "the engine has no such module");
    }
}

static void compare_embedding(const subject *s, const recorder *r)
{
    tensor theirs = tensor_get(&s->io, "embedding");
    if (!theirs.v)
        return;
    if (!r->embedding || r->embedding_count != theirs.count)
        report_absent(s->p->report, "embedding", "embedding", "the engine does not keep it");
    else /* angles of a Fourier embedding reach some thousand radians */
        report_compare(s->p->report, "embedding", "embedding", r->embedding, theirs.v, theirs.count,
                       ABSOLUTE(s->config.embedding_fourier ? 2e-4 : 3e-5));
}

sc_status check_activations(subject *s)
{
    sc_status status = SC_OK;
    recorder r = {.calls = POOL(call, CALLS)};
    tensor x = tensor_get(&s->io, "x"), labels = tensor_get(&s->io, "labels");
    variant v;
    sc_network *network = NULL;
    sc_run *run = NULL;
    if (!x.v || x.rank != 4 || labels.count != x.dim[0] || variant_count(s) == 0)
        return SC_OK;
    SC_TRY(variant_get(&v, s, 0));
    SC_TRY(variant_network(&network, s, &v));
    SC_TRY(variant_run(&run, network, s, (int)x.dim[0], (int)x.dim[2], (int)x.dim[3], false));
    sc_run_observe(run, observe, &r);
    SC_TRY(sc_run_forward(run, POOL(float, x.count), to_engine(&x), labels.v));
    compare_embedding(s, &r);
    compare_all(s, &r);
cleanup:
    sc_run_free(run);
    sc_network_free(network);
    return status;
}
