/* One update: draw a batch, gradient of the loss, Adam. */
#include "prior/adam.h"
#include "prior/training_internal.h"
#include <assert.h>
#include <math.h>
#include <string.h>

#define CLIP_EPSILON 1e-6 /* as in the published training code */

double sc_training_option(const sc_training *t, const char *name)
{
    return sc_options_get(&t->options, name);
}

/* t uniform in (SC_LOSS_TIME_MIN, 1], or a label. */
static double draw_time(const sc_loss *loss, sc_key key)
{
    double u = sc_random_uniform1(5, key, SC_DRAW_DATASET + SC_DATASET_SIGMA, 0);
    return sc_loss_is_discrete(loss) ? floor(u * loss->levels)
                                     : u * (1 - SC_LOSS_TIME_MIN) + SC_LOSS_TIME_MIN;
}

static double draw_sigma(const sc_training *t, sc_key key)
{
    const uint32_t purpose = SC_DRAW_DATASET + SC_DATASET_SIGMA;
    double low = log(t->loss_kind.sde.sigma_min), value;
    double high = log(t->loss_kind.sde.sigma_max);
    float z; /* takes elements 0 and 1; the uniforms are in the next block */
    sc_random_normal(&z, 1, key, purpose, 0);
    if (sc_random_uniform1(4, key, purpose, 0) < sc_training_option(t, "sigma-uniform"))
        value = low + (high - low) * sc_random_uniform1(5, key, purpose, 0);
    else
        value = sc_training_option(t, "sigma-mean") + sc_training_option(t, "sigma-std") * z;
    return exp(fmin(fmax(value, low), high));
}

void sc_training_add_noise(float *x, const float *x0, double sigma, int64_t n, sc_key key)
{
    sc_random_normal(x, n, key, SC_DRAW_DATASET + SC_DATASET_NOISE, 0);
    for (int64_t i = 0; i < n; i++)
        x[i] = x0[i] + (float)sigma * x[i];
}

unsigned sc_training_left_out(const sc_training *t)
{
    static const struct {
        const char *option;
        unsigned bit;
    } parts[] = {{"flips", SC_WITHOUT_FLIPS},
                 {"turns", SC_WITHOUT_TURN},
                 {"zooms", SC_WITHOUT_ZOOM},
                 {"brightness", SC_WITHOUT_BRIGHTNESS},
                 {"phase", SC_WITHOUT_PHASE}};
    unsigned without = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (sc_training_option(t, parts[i].option) == 0)
            without |= parts[i].bit;
    if (t->train.source && t->train.source->scale)
        without |= SC_WITHOUT_BRIGHTNESS;
    return without;
}

static sc_status make_example(sc_training *t, int item)
{
    sc_augmentation how = {.crop = (int)sc_training_option(t, "crop"),
                           .channels = sc_network_configuration(t->network)->channels,
                           .without = sc_training_left_out(t)};
    sc_key key = {(uint64_t)sc_training_option(t, "seed"), (uint32_t)t->state.step, (uint32_t)item};
    float *x0 = t->x0 + item * t->example;
    int index = sc_image_set_pick(
        &t->train, sc_random_uniform1(0, key, SC_DRAW_DATASET + SC_DATASET_PICK, 0));
    sc_array image;
    const sc_image_source *source = t->train.source;
    sc_status status = source->get(source->self, &image, index);
    if (status != SC_OK)
        return status;
    sc_augment(x0, &image, t->train.scale[index], &how, key);
    t->picked[item] = index;
    t->time[item] = t->loss_kind.kind == SC_LOSS_DENOISER ? draw_sigma(t, key)
                                                          : draw_time(&t->loss_kind, key);
    sc_random_normal(t->z + item * t->example, t->example, key,
                     SC_DRAW_DATASET + SC_DATASET_NOISE, 0);
    return SC_OK;
}

/* Warm-up, full rate, cosine to 0 over the last share of the images. */
static double learning_rate(const sc_training *t)
{
    double warmup = sc_training_option(t, "warmup"), share = sc_training_option(t, "decay");
    double rate = sc_training_option(t, "lr");
    double seen = (double)t->state.images / sc_training_option(t, "images");
    if ((double)t->state.step < warmup)
        rate *= ((double)t->state.step + (sc_training_option(t, "warmup-from") == 0)) / warmup;
    if (share > 0 && seen > 1 - share)
        rate *= (1 + cos(M_PI * fmin((seen - (1 - share)) / share, 1))) / 2;
    return rate;
}

static void update(sc_training *t)
{
    double n = (double)t->state.step + 1, clip = sc_training_option(t, "clip");
    sc_adam adam = {.rate = learning_rate(t), .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8,
                    .ema_decay = fmin(sc_training_option(t, "ema"), (1 + n) / (10 + n)),
                    .scale = fmin(1, clip / (t->state.gradient_norm + CLIP_EPSILON)),
                    .step = t->state.step + 1};
    sc_adam_update(t->theta, t->ema, t->m, t->v, t->gradient, t->count, &adam);
    t->state.rate = adam.rate;
    t->state.step++;
    t->state.images += (int64_t)sc_training_option(t, "batch");
}

/* ---- when something is not finite ---- */

static bool all_finite(const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return false;
    return true;
}

/* The example to blame: one whose pixels or loss are not finite, else the one of largest loss. */
static int find_culprit(const sc_training *t)
{
    int batch = (int)sc_training_option(t, "batch"), worst = 0;
    for (int i = 0; i < batch; i++)
        if (!all_finite(t->x0 + i * t->example, t->example))
            return i;
    for (int i = 0; i < batch; i++) {
        if (!isfinite(t->loss[i]))
            return i;
        if (t->loss[i] > t->loss[worst])
            worst = i;
    }
    return worst;
}

static sc_status diverged(const sc_training *t, double loss, double norm, double rate)
{
    static const char *const level[] = {[SC_LOSS_DENOISER] = "sigma", [SC_LOSS_SCORE] = "t",
                                        [SC_LOSS_SMLD] = "label", [SC_LOSS_DDPM] = "label"};
    int item = find_culprit(t), index = t->picked[item];
    const sc_image_source *source = t->train.source;
    bool pixels = all_finite(t->x0 + item * t->example, t->example);
    return sc_fail(
        SC_ERR_NUMERIC,
        "update %lld: loss %g, gradient norm %g, learning rate %g; image %s at %s %g has "
        "the loss %g: %s",
        (long long)t->state.step + 1, loss, norm, rate,
        index >= 0 ? source->name(source->self, index) : "given", level[t->loss_kind.kind],
        t->time[item], t->loss[item],
        pixels ? "training has diverged, lower the learning rate" : "its pixels are not finite");
}

/* ---- the step ---- */

static sc_status step(sc_training *t)
{
    sc_status status = SC_OK;
    double loss = 0;
    int batch = (int)sc_training_option(t, "batch");
    SC_TRY(sc_training_gradient(t));
    for (int item = 0; item < batch; item++)
        loss += t->loss[item] / batch;
    sc_loss_clear_frozen(t->gradient, t->network);
    double norm = sqrt(sc_squared_norm(t->gradient, t->count));
    if (!isfinite(loss) || !isfinite(norm))
        SC_TRY(diverged(t, loss, norm, learning_rate(t)));
    t->state.loss = loss;
    t->state.gradient_norm = norm;
    update(t);
cleanup:
    return status;
}

sc_status sc_training_step(sc_training *t)
{
    sc_status status = SC_OK;
    int batch = (int)sc_training_option(t, "batch");
    assert(t->train.source);
    for (int item = 0; item < batch; item++)
        SC_TRY(make_example(t, item));
    SC_TRY(step(t));
cleanup:
    return status;
}

sc_status sc_training_step_given(sc_training *t, const sc_loss_batch *given)
{
    int batch = (int)sc_training_option(t, "batch"), crop = (int)sc_training_option(t, "crop");
    if (given->n != batch || given->h != crop || given->w != crop)
        return sc_fail(SC_ERR_USAGE, "a step of %d images of %d x %d: expected %d of %d x %d",
                       given->n, given->h, given->w, batch, crop, crop);
    size_t bytes = (size_t)(batch * t->example) * sizeof(float);
    memcpy(t->x0, given->x0, bytes);
    memcpy(t->z, given->z, bytes);
    memcpy(t->time, given->time, (size_t)batch * sizeof *t->time);
    for (int i = 0; i < batch; i++)
        t->picked[i] = -1;
    return step(t);
}
