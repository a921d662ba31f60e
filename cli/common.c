/* What all commands share (command.h). */
#include "cli/command.h"
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t stopped;
static FILE *log_file;

static void on_signal(int number)
{
    (void)number;
    if (stopped)
        _exit(130);
    stopped = 1;
}

bool sc_cli_cancelled(void *self)
{
    (void)self;
    return stopped != 0;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- logging: warnings and errors to stderr, everything as JSON lines to --log ---- */

static const char *const level_name[] = {"debug", "info", "warning", "error"};

static void log_sink(void *self, sc_log_level level, const char *message)
{
    const sc_cli *cli = self;
    if (level >= SC_LOG_WARN && !cli->quiet)
        fprintf(stderr, "scorecon: %s: %s\n", level_name[level], message);
    if (!log_file)
        return;
    json_t *line = json_pack("{s:f, s:s, s:s}", "time", (double)time(NULL), "level",
                             level_name[level], "message", message);
    char *text = json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(12));
    if (text) /* one call, so that lines of several threads do not mix */
        fprintf(log_file, "%s\n", text);
    fflush(log_file);
    free(text);
    json_decref(line);
}

/* ---- progress ---- */

typedef struct {
    bool terminal;
    char phase[64];
    double start, first_fraction; /* when and with what the phase began to report */
    double last_shown, last_fraction;
} bar;

static bar progress_bar;

static void remaining(char *text, size_t size, const bar *b, double fraction, double t)
{
    double elapsed = t - b->start, done = fraction - b->first_fraction;
    text[0] = 0;
    if (elapsed < 1 || done <= 0.02 || fraction >= 1) /* too early to say, or too late */
        return;
    double left = elapsed * (1 - fraction) / done;
    if (left >= 3600)
        snprintf(text, size, "%.1f h left", left / 3600);
    else if (left >= 60)
        snprintf(text, size, "%.0f min %02d s left", floor(left / 60), (int)fmod(left, 60));
    else
        snprintf(text, size, "%.0f s left", ceil(left));
}

static void report(void *self, const char *phase, double done, double total)
{
    bar *b = self;
    double t = now(), fraction = total > 0 ? fmin(done / total, 1) : 0;
    if (strncmp(phase, b->phase, sizeof b->phase - 1) != 0) {
        if (b->terminal && b->phase[0])
            fputc('\n', stderr);
        snprintf(b->phase, sizeof b->phase, "%s", phase);
        b->start = t, b->first_fraction = fraction, b->last_shown = 0, b->last_fraction = 0;
    }
    /* ten times a second on a terminal, every tenth part elsewhere */
    if (b->terminal
            ? t - b->last_shown < 0.1 && done < total
            : (fraction < b->last_fraction + 0.1 && done < total) || (done <= 0 && total > 0))
        return;
    char left[48];
    remaining(left, sizeof left, b, fraction, t);
    if (b->terminal) {
        char cells[31];
        for (int i = 0; i < 30; i++)
            cells[i] = i < (int)(30 * fraction) ? '#' : '.';
        cells[30] = 0;
        fprintf(stderr, "\r%-16s [%s] %3.0f %% %-20s", phase, cells, 100 * fraction, left);
        if (done >= total)
            fputc('\n', stderr);
    } else {
        fprintf(stderr, "%s: %.0f %%%s%s\n", phase, 100 * fraction, left[0] ? ", " : "", left);
    }
    fflush(stderr);
    b->last_shown = t, b->last_fraction = fraction;
    if (done >= total) /* the next of this name begins anew */
        b->phase[0] = 0;
}

const sc_progress *sc_cli_progress(const sc_cli *cli)
{
    static const sc_progress shown = {&progress_bar, report, sc_cli_cancelled};
    static const sc_progress silent = {NULL, NULL, sc_cli_cancelled};
    progress_bar.terminal = isatty(STDERR_FILENO) != 0;
    return cli->quiet ? &silent : &shown;
}

/* ---- arguments ---- */

#define CHOICES_SHORT 30 /* as the argument of an option */

enum { KEY_JSON = 0x1000, KEY_LOG, KEY_THREADS };

static const struct argp_option options[] = {
    {0, 0, 0, 0, "Common to all commands:", 100},
    {"threads", KEY_THREADS, "N", 0,
     "processor threads (default: all); results do not depend on it", 0},
    {"quiet", 'q', 0, 0, "no progress and no warnings on stderr", 0},
    {"json", KEY_JSON, 0, 0, "results on stdout as JSON", 0},
    {"log", KEY_LOG, "FILE", 0, "append messages to FILE as JSON lines", 0},
    {0},
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
    sc_cli *cli = state->input;
    switch (key) {
    case 'q':
        cli->quiet = true;
        return 0;
    case KEY_JSON:
        cli->json = true;
        return 0;
    case KEY_LOG:
        cli->log_path = argument;
        return 0;
    case KEY_THREADS:
        cli->threads = (int)sc_cli_integer(state, "--threads", argument, 1, 4096);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp sc_cli_argp = {.options = options, .parser = parse};

long sc_cli_integer(struct argp_state *state, const char *name, const char *text, long min,
                    long max)
{
    char *end;
    errno = 0;
    long x = strtol(text, &end, 10);
    if (errno || end == text || *end || x < min || x > max)
        argp_failure(state, 2, 0, "%s: expected a whole number from %ld to %ld, found '%s'", name,
                     min, max, text);
    return x;
}

double sc_cli_number(struct argp_state *state, const char *name, const char *text, double min,
                     double max)
{
    char *end;
    errno = 0;
    double x = strtod(text, &end);
    if (errno || end == text || *end || !(x >= min && x <= max))
        argp_failure(state, 2, 0, "%s: expected a number from %g to %g, found '%s'", name, min, max,
                     text);
    return x;
}

void sc_cli_device(struct argp_state *state, const char *name, bool *cuda, sc_precision *precision)
{
    static const struct {
        const char *name;
        bool cuda;
        sc_precision precision;
    } devices[] = {{"cpu", false, SC_PRECISION_FLOAT32},
                   {"cuda", true, SC_PRECISION_FLOAT32},
                   {"cuda:tf32", true, SC_PRECISION_TF32},
                   {"cuda:bf16", true, SC_PRECISION_BF16}};
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
        if (!strcmp(name, devices[i].name)) {
            *cuda = devices[i].cuda;
            *precision = devices[i].precision;
            return;
        }
    argp_failure(state, 2, 0, "--device: expected cpu, cuda, cuda:tf32 or cuda:bf16, found '%s'",
                 name);
}

/* "; one of heun, edm, none": a long list has to be wrapped, which argp does at blanks only. */
static void spell_choices(char *text, size_t size, const char *choices)
{
    size_t n = (size_t)snprintf(text, size, "; one of ");
    for (; *choices && n + 3 < size; choices++)
        n += (size_t)snprintf(text + n, size - n, *choices == '|' ? ", " : "%c", *choices);
}

void sc_cli_list_options(struct argp_option *all, char text[][SC_CLI_HELP], int first,
                         const sc_option *table, const char *heading)
{
    *all++ = (struct argp_option){.doc = heading, .group = 2};
    for (int i = 0; table[i].name; i++) {
        const sc_option *o = &table[i];
        char standard[32], choices[SC_CLI_HELP / 2] = "";
        bool list = o->type == SC_OPT_CHOICE && strlen(o->choices) > CHOICES_SHORT;
        sc_option_print(standard, sizeof standard, o, o->standard);
        if (list)
            spell_choices(choices, sizeof choices, o->choices);
        snprintf(text[i], SC_CLI_HELP, "%s%s%s%s%s (default %s)", o->help, o->unit[0] ? " [" : "",
                 o->unit, o->unit[0] ? "]" : "", choices, standard);
        *all++ = (struct argp_option){.name = o->name,
                                      .key = first + i,
                                      .doc = text[i],
                                      .group = 2,
                                      .arg = list                       ? "NAME"
                                             : o->type == SC_OPT_CHOICE ? o->choices
                                             : o->type == SC_OPT_BOOL   ? "yes|no"
                                                                        : "X"};
    }
}

bool sc_cli_set_option(sc_options *values, int key, int first, const char *text,
                       struct argp_state *state)
{
    int rows = 0;
    while (values->table[rows].name)
        rows++;
    if (key < first || key >= first + rows)
        return false;
    if (sc_options_set(values, values->table[key - first].name, text) != SC_OK)
        argp_failure(state, 2, 0, "%s", sc_message());
    return true;
}

void sc_cli_print_json(json_t *value, size_t flags)
{
    json_dumpf(value, stdout, flags);
    putchar('\n');
    json_decref(value);
}

bool sc_cli_ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

void sc_cli_parse(const struct argp *argp, int argc, char **argv, void *input, sc_cli *cli)
{
    argp_err_exit_status = 2;
    argp_parse(argp, argc, argv, 0, NULL, input);
    if (cli->log_path && !(log_file = fopen(cli->log_path, "a"))) {
        fprintf(stderr, "scorecon: %s: %s\n", cli->log_path, strerror(errno));
        exit(1);
    }
    sc_log_set(log_sink, cli);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

int sc_cli_exit(const sc_cli *cli, sc_status status)
{
    if (status != SC_OK) {
        sc_log_set(NULL, NULL);
        if (progress_bar.terminal && progress_bar.phase[0])
            fputc('\n', stderr);
        fprintf(stderr, "scorecon: %s\n", sc_message());
    }
    (void)cli;
    if (log_file)
        fclose(log_file);
    log_file = NULL;
    return sc_status_exit(status);
}
