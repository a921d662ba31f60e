/* Which readout goes where, from headers alone. The rules of the format's text:
 *
 *     kx = s - center_sample + Nx/2                 (sign of s turned for IS_REVERSE)
 *     ky = step_1 - limits.step_1.center + Ny/2     (center Ny/2 where limits are absent)
 *     kz = step_2 - limits.step_2.center + Nz/2
 *
 * so the centre of k-space is index N/2, and partial Fourier, asymmetric echoes and zero padding
 * need no rule of their own. A slice is a position; contrast, repetition, set and phase each start
 * a frame; averages and segments fall into the same place and are summed and counted. FIRST and
 * LAST flags are hints that vendors set differently, and are not used.
 */
#include "base/memory.h"
#include "io/ismrmrd_internal.h"
#include "io/scan_internal.h"
#include <stddef.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NOISE_SAMPLES (1 << 20) /* per coil: enough for a covariance of 1024 coils */
#define SPARSEST 1024           /* grid points per sample; more is a header gone wrong */

int64_t sc_ismrmrd_wanted(const sc_ismrmrd_encoding *encoding, int axis)
{
    int64_t n = encoding->encoded.matrix[axis];
    double stored = encoding->encoded.fov_mm[axis], wanted = encoding->recon.fov_mm[axis];
    int64_t m = encoding->recon.matrix[axis];
    double by_fov = (double)n * wanted / stored;
    if (stored > 0 && wanted > 0 && fabs(by_fov - (double)m) >= 1) /* more than rounding */
        m = (int64_t)llround(fmin(by_fov, (double)n));
    return m < 1 ? 1 : m > n ? n : m;
}

static bool has(const sc_readout *r, int flag) { return r->flags & SC_FLAG(flag); }

/* Kinds of readout that are neither image nor calibration: 19, 23, 24, 26 to 31. */
static const uint64_t aside = SC_FLAG(19) | SC_FLAG(23) | SC_FLAG(24) | SC_FLAG(26) | SC_FLAG(27) |
                              SC_FLAG(28) | SC_FLAG(29) | SC_FLAG(30) | SC_FLAG(31);

static bool chosen(int want, int found) { return want < 0 || want == found; }

static bool frame_chosen(const sc_readout *r, const sc_scan_options *o)
{
    return chosen(o->contrast, r->contrast) && chosen(o->repetition, r->repetition) &&
           chosen(o->set, r->set) && chosen(o->phase, r->phase) && chosen(o->average, r->average);
}

static unsigned char use_of(const sc_readout *r, const sc_scan_options *o)
{
    if (has(r, SC_FLAG_NOISE))
        return SC_USE_NOISE;
    if (r->flags & aside || !chosen(o->slice, r->slice))
        return 0;
    if (has(r, SC_FLAG_CALIBRATION))
        return o->calibration_as_data && frame_chosen(r, o) ? SC_USE_CALIBRATION | SC_USE_IMAGE
                                                            : SC_USE_CALIBRATION;
    if (!frame_chosen(r, o))
        return 0;
    return has(r, SC_FLAG_CALIBRATION_AND_IMAGING) ? SC_USE_CALIBRATION | SC_USE_IMAGE
                                                   : SC_USE_IMAGE;
}

/* ---- what the readouts are, and that they agree ---- */

/* Smallest and largest counter of the imaging readouts; false if there is none. */
static bool find_range(int64_t *low, int64_t *high, const sc_ismrmrd *raw, size_t counter)
{
    const sc_scan_options all = sc_scan_options_default();
    *low = UINT16_MAX, *high = -1;
    for (int64_t r = 0; r < raw->readouts; r++) {
        uint16_t value;
        if (!(use_of(&raw->readout[r], &all) & SC_USE_IMAGE))
            continue;
        memcpy(&value, (const char *)&raw->readout[r] + counter, sizeof value);
        *low = value < *low ? value : *low;
        *high = value > *high ? value : *high;
    }
    return *high >= 0;
}

/* No imaging readout is left: none at all, or which choice was out of range? */
static sc_status refuse_choice(const sc_ismrmrd *raw, const sc_scan_options *o)
{
    const struct {
        const char *name;
        int choice;
        size_t counter;
    } choices[] = {{"slice", o->slice, offsetof(sc_readout, slice)},
                   {"contrast", o->contrast, offsetof(sc_readout, contrast)},
                   {"repetition", o->repetition, offsetof(sc_readout, repetition)},
                   {"set", o->set, offsetof(sc_readout, set)},
                   {"phase", o->phase, offsetof(sc_readout, phase)},
                   {"average", o->average, offsetof(sc_readout, average)}};
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++) {
        int64_t low, high;
        if (!find_range(&low, &high, raw, choices[i].counter))
            return sc_fail(SC_ERR_INPUT, "none of %lld readouts is an imaging readout",
                           (long long)raw->readouts);
        sc_status status = sc_scan_choice(choices[i].name, choices[i].choice, low, high);
        if (status != SC_OK)
            return status;
    }
    return sc_fail(SC_ERR_USAGE, "none of %lld readouts is of the chosen slice and frame",
                   (long long)raw->readouts);
}

static sc_status classify(sc_ismrmrd_plan *plan, const sc_scan_options *options)
{
    const sc_ismrmrd *raw = plan->raw;
    int64_t images = 0;
    for (int64_t r = 0; r < raw->readouts; r++) {
        const sc_readout *head = &raw->readout[r];
        plan->use[r] = use_of(head, options);
        images += plan->use[r] == SC_USE_IMAGE;
        images += plan->use[r] == (SC_USE_IMAGE | SC_USE_CALIBRATION);
        plan->calibration |= has(head, SC_FLAG_CALIBRATION) && plan->use[r];
        for (int flag = SC_FLAG_COMPRESSION1; plan->use[r] && flag < SC_FLAG_COMPRESSION1 + 4;
             flag++)
            if (has(head, flag))
                return sc_fail(SC_ERR_UNSUPPORTED, "readout %lld: compressed samples are not read",
                               (long long)r);
    }
    if (images == 0)
        return refuse_choice(raw, options);
    return SC_OK;
}

static bool same_grid(const sc_ismrmrd_encoding *a, const sc_ismrmrd_encoding *b)
{
    for (int i = 0; i < 3; i++)
        if (a->encoded.matrix[i] != b->encoded.matrix[i] || a->step[i].known != b->step[i].known ||
            a->step[i].center != b->step[i].center)
            return false;
    return true;
}

/* Sizes of k-space steps agree: lines of one encoding fit the grid of the other. */
static bool same_steps(const sc_ismrmrd_encoding *a, const sc_ismrmrd_encoding *b)
{
    for (int i = 0; i < 3; i++)
        if (fabs(a->encoded.fov_mm[i] - b->encoded.fov_mm[i]) > 1e-3 * a->encoded.fov_mm[i] &&
            (i < 2 || a->encoded.matrix[2] > 1))
            return false;
    return true;
}

static sc_status check_trajectory(const sc_ismrmrd_encoding *encoding, const sc_readout *head)
{
    const char *name = encoding->trajectory;
    bool epi = !strcmp(name, "epi");
    if (epi || !strcmp(name, "cartesian") || (!name[0] && !head->trajectory_dimensions)) {
        if (epi)
            sc_log(SC_LOG_WARN, "EPI is read without correction of odd and even lines");
        return SC_OK;
    }
    return sc_fail(SC_ERR_UNSUPPORTED, "trajectory '%s': only Cartesian scans are read",
                   name[0] ? name : "unknown");
}

/* The encoding of the imaging readouts. Readouts of others are put aside, unless they are
 * calibration lines with the same step in k-space. */
static sc_status choose_encoding(sc_ismrmrd_plan *plan, const sc_scan_options *options)
{
    const sc_ismrmrd *raw = plan->raw;
    int64_t first = -1, dropped = 0;
    for (int64_t r = 0; r < raw->readouts; r++) {
        const sc_readout *head = &raw->readout[r];
        if (!plan->use[r] || plan->use[r] == SC_USE_NOISE)
            continue;
        if (head->encoding >= raw->xml.encodings)
            return sc_fail(SC_ERR_FORMAT, "readout %lld: encoding %d, the header describes %d",
                           (long long)r, head->encoding, raw->xml.encodings);
        if (first < 0 && plan->use[r] & SC_USE_IMAGE && chosen(options->encoding, head->encoding)) {
            first = r;
            plan->encoding = &raw->xml.encoding[head->encoding];
        }
    }
    if (first < 0)
        return sc_fail(SC_ERR_USAGE, "no imaging readouts of encoding %d", options->encoding);
    for (int64_t r = 0; r < raw->readouts; r++) {
        if (!plan->use[r] || plan->use[r] == SC_USE_NOISE)
            continue;
        const sc_ismrmrd_encoding *own = &raw->xml.encoding[raw->readout[r].encoding];
        if (own == plan->encoding)
            continue;
        bool fits = plan->use[r] & SC_USE_IMAGE ? same_grid(own, plan->encoding)
                                                : same_steps(own, plan->encoding);
        if (!fits && plan->use[r] & SC_USE_IMAGE && options->encoding < 0)
            return sc_fail(SC_ERR_USAGE,
                           "readout %lld: its encoding has another matrix than that "
                           "of readout %lld; choose one with 'encoding'",
                           (long long)r, (long long)first);
        if (!fits || (plan->use[r] & SC_USE_IMAGE && options->encoding >= 0)) {
            plan->use[r] = 0;
            dropped++;
        }
    }
    if (dropped)
        sc_log(SC_LOG_WARN, "%lld readouts of other encodings are put aside", (long long)dropped);
    plan->dwell_us = raw->readout[first].dwell_us;
    plan->coils = raw->readout[first].channels;
    return check_trajectory(plan->encoding, &raw->readout[first]);
}

/* Coils agree, and the file can hold the samples that its headers speak of. */
static sc_status check_sizes(const sc_ismrmrd_plan *plan)
{
    const sc_ismrmrd *raw = plan->raw;
    int64_t bytes = 0;
    for (int64_t r = 0; r < raw->readouts; r++) {
        const sc_readout *head = &raw->readout[r];
        if (!plan->use[r])
            continue;
        if (head->channels != plan->coils || head->channels < 1 ||
            head->channels > SC_ISMRMRD_CHANNELS)
            return sc_fail(SC_ERR_FORMAT, "readout %lld: %d channels, expected %lld (at most %d)",
                           (long long)r, head->channels, (long long)plan->coils,
                           SC_ISMRMRD_CHANNELS);
        if (head->samples < 1 || head->discard_pre + head->discard_post >= head->samples)
            return sc_fail(SC_ERR_FORMAT,
                           "readout %lld: %d samples, of which %d and %d are to be "
                           "discarded",
                           (long long)r, head->samples, head->discard_pre, head->discard_post);
        bytes += 8 * (int64_t)head->samples * head->channels;
    }
    /* lists of samples are never compressed */
    if (bytes > raw->h5.bytes)
        return sc_fail(SC_ERR_FORMAT,
                       "headers ask for %lld bytes of samples, the whole file holds "
                       "%lld",
                       (long long)bytes, (long long)raw->h5.bytes);
    return SC_OK;
}

/* ---- frames and slices ---- */

static int compare_keys(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t frame_key(const sc_readout *r)
{
    return (uint64_t)r->contrast << 48 | (uint64_t)r->set << 32 | (uint64_t)r->phase << 16 |
           r->repetition;
}

static uint64_t slice_key(const sc_readout *r) { return r->slice; }

/* The different keys of imaging readouts, ascending; *keys: sc_free. */
static sc_status distinct(uint64_t **keys, int64_t *count, const sc_ismrmrd_plan *plan,
                          uint64_t (*key)(const sc_readout *))
{
    int64_t n = 0;
    sc_status status = SC_ALLOC(keys, plan->raw->readouts, "readout keys");
    if (status != SC_OK)
        return status;
    for (int64_t r = 0; r < plan->raw->readouts; r++)
        if (plan->use[r] & SC_USE_IMAGE)
            (*keys)[n++] = key(&plan->raw->readout[r]);
    qsort(*keys, (size_t)n, sizeof **keys, compare_keys);
    int64_t m = 0;
    for (int64_t i = 0; i < n; i++)
        if (i == 0 || (*keys)[i] != (*keys)[i - 1])
            (*keys)[m++] = (*keys)[i];
    *count = m;
    return SC_OK;
}

static int32_t index_of(const uint64_t *keys, int64_t count, uint64_t key)
{
    const uint64_t *found = bsearch(&key, keys, (size_t)count, sizeof *keys, compare_keys);
    return found ? (int32_t)(found - keys) : -1;
}

static sc_status number_frames_and_slices(sc_ismrmrd_plan *plan)
{
    sc_status status = SC_OK;
    uint64_t *frames = NULL, *slices = NULL;
    SC_TRY(distinct(&frames, &plan->frames, plan, frame_key));
    SC_TRY(distinct(&slices, &plan->slices, plan, slice_key));
    SC_TRY(SC_ALLOC(&plan->frame, plan->frames, "frames"));
    SC_TRY(SC_ALLOC(&plan->slice_first, plan->slices, "slices"));
    for (int64_t f = 0; f < plan->frames; f++)
        plan->frame[f] = (sc_frame){.contrast = (uint16_t)(frames[f] >> 48),
                                    .set = (uint16_t)(frames[f] >> 32),
                                    .phase = (uint16_t)(frames[f] >> 16),
                                    .repetition = (uint16_t)frames[f]};
    for (int64_t r = plan->raw->readouts - 1; r >= 0; r--) {
        const sc_readout *head = &plan->raw->readout[r];
        sc_place *place = &plan->place[r];
        if (!plan->use[r] || plan->use[r] == SC_USE_NOISE)
            continue;
        place->frame = index_of(frames, plan->frames, frame_key(head));
        place->slice = index_of(slices, plan->slices, slice_key(head));
        if (place->slice < 0) /* a calibration line of a slice without image */
            plan->use[r] = 0;
        else if (plan->use[r] & SC_USE_IMAGE)
            plan->slice_first[place->slice] = r;
    }
cleanup:
    sc_free(slices);
    sc_free(frames);
    return status;
}

/* Calibration lines of the first frame that has any: other frames differ in contrast or motion. */
static void one_calibration_frame(sc_ismrmrd_plan *plan)
{
    const sc_ismrmrd *raw = plan->raw;
    uint64_t first = UINT64_MAX;
    for (int64_t r = 0; r < raw->readouts; r++)
        if (plan->use[r] && has(&raw->readout[r], SC_FLAG_CALIBRATION) &&
            !has(&raw->readout[r], SC_FLAG_NOISE) && frame_key(&raw->readout[r]) < first)
            first = frame_key(&raw->readout[r]);
    for (int64_t r = 0; r < raw->readouts; r++)
        if (plan->use[r] & SC_USE_CALIBRATION &&
            (!plan->calibration || frame_key(&raw->readout[r]) != first))
            plan->use[r] &= (unsigned char)~SC_USE_CALIBRATION;
}

/* ---- the grid, and each readout's place on it ---- */

/* Some streams say an oversampled matrix beside samples that have lost their oversampling: all
 * readouts as long as the wanted image, with the centre in their middle or beyond their end. */
static bool oversampling_is_gone(const sc_ismrmrd_plan *plan, int64_t wanted)
{
    for (int64_t r = 0; r < plan->raw->readouts; r++) {
        const sc_readout *head = &plan->raw->readout[r];
        if (plan->use[r] & SC_USE_IMAGE &&
            (head->samples != wanted ||
             (head->center != head->samples / 2 && head->center < head->samples)))
            return false;
    }
    return true;
}

static sc_status make_grid(sc_ismrmrd_plan *plan, const sc_scan_options *options)
{
    const int64_t *matrix = plan->encoding->encoded.matrix;
    for (int a = 0; a < 3; a++)
        plan->image[a] = sc_ismrmrd_wanted(plan->encoding, a);
    plan->nx_stored = matrix[0];
    plan->ny = matrix[1];
    plan->nz = matrix[2];
    if (plan->image[0] < plan->nx_stored && oversampling_is_gone(plan, plan->image[0])) {
        sc_log(SC_LOG_INFO, "readout oversampling is removed already");
        plan->nx_stored = plan->image[0];
    }
    plan->nx = options->keep_oversampling ? plan->nx_stored : plan->image[0];
    if (plan->nz > 1 && plan->slices > 1)
        return sc_fail(SC_ERR_UNSUPPORTED, "%lld slabs of a 3D scan; choose one with 'slice'",
                       (long long)plan->slices);
    int64_t points = 0, samples = 0;
    for (int64_t r = 0; r < plan->raw->readouts; r++)
        samples += plan->use[r] & SC_USE_IMAGE ? plan->raw->readout[r].samples : 0;
    const int64_t dim[5] = {plan->frames, plan->slices, plan->nz, plan->ny, plan->nx_stored};
    if (sc_shape_count(&points, 5, dim, samples * SPARSEST) != SC_OK)
        return sc_fail(SC_ERR_FORMAT,
                       "%lld samples for %lld frames of %lld slices of %lld x %lld "
                       "x %lld",
                       (long long)samples, (long long)plan->frames, (long long)plan->slices,
                       (long long)plan->nx_stored, (long long)plan->ny, (long long)plan->nz);
    return SC_OK;
}

static int32_t line(const sc_ismrmrd_encoding *own, int axis, uint16_t step, int64_t n)
{
    int64_t own_n = own->encoded.matrix[axis];
    int64_t center = own->step[axis].known ? own->step[axis].center : own_n / 2;
    return (int32_t)(step - center + n / 2);
}

static sc_status place_readout(sc_ismrmrd_plan *plan, int64_t r)
{
    const sc_readout *head = &plan->raw->readout[r];
    const sc_ismrmrd_encoding *own = &plan->raw->xml.encoding[head->encoding];
    sc_place *place = &plan->place[r];
    int32_t center = head->center < head->samples ? head->center : head->samples / 2;
    int32_t first = head->discard_pre, end = head->samples - head->discard_post;
    if (end - first > plan->nx_stored)
        return sc_fail(SC_ERR_FORMAT, "readout %lld: %d samples for an encoded matrix of %lld",
                       (long long)r, end - first, (long long)plan->nx_stored);
    place->ky = line(own, 1, head->step1, plan->ny);
    place->kz = line(own, 2, head->step2, plan->nz);
    place->kx = (has(head, SC_FLAG_REVERSE) ? center - (end - 1) : first - center) +
                (int32_t)(plan->nx_stored / 2);
    place->first = first;
    place->count = end - first;
    bool inside = place->ky >= 0 && place->ky < plan->ny && place->kz >= 0 && place->kz < plan->nz;
    if (inside && place->kx < plan->nx_stored && place->kx + place->count > 0)
        return SC_OK;
    if (!(plan->use[r] & SC_USE_IMAGE)) {
        plan->use[r] = 0; /* a larger calibration matrix: its outer lines are not needed */
        return SC_OK;
    }
    return sc_fail(SC_ERR_FORMAT,
                   "readout %lld: lands on sample %d, line %d, partition %d of a "
                   "grid of %lld x %lld x %lld",
                   (long long)r, place->kx, place->ky, place->kz, (long long)plan->nx_stored,
                   (long long)plan->ny, (long long)plan->nz);
}

/* ---- the same line twice ---- */

typedef struct {
    uint64_t place[2]; /* frame and slice; lines, average and segment */
    int64_t r;
} entry;

static int compare_entries(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    for (int i = 0; i < 2; i++)
        if (x->place[i] != y->place[i])
            return x->place[i] < y->place[i] ? -1 : 1;
    return (x->r > y->r) - (x->r < y->r);
}

/* A line measured twice under the same average and segment: the last one counts. */
static sc_status drop_repeated(sc_ismrmrd_plan *plan, unsigned char use)
{
    entry *list;
    int64_t n = 0, dropped = 0;
    sc_status status = SC_ALLOC(&list, plan->raw->readouts, "readout order");
    if (status != SC_OK)
        return status;
    for (int64_t r = 0; r < plan->raw->readouts; r++) {
        const sc_place *p = &plan->place[r];
        const sc_readout *head = &plan->raw->readout[r];
        if (plan->use[r] & use)
            list[n++] = (entry){{(uint64_t)(uint32_t)p->frame << 32 | (uint32_t)p->slice,
                                 (uint64_t)p->kz << 48 | (uint64_t)p->ky << 32 |
                                     (uint64_t)head->average << 16 | head->segment},
                                r};
    }
    qsort(list, (size_t)n, sizeof *list, compare_entries);
    for (int64_t i = 0; i + 1 < n; i++)
        if (!memcmp(list[i].place, list[i + 1].place, sizeof list[i].place)) {
            plan->use[list[i].r] &= (unsigned char)~use;
            dropped++;
        }
    if (dropped)
        sc_log(SC_LOG_WARN, "%lld readouts repeat a line of the same average: the last ones count",
               (long long)dropped);
    sc_free(list);
    return SC_OK;
}

static void count_noise(sc_ismrmrd_plan *plan)
{
    for (int64_t r = 0; r < plan->raw->readouts; r++) {
        int64_t samples = plan->raw->readout[r].samples;
        if (plan->use[r] != SC_USE_NOISE)
            continue;
        if (plan->noise_samples + samples <= NOISE_SAMPLES)
            plan->noise_samples += samples;
        else
            plan->use[r] = 0;
    }
}

sc_status sc_ismrmrd_plan_make(sc_ismrmrd_plan *plan, const sc_ismrmrd *raw,
                               const sc_scan_options *options)
{
    sc_status status = SC_OK;
    *plan = (sc_ismrmrd_plan){.raw = raw};
    SC_TRY(SC_ALLOC(&plan->use, raw->readouts, "readout uses"));
    SC_TRY(SC_ALLOC(&plan->place, raw->readouts, "readout places"));
    SC_TRY(classify(plan, options));
    SC_TRY(choose_encoding(plan, options));
    SC_TRY(check_sizes(plan));
    SC_TRY(number_frames_and_slices(plan));
    one_calibration_frame(plan);
    SC_TRY(make_grid(plan, options));
    for (int64_t r = 0; r < raw->readouts; r++)
        if (plan->use[r] && plan->use[r] != SC_USE_NOISE)
            SC_TRY(place_readout(plan, r));
    SC_TRY(drop_repeated(plan, SC_USE_IMAGE));
    SC_TRY(drop_repeated(plan, SC_USE_CALIBRATION));
    count_noise(plan);
cleanup:
    if (status != SC_OK)
        sc_ismrmrd_plan_free(plan);
    return status;
}

void sc_ismrmrd_plan_free(sc_ismrmrd_plan *plan)
{
    sc_free(plan->use);
    sc_free(plan->place);
    sc_free(plan->frame);
    sc_free(plan->slice_first);
    *plan = (sc_ismrmrd_plan){0};
}
