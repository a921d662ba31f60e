/* Where the image lies, from the readouts: position is the point of the FFT centre, in LPS mm,
 * directions are unit vectors. Directions that are zero mean that the scan does not say; facts
 * that contradict each other are not averaged into a third one. Either way the geometry is
 * unknown.
 */
#include "base/memory.h"
#include "io/ismrmrd_internal.h"
#include <math.h>
#include <string.h>

static double dot(const float *a, const double *b)
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static bool close_to(const float *a, const float *b, double tolerance)
{
    for (int i = 0; i < 3; i++)
        if (!(fabs((double)a[i] - (double)b[i]) <= tolerance))
            return false;
    return true;
}

static bool is_zero(const float *a) { return a[0] == 0 && a[1] == 0 && a[2] == 0; }

/* Readouts of a slice share its position, and all share the directions. */
static bool readouts_agree(const sc_ismrmrd_plan *plan)
{
    const sc_readout *all = plan->raw->readout, *one = &all[plan->slice_first[0]];
    for (int64_t r = 0; r < plan->raw->readouts; r++) {
        if (!(plan->use[r] & SC_USE_IMAGE))
            continue;
        const sc_readout *own = &all[plan->slice_first[plan->place[r].slice]];
        if (!close_to(all[r].position, own->position, 1e-2) ||
            !close_to(all[r].read_dir, one->read_dir, 1e-4) ||
            !close_to(all[r].phase_dir, one->phase_dir, 1e-4))
            return false;
    }
    return true;
}

static void normal_of(double n[3], const sc_readout *head)
{
    const float *r = head->read_dir, *p = head->phase_dir;
    for (int a = 0; a < 3; a++) {
        int b = (a + 1) % 3, c = (a + 2) % 3;
        n[a] = (double)r[b] * p[c] - (double)r[c] * p[b];
    }
}

/* Slice counters are acquisition order; the stack is ordered along the normal. Insertion sort:
 * few slices, and counters are mostly in order. */
static sc_status order_slices(sc_ismrmrd_plan *plan, const double normal[3])
{
    const sc_readout *all = plan->raw->readout;
    int32_t *place_of = NULL;
    int64_t *first = plan->slice_first;
    sc_status status = SC_OK;
    SC_TRY(SC_ALLOC(&place_of, 2 * plan->slices, "slice order"));
    int32_t *order = place_of + plan->slices;
    for (int32_t s = 0; s < plan->slices; s++) {
        int32_t at = s;
        double height = dot(all[first[s]].position, normal);
        for (; at > 0 && dot(all[first[order[at - 1]]].position, normal) > height; at--)
            order[at] = order[at - 1];
        order[at] = s;
    }
    for (int32_t s = 0; s < plan->slices; s++)
        place_of[order[s]] = s;
    for (int64_t r = 0; r < plan->raw->readouts; r++)
        if (plan->use[r] && plan->use[r] != SC_USE_NOISE)
            plan->place[r].slice = place_of[plan->place[r].slice];
    for (int64_t r = plan->raw->readouts - 1; r >= 0; r--)
        if (plan->use[r] & SC_USE_IMAGE)
            first[plan->place[r].slice] = r;
cleanup:
    sc_free(place_of);
    return status;
}

/* Centres of the images: a position each, or the partitions of a slab around its position. */
static int64_t fill_centres(double *centre, const sc_ismrmrd_plan *plan, double step_mm,
                            const double normal[3])
{
    const sc_readout *all = plan->raw->readout;
    bool slab = plan->nz > 1;
    int64_t images = slab ? plan->image[2] : plan->slices;
    for (int64_t i = 0; i < images; i++) {
        const sc_readout *head = &all[plan->slice_first[slab ? 0 : i]];
        double along = slab ? (double)(i - images / 2) * step_mm : 0;
        const bool given = !is_zero(head->slice_dir);
        for (int a = 0; a < 3; a++)
            centre[3 * i + a] = (double)head->position[a] +
                                along * (given ? (double)head->slice_dir[a] : normal[a]);
    }
    return images;
}

/* The header's field of view is that of its own matrix, also where samples have lost theirs. */
static double wanted_fov(const sc_ismrmrd_plan *plan, int axis)
{
    const sc_ismrmrd_space *encoded = &plan->encoding->encoded;
    return encoded->fov_mm[axis] * (double)plan->image[axis] / (double)encoded->matrix[axis];
}

sc_status sc_ismrmrd_geometry(sc_geometry *geometry, sc_ismrmrd_plan *plan)
{
    const sc_readout *head = &plan->raw->readout[plan->slice_first[0]];
    double normal[3], *centre = NULL;
    sc_status status = SC_OK;
    *geometry = (sc_geometry){0};
    if (is_zero(head->read_dir) && is_zero(head->phase_dir))
        return SC_OK;
    if (!readouts_agree(plan)) {
        sc_log(SC_LOG_WARN, "readouts of one slice disagree about its position: geometry unknown");
        return SC_OK;
    }
    normal_of(normal, head);
    SC_TRY(order_slices(plan, normal));
    SC_TRY(SC_ALLOC(&centre, 3 * (plan->nz > 1 ? plan->image[2] : plan->slices), "positions"));
    double z_mm = plan->nz > 1 ? wanted_fov(plan, 2) / (double)plan->image[2]
                               : plan->encoding->recon.fov_mm[2];
    int64_t images = fill_centres(centre, plan, z_mm, normal);
    for (int64_t i = 1; i < images; i++)
        if (!memcmp(&centre[3 * i], &centre[3 * i - 3], 3 * sizeof *centre)) {
            sc_log(SC_LOG_WARN, "two slices have one position: geometry unknown");
            goto cleanup;
        }
    const double read[3] = {head->read_dir[0], head->read_dir[1], head->read_dir[2]};
    const double phase[3] = {head->phase_dir[0], head->phase_dir[1], head->phase_dir[2]};
    if (sc_geometry_from_centre(geometry, centre, images, read, phase, wanted_fov(plan, 0),
                                wanted_fov(plan, 1), z_mm, plan->image[0], plan->image[1]) != SC_OK)
        sc_log(SC_LOG_WARN, "%s: geometry unknown", sc_message());
cleanup:
    sc_free(centre);
    return status;
}
