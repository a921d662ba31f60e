#include "cli/train_report.h"
#include "cli/command.h"
#include "base/file.h"
#include "base/memory.h"
#include "io/figure.h"
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOSS_COLUMNS 2
#define VALIDATION_COLUMNS (2 + SC_VALIDATION_LEVELS)
#define SAMPLES 8
#define SAMPLE_ROWS 2
#define SAMPLE_STEPS 16
#define SAMPLE_SEED 0x73616d706c65ull
#define HISTORY_LIMIT ((size_t)1 << 30)

/* ---- series ---- */

/* A row: images seen, then values. Rows at as many images or more are of updates that a kill took
 * back. */
static sc_status append(sc_train_series *series, int columns, const double *row)
{
    while (series->count > 0 && series->value[(series->count - 1) * columns] >= row[0])
        series->count--;
    if (series->count == series->capacity) {
        int capacity = series->capacity ? 2 * series->capacity : 256;
        double *value;
        sc_status status = SC_ALLOC(&value, (int64_t)capacity * columns, "history");
        if (status != SC_OK)
            return status;
        if (series->count)
            memcpy(value, series->value, (size_t)(series->count * columns) * sizeof *value);
        sc_free(series->value);
        *series = (sc_train_series){value, series->count, capacity, columns};
    }
    memcpy(series->value + series->count++ * columns, row, (size_t)columns * sizeof *row);
    return SC_OK;
}

static sc_status note_validation(sc_train_reporter *r, double images, double loss,
                                 const double rmse[SC_VALIDATION_LEVELS])
{
    double row[VALIDATION_COLUMNS] = {images, loss};
    memcpy(row + 2, rmse, SC_VALIDATION_LEVELS * sizeof *rmse);
    return append(&r->validation, VALIDATION_COLUMNS, row);
}

void sc_train_reporter_free(sc_train_reporter *r)
{
    sc_free(r->loss.value);
    sc_free(r->validation.value);
    r->loss = r->validation = (sc_train_series){0};
}

/* ---- JSON ---- */

static void level_name(char name[32], int level)
{
    snprintf(name, 32, "%g", sc_validation_sigma[level]);
}

static json_t *validation_json(const sc_validation *v)
{
    json_t *rmse = json_object();
    for (int i = 0; i < SC_VALIDATION_LEVELS; i++) {
        char name[32];
        level_name(name, i);
        json_object_set_new(rmse, name, json_real(v->rmse[i]));
    }
    return json_pack("{s:i, s:f, s:o}", "images", v->images, "loss", v->loss, "rmse_per_sigma",
                     rmse);
}

/* JSON, to be freed with free; NULL without memory. */
static char *history_line(const sc_training_state *s, double loss, double rate,
                          const sc_validation *v)
{
    json_t *line = json_pack("{s:I, s:I, s:f, s:f, s:f, s:f}", "step", (json_int_t)s->step,
                             "images", (json_int_t)s->images, "loss", loss, "gradient_norm",
                             s->gradient_norm, "rate", s->rate, "images_per_s", rate);
    if (v && v->images)
        json_object_set_new(line, "validation", validation_json(v));
    char *text = json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(7));
    json_decref(line);
    return text;
}

/* A killed run may have left half a line: the next one starts on its own. */
static bool ends_in_half_a_line(int file)
{
    char last;
    off_t end = lseek(file, 0, SEEK_END);
    return end > 0 && pread(file, &last, 1, end - 1) == 1 && last != '\n';
}

static sc_status append_history(const char *path, const sc_training_state *s, double loss,
                                double rate, const sc_validation *v)
{
    sc_status status = SC_OK;
    char *line = history_line(s, loss, rate, v);
    int file = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (file < 0)
        SC_TRY(sc_fail(SC_ERR_IO, "%s: %s", path, strerror(errno)));
    if (!line)
        SC_TRY(sc_fail(SC_ERR_MEMORY, "%s: no memory for a line", path));
    if (ends_in_half_a_line(file))
        SC_TRY(sc_file_write_all(file, "\n", 1, path));
    SC_TRY(sc_file_write_all(file, line, strlen(line), path));
    SC_TRY(sc_file_write_all(file, "\n", 1, path));
cleanup:
    free(line);
    if (file >= 0 && close(file) != 0 && status == SC_OK)
        status = sc_fail(SC_ERR_IO, "%s: %s", path, strerror(errno));
    return status;
}

static sc_status take_line(sc_train_reporter *r, const json_t *line, int64_t until)
{
    sc_status status = SC_OK;
    json_t *v = json_object_get(line, "validation"), *levels = json_object_get(v, "rmse_per_sigma");
    double images = json_number_value(json_object_get(line, "images"));
    if (!json_is_object(line) || images > (double)until)
        return SC_OK;
    if (!v)
        return append(&r->loss, LOSS_COLUMNS,
                      (double[2]){images, json_number_value(json_object_get(line, "loss"))});
    double rmse[SC_VALIDATION_LEVELS];
    for (int i = 0; i < SC_VALIDATION_LEVELS; i++) {
        char name[32];
        level_name(name, i);
        rmse[i] = json_number_value(json_object_get(levels, name));
    }
    SC_TRY(note_validation(r, images, json_number_value(json_object_get(v, "loss")), rmse));
cleanup:
    return status;
}

sc_status sc_train_reporter_resume(sc_train_reporter *r, int64_t images)
{
    char *text, *next;
    size_t bytes;
    if (!r->history || !r->figure || !sc_path_exists(r->history))
        return SC_OK;
    sc_status status = sc_file_read((void **)&text, &bytes, r->history, HISTORY_LIMIT);
    if (status != SC_OK)
        return status;
    next = text;
    for (char *line; status == SC_OK && (line = strsep(&next, "\n"));) {
        json_t *object = json_loads(line, 0, NULL); /* a killed run may leave half a line */
        if (object)
            status = take_line(r, object, images);
        json_decref(object);
    }
    sc_free(text);
    return status;
}

/* ---- the picture ---- */

/* Column of a series as a curve; *memory holds its two vectors. */
static sc_status make_curve(sc_curve *curve, double **memory, const sc_train_series *series,
                            int column, const char *name)
{
    int n = series->count;
    sc_status status = SC_ALLOC(memory, 2 * n + 1, "curve");
    if (status != SC_OK)
        return status;
    for (int i = 0; i < n; i++) {
        (*memory)[i] = series->value[i * series->columns];
        (*memory)[n + i] = series->value[i * series->columns + column];
    }
    *curve = (sc_curve){*memory, *memory + n, n, name};
    return SC_OK;
}

/* Samples' magnitudes as tiles in SAMPLE_ROWS rows. */
static sc_status draw_samples(sc_tile tile[SAMPLES], float **pixels, sc_training *t)
{
    sc_status status = SC_OK;
    int channels, size = sc_training_sample_size(t, &channels);
    int64_t n = (int64_t)size * size;
    float *x = NULL;
    SC_TRY(SC_ALLOC(&x, n * channels, "sample"));
    SC_TRY(SC_ALLOC(pixels, SAMPLES * n, "samples"));
    for (int k = 0; k < SAMPLES; k++) {
        float *to = *pixels + k * n;
        SC_TRY(sc_training_sample(t, x, SAMPLE_STEPS, (sc_key){SAMPLE_SEED, 0, (uint32_t)k}));
        for (int64_t i = 0; i < n; i++)
            to[i] = channels == 2 ? hypotf(x[2 * i], x[2 * i + 1]) : x[i * channels];
        tile[k] = (sc_tile){.image = to, .ny = size, .nx = size, .high = 1, .map = SC_COLOR_GRAY};
    }
cleanup:
    sc_free(x);
    return status;
}

static sc_status draw_figure(const sc_train_reporter *r)
{
    enum { CURVES = 2 + SC_VALIDATION_LEVELS };
    sc_status status = SC_OK;
    sc_curve curve[CURVES];
    double *memory[CURVES] = {NULL};
    char name[SC_VALIDATION_LEVELS][40];
    sc_tile tile[SAMPLES];
    float *pixels = NULL;
    SC_TRY(make_curve(&curve[0], &memory[0], &r->loss, 1, "training"));
    SC_TRY(make_curve(&curve[1], &memory[1], &r->validation, 1, "validation, averaged weights"));
    for (int i = 0; i < SC_VALIDATION_LEVELS; i++) {
        snprintf(name[i], sizeof name[i], "sigma %g", sc_validation_sigma[i]);
        SC_TRY(make_curve(&curve[2 + i], &memory[2 + i], &r->validation, 2 + i, name[i]));
    }
    const sc_plot plot[2] = {
        {curve, 2, "Loss", "images", "loss", false, true},
        {curve + 2, SC_VALIDATION_LEVELS, "Error of denoised validation images", "images",
         "RMS error / sigma", false, true},
    };
    SC_TRY(draw_samples(tile, &pixels, r->training));
    SC_TRY(sc_figure_report(r->figure, plot, 2, tile, SAMPLE_ROWS, SAMPLES / SAMPLE_ROWS, 178));
cleanup:
    for (int i = 0; i < CURVES; i++)
        sc_free(memory[i]);
    sc_free(pixels);
    return status;
}

/* ---- lines ---- */

static void print_state(const sc_training_state *s, double loss, double rate, double left)
{
    if (isatty(STDERR_FILENO)) /* over the progress bar, which comes back below */
        fputs("\r\033[K", stderr);
    fprintf(stderr, "update %lld, %lld images, loss %.4f, gradient %.3f, rate %.2e, "
            "%.1f images/s, %.1f h left\n", (long long)s->step, (long long)s->images, loss,
            s->gradient_norm, s->rate, rate, left / 3600);
}

static void print_validation(const sc_validation *v)
{
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
    fprintf(stderr, "validation on %d images, loss %.4f, RMS error / sigma:", v->images, v->loss);
    for (int i = 0; i < SC_VALIDATION_LEVELS; i++)
        fprintf(stderr, " %g: %.4f", sc_validation_sigma[i], v->rmse[i]);
    fputc('\n', stderr);
}

void sc_train_report(void *self, const sc_training_state *s, double loss, double rate, double left,
                     const sc_validation *v)
{
    sc_train_reporter *r = self;
    sc_status status = SC_OK;
    double images = (double)s->images;
    if (!r->quiet && v && v->images)
        print_validation(v);
    else if (!r->quiet && !v)
        print_state(s, loss, rate, left);
    if (r->history && append_history(r->history, s, loss, rate, v) != SC_OK)
        sc_log(SC_LOG_WARN, "no line in the history of the training: %s", sc_message());
    if (!r->figure)
        return;
    SC_TRY(append(&r->loss, LOSS_COLUMNS, (double[2]){images, loss > 0 ? loss : NAN}));
    if (v && v->images)
        SC_TRY(note_validation(r, images, v->loss, v->rmse));
    if (v)
        SC_TRY(draw_figure(r));
cleanup:
    if (status != SC_OK)
        sc_log(SC_LOG_WARN, "no picture of the training: %s", sc_message());
}

void sc_train_print_evaluation(const sc_validation *v, bool json)
{
    if (!json) {
        printf("%d images, loss %.4f\n%8s  RMS error / sigma\n", v->images, v->loss, "sigma");
        for (int i = 0; i < SC_VALIDATION_LEVELS; i++)
            printf("%8g  %.4f\n", sc_validation_sigma[i], v->rmse[i]);
        return;
    }
    json_t *object = validation_json(v);
    sc_cli_print_json(object, JSON_COMPACT | JSON_REAL_PRECISION(7));
}
