/* Training examples: what a crop may change and what it must not. */
#include "base/memory.h"
#include "prior/augment.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

enum { H = 40, W = 30, CROP = 24 };

static float pixels[H * W];

static sc_array image(void)
{
    for (int i = 0; i < H; i++)
        for (int j = 0; j < W; j++)
            pixels[i * W + j] = 100 + 40 * sinf((float)i / 5) * cosf((float)j / 4);
    return sc_array_view(SC_F32, 2, (int64_t[]){H, W}, pixels);
}

static double magnitude(const float *x, int i) { return hypot(x[2 * i], x[2 * i + 1]); }

static void scale_is_the_percentile_of_the_magnitude(void **state)
{
    (void)state;
    sc_c32 values[2000];
    for (int i = 0; i < 2000; i++) /* 0 .. 1999 in scrambled order, with phases */
        values[i] = (float)(i * 7 % 2000) * (0.6f + 0.8f * I);
    sc_array a = sc_array_view(SC_C32, 2, (int64_t[]){40, 50}, values);
    double scale;
    assert_int_equal(sc_image_scale(&scale, &a), SC_OK);
    assert_float_equal(scale, 1997, 1e-3);
    values[5] = NAN;
    assert_int_equal(sc_image_scale(&scale, &a), SC_ERR_INPUT);
    memset(values, 0, sizeof values);
    assert_int_equal(sc_image_scale(&scale, &a), SC_ERR_INPUT);
}

static void validation_crop_keeps_magnitudes(void **state)
{
    (void)state;
    sc_array a = image();
    float x[CROP * CROP * 2];
    sc_augmentation how = {.crop = CROP, .channels = 2, .fixed = true};
    sc_augment(x, &a, 50, &how, (sc_key){1, 2, 3});
    for (int i = 0; i < CROP; i++)
        for (int j = 0; j < CROP; j++) {
            int at = (i + (H - CROP) / 2) * W + j + (W - CROP) / 2;
            assert_float_equal(magnitude(x, i * CROP + j), pixels[at] / 50, 1e-5);
        }
}

/* Magnitudes stay within brightness times the image's range (plus the overshoot of cubic
 * interpolation), phase is smooth but near the middle of a narrow local field, and about half the
 * examples hold unchanged pixels only. */
static void random_examples_are_plausible(void **state)
{
    (void)state;
    sc_array a = image();
    static float x[CROP * CROP * 2], y[CROP * CROP * 2];
    sc_augmentation how = {.crop = CROP, .channels = 2};
    int differ = 0, steps = 0, steep = 0;
    for (uint32_t item = 0; item < 50; item++) {
        sc_augment(x, &a, 100, &how, (sc_key){7, 1, item});
        sc_augment(y, &a, 100, &how, (sc_key){7, 1, item});
        assert_memory_equal(x, y, sizeof x);
        sc_augment(y, &a, 100, &how, (sc_key){7, 2, item});
        differ += memcmp(x, y, sizeof x) != 0;
        for (int i = 0; i < CROP * CROP; i++) {
            double m = magnitude(x, i);
            assert_true(m <= 1.2 * 1.45);
            if (i % CROP && m > 0.2 && magnitude(x, i - 1) > 0.2) {
                double cross = x[2 * i + 1] * x[2 * i - 2] - x[2 * i] * x[2 * i - 1];
                steps++;
                steep += fabs(cross) / (m * magnitude(x, i - 1)) > 0.9;
            }
        }
    }
    assert_int_equal(differ, 50);
    assert_true(steep < steps / 100);
}

/* Angle by which pixel i leads pixel j. */
static double lead(const float *x, int i, int j)
{
    return atan2(x[2 * i + 1] * x[2 * j] - x[2 * i] * x[2 * j + 1],
                 x[2 * i] * x[2 * j] + x[2 * i + 1] * x[2 * j + 1]);
}

/* Two tissues in stripes: in most examples, not in all, the second has a phase of its own, the same
 * on both sides. What is smooth cancels in 2 b - a - c, a and c being of one tissue. */
static void tissues_have_phases_of_their_own(void **state)
{
    (void)state;
    static float stripes[200 * 200], x[64 * 64 * 2];
    for (int i = 0; i < 200 * 200; i++)
        stripes[i] = i % 2 ? 100 : 50;
    sc_array a = sc_array_view(SC_F32, 2, (int64_t[]){200, 200}, stripes);
    sc_augmentation how = {.crop = 64, .channels = 2, .fixed = true};
    int own = 0;
    for (uint32_t item = 0; item < 200; item++) {
        sc_augment(x, &a, 100, &how, (sc_key){3, 1, item});
        double across = 0, within = 0;
        for (int i = 0; i < 64; i++) {
            int b = i * 64 + 31;
            across += (lead(x, b, b - 1) - lead(x, b + 1, b)) / 128;
            within += (lead(x, b, b - 2) - lead(x, b + 2, b)) / 128;
        }
        own += fabs(across) > 0.02;
        assert_true(fabs(within) < 0.15);
    }
    assert_in_range(own, 70, 150);
}

static void small_images_are_padded_with_zeros(void **state)
{
    (void)state;
    float small[4 * 4], x[16 * 16];
    for (int i = 0; i < 16; i++)
        small[i] = 1;
    sc_array a = sc_array_view(SC_F32, 2, (int64_t[]){4, 4}, small);
    sc_augmentation how = {.crop = 16, .channels = 1, .fixed = true};
    sc_augment(x, &a, 1, &how, (sc_key){0});
    double sum = 0;
    for (int i = 0; i < 256; i++)
        sum += x[i];
    assert_float_equal(sum, 16, 1e-5);
    how.fixed = false;
    for (uint32_t item = 0; item < 20; item++) /* an untouched copy lies wholly in the window */
        sc_augment(x, &a, 1, &how, (sc_key){1, 0, item});
}

/* Does some window of the image, untouched, make x? */
static bool is_a_window(const float *x, const sc_array *a, float scale)
{
    for (int top = 0; top <= H - CROP; top++)
        for (int left = 0; left <= W - CROP; left++) {
            bool same = true;
            for (int i = 0; same && i < CROP * CROP; i++) {
                float expected =
                    ((const float *)a->data)[(top + i / CROP) * W + left + i % CROP] / scale;
                same = fabsf(x[2 * i] - expected) < 1e-6f && x[2 * i + 1] == 0;
            }
            if (same)
                return true;
        }
    return false;
}

static void each_part_can_be_left_out(void **state)
{
    (void)state;
    enum { ALL = 31 };
    sc_array a = image();
    static float x[CROP * CROP * 2];
    sc_augmentation how = {.crop = CROP, .channels = 2, .without = ALL};
    for (uint32_t item = 0; item < 20; item++) {
        sc_augment(x, &a, 100, &how, (sc_key){9, 1, item});
        assert_true(is_a_window(x, &a, 100));
    }
    for (unsigned part = 1; part < ALL; part *= 2) { /* with this part alone something changes */
        int changed = 0;
        how.without = ALL & ~part;
        for (uint32_t item = 0; item < 20; item++) {
            sc_augment(x, &a, 100, &how, (sc_key){9, 1, item});
            changed += !is_a_window(x, &a, 100);
        }
        assert_true(changed >= 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scale_is_the_percentile_of_the_magnitude),
        cmocka_unit_test(validation_crop_keeps_magnitudes),
        cmocka_unit_test(random_examples_are_plausible),
        cmocka_unit_test(tissues_have_phases_of_their_own),
        cmocka_unit_test(each_part_can_be_left_out),
        cmocka_unit_test(small_images_are_padded_with_zeros),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
