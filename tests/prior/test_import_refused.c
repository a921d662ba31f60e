/* Weights and configurations that are refused: each with one line that names the file and the
 * tensor or key. test_import_pickle.c and test_import_archive.c have what holds them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/prior/import_refused.h"
#include <math.h>

static void expect_bad_weights(const sc_network *network, const float *raw, const float *averaged,
                               const double *sigmas, int64_t n, const char *expected)
{
    torch_file t = {0};
    torch_checkpoint(&t, network, raw, averaged, "", sigmas, n);
    write_bytes(torch_zip(&t, 0));
    torch_file_free(&t);
    expect_refused(expected);
}

static void weights_that_are_not_finite_or_not_there_are_refused(void **state)
{
    (void)state;
    sc_network *network;
    float *theta, *bad;
    const sc_parameter *p;
    make_network(&network, &theta);
    int64_t n = sc_network_parameter_count(network);
    int count = sc_network_parameters(network, &p);
    assert_int_equal(SC_ALLOC(&bad, n, "theta"), SC_OK);
    memcpy(bad, theta, (size_t)n * sizeof *bad);
    bad[p[3].offset] = NAN;
    bad[p[3].offset + 1] = INFINITY;
    char expected[160];
    snprintf(expected, sizeof expected, "tensor %s: holds 2 values that are not finite", p[3].name);
    expect_bad_weights(network, theta, bad, NULL, 0, expected);
    expect_bad_weights(network, theta, NULL, NULL, 0, "--raw takes the weights that are not averaged");
    sc_parameter *last = (sc_parameter *)&p[count - 1]; /* a wrong name: missing, and left over */
    char name[sizeof last->name];
    memcpy(name, last->name, sizeof name);
    snprintf(last->name, sizeof last->name, "all_modules.99.weight");
    torch_file t = {0};
    torch_checkpoint(&t, network, theta, theta, "", NULL, 0);
    memcpy(last->name, name, sizeof name);
    write_bytes(torch_zip(&t, 0));
    torch_file_free(&t);
    snprintf(expected, sizeof expected, "tensor %s of the configured network is missing", name);
    expect_refused(expected);
    sc_free(bad);
    sc_free(theta);
    sc_network_free(network);
}

/* Another network's checkpoint: the first tensor that differs is named with both shapes. */
static void a_configuration_of_another_network_is_refused(void **state)
{
    (void)state;
    sc_network *network;
    float *theta;
    sc_score_sde_config config;
    assert_int_equal(sc_score_sde_config_read(&config, config_path), SC_OK);
    config.network.nf = 8;
    assert_int_equal(sc_network_create(&network, &config.network), SC_OK);
    assert_int_equal(SC_ALLOC(&theta, sc_network_parameter_count(network), "theta"), SC_OK);
    expect_bad_weights(network, theta, theta, NULL, 0,
                       "tensor all_modules.0.W: expected 4 by the configuration, found 8");
    sc_free(theta);
    sc_network_free(network);
    config.network.nf = 4;
    config.network.num_res_blocks = 2;
    assert_int_equal(sc_network_create(&network, &config.network), SC_OK);
    assert_int_equal(SC_ALLOC(&theta, sc_network_parameter_count(network), "theta"), SC_OK);
    expect_bad_weights(network, theta, theta, NULL, 0, "tensor all_modules.");
    sc_free(theta);
    sc_network_free(network);
}

/* The buffer tells that sigma_max is not that of the training, which no shape would. */
static void sigmas_of_another_training_are_refused(void **state)
{
    (void)state;
    static const double other[3] = {378, 1.9, .01};
    sc_network *network;
    float *theta;
    sc_weights weights;
    sc_import_options options = {.checkpoint = path, .config = config_path};
    make_network(&network, &theta);
    torch_file t = {0};
    torch_checkpoint(&t, network, theta, theta, "", other, 3);
    write_bytes(torch_zip(&t, 0));
    torch_file_free(&t);
    assert_int_equal(sc_import_read(&weights, &options), SC_ERR_FORMAT);
    assert_non_null(strstr(sc_message(), "config.json: model: sigma_max and sigma_min are 50 and "
                                         "0.01, but the checkpoint's sigmas go from 378 to 0.01"));
    sc_free(theta);
    sc_network_free(network);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_that_are_not_finite_or_not_there_are_refused),
        cmocka_unit_test(a_configuration_of_another_network_is_refused),
        cmocka_unit_test(sigmas_of_another_training_are_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
