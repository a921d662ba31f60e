/* Option tables: defaults, ranges, and messages that name key, expected and found. */
#include "base/option.h"
#include "check.h"

static const sc_option table[] = {
    {"iterations", SC_OPT_INT, "", 1, 1000, 30, NULL, "steps"},
    {"lambda", SC_OPT_REAL, "1/mm", 0, 10, 0.5, NULL, "weight"},
    {"warm", SC_OPT_BOOL, "", 0, 0, 1, NULL, "warm start"},
    {"filter", SC_OPT_CHOICE, "", 0, 0, 1, "haar|db2|db4", "wavelet"},
    {0},
};

static void defaults_come_from_the_table(void **state)
{
    (void)state;
    sc_options o = sc_options_default(table);
    assert_true(sc_options_get(&o, "iterations") == 30);
    assert_true(sc_options_get(&o, "lambda") == 0.5);
    assert_true(sc_options_get(&o, "warm") == 1);
    assert_true(sc_options_get(&o, "filter") == 1);
}

static void good_values_are_taken(void **state)
{
    (void)state;
    sc_options o = sc_options_default(table);
    assert_int_equal(sc_options_set(&o, "iterations", "1000"), SC_OK);
    assert_int_equal(sc_options_set(&o, "lambda", "1e-3"), SC_OK);
    assert_int_equal(sc_options_set(&o, "warm", "no"), SC_OK);
    assert_int_equal(sc_options_set(&o, "filter", "db4"), SC_OK);
    assert_true(sc_options_get(&o, "iterations") == 1000);
    assert_true(sc_options_get(&o, "lambda") == 1e-3);
    assert_true(sc_options_get(&o, "warm") == 0);
    assert_true(sc_options_get(&o, "filter") == 2);
    assert_int_equal(sc_options_set(&o, "warm", "true"), SC_OK);
    assert_true(sc_options_get(&o, "warm") == 1);
}

static void printed_values_are_read_back(void **state)
{
    (void)state;
    static const char *const values[][2] = {
        {"iterations", "1000"}, {"lambda", "0.001"}, {"warm", "no"}, {"filter", "haar"},
        {"filter", "db4"}};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char text[32];
        int row = 0;
        sc_options o = sc_options_default(table);
        assert_int_equal(sc_options_set(&o, values[i][0], values[i][1]), SC_OK);
        while (strcmp(table[row].name, values[i][0]) != 0)
            row++;
        sc_option_print(text, sizeof text, &table[row], o.value[row]);
        assert_string_equal(text, values[i][1]);
    }
}

static void bad_values_are_named_and_change_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value, *message;
    } bad[] = {
        {"iterations", "0", "from 1 to 1000"},
        {"iterations", "2.5", "whole number"},
        {"iterations", "", "iterations"},
        {"iterations", "3x", "found '3x'"},
        {"lambda", "nan", "lambda"},
        {"lambda", "1e999", "lambda"},
        {"lambda", "-1", "from 0 to 10 1/mm"},
        {"warm", "maybe", "yes or no"},
        {"filter", "db", "haar|db2|db4"},
        {"filter", "", "filter"},
        {"colour", "1", "unknown option 'colour'"},
    };
    sc_options o = sc_options_default(table), before = o;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        check_failure(sc_options_set(&o, bad[i].key, bad[i].value), SC_ERR_USAGE, bad[i].message);
    assert_memory_equal(&o, &before, sizeof o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_come_from_the_table),
        cmocka_unit_test(good_values_are_taken),
        cmocka_unit_test(printed_values_are_read_back),
        cmocka_unit_test(bad_values_are_named_and_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
