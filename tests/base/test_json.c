/* JSON glue: messages name key, expected and found; option tables survive the round trip. */
#include "base/json.h"
#include "base/memory.h"
#include "check.h"
#include <math.h>

static json_t *parse(const char *text)
{
    json_t *root;
    assert_int_equal(sc_json_parse(&root, text, strlen(text), "text"), SC_OK);
    return root;
}

static void getters_name_key_expected_and_found(void **state)
{
    (void)state;
    json_t *o = parse("{\"n\": 7, \"x\": 0.5, \"s\": \"db2\", \"b\": true, \"a\": [], \"o\": {}}");
    int64_t n = -1;
    double x = -1;
    bool b = false;
    const char *s = NULL;
    const json_t *part = NULL;
    assert_int_equal(sc_json_get_int(&n, o, "n", 1, 9), SC_OK);
    assert_int_equal(sc_json_get_real(&x, o, "x", 0, 1), SC_OK);
    assert_int_equal(sc_json_get_real(&x, o, "n", 0, 10), SC_OK);
    assert_int_equal(sc_json_get_bool(&b, o, "b"), SC_OK);
    assert_int_equal(sc_json_get_string(&s, o, "s"), SC_OK);
    assert_int_equal(sc_json_get_array(&part, o, "a"), SC_OK);
    assert_int_equal(sc_json_get_object(&part, o, "o"), SC_OK);
    assert_true(n == 7 && x == 7 && b && strcmp(s, "db2") == 0);
    check_failure(sc_json_get_int(&n, o, "n", 1, 6), SC_ERR_FORMAT,
                  "key 'n': expected a whole number from 1 to 6, found 7");
    check_failure(sc_json_get_int(&n, o, "x", 1, 6), SC_ERR_FORMAT, "found 0.5");
    check_failure(sc_json_get_int(&n, o, "none", 1, 6), SC_ERR_FORMAT, "found nothing");
    check_failure(sc_json_get_real(&x, o, "s", 0, 1), SC_ERR_FORMAT, "found 'db2'");
    check_failure(sc_json_get_bool(&b, o, "n"), SC_ERR_FORMAT, "true or false");
    check_failure(sc_json_get_string(&s, o, "b"), SC_ERR_FORMAT, "found true");
    check_failure(sc_json_get_array(&part, o, "o"), SC_ERR_FORMAT, "found an object");
    check_failure(sc_json_get_object(&part, o, "a"), SC_ERR_FORMAT, "found an array");
    check_failure(sc_json_get_object(&part, NULL, "a"), SC_ERR_FORMAT, "found nothing");
    assert_int_equal(n, 7);
    json_decref(o);
}

static void bad_text_is_located(void **state)
{
    (void)state;
    json_t *root;
    check_failure(sc_json_parse(&root, "{\"a\":\n 1,}", 10, "conf"), SC_ERR_FORMAT, "conf: line 2");
    assert_null(root);
    check_failure(sc_json_parse(&root, "{\"a\":1,\"a\":2}", 13, "conf"), SC_ERR_FORMAT,
                  "duplicate");
    check_failure(sc_json_parse(&root, "", 0, "conf"), SC_ERR_FORMAT, "conf");
    check_failure(sc_json_read(&root, "no such file", 10), SC_ERR_IO, "no such file");
    char deep[9000]; /* jansson bounds its depth */
    memset(deep, '[', sizeof deep);
    check_failure(sc_json_parse(&root, deep, sizeof deep, "deep"), SC_ERR_FORMAT, "deep");
}

static void what_is_built_is_read_again(void **state)
{
    (void)state;
    json_t *o = json_object(), *again;
    char *text;
    assert_int_equal(sc_json_set_int(o, "n", INT64_MAX), SC_OK);
    assert_int_equal(sc_json_set_real(o, "x", 0.1), SC_OK);
    assert_int_equal(sc_json_set_real(o, "nan", NAN), SC_OK);
    assert_int_equal(sc_json_set_bool(o, "b", true), SC_OK);
    assert_int_equal(sc_json_set_string(o, "s", "text"), SC_OK);
    assert_int_equal(sc_json_set_string(o, "none", NULL), SC_OK);
    assert_int_equal(sc_json_set(o, "a", json_array()), SC_OK);
    assert_int_equal(sc_json_append(json_object_get(o, "a"), json_integer(1)), SC_OK);
    check_failure(sc_json_append(json_object_get(o, "a"), NULL), SC_ERR_MEMORY, "JSON");
    check_failure(sc_json_set(o, "c", NULL), SC_ERR_MEMORY, "'c'");
    assert_int_equal(sc_json_print(&text, o), SC_OK);
    again = parse(text);
    assert_true(json_equal(o, again));
    assert_true(json_is_null(json_object_get(o, "nan")));
    sc_free(text);
    json_decref(o), json_decref(again);
}

static const sc_option table[] = {
    {"iterations", SC_OPT_INT, "", 1, 1000, 30, NULL, ""},
    {"lambda", SC_OPT_REAL, "", 0, 10, 0.5, NULL, ""},
    {"warm", SC_OPT_BOOL, "", 0, 0, 1, NULL, ""},
    {"filter", SC_OPT_CHOICE, "", 0, 0, 1, "haar|db2|db4", ""},
    {0},
};

static void options_survive_the_round_trip(void **state)
{
    (void)state;
    sc_options a = sc_options_default(table), b = a;
    assert_int_equal(sc_options_set(&a, "lambda", "0.1"), SC_OK);
    assert_int_equal(sc_options_set(&a, "filter", "db4"), SC_OK);
    assert_int_equal(sc_options_set(&a, "warm", "no"), SC_OK);
    json_t *o;
    assert_int_equal(sc_json_from_options(&o, &a), SC_OK);
    assert_string_equal(json_string_value(json_object_get(o, "filter")), "db4");
    assert_int_equal(sc_json_to_options(&b, o), SC_OK);
    assert_memory_equal(a.value, b.value, sizeof a.value);
    json_decref(o);
    o = parse("{\"lambda\": [1]}");
    check_failure(sc_json_to_options(&b, o), SC_ERR_USAGE, "found 'an array'");
    json_decref(o);
    const sc_options none = {0};
    assert_int_equal(sc_json_from_options(&o, &none), SC_OK);
    assert_int_equal(json_object_size(o), 0);
    json_decref(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(getters_name_key_expected_and_found),
        cmocka_unit_test(bad_text_is_located),
        cmocka_unit_test(what_is_built_is_read_again),
        cmocka_unit_test(options_survive_the_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
