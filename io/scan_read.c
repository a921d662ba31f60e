/* Recognising a scan file by its content, and the checks that every scan has to pass. */
#include "base/file.h"
#include "base/memory.h"
#include "io/hdf5_internal.h"
#include "io/scan_internal.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* In order: fastMRI is the more special of the two kinds of HDF5 file. */
static const sc_scan_reader readers[] = {
    {"fastMRI", sc_fastmri_probe, sc_fastmri_read},
    {"ISMRMRD", sc_ismrmrd_probe, sc_ismrmrd_read},
    {"npy", sc_scan_npy_probe, sc_scan_npy_read},
    {"cfl", sc_scan_cfl_probe, sc_scan_cfl_read},
};

sc_scan_options sc_scan_options_default(void)
{
    return (sc_scan_options){.slice = -1,
                             .contrast = -1,
                             .repetition = -1,
                             .set = -1,
                             .phase = -1,
                             .average = -1,
                             .encoding = -1};
}

static void try_hdf5(const char *path, void *self)
{
    const sc_scan_options *options = self;
    sc_scan_probe probe = {.path = path, .head = "\x89HDF\r\n\x1a\n", .bytes = 8};
    bool fastmri = sc_fastmri_probe(&probe);
    if (fastmri && options)
        sc_fastmri_try(path);
    else if (options)
        sc_ismrmrd_try(path, options->group);
}

/* options: what will be read; NULL: nothing but what probes look at. */
static sc_status find_reader(const sc_scan_reader **reader, const char *path,
                             const sc_scan_options *options)
{
    char head[512];
    sc_scan_probe probe = {.path = path, .head = head};
    int64_t bytes;
    struct stat info;
    if (!path[0])
        return sc_fail(SC_ERR_INPUT, "a scan without a name");
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        return sc_fail(SC_ERR_FORMAT, "not a scan: a folder, expected a file");
    FILE *file = fopen(path, "rb");
    int reason = errno;
    if (file) {
        probe.bytes = fread(head, 1, sizeof head, file);
        fclose(file);
    }
    if (sc_hdf5_probe(head, probe.bytes) && !(options && options->trusted)) {
        sc_status status = sc_file_size(&bytes, path);
        if (status == SC_OK)
            status = sc_hdf5_trial(path, bytes, try_hdf5, (void *)(uintptr_t)options);
        if (status != SC_OK)
            return status;
    }
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
        if (readers[i].probe(&probe)) {
            *reader = &readers[i];
            return SC_OK;
        }
    if (!file)
        return sc_fail(SC_ERR_IO, "%s", strerror(reason));
    return sc_fail(
        SC_ERR_FORMAT,
        "not a scan: expected ISMRMRD or fastMRI HDF5, .npy, or a pair of .cfl and .hdr");
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

sc_status sc_scan_recognise(const char **format, const char *path)
{
    const sc_scan_reader *reader = NULL;
    sc_status status = find_reader(&reader, path, NULL);
    *format = reader ? reader->name : NULL;
    return sc_context(status, "%s", base_name(path));
}

static sc_status read_with(sc_scan *scan, const sc_scan_reader *reader, const char *path,
                           const sc_scan_options *options)
{
    sc_status status = SC_OK;
    SC_TRY(reader->read(scan, path, options));
    snprintf(scan->format, sizeof scan->format, "%s", reader->name);
    if (!scan->image_nx) {
        scan->image_nx = scan->nx;
        scan->image_ny = scan->ny;
        scan->image_nz = scan->nz;
    }
    SC_TRY(sc_scan_check(scan));
    if (options->mask)
        SC_TRY(sc_scan_apply_mask(scan, options->mask));
cleanup:
    return status;
}

sc_status sc_scan_read(sc_scan *scan, const char *path, const sc_scan_options *options)
{
    sc_scan_options own = options ? *options : sc_scan_options_default();
    const sc_scan_reader *reader = NULL;
    sc_device *device = NULL;
    sc_status status = SC_OK;
    *scan = (sc_scan){0};
    sc_header_clear(&scan->header);
    snprintf(scan->source, sizeof scan->source, "%s", base_name(path));
    SC_TRY(find_reader(&reader, path, &own));
    if (!own.device) {
        SC_TRY(sc_device_create_cpu(&device, 1));
        own.device = device;
    }
    SC_TRY(read_with(scan, reader, path, &own));
cleanup:
    sc_device_free(device);
    if (status == SC_OK)
        return SC_OK;
    sc_scan_free(scan);
    /* readers of array files name the file themselves */
    return strstr(sc_message(), base_name(path)) ? status
                                                 : sc_context(status, "%s", base_name(path));
}

/* "slice 3", or "slice 3 of frame 1" where there are several. */
static const char *image_name(char name[64], const sc_scan *scan, int64_t image)
{
    int n = snprintf(name, 64, "slice %lld", (long long)(image % scan->slices));
    if (scan->frames > 1)
        snprintf(name + n, 64 - (size_t)n, " of frame %lld", (long long)(image / scan->slices));
    return name;
}

static bool any(const float *v, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (v[i] != 0)
            return true;
    return false;
}

sc_status sc_scan_check(const sc_scan *scan)
{
    int64_t plane = scan->nz * scan->ny * scan->nx, n = 2 * scan->coils * plane;
    char name[64];
    for (int64_t i = 0; i < scan->frames * scan->slices; i++) {
        const float *v = (const float *)scan->kspace.data + i * n;
        int64_t bad = 0;
        for (int64_t j = 0; j < n; j++)
            bad += !isfinite(v[j]);
        if (bad)
            return sc_fail(SC_ERR_INPUT, "%s: k-space holds %lld NaN or Inf",
                           image_name(name, scan, i), (long long)bad);
        if (!any((const float *)scan->mask.data + i * plane, plane) || !any(v, n))
            return sc_fail(SC_ERR_INPUT, "%s: k-space is all zero", image_name(name, scan, i));
    }
    return SC_OK;
}

sc_status sc_scan_choice(const char *name, int choice, int64_t low, int64_t high)
{
    if (choice < 0 || (choice >= low && choice <= high))
        return SC_OK;
    return sc_fail(SC_ERR_USAGE, "%s: expected %lld to %lld, found %d", name, (long long)low,
                   (long long)high, choice);
}

/* Does any coil have a sample other than 0 at x? */
static bool is_sampled(const sc_c32 *v, int64_t coils, int64_t plane, int64_t x)
{
    for (int64_t c = 0; c < coils; c++)
        if (crealf(v[c * plane + x]) != 0 || cimagf(v[c * plane + x]) != 0)
            return true;
    return false;
}

sc_status sc_scan_from_kspace(sc_scan *scan)
{
    const int64_t *d = scan->kspace.dim;
    const int64_t mask[5] = {d[0], d[1], d[3], d[4], d[5]};
    scan->frames = d[0];
    scan->slices = d[1];
    scan->coils = d[2];
    scan->nz = d[3];
    scan->ny = d[4];
    scan->nx = d[5];
    if (scan->nz > 1 && scan->slices > 1)
        return sc_fail(SC_ERR_UNSUPPORTED, "%lld slabs of a 3D scan in one file",
                       (long long)scan->slices);
    sc_status status = SC_OK;
    SC_TRY(sc_array_create(&scan->mask, SC_F32, 5, mask));
    if (!scan->frame)
        SC_TRY(SC_ALLOC(&scan->frame, scan->frames, "frames"));
    int64_t plane = scan->nz * scan->ny * scan->nx;
    for (int64_t i = 0; i < scan->frames * scan->slices; i++) {
        const sc_c32 *v = (const sc_c32 *)scan->kspace.data + i * scan->coils * plane;
        float *m = (float *)scan->mask.data + i * plane;
        for (int64_t x = 0; x < plane; x++)
            m[x] = is_sampled(v, scan->coils, plane, x);
    }
cleanup:
    return status;
}
