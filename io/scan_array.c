/* Scans that are plain arrays: cfl and .npy. They carry no noise, no geometry and no header. A
 * sample that is exactly 0 in all coils was not measured.
 *
 * BART dimensions: COIL, TE (contrast), TIME (repetition), TIME2 (phase), SLICE and AVG are what
 * they say. Of READ, PHS1, PHS2:
 *     (nx, ny, 1)  2D: kx = READ, ky = PHS1
 *     (nx, 1, ny)  2D: kx = READ, ky = PHS2
 *     (1, ny, nx)  2D, a slice of a 3D scan, both phase-encoded: ky = PHS1, kx = PHS2
 *     (nx, ny, nz) 3D: kx = READ, ky = PHS1, kz = PHS2
 *
 * .npy: (ky, kx), (coil, ky, kx), (slice, coil, ky, kx), (slice, coil, kz, ky, kx) or
 * (frame, slice, coil, kz, ky, kx).
 */
#include "base/memory.h"
#include "io/cfl.h"
#include "io/npy.h"
#include "io/scan_internal.h"
#include <stddef.h>
#include <string.h>

bool sc_scan_npy_probe(const sc_scan_probe *probe)
{
    return sc_npy_probe(probe->head, probe->bytes);
}

bool sc_scan_cfl_probe(const sc_scan_probe *probe) { return sc_cfl_probe(probe->path); }

/* Which BART dimension is which axis of ours, with its stride in the file.
 * frame = (te * times + time) * phases + phase. */
typedef struct {
    int64_t n[6], stride[6]; /* frame, slice, coil, kz, ky, kx */
    int64_t dim[SC_BART_DIMS], step[SC_BART_DIMS];
    char readout;
} layout;

static sc_status check_dims(const int64_t *dim)
{
    static const unsigned known = 1u << SC_BART_READ | 1u << SC_BART_PHS1 | 1u << SC_BART_PHS2 |
                                  1u << SC_BART_COIL | 1u << SC_BART_TE | 1u << SC_BART_TIME |
                                  1u << SC_BART_TIME2 | 1u << SC_BART_SLICE | 1u << SC_BART_AVG;
    for (int i = 0; i < SC_BART_DIMS; i++)
        if (dim[i] > 1 && !(known >> i & 1))
            return sc_fail(SC_ERR_UNSUPPORTED, "dimension %d has size %lld: not that of a scan", i,
                           (long long)dim[i]);
    for (int i = SC_BART_TE; i < SC_BART_DIMS; i++)
        if (dim[i] > UINT16_MAX)
            return sc_fail(SC_ERR_FORMAT, "dimension %d has size %lld, at most %d are read", i,
                           (long long)dim[i], UINT16_MAX);
    return SC_OK;
}

static sc_status lay_out(layout *l, const int64_t dim[SC_BART_DIMS])
{
    /* z, y, x from READ, PHS1, PHS2; a dimension of size 1 stands for a missing axis */
    static const int order[3][3] = {{SC_BART_PHS2, SC_BART_PHS1, SC_BART_READ},
                                    {SC_BART_READ, SC_BART_PHS1, SC_BART_PHS2},
                                    {SC_BART_PHS1, SC_BART_PHS2, SC_BART_READ}};
    sc_status status = check_dims(dim);
    if (status != SC_OK)
        return status;
    *l = (layout){.readout = dim[SC_BART_READ] > 1 ? 'x' : 0};
    int64_t step = 1;
    for (int i = 0; i < SC_BART_DIMS; i++) {
        l->dim[i] = dim[i];
        l->step[i] = step;
        step *= dim[i];
    }
    const int *axis = order[dim[SC_BART_READ] == 1 ? 1 : dim[SC_BART_PHS1] == 1 ? 2 : 0];
    l->n[0] = dim[SC_BART_TE] * dim[SC_BART_TIME] * dim[SC_BART_TIME2];
    for (int i = 1; i < 6; i++) {
        int from = i == 1 ? SC_BART_SLICE : i == 2 ? SC_BART_COIL : axis[i - 3];
        l->n[i] = dim[from];
        l->stride[i] = l->step[from];
    }
    return SC_OK;
}

static sc_frame frame_counters(const layout *l, int64_t frame)
{
    int64_t phases = l->dim[SC_BART_TIME2], times = l->dim[SC_BART_TIME];
    return (sc_frame){.contrast = (uint16_t)(frame / phases / times),
                      .repetition = (uint16_t)(frame / phases % times),
                      .phase = (uint16_t)(frame % phases)};
}

/* Average `average` of the file into our order, a row at a time. */
static void copy_average(sc_c32 *to, const sc_c32 *from, const layout *l, int64_t average)
{
    int64_t rows = l->n[0] * l->n[1] * l->n[2] * l->n[3] * l->n[4];
    for (int64_t row = 0; row < rows; row++) {
        int64_t rest = row, at = average * l->step[SC_BART_AVG];
        for (int a = 4; a > 0; a--) {
            at += rest % l->n[a] * l->stride[a];
            rest /= l->n[a];
        }
        sc_frame f = frame_counters(l, rest);
        at += f.contrast * l->step[SC_BART_TE] + f.repetition * l->step[SC_BART_TIME] +
              f.phase * l->step[SC_BART_TIME2];
        for (int64_t x = 0; x < l->n[5]; x++)
            *to++ = from[at + x * l->stride[5]];
    }
}

/* Averages stand as further frames, slowest: fold them into the first, means over those measured.
 */
static void fold_averages(sc_scan *scan, int64_t averages)
{
    int64_t plane = scan->nz * scan->ny * scan->nx, images = scan->frames * scan->slices / averages;
    sc_c32 *v = scan->kspace.data;
    float *m = scan->mask.data;
    for (int64_t i = images; i < images * averages; i++)
        for (int64_t x = 0; x < plane; x++)
            m[i % images * plane + x] += m[i * plane + x];
    for (int64_t i = images * scan->coils; i < images * scan->coils * averages; i++)
        for (int64_t x = 0; x < plane; x++)
            v[i % (images * scan->coils) * plane + x] += v[i * plane + x];
    for (int64_t i = 0; i < images * scan->coils; i++)
        for (int64_t x = 0; x < plane; x++)
            if (m[i / scan->coils * plane + x] > 1)
                v[i * plane + x] /= m[i / scan->coils * plane + x];
    scan->frames /= averages;
    scan->kspace.dim[0] = scan->mask.dim[0] = scan->frames;
}

sc_status sc_scan_cfl_load(sc_scan *scan, const char *path)
{
    sc_status status = SC_OK;
    sc_array file = {0};
    int64_t dim[SC_BART_DIMS];
    layout l;
    SC_TRY(sc_cfl_read(&file, dim, path));
    SC_TRY(lay_out(&l, dim));
    int64_t averages = dim[SC_BART_AVG], shape[6];
    memcpy(shape, l.n, sizeof shape);
    shape[0] *= averages;
    SC_TRY(sc_array_create(&scan->kspace, SC_C32, 6, shape));
    int64_t one = sc_array_count(&scan->kspace) / averages;
    for (int64_t a = 0; a < averages; a++)
        copy_average((sc_c32 *)scan->kspace.data + a * one, file.data, &l, a);
    sc_array_free(&file);
    SC_TRY(sc_scan_from_kspace(scan));
    if (averages > 1)
        fold_averages(scan, averages);
    for (int64_t f = 0; f < scan->frames; f++)
        scan->frame[f] = frame_counters(&l, f);
    scan->readout = l.readout;
cleanup:
    sc_array_free(&file);
    return status;
}

/* A complex array of rank 2 to 6 is one of rank 6: axes that it lacks have size 1. */
static sc_status npy_shape(int64_t shape[6], const sc_array *array)
{
    static const int place[7][6] = {[2] = {4, 5},
                                    [3] = {2, 4, 5},
                                    [4] = {1, 2, 4, 5},
                                    [5] = {1, 2, 3, 4, 5},
                                    [6] = {0, 1, 2, 3, 4, 5}};
    if (array->dtype != SC_C32)
        return sc_fail(SC_ERR_FORMAT, "not a scan: %s samples, expected complex",
                       sc_dtype_name(array->dtype));
    if (array->rank < 2 || array->rank > 6)
        return sc_fail(SC_ERR_FORMAT, "not a scan: %d axes, expected 2 to 6", array->rank);
    for (int a = 0; a < 6; a++)
        shape[a] = 1;
    for (int a = 0; a < array->rank; a++)
        shape[place[array->rank][a]] = array->dim[a];
    return SC_OK;
}

sc_status sc_scan_npy_read(sc_scan *scan, const char *path, const sc_scan_options *options)
{
    sc_status status = SC_OK;
    int64_t shape[6];
    SC_TRY(sc_npy_read(&scan->kspace, path));
    SC_TRY(npy_shape(shape, &scan->kspace));
    scan->kspace.rank = 6;
    memcpy(scan->kspace.dim, shape, sizeof shape);
    SC_TRY(sc_scan_from_kspace(scan));
    for (int64_t f = 0; f < scan->frames; f++)
        scan->frame[f] = (sc_frame){.repetition = (uint16_t)f};
    SC_TRY(sc_scan_select(scan, options));
cleanup:
    return status;
}

sc_status sc_scan_cfl_read(sc_scan *scan, const char *path, const sc_scan_options *options)
{
    sc_status status = sc_scan_cfl_load(scan, path);
    return status == SC_OK ? sc_scan_select(scan, options) : status;
}

static bool chosen(int want, int64_t found) { return want < 0 || want == found; }

static bool frame_chosen(const sc_frame *f, const sc_scan_options *o)
{
    return chosen(o->contrast, f->contrast) && chosen(o->repetition, f->repetition) &&
           chosen(o->set, f->set) && chosen(o->phase, f->phase);
}

/* Nothing is left: which choice was out of range? */
static sc_status refuse_choice(const sc_scan *scan, const sc_scan_options *o)
{
    const struct {
        const char *name;
        int choice;
        size_t offset;
    } choices[] = {{"contrast", o->contrast, offsetof(sc_frame, contrast)},
                   {"repetition", o->repetition, offsetof(sc_frame, repetition)},
                   {"set", o->set, offsetof(sc_frame, set)},
                   {"phase", o->phase, offsetof(sc_frame, phase)}};
    sc_status status = sc_scan_choice("slice", o->slice, 0, scan->slices - 1);
    for (size_t i = 0; status == SC_OK && i < sizeof choices / sizeof *choices; i++) {
        int64_t highest = 0; /* counters run from 0, without gaps */
        for (int64_t f = 0; f < scan->frames; f++) {
            uint16_t counter;
            memcpy(&counter, (const char *)&scan->frame[f] + choices[i].offset, sizeof counter);
            highest = counter > highest ? counter : highest;
        }
        status = sc_scan_choice(choices[i].name, choices[i].choice, 0, highest);
    }
    return status != SC_OK ? status
                           : sc_fail(SC_ERR_USAGE, "no frame has the chosen contrast, repetition, "
                                                   "set and phase");
}

sc_status sc_scan_select(sc_scan *scan, const sc_scan_options *options)
{
    int64_t wanted = 0;
    for (int64_t f = 0; f < scan->frames; f++)
        wanted += frame_chosen(&scan->frame[f], options);
    if (wanted == 0 || options->slice >= scan->slices)
        return refuse_choice(scan, options);
    size_t plane = (size_t)(scan->nz * scan->ny * scan->nx);
    size_t data = plane * (size_t)scan->coils * sizeof(sc_c32), mask = plane * sizeof(float);
    int64_t frames = 0, images = 0;
    for (int64_t f = 0; f < scan->frames; f++) {
        if (!frame_chosen(&scan->frame[f], options))
            continue;
        for (int64_t s = 0; s < scan->slices; s++) {
            int64_t from = f * scan->slices + s;
            if (!chosen(options->slice, s))
                continue;
            /* kept images only ever move towards the front */
            memmove((char *)scan->kspace.data + (size_t)images * data,
                    (char *)scan->kspace.data + (size_t)from * data, data);
            memmove((char *)scan->mask.data + (size_t)images * mask,
                    (char *)scan->mask.data + (size_t)from * mask, mask);
            images++;
        }
        scan->frame[frames++] = scan->frame[f];
    }
    scan->frames = scan->kspace.dim[0] = scan->mask.dim[0] = frames;
    scan->slices = scan->kspace.dim[1] = scan->mask.dim[1] = images / frames;
    return SC_OK;
}
