/* Is this a Cartesian scan? Images are smooth on the whole, so k-space holds most of its energy
 * around its centre, along every axis: the mean energy of the samples in the central eighth is 200
 * to 1400 times that of the outer half in scans of heads. Arrays do not say on which grid they
 * were measured; along the spokes of a radial scan the ratio is 1, and where the centre of k-space
 * is not at n/2 it is far below. And is a noise that was given that of this scan?
 */
#include "base/memory.h"
#include "protocols/job_internal.h"
#include <complex.h>
#include <stdio.h>

#define SHORTEST 16    /* of an axis that is looked at */
#define LEAST_RATIO 2  /* far from 1 and from 200 */
#define NOISE_FACTOR 5 /* beyond what measuring it from few samples can be off */

/* Energy of the measured samples of frame 0, summed over slices, coils and the other two axes, and
 * their number, at each place of an axis. */
typedef struct {
    int64_t n;
    double *energy, *count; /* (n) */
} profile;

static sc_status make_profiles(profile axis[3], const sc_scan *scan)
{
    sc_status status = SC_OK;
    const int64_t n[3] = {scan->nz, scan->ny, scan->nx};
    for (int a = 0; a < 3; a++) {
        axis[a].n = n[a];
        SC_TRY(SC_ALLOC(&axis[a].energy, n[a], "energy of k-space"));
        SC_TRY(SC_ALLOC(&axis[a].count, n[a], "energy of k-space"));
    }
cleanup:
    return status;
}

static void add_row(profile axis[3], const sc_c32 *row, const float *mask, int64_t z, int64_t y)
{
    for (int64_t x = 0; x < axis[2].n; x++) {
        if (!(mask[x] > 0))
            continue;
        const double e =
            (double)crealf(row[x]) * crealf(row[x]) + (double)cimagf(row[x]) * cimagf(row[x]);
        const int64_t at[3] = {z, y, x};
        for (int a = 0; a < 3; a++) {
            axis[a].energy[at[a]] += e;
            axis[a].count[at[a]]++;
        }
    }
}

static void add_scan(profile axis[3], const sc_scan *scan)
{
    const int64_t ny = scan->ny, nx = scan->nx, plane = scan->nz * ny;
    for (int64_t image = 0; image < scan->slices * scan->coils; image++)
        for (int64_t row = 0; row < plane; row++)
            add_row(axis, (const sc_c32 *)scan->kspace.data + (image * plane + row) * nx,
                    (const float *)scan->mask.data + (image / scan->coils * plane + row) * nx,
                    row / ny, row % ny);
}

/* Mean energy of a sample in the central eighth over that in the outer half; negative if one of
 * them was not measured. */
static double centre_ratio(const profile *p)
{
    double energy[2] = {0}, count[2] = {0};
    for (int64_t i = 0; i < p->n; i++) {
        int64_t distance = 16 * (i < p->n / 2 ? p->n / 2 - i : i - p->n / 2);
        if (distance > p->n && distance < 4 * p->n)
            continue;
        int outer = distance >= 4 * p->n;
        energy[outer] += p->energy[i];
        count[outer] += p->count[i];
    }
    if (count[0] == 0 || count[1] == 0 || energy[1] <= 0)
        return -1;
    return energy[0] / count[0] / (energy[1] / count[1]);
}

sc_status sc_job_doubt(char *text, size_t size, const sc_scan *scan)
{
    static const char *const names[3] = {"slices", "rows", "columns"};
    sc_status status = SC_OK;
    profile axis[3] = {{0}};
    text[0] = 0;
    SC_TRY(make_profiles(axis, scan));
    add_scan(axis, scan);
    for (int a = 0; a < 3 && !text[0]; a++) {
        double ratio = axis[a].n < SHORTEST ? -1 : centre_ratio(&axis[a]);
        if (ratio >= 0 && ratio < LEAST_RATIO)
            snprintf(
                text, size,
                "k-space may be radial or otherwise not Cartesian, or off centre: across its "
                "%lld %s the centre has %.2g times the energy of the edge; most Cartesian scans "
                "have 100 times and more",
                (long long)axis[a].n, names[a], ratio);
    }
cleanup:
    for (int a = 0; a < 3; a++) {
        sc_free(axis[a].energy);
        sc_free(axis[a].count);
    }
    return status;
}

void sc_job_doubt_noise(char *text, size_t size, const sc_scan *scan, double given)
{
    sc_noise noise;
    text[0] = 0;
    if (sc_noise_estimate(&noise, scan) != SC_OK) /* then what was given is all there is */
        return;
    double found = sc_noise_sigma(&noise);
    if (given > NOISE_FACTOR * found || given * NOISE_FACTOR < found) {
        char how[160];
        sc_noise_describe(&noise, how, sizeof how);
        snprintf(text, size, "the noise given is %.3g, %.2g times that measured: %s", given,
                 given / found, how);
    }
    sc_noise_free(&noise);
}
