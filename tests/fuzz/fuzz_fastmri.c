/* A well-formed HDF5 file with a hostile fastMRI volume in it.
 *
 * Input: options (1 byte), sizes of five axes (5), length of the XML (2), the XML, columns of the
 * mask (2 and as many bytes), then samples, used again and again.
 */
#include "base/file.h"
#include "base/memory.h"
#include "io/hdf5_internal.h"
#include "io/scan.h"
#include "tests/fuzz/fuzz.h"

typedef struct {
    const uint8_t *at, *end;
} input;

static void take(void *to, size_t bytes, input *in)
{
    size_t n = (size_t)(in->end - in->at) < bytes ? (size_t)(in->end - in->at) : bytes;
    memset(to, 0, bytes);
    memcpy(to, in->at, n);
    in->at += n;
}

static void put(hid_t file, const char *name, hid_t type, int rank, const hsize_t *dim,
                const void *data, bool deflate)
{
    hid_t made = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(rank, dim, NULL);
    if (deflate) {
        H5Pset_chunk(made, rank, dim);
        H5Pset_deflate(made, 1);
    }
    hid_t dataset = H5Dcreate2(file, name, type, space, H5P_DEFAULT, made, H5P_DEFAULT);
    H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data);
    sc_hdf5_drop(dataset);
    sc_hdf5_drop(space);
    sc_hdf5_drop(made);
}

static void put_kspace(hid_t file, uint8_t options, const uint8_t *sizes, const input *in)
{
    static const uint8_t limit[5] = {3, 4, 4, 24, 24};
    int rank = 3 + options % 3;
    hsize_t dim[5], count = 1;
    for (int a = 0; a < rank; a++)
        count *= dim[a] = sizes[a] % limit[5 - rank + a] + 1u;
    size_t given = (size_t)(in->end - in->at) / 4;
    float *v = calloc(2 * count, sizeof *v);
    for (size_t i = 0; v && i < 2 * count; i++)
        if (given)
            memcpy(&v[i], in->at + i % given * 4, 4);
    hid_t type = H5Tcreate(H5T_COMPOUND, 8);
    H5Tinsert(type, "r", 0, H5T_NATIVE_FLOAT);
    H5Tinsert(type, options & 64 ? "imag" : "i", 4,
              options & 128 ? H5T_NATIVE_INT32 : H5T_NATIVE_FLOAT);
    put(file, "kspace", type, rank, dim, v, options & 32);
    sc_hdf5_drop(type);
    free(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input in = {data, data + size};
    uint8_t options, sizes[5];
    uint16_t length;
    static char text[1 << 16];
    sc_hdf5 h5;
    void *image;
    size_t bytes;
    sc_scan scan;
    if (sc_hdf5_create(&h5) != SC_OK)
        abort();
    take(&options, 1, &in);
    take(sizes, sizeof sizes, &in);
    take(&length, sizeof length, &in);
    take(text, length, &in);
    if (options & 8 && length) {
        hid_t type = H5Tcopy(H5T_C_S1);
        H5Tset_size(type, length);
        const hsize_t one = 1;
        put(h5.file, "ismrmrd_header", type, 1, &one, text, false);
        sc_hdf5_drop(type);
    }
    take(&length, sizeof length, &in);
    take(text, length, &in);
    if (options & 16 && length) {
        const hsize_t n = length;
        put(h5.file, "mask", H5T_NATIVE_UINT8, 1, &n, text, false);
    }
    put_kspace(h5.file, options, sizes, &in);
    if (sc_hdf5_image(&image, &bytes, &h5) != SC_OK)
        abort();
    sc_hdf5_close(&h5);
    sc_scan_options reading = sc_scan_options_default();
    reading.trusted = true; /* the HDF5 around it is sound */
    fuzz_verdict(sc_scan_read(&scan, fuzz_file("f.h5", image, bytes), &reading));
    sc_scan_free(&scan);
    sc_free(image);
    fuzz_remove("f.h5");
    return 0;
}
