/* The simulated scanner (see simulate.h). */
#include "recon/simulate.h"
#include "base/memory.h"
#include "recon/sampling.h"
#include "recon/simulate_internal.h"
#include <assert.h>
#include <lapacke.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COILS_MAX SC_SIMULATE_COILS

/* Purposes of SC_DRAW_SIMULATE; + 3 is the mask (sampling.c). */
enum { DRAW_NOISE = SC_DRAW_SIMULATE, DRAW_PRESCAN, DRAW_PHASE };

sc_simulate_options sc_simulate_default(void)
{
    return (sc_simulate_options){.coils = 8,
                                 .mask = "lines:4:24",
                                 .noise = 0.01,
                                 .shading = 0.3,
                                 .noise_samples = 4096,
                                 .step = 1};
}

typedef struct {
    const sc_simulate_options *o;
    const sc_device *device;
    const sc_volume *image;
    int64_t h, w, slices, fy, fx; /* image, number of slices, fine grid */
    int64_t ny, nx;
    float phase[SC_SIMULATE_PHASE_TERMS];
    sc_simulate_array array;
    double sigma;           /* in image units */
    double complex *factor; /* (coil, coil): Cholesky factor of the noise's correlation */
} simulation;

static sc_status check(simulation *s)
{
    const sc_simulate_options *o = s->o;
    const sc_array *data = &s->image->data;
    if (data->rank != 3 || (data->dtype != SC_F32 && data->dtype != SC_C32))
        return sc_fail(SC_ERR_INPUT, "simulate: expected a real or complex volume [slice, y, x]");
    if (o->coils < 1 || o->coils > COILS_MAX)
        return sc_fail(SC_ERR_USAGE, "coils: expected 1 to %d, found %d", COILS_MAX, o->coils);
    if (!(o->noise >= 0) || o->noise > 10)
        return sc_fail(SC_ERR_USAGE, "noise: expected 0 to 10, found %g", o->noise);
    if (!(o->correlation >= 0) || o->correlation > 0.45)
        return sc_fail(SC_ERR_USAGE, "correlation: expected 0 to 0.45, found %g", o->correlation);
    if (!(o->shading >= 0) || o->shading > 1)
        return sc_fail(SC_ERR_USAGE, "shading: expected 0 to 1, found %g", o->shading);
    if (o->noise_samples < 0 || o->noise_samples > (1 << 24))
        return sc_fail(SC_ERR_USAGE, "noise samples: expected 0 to 16777216, found %lld",
                       (long long)o->noise_samples);
    int64_t step = o->step > 0 ? o->step : 1, have = data->dim[0];
    s->slices = o->slices > 0 ? o->slices : (have - o->first + step - 1) / step;
    if (o->first < 0 || s->slices < 1 || o->first + (s->slices - 1) * step >= have)
        return sc_fail(SC_ERR_USAGE,
                       "slices: %lld from %lld in steps of %lld are not in a volume of %lld",
                       (long long)s->slices, (long long)o->first, (long long)step, (long long)have);
    s->h = data->dim[1];
    s->w = data->dim[2];
    s->ny = o->ny > 0 ? o->ny : s->h;
    s->nx = o->nx > 0 ? o->nx : s->w;
    if (s->ny < 8 || s->nx < 8 || s->ny > 4096 || s->nx > 4096)
        return sc_fail(SC_ERR_USAGE, "matrix: expected 8 to 4096, found %lld x %lld",
                       (long long)s->ny, (long long)s->nx);
    s->fy = 2 * (s->h > s->ny ? s->h : s->ny);
    s->fx = 2 * (s->w > s->nx ? s->w : s->nx);
    return SC_OK;
}

/* Cholesky factor of R, R[c,d] = rho^distance around the ring. */
static sc_status noise_factor(simulation *s)
{
    int n = s->o->coils;
    sc_status status = SC_ALLOC(&s->factor, (int64_t)n * n, "noise correlation");
    if (status != SC_OK)
        return status;
    for (int c = 0; c < n; c++)
        for (int d = 0; d <= c; d++) {
            int apart = c - d < n - (c - d) ? c - d : n - (c - d);
            s->factor[c * n + d] = apart ? pow(s->o->correlation, apart) : 1;
        }
    if (LAPACKE_zpotrf(LAPACK_ROW_MAJOR, 'L', n, s->factor, n) != 0)
        return sc_fail(SC_ERR_USAGE, "correlation: %g is too much for %d coils", s->o->correlation,
                       n);
    return SC_OK;
}

static int64_t slice_index(const simulation *s, int64_t i)
{
    return s->o->first + i * (s->o->step > 0 ? s->o->step : 1);
}

/* Noiseless, full k-space of one slice: (coil, ny, nx). fine, coil: (fy, fx) work. */
static void measure_slice(sc_c32 *kspace, sc_c32 *fine, sc_c32 *coil, double complex *maps,
                          const sc_fft *fft, const simulation *s, int64_t index)
{
    int64_t n = s->fy * s->fx, from = slice_index(s, index) * s->h * s->w;
    const sc_array *data = &s->image->data;
    const char *slice = (const char *)data->data + (size_t)from * sc_dtype_size(data->dtype);
    double z = ((double)slice_index(s, index) + 0.5) / (double)data->dim[0] - 0.5;
    double scale = sqrt((double)(s->ny * s->nx) / (double)n);
    int coils = s->o->coils;
    sc_simulate_resample(fine, s->fy, s->fx, slice, data->dtype, s->h, s->w);
    for (int64_t i = 0; i < n; i++) {
        double y = (double)(i / s->fx - s->fy / 2) / (double)s->fy;
        double x = (double)(i % s->fx - s->fx / 2) / (double)s->fx;
        sc_simulate_sensitivity(maps + i * coils, &s->array, x, y, z);
        fine[i] *= (sc_c32)cexp(I * sc_simulate_phase(s->phase, x, y, z));
    }
    for (int c = 0; c < coils; c++) {
        for (int64_t i = 0; i < n; i++)
            coil[i] = (sc_c32)(maps[i * coils + c] * fine[i]);
        s->device->kernels->fft(fft, coil, coil, false);
        for (int64_t y = 0; y < s->ny; y++)
            for (int64_t x = 0; x < s->nx; x++)
                kspace[(c * s->ny + y) * s->nx + x] =
                    (float)scale *
                    coil[(y - s->ny / 2 + s->fy / 2) * s->fx + x - s->nx / 2 + s->fx / 2];
    }
}

/* scan->kspace (1, slice, coil, 1, ky, kx) noiseless. */
static sc_status measure(sc_scan *scan, const simulation *s)
{
    sc_status status = SC_OK;
    sc_c32 *fine = NULL, *coil = NULL;
    double complex *maps = NULL;
    sc_fft *fft = NULL;
    int64_t n = s->fy * s->fx;
    SC_TRY(SC_ALLOC(&fine, n, "fine image"));
    SC_TRY(SC_ALLOC(&coil, n, "fine coil image"));
    SC_TRY(SC_ALLOC(&maps, n * s->o->coils, "coil maps"));
    SC_TRY(s->device->kernels->fft_create(s->device, &fft, 2, (int64_t[]){s->fy, s->fx}, 1));
    for (int64_t i = 0; i < s->slices; i++)
        measure_slice((sc_c32 *)scan->kspace.data + i * s->o->coils * s->ny * s->nx, fine, coil,
                      maps, fft, s, i);
cleanup:
    if (fft)
        s->device->kernels->fft_free(fft);
    sc_free(fine);
    sc_free(coil);
    sc_free(maps);
    return status;
}

static int ascending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Root sum of squares of the noiseless coil images; and the noise's size from it. */
static sc_status truth_of(sc_array *truth, simulation *s, const sc_scan *scan)
{
    sc_status status = SC_OK;
    int64_t n = s->ny * s->nx, coils = s->o->coils, count = s->slices * n;
    sc_c32 *coil = NULL;
    float *sorted = NULL;
    sc_fft *fft = NULL;
    SC_TRY(sc_array_create(truth, SC_F32, 3, (int64_t[]){s->slices, s->ny, s->nx}));
    SC_TRY(SC_ALLOC(&coil, n, "coil image"));
    SC_TRY(SC_ALLOC(&sorted, count, "magnitudes"));
    SC_TRY(s->device->kernels->fft_create(s->device, &fft, 2, (int64_t[]){s->ny, s->nx}, 1));
    float *rss = truth->data;
    for (int64_t i = 0; i < s->slices * coils; i++) {
        s->device->kernels->fft(fft, coil, (const sc_c32 *)scan->kspace.data + i * n, true);
        for (int64_t k = 0; k < n; k++)
            rss[i / coils * n + k] +=
                crealf(coil[k]) * crealf(coil[k]) + cimagf(coil[k]) * cimagf(coil[k]);
    }
    for (int64_t i = 0; i < count; i++)
        sorted[i] = rss[i] = sqrtf(rss[i]);
    qsort(sorted, (size_t)count, sizeof *sorted, ascending);
    double bright = sorted[(int64_t)(0.999 * (double)(count - 1))];
    s->sigma = s->o->noise * bright;
    if (!(bright > 0) || !isfinite(bright) || !isfinite(sorted[count - 1]))
        status = sc_fail(SC_ERR_INPUT, "simulate: the image is empty or not finite");
cleanup:
    if (fft)
        s->device->kernels->fft_free(fft);
    sc_free(coil);
    sc_free(sorted);
    return status;
}

/* y (coil, n) += factor z of every sample, z white; slice and coil key the numbers. */
static sc_status add_noise(sc_c32 *y, int64_t n, const simulation *s, uint32_t draw, int64_t slice)
{
    sc_status status = SC_OK;
    int coils = s->o->coils;
    sc_c32 *z = NULL;
    SC_TRY(SC_ALLOC(&z, n, "noise"));
    for (int d = 0; d < coils; d++) { /* column d of the factor */
        sc_key key = {s->o->seed, (uint32_t)slice, (uint32_t)d};
        sc_random_normal((float *)z, 2 * n, key, draw, 0);
        for (int c = d; c < coils; c++) {
            float f = (float)(s->sigma * creal(s->factor[c * coils + d]));
            for (int64_t i = 0; i < n && f != 0; i++)
                y[c * n + i] += f * z[i];
        }
    }
cleanup:
    sc_free(z);
    return status;
}

/* Centred unitary DFT along the slices, and the scan becomes 3D: (coil, kz, ky, kx). */
static sc_status to_three_d(sc_scan *scan, const simulation *s)
{
    sc_status status = SC_OK;
    sc_array volume = {0};
    int64_t n = s->ny * s->nx, nz = s->slices, coils = s->o->coils;
    SC_TRY(sc_array_create(&volume, SC_C32, 6, (int64_t[]){1, 1, coils, nz, s->ny, s->nx}));
    const sc_c32 *from = scan->kspace.data; /* (slice, coil, n) */
    sc_c32 *to = volume.data;
    for (int64_t c = 0; c < coils; c++)
        for (int64_t k = 0; k < nz; k++)
            for (int64_t z = 0; z < nz; z++) {
                double angle = -2 * M_PI * (double)((k - nz / 2) * (z - nz / 2)) / (double)nz;
                sc_c32 w = (sc_c32)(cexp(I * angle) / sqrt((double)nz));
                for (int64_t i = 0; i < n; i++)
                    to[(c * nz + k) * n + i] += w * from[(z * coils + c) * n + i];
            }
    sc_array_free(&scan->kspace);
    scan->kspace = volume;
    scan->nz = nz;
    scan->slices = 1;
cleanup:
    return status;
}

/* Mask for all slices, or over (kz, ky) in 3D; what is not sampled becomes 0. */
static sc_status sample(sc_scan *scan, const simulation *s)
{
    sc_status status = SC_OK;
    bool three = s->o->three_d;
    int64_t rows = three ? s->slices : s->ny, columns = three ? s->ny : s->nx;
    int64_t n = s->ny * s->nx, volume = scan->nz * n;
    float *one = NULL;
    SC_TRY(SC_ALLOC(&one, rows * columns, "mask"));
    if (s->o->mask_array)
        for (int64_t i = 0; i < rows * columns; i++)
            one[i] = s->o->mask_array[i] > 0;
    else
        SC_TRY(sc_sampling_mask(one, rows, columns, s->o->mask, (sc_key){.seed = s->o->seed}));
    SC_TRY(sc_array_create(&scan->mask, SC_F32, 5,
                           (int64_t[]){1, scan->slices, scan->nz, s->ny, s->nx}));
    float *mask = scan->mask.data;
    for (int64_t i = 0; i < scan->slices * volume; i++)
        mask[i] = three ? one[i / s->nx] : one[i % n];
    sc_c32 *y = scan->kspace.data;
    for (int64_t i = 0; i < scan->slices * s->o->coils * volume; i++)
        if (!(mask[i / volume / s->o->coils * volume + i % volume] > 0))
            y[i] = 0;
cleanup:
    sc_free(one);
    return status;
}

/* Geometry on the wanted matrix and the chosen slices: centres n/2 coincide. */
static sc_status place(sc_geometry *g, const simulation *s)
{
    sc_status status = SC_OK;
    double *position = NULL;
    int64_t step = s->o->step > 0 ? s->o->step : 1;
    SC_TRY(sc_geometry_copy(g, &s->image->geometry));
    if (!g->known)
        goto cleanup;
    double fx = (double)s->w / (double)s->nx, fy = (double)s->h / (double)s->ny;
    double ox = (double)(s->w / 2) - fx * (double)(s->nx / 2);
    double oy = (double)(s->h / 2) - fy * (double)(s->ny / 2);
    for (int r = 0; r < 3; r++) {
        double shift = ox * g->affine[r][0] + oy * g->affine[r][1];
        g->affine[r][3] += shift + (double)s->o->first * g->affine[r][2];
        g->affine[r][2] *= (double)step;
        if (g->slice_position)
            for (int64_t i = 0; i < g->slices; i++)
                g->slice_position[3 * i + r] += shift;
        g->affine[r][0] *= fx;
        g->affine[r][1] *= fy;
    }
    if (g->slice_position) {
        SC_TRY(SC_ALLOC(&position, 3 * s->slices, "slice positions"));
        for (int64_t i = 0; i < s->slices; i++)
            memcpy(position + 3 * i, g->slice_position + 3 * slice_index(s, i),
                   3 * sizeof *position);
        sc_free(g->slice_position);
        g->slice_position = position;
    }
    g->slices = s->slices;
cleanup:
    return status;
}

static sc_status prescan(sc_scan *scan, const simulation *s)
{
    int64_t n = s->o->noise_samples;
    if (n == 0 || s->sigma == 0)
        return SC_OK;
    sc_status status = sc_array_create(&scan->noise, SC_C32, 2, (int64_t[]){s->o->coils, n});
    return status == SC_OK ? add_noise(scan->noise.data, n, s, DRAW_PRESCAN, 0) : status;
}

static sc_status fill(sc_scan *scan, sc_volume *truth, simulation *s)
{
    sc_status status = SC_OK;
    int64_t n = s->ny * s->nx;
    SC_TRY(SC_ALLOC(&scan->frame, 1, "frame"));
    SC_TRY(sc_array_create(&scan->kspace, SC_C32, 6,
                           (int64_t[]){1, s->slices, s->o->coils, 1, s->ny, s->nx}));
    SC_TRY(measure(scan, s));
    SC_TRY(truth_of(&truth->data, s, scan));
    for (int64_t i = 0; i < s->slices && s->sigma > 0; i++) /* white: the same before a DFT in z */
        SC_TRY(add_noise((sc_c32 *)scan->kspace.data + i * s->o->coils * n, n, s, DRAW_NOISE, i));
    if (s->o->three_d)
        SC_TRY(to_three_d(scan, s));
    SC_TRY(sample(scan, s));
    SC_TRY(prescan(scan, s));
    SC_TRY(place(&scan->geometry, s));
    SC_TRY(sc_geometry_copy(&truth->geometry, &scan->geometry));
    snprintf(truth->units, sizeof truth->units, "a.u.");
cleanup:
    return status;
}

sc_status sc_simulate(sc_scan *scan, sc_volume *truth, const sc_volume *image,
                      const sc_simulate_options *options, const sc_device *device)
{
    assert(strcmp(device->kernels->name, "cpu") == 0); /* works on host arrays */
    sc_status status = SC_OK;
    sc_volume kept = {0};
    simulation s = {.o = options, .device = device, .image = image};
    *scan = (sc_scan){0};
    sc_header_clear(&scan->header);
    if (truth)
        *truth = (sc_volume){0};
    SC_TRY(check(&s));
    SC_TRY(noise_factor(&s));
    s.array = sc_simulate_coils(options->coils, options->shading);
    sc_random_normal(s.phase, SC_SIMULATE_PHASE_TERMS, (sc_key){.seed = options->seed}, DRAW_PHASE,
                     0);
    scan->frames = scan->nz = 1;
    scan->slices = s.slices;
    scan->coils = options->coils;
    scan->ny = scan->image_ny = s.ny;
    scan->nx = scan->image_nx = s.nx;
    scan->image_nz = options->three_d ? s.slices : 1;
    snprintf(scan->source, sizeof scan->source, "simulated scan");
    snprintf(scan->format, sizeof scan->format, "simulation");
    SC_TRY(fill(scan, &kept, &s));
    if (truth) {
        *truth = kept;
        kept = (sc_volume){0};
    }
cleanup:
    sc_free(s.factor);
    sc_volume_free(&kept);
    if (status != SC_OK)
        sc_scan_free(scan);
    return status;
}
