/* From samples to k-space. A block of readouts is placed on lines of the stored length, its
 * readout oversampling is removed, and the lines are summed into their places. On a line with an
 * asymmetric echo the gap stays a gap.
 *
 * Noise readouts: one of dwell time d_n, against the scan's d_s and a receiver of relative noise
 * bandwidth b (0.793 where the header is silent), stands for the noise of a sample of the scan
 * after multiplication by sqrt(d_n / d_s / b).
 */
#include "base/memory.h"
#include "io/ismrmrd_internal.h"
#include "io/scan_internal.h"
#include <math.h>
#include <string.h>

#define DEFAULT_NOISE_BANDWIDTH 0.793

typedef struct {
    sc_scan *scan;
    const sc_ismrmrd_plan *plan;
    sc_crop *crop; /* lines (block, coil, nx_stored) to (block, coil, nx) */
    int64_t pending[SC_ISMRMRD_BLOCK];
    int lines;
    int64_t noise_at;
    int64_t *not_finite; /* (slice) raw samples that are NaN or Inf */
} filler;

static int64_t count_not_finite(const float *v, int64_t n)
{
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++)
        count += !isfinite(v[i]);
    return count;
}

static sc_status take_noise(filler *f, int64_t r, const float *samples)
{
    const sc_ismrmrd_plan *plan = f->plan;
    const sc_readout *head = &plan->raw->readout[r];
    double b = plan->raw->xml.noise_bandwidth;
    bool dwells = head->dwell_us > 0 && plan->dwell_us > 0;
    double scale = dwells ? sqrt((double)head->dwell_us / plan->dwell_us /
                                 (isnan(b) ? DEFAULT_NOISE_BANDWIDTH : b))
                          : 1;
    int64_t n = head->samples;
    if (count_not_finite(samples, 2 * n * plan->coils))
        return sc_fail(SC_ERR_INPUT, "readout %lld: noise samples hold NaN or Inf", (long long)r);
    for (int64_t c = 0; c < plan->coils; c++) {
        float *to =
            (float *)((sc_c32 *)f->scan->noise.data + c * plan->noise_samples + f->noise_at);
        for (int64_t i = 0; i < 2 * n; i++)
            to[i] = (float)(scale * (double)samples[2 * c * n + i]);
    }
    f->noise_at += n;
    return SC_OK;
}

/* Samples of one readout onto its line of the block, centre at nx_stored / 2. */
static void put_on_line(filler *f, int64_t r, const float *samples)
{
    const sc_ismrmrd_plan *plan = f->plan;
    const sc_readout *head = &plan->raw->readout[r];
    const sc_place *place = &plan->place[r];
    bool reverse = head->flags & SC_FLAG(SC_FLAG_REVERSE);
    sc_c32 *line = sc_crop_lines(f->crop) + (int64_t)f->lines * plan->coils * plan->nx_stored;
    for (int64_t c = 0; c < plan->coils; c++, line += plan->nx_stored) {
        const float *from = samples + 2 * (c * head->samples + place->first);
        for (int32_t i = 0; i < place->count; i++) {
            int64_t kx = place->kx + (reverse ? place->count - 1 - i : i);
            if (kx >= 0 && kx < plan->nx_stored)
                memcpy(&line[kx], from + 2 * i, sizeof *line);
        }
    }
}

static sc_status visit(void *self, int64_t r, const float *samples)
{
    filler *f = self;
    const sc_readout *head = &f->plan->raw->readout[r];
    if (f->plan->use[r] == SC_USE_NOISE)
        return take_noise(f, r, samples);
    f->not_finite[f->plan->place[r].slice] +=
        count_not_finite(samples, 2 * (int64_t)head->samples * head->channels);
    put_on_line(f, r, samples);
    f->pending[f->lines++] = r;
    return SC_OK;
}

/* The measured part [low, high) of a line after the crop: a kept sample counts as measured if the
 * stored position that it stands for was. */
static void measured(int64_t *low, int64_t *high, const sc_ismrmrd_plan *plan,
                     const sc_place *place)
{
    int64_t a = place->kx > 0 ? place->kx : 0, n = plan->nx_stored, m = plan->nx;
    int64_t b = place->kx + place->count < n ? place->kx + place->count : n;
    double step = (double)n / (double)m;
    *low = 0;
    *high = m;
    if (a > 0)
        *low = m / 2 + (int64_t)ceil((double)(a - n / 2) / step);
    if (b < n)
        *high = m / 2 + (int64_t)floor((double)(b - 1 - n / 2) / step) + 1;
    *low = *low < 0 ? 0 : *low;
    *high = *high > m ? m : *high;
}

static void add_line(sc_array *data, sc_array *mask, int64_t image, const sc_ismrmrd_plan *plan,
                     const sc_place *place, const sc_c32 *line)
{
    int64_t low, high, plane = plan->nz * plan->ny * plan->nx;
    int64_t at = (place->kz * plan->ny + place->ky) * plan->nx;
    measured(&low, &high, plan, place);
    sc_c32 *to = (sc_c32 *)data->data + image * plan->coils * plane + at;
    float *count = (float *)mask->data + image * plane + at;
    for (int64_t x = low; x < high; x++)
        count[x] += 1;
    for (int64_t c = 0; c < plan->coils; c++)
        for (int64_t x = low; x < high; x++)
            to[c * plane + x] += line[c * plan->nx + x];
}

static sc_status block_end(void *self)
{
    filler *f = self;
    const sc_ismrmrd_plan *plan = f->plan;
    if (f->lines == 0)
        return SC_OK;
    const sc_c32 *lines = sc_crop_apply(f->crop);
    for (int l = 0; l < f->lines; l++) {
        const sc_place *place = &plan->place[f->pending[l]];
        const sc_c32 *line = lines + l * plan->coils * plan->nx;
        unsigned char use = plan->use[f->pending[l]];
        if (use & SC_USE_IMAGE)
            add_line(&f->scan->kspace, &f->scan->mask, place->frame * plan->slices + place->slice,
                     plan, place, line);
        if (use & SC_USE_CALIBRATION)
            add_line(&f->scan->calibration, &f->scan->calibration_mask, place->slice, plan, place,
                     line);
    }
    sc_crop_clear(f->crop);
    f->lines = 0;
    return SC_OK;
}

/* Sums become means; the mask keeps their number. */
static void divide(sc_array *data, const sc_array *mask, int64_t images,
                   const sc_ismrmrd_plan *plan)
{
    int64_t plane = plan->nz * plan->ny * plan->nx;
    for (int64_t i = 0; i < images; i++) {
        const float *count = (const float *)mask->data + i * plane;
        sc_c32 *v = (sc_c32 *)data->data + i * plan->coils * plane;
        for (int64_t c = 0; c < plan->coils; c++, v += plane)
            for (int64_t x = 0; x < plane; x++)
                if (count[x] > 1)
                    v[x] /= count[x];
    }
}

static sc_status make_arrays(sc_scan *scan, const sc_ismrmrd_plan *plan)
{
    const int64_t *const d =
        (const int64_t[]){plan->frames, plan->slices, plan->coils, plan->nz, plan->ny, plan->nx};
    const int64_t mask[5] = {d[0], d[1], d[3], d[4], d[5]};
    const int64_t noise[2] = {plan->coils, plan->noise_samples};
    sc_status status = SC_OK;
    SC_TRY(sc_array_create(&scan->kspace, SC_C32, 6, d));
    SC_TRY(sc_array_create(&scan->mask, SC_F32, 5, mask));
    if (plan->calibration) {
        SC_TRY(sc_array_create(&scan->calibration, SC_C32, 5, d + 1));
        SC_TRY(sc_array_create(&scan->calibration_mask, SC_F32, 4, mask + 1));
    }
    if (plan->noise_samples)
        SC_TRY(sc_array_create(&scan->noise, SC_C32, 2, noise));
cleanup:
    return status;
}

sc_status sc_ismrmrd_fill(sc_scan *scan, const sc_ismrmrd_plan *plan,
                          const sc_scan_options *options)
{
    sc_status status = SC_OK;
    filler f = {.scan = scan, .plan = plan};
    SC_TRY(make_arrays(scan, plan));
    SC_TRY(SC_ALLOC(&f.not_finite, plan->slices, "sample check"));
    SC_TRY(sc_crop_create(&f.crop, options->device, plan->nx_stored, plan->nx,
                          SC_ISMRMRD_BLOCK * plan->coils));
    SC_TRY(sc_ismrmrd_walk(plan->raw, plan->use, visit, block_end, &f, options->progress));
    for (int64_t s = 0; s < plan->slices; s++)
        if (f.not_finite[s])
            SC_TRY(sc_fail(SC_ERR_INPUT, "slice %lld: k-space holds %lld NaN or Inf", (long long)s,
                           (long long)f.not_finite[s]));
    divide(&scan->kspace, &scan->mask, plan->frames * plan->slices, plan);
    if (scan->calibration.data)
        divide(&scan->calibration, &scan->calibration_mask, plan->slices, plan);
cleanup:
    sc_crop_free(f.crop);
    sc_free(f.not_finite);
    return status;
}
