#include "recon/window.h"
#include "base/memory.h"
#include <math.h>

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static double ratio_at(const double *numerator, const double *denominator, const float *support,
                       int64_t ny, int64_t nx, int64_t y, int64_t x)
{
    double above = 0, below = 0;
    int64_t first = x > SC_WINDOW_RADIUS ? x - SC_WINDOW_RADIUS : 0;
    int64_t last = least(x + SC_WINDOW_RADIUS, nx - 1);
    for (int64_t j = y > SC_WINDOW_RADIUS ? y - SC_WINDOW_RADIUS : 0;
         j <= least(y + SC_WINDOW_RADIUS, ny - 1); j++)
        for (int64_t p = j * nx + first; p <= j * nx + last; p++)
            if (!support || support[p] > 0) {
                above += numerator[p];
                below += denominator[p];
            }
    return below > 0 ? above / below : NAN;
}

sc_status sc_window_ratio(sc_array *ratio, const double *numerator, const double *denominator,
                          const float *support, int64_t ny, int64_t nx)
{
    sc_status status = sc_array_create(ratio, SC_F32, 2, (int64_t[]){ny, nx});
    if (status != SC_OK)
        return status;
    for (int64_t p = 0; p < ny * nx; p++)
        ((float *)ratio->data)[p] =
            !support || support[p] > 0
                ? (float)ratio_at(numerator, denominator, support, ny, nx, p / nx, p % nx)
                : NAN;
    return SC_OK;
}
