/* Progress on stderr: how far, and the time left as soon as it can be told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/command.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What is written to stderr while `work` runs. */
static void capture(char *text, size_t size, void (*work)(const sc_progress *))
{
    const sc_cli cli = {0};
    FILE *file = tmpfile();
    assert_non_null(file);
    fflush(stderr);
    int kept = dup(STDERR_FILENO);
    assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
    work(sc_cli_progress(&cli));
    fflush(stderr);
    assert_true(dup2(kept, STDERR_FILENO) >= 0);
    close(kept);
    rewind(file);
    text[fread(text, 1, size - 1, file)] = 0;
    fclose(file);
}

/* The first block is done before the first report: its part says nothing of the time. */
static void read_slowly(const sc_progress *p)
{
    p->report(p->self, "reading", 90, 100);
    usleep(1100000);
    p->report(p->self, "reading", 95, 100);
    p->report(p->self, "reading", 100, 100);
}

static void time_left_counts_from_the_first_report(void **state)
{
    (void)state;
    char text[1024];
    capture(text, sizeof text, read_slowly);
    assert_non_null(strstr(text, "reading: 90 %\n"));
    assert_non_null(strstr(text, "reading: 100 %\n"));
    assert_null(strstr(text, "left")); /* 95 is no tenth part further */
}

static void read_in_halves(const sc_progress *p)
{
    p->report(p->self, "reading", 0, 100);
    usleep(1100000);
    p->report(p->self, "reading", 50, 100);
    p->report(p->self, "reading", 100, 100);
    p->report(p->self, "reading", 0, 10); /* another file */
    p->report(p->self, "reading", 5, 10);
    p->report(p->self, "reading", 10, 10);
}

static void time_left_is_told_and_a_second_file_begins_anew(void **state)
{
    (void)state;
    char text[1024];
    capture(text, sizeof text, read_in_halves);
    char *half = strstr(text, "reading: 50 %, "), *whole = strstr(text, "reading: 100 %\n");
    assert_non_null(half);
    assert_non_null(strstr(half, " s left\n"));
    assert_non_null(whole);
    assert_non_null(strstr(whole, "reading: 50 %\nreading: 100 %\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_left_counts_from_the_first_report),
        cmocka_unit_test(time_left_is_told_and_a_second_file_begins_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
