/* scorecon train: images in, a prior out. */
#include "cli/command.h"
#include "cli/train_about.h"
#include "cli/train_classifier.h"
#include "cli/train_data.h"
#include "cli/train_report.h"
#include "base/file.h"
#include "base/memory.h"
#include "prior/training.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef SC_VERSION
#define SC_VERSION "unknown"
#endif

#define TEXT_LIMIT ((size_t)1 << 20)
#define REPORT_STEPS 50

typedef struct {
    sc_cli cli;
    const char *data, *val, *output, *checkpoint, *init, *occupied, *about, *network,
        *history, *evaluate, *figure, *scratch;
    bool resume, cuda, classifier;
    sc_precision precision;
    double hours, minutes, val_share, memory;
    int matrix;
    sc_options options;
} arguments;

/* ---- arguments ---- */

enum {
    KEY_VAL = 0x2000, KEY_CHECKPOINT, KEY_RESUME, KEY_INIT, KEY_OCCUPIED, KEY_ABOUT, KEY_NETWORK,
    KEY_HISTORY, KEY_HOURS, KEY_MINUTES, KEY_MATRIX, KEY_EVALUATE, KEY_FIGURE, KEY_SHARE,
    KEY_MEMORY,
    KEY_SCRATCH, KEY_DEVICE, KEY_CLASSIFIER,
    KEY_TABLE = 0x3000 /* + position in sc_training_options */
};

static const struct argp_option own_options[] = {
    {"output", 'o', "FILE", 0, "the prior (safetensors), rewritten at each checkpoint", 1},
    {"val", KEY_VAL, "FOLDER", 0, "images to validate on", 1},
    {"val-share", KEY_SHARE, "X", 0,
     "set this share of the subjects aside to validate on, chosen by a hash of their names", 1},
    {"memory", KEY_MEMORY, "MB", 0,
     "images kept in memory; the others wait in a scratch file (default: a quarter of the "
     "machine's memory)", 1},
    {"scratch", KEY_SCRATCH, "FOLDER", 0, "place of the scratch file (default: that of the prior)",
     1},
    {"device", KEY_DEVICE, "NAME", 0,
     "where the network computes: cpu (default) or cuda; gradients are float32", 1},
    {"occupied", KEY_OCCUPIED, "CSV", 0,
     "crop each image's k-space to the block that its scanner filled: columns subject, contrast, "
     "kspace_rows, kspace_cols; one line per file contrast/subject.tif", 1},
    {"matrix", KEY_MATRIX, "N", 0, "largest number of rows; more are cut in k-space (default 256)",
     1},
    {"about", KEY_ABOUT, "JSON", 0,
     "modality, anatomy, licence and data (attribution), for the record in the weights (default: "
     "what --init says)", 1},
    {"network", KEY_NETWORK, "JSON", 0,
     "the network's configuration (default: that of --init, or built in)", 1},
    {"init", KEY_INIT, "FILE", 0, "start from the weights of this prior", 1},
    {"checkpoint", KEY_CHECKPOINT, "FILE", 0, "the state of the training", 1},
    {"checkpoint-minutes", KEY_MINUTES, "M", 0, "time between checkpoints (default 10)", 1},
    {"resume", KEY_RESUME, 0, 0, "go on from the checkpoint, if it exists", 1},
    {"hours", KEY_HOURS, "H", 0, "stop after this time, with a checkpoint", 1},
    {"history", KEY_HISTORY, "FILE", 0, "append loss, speed and validation as JSON lines", 1},
    {"figure", KEY_FIGURE, "PNG", 0,
     "draw losses, validation and samples of the prior at each checkpoint", 1},
    {"classifier", KEY_CLASSIFIER, 0, 0,
     "train no prior but a classifier for sample --class: the folder that an image lies in, from a "
     "noisy image; on a CPU, in one go", 1},
    {"evaluate", KEY_EVALUATE, "PRIOR", 0,
     "train nothing; print how PRIOR denoises the images of FOLDER", 1},
};

#define OWN_OPTIONS (sizeof own_options / sizeof *own_options)

static struct argp_option all_options[OWN_OPTIONS + SC_OPTIONS_MAX + 2];
static char help_text[SC_OPTIONS_MAX][SC_CLI_HELP];

static const char **path_argument(arguments *a, int key)
{
    const struct {
        int key;
        const char **path;
    } paths[] = {
        {'o', &a->output},          {KEY_VAL, &a->val},           {KEY_CHECKPOINT, &a->checkpoint},
        {KEY_INIT, &a->init},       {KEY_OCCUPIED, &a->occupied}, {KEY_ABOUT, &a->about},
        {KEY_NETWORK, &a->network}, {KEY_HISTORY, &a->history},   {KEY_EVALUATE, &a->evaluate},
        {KEY_FIGURE, &a->figure},   {KEY_SCRATCH, &a->scratch}};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (paths[i].key == key)
            return paths[i].path;
    return NULL;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    arguments *a = state->input;
    const char **path = path_argument(a, key);
    if (path) {
        *path = text;
        return 0;
    }
    if (sc_cli_set_option(&a->options, key, KEY_TABLE, text, state))
        return 0;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &a->cli; return 0;
    case KEY_DEVICE: sc_cli_device(state, text, &a->cuda, &a->precision); return 0;
    case KEY_RESUME: a->resume = true; return 0;
    case KEY_CLASSIFIER: a->classifier = true; return 0;
    case KEY_HOURS: a->hours = sc_cli_number(state, "--hours", text, 1e-4, 1e5); return 0;
    case KEY_MINUTES:
        a->minutes = sc_cli_number(state, "--checkpoint-minutes", text, 0, 1e5);
        return 0;
    case KEY_SHARE: a->val_share = sc_cli_number(state, "--val-share", text, 0.001, 0.9); return 0;
    case KEY_MEMORY: a->memory = sc_cli_number(state, "--memory", text, 0, 1e9); return 0;
    case KEY_MATRIX: a->matrix = (int)sc_cli_integer(state, "--matrix", text, 8, 8192); return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 0)
            argp_error(state, "one folder of images, please");
        a->data = text;
        return 0;
    case ARGP_KEY_END:
        if (!a->data || !(a->output || a->evaluate))
            argp_error(state, "a folder of images and -o FILE are needed");
        if (a->evaluate && (a->output || a->val || a->val_share > 0 || a->checkpoint || a->init ||
                            a->network || a->about || a->history || a->figure || a->hours > 0))
            argp_error(state, "--evaluate goes with FOLDER, --occupied, --matrix, --memory, "
                       "--scratch and the options of training");
        if (a->precision != SC_PRECISION_FLOAT32)
            argp_error(state, "--device: expected cpu or cuda, training is in float32");
        if (a->classifier && (!a->output || a->evaluate || a->checkpoint || a->init || a->cuda ||
                              a->history || a->figure))
            argp_error(state, "--classifier goes with FOLDER, -o, --val, --val-share, --network, "
                       "--about, --occupied, --matrix, --memory, --scratch, --hours and the "
                       "options of training");
        if (a->resume && !a->checkpoint)
            argp_error(state, "--resume needs --checkpoint FILE");
        if (a->val && a->val_share > 0)
            argp_error(state, "--val and --val-share exclude each other");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* ---- what goes into the record ---- */

/* The options that shape the result, in one form whatever the order they were given in. */
static sc_status describe_command(char **command, const arguments *a)
{
    const char *const paths[][2] = {{" ", a->data},
                                    {" --val ", a->val},
                                    {" --occupied ", a->occupied},
                                    {" --network ", a->network},
                                    {" --init ", a->init}};
    size_t size = 4096;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        size += paths[i][1] ? strlen(paths[i][1]) : 0;
    sc_status status = SC_ALLOC(command, size, "command");
    if (status != SC_OK)
        return status;
    int n = snprintf(*command, size, "scorecon train");
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (paths[i][1])
            n += snprintf(*command + n, size - (size_t)n, "%s%s", paths[i][0], paths[i][1]);
    if (a->val_share > 0)
        n += snprintf(*command + n, size - (size_t)n, " --val-share %.12g", a->val_share);
    n += snprintf(*command + n, size - (size_t)n, " --matrix %d", a->matrix);
    for (int i = 0; sc_training_options[i].name; i++) {
        char value[32];
        sc_option_print(value, sizeof value, &sc_training_options[i], a->options.value[i]);
        if (a->options.value[i] != sc_training_options[i].standard)
            n += snprintf(*command + n, size - (size_t)n, " --%s %s", sc_training_options[i].name,
                          value);
    }
    return SC_OK;
}

/* From --network, or that of the weights to start from, or the built-in one. */
static sc_status read_network(sc_network_config *config, const arguments *a)
{
    char *text;
    size_t bytes;
    sc_weights weights;
    sc_status status = SC_OK;
    *config = sc_network_config_default();
    if (!a->network && !a->init)
        return SC_OK;
    if (!a->network) {
        status = sc_weights_read(&weights, a->init);
        if (status == SC_OK)
            *config = *sc_network_configuration(weights.network);
        sc_weights_free(&weights);
        return status;
    }
    status = sc_file_read((void **)&text, &bytes, a->network, TEXT_LIMIT);
    if (status != SC_OK)
        return status;
    status = sc_context(sc_network_config_parse(config, text), "%s", a->network);
    sc_free(text);
    return status;
}

/* ---- the run ---- */

static sc_status begin(sc_training *training, const arguments *a, sc_train_about *about)
{
    sc_status status = SC_OK;
    bool exists = a->checkpoint && sc_path_exists(a->checkpoint);
    if (exists && !a->resume)
        return sc_fail(SC_ERR_USAGE, "%s exists: --resume goes on from it, or remove it",
                       a->checkpoint);
    if (exists) {
        SC_TRY(sc_training_load(training, a->checkpoint));
        SC_TRY(sc_train_about_resume(about, sc_training_described(training)));
    } else if (a->init) {
        SC_TRY(sc_training_start_from(training, a->init));
    }
    SC_TRY(sc_training_describe(training, &about->about));
cleanup:
    return status;
}

static sc_status run_training(sc_training *training, const arguments *a, sc_train_about *about,
                              sc_train_reporter *reporter)
{
    sc_status status = SC_OK;
    char *command = NULL;
    SC_TRY(begin(training, a, about));
    SC_TRY(describe_command(&command, a));
    about->about.command = command;
    about->about.program = "scorecon " SC_VERSION;
    bool bar = isatty(STDERR_FILENO);
    const sc_progress *shown = sc_cli_progress(&a->cli);
    const sc_progress quiet = {NULL, NULL, shown->cancelled};
    const sc_training_plan plan = {
        .checkpoint = a->checkpoint, .weights = a->output, .about = &about->about,
        .checkpoint_minutes = a->minutes, .hours = a->hours, .progress = bar ? shown : &quiet,
        .self = reporter, .report = sc_train_report, .report_steps = REPORT_STEPS};
    SC_TRY(sc_train_reporter_resume(reporter, sc_training_current(training)->images));
    SC_TRY(sc_training_run(training, &plan));
    const sc_training_state *end = sc_training_current(training);
    if (!a->cli.quiet)
        printf("%s: %lld images seen in %lld updates\n", a->output ? a->output : "no weights file",
               (long long)end->images, (long long)end->step);
cleanup:
    sc_free(command);
    return status;
}

/* ---- images ---- */

typedef struct {
    sc_slice_store *store;
    sc_train_data train, val; /* val: count 0 if none */
} images;

static int64_t memory_limit(const arguments *a)
{
    if (a->memory >= 0)
        return (int64_t)(a->memory * 1048576);
    return (int64_t)sysconf(_SC_PHYS_PAGES) / 4 * (int64_t)sysconf(_SC_PAGESIZE);
}

static sc_status create_store(sc_slice_store **store, const arguments *a)
{
    return a->scratch ? sc_slice_store_create(store, memory_limit(a), a->scratch)
                      : sc_slice_store_create_beside(store, memory_limit(a), a->output);
}

static sc_status load_images(images *set, const arguments *a, const sc_device *device)
{
    sc_status status = SC_OK;
    SC_TRY(create_store(&set->store, a));
    const sc_progress *progress = sc_cli_progress(&a->cli);
    SC_TRY(sc_train_data_load(&set->train, set->store, a->data, a->occupied, a->matrix, device,
                              progress));
    if (a->val)
        SC_TRY(sc_train_data_load(&set->val, set->store, a->val, a->occupied, a->matrix, device,
                                  progress));
    if (a->val_share > 0)
        SC_TRY(sc_train_data_split(&set->train, &set->val, a->val_share));
cleanup:
    return status;
}

static void free_images(images *set)
{
    sc_train_data_free(&set->train);
    sc_train_data_free(&set->val);
    sc_slice_store_free(set->store);
}

static void tell_images(const images *set, const arguments *a)
{
    sc_store_size size = sc_slice_store_size(set->store);
    if (a->cli.quiet)
        return;
    fprintf(stderr, "%d images of %d subjects to train on", set->train.count,
            sc_train_data_subjects(&set->train));
    if (set->val.count)
        fprintf(stderr, ", %d of %d to validate on", set->val.count,
                sc_train_data_subjects(&set->val));
    fprintf(stderr, "; %.0f MB in memory, %.0f MB in a scratch file\n",
            (double)size.memory_bytes / 1048576, (double)size.file_bytes / 1048576);
}

/* ---- the command ---- */

/* The CPU, which prepares images, and the GPU for the network if it is wanted. */
static sc_status create_devices(sc_device **cpu, sc_device **gpu, const arguments *a)
{
    sc_status status = sc_device_create_cpu(cpu, a->cli.threads);
    return status == SC_OK && a->cuda ? sc_device_create_cuda(gpu) : status;
}

static sc_status train(const arguments *a)
{
    sc_status status = SC_OK;
    sc_network_config config;
    sc_device *device = NULL, *gpu = NULL;
    images set = {0};
    sc_training *training = NULL;
    sc_train_about about = {0};
    sc_train_reporter reporter = {
        .quiet = a->cli.quiet, .history = a->history, .figure = a->figure};
    const char *const written[] = {a->output, a->checkpoint, a->figure};
    for (size_t i = 0; i < sizeof written / sizeof *written; i++) /* before the work */
        if (written[i])
            SC_TRY(sc_file_check_writable(written[i]));
    SC_TRY(sc_train_about_read(&about, a->about, a->init));
    SC_TRY(read_network(&config, a));
    SC_TRY(create_devices(&device, &gpu, a));
    SC_TRY(load_images(&set, a, device));
    tell_images(&set, a);
    if (a->classifier) {
        about.about.program = "scorecon " SC_VERSION;
        status = sc_train_classifier(&a->cli, a->output, &set.train.source,
                                     set.val.count ? &set.val.source : NULL,
                                     a->network ? &config : NULL, &a->options, &about.about,
                                     a->hours);
        goto cleanup;
    }
    SC_TRY(sc_training_create(&training, &config, &a->options, &set.train.source,
                              set.val.count ? &set.val.source : NULL, gpu ? gpu : device));
    reporter.training = training;
    SC_TRY(run_training(training, a, &about, &reporter));
cleanup:
    sc_train_about_free(&about);
    sc_train_reporter_free(&reporter);
    sc_training_free(training);
    free_images(&set);
    sc_device_free(gpu);
    sc_device_free(device);
    return status;
}

/* The validation of a finished prior: a training that takes no step. */
static sc_status evaluate(const arguments *a)
{
    sc_status status = SC_OK;
    sc_device *device = NULL, *gpu = NULL;
    images set = {0};
    sc_training *training = NULL;
    sc_weights weights;
    sc_validation validation;
    SC_TRY(sc_weights_read(&weights, a->evaluate));
    SC_TRY(create_devices(&device, &gpu, a));
    SC_TRY(load_images(&set, a, device));
    SC_TRY(sc_training_create(&training, sc_network_configuration(weights.network), &a->options,
                              &set.train.source, &set.train.source, gpu ? gpu : device));
    SC_TRY(sc_training_start_from(training, a->evaluate));
    SC_TRY(sc_training_validate(training, &validation));
    sc_train_print_evaluation(&validation, a->cli.json);
cleanup:
    sc_training_free(training);
    free_images(&set);
    sc_device_free(gpu);
    sc_device_free(device);
    sc_weights_free(&weights);
    return status;
}

int sc_command_train(int argc, char **argv)
{
    static const struct argp_child children[] = {{&sc_cli_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .options = all_options, .parser = parse, .children = children,
        .args_doc = "FOLDER -o PRIOR",
        .doc = "Train a score prior on the images below FOLDER: TIFF stacks, NIfTI, .npy, DICOM.\v"
               "Example:\n  scorecon train brain_mr/train --val brain_mr/val "
               "--occupied brain_mr/subjects.csv \\\n      --checkpoint run.ckpt --resume "
               "--hours 8 -o brain-mr.safetensors\n\n"
               "Ctrl-C writes the checkpoint and stops; the same command goes on from it, to the "
               "same bytes as an uninterrupted run.\n\n"
               "Fine-tuning:\n  scorecon train scans --val-share 0.1 --init brain-mr.safetensors "
               "--lr 1e-4 -o mine.safetensors\n\n"
               "A classifier of contrasts, for sample --class:\n"
               "  scorecon train brain_mr/train --classifier --val brain_mr/val --images 60000 "
               "-o contrast.safetensors\n\n"
               "As published, for a network whose configuration has precondition_edm 0:\n"
               "  scorecon train scans --network ncsnpp.json --loss score --reduce sum --lr 2e-4 "
               "\\\n      --warmup 5000 --warmup-from zero --decay 0 --ema 0.999 --batch 128 "
               "-o ncsnpp.safetensors"};
    arguments a = {.minutes = 10, .matrix = 256, .memory = -1,
                   .options = sc_options_default(sc_training_options)};
    memcpy(all_options, own_options, sizeof own_options);
    sc_cli_list_options(all_options + OWN_OPTIONS, help_text, KEY_TABLE, sc_training_options,
                        "Training:");
    sc_cli_parse(&argp, argc, argv, &a, &a.cli);
    return sc_cli_exit(&a.cli, a.evaluate ? evaluate(&a) : train(&a));
}
