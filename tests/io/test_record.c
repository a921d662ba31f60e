/* The run record: what goes in comes out, in one order, and hashes that stand for the run. */
#include "tests/io/io_volume.h"

#include "base/file.h"
#include "base/memory.h"
#include "io/record.h"

static sc_record *make(const char *command, const char *seed_key, int64_t seed)
{
    sc_record *record;
    assert_good(sc_record_create(&record, "scorecon", "0.1.0"));
    assert_good(sc_record_add_text(record, "command", "scorecon"));
    assert_good(sc_record_add_text(record, "command", command));
    assert_good(sc_record_set_integer(record, seed_key, seed));
    assert_good(sc_record_set_text(record, "method.name", "annealed"));
    assert_good(sc_record_set_number(record, "method.options.first_sigma", 0.1));
    assert_good(sc_record_set_number(record, "cost.measured.seconds", command[0]));
    return record;
}

static void text_is_sorted_json(void **state)
{
    (void)state;
    sc_record *record = make("recon", "seed", 7);
    assert_good(sc_record_set_bool(record, "residual.passed", true));
    assert_good(sc_record_set_number(record, "residual.value", NAN));
    assert_good(sc_record_add_number(record, "residual.all", 1));
    assert_good(sc_record_add_number(record, "residual.all", 2.5));
    assert_good(sc_record_set_text(record, "note", "caf\xe9 \"\n"));
    sc_geometry geometry;
    place_stack(&geometry, &planes[0], 2);
    assert_good(sc_record_set_geometry(record, "geometry", &geometry));
    char *text;
    assert_good(sc_record_text(record, &text));
    const char *const order[] = {"\"command\": [", "\"scorecon\",", "\"recon\"", "\"cost\"",
                                 "\"seconds\": 114.0", "\"geometry\"", "\"image_position_mm\"",
                                 "\"method\"", "\"annealed\"", "\"first_sigma\": 0.1\n",
                                 "\"note\": \"caf? \\\"\\n\"", "\"residual\": {", "\"all\": [", "1.0,", "2.5",
                                 "\"passed\": true", "\"value\": null",
                                 "\"seed\": 7", "\"version\": \"0.1.0\""};
    const char *at = text;
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        const char *next = strstr(at, order[i]);
        if (!next)
            print_error("%s is not where it should be in\n%s\n", order[i], text);
        assert_non_null(next);
        at = next;
    }
    assert_int_equal(text[strlen(text) - 1], '\n');
    assert_good(sc_record_write(record, in_scratch("record.json")));
    assert_int_equal(run_command(PYTHON " -c \"import json; json.load(open('%s'))\"",
                                 in_scratch("record.json")), 0);
    sc_free(text);
    sc_record_free(record);
}

static void run_hash_tells_runs_not_calls(void **state)
{
    (void)state;
    char a[65], b[65], c[65], d[65];
    put_text(in_scratch("in.h5"), "data");
    sc_record *one = make("recon x -o a", "seed", 7), *two = make("y recon -o b", "seed", 7),
              *three = make("recon x -o a", "seed", 8);
    assert_good(sc_record_run_hash(one, a));
    assert_good(sc_record_run_hash(two, b));
    assert_good(sc_record_run_hash(three, c));
    assert_string_equal(a, b);
    assert_string_not_equal(a, c);
    assert_good(sc_record_add_input(one, in_scratch("in.h5")));
    assert_good(sc_record_run_hash(one, d));
    assert_string_not_equal(a, d);
    sc_record_free(one), sc_record_free(two), sc_record_free(three);
}

static void inputs_are_known_by_hash_and_have_no_folder(void **state)
{
    (void)state;
    char hash[2][65], file[65], *text;
    run_command("mkdir -p %s %s", in_scratch("p/secret"), in_scratch("p/other"));
    put_text(in_scratch("p/secret/a.dcm"), "one");
    put_text(in_scratch("p/secret/b.dcm"), "two");
    put_text(in_scratch("p/s.cfl"), "three");
    put_text(in_scratch("p/s.hdr"), "four");
    for (int i = 0; i < 2; i++) {
        sc_record *record;
        assert_good(sc_record_create(&record, "scorecon", "0"));
        assert_good(sc_record_add_input(record, in_scratch("p/secret/")));
        assert_good(sc_record_add_input(record, in_scratch("p/s")));
        assert_good(sc_record_add_input(record, in_scratch("p/s.cfl")));
        assert_good(sc_record_text(record, &text));
        assert_null(strstr(text, "p/"));
        assert_non_null(strstr(text, "\"file\": \"secret\""));
        assert_non_null(strstr(text, "\"file\": \"s.hdr\""));
        assert_non_null(strstr(text, "\"bytes\": 6"));
        assert_good(sc_file_sha256(file, in_scratch("p/s.cfl")));
        assert_non_null(strstr(text, file));
        sc_record_input_hash(record, hash[i]);
        sc_free(text);
        sc_record_free(record);
        put_text(in_scratch("p/secret/b.dcm"), "twO");
    }
    assert_string_not_equal(hash[0], hash[1]);
}

static void mistakes_get_one_line(void **state)
{
    (void)state;
    sc_record *record = make("recon", "seed", 1);
    assert_refused(sc_record_add_input(record, in_scratch("none")), SC_ERR_IO, "none");
    assert_refused(sc_record_set_text(record, "seed.x", "y"), SC_ERR_INTERNAL, "\"seed\" holds");
    assert_refused(sc_record_add_text(record, "seed", "y"), SC_ERR_INTERNAL, "is no list");
    assert_refused(sc_record_write(record, in_scratch("no/such/record.json")), SC_ERR_IO, "record.json");
    sc_record_free(record);
    sc_record_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_sorted_json),
        cmocka_unit_test(run_hash_tells_runs_not_calls),
        cmocka_unit_test(inputs_are_known_by_hash_and_have_no_folder),
        cmocka_unit_test(mistakes_get_one_line),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
