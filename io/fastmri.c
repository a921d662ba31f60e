/* fastMRI HDF5 (Zbontar et al. 2018, "fastMRI: An open dataset and benchmarks", and its readers).
 *
 *     kspace          (slice, coil, height, width), (slice, height, width), or with a leading
 *                     axis of averages; height is the oversampled readout, width the phase encode
 *     ismrmrd_header  optional XML: readout oversampling, wanted image, zero padding
 *     mask            optional (width): undersampled already
 *
 * The file's order is kept: ky = height, kx = width, so the readout runs along ky (scan.readout
 * 'y') and images compare with reconstruction_rss as they are. Columns outside [left, right),
 * left = encoded_y/2 - center, right = left + maximum + 1, are padding and never count as
 * measured; nor does a column that is 0 in all coils.
 */
#include "base/memory.h"
#include "io/ismrmrd_internal.h"
#include "io/scan_internal.h"
#include <math.h>
#include <string.h>

typedef struct {
    hid_t kspace, sample; /* dataset, memory type of a complex number */
    int rank;
    int64_t averages, slices, coils, height, width;
    int64_t kept; /* height without oversampling */
    int64_t left, right;
    unsigned char *column; /* (width) 1: may hold data */
    int64_t first_slice;
} reader;

bool sc_fastmri_probe(const sc_scan_probe *probe)
{
    sc_hdf5 h5;
    if (!sc_hdf5_probe(probe->head, probe->bytes) || sc_hdf5_open(&h5, probe->path) != SC_OK)
        return false;
    bool found = sc_hdf5_has(h5.file, "kspace");
    sc_hdf5_close(&h5);
    return found;
}

/* Two floats by the file's own member names: {r, i} from h5py, {real, imag} elsewhere. */
static sc_status sample_type(hid_t *memory, hid_t dataset)
{
    hid_t stored = H5Dget_type(dataset);
    *memory = H5Tcreate(H5T_COMPOUND, sizeof(sc_c32));
    bool good = H5Tget_class(stored) == H5T_COMPOUND && H5Tget_nmembers(stored) == 2;
    for (unsigned i = 0; good && i < 2; i++) {
        char *name = H5Tget_member_name(stored, i);
        good = name && H5Tget_member_class(stored, i) == H5T_FLOAT &&
               H5Tinsert(*memory, name, i * sizeof(float), H5T_NATIVE_FLOAT) >= 0;
        H5free_memory(name);
    }
    sc_hdf5_drop(stored);
    return good ? SC_OK : sc_fail(SC_ERR_FORMAT, "'kspace': samples are not complex numbers");
}

static sc_status open_kspace(reader *k, const sc_hdf5 *h5)
{
    sc_status status = SC_OK;
    int64_t dim[SC_MAX_RANK], all[5] = {1, 1, 1, 1, 1}, count;
    SC_TRY(sc_hdf5_dataset(&k->kspace, h5->file, "kspace"));
    SC_TRY(sample_type(&k->sample, k->kspace));
    SC_TRY(sc_hdf5_shape(&k->rank, dim, k->kspace));
    if (k->rank < 3 || k->rank > 5)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "'kspace': %d axes, expected (slice, coil, height, width)",
                       k->rank));
    for (int a = 0; a < k->rank; a++) /* (slice, height, width) lacks averages and coils */
        all[k->rank == 3 && a == 0 ? 1 : 5 - k->rank + a] = dim[a];
    for (int a = 0; a < 5; a++)
        if (all[a] > UINT16_MAX)
            SC_TRY(sc_fail(SC_ERR_FORMAT, "'kspace': an axis of %lld", (long long)all[a]));
    SC_TRY(sc_shape_count(&count, 5, all, (int64_t)1 << 40));
    /* deflate packs at most 1032 to 1 */
    if (count > h5->bytes * 130)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "'kspace': %lld samples in a file of %lld bytes",
                       (long long)count, (long long)h5->bytes));
    k->averages = all[0];
    k->slices = all[1];
    k->coils = all[2];
    k->height = all[3];
    k->width = all[4];
cleanup:
    return status;
}

/* What the XML says about the grid; k and scan keep their defaults where it says nothing. */
static sc_status use_header(reader *k, sc_scan *scan, const sc_ismrmrd_xml *xml)
{
    const sc_ismrmrd_encoding *e = &xml->encoding[0];
    const sc_ismrmrd_limit *lines = &e->step[1];
    int64_t wanted = sc_ismrmrd_wanted(e, 0), rows = e->recon.matrix[0],
            columns = e->recon.matrix[1];
    scan->header = xml->header;
    if (k->height == e->encoded.matrix[0])
        k->kept = wanted;
    else if (k->height != wanted)
        return sc_fail(SC_ERR_FORMAT, "'kspace' has %lld readout samples, the header says %lld",
                       (long long)k->height, (long long)e->encoded.matrix[0]);
    if (lines->known && k->width == e->encoded.matrix[1]) {
        k->left = k->width / 2 - lines->center;
        k->right = k->left + lines->maximum + 1;
    }
    if (k->width < rows && rows == columns) /* narrow volumes: the target is width x width */
        rows = columns = k->width;
    scan->image_ny = rows < k->kept ? rows : k->kept;
    scan->image_nx = columns < k->width ? columns : k->width;
    return SC_OK;
}

/* Without a header the target's shape still tells what image is wanted. */
static void use_target(reader *k, sc_scan *scan, hid_t file)
{
    static const char *const names[] = {"reconstruction_rss", "reconstruction_esc"};
    for (int i = 0; i < 2; i++) {
        hid_t target;
        int rank = 0;
        int64_t dim[SC_MAX_RANK];
        if (!sc_hdf5_has(file, names[i]) || sc_hdf5_dataset(&target, file, names[i]) != SC_OK)
            continue;
        if (sc_hdf5_shape(&rank, dim, target) == SC_OK && rank == 3 && dim[1] <= k->height &&
            dim[2] <= k->width) {
            scan->image_ny = dim[1];
            scan->image_nx = dim[2];
        }
        sc_hdf5_drop(target);
    }
}

/* `mask` as numbers other than 0; h5py writes bool as an enumeration of one byte. */
static sc_status use_mask(reader *k, hid_t file)
{
    sc_status status = SC_OK;
    hid_t dataset = H5I_INVALID_HID, stored = H5I_INVALID_HID;
    int rank = 0;
    int64_t dim[SC_MAX_RANK], count = 0;
    float *value = NULL;
    if (!sc_hdf5_has(file, "mask"))
        return SC_OK;
    SC_TRY(sc_hdf5_dataset(&dataset, file, "mask"));
    SC_TRY(sc_hdf5_shape(&rank, dim, dataset));
    if (rank < 1 || sc_shape_count(&count, rank, dim, UINT16_MAX) != SC_OK || count != k->width)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "'mask': expected %lld columns", (long long)k->width));
    stored = H5Dget_type(dataset);
    bool one_byte = H5Tget_class(stored) == H5T_ENUM && H5Tget_size(stored) == 1;
    SC_TRY(SC_ALLOC(&value, count, "mask"));
    if (H5Dread(dataset, one_byte ? stored : H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                value) < 0)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "'mask': expected numbers or bool"));
    for (int64_t x = 0; x < count; x++)
        if (one_byte ? !((char *)value)[x] : !(value[x] != 0))
            k->column[x] = 0;
cleanup:
    sc_free(value);
    sc_hdf5_drop(stored);
    sc_hdf5_drop(dataset);
    return status;
}

/* One slice of one average: (coil, height, width). */
static sc_status read_slice(sc_c32 *data, const reader *k, int64_t average, int64_t slice)
{
    const hsize_t all_start[5] = {(hsize_t)average, (hsize_t)slice, 0, 0, 0};
    const hsize_t all_count[5] = {1, 1, (hsize_t)k->coils, (hsize_t)k->height, (hsize_t)k->width};
    hsize_t start[5], count[5];
    for (int a = 0; a < k->rank; a++) {
        int from = k->rank == 3 && a == 0 ? 1 : 5 - k->rank + a;
        start[a] = all_start[from];
        count[a] = all_count[from];
    }
    hid_t file = H5Dget_space(k->kspace), memory = H5Screate_simple(k->rank, count, NULL);
    bool good = H5Sselect_hyperslab(file, H5S_SELECT_SET, start, NULL, count, NULL) >= 0 &&
                H5Dread(k->kspace, k->sample, memory, file, H5P_DEFAULT, data) >= 0;
    sc_hdf5_drop(memory);
    sc_hdf5_drop(file);
    return good ? SC_OK
                : sc_fail(SC_ERR_FORMAT, "slice %lld: 'kspace' cannot be read", (long long)slice);
}

/* Columns that may hold data and do, one number each; the others are set to 0. */
static int64_t measured_columns(unsigned char *measured, sc_c32 *data, const reader *k)
{
    int64_t bad = 0;
    memset(measured, 0, (size_t)k->width);
    for (int64_t row = 0; row < k->coils * k->height; row++, data += k->width)
        for (int64_t x = 0; x < k->width; x++) {
            if (!k->column[x])
                data[x] = 0;
            float re = crealf(data[x]), im = cimagf(data[x]);
            bad += !isfinite(re) + !isfinite(im);
            measured[x] |= re != 0 || im != 0;
        }
    return bad;
}

/* Columns of all coils, turned into lines, without oversampling, added to slice `s` of the scan. */
static void add_slice(sc_scan *scan, int64_t s, const sc_c32 *data, const unsigned char *measured,
                      const reader *k, sc_crop *crop)
{
    sc_c32 *line = sc_crop_lines(crop);
    int64_t lines = k->coils * k->width, plane = k->kept * k->width;
    for (int64_t l = 0; l < lines; l++)
        for (int64_t y = 0; y < k->height; y++)
            line[l * k->height + y] =
                data[(l / k->width * k->height + y) * k->width + l % k->width];
    const sc_c32 *kept = sc_crop_apply(crop);
    sc_c32 *to = (sc_c32 *)scan->kspace.data + s * k->coils * plane;
    float *mask = (float *)scan->mask.data + s * plane;
    for (int64_t l = 0; l < lines; l++)
        for (int64_t y = 0; y < k->kept; y++)
            to[l / k->width * plane + y * k->width + l % k->width] += kept[l * k->kept + y];
    for (int64_t i = 0; i < plane; i++)
        mask[i] += measured[i % k->width];
}

static void divide(sc_scan *scan, int64_t s, const reader *k)
{
    int64_t plane = k->kept * k->width;
    sc_c32 *v = (sc_c32 *)scan->kspace.data + s * k->coils * plane;
    const float *count = (const float *)scan->mask.data + s * plane;
    for (int64_t i = 0; i < k->coils * plane; i++)
        if (count[i % plane] > 1)
            v[i] /= count[i % plane];
}

static sc_status read_slices(sc_scan *scan, const reader *k, const sc_scan_options *options)
{
    sc_status status = SC_OK;
    sc_c32 *data = NULL;
    unsigned char *measured = NULL;
    sc_crop *crop = NULL;
    SC_TRY(SC_ALLOC(&data, k->coils * k->height * k->width, "slice"));
    SC_TRY(SC_ALLOC(&measured, k->width, "columns"));
    SC_TRY(sc_crop_create(&crop, options->device, k->height, k->kept, k->coils * k->width));
    SC_TRY(sc_progress_step(options->progress, "reading", 0, (double)scan->slices));
    for (int64_t s = 0; s < scan->slices; s++) {
        for (int64_t a = 0; a < k->averages; a++) {
            if (options->average >= 0 && options->average != a)
                continue;
            SC_TRY(read_slice(data, k, a, k->first_slice + s));
            int64_t bad = measured_columns(measured, data, k);
            if (bad)
                SC_TRY(sc_fail(SC_ERR_INPUT, "slice %lld: k-space holds %lld NaN or Inf",
                               (long long)(k->first_slice + s), (long long)bad));
            add_slice(scan, s, data, measured, k, crop);
        }
        divide(scan, s, k);
        SC_TRY(
            sc_progress_step(options->progress, "reading", (double)(s + 1), (double)scan->slices));
    }
cleanup:
    sc_crop_free(crop);
    sc_free(measured);
    sc_free(data);
    return status;
}

static sc_status make_scan(sc_scan *scan, reader *k, const sc_scan_options *options)
{
    sc_status status = SC_OK;
    SC_TRY(sc_scan_choice("slice", options->slice, 0, k->slices - 1));
    SC_TRY(sc_scan_choice("average", options->average, 0, k->averages - 1));
    SC_TRY(sc_scan_choice("contrast", options->contrast, 0, 0));
    SC_TRY(sc_scan_choice("repetition", options->repetition, 0, 0));
    SC_TRY(sc_scan_choice("set", options->set, 0, 0));
    SC_TRY(sc_scan_choice("phase", options->phase, 0, 0));
    k->first_slice = options->slice >= 0 ? options->slice : 0;
    scan->frames = 1;
    scan->slices = options->slice >= 0 ? 1 : k->slices;
    scan->coils = k->coils;
    scan->nz = 1;
    scan->ny = k->kept;
    scan->nx = k->width;
    scan->readout = 'y';
    const int64_t dim[6] = {1, scan->slices, k->coils, 1, k->kept, k->width};
    const int64_t mask[5] = {1, scan->slices, 1, k->kept, k->width};
    SC_TRY(sc_array_create(&scan->kspace, SC_C32, 6, dim));
    SC_TRY(sc_array_create(&scan->mask, SC_F32, 5, mask));
    SC_TRY(SC_ALLOC(&scan->frame, 1, "frame"));
cleanup:
    return status;
}

void sc_fastmri_try(const char *path)
{
    sc_hdf5 h5;
    char *text = NULL;
    sc_c32 *data = NULL;
    reader k = {.kspace = H5I_INVALID_HID, .sample = H5I_INVALID_HID};
    if (sc_hdf5_open(&h5, path) != SC_OK)
        return;
    if (sc_hdf5_text(&text, h5.file, "ismrmrd_header", SC_ISMRMRD_XML_LIMIT) == SC_OK)
        sc_free(text);
    if (open_kspace(&k, &h5) == SC_OK && SC_ALLOC(&k.column, k.width, "columns") == SC_OK &&
        SC_ALLOC(&data, k.coils * k.height * k.width, "slice") == SC_OK) {
        (void)use_mask(&k, h5.file);
        for (int64_t i = 0; i < k.averages * k.slices; i++)
            (void)read_slice(data, &k, i / k.slices, i % k.slices);
    }
    sc_free(data);
    sc_free(k.column);
    sc_hdf5_drop(k.sample);
    sc_hdf5_drop(k.kspace);
    sc_hdf5_close(&h5);
}

sc_status sc_fastmri_read(sc_scan *scan, const char *path, const sc_scan_options *options)
{
    sc_status status = SC_OK;
    sc_hdf5 h5;
    sc_ismrmrd_xml xml;
    char *text = NULL;
    reader k = {.kspace = H5I_INVALID_HID, .sample = H5I_INVALID_HID};
    if ((status = sc_hdf5_open(&h5, path)) != SC_OK)
        return status;
    SC_TRY(open_kspace(&k, &h5));
    k.kept = k.height;
    k.right = k.width;
    if (sc_hdf5_has(h5.file, "ismrmrd_header")) {
        SC_TRY(sc_hdf5_text(&text, h5.file, "ismrmrd_header", SC_ISMRMRD_XML_LIMIT));
        SC_TRY(sc_ismrmrd_xml_read(&xml, text));
        SC_TRY(use_header(&k, scan, &xml));
    } else
        use_target(&k, scan, h5.file);
    scan->image_nz = 1;
    if (options->keep_oversampling)
        k.kept = k.height;
    SC_TRY(SC_ALLOC(&k.column, k.width, "columns"));
    for (int64_t x = 0; x < k.width; x++)
        k.column[x] = x >= k.left && x < k.right;
    SC_TRY(use_mask(&k, h5.file));
    SC_TRY(make_scan(scan, &k, options));
    SC_TRY(read_slices(scan, &k, options));
cleanup:
    sc_free(k.column);
    sc_free(text);
    sc_hdf5_drop(k.sample);
    sc_hdf5_drop(k.kspace);
    sc_hdf5_close(&h5);
    return status;
}
