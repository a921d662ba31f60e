/* Readouts into an ISMRMRD dataset, laid out as the format's C library does it: compounds
 * {head (340 bytes), traj, data} of 376 bytes, one readout a chunk. */
#include "base/memory.h"
#include "io/ismrmrd_write_internal.h"
#include <string.h>

#define HEAD_BYTES 340
#define IDX_OFFSET 242

typedef enum { U16, U32, U64, I32, F32 } number;

typedef struct {
    const char *name;
    size_t offset;
    number type;
    unsigned count; /* 0: a single number, not an array */
} member;

static const member head[] = {
    {"version", 0, U16, 0},
    {"flags", 2, U64, 0},
    {"measurement_uid", 10, U32, 0},
    {"scan_counter", 14, U32, 0},
    {"acquisition_time_stamp", 18, U32, 0},
    {"physiology_time_stamp", 22, U32, 3},
    {"number_of_samples", 34, U16, 0},
    {"available_channels", 36, U16, 0},
    {"active_channels", 38, U16, 0},
    {"channel_mask", 40, U64, 16},
    {"discard_pre", 168, U16, 0},
    {"discard_post", 170, U16, 0},
    {"center_sample", 172, U16, 0},
    {"encoding_space_ref", 174, U16, 0},
    {"trajectory_dimensions", 176, U16, 0},
    {"sample_time_us", 178, F32, 0},
    {"position", 182, F32, 3},
    {"read_dir", 194, F32, 3},
    {"phase_dir", 206, F32, 3},
    {"slice_dir", 218, F32, 3},
    {"patient_table_position", 230, F32, 3},
    {"user_int", 276, I32, 8},
    {"user_float", 308, F32, 8},
};

static const member idx[] = {
    {"kspace_encode_step_1", 0, U16, 0},
    {"kspace_encode_step_2", 2, U16, 0},
    {"average", 4, U16, 0},
    {"slice", 6, U16, 0},
    {"contrast", 8, U16, 0},
    {"phase", 10, U16, 0},
    {"repetition", 12, U16, 0},
    {"set", 14, U16, 0},
    {"segment", 16, U16, 0},
    {"user", 18, U16, 8},
};

enum { HEAD_MEMBERS = sizeof head / sizeof *head, IDX_MEMBERS = sizeof idx / sizeof *idx };

typedef struct {
    unsigned char head[HEAD_BYTES];
    unsigned char padding[4];
    hvl_t traj, data;
} acquisition;

_Static_assert(offsetof(acquisition, data) == 360 && sizeof(acquisition) == 376,
               "layout of the format's C library");

static hid_t compound(const member *members, int count, size_t size)
{
    const hid_t native[] = {[U16] = H5T_NATIVE_UINT16,
                            [U32] = H5T_NATIVE_UINT32,
                            [U64] = H5T_NATIVE_UINT64,
                            [I32] = H5T_NATIVE_INT32,
                            [F32] = H5T_NATIVE_FLOAT};
    hid_t type = H5Tcreate(H5T_COMPOUND, size);
    for (int i = 0; i < count; i++) {
        hsize_t n = members[i].count;
        hid_t array = n ? H5Tarray_create2(native[members[i].type], 1, &n) : H5I_INVALID_HID;
        H5Tinsert(type, members[i].name, members[i].offset, n ? array : native[members[i].type]);
        sc_hdf5_drop(array);
    }
    return type;
}

static hid_t acquisition_type(void)
{
    hid_t counters = compound(idx, IDX_MEMBERS, 34),
          header = compound(head, HEAD_MEMBERS, HEAD_BYTES);
    hid_t list = H5Tvlen_create(H5T_NATIVE_FLOAT);
    hid_t type = H5Tcreate(H5T_COMPOUND, sizeof(acquisition));
    H5Tinsert(header, "idx", IDX_OFFSET, counters);
    H5Tinsert(type, "head", offsetof(acquisition, head), header);
    H5Tinsert(type, "traj", offsetof(acquisition, traj), list);
    H5Tinsert(type, "data", offsetof(acquisition, data), list);
    sc_hdf5_drop(list);
    sc_hdf5_drop(header);
    sc_hdf5_drop(counters);
    return type;
}

sc_status sc_ismrmrd_writer_open(sc_ismrmrd_writer *writer, const char *group, const char *xml,
                                 int64_t readouts)
{
    const hsize_t one = 1, count = (hsize_t)readouts, unlimited = H5S_UNLIMITED;
    *writer = (sc_ismrmrd_writer){
        .group = H5I_INVALID_HID, .data = H5I_INVALID_HID, .type = H5I_INVALID_HID};
    sc_status status = sc_hdf5_create(&writer->h5);
    if (status != SC_OK)
        return status;
    writer->group = H5Gcreate2(writer->h5.file, group, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    hid_t text = H5Tcopy(H5T_C_S1), space = H5Screate_simple(1, &one, NULL);
    H5Tset_size(text, H5T_VARIABLE);
    hid_t header =
        H5Dcreate2(writer->group, "xml", text, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    bool good = header >= 0 && H5Dwrite(header, text, H5S_ALL, H5S_ALL, H5P_DEFAULT, &xml) >= 0;
    sc_hdf5_drop(header);
    sc_hdf5_drop(space);
    sc_hdf5_drop(text);
    hid_t made = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(made, 1, &one);
    space = H5Screate_simple(1, &count, &unlimited);
    writer->type = acquisition_type();
    writer->data =
        H5Dcreate2(writer->group, "data", writer->type, space, H5P_DEFAULT, made, H5P_DEFAULT);
    sc_hdf5_drop(space);
    sc_hdf5_drop(made);
    if (good && writer->data >= 0)
        return SC_OK;
    sc_ismrmrd_writer_close(writer);
    return sc_fail(SC_ERR_INTERNAL, "HDF5 refuses to make a dataset");
}

static void put(unsigned char *to, size_t offset, const void *value, size_t size)
{
    memcpy(to + offset, value, size);
}

/* The members that we know, at the offsets of the table above; the others stay 0. */
static void put_head(unsigned char *to, const sc_readout *r, uint32_t counter)
{
    const uint16_t version = 1;
    const uint16_t sizes[3] = {r->samples, r->channels, r->channels};
    const uint16_t range[5] = {r->discard_pre, r->discard_post, r->center, r->encoding,
                               r->trajectory_dimensions};
    const uint16_t counters[9] = {r->step1, r->step2,      r->average, r->slice,  r->contrast,
                                  r->phase, r->repetition, r->set,     r->segment};
    put(to, 0, &version, sizeof version);
    put(to, 2, &r->flags, sizeof r->flags);
    put(to, 14, &counter, sizeof counter);
    put(to, 34, sizes, sizeof sizes);
    put(to, 168, range, sizeof range);
    put(to, 178, &r->dwell_us, sizeof r->dwell_us);
    put(to, 182, r->position, sizeof r->position);
    put(to, 194, r->read_dir, sizeof r->read_dir);
    put(to, 206, r->phase_dir, sizeof r->phase_dir);
    put(to, 218, r->slice_dir, sizeof r->slice_dir);
    put(to, IDX_OFFSET, counters, sizeof counters);
}

sc_status sc_ismrmrd_writer_add(sc_ismrmrd_writer *writer, const sc_readout *readout,
                                const sc_c32 *samples)
{
    return sc_ismrmrd_writer_add_list(writer, readout, (const float *)samples,
                                      2 * (size_t)readout->samples * readout->channels);
}

sc_status sc_ismrmrd_writer_add_list(sc_ismrmrd_writer *writer, const sc_readout *readout,
                                     const float *list, size_t count)
{
    acquisition a = {0};
    const hsize_t start = (hsize_t)writer->written, one = 1;
    put_head(a.head, readout, (uint32_t)writer->written);
    a.data.len = count;
    a.data.p = (void *)(uintptr_t)list; /* HDF5 only reads from it */
    hid_t file = H5Dget_space(writer->data), memory = H5Screate_simple(1, &one, NULL);
    bool good = H5Sselect_hyperslab(file, H5S_SELECT_SET, &start, NULL, &one, NULL) >= 0 &&
                H5Dwrite(writer->data, writer->type, memory, file, H5P_DEFAULT, &a) >= 0;
    sc_hdf5_drop(memory);
    sc_hdf5_drop(file);
    writer->written++;
    return good ? SC_OK
                : sc_fail(SC_ERR_MEMORY, "HDF5 cannot take readout %lld",
                          (long long)writer->written - 1);
}

sc_status sc_ismrmrd_writer_commit(sc_ismrmrd_writer *writer, const char *path)
{
    void *image = NULL;
    size_t bytes = 0;
    sc_hdf5_drop(writer->data);
    writer->data = H5I_INVALID_HID;
    sc_status status = sc_hdf5_image(&image, &bytes, &writer->h5);
    if (status == SC_OK)
        status = sc_file_write(path, image, bytes);
    sc_free(image);
    return status;
}

void sc_ismrmrd_writer_close(sc_ismrmrd_writer *writer)
{
    sc_hdf5_drop(writer->type);
    sc_hdf5_drop(writer->data);
    sc_hdf5_drop(writer->group);
    writer->type = writer->data = writer->group = H5I_INVALID_HID;
    sc_hdf5_close(&writer->h5);
}
