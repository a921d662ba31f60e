/* One update: draw a batch, gradient of the loss, Adam. */
#include "prior/adam.h"
#include "prior/training_internal.h"
#include <math.h>
#include <string.h>

#define CLIP_EPSILON 1e-6 /* as in the published training code */

double sc_training_option(const sc_training *t, const char *name)
{
    return sc_options_get(&t->options, name);
}

static double draw_sigma(const sc_training *t, sc_key key)
{
    const uint32_t purpose = SC_DRAW_DATASET + SC_DATASET_SIGMA;
    double low = log(sc_training_option(t, "sigma-min")), value;
    double high = log(sc_training_option(t, "sigma-max"));
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

static sc_status make_example(sc_training *t, int item)
{
    sc_augmentation how = {.crop = (int)sc_training_option(t, "crop"),
                           .channels = sc_network_configuration(t->network)->channels};
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
    t->sigma[item] = draw_sigma(t, key);
    sc_training_add_noise(t->x + item * t->example, x0, t->sigma[item], t->example, key);
    return SC_OK;
}

double sc_training_loss(float *d, const float *x0, int64_t n, double weight, double share)
{
    double sum = 0, factor = 2 * weight * share / (double)n;
    for (int64_t i = 0; i < n; i++) {
        double error = (double)d[i] - x0[i];
        sum += error * error;
        d[i] = (float)(factor * error);
    }
    return weight * sum / (double)n;
}

static void clear_frozen(sc_training *t)
{
    const sc_parameter *parameter;
    int count = sc_network_parameters(t->network, &parameter);
    for (int i = 0; i < count; i++)
        if (parameter[i].frozen)
            memset(t->gradient + parameter[i].offset, 0, (size_t)parameter[i].count * sizeof(float));
}

/* Warm-up, full rate, cosine to 0 over the last share of the images. */
static double learning_rate(const sc_training *t)
{
    double warmup = sc_training_option(t, "warmup"), share = sc_training_option(t, "decay");
    double rate = sc_training_option(t, "lr");
    double seen = (double)t->state.images / sc_training_option(t, "images");
    if ((double)t->state.step < warmup)
        rate *= (double)(t->state.step + 1) / warmup;
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

sc_status sc_training_step(sc_training *t)
{
    sc_status status = SC_OK;
    double loss = 0;
    int batch = (int)sc_training_option(t, "batch");
    for (int item = 0; item < batch; item++)
        SC_TRY(make_example(t, item));
    SC_TRY(sc_training_gradient(t));
    for (int item = 0; item < batch; item++)
        loss += t->loss[item] / batch;
    clear_frozen(t);
    double norm = sqrt(sc_squared_norm(t->gradient, t->count));
    if (!isfinite(loss) || !isfinite(norm))
        SC_TRY(sc_fail(SC_ERR_NUMERIC, "update %lld: loss %g, gradient norm %g: training has "
                       "diverged; lower the learning rate", (long long)t->state.step + 1, loss,
                       norm));
    t->state.loss = loss;
    t->state.gradient_norm = norm;
    update(t);
cleanup:
    return status;
}
