/* Import when memory is short: the n-th allocation fails, for every n. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/memory.h"
#include "prior/import.h"
#include "prior/score_sde_config.h"
#include "tests/prior/torch_file.h"
#include <unistd.h>

static const char config_text[] =
    "{\"model\": {\"name\": \"ncsnpp\", \"nf\": 4, \"ch_mult\": [1], \"num_res_blocks\": 1,"
    " \"attn_resolutions\": [], \"scale_by_sigma\": true, \"embedding_type\": \"fourier\","
    " \"resblock_type\": \"biggan\", \"fir\": false, \"progressive\": \"none\","
    " \"progressive_input\": \"none\"},"
    " \"data\": {\"image_size\": 16, \"num_channels\": 1, \"centered\": false},"
    " \"training\": {\"sde\": \"vesde\", \"continuous\": true}}";

static long allocations, fail_at;

sc_status __real_sc_alloc(void **p, size_t count, size_t size, const char *what);
sc_status __wrap_sc_alloc(void **p, size_t count, size_t size, const char *what);
sc_status __wrap_sc_alloc(void **p, size_t count, size_t size, const char *what)
{
    if (++allocations == fail_at) {
        *p = NULL;
        return sc_fail(SC_ERR_MEMORY, "%s: the test's allocation %ld", what, fail_at);
    }
    return __real_sc_alloc(p, count, size, what);
}

static void write_checkpoint(const char *path, const char *config_path, int legacy)
{
    static const double sigmas[3] = {50, .7, .01};
    sc_score_sde_config config;
    sc_network *network;
    float *theta;
    torch_file t = {.legacy = legacy};
    assert_int_equal(sc_score_sde_config_read(&config, config_path), SC_OK);
    assert_int_equal(sc_network_create(&network, &config.network), SC_OK);
    assert_int_equal(SC_ALLOC(&theta, sc_network_parameter_count(network), "theta"), SC_OK);
    torch_checkpoint(&t, network, theta, theta, "module.", sigmas, 3);
    bytes b = legacy ? torch_legacy(&t) : torch_zip(&t, 0);
    bytes_write(path, &b);
    torch_file_free(&t);
    sc_free(theta);
    sc_network_free(network);
}

static void every_failed_allocation_is_said_and_leaves_nothing(void **state)
{
    (void)state;
    char folder[] = "scorecon-memory-XXXXXX", path[64], config[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a.pth", folder);
    snprintf(config, sizeof config, "%s/config.json", folder);
    assert_int_equal(sc_file_write(config, config_text, sizeof config_text - 1), SC_OK);
    for (int legacy = 0; legacy < 2; legacy++) {
        sc_import_options options = {.checkpoint = path, .config = config};
        sc_status status = SC_ERR_MEMORY;
        fail_at = 0;
        write_checkpoint(path, config, legacy);
        for (long n = 1; status != SC_OK; n++) {
            sc_weights weights;
            allocations = 0;
            fail_at = n;
            status = sc_import_read(&weights, &options);
            if (status != SC_OK) {
                assert_int_equal(status, SC_ERR_MEMORY);
                assert_non_null(strstr(sc_message(), "the test's allocation"));
                assert_null(weights.theta);
                assert_null(weights.network);
            }
            sc_weights_free(&weights);
            assert_true(n < 10000);
        }
        assert_true(allocations > 100 && allocations < fail_at);
    }
    unlink(path);
    unlink(config);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failed_allocation_is_said_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
