/* The commands and what they share: --quiet, --json, --log, --threads, progress on stderr,
 * Ctrl-C, one line for an error and its exit code.
 */
#ifndef SC_CLI_COMMAND_H
#define SC_CLI_COMMAND_H

#include "base/device.h"
#include "base/option.h"
#include "base/progress.h"
#include "base/status.h"
#include <argp.h>
#include <jansson.h>
#include <stdbool.h>

typedef struct {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
} sc_command;

extern const sc_command sc_commands[]; /* ends with a NULL name */

int sc_command_recon(int argc, char **argv);
int sc_command_simulate(int argc, char **argv);
int sc_command_compare(int argc, char **argv);
int sc_command_info(int argc, char **argv);
int sc_command_check(int argc, char **argv);
int sc_command_train(int argc, char **argv);
int sc_command_sample(int argc, char **argv);
int sc_command_likelihood(int argc, char **argv);
int sc_command_encode(int argc, char **argv);
int sc_command_import(int argc, char **argv);

#define SC_CLI_HELP 512 /* bytes of an option's help */

/* Options that every command takes; an argp child whose input is a sc_cli. */
typedef struct {
    bool quiet, json;
    const char *log_path;
    int threads; /* 0: all */
} sc_cli;

extern const struct argp sc_cli_argp;

/* Parse with the exit code of wrong use (2); the command's own input first, then the sc_cli of
 * its argp child is set up and logging starts. Exits on --help and on errors, as argp does. */
void sc_cli_parse(const struct argp *argp, int argc, char **argv, void *input, sc_cli *cli);

/* Progress for the library: a bar on a terminal, plain lines elsewhere, nothing when quiet. */
const sc_progress *sc_cli_progress(const sc_cli *cli);
bool sc_cli_cancelled(void *self); /* after Ctrl-C */

/* Print the failure of `status`, if it is one, as one line, and return the exit code. */
int sc_cli_exit(const sc_cli *cli, sc_status status);

/* A whole number argument; on failure one line on stderr and exit 2 through argp. */
long sc_cli_integer(struct argp_state *state, const char *name, const char *text, long min,
                    long max);
double sc_cli_number(struct argp_state *state, const char *name, const char *text, double min,
                     double max);

/* The argument of --device: cpu, cuda, cuda:tf32 or cuda:bf16; anything else exits 2. */
void sc_cli_device(struct argp_state *state, const char *name, bool *cuda, sc_precision *precision);

/* A library's table of options as options of a command, behind its own ones under a heading; row i
 * has the key `first` + i. `text` holds the help for as long as `all` is used. */
void sc_cli_list_options(struct argp_option *all, char text[][SC_CLI_HELP], int first,
                         const sc_option *table, const char *heading);

/* An option of the table of `values`, listed from `first` on: true if key is one; a wrong value exits 2. */
bool sc_cli_set_option(sc_options *values, int key, int first, const char *text,
                       struct argp_state *state);

/* One JSON value and a line's end on stdout; flags of json_dumpf. Takes the value. */
void sc_cli_print_json(json_t *value, size_t flags);

bool sc_cli_ends_with(const char *text, const char *end);

#endif
