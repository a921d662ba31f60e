/* Scans to files: ISMRMRD with all that it can carry, or cfl with the k-space alone. */
#include "base/file.h"
#include "base/memory.h"
#include "io/cfl.h"
#include "io/ismrmrd_write_internal.h"
#include "io/scan_internal.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define NOISE_READOUT 4096 /* samples of one noise readout */

sc_scan_write_options sc_scan_write_options_default(void)
{
    return (sc_scan_write_options){.oversampling = 1, .dwell_us = 10};
}

typedef struct {
    const sc_scan *scan;
    const sc_scan_write_options *options;
    sc_device *device;
    sc_fft *small, *large;    /* plans of one readout before and after oversampling */
    sc_c32 *line, *long_line; /* (coil, nx), (coil, stored) */
    int64_t stored;           /* nx * oversampling */
    sc_ismrmrd_writer writer;
    int64_t *centre_low, *centre_high; /* (slice, 3) flagged for calibration */
} job;

/* ---- header ---- */

static double length3(const sc_geometry *g, int column)
{
    double sum = 0;
    for (int a = 0; a < 3; a++)
        sum += g->affine[a][column] * g->affine[a][column];
    return sqrt(sum);
}

static void describe_spaces(sc_ismrmrd_encoding *e, const job *j)
{
    const sc_scan *scan = j->scan;
    const sc_geometry *g = &scan->geometry;
    const int64_t image[3] = {scan->image_nx, scan->image_ny, scan->image_nz};
    const int64_t grid[3] = {j->stored, scan->ny, scan->nz};
    for (int a = 0; a < 3; a++) {
        /* the schema demands a field of view: 1 mm voxels where none is known, with directions
         * that are zero, which says that it means nothing */
        double voxel = !g->known      ? 1
                       : a < 2        ? length3(g, a)
                       : scan->nz > 1 ? length3(g, 2)
                                      : g->thickness_mm;
        int64_t n = a == 0 ? scan->nx : grid[a];
        e->encoded.matrix[a] = grid[a];
        e->recon.matrix[a] = image[a];
        e->recon.fov_mm[a] = voxel * (double)image[a];
        e->encoded.fov_mm[a] = voxel * (double)n * (a == 0 ? j->options->oversampling : 1);
        e->step[a] =
            (sc_ismrmrd_limit){.known = a > 0, .maximum = grid[a] - 1, .center = grid[a] / 2};
    }
    strcpy(e->trajectory, "cartesian");
}

/* Position of the FFT centre of an image, and unit directions; zero if the geometry is unknown. */
static void place(sc_readout *r, const sc_scan *scan, int64_t slice)
{
    const sc_geometry *g = &scan->geometry;
    if (!g->known)
        return;
    int64_t k = scan->nz > 1 ? scan->image_nz / 2 : slice;
    double step = length3(g, 2);
    for (int a = 0; a < 3; a++) {
        double first = g->slice_position ? g->slice_position[3 * k + a]
                                         : g->affine[a][3] + (double)k * g->affine[a][2];
        r->position[a] = (float)(first + (double)(scan->image_nx / 2) * g->affine[a][0] +
                                 (double)(scan->image_ny / 2) * g->affine[a][1]);
        r->read_dir[a] = (float)(g->affine[a][0] / length3(g, 0));
        r->phase_dir[a] = (float)(g->affine[a][1] / length3(g, 1));
        r->slice_dir[a] = (float)(g->affine[a][2] / step);
    }
}

/* ---- which lines ---- */

/* Measured part of a row of a mask and how often; SC_ERR_UNSUPPORTED if it is not one run of equal
 * numbers that holds the centre. count 0: not measured. */
static sc_status row_extent(int64_t *low, int64_t *high, int *count, const float *row, int64_t nx)
{
    *low = *high = *count = 0;
    while (*low < nx && row[*low] == 0)
        ++*low;
    if (*low == nx)
        return SC_OK;
    for (*high = nx; row[*high - 1] == 0;)
        --*high;
    *count = (int)row[*low];
    bool whole = *low <= nx / 2 && *high > nx / 2 && (float)*count == row[*low] && *count > 0;
    for (int64_t x = *low; x < *high; x++)
        whole = whole && row[x] == row[*low];
    return whole ? SC_OK
                 : sc_fail(SC_ERR_UNSUPPORTED, "the mask measures parts of a line; ISMRMRD holds "
                                               "whole readouts: write a .cfl instead (it keeps neither noise scan nor geometry)");
}

static sc_status count_rows(int64_t *readouts, const sc_array *mask, int64_t nx)
{
    int64_t rows = sc_array_count(mask) / nx, low, high;
    int count;
    for (int64_t r = 0; r < rows; r++) {
        sc_status status = row_extent(&low, &high, &count, (const float *)mask->data + r * nx, nx);
        if (status != SC_OK)
            return status;
        *readouts += count;
    }
    return SC_OK;
}

/* ---- writing ---- */

/* One line (coil, nx) from an array with coils `plane` apart, oversampled into long_line. */
static const sc_c32 *oversample(job *j, const sc_c32 *from, int64_t plane)
{
    int64_t nx = j->scan->nx, coils = j->scan->coils;
    for (int64_t c = 0; c < coils; c++)
        memcpy(j->line + c * nx, from + c * plane, (size_t)nx * sizeof *from);
    if (j->options->oversampling == 1)
        return j->line;
    const sc_kernels *k = j->device->kernels;
    memset(j->long_line, 0, (size_t)(coils * j->stored) * sizeof *from);
    k->fft(j->small, j->line, j->line, true);
    for (int64_t c = 0; c < coils; c++)
        memcpy(j->long_line + c * j->stored + j->stored / 2 - nx / 2, j->line + c * nx,
               (size_t)nx * sizeof *from);
    k->fft(j->large, j->long_line, j->long_line, false);
    return j->long_line;
}

/* Keep samples [low, high) of the nx-grid of every coil: (coil, high - low) after oversampling. */
static const sc_c32 *cut(sc_readout *r, job *j, const sc_c32 *line, int64_t low, int64_t high)
{
    int64_t nx = j->scan->nx, os = j->options->oversampling;
    int64_t first = low == 0 ? 0 : j->stored / 2 + (low - nx / 2) * os;
    int64_t end = high == nx ? j->stored : j->stored / 2 + (high - 1 - nx / 2) * os + 1;
    sc_c32 *to = (sc_c32 *)(uintptr_t)line; /* the job's own buffer */
    for (int64_t c = 0; c < j->scan->coils; c++)
        memmove(to + c * (end - first), line + c * j->stored + first,
                (size_t)(end - first) * sizeof *line);
    r->samples = (uint16_t)(end - first);
    r->center = (uint16_t)(j->stored / 2 - first);
    return line;
}

static bool in_centre(const job *j, int64_t slice, int64_t z, int64_t y)
{
    const int64_t *low = j->centre_low + 3 * slice, *high = j->centre_high + 3 * slice;
    return z >= low[0] && z < high[0] && y >= low[1] && y < high[1];
}

static sc_readout readout_of(const job *j, int64_t slice, int64_t z, int64_t y)
{
    sc_readout r = {.channels = (uint16_t)j->scan->coils,
                    .dwell_us = (float)j->options->dwell_us,
                    .slice = (uint16_t)slice,
                    .step1 = (uint16_t)y,
                    .step2 = (uint16_t)z};
    place(&r, j->scan, slice);
    return r;
}

/* All lines of one image of (data, mask). */
static sc_status write_image(job *j, const sc_c32 *data, const float *mask, sc_readout r,
                             bool calibration)
{
    const sc_scan *scan = j->scan;
    int64_t plane = scan->nz * scan->ny * scan->nx;
    for (int64_t l = 0; l < scan->nz * scan->ny; l++) {
        int64_t low, high, at = l * scan->nx, z = l / scan->ny, y = l % scan->ny;
        int count;
        sc_status status = row_extent(&low, &high, &count, mask + at, scan->nx);
        if (status != SC_OK)
            return status;
        if (count == 0)
            continue;
        r.step1 = (uint16_t)y;
        r.step2 = (uint16_t)z;
        r.flags = calibration ? SC_FLAG(SC_FLAG_CALIBRATION)
                  : j->centre_low && in_centre(j, r.slice, z, y)
                      ? SC_FLAG(SC_FLAG_CALIBRATION_AND_IMAGING)
                      : 0;
        const sc_c32 *line = cut(&r, j, oversample(j, data + at, plane), low, high);
        for (r.average = 0; r.average < count && status == SC_OK; r.average++)
            status = sc_ismrmrd_writer_add(&j->writer, &r, line);
        if (status != SC_OK)
            return status;
    }
    return SC_OK;
}

static sc_status write_noise(job *j)
{
    const sc_array *noise = &j->scan->noise;
    sc_status status = SC_OK;
    sc_c32 *block = NULL;
    if (!noise->data)
        return SC_OK;
    int64_t total = noise->dim[1], coils = j->scan->coils;
    SC_TRY(SC_ALLOC(&block, coils * NOISE_READOUT, "noise readout"));
    for (int64_t first = 0; first < total; first += NOISE_READOUT) {
        int64_t n = total - first < NOISE_READOUT ? total - first : NOISE_READOUT;
        sc_readout r = readout_of(j, 0, 0, 0);
        r.flags = SC_FLAG(SC_FLAG_NOISE);
        r.samples = (uint16_t)n;
        for (int64_t c = 0; c < coils; c++)
            memcpy(block + c * n, (const sc_c32 *)noise->data + c * total + first,
                   (size_t)n * sizeof *block);
        SC_TRY(sc_ismrmrd_writer_add(&j->writer, &r, block));
    }
cleanup:
    sc_free(block);
    return status;
}

static sc_status write_readouts(job *j)
{
    const sc_scan *scan = j->scan;
    int64_t plane = scan->nz * scan->ny * scan->nx;
    sc_status status = SC_OK;
    SC_TRY(write_noise(j));
    for (int64_t s = 0; scan->calibration.data && s < scan->slices; s++)
        SC_TRY(write_image(j, (const sc_c32 *)scan->calibration.data + s * scan->coils * plane,
                           (const float *)scan->calibration_mask.data + s * plane,
                           readout_of(j, s, 0, 0), true));
    for (int64_t i = 0; i < scan->frames * scan->slices; i++) {
        sc_readout r = readout_of(j, i % scan->slices, 0, 0);
        const sc_frame *f = &scan->frame[i / scan->slices];
        r.contrast = f->contrast;
        r.repetition = f->repetition;
        r.set = f->set;
        r.phase = f->phase;
        SC_TRY(write_image(j, (const sc_c32 *)scan->kspace.data + i * scan->coils * plane,
                           (const float *)scan->mask.data + i * plane, r, false));
    }
cleanup:
    return status;
}

/* ---- set-up ---- */

static sc_status flag_centres(job *j)
{
    const sc_scan *scan = j->scan;
    sc_status status = SC_OK;
    if (!j->options->flag_calibration || scan->calibration.data)
        return SC_OK;
    SC_TRY(SC_ALLOC(&j->centre_low, 3 * scan->slices, "calibration lines"));
    SC_TRY(SC_ALLOC(&j->centre_high, 3 * scan->slices, "calibration lines"));
    for (int64_t s = 0; s < scan->slices; s++)
        sc_scan_centre(j->centre_low + 3 * s, j->centre_high + 3 * s, scan,
                       (const float *)scan->mask.data + s * scan->nz * scan->ny * scan->nx);
cleanup:
    return status;
}

static sc_status make_lines(job *j)
{
    const sc_scan *scan = j->scan;
    sc_status status = SC_OK;
    SC_TRY(SC_ALLOC(&j->line, scan->coils * scan->nx, "line"));
    if (j->options->oversampling > 1) {
        SC_TRY(SC_ALLOC(&j->long_line, scan->coils * j->stored, "line"));
        SC_TRY(sc_device_create_cpu(&j->device, 1));
        const sc_kernels *k = j->device->kernels;
        SC_TRY(k->fft_create(j->device, &j->small, 1, &scan->nx, scan->coils));
        SC_TRY(k->fft_create(j->device, &j->large, 1, &j->stored, scan->coils));
    }
cleanup:
    return status;
}

static void free_job(job *j)
{
    if (j->small)
        j->device->kernels->fft_free(j->small);
    if (j->large)
        j->device->kernels->fft_free(j->large);
    sc_device_free(j->device);
    sc_free(j->line);
    sc_free(j->long_line);
    sc_free(j->centre_low);
    sc_free(j->centre_high);
    sc_ismrmrd_writer_close(&j->writer);
}

static sc_status check_limits(const job *j)
{
    const sc_scan *scan = j->scan;
    if (j->options->oversampling < 1)
        return sc_fail(SC_ERR_USAGE, "oversampling %d, expected at least 1",
                       j->options->oversampling);
    if (scan->readout == 'y')
        return sc_fail(SC_ERR_UNSUPPORTED, "readouts run along ky; ISMRMRD wants them along kx");
    if (j->stored > UINT16_MAX || scan->ny > UINT16_MAX || scan->nz > UINT16_MAX ||
        scan->coils > SC_ISMRMRD_CHANNELS || scan->slices > UINT16_MAX)
        return sc_fail(SC_ERR_UNSUPPORTED, "a scan of this size does not fit ISMRMRD's 16-bit "
                                           "counters");
    return SC_OK;
}

sc_status sc_scan_write_ismrmrd(const char *path, const sc_scan *scan,
                                const sc_scan_write_options *options)
{
    const sc_scan_write_options standard = sc_scan_write_options_default();
    job j = {.scan = scan, .options = options ? options : &standard};
    sc_ismrmrd_xml xml = {.header = scan->header, .encodings = 1, .noise_bandwidth = NAN};
    char *text = NULL;
    int64_t readouts = 0;
    sc_status status = SC_OK;
    j.writer = (sc_ismrmrd_writer){.group = -1, .data = -1, .type = -1, .h5 = {.file = -1}};
    j.stored = scan->nx * j.options->oversampling;
    SC_TRY(check_limits(&j));
    SC_TRY(count_rows(&readouts, &scan->mask, scan->nx));
    if (scan->calibration.data)
        SC_TRY(count_rows(&readouts, &scan->calibration_mask, scan->nx));
    if (scan->noise.data) {
        readouts += (scan->noise.dim[1] + NOISE_READOUT - 1) / NOISE_READOUT;
        xml.noise_bandwidth = 1; /* noise readouts of the scan's own dwell time */
    }
    describe_spaces(&xml.encoding[0], &j);
    SC_TRY(sc_ismrmrd_xml_write(&text, &xml, scan->coils));
    SC_TRY(flag_centres(&j));
    SC_TRY(make_lines(&j));
    SC_TRY(sc_ismrmrd_writer_open(&j.writer, "dataset", text, readouts));
    SC_TRY(write_readouts(&j));
    SC_TRY(sc_ismrmrd_writer_commit(&j.writer, path));
cleanup:
    sc_free(text);
    free_job(&j);
    return status;
}

sc_status sc_scan_write_cfl(const char *path, const sc_scan *scan)
{
    sc_status status = SC_OK;
    sc_array turned = {0};
    int64_t dim[SC_BART_DIMS] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    bool flat = scan->nz == 1 && scan->readout != 'x';
    /* our order (frame, slice, coil, kz, ky, kx); BART's slowest last: slice, frame, coil ... */
    dim[SC_BART_READ] = flat ? 1 : scan->nx;
    dim[SC_BART_PHS1] = scan->ny;
    dim[SC_BART_PHS2] = flat ? scan->nx : scan->nz;
    dim[SC_BART_COIL] = scan->coils;
    dim[SC_BART_TIME] = scan->frames;
    dim[SC_BART_SLICE] = scan->slices;
    SC_TRY(sc_array_create(&turned, SC_C32, scan->kspace.rank, scan->kspace.dim));
    int64_t plane = scan->nz * scan->ny * scan->nx, one = scan->coils * plane;
    for (int64_t i = 0; i < scan->frames * scan->slices; i++) {
        int64_t f = i / scan->slices, s = i % scan->slices;
        const sc_c32 *from = (const sc_c32 *)scan->kspace.data + i * one;
        sc_c32 *to = (sc_c32 *)turned.data + (s * scan->frames + f) * one;
        for (int64_t c = 0; c < scan->coils; c++)
            for (int64_t x = 0; x < plane; x++)
                to[c * plane + (flat ? x % scan->nx * scan->ny + x / scan->nx : x)] =
                    from[c * plane + x];
    }
    SC_TRY(sc_cfl_write(path, &turned, dim));
cleanup:
    sc_array_free(&turned);
    return status;
}
