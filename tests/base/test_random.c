/* Known answers of Philox4x32-10 (Random123's kat_vectors and the layout of random.h), of the
 * normals, and their statistics. The uniforms of Box-Muller have 32 bits here, not the 24 of the
 * published example for key (1, 0), so that example holds to 2^-24 / slope, not exactly. */
#include "base/memory.h"
#include "base/random.h"
#include "check.h"
#include <math.h>

static void philox_gives_the_published_answers(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
        {{0, 0, 0, 0}, {1, 0}, {0xe3e80670, 0xe50a0ebc, 0x95f222c0, 0xb615aa27}},
        {{1, 0, 0, 0}, {1, 0}, {0xac08141b, 0xdfc5ccbe, 0x79c07a47, 0xa7f66093}},
        {{0, 1, 0, 0}, {1, 0}, {0x833ff8dc, 0x225c963c, 0x232b88b3, 0x0b334b07}},
        {{12345, 7, 3, 2},
         {0xdeadbeef, 0x01234567},
         {0xb3a13dd4, 0x05ffd4e7, 0xed7d415a, 0x3e3385f1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint32_t out[4];
        sc_philox(out, known[i].counter, known[i].key);
        assert_memory_equal(out, known[i].out, sizeof out);
    }
}

static void normals_follow_from_the_bits(void **state)
{
    (void)state;
    static const double published[4] = {0.38040059, -0.29627795, -0.24923348, -1.00383721};
    float z[4];
    sc_random_normal(z, 4, (sc_key){.seed = 1}, 0, 0);
    for (int i = 0; i < 4; i++)
        assert_true(fabs(z[i] - published[i]) < 1e-6); /* 24-bit and 32-bit uniforms */
    const uint32_t x[4] = {0xe3e80670, 0xe50a0ebc, 0x95f222c0, 0xb615aa27};
    for (int pair = 0; pair < 2; pair++) {
        double r = sqrt(-2 * log((x[2 * pair] + 1.0) * 0x1p-32));
        double angle = 2 * M_PI * x[2 * pair + 1] * 0x1p-32;
        assert_true(z[2 * pair] == (float)(r * cos(angle)));
        assert_true(z[2 * pair + 1] == (float)(r * sin(angle)));
    }
}

static void any_part_can_be_drawn_again_alone(void **state)
{
    (void)state;
    float many[1003], few[5];
    sc_key key = {.seed = 0xfedcba9876543210u, .slice = 4, .sample = 9};
    sc_random_normal(many, 1003, key, SC_DRAW_CORRECTOR, 12);
    sc_random_normal(few, 5, key, SC_DRAW_CORRECTOR, 12);
    assert_memory_equal(many, few, sizeof few);
    sc_random_uniform(many, 1003, key, SC_DRAW_DATASET, 1);
    for (int64_t e = 0; e < 1003; e++) {
        double u = sc_random_uniform1(e, key, SC_DRAW_DATASET, 1);
        assert_true(u >= 0 && u < 1 && fabs(u - many[e]) < 0x1p-23);
    }
}

static void streams_differ_in_every_part_of_the_key(void **state)
{
    (void)state;
    const sc_key base = {.seed = 7, .slice = 1, .sample = 1};
    const sc_key keys[] = {{.seed = 7, .slice = 1, .sample = 1},
                           {.seed = 7 + (1ull << 32), .slice = 1, .sample = 1},
                           {.seed = 7, .slice = 2, .sample = 1},
                           {.seed = 7, .slice = 1, .sample = 2}};
    float first[64], other[64];
    sc_random_normal(first, 64, base, 1, 5);
    for (int i = 0; i < 6; i++) {
        sc_random_normal(other, 64, keys[i < 4 ? i : 0], i == 4 ? 2 : 1, i == 5 ? 6 : 5);
        double sum = 0;
        for (int j = 0; j < 64; j++)
            sum += (double)first[j] * other[j] / 64;
        assert_true(i == 0 ? memcmp(first, other, sizeof first) == 0 : fabs(sum) < 0.5);
    }
}

static void normals_have_the_moments_of_normals(void **state)
{
    (void)state; /* bounds of 4 standard errors */
    const int64_t n = 1000000;
    float *z;
    assert_int_equal(SC_ALLOC(&z, n, "test"), SC_OK);
    sc_random_normal(z, n, (sc_key){.seed = 2024}, 0, 0);
    double m[5] = {0}, lag = 0, root = sqrt((double)n);
    for (int64_t i = 0; i < n; i++) {
        double power = 1;
        for (int p = 1; p <= 4; p++)
            m[p] += (power *= z[i]) / (double)n;
        lag += i > 0 ? (double)z[i] * z[i - 1] / (double)n : 0;
    }
    assert_true(fabs(m[1]) < 4 / root);
    assert_true(fabs(m[2] - 1) < 4 * sqrt(2) / root);
    assert_true(fabs(m[3]) < 4 * sqrt(15) / root);
    assert_true(fabs(m[4] - 3) < 4 * sqrt(96) / root);
    assert_true(fabs(lag) < 4 / root);
    sc_free(z);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_published_answers),
        cmocka_unit_test(normals_follow_from_the_bits),
        cmocka_unit_test(any_part_can_be_drawn_again_alone),
        cmocka_unit_test(streams_differ_in_every_part_of_the_key),
        cmocka_unit_test(normals_have_the_moments_of_normals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
