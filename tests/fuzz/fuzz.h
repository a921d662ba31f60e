/* What every fuzz target shares: a scratch file for readers that want a path, and the verdict.
 *
 * A target is LLVMFuzzerTestOneInput for one reader. Built with clang and -DSC_FUZZ=ON it is a
 * libFuzzer program; in every other build it is linked with replay.c, which feeds it the committed
 * seeds as a test.
 */
#ifndef SC_TESTS_FUZZ_FUZZ_H
#define SC_TESTS_FUZZ_FUZZ_H

#include "base/status.h"
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline const char *fuzz_path(const char *name)
{
    static char path[2][128];
    static int next;
    next = !next;
    snprintf(path[next], sizeof path[next], "%s/scorecon-fuzz-%d-%s",
             access("/dev/shm", W_OK) ? "." : "/dev/shm", (int)getpid(), name);
    return path[next];
}

/* The input as a file; the same name each time, so that nothing piles up. */
static inline const char *fuzz_file(const char *name, const void *data, size_t size)
{
    const char *path = fuzz_path(name);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data, 1, size, file) != size || fclose(file))
        abort();
    return path;
}

static inline void fuzz_remove(const char *name) { unlink(fuzz_path(name)); }

/* Success, or one clear line that does not blame the program. */
static inline void fuzz_verdict(sc_status status)
{
    if (status == SC_OK)
        return;
    if (status == SC_ERR_INTERNAL || !sc_message()[0] || strchr(sc_message(), '\n')) {
        fprintf(stderr, "verdict: %s: '%s'\n", sc_status_name(status), sc_message());
        abort();
    }
}

#endif
