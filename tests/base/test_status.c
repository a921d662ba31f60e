/* Messages gather context as they pass up, one a thread; progress and log call back. */
#include "base/progress.h"
#include "base/status.h"
#include "check.h"
#include <pthread.h>

static void context_is_put_in_front(void **state)
{
    (void)state;
    sc_status status = sc_fail(SC_ERR_INPUT, "k-space holds %d NaN", 3);
    status = sc_context(status, "slice %d", 12);
    status = sc_context(status, "%s", "scan.h5");
    status = sc_context(status, "%s", "scan.h5"); /* twice is once */
    assert_int_equal(status, SC_ERR_INPUT);
    assert_string_equal(sc_message(), "scan.h5: slice 12: k-space holds 3 NaN");
    assert_int_equal(sc_context(SC_OK, "nothing"), SC_OK);
    assert_string_equal(sc_message(), "scan.h5: slice 12: k-space holds 3 NaN");
}

static void long_messages_are_cut_not_overrun(void **state)
{
    (void)state;
    char text[5000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    sc_status status = sc_fail(SC_ERR_INPUT, "%s", text);
    size_t length = strlen(sc_message());
    assert_true(length > 100 && length < sizeof text - 1);
    status = sc_context(status, "file");
    assert_memory_equal(sc_message(), "file: xxx", 9);
    (void)sc_context(status, "%s", text);
    assert_true(strlen(sc_message()) < sizeof text - 1);
}

static void *fail_elsewhere(void *unused)
{
    (void)unused;
    (void)sc_fail(SC_ERR_IO, "elsewhere");
    return NULL;
}

static void each_thread_has_its_message(void **state)
{
    (void)state;
    pthread_t thread;
    (void)sc_fail(SC_ERR_IO, "here");
    assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, NULL), 0);
    pthread_join(thread, NULL);
    assert_string_equal(sc_message(), "here");
}

static void codes_map_to_names_and_exits(void **state)
{
    (void)state;
    const int exits[] = {0, 1, 1, 1, 1, 2, 1, 1, 130, 4};
    for (int code = SC_OK; code <= SC_ERR_INTERNAL; code++) {
        assert_int_equal(sc_status_exit((sc_status)code), exits[code]);
        assert_true(strlen(sc_status_name((sc_status)code)) > 0);
    }
}

static sc_status passes_on(int *cleaned)
{
    sc_status status;
    SC_TRY(SC_OK);
    SC_TRY(sc_fail(SC_ERR_NUMERIC, "stop"));
    *cleaned = -1; /* not reached */
cleanup:
    *cleaned += 1;
    return status;
}

static void try_goes_to_cleanup(void **state)
{
    (void)state;
    int cleaned = 0;
    assert_int_equal(passes_on(&cleaned), SC_ERR_NUMERIC);
    assert_int_equal(cleaned, 1);
}

static bool yes(void *self)
{
    (void)self;
    return true;
}

static void note(void *self, const char *phase, double done, double total)
{
    assert_string_equal(phase, "slices");
    *(double *)self = done / total;
}

static void progress_reports_or_cancels(void **state)
{
    (void)state;
    double fraction = 0;
    const sc_progress reporting = {.self = &fraction, .report = note};
    const sc_progress stopping = {.self = &fraction, .report = note, .cancelled = yes};
    assert_int_equal(sc_progress_step(NULL, "slices", 1, 2), SC_OK);
    assert_int_equal(sc_progress_step(&reporting, "slices", 1, 2), SC_OK);
    assert_true(fraction == 0.5);
    check_failure(sc_progress_step(&stopping, "slices", 2, 2), SC_ERR_CANCELLED, "slices");
    assert_true(fraction == 0.5);
}

static void keep(void *self, sc_log_level level, const char *message)
{
    snprintf(self, 64, "%d %s", level, message);
}

static void log_goes_to_the_sink_or_nowhere(void **state)
{
    (void)state;
    char text[64] = "";
    sc_log(SC_LOG_INFO, "lost");
    sc_log_set(keep, text);
    sc_log(SC_LOG_WARN, "kept %d", 7);
    sc_log_set(NULL, NULL);
    sc_log(SC_LOG_ERROR, "lost too");
    assert_string_equal(text, "2 kept 7");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(context_is_put_in_front),
        cmocka_unit_test(long_messages_are_cut_not_overrun),
        cmocka_unit_test(each_thread_has_its_message),
        cmocka_unit_test(codes_map_to_names_and_exits),
        cmocka_unit_test(try_goes_to_cleanup),
        cmocka_unit_test(progress_reports_or_cancels),
        cmocka_unit_test(log_goes_to_the_sink_or_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
