/* Protocol files: what is read, and that everything wrong gets one line with key and place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "protocols/protocol.h"
#include <string.h>

static sc_status parse(sc_protocol **p, const char *text)
{
    return sc_protocol_parse(p, text, strlen(text), "site.yaml");
}

static void every_key_is_read(void **state)
{
    (void)state;
    sc_protocol *p;
    assert_int_equal(parse(&p,
                           "name: brain\nmodality: MR\nmethod: pc\noptions: [steps=20, snr=0.1]\n"
                           "prior: w.safetensors\ngeometry: g.json\nsamples: 4\nseed: 7\nmaps: 2\n"
                           "virtual_coils: 8\ntime_budget_s: 2.5\nfallback: true\n"
                           "formats: [dicom, png]\nseries_description: fast T1\n"),
                     SC_OK);
    assert_string_equal(p->name, "brain");
    assert_string_equal(p->method, "pc");
    assert_int_equal(p->options_count, 2);
    assert_string_equal(p->options[1], "snr=0.1");
    assert_int_equal(p->samples, 4);
    assert_int_equal(p->seed, 7);
    assert_int_equal(p->maps, SC_MAPS_TWO);
    assert_int_equal(p->virtual_coils, 8);
    assert_true(p->time_budget_s == 2.5);
    assert_true(p->fallback);
    assert_int_equal(p->formats, SC_FORMAT_DICOM | SC_FORMAT_PNG);
    sc_protocol_free(p);
}

static void a_bad_protocol_is_refused_with_its_key(void **state)
{
    (void)state;
    static const struct {
        const char *text, *named;
    } bad[] = {
        {"", "site.yaml: the protocol is empty"},
        {"name: a\nsamples: 4\nfoo: 1\n", "line 3: unknown key 'foo'"},
        {"name: a\n\nsamples: many\n", "line 3: samples: expected a whole number, found 'many'"},
        {"# maps\nmaps: 3\n", "line 2: maps: expected one of auto, 1, 2, found '3'"},
        {"formats: [npy,\n  gif]\n", "line 2: formats: expected a list of dicom, "},
        {"formats:\n  - npy\n  - gif\n", "line 3: formats: "},
        {"formats: npy\n", "line 1: formats: "},
        {"name: [a, b]\n", "line 1: name: expected a text, found a list"},
        {"seed: 1\nname: [a\n", "line 2: name: "},
        {"name: a\n  method: b\n", "line 2: mapping values are not allowed"},
        {"name: a\nseed: \"1\nmaps: 1\n",
         "line 4: found unexpected end of stream, while scanning a "
         "quoted scalar from line 2"},
        {"name: a\nseed: \xff\n", "line 2: "},
        {"name: a\nsamples: -2\n", "line 2: samples: expected 0 to 100000, found -2"},
        {"virtual_coils: 99999\n", "line 1: virtual_coils: "},
        {"seed: 1\nname: a\nseed: 2\n", "line 3: 'seed' stands in line 1 already"},
        {"name: a\nseed: -1\n", "line 2: seed: "},
        {"seed: 99999999999999999999\n", "line 1: seed: "},
        {"samples: 4294967296\n", "line 1: samples: "},
        {"name: a\nmodality: PET\n", "line 2: modality: expected MR, found 'PET'"},
        {"options: [a=1,\n  fast]\n",
         "line 2: options: expected a list of KEY=VALUE, found 'fast'"},
        {"options:\n  - a=1\n  - {b: 1}\n", "line 3: options: "},
        {"# a list\n- a\n", "line 2: expected lines of KEY: VALUE, found a list"},
        {"a text\n", "line 1: expected lines of KEY: VALUE, found a text"},
        {"time_budget_s: .nan\n", "line 1: time_budget_s: expected a number, found '.nan'"},
        {"time_budget_s: 1e8\n", "line 1: time_budget_s: expected 0 to 10000000, found 100000000"},
        {"name: a\nfallback: maybe\n", "line 2: fallback: expected true or false, found 'maybe'"},
        {"fallback:\n", "line 1: fallback: "},
        {"name: &x a\nmethod: *x\n", "line 2: expected a value, found the alias *x"},
        {"name: a\n---\nname: b\n", "line 2: expected one document"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sc_protocol *p;
        assert_int_equal(parse(&p, bad[i].text), SC_ERR_FORMAT);
        assert_null(p);
        if (!strstr(sc_message(), bad[i].named) || strchr(sc_message(), '\n'))
            fail_msg("'%s' gave '%s'", bad[i].text, sc_message());
    }
}

static void truth_is_yes_or_true(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool value;
    } words[] = {{"fallback: true\n", true},
                 {"fallback: yes\n", true},
                 {"fallback: false\n", false},
                 {"fallback: no\n", false}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        sc_protocol *p;
        assert_int_equal(parse(&p, words[i].text), SC_OK);
        assert_int_equal(p->fallback, words[i].value);
        sc_protocol_free(p);
    }
}

static void formats_are_a_list(void **state)
{
    (void)state;
    unsigned formats;
    assert_int_equal(sc_formats_parse(&formats, "npy,nifti"), SC_OK);
    assert_int_equal(formats, SC_FORMAT_NPY | SC_FORMAT_NIFTI);
    assert_int_equal(sc_formats_parse(&formats, "npy,bmp"), SC_ERR_USAGE);
    assert_non_null(strstr(sc_message(), "bmp"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_is_read),
        cmocka_unit_test(a_bad_protocol_is_refused_with_its_key),
        cmocka_unit_test(truth_is_yes_or_true),
        cmocka_unit_test(formats_are_a_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
