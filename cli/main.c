/* scorecon COMMAND: look the command up and hand over. */
#include "cli/command.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const sc_command sc_commands[] = {
    {"recon", "reconstruct scans", sc_command_recon},
    {"simulate", "measure an image as a scanner would", sc_command_simulate},
    {"compare", "compare reconstructions with a reference", sc_command_compare},
    {"info", "say what is in a file, or what this build can do", sc_command_info},
    {"check", "say what would go wrong with a scan", sc_command_check},
    {"train", "train a prior on images", sc_command_train},
    {"sample", "draw images from a prior", sc_command_sample},
    {"likelihood", "say how likely images are under a prior", sc_command_likelihood},
    {"encode", "carry images to the latents of a prior", sc_command_encode},
    {"import", "make a prior of a published PyTorch checkpoint", sc_command_import},
    {0},
};

static void usage(FILE *out)
{
    fprintf(out,
            "Usage: scorecon COMMAND [ARGUMENT...]\n\n"
            "Reconstruction of medical images from few measurements with a score-based prior.\n"
            "For research; not a medical device.\n\nCommands:\n");
    for (const sc_command *c = sc_commands; c->name; c++)
        fprintf(out, "  %-10s %s\n", c->name, c->summary);
    fprintf(out,
            "\nEach command has --help with an example. Exit codes: 0 good, 1 the input or the "
            "data\nare at fault, 2 wrong use, 4 internal error, 130 stopped.\n");
}

/* OpenMP threads that spin while they wait take a busy machine's time from each other (a run was
 * seen to take eight times as long). The policy is read before main, so it needs a second start. */
static void wait_without_spinning(char **argv)
{
    if (getenv("OMP_WAIT_POLICY") || setenv("OMP_WAIT_POLICY", "passive", 1) != 0)
        return;
    execv("/proc/self/exe", argv); /* returns only on failure; then we go on as we are */
}

int main(int argc, char **argv)
{
    wait_without_spinning(argv);
    if (argc < 2) {
        usage(stderr);
        return 2;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
        usage(stdout);
        return 0;
    }
    if (!strcmp(argv[1], "--version")) {
        printf("scorecon %s\n", SC_VERSION);
        return 0;
    }
    for (const sc_command *c = sc_commands; c->name; c++)
        if (!strcmp(argv[1], c->name)) {
            char name[64];
            snprintf(name, sizeof name, "scorecon %s", c->name);
            argv[1] = name; /* argp prints it in usage lines */
            return c->run(argc - 1, argv + 1);
        }
    fprintf(stderr, "scorecon: unknown command '%s'; see scorecon --help\n", argv[1]);
    return 2;
}
