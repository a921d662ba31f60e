/* Helpers of the tests of file formats: a scratch folder that goes with the test, files of given
 * bytes, other programs where they are installed. */
#ifndef SC_TESTS_IO_IO_TEST_H
#define SC_TESTS_IO_IO_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/status.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char scratch[64];

static int scratch_make(void **state)
{
    (void)state;
    snprintf(scratch, sizeof scratch, "%s/scorecon-test-XXXXXX",
             access("/dev/shm", W_OK) ? "." : "/dev/shm");
    return mkdtemp(scratch) ? 0 : -1;
}

static int run_command(const char *format, ...)
{
    char command[4096];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    return system(command);
}

static int scratch_remove(void **state)
{
    (void)state;
    return run_command("rm -rf '%s'", scratch);
}

/* Path of a file in the scratch folder; sixteen may be in use at a time. */
static const char *in_scratch(const char *name)
{
    static char path[16][256];
    static int next;
    next = (next + 1) % 16;
    snprintf(path[next], sizeof path[next], "%s/%s", scratch, name);
    return path[next];
}

static inline void put_file(const char *path, const void *data, size_t bytes)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

static inline void put_text(const char *path, const char *text)
{
    put_file(path, text, strlen(text));
}

/* The status, and one line that holds `part`. */
#define assert_refused(call, code, part)                                                           \
    do {                                                                                           \
        sc_status refused_ = (call);                                                               \
        if (refused_ != (code) || !strstr(sc_message(), (part)) || strchr(sc_message(), '\n'))     \
            print_error("message: %s\n", sc_message());                                            \
        assert_int_equal(refused_, (code));                                                        \
        assert_non_null(strstr(sc_message(), (part)));                                             \
        assert_null(strchr(sc_message(), '\n'));                                                   \
    } while (0)

#define assert_good(call)                                                                          \
    do {                                                                                           \
        sc_status good_ = (call);                                                                  \
        if (good_ != SC_OK)                                                                        \
            print_error("message: %s\n", sc_message());                                            \
        assert_int_equal(good_, SC_OK);                                                            \
    } while (0)

/* Skip, saying why, unless a shell command succeeds. */
#define skip_unless(command, reason)                                                               \
    do {                                                                                           \
        if (run_command("%s >/dev/null 2>&1", (command)) != 0) {                                   \
            print_message("skipped: %s\n", (reason));                                              \
            skip();                                                                                \
        }                                                                                          \
    } while (0)

#define PYTHON "/usr/bin/python3"

#endif
