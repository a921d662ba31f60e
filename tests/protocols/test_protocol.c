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
    assert_int_equal(parse(&p, "name: brain\nmodality: MR\nmethod: pc\noptions: [steps=20, snr=0.1]\n"
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
        {"foo: 1\n", "foo"},           {"samples: many\n", "samples"}, {"maps: 3\n", "maps"},
        {"formats: [gif]\n", "gif"},   {"name: [a, b]\n", "name"},     {"name: [a\n", "site.yaml"},
        {"", "empty"},                 {"samples: -2\n", "samples"},   {"seed: 1\nseed: 2\n", "seed"},
        {"modality: PET\n", "PET"},    {"options: [fast]\n", "fast"},  {"- a\n", "MAPPING"},
        {"time_budget_s: .nan\n", "time_budget_s"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sc_protocol *p;
        assert_int_equal(parse(&p, bad[i].text), SC_ERR_FORMAT);
        assert_null(p);
        if (!strstr(sc_message(), bad[i].named) || strchr(sc_message(), '\n'))
            fail_msg("'%s' gave '%s'", bad[i].text, sc_message());
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
        cmocka_unit_test(formats_are_a_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
