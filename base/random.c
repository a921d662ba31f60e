#include "base/random.h"
#include "base/kernel_bodies.h"

void sc_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2])
{
    for (int i = 0; i < 4; i++)
        out[i] = counter[i];
    sc_body_philox(out, key[0], key[1]);
}

static void block(uint32_t out[4], int64_t index, sc_key key, uint32_t draw, uint32_t step)
{
    const uint32_t counter[4] = {(uint32_t)index, draw << 20 | step, key.slice, key.sample};
    const uint32_t seed[2] = {(uint32_t)key.seed, (uint32_t)(key.seed >> 32)};
    sc_philox(out, counter, seed);
}

void sc_random_normal(float *z, int64_t n, sc_key key, uint32_t draw, uint32_t step)
{
    const sc_stream stream = {(uint32_t)key.seed, (uint32_t)(key.seed >> 32), draw << 20 | step,
                              key.slice, key.sample};
    for (int64_t i = 0; i < (n + 3) / 4; i++)
        sc_body_normal(i, z, n, stream);
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
