/* Published configurations as JSON: what they mean, and what is said about those that are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "prior/score_sde_config.h"
#include <string.h>

/* The published knee network of score-MRI, with keys that change nothing. */
static const char knee[] =
    "{\"model\": {\"name\": \"ncsnpp\", \"nf\": 128, \"ch_mult\": [1, 2, 2, 2],"
    " \"num_res_blocks\": 4, \"attn_resolutions\": [16], \"scale_by_sigma\": true,"
    " \"embedding_type\": \"fourier\", \"resblock_type\": \"biggan\", \"fir\": true,"
    " \"progressive\": \"none\", \"progressive_input\": \"residual\", \"sigma_max\": 378,"
    " \"num_scales\": 2000, \"normalization\": \"GroupNorm\", \"attention_type\": \"ddpm\"},"
    " \"data\": {\"image_size\": 320, \"num_channels\": 1, \"centered\": false, \"root\": \"x\"},"
    " \"training\": {\"sde\": \"vesde\", \"continuous\": true, \"epochs\": 1000},"
    " \"sampling\": {\"snr\": 0.16}, \"device\": \"cuda:0\"}";

static void a_published_configuration_gives_the_published_network(void **state)
{
    (void)state;
    sc_score_sde_config config;
    sc_network *network;
    assert_int_equal(sc_score_sde_config_parse(&config, knee, sizeof knee - 1, "knee"), SC_OK);
    assert_true(config.sde.kind == SC_SDE_VE);
    assert_true(config.sde.sigma_min == .01 && config.sde.sigma_max == 378);
    assert_int_equal(config.num_scales, 2000);
    assert_true(config.continuous && !config.reduce_mean && !config.likelihood_weighting);
    for (int i = 0; i < 4; i++) /* 320, 160, 80, 40: 16 never occurs */
        assert_int_equal(config.network.attention[i], 0);
    assert_int_equal(config.network.attention_middle, 1);
    assert_true(config.network.fourier_scale == 16 && config.network.skip_rescale == 1);
    assert_int_equal(sc_network_create(&network, &config.network), SC_OK);
    assert_int_equal(sc_network_parameter_count(network), 61433601); /* REFERENCE 1.7 */
    sc_network_free(network);
}

/* Attention at a resolution of image_size / 2^level. */
static void attention_follows_the_resolution(void **state)
{
    (void)state;
    char text[sizeof knee];
    sc_score_sde_config config;
    memcpy(text, knee, sizeof knee);
    memcpy(strstr(text, "[16]"), "[80]", 4);
    assert_int_equal(sc_score_sde_config_parse(&config, text, sizeof knee - 1, "knee"), SC_OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(config.network.attention[i], i == 2);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *expected;
    } edits[] = {
        {"\"nf\": 128", "\"nf\": 2", "knee: model: key 'nf': expected a whole number from 4 to 1024, found 2"},
        {"\"nf\": 128", "\"nf\": 128.5", "key 'nf': expected a whole number"},
        {"\"nf\": 128", "\"nfs\": 128", "key 'nfs' is unknown: did you mean 'nf'?"},
        {"\"nf\": 128, ", "", "key 'nf': expected a whole number from 4 to 1024, found nothing"},
        {"\"nf\": 128", "\"nf\": 128, \"ch_mul\": 1", "key 'ch_mul' is unknown: did you mean 'ch_mult'?"},
        {"\"nf\": 128", "\"nf\": 128, \"zzz\": 1", "key 'zzz' is unknown"},
        {"\"ncsnpp\"", "\"ncsnv2_64\"", "key 'name': expected ncsnpp|ddpm, found 'ncsnv2_64'"},
        {"[1, 2, 2, 2]", "[]", "key 'ch_mult': expected 1 to 8 entries, found 0"},
        {"[1, 2, 2, 2]", "[1, 2, \"a\"]", "key 'ch_mult': expected whole numbers from 1 to 64, found another entry at place 2"},
        {"[1, 2, 2, 2]", "[1, 2, 1000]", "key 'ch_mult': expected whole numbers"},
        {"[1, 2, 2, 2]", "2", "key 'ch_mult': expected an array, found 2"},
        {"\"fir\": true", "\"fir\": 1", "key 'fir': expected true or false, found 1"},
        {"\"fir\": true, ", "", "key 'fir': expected true or false, found nothing"},
        {"\"residual\"", "\"cat\"", "key 'progressive_input': expected none|input_skip|residual, found 'cat'"},
        {"\"sigma_max\": 378", "\"sigma_max\": 0.001", "expected sigma_min < sigma_max"},
        {"\"continuous\": true", "\"continuous\": false", "training: key 'continuous': expected true with the fourier embedding"},
        {"\"vesde\"", "\"ve\"", "training: key 'sde': expected vesde|vpsde|subvpsde, found 've'"},
        {"\"centered\": false, ", "", "data: key 'centered': expected true or false, found nothing"},
        {"\"data\"", "\"dato\"", "knee: key 'data': expected an object, found nothing"},
        {"\"training\"", "\"model\"", "knee: line 1"}, /* a key twice */
        {"{\"model\"", "[\"model\"", "knee: line 1"},
    };
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        char text[2 * sizeof knee];
        const char *at = strstr(knee, edits[i].from);
        sc_score_sde_config config;
        assert_non_null(at);
        int n = snprintf(text, sizeof text, "%.*s%s%s", (int)(at - knee), knee, edits[i].to,
                         at + strlen(edits[i].from));
        sc_status status = sc_score_sde_config_parse(&config, text, (size_t)n, "knee");
        if (status == SC_OK || !strstr(sc_message(), edits[i].expected))
            print_error("expected '%s', got %s\n", edits[i].expected, sc_message());
        assert_int_equal(status, SC_ERR_FORMAT);
        assert_non_null(strstr(sc_message(), edits[i].expected));
        assert_null(strchr(sc_message(), '\n'));
    }
}

/* Every parameter of the reference configurations, by name, shape and whether it is trained. */
static void the_reference_networks_have_their_parameters(void **state)
{
    (void)state;
    static const char *const names[] = {"ncsnpp_ve", "ddpmpp_vp", "ncsnpp_skip", "ddpm_vp", "tiny_ve"};
    if (!sc_path_exists(SC_SHARED_DIR "/data/score_sde/README.md")) {
        print_message("skipped: no reference configurations here\n");
        skip();
    }
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        char path[512];
        sc_score_sde_config config;
        sc_network *network;
        json_t *root;
        const json_t *listed;
        const sc_parameter *p;
        snprintf(path, sizeof path, SC_SHARED_DIR "/data/score_sde/%s.config.json", names[k]);
        assert_int_equal(sc_score_sde_config_read(&config, path), SC_OK);
        assert_int_equal(sc_network_create(&network, &config.network), SC_OK);
        assert_int_equal(sc_json_read(&root, path, (size_t)1 << 24), SC_OK);
        assert_int_equal(sc_json_get_array(&listed, root, "parameters"), SC_OK);
        int count = sc_network_parameters(network, &p), found = 0;
        assert_int_equal(count, json_array_size(listed));
        for (int i = 0; i < count; i++)
            for (int j = 0; j < count; j++) {
                const json_t *entry = json_array_get(listed, (size_t)j);
                const json_t *shape = json_object_get(entry, "shape");
                if (strcmp(json_string_value(json_object_get(entry, "name")), p[i].name) != 0)
                    continue;
                found++;
                assert_int_equal(json_array_size(shape), p[i].rank);
                for (int a = 0; a < p[i].rank; a++)
                    assert_int_equal(json_integer_value(json_array_get(shape, (size_t)a)), p[i].dim[a]);
                assert_int_equal(json_is_true(json_object_get(entry, "requires_grad")), !p[i].frozen);
            }
        assert_int_equal(found, count);
        json_decref(root);
        sc_network_free(network);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_published_configuration_gives_the_published_network),
        cmocka_unit_test(attention_follows_the_resolution),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(the_reference_networks_have_their_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
