/* Load a job: every file is read and every setting checked before anything is computed. */
#include "base/memory.h"
#include "io/cfl.h"
#include "io/geometry.h"
#include "io/npy.h"
#include "prior/complex_score.h"
#include "protocols/job_internal.h"
#include <omp.h>
#include <stdio.h>
#include <string.h>

#define TOGETHER 8 /* planes of a batch on a GPU: of 256 x 256, enough to fill one */

static sc_status choose_method(sc_running *run)
{
    const sc_protocol *s = &run->job->settings;
    const char *name = s->method;
    if (!name || !strcmp(name, "default"))
        name = s->samples > 0 ? SC_METHOD_SAMPLES : SC_METHOD_POINT;
    sc_status status = sc_method_find(&run->method, name);
    if (status != SC_OK)
        return status;
    run->options = sc_options_default(run->method->options);
    for (unsigned i = 0; i < s->options_count && status == SC_OK; i++) {
        char key[64];
        const char *equals = strchr(s->options[i], '=');
        size_t n = equals ? (size_t)(equals - s->options[i]) : sizeof key;
        if (n >= sizeof key)
            return sc_fail(SC_ERR_USAGE, "expected KEY=VALUE, found '%.80s'", s->options[i]);
        memcpy(key, s->options[i], n);
        key[n] = 0;
        status = sc_context(sc_options_set(&run->options, key, equals + 1), "method %s", name);
    }
    return status;
}

static bool has_option(const sc_option *table, const char *name)
{
    for (; table && table->name; table++)
        if (!strcmp(table->name, name))
            return true;
    return false;
}

static sc_status choose_samples(sc_running *run)
{
    char text[16];
    run->samples = run->job->settings.samples;
    if (run->samples == 0)
        return SC_OK;
    if (!has_option(run->method->options, "samples"))
        return sc_fail(SC_ERR_USAGE, "method %s draws no samples: it is a %s", run->method->name,
                       run->method->claim);
    snprintf(text, sizeof text, "%d", run->samples);
    return sc_options_set(&run->options, "samples", text);
}

/* A prior of one channel for the complex images of MR: on real and imaginary part. */
static sc_status make_complex(sc_running *run, const char *path)
{
    sc_score *both;
    if (run->score->channels != 1)
        return SC_OK;
    sc_status status = sc_score_complex(&both, run->score);
    if (status != SC_OK)
        return status;
    run->score = both;
    run->one_channel = true;
    sc_log(SC_LOG_WARN, "%s: " SC_JOB_ONE_CHANNEL, path);
    return SC_OK;
}

static sc_status load_prior(sc_running *run)
{
    const char *path =
        run->job->settings.prior ? run->job->settings.prior : run->job->shipped_prior;
    if (!run->method->needs_score)
        return SC_OK;
    if (!path)
        return sc_fail(SC_ERR_INPUT,
                       "method %s needs a prior, and none is installed: give --prior FILE",
                       run->method->name);
    bool on_device = run->job->cuda && run->device->kernels->net;
    run->together = on_device ? TOGETHER : 1;
    if (run->job->cuda && !on_device)
        sc_log(SC_LOG_WARN, "%s: the network runs on the CPU", run->device->description);
    sc_status status = on_device ? sc_score_load_on(&run->score, path, run->device)
                                 : sc_score_load(&run->score, path, run->threads);
    if (status != SC_OK)
        return status;
    if (run->score->modality[0] && strcmp(run->score->modality, "MR") != 0)
        return sc_fail(SC_ERR_INPUT, "%s: modality: expected a prior for MR, found one for %s",
                       path, run->score->modality);
    return make_complex(run, path);
}

/* Maps come as (coil, y, x) or (set, coil, y, x), from cfl in BART's order (1, ny, nx, coil, set),
 * which is turned. */
static sc_status turn_bart_maps(sc_array *maps, const int64_t d[SC_BART_DIMS])
{
    if (d[0] != 1)
        return sc_fail(SC_ERR_UNSUPPORTED,
                       "maps: expected dimensions 1 ny nx coil, found %lld first", (long long)d[0]);
    int64_t ny = d[1], nx = d[2], planes = d[SC_BART_COIL] * d[SC_BART_MAPS];
    sc_array turned;
    sc_status status =
        sc_array_create(&turned, SC_C32, 4, (int64_t[]){d[SC_BART_MAPS], d[SC_BART_COIL], ny, nx});
    if (status != SC_OK)
        return status;
    const sc_c32 *in = maps->data;
    sc_c32 *out = turned.data;
    for (int64_t p = 0; p < planes; p++)
        for (int64_t y = 0; y < ny; y++)
            for (int64_t x = 0; x < nx; x++)
                out[(p * ny + y) * nx + x] = in[(p * nx + x) * ny + y];
    sc_array_free(maps);
    *maps = turned;
    return SC_OK;
}

static sc_status load_maps(sc_running *run)
{
    const char *path = run->job->maps;
    int64_t dims[SC_BART_DIMS];
    sc_status status = SC_OK;
    if (!path)
        return SC_OK;
    if (sc_cfl_probe(path)) {
        SC_TRY(sc_cfl_read(&run->maps, dims, path));
        SC_TRY(sc_context(turn_bart_maps(&run->maps, dims), "%s", path));
    } else {
        SC_TRY(sc_npy_read(&run->maps, path));
    }
    if (run->maps.dtype != SC_C32)
        return sc_fail(SC_ERR_INPUT, "%s: expected complex maps, found %s", path,
                       sc_dtype_name(run->maps.dtype));
    if (run->maps.rank == 3) { /* one set */
        memmove(run->maps.dim + 1, run->maps.dim, 3 * sizeof *run->maps.dim);
        run->maps.dim[0] = 1, run->maps.rank = 4;
    }
cleanup:
    return status;
}

static sc_status calibrate(sc_running *run)
{
    sc_prepare_options options = sc_prepare_default();
    const sc_protocol *s = &run->job->settings;
    char text[32];
    static const char *const sets[] = {"auto", "1", "2"};
    if (s->virtual_coils > run->scan.coils)
        sc_log(SC_LOG_WARN, "%s: %d virtual coils were asked for, but it has %lld coils: none is compressed",
               run->scan.source, s->virtual_coils, (long long)run->scan.coils);
    options.maps = run->maps.data ? &run->maps : NULL;
    sc_status status = sc_options_set(&options.values, "sets", sets[s->maps]);
    snprintf(text, sizeof text, "%d", s->virtual_coils);
    if (status == SC_OK)
        status = sc_options_set(&options.values, "coils", text);
    snprintf(text, sizeof text, "%.17g", run->job->noise);
    if (status == SC_OK)
        status = sc_options_set(&options.values, "noise", text);
    if (status == SC_OK)
        status = sc_calibration_create(&run->calibration, &run->scan, &options);
    return status;
}

static sc_status load_geometry(sc_running *run)
{
    const sc_planes *p = &run->calibration.planes;
    const char *path = run->job->settings.geometry;
    if (path)
        return sc_geometry_file_read(&run->geometry, path, p->out_slices, run->scan.image_ny,
                                     run->scan.image_nx);
    return sc_geometry_copy(&run->geometry, &run->scan.geometry);
}

/* DICOM without a place in the patient is refused only where it was asked for. */
static sc_status choose_formats(sc_running *run)
{
    run->formats = run->job->settings.formats;
    if (!run->formats)
        run->formats = SC_FORMAT_DICOM | SC_FORMAT_NPY | SC_FORMAT_PNG;
    if (run->samples > 1 && !(run->formats & SC_FORMAT_NPY)) {
        sc_log(SC_LOG_WARN, "standard deviation, quantiles and samples are written as .npy too");
        run->formats |= SC_FORMAT_NPY;
    }
    if (!(run->formats & SC_FORMAT_DICOM) || run->geometry.known)
        return SC_OK;
    if (run->job->strict_formats || run->formats == SC_FORMAT_DICOM)
        return sc_fail(SC_ERR_INPUT,
                       "%s: the scan does not say where the image lies in the patient, which DICOM "
                       "needs: give --geometry FILE, or --format without dicom",
                       run->scan.source);
    sc_log(SC_LOG_WARN, "%s: no geometry in the scan: no DICOM is written (see --geometry)",
           run->scan.source);
    run->formats &= ~(unsigned)SC_FORMAT_DICOM;
    return SC_OK;
}

sc_status sc_job_begin(sc_running *run, const sc_job *job)
{
    sc_status status = SC_OK;
    *run = (sc_running){.job = job};
    run->threads = job->threads > 0 ? job->threads : omp_get_num_procs();
    SC_TRY(choose_method(run));
    SC_TRY(choose_samples(run));
    SC_TRY(sc_method_find(&run->classical, SC_METHOD_CLASSICAL));
    run->classical_options = sc_options_default(run->classical->options);
cleanup:
    return status;
}

sc_status sc_job_load(sc_running *run)
{
    sc_status status = SC_OK;
    const sc_job *job = run->job;
    SC_TRY(job->cuda ? sc_device_create_cuda(&run->device)
                     : sc_device_create_cpu(&run->device, run->threads));
    run->device->precision = job->precision;
    SC_TRY(load_prior(run));
    sc_scan_options read = job->read;
    read.progress = job->progress;
    SC_TRY(sc_scan_read(&run->scan, job->scan, &read));
    SC_TRY(sc_job_doubt(run->doubt, sizeof run->doubt, &run->scan));
    if (job->noise > 0)
        sc_job_doubt_noise(run->noise_doubt, sizeof run->noise_doubt, &run->scan, job->noise);
    SC_TRY(load_maps(run));
    SC_TRY(sc_context(calibrate(run), "%s", run->scan.source));
    SC_TRY(load_geometry(run));
    SC_TRY(choose_formats(run));
    run->planes = run->scan.frames * run->calibration.planes.count;
    SC_TRY(SC_ALLOC(&run->plane, run->planes, "planes"));
cleanup:
    return status;
}

void sc_job_unload(sc_running *run)
{
    sc_series_free(&run->series);
    sc_free(run->plane);
    sc_geometry_free(&run->geometry);
    sc_calibration_free(&run->calibration);
    sc_array_free(&run->maps);
    sc_scan_free(&run->scan);
    sc_score_free(run->score);
    sc_device_free(run->device);
    *run = (sc_running){0};
}
