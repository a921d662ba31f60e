/* A classifier is trained on two kinds of images that noise hides slowly: discs and stripes. */
#include "base/memory.h"
#include "prior/classifier.h"
#include "prior/classifier_train.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { SIDE = 16, COUNT = 8 };

static float pixels[COUNT][SIDE][SIDE];

static sc_status get(void *self, sc_array *image, int index)
{
    const int64_t dim[2] = {SIDE, SIDE};
    (void)self;
    *image = sc_array_view(SC_F32, 2, dim, pixels[index]);
    return SC_OK;
}

static const char *name(void *self, int index)
{
    static const char *const names[] = {"stripes/a:1", "disc/a:1", "stripes/b:1", "disc/b:1",
                                        "stripes/c:1", "disc/c:1", "stripes/d:1", "disc/d:1"};
    (void)self;
    return names[index];
}

static const char *one_class(void *self, int index)
{
    (void)self, (void)index;
    return "disc/a:1";
}

static sc_image_source images(void)
{
    for (int n = 0; n < COUNT; n++)
        for (int i = 0; i < SIDE; i++)
            for (int j = 0; j < SIDE; j++) {
                double disc = hypot(i - 7.5, j - 7.5) < 4 + n / 4.0,
                       stripes = (i + n) / 2 % 2;
                pixels[n][i][j] = (float)(n % 2 ? disc : stripes);
            }
    return (sc_image_source){.count = COUNT, .get = get, .name = name};
}

static sc_options options(const char *seen)
{
    static const char *const row[][2] = {{"crop", "16"},   {"batch", "8"}, {"warmup", "5"},
                                         {"lr", "0.004"},  {"ema", "0.9"}, {"phase", "no"},
                                         {"sigma-max", "2"}};
    sc_options o = sc_options_default(sc_training_options);
    for (size_t i = 0; i < sizeof row / sizeof *row; i++)
        assert_int_equal(sc_options_set(&o, row[i][0], row[i][1]), SC_OK);
    assert_int_equal(sc_options_set(&o, "images", seen), SC_OK);
    return o;
}

static sc_status train(sc_classifier_result *result, const char *path,
                       const sc_image_source *source, const sc_options *o)
{
    static const sc_training_about about = {"", "", "none", "drawn", NULL, NULL, "test"};
    sc_network_config config = sc_classifier_config_default();
    config.channels = 1;
    config.nf = 8;
    config.levels = 2;
    const sc_classifier_job job = {.train = source, .val = source, .config = &config,
                                   .options = o, .about = &about, .threads = 1};
    return sc_classifier_train(result, path, &job);
}

static const char *temporary(char *path, size_t size)
{
    snprintf(path, size, "test_classifier_train_%d.safetensors", (int)getpid());
    return path;
}

static void it_learns_what_noise_leaves(void **state)
{
    (void)state;
    char path[64];
    int c;
    sc_classifier_result r;
    sc_classifier *found;
    const sc_image_source source = images();
    const sc_options o = options("1200");
    double log_p[2], sigma = 0.05;
    if (train(&r, temporary(path, sizeof path), &source, &o) != SC_OK)
        fail_msg("%s", sc_message());
    for (int i = 0; i < SC_VALIDATION_LEVELS; i++)
        print_message("sigma %g: accuracy %.2f, log loss %.3f\n", sc_validation_sigma[i],
                      r.accuracy[i], r.log_loss[i]);
    assert_int_equal(r.classes, 2);
    assert_int_equal(r.seen, 1200);
    assert_true(r.accuracy[0] > 0.99 && r.log_loss[0] < 0.3);
    if (sc_classifier_load(&found, path, 1) != SC_OK)
        fail_msg("%s", sc_message());
    assert_string_equal(found->class_name[0], "disc");
    assert_int_equal(sc_classifier_find(&c, found, "stripes"), SC_OK);
    for (int n = 0; n < COUNT; n++) {
        assert_int_equal(
            found->evaluate(found, log_p, NULL, 0, pixels[n][0], &sigma, 1, SIDE, SIDE), SC_OK);
        assert_true((log_p[0] > log_p[1]) == (n % 2 == 1));
    }
    sc_classifier_free(found);
    unlink(path);
}

static void the_same_options_give_the_same_weights(void **state)
{
    (void)state;
    char path[64], hash[65];
    const sc_image_source source = images();
    const sc_options o = options("32");
    for (int i = 0; i < 2; i++) {
        sc_classifier_result r;
        sc_classifier *found;
        assert_int_equal(train(&r, temporary(path, sizeof path), &source, &o), SC_OK);
        assert_int_equal(sc_classifier_load(&found, path, 1), SC_OK);
        if (i)
            assert_string_equal(found->hash, hash);
        strcpy(hash, found->hash);
        sc_classifier_free(found);
        unlink(path);
    }
}

static void what_cannot_be_trained_is_refused(void **state)
{
    (void)state;
    sc_classifier_result r;
    sc_image_source source = images();
    sc_options o = options("32");
    source.name = one_class;
    assert_int_equal(train(&r, "never.safetensors", &source, &o), SC_ERR_INPUT);
    source = images();
    assert_int_equal(sc_options_set(&o, "crop", "18"), SC_OK);
    assert_int_equal(train(&r, "never.safetensors", &source, &o), SC_ERR_USAGE);
    assert_true(access("never.safetensors", F_OK) != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_learns_what_noise_leaves),
        cmocka_unit_test(the_same_options_give_the_same_weights),
        cmocka_unit_test(what_cannot_be_trained_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
