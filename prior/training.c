#include "prior/training.h"
#include "base/memory.h"
#include "prior/sample.h"
#include "prior/training_internal.h"
#include <math.h>
#include <string.h>

#define VALIDATION_SEED 0x76616c69646174ull

const sc_option sc_training_options[] = {
    {"images", SC_OPT_INT, "", 1, 1e12, 1000000, NULL, "training examples in all"},
    {"batch", SC_OPT_INT, "", 1, 4096, 16, NULL, "examples in one update"},
    {"part", SC_OPT_INT, "", 1, 4096, 4, NULL,
     "examples in memory at a time (its greatest common divisor with batch)"},
    {"crop", SC_OPT_INT, "pixels", 8, 1024, 96, NULL, "height and width of an example"},
    {"lr", SC_OPT_REAL, "", 1e-8, 1, 1e-3, NULL, "learning rate of Adam"},
    {"warmup", SC_OPT_INT, "updates", 0, 1e9, 500, NULL, "updates until the full rate"},
    {"warmup-from", SC_OPT_CHOICE, "", 0, 0, 0, "one|zero",
     "the first update has the rate lr/warmup, or 0 as published"},
    {"decay", SC_OPT_REAL, "", 0, 1, 0.4, NULL,
     "share of the images, at the end, over which the rate falls to 0 as a cosine"},
    {"ema", SC_OPT_REAL, "", 0, 0.999999, 0.999, NULL, "decay of the averaged weights"},
    {"clip", SC_OPT_REAL, "", 1e-6, 1e9, 1, NULL, "largest norm of the gradient"},
    {"seed", SC_OPT_INT, "", 0, 9007199254740991, 1, NULL, "seed of all random draws"},
    {"loss", SC_OPT_CHOICE, "", 0, 0, SC_LOSS_DENOISER, "denoiser|score|smld|ddpm",
     "denoiser (EDM's where the network is so preconditioned), or the published ones, for the SDE "
     "of the network's configuration: score (continuous), smld (discrete VE), ddpm (discrete VP)"},
    {"reduce", SC_OPT_CHOICE, "", 0, 0, 0, "mean|sum",
     "published losses: mean over an image's values, or half their sum"},
    {"likelihood-weighting", SC_OPT_BOOL, "", 0, 1, 0, NULL,
     "loss score: weight g(t)^2 instead of std(t)^2"},
    {"sigma-mean", SC_OPT_REAL, "", -10, 10, -2.8, NULL, "mean of ln sigma"},
    {"sigma-std", SC_OPT_REAL, "", 0.01, 10, 1.5, NULL, "standard deviation of ln sigma"},
    {"sigma-uniform", SC_OPT_REAL, "", 0, 1, 0.15, NULL,
     "share of examples with ln sigma uniform over the range"},
    {"sigma-min", SC_OPT_REAL, "", 1e-5, 1, 0.002, NULL, "smallest noise level"},
    {"sigma-max", SC_OPT_REAL, "", 0.1, 10000, 50, NULL, "largest noise level"},
    {"flips", SC_OPT_BOOL, "", 0, 1, 1, NULL, "flip and transpose the examples at random"},
    {"turns", SC_OPT_BOOL, "", 0, 1, 1, NULL, "turn half of them by up to 12 degrees"},
    {"zooms", SC_OPT_BOOL, "", 0, 1, 1, NULL, "scale half of them, by 0.8 to 1.08"},
    {"brightness", SC_OPT_BOOL, "", 0, 1, 1, NULL, "scale their values, by 0.5 to 1.2"},
    {"phase", SC_OPT_BOOL, "", 0, 1, 1, NULL, "complex networks: add a random phase, as gradient echoes have it"},
    {"val-images", SC_OPT_INT, "", 1, 1e6, 48, NULL, "images in a validation"},
    {NULL, SC_OPT_INT, "", 0, 0, 0, NULL, NULL},
};

const double sc_validation_sigma[SC_VALIDATION_LEVELS] = {0.01, 0.03, 0.1, 0.3, 1};

sc_loss sc_training_loss_of(const sc_options *options, const sc_network_config *config)
{
    sc_loss loss = {.kind = (sc_loss_kind)sc_options_get(options, "loss"),
                    .sde = config->sde, .levels = config->num_scales,
                    .sum = sc_options_get(options, "reduce") == 1,
                    .likelihood = sc_options_get(options, "likelihood-weighting") == 1};
    if (loss.kind == SC_LOSS_DENOISER && config->precondition_edm)
        loss.sde =
            sc_sde_ve(sc_options_get(options, "sigma-min"), sc_options_get(options, "sigma-max"));
    return loss;
}

/* ---- creation ---- */

/* Only the denoiser's noise levels are drawn by options, and only EDM's networks have their range
 * from them. */
static sc_status check_sigma_options(const sc_options *options, const sc_network_config *config)
{
    static const char *const names[] = {"sigma-min", "sigma-max", "sigma-mean", "sigma-std",
                                        "sigma-uniform"};
    const sc_options standard = sc_options_default(sc_training_options);
    bool denoiser = sc_options_get(options, "loss") == SC_LOSS_DENOISER;
    size_t count = !denoiser ? 5 : config->precondition_edm ? 0 : 2;
    for (size_t i = 0; i < count; i++)
        if (sc_options_get(options, names[i]) != sc_options_get(&standard, names[i]))
            return sc_fail(SC_ERR_USAGE, "option %s is for %s: %s have the noise levels of the "
                           "network's configuration", names[i],
                           denoiser ? "networks with EDM's preconditioning" : "loss denoiser",
                           denoiser ? "published networks" : "the published losses");
    return SC_OK;
}

static sc_status check_options(const sc_options *options, const sc_network *network)
{
    const sc_network_config *config = sc_network_configuration(network);
    sc_loss loss = sc_training_loss_of(options, config);
    int crop = (int)sc_options_get(options, "crop"), multiple = sc_network_multiple(network);
    if (crop % multiple)
        return sc_fail(SC_ERR_USAGE, "option crop: expected a multiple of %d for this network, "
                       "found %d", multiple, crop);
    sc_status status = check_sigma_options(options, config);
    return status != SC_OK ? status : sc_loss_check(&loss, config);
}

static sc_status allocate(sc_training *t)
{
    sc_status status = SC_OK;
    int batch = (int)sc_training_option(t, "batch"), crop = (int)sc_training_option(t, "crop");
    t->example = (int64_t)crop * crop * sc_network_configuration(t->network)->channels;
    t->count = sc_network_parameter_count(t->network);
    SC_TRY(SC_ALLOC(&t->theta, t->count, "weights"));
    SC_TRY(SC_ALLOC(&t->ema, t->count, "averaged weights"));
    SC_TRY(SC_ALLOC(&t->m, t->count, "Adam's first moments"));
    SC_TRY(SC_ALLOC(&t->v, t->count, "Adam's second moments"));
    SC_TRY(SC_ALLOC(&t->gradient, t->count, "gradient"));
    SC_TRY(SC_ALLOC(&t->x0, batch * t->example, "training examples"));
    SC_TRY(SC_ALLOC(&t->z, batch * t->example, "noise"));
    SC_TRY(SC_ALLOC(&t->time, batch, "noise levels"));
    SC_TRY(SC_ALLOC(&t->loss, batch, "losses"));
    SC_TRY(SC_ALLOC(&t->picked, batch, "choice of images"));
    SC_TRY(SC_ALLOC(&t->x, t->example, "noisy example"));
    SC_TRY(SC_ALLOC(&t->d, t->example, "denoised example"));
    SC_TRY(sc_training_start_workers(t));
cleanup:
    return status;
}

sc_status sc_training_create(sc_training **training, const sc_network_config *config,
                             const sc_options *options, const sc_image_source *train,
                             const sc_image_source *val, const sc_device *device)
{
    sc_status status = SC_OK;
    sc_training *t = NULL;
    *training = NULL;
    SC_TRY(SC_ALLOC(&t, 1, "training"));
    t->device = device;
    t->options = *options;
    if (config->classes)
        SC_TRY(sc_fail(SC_ERR_USAGE, "the network is a classifier's (classes %d)",
                       config->classes));
    SC_TRY(sc_network_create(&t->network, config));
    SC_TRY(check_options(options, t->network));
    t->loss_kind = sc_training_loss_of(options, config);
    if (train)
        SC_TRY(sc_image_set_create(&t->train, train, config->channels));
    if (val)
        SC_TRY(sc_image_set_create(&t->val, val, config->channels));
    SC_TRY(allocate(t));
    sc_network_initialise(t->network, t->theta, (uint64_t)sc_training_option(t, "seed"));
    memcpy(t->ema, t->theta, (size_t)t->count * sizeof *t->ema);
    *training = t;
    t = NULL;
cleanup:
    sc_training_free(t);
    return status;
}

void sc_training_free(sc_training *t)
{
    if (!t)
        return;
    sc_training_stop_workers(t);
    sc_run_free(t->val_run);
    sc_network_free(t->network);
    sc_image_set_free(&t->train);
    sc_image_set_free(&t->val);
    sc_training_forget(&t->about);
    void *owned[] = {t->theta, t->ema, t->m, t->v,    t->gradient, t->x0,
                     t->z,     t->x,   t->d, t->time, t->loss,     t->picked};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        sc_free(owned[i]);
    sc_free(t);
}

sc_status sc_training_start_from(sc_training *t, const char *path)
{
    sc_weights weights;
    char *ours = NULL, *theirs = NULL;
    sc_status status = sc_weights_read(&weights, path);
    if (status != SC_OK)
        return status;
    SC_TRY(sc_network_config_print(&ours, sc_network_configuration(t->network)));
    SC_TRY(sc_network_config_print(&theirs, sc_network_configuration(weights.network)));
    if (strcmp(ours, theirs) != 0)
        SC_TRY(sc_fail(SC_ERR_INPUT, "%s: network is %s, expected %s", path, theirs, ours));
    sc_training_set_theta(t, weights.theta);
cleanup:
    sc_free(ours);
    sc_free(theirs);
    sc_weights_free(&weights);
    return status;
}

void sc_training_set_theta(sc_training *t, const float *theta)
{
    memcpy(t->theta, theta, (size_t)t->count * sizeof *t->theta);
    memcpy(t->ema, theta, (size_t)t->count * sizeof *t->ema);
}

const float *sc_training_theta(const sc_training *t) { return t->theta; }
const float *sc_training_ema(const sc_training *t) { return t->ema; }
const sc_training_state *sc_training_current(const sc_training *t) { return &t->state; }

/* ---- the averaged weights at work ---- */

static sc_status prepare_ema(sc_training *t)
{
    sc_status status = SC_OK;
    int crop = (int)sc_training_option(t, "crop");
    if (!t->val_run)
        SC_TRY(sc_run_create(&t->val_run, t->network, t->device, 1, crop, crop, 0));
    SC_TRY(sc_run_set_theta(t->val_run, t->ema));
cleanup:
    return status;
}

static sc_status denoise_ema(const sc_score *self, float *d, const float *x, const double *sigma,
                             int n, int h, int w)
{
    const sc_training *t = self->impl;
    if (n != 1 || (int64_t)h * w * self->channels != t->example)
        return sc_fail(SC_ERR_INTERNAL, "training: %d samples of %d x %d", n, h, w);
    return sc_run_denoise(t->val_run, d, x, sigma);
}

int sc_training_sample_size(const sc_training *t, int *channels)
{
    *channels = sc_network_configuration(t->network)->channels;
    return (int)sc_training_option(t, "crop");
}

sc_status sc_training_sample(sc_training *t, float *x, int steps, sc_key key)
{
    sc_score score = {
        .name = "training", .sde = t->loss_kind.sde, .denoise = denoise_ema, .impl = t};
    int size = sc_training_sample_size(t, &score.channels);
    sc_status status = prepare_ema(t);
    return status == SC_OK ? sc_prior_sample(x, &score, size, size, steps, key, NULL) : status;
}


static sc_status validate_image(sc_training *t, double *sum, int index)
{
    sc_status status = SC_OK;
    sc_augmentation how = {.crop = (int)sc_training_option(t, "crop"), .fixed = true,
                           .channels = sc_network_configuration(t->network)->channels,
                           .without = sc_training_left_out(t)};
    sc_array image;
    const sc_image_source *source = t->val.source;
    SC_TRY(source->get(source->self, &image, index));
    for (int level = 0; level < SC_VALIDATION_LEVELS; level++) {
        sc_key key = {VALIDATION_SEED, (uint32_t)level, (uint32_t)index};
        double sigma = sc_validation_sigma[level];
        sc_augment(t->x0, &image, t->val.scale[index], &how, key);
        sc_training_add_noise(t->x, t->x0, sigma, t->example, key);
        SC_TRY(sc_run_denoise(t->val_run, t->d, t->x, &sigma));
        sum[level] += sc_loss_denoiser(t->d, t->x0, t->example, 1, 1);
    }
cleanup:
    return status;
}

sc_status sc_training_validate(sc_training *t, sc_validation *validation)
{
    sc_status status = SC_OK;
    double sum[SC_VALIDATION_LEVELS] = {0};
    const sc_network_config *config = sc_network_configuration(t->network);
    *validation = (sc_validation){0};
    if (!t->val.source)
        return SC_OK;
    int count = t->val.source->count;
    int images = (int)fmin(sc_training_option(t, "val-images"), count);
    SC_TRY(prepare_ema(t));
    for (int i = 0; i < images; i++) /* evenly spread over the set */
        SC_TRY(validate_image(t, sum, (int)((int64_t)i * count / images)));
    validation->images = images;
    for (int level = 0; level < SC_VALIDATION_LEVELS; level++) {
        double sigma = sc_validation_sigma[level], mse = sum[level] / images;
        validation->rmse[level] = sqrt(mse) / sigma;
        validation->loss += sc_loss_denoiser_weight(config, sigma) * mse / SC_VALIDATION_LEVELS;
    }
cleanup:
    return status;
}
