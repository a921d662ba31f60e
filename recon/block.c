/* Growing of the calibration block (see block.h). */
#include "recon/block.h"
#include "base/memory.h"

static bool sampled(const float *weight, int64_t nx, sc_block b)
{
    for (int64_t y = b.y0; y < b.y0 + b.ny; y++)
        for (int64_t x = b.x0; x < b.x0 + b.nx; x++)
            if (!(weight[y * nx + x] > 0))
                return false;
    return true;
}

sc_block sc_block_grow(const float *weight, int64_t ny, int64_t nx, int64_t limit)
{
    sc_block b = {ny / 2, nx / 2, 1, 1};
    if (!sampled(weight, nx, b))
        return (sc_block){0};
    /* up, left, down, right in turn, so that n/2 stays the centre and an elliptical region gives
     * its inscribed square; a side that cannot grow is tried again when others have stopped */
    for (bool grew = true; grew;) {
        grew = false;
        const sc_block side[4] = {{-1, 0, 1, 0}, {0, -1, 0, 1}, {0, 0, 1, 0}, {0, 0, 0, 1}};
        for (int s = 0; s < 4; s++) {
            sc_block t = {b.y0 + side[s].y0, b.x0 + side[s].x0, b.ny + side[s].ny,
                          b.nx + side[s].nx};
            if (t.y0 < 0 || t.x0 < 0 || t.y0 + t.ny > ny || t.x0 + t.nx > nx || t.ny > limit ||
                t.nx > limit)
                continue;
            if (sampled(weight, nx, t)) {
                b = t;
                grew = true;
            }
        }
    }
    return b;
}

static int64_t area(sc_block b) { return b.ny * b.nx; }

sc_status sc_block_read(sc_c32 **data, sc_block *block, const sc_plane *plane, int64_t limit)
{
    *data = NULL;
    *block = (sc_block){0};
    sc_status status = SC_OK;
    int64_t points = plane->ny * plane->nx;
    const float *first = plane->weight, *second = NULL; /* in order of preference at a point */
    float *both = NULL;
    sc_block own = sc_block_grow(plane->weight, plane->ny, plane->nx, limit);
    sc_block best = own;
    if (plane->calibration) {
        SC_TRY(SC_ALLOC(&both, points, "calibration mask"));
        for (int64_t i = 0; i < points; i++)
            both[i] = plane->weight[i] > 0 || plane->calibration_weight[i] > 0;
        sc_block apart = sc_block_grow(plane->calibration_weight, plane->ny, plane->nx, limit);
        sc_block together = sc_block_grow(both, plane->ny, plane->nx, limit);
        if (area(apart) > area(own)) {
            best = apart;
            first = plane->calibration_weight;
        }
        if (4 * area(together) > 5 * area(best)) {
            best = together;
            first = plane->weight;
            second = plane->calibration_weight;
        }
    }
    if (area(best) == 0)
        goto cleanup;
    SC_TRY(SC_ALLOC(data, plane->coils * area(best), "calibration block"));
    for (int64_t c = 0, to = 0; c < plane->coils; c++)
        for (int64_t y = best.y0; y < best.y0 + best.ny; y++)
            for (int64_t x = best.x0; x < best.x0 + best.nx; x++, to++) {
                int64_t i = y * plane->nx + x;
                bool measured = first == plane->weight && (plane->weight[i] > 0 || !second);
                (*data)[to] = measured ? plane->y[c * points + i] / plane->weight[i]
                                       : plane->calibration[c * points + i];
            }
    *block = best;
cleanup:
    sc_free(both);
    return status;
}
