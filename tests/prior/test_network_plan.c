/* Memory plan and configuration of the network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/memory.h"
#include "prior/network/network_internal.h"
#include <stdio.h>
#include <string.h>

#define GOOD(call) assert_int_equal((call), SC_OK)

static bool collide(const sc_buffer *a, const sc_buffer *b)
{
    bool together = a->first <= b->last && b->first <= a->last;
    return together && a->bytes && b->bytes && a->offset < b->offset + b->bytes &&
           b->offset < a->offset + a->bytes;
}

static void check_plan(const sc_buffer *buffer, int count, size_t arena)
{
    size_t end = 0;
    for (int i = 0; i < count; i++) {
        assert_int_equal(buffer[i].offset % 64, 0);
        end = buffer[i].offset + buffer[i].bytes > end ? buffer[i].offset + buffer[i].bytes : end;
        for (int j = 0; j < i; j++)
            if (collide(&buffer[i], &buffer[j]))
                fail_msg("buffers %d and %d overlap", i, j);
    }
    assert_int_equal(end, arena);
}

static void buffers_alive_together_never_overlap(void **state)
{
    (void)state;
    enum { COUNT = 60, STEPS = 40 };
    for (uint32_t trial = 0; trial < 50; trial++) {
        sc_buffer buffer[COUNT];
        size_t arena, alive[STEPS] = {0}, most = 0, sum = 0;
        for (int i = 0; i < COUNT; i++) {
            sc_key key = {.seed = trial};
            int first = (int)(STEPS * sc_random_uniform1(3 * i, key, SC_DRAW_TEST, 0));
            int length = (int)(8 * sc_random_uniform1(3 * i + 1, key, SC_DRAW_TEST, 0));
            size_t bytes = (size_t)(5000 * sc_random_uniform1(3 * i + 2, key, SC_DRAW_TEST, 0));
            int last = first + length < STEPS ? first + length : STEPS - 1;
            buffer[i] = (sc_buffer){.bytes = bytes, .first = first, .last = last};
        }
        GOOD(sc_plan_offsets(&arena, buffer, COUNT));
        check_plan(buffer, COUNT, arena);
        for (int i = 0; i < COUNT; i++) {
            sum += buffer[i].bytes;
            for (int t = buffer[i].first; t <= buffer[i].last; t++)
                most = (alive[t] += buffer[i].bytes) > most ? alive[t] : most;
        }
        assert_true(arena >= most && arena <= sum);
        if (arena > 3 * most / 2)
            fail_msg("trial %u: %zu bytes for %zu alive at once", trial, arena, most);
    }
}

static void a_run_takes_the_memory_it_planned(void **state)
{
    (void)state;
    sc_network_config config = sc_network_config_default();
    sc_network *network;
    sc_device *device;
    GOOD(sc_network_create(&network, &config));
    GOOD(sc_device_create_cpu(&device, 1));
    size_t bytes[2];
    for (int backward = 0; backward < 2; backward++) {
        sc_run *run;
        char *text;
        GOOD(sc_run_create(&run, network, device, 1, 64, 48, backward));
        check_plan(run->buffer, run->buffers, run->arena_bytes);
        bytes[backward] = sc_run_bytes(run);
        assert_true(bytes[backward] >= run->arena_bytes);
        assert_true(bytes[backward] < run->arena_bytes + 4 * (size_t)network->theta + 64);
        GOOD(sc_run_describe(run, &text));
        assert_non_null(strstr(text, "all_modules.4.Conv_0.weight"));
        assert_non_null(strstr(text, "GFLOP forward"));
        sc_free(text);
        sc_run_free(run);
    }
    assert_true(bytes[1] > bytes[0]);
    sc_device_free(device);
    sc_network_free(network);
}

static void default_network_costs_19_gflop_at_256(void **state)
{
    (void)state;
    sc_network_config config = sc_network_config_default();
    sc_network *network;
    sc_device *device;
    sc_run *run;
    GOOD(sc_network_create(&network, &config));
    GOOD(sc_device_create_cpu(&device, 1));
    GOOD(sc_run_create(&run, network, device, 1, 256, 256, 0));
    print_message("%.3f GFLOP, %lld parameters\n", sc_run_flops(run) * 1e-9,
                  (long long)sc_network_parameter_count(network));
    assert_true(sc_run_flops(run) > 19e9 && sc_run_flops(run) < 19.6e9);
    sc_run_free(run);
    sc_device_free(device);
    sc_network_free(network);
}

static void configuration_survives_a_round_trip(void **state)
{
    (void)state;
    sc_network_config config = sc_network_config_default(), back;
    config.attention[2] = config.resblock_biggan = config.fir = 1;
    config.fourier_scale = 0.1;
    config.levels = 3;
    config.ch_mult[3] = 0;
    char *text, *again;
    GOOD(sc_network_config_print(&text, &config));
    GOOD(sc_network_config_parse(&back, text));
    GOOD(sc_network_config_print(&again, &back));
    assert_string_equal(text, again);
    assert_true(back.fourier_scale == 0.1 && back.attention[2] == 1 && back.levels == 3);
    assert_memory_equal(back.ch_mult, config.ch_mult, sizeof config.ch_mult);
    sc_free(text);
    sc_free(again);
}

static void bad_configurations_are_refused_by_name(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"{\"nf\": 32", "line 1"},
        {"[1]", "expected a JSON object"},
        {"{\"nf\": 3}", "nf: 3 is not in 4..1024"},
        {"{\"nf\": \"32\"}", "nf: expected an integer"},
        {"{\"nf\": 3e9}", "nf: expected an integer"},
        {"{\"nf\": 9223372036854775807}", "nf"},
        {"{\"width\": 32}", "unknown key width"},
        {"{\"levels\": 9}", "levels: 9"},
        {"{\"levels\": 2}", ""},
        {"{\"ch_mult\": [1, 2]}", "ch_mult: 2 entries for 4 levels"},
        {"{\"ch_mult\": [1, 2, 0, 4]}", "ch_mult: 0"},
        {"{\"ch_mult\": 4}", "ch_mult: expected a list"},
        {"{\"sigma_data\": 0}", "sigma_data"},
        {"{\"sigma_data\": true}", "sigma_data: expected a number"},
        {"{\"nf\": 33}", "channels do not divide"},
        {"{\"nf\": 1024, \"ch_mult\": [1, 1, 64, 64]}", "at most 8192"},
        {"{\"norm_groups\": 24}", "32 channels do not divide into 24 groups"},
        {"{\"progressive\": \"input_skip\"}", "progressive: expected none"},
        {"{\"progressive\": 1}", "progressive: expected none"},
        {"{\"fir_kernel\": [1]}", "fir_kernel: 1 numbers"},
        {"{\"fir_kernel\": [1, -1]}", "must not vanish"},
        {"{\"fir_kernel\": [1, 2, 3, 4, 5, 6, 7, 8, 9]}", "fir_kernel: expected a list"},
        {"{\"dropout\": 1}", "dropout: 1 is not in 0..0.99"},
        {"{\"precondition_edm\": 0, \"continuous\": 0}", "continuous labels"},
        {"{\"precondition_edm\": 0, \"sigma_min\": 60}", "sigma_min"},
        {"{\"embedding_fourier\": 0, \"precondition_edm\": 0}", "discrete noise levels"},
        {"{\"embedding_fourier\": 0, \"precondition_edm\": 0, \"continuous\": 0, \"sde\": \"vp\", "
         "\"num_scales\": 20}", "above beta_max"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sc_network_config config = {.nf = -7};
        sc_status status = sc_network_config_parse(&config, bad[i][0]);
        if (!*bad[i][1]) {
            GOOD(status);
            continue;
        }
        assert_int_not_equal(status, SC_OK);
        assert_int_equal(config.nf, -7);
        if (!strstr(sc_message(), bad[i][1]))
            fail_msg("%s: %s", bad[i][0], sc_message());
    }
}

static void initial_values_are_the_published_ones(void **state)
{
    (void)state;
    sc_network_config config = sc_network_config_default();
    sc_network *network;
    GOOD(sc_network_create(&network, &config));
    float *theta;
    GOOD(SC_ALLOC(&theta, sc_network_parameter_count(network), "theta"));
    sc_network_initialise(network, theta, 5);
    const sc_parameter *p;
    int count = sc_network_parameters(network, &p);
    for (int i = 0; i < count; i++) {
        double most = 0, square = 0;
        for (int64_t j = 0; j < p[i].count; j++) {
            double v = theta[p[i].offset + j];
            most = v * v > most ? v * v : most;
            square += v * v / (double)p[i].count;
        }
        if (strcmp(p[i].name, "all_modules.4.Conv_0.weight") == 0) { /* 32 to 32: fan 288 */
            assert_true(most <= 3. / 288 && most > 2.9 / 288);
            assert_true(square > .95 / 288 && square < 1.05 / 288);
        } else if (strstr(p[i].name, "Conv_1.weight")) {
            assert_true(most < 1e-11 && most > 0);
        } else if (strstr(p[i].name, "bias") || strstr(p[i].name, ".b")) {
            assert_true(most == 0);
        } else if (strstr(p[i].name, "GroupNorm")) {
            assert_true(most == 1 && square > 1 - 1e-12);
        }
        assert_int_equal(p[i].frozen, strcmp(p[i].name, "all_modules.0.W") == 0);
    }
    sc_free(theta);
    sc_network_free(network);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffers_alive_together_never_overlap),
        cmocka_unit_test(a_run_takes_the_memory_it_planned),
        cmocka_unit_test(default_network_costs_19_gflop_at_256),
        cmocka_unit_test(configuration_survives_a_round_trip),
        cmocka_unit_test(bad_configurations_are_refused_by_name),
        cmocka_unit_test(initial_values_are_the_published_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
