/* Images of 1024 x 1024 through the product's path: a file, a score, any place in the image alike.
 *
 * The network sees no position: where two images are one shifted by whole blocks, and what differs
 * from the empty ground is far from the edges, so are their scores. An offset that does not fit its
 * integer, or a tile in the wrong place, shows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/memory.h"
#include "prior/score.h"
#include "prior/weights.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIZE = 1024, BLOB = 48, WINDOW = 96 /* radius that is compared */ };

static char path[64];

static int write_prior(void **state)
{
    (void)state;
    sc_network_config config = sc_network_config_default();
    sc_network *network;
    float *theta;
    config.nf = 8, config.levels = 3;
    for (int i = 0; i < 3; i++)
        config.ch_mult[i] = 1;
    strcpy(path, "test_network_large_XXXXXX");
    int descriptor = mkstemp(path);
    if (descriptor < 0 || close(descriptor) || sc_network_create(&network, &config) != SC_OK)
        return -1;
    int64_t count = sc_network_parameter_count(network);
    if (SC_ALLOC(&theta, count, "theta") != SC_OK)
        return -1;
    sc_network_initialise(network, theta, 1);
    for (int64_t i = 0; i < count; i++) /* layers that start at 0 shall speak */
        theta[i] += 0.05f * sinf((float)i);
    sc_weights_record record = {.sde = sc_sde_ve(0.002, 50)};
    sc_status status = sc_weights_write(path, network, theta, &record);
    sc_free(theta);
    sc_network_free(network);
    return status == SC_OK ? 0 : -1;
}

static int remove_prior(void **state)
{
    (void)state;
    return unlink(path);
}

/* Score of noise in a square about (row, column), nothing elsewhere. */
static void score_of_blob(float *s, const sc_score *score, int row, int column)
{
    float *x, line[4 * BLOB];
    const double sigma = 0.3;
    assert_int_equal(SC_ALLOC(&x, (size_t)SIZE * SIZE * 2, "image"), SC_OK);
    for (int i = 0; i < 2 * BLOB; i++) {
        sc_random_normal(line, 4 * BLOB, (sc_key){77, (uint32_t)i, 0}, SC_DRAW_TEST, 0);
        memcpy(x + 2 * ((size_t)(row - BLOB + i) * SIZE + (size_t)(column - BLOB)), line,
               sizeof line);
    }
    assert_int_equal(sc_score_evaluate(score, s, x, &sigma, 1, SIZE, SIZE), SC_OK);
    sc_free(x);
}

static void an_image_of_1024_is_the_same_prior_everywhere(void **state)
{
    (void)state;
    enum { ROW = 192, COLUMN = 208, DOWN = 640, RIGHT = 608 }; /* multiples of 16 */
    sc_score *score;
    float *s[2];
    double size = 0, worst = 0;
    assert_int_equal(sc_score_load(&score, path, 1), SC_OK);
    for (int k = 0; k < 2; k++) {
        assert_int_equal(SC_ALLOC(&s[k], (size_t)SIZE * SIZE * 2, "score"), SC_OK);
        score_of_blob(s[k], score, ROW + k * DOWN, COLUMN + k * RIGHT);
    }
    for (int i = -WINDOW; i < WINDOW; i++) {
        const float *a = s[0] + 2 * ((size_t)(ROW + i) * SIZE + (COLUMN - WINDOW));
        const float *b = s[1] + 2 * ((size_t)(ROW + DOWN + i) * SIZE + (COLUMN + RIGHT - WINDOW));
        for (int j = 0; j < 4 * WINDOW; j++) {
            size = fmax(size, fabs(a[j]));
            worst = fmax(worst, fabs(a[j] - b[j]));
        }
    }
    for (int k = 0; k < 2; k++) {
        for (size_t i = 0; i < (size_t)SIZE * SIZE * 2; i++)
            assert_true(isfinite(s[k][i]));
        sc_free(s[k]);
    }
    print_message("largest difference %.1e of %.2g\n", worst, size);
    assert_true(size > 1 && worst < 1e-4 * size);
    sc_score_free(score);
}

/* 16 times the pixels, 16 times the work, and no more than 16 times the memory. */
static void its_cost_is_that_of_its_pixels(void **state)
{
    (void)state;
    sc_score *score;
    size_t bytes, small_bytes;
    double flops, small_flops;
    assert_int_equal(sc_score_load(&score, path, 1), SC_OK);
    score->cost(score, &small_bytes, &small_flops, 1, SIZE / 4, SIZE / 4);
    score->cost(score, &bytes, &flops, 1, SIZE, SIZE);
    assert_true(fabs(flops / small_flops - 16) < 0.1);
    assert_true(bytes > 2 * (size_t)SIZE * SIZE * 2 * sizeof(float));
    assert_true(bytes < 17 * small_bytes);
    sc_score_free(score);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_image_of_1024_is_the_same_prior_everywhere),
        cmocka_unit_test(its_cost_is_that_of_its_pixels),
    };
    return cmocka_run_group_tests(tests, write_prior, remove_prior);
}
