#include "base/random.h"
#include <math.h>

#define M0 0xD2511F53u
#define M1 0xCD9E8D57u
#define W0 0x9E3779B9u
#define W1 0xBB67AE85u

void sc_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)M0 * c0, p1 = (uint64_t)M1 * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += W0;
        k1 += W1;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

static void block(uint32_t out[4], int64_t index, sc_key key, uint32_t draw, uint32_t step)
{
    const uint32_t counter[4] = {(uint32_t)index, draw << 20 | step, key.slice, key.sample};
    const uint32_t seed[2] = {(uint32_t)key.seed, (uint32_t)(key.seed >> 32)};
    sc_philox(out, counter, seed);
}

/* Box-Muller in double with 32-bit uniforms, so that libm's last bit does not reach the float. */
static void normal_pair(double z[2], uint32_t a, uint32_t b)
{
    double radius = sqrt(-2 * log((a + 1.0) * 0x1p-32)), angle = 2 * M_PI * (b * 0x1p-32);
    z[0] = radius * cos(angle);
    z[1] = radius * sin(angle);
}

void sc_random_normal(float *z, int64_t n, sc_key key, uint32_t draw, uint32_t step)
{
#pragma omp parallel for if (n > 4096)
    for (int64_t i = 0; i < (n + 3) / 4; i++) {
        uint32_t bits[4];
        double value[4];
        block(bits, i, key, draw, step);
        normal_pair(value, bits[0], bits[1]);
        normal_pair(value + 2, bits[2], bits[3]);
        for (int64_t j = 0; j < 4 && 4 * i + j < n; j++)
            z[4 * i + j] = (float)value[j];
    }
}

void sc_random_uniform(float *u, int64_t n, sc_key key, uint32_t draw, uint32_t step)
{
    for (int64_t i = 0; i < (n + 3) / 4; i++) {
        uint32_t bits[4];
        block(bits, i, key, draw, step);
        for (int64_t j = 0; j < 4 && 4 * i + j < n; j++)
            u[4 * i + j] = (float)(bits[j] >> 8) * 0x1p-24f;
    }
}

double sc_random_uniform1(int64_t e, sc_key key, uint32_t draw, uint32_t step)
{
    uint32_t bits[4];
    block(bits, e / 4, key, draw, step);
    return bits[e % 4] * 0x1p-32;
}
