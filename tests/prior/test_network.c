/* The network engine against a naive twin in double precision, forward and backward, and what it
 * promises about threads, batches and repetition. The options: test_network_options.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "network_fixture.h"

/* The options, each once in a small network. */
static sc_network_config variant(int i)
{
    sc_network_config c = tiny();
    switch (i) {
    case 0: break;
    case 1: c.attention[1] = c.attention_middle = 1; break;
    case 2: c.resblock_biggan = 1; c.attention_middle = 1; break;
    case 3: c.resblock_biggan = c.fir = 1; c.precondition_edm = 0; c.channels = 1; break;
    case 4: c.precondition_edm = 0; c.skip_rescale = 0; c.centred = 0; break;
    case 5: c.precondition_edm = c.scale_by_sigma = c.embedding_fourier = 0;
            c.sde.kind = SC_SDE_VP; c.resamp_with_conv = 1; break;
    case 6: c.levels = 3; c.ch_mult[2] = 3; c.num_res_blocks = 2; break;
    default: c.fir = 1; c.embedding_fourier = 0; c.attention[0] = 1; break;
    }
    return c;
}
#define VARIANTS 8

static void forward_agrees_with_the_naive_twin(void **state)
{
    (void)state;
    for (int i = 0; i < VARIANTS; i++) {
        print_message("variant %d\n", i);
        sc_network_config c = variant(i);
        check_forward(&c, 3, 8, 12);
    }
}

static void forward_agrees_when_images_are_larger_than_a_unit_of_work(void **state)
{
    (void)state;
    sc_network_config c = tiny();
    c.attention_middle = 1;
    check_forward(&c, 1, 48, 40);
}

static void backward_agrees_with_finite_differences_of_the_twin(void **state)
{
    (void)state;
    for (int i = 0; i < VARIANTS; i++) {
        print_message("variant %d\n", i);
        sc_network_config c = variant(i);
        check_backward(&c, 2, 4, i == 6 ? 4 : 2);
    }
}

static void forward_is_the_same_bytes_for_one_and_two_threads(void **state)
{
    (void)state;
    sc_network_config c = sc_network_config_default();
    c.attention_middle = 1;
    for (int images = 1; images <= 3; images += 2) {
        fixture one = set_up(&c, images, 232, 184, 0, 1), two = set_up(&c, images, 232, 184, 0, 2);
        assert_memory_equal(one.d, two.d, sizeof(float) * (size_t)images * one.size);
        tear_down(&one);
        tear_down(&two);
    }
}

static void an_image_does_not_depend_on_its_batch(void **state)
{
    (void)state;
    sc_network_config c = tiny();
    fixture alone = set_up(&c, 1, 40, 48, 0, 2), batch = set_up(&c, 3, 40, 48, 0, 2);
    for (size_t i = 0; i < alone.size; i++)
        assert_float_equal(alone.d[i], batch.d[i], 1e-5);
    tear_down(&alone);
    tear_down(&batch);
}

static void training_steps_repeat_to_the_byte(void **state)
{
    (void)state;
    sc_network_config c = tiny();
    fixture f = set_up(&c, 4, 16, 16, 1, 2);
    float *g[2];
    for (int i = 0; i < 2; i++) {
        g[i] = calloc((size_t)f.parameters, sizeof(float));
        GOOD(sc_run_denoise(f.run, f.d, f.x, f.sigma));
        GOOD(sc_run_backward(f.run, g[i], NULL, f.x));
    }
    assert_memory_equal(g[0], g[1], sizeof(float) * (size_t)f.parameters);
    free(g[0]);
    free(g[1]);
    tear_down(&f);
}

static void bad_sizes_and_noise_levels_are_refused(void **state)
{
    (void)state;
    sc_network_config c = tiny();
    fixture f = set_up(&c, 1, 8, 8, 0, 1);
    sc_run *run;
    assert_int_equal(sc_run_create(&run, f.network, f.device, 1, 8, 9, 0), SC_ERR_USAGE);
    assert_null(run);
    assert_int_equal(sc_run_create(&run, f.network, f.device, 1 << 20, 1 << 20, 1 << 20, 0),
                     SC_ERR_MEMORY);
    double sigma = 0;
    assert_int_equal(sc_run_denoise(f.run, f.d, f.x, &sigma), SC_ERR_INPUT);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_agrees_with_the_naive_twin),
        cmocka_unit_test(forward_agrees_when_images_are_larger_than_a_unit_of_work),
        cmocka_unit_test(backward_agrees_with_finite_differences_of_the_twin),
        cmocka_unit_test(forward_is_the_same_bytes_for_one_and_two_threads),
        cmocka_unit_test(an_image_does_not_depend_on_its_batch),
        cmocka_unit_test(training_steps_repeat_to_the_byte),
        cmocka_unit_test(bad_sizes_and_noise_levels_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
