/* scorecon train: TIFF stacks in, a prior out. */
#include "cli/command.h"
#include "cli/train_data.h"
#include "base/file.h"
#include "base/memory.h"
#include "prior/training.h"
#include <jansson.h>
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
        *history, *evaluate;
    bool resume;
    double hours, minutes;
    int matrix;
    sc_options options;
} arguments;

/* ---- arguments ---- */

enum {
    KEY_VAL = 0x2000, KEY_CHECKPOINT, KEY_RESUME, KEY_INIT, KEY_OCCUPIED, KEY_ABOUT, KEY_NETWORK,
    KEY_HISTORY, KEY_HOURS, KEY_MINUTES, KEY_MATRIX, KEY_EVALUATE,
    KEY_TABLE = 0x3000 /* + position in sc_training_options */
};

static const struct argp_option own_options[] = {
    {"output", 'o', "FILE", 0, "the prior (safetensors), rewritten at each checkpoint", 1},
    {"val", KEY_VAL, "FOLDER", 0, "images to validate on", 1},
    {"occupied", KEY_OCCUPIED, "CSV", 0,
     "crop each image's k-space to the block that its scanner filled: columns subject, contrast, "
     "kspace_rows, kspace_cols; one line per file contrast/subject.tif", 1},
    {"matrix", KEY_MATRIX, "N", 0, "largest number of rows; more are cut in k-space (default 256)", 1},
    {"about", KEY_ABOUT, "JSON", 0,
     "modality, anatomy, licence and data (attribution), for the record in the weights", 1},
    {"network", KEY_NETWORK, "JSON", 0, "the network's configuration (default: built in)", 1},
    {"init", KEY_INIT, "FILE", 0, "start from the weights of this prior", 1},
    {"checkpoint", KEY_CHECKPOINT, "FILE", 0, "the state of the training", 1},
    {"checkpoint-minutes", KEY_MINUTES, "M", 0, "time between checkpoints (default 10)", 1},
    {"resume", KEY_RESUME, 0, 0, "go on from the checkpoint, if it exists", 1},
    {"hours", KEY_HOURS, "H", 0, "stop after this time, with a checkpoint", 1},
    {"history", KEY_HISTORY, "FILE", 0, "append loss, speed and validation as JSON lines", 1},
    {"evaluate", KEY_EVALUATE, "PRIOR", 0,
     "train nothing; print how PRIOR denoises the images of FOLDER", 1},
};

#define OWN_OPTIONS (sizeof own_options / sizeof *own_options)

static struct argp_option all_options[OWN_OPTIONS + SC_OPTIONS_MAX + 2];
static char help_text[SC_OPTIONS_MAX][160];

/* Our own options, then those of the library's table. */
static void list_options(void)
{
    size_t n = 0;
    for (; n < OWN_OPTIONS; n++)
        all_options[n] = own_options[n];
    all_options[n++] = (struct argp_option){.doc = "Training:", .group = 2};
    for (int i = 0; sc_training_options[i].name; i++) {
        const sc_option *o = &sc_training_options[i];
        snprintf(help_text[i], sizeof help_text[i], "%s%s%s%s (default %g)", o->help,
                 o->unit[0] ? " [" : "", o->unit, o->unit[0] ? "]" : "", o->standard);
        all_options[n++] = (struct argp_option){
            .name = o->name, .key = KEY_TABLE + i, .arg = "X", .doc = help_text[i], .group = 2};
    }
}

static const char **path_argument(arguments *a, int key)
{
    const struct {
        int key;
        const char **path;
    } paths[] = {{'o', &a->output}, {KEY_VAL, &a->val}, {KEY_CHECKPOINT, &a->checkpoint},
                 {KEY_INIT, &a->init}, {KEY_OCCUPIED, &a->occupied}, {KEY_ABOUT, &a->about},
                 {KEY_NETWORK, &a->network}, {KEY_HISTORY, &a->history},
                 {KEY_EVALUATE, &a->evaluate}};
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
    if (key >= KEY_TABLE && key < KEY_TABLE + SC_OPTIONS_MAX) {
        if (sc_options_set(&a->options, sc_training_options[key - KEY_TABLE].name, text) != SC_OK)
            argp_failure(state, 2, 0, "%s", sc_message());
        return 0;
    }
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &a->cli; return 0;
    case KEY_RESUME: a->resume = true; return 0;
    case KEY_HOURS: a->hours = sc_cli_number(state, "--hours", text, 1e-4, 1e5); return 0;
    case KEY_MINUTES:
        a->minutes = sc_cli_number(state, "--checkpoint-minutes", text, 0, 1e5);
        return 0;
    case KEY_MATRIX: a->matrix = (int)sc_cli_integer(state, "--matrix", text, 8, 8192); return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 0)
            argp_error(state, "one folder of images, please");
        a->data = text;
        return 0;
    case ARGP_KEY_END:
        if (!a->data || !(a->output || a->evaluate))
            argp_error(state, "a folder of images and -o FILE are needed");
        if (a->resume && !a->checkpoint)
            argp_error(state, "--resume needs --checkpoint FILE");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* ---- reporting ---- */

static void print_state(const sc_training_state *s, double loss, double rate, double left)
{
    fprintf(stderr, "update %lld, %lld images, loss %.4f, gradient %.3f, rate %.2e, "
            "%.1f images/s, %.1f h left\n", (long long)s->step, (long long)s->images, loss,
            s->gradient_norm, s->rate, rate, left / 3600);
}

static void print_validation(FILE *out, const sc_validation *v)
{
    fprintf(out, "validation on %d images, loss %.4f, RMS error / sigma:", v->images, v->loss);
    for (int i = 0; i < SC_VALIDATION_LEVELS; i++)
        fprintf(out, " %g: %.4f", sc_validation_sigma[i], v->rmse[i]);
    fputc('\n', out);
}

static json_t *validation_json(const sc_validation *v)
{
    json_t *rmse = json_object();
    for (int i = 0; i < SC_VALIDATION_LEVELS; i++) {
        char sigma[32];
        snprintf(sigma, sizeof sigma, "%g", sc_validation_sigma[i]);
        json_object_set_new(rmse, sigma, json_real(v->rmse[i]));
    }
    return json_pack("{s:i, s:f, s:o}", "images", v->images, "loss", v->loss, "rmse_per_sigma", rmse);
}

static void append_history(const char *path, const sc_training_state *s, double loss, double rate,
                           const sc_validation *v)
{
    FILE *file = fopen(path, "a");
    if (!file) {
        sc_log(SC_LOG_WARN, "%s cannot be written", path);
        return;
    }
    json_t *line = json_pack("{s:I, s:I, s:f, s:f, s:f, s:f}", "step", (json_int_t)s->step, "images",
                             (json_int_t)s->images, "loss", loss, "gradient_norm",
                             s->gradient_norm, "rate", s->rate, "images_per_s", rate);
    if (v && v->images)
        json_object_set_new(line, "validation", validation_json(v));
    json_dumpf(line, file, JSON_COMPACT | JSON_REAL_PRECISION(7));
    fputc('\n', file);
    json_decref(line);
    fclose(file);
}

static void report(void *self, const sc_training_state *s, double loss, double rate, double left,
                   const sc_validation *v)
{
    const arguments *a = self;
    if (!a->cli.quiet && v && v->images)
        print_validation(stderr, v);
    else if (!a->cli.quiet && !v && !isatty(STDERR_FILENO))
        print_state(s, loss, rate, left);
    if (a->history)
        append_history(a->history, s, loss, rate, v);
}

/* ---- what goes into the record ---- */

/* The options that shape the result, in one form whatever the order they were given in. */
static sc_status describe_command(char **command, const arguments *a)
{
    size_t size = 4096 + strlen(a->data) + (a->val ? strlen(a->val) : 0) +
                  (a->occupied ? strlen(a->occupied) : 0) + (a->network ? strlen(a->network) : 0) +
                  (a->init ? strlen(a->init) : 0);
    sc_status status = SC_ALLOC(command, size, "command");
    if (status != SC_OK)
        return status;
    int n = snprintf(*command, size, "scorecon train %s%s%s%s%s%s%s%s%s --matrix %d", a->data,
                     a->val ? " --val " : "", a->val ? a->val : "",
                     a->occupied ? " --occupied " : "", a->occupied ? a->occupied : "",
                     a->network ? " --network " : "", a->network ? a->network : "",
                     a->init ? " --init " : "", a->init ? a->init : "", a->matrix);
    for (int i = 0; sc_training_options[i].name; i++)
        if (a->options.value[i] != sc_training_options[i].standard)
            n += snprintf(*command + n, size - (size_t)n, " --%s %.12g", sc_training_options[i].name,
                          a->options.value[i]);
    return SC_OK;
}

static sc_status read_json(json_t **object, const char *path)
{
    char *text;
    size_t bytes;
    json_error_t error;
    *object = NULL;
    sc_status status = sc_file_read((void **)&text, &bytes, path, TEXT_LIMIT);
    if (status != SC_OK)
        return status;
    *object = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
    sc_free(text);
    if (!json_is_object(*object))
        return sc_fail(SC_ERR_FORMAT, "%s: line %d: %s", path, error.line, error.text);
    return SC_OK;
}

static sc_status read_about(sc_training_about *about, json_t **object, const char *path)
{
    static const char *const keys[] = {"modality", "anatomy", "licence", "data"};
    const char **values[] = {&about->modality, &about->anatomy, &about->licence, &about->data};
    *object = NULL;
    for (int i = 0; i < 4; i++)
        *values[i] = "";
    sc_status status = path ? read_json(object, path) : SC_OK;
    for (int i = 0; path && status == SC_OK && i < 4; i++) {
        *values[i] = json_string_value(json_object_get(*object, keys[i]));
        if (!*values[i])
            status = sc_fail(SC_ERR_FORMAT, "%s: expected a text '%s'", path, keys[i]);
    }
    return status;
}

static sc_status read_network(sc_network_config *config, const char *path)
{
    char *text;
    size_t bytes;
    *config = sc_network_config_default();
    if (!path)
        return SC_OK;
    sc_status status = sc_file_read((void **)&text, &bytes, path, TEXT_LIMIT);
    if (status != SC_OK)
        return status;
    status = sc_context(sc_network_config_parse(config, text), "%s", path);
    sc_free(text);
    return status;
}

/* ---- the command ---- */

static sc_status begin(sc_training *training, const arguments *a)
{
    bool exists = a->checkpoint && sc_path_exists(a->checkpoint);
    if (exists && !a->resume)
        return sc_fail(SC_ERR_USAGE, "%s exists: --resume goes on from it, or remove it",
                       a->checkpoint);
    if (exists)
        return sc_training_load(training, a->checkpoint);
    return a->init ? sc_training_start_from(training, a->init) : SC_OK;
}

static sc_status run_training(sc_training *training, const arguments *a)
{
    sc_status status = SC_OK;
    char *command = NULL;
    json_t *texts = NULL;
    sc_training_about about = {0};
    SC_TRY(read_about(&about, &texts, a->about));
    SC_TRY(describe_command(&command, a));
    about.command = command;
    about.program = "scorecon " SC_VERSION;
    bool bar = isatty(STDERR_FILENO);
    const sc_progress *shown = sc_cli_progress(&a->cli);
    const sc_progress quiet = {NULL, NULL, shown->cancelled};
    const sc_training_plan plan = {
        .checkpoint = a->checkpoint, .weights = a->output, .about = &about,
        .checkpoint_minutes = a->minutes, .hours = a->hours, .progress = bar ? shown : &quiet,
        .self = (void *)a, .report = report, .report_steps = REPORT_STEPS};
    SC_TRY(begin(training, a));
    SC_TRY(sc_training_run(training, &plan));
    const sc_training_state *end = sc_training_current(training);
    if (!a->cli.quiet)
        printf("%s: %lld images seen in %lld updates\n", a->output ? a->output : "no weights file",
               (long long)end->images, (long long)end->step);
cleanup:
    json_decref(texts);
    sc_free(command);
    return status;
}

static sc_status train(const arguments *a)
{
    sc_status status = SC_OK;
    sc_network_config config;
    sc_device *device = NULL;
    sc_train_data data = {0}, val = {0};
    sc_training *training = NULL;
    SC_TRY(read_network(&config, a->network));
    SC_TRY(sc_device_create_cpu(&device, a->cli.threads));
    SC_TRY(sc_train_data_load(&data, a->data, a->occupied, a->matrix, device));
    if (a->val)
        SC_TRY(sc_train_data_load(&val, a->val, a->occupied, a->matrix, device));
    SC_TRY(sc_training_create(&training, &config, &a->options, &data.source,
                              a->val ? &val.source : NULL, device));
    SC_TRY(run_training(training, a));
cleanup:
    sc_training_free(training);
    sc_train_data_free(&data);
    sc_train_data_free(&val);
    sc_device_free(device);
    return status;
}

static void print_evaluation(const sc_validation *v, bool json)
{
    if (!json) {
        printf("%d images, loss %.4f\n%8s  RMS error / sigma\n", v->images, v->loss, "sigma");
        for (int i = 0; i < SC_VALIDATION_LEVELS; i++)
            printf("%8g  %.4f\n", sc_validation_sigma[i], v->rmse[i]);
        return;
    }
    json_t *object = validation_json(v);
    json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(7));
    putchar('\n');
    json_decref(object);
}

/* The validation of a finished prior: a training that takes no step. */
static sc_status evaluate(const arguments *a)
{
    sc_status status = SC_OK;
    sc_device *device = NULL;
    sc_train_data data = {0};
    sc_training *training = NULL;
    sc_weights weights;
    sc_validation validation;
    SC_TRY(sc_weights_read(&weights, a->evaluate));
    SC_TRY(sc_device_create_cpu(&device, a->cli.threads));
    SC_TRY(sc_train_data_load(&data, a->data, a->occupied, a->matrix, device));
    SC_TRY(sc_training_create(&training, sc_network_configuration(weights.network), &a->options,
                              &data.source, &data.source, device));
    SC_TRY(sc_training_start_from(training, a->evaluate));
    SC_TRY(sc_training_validate(training, &validation));
    print_evaluation(&validation, a->cli.json);
cleanup:
    sc_training_free(training);
    sc_train_data_free(&data);
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
        .doc = "Train a score prior on the TIFF stacks below FOLDER.\v"
               "Example:\n  scorecon train brain_mr/train --val brain_mr/val "
               "--occupied brain_mr/subjects.csv \\\n      --checkpoint run.ckpt --resume "
               "--hours 8 -o brain-mr.safetensors\n\n"
               "Ctrl-C writes the checkpoint and stops; the same command goes on from it, to the "
               "same bytes as an uninterrupted run."};
    arguments a = {.minutes = 10, .matrix = 256,
                   .options = sc_options_default(sc_training_options)};
    list_options();
    sc_cli_parse(&argp, argc, argv, &a, &a.cli);
    return sc_cli_exit(&a.cli, a.evaluate ? evaluate(&a) : train(&a));
}
