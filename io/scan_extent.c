/* The fully sampled centre of a scan. */
#include "io/scan_internal.h"
#include <string.h>

/* Are all cells of the box [low, high) measured? */
static bool full(const sc_scan *scan, const float *mask, const int64_t low[3],
                 const int64_t high[3])
{
    for (int64_t z = low[0]; z < high[0]; z++)
        for (int64_t y = low[1]; y < high[1]; y++)
            for (int64_t x = low[2]; x < high[2]; x++)
                if (mask[(z * scan->ny + y) * scan->nx + x] == 0)
                    return false;
    return true;
}

/* Grow the box by one layer on one side, if that layer is measured. */
static bool grow(const sc_scan *scan, const float *mask, int64_t low[3], int64_t high[3], int axis,
                 bool up, int64_t n)
{
    int64_t from[3], to[3];
    memcpy(from, low, sizeof from);
    memcpy(to, high, sizeof to);
    if (up ? high[axis] == n : low[axis] == 0)
        return false;
    from[axis] = up ? high[axis] : low[axis] - 1;
    to[axis] = from[axis] + 1;
    if (!full(scan, mask, from, to))
        return false;
    if (up)
        high[axis]++;
    else
        low[axis]--;
    return true;
}

void sc_scan_centre(int64_t low[3], int64_t high[3], const sc_scan *scan, const float *mask)
{
    const int64_t n[3] = {scan->nz, scan->ny, scan->nx};
    for (int a = 0; a < 3; a++) {
        low[a] = n[a] / 2;
        high[a] = n[a] / 2 + 1;
    }
    if (!full(scan, mask, low, high)) {
        memcpy(high, low, 3 * sizeof *high);
        return;
    }
    for (bool grown = true; grown;) {
        grown = false;
        for (int side = 0; side < 6; side++)
            grown |= grow(scan, mask, low, high, side / 2, side % 2, n[side / 2]);
    }
}
