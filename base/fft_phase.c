#include "base/fft_phase_internal.h"
#include "base/memory.h"

/* exp(2 pi i c m / n); the exponent is reduced as an integer, quarter turns are exact. */
static sc_pair turn(int64_t c, int64_t m, int64_t n)
{
    int64_t r = c % n * (m % n) % n;
    if (r < 0)
        r += n;
    if (4 * r % n == 0) {
        static const sc_pair quarter[4] = {{1, 0}, {0, 1}, {-1, 0}, {0, -1}};
        return quarter[4 * r / n];
    }
    double angle = 2 * M_PI * (double)r / (double)n;
    return (sc_pair){(float)cos(angle), (float)sin(angle)};
}

sc_status sc_fft_phases(float **phases, int64_t *count, sc_dims dims)
{
    int64_t n = dims.dim[0] + dims.dim[1] + dims.dim[2], at = 0;
    *count = n;
    sc_status status = SC_ALLOC(phases, 4 * n, "phases of a Fourier transform");
    if (status != SC_OK)
        return status;
    for (int a = 0; a < 3; a++) {
        int64_t length = dims.dim[a], c = length / 2;
        for (int64_t i = 0; i < length; i++, at++) {
            sc_store(*phases, at, turn(c, i, length));
            sc_store(*phases, n + at, turn(c, i - c, length));
        }
    }
    return SC_OK;
}
