/* The HDF5 side of ISMRMRD reading: find the measurement, read all readout headers in one call,
 * walk through the samples in blocks of 64 readouts (measured fastest, INTEGRATION.md 1.1).
 *
 * The samples of a readout are a variable-length list. Its length is compared with the readout's
 * header before anything is copied: files exist where it is shorter.
 */
#include "base/memory.h"
#include "io/ismrmrd_internal.h"
#include <stdio.h>
#include <string.h>

typedef enum { U16, U64, F32, F32X3 } member_type;

typedef struct {
    const char *name;
    size_t offset;
    member_type type;
} member;

/* Members of `head` by their names in the file; those of `idx` are one level down. */
static const member head_members[] = {
    {"flags", offsetof(sc_readout, flags), U64},
    {"number_of_samples", offsetof(sc_readout, samples), U16},
    {"active_channels", offsetof(sc_readout, channels), U16},
    {"discard_pre", offsetof(sc_readout, discard_pre), U16},
    {"discard_post", offsetof(sc_readout, discard_post), U16},
    {"center_sample", offsetof(sc_readout, center), U16},
    {"encoding_space_ref", offsetof(sc_readout, encoding), U16},
    {"trajectory_dimensions", offsetof(sc_readout, trajectory_dimensions), U16},
    {"sample_time_us", offsetof(sc_readout, dwell_us), F32},
    {"position", offsetof(sc_readout, position), F32X3},
    {"read_dir", offsetof(sc_readout, read_dir), F32X3},
    {"phase_dir", offsetof(sc_readout, phase_dir), F32X3},
    {"slice_dir", offsetof(sc_readout, slice_dir), F32X3},
};

static const member idx_members[] = {
    {"kspace_encode_step_1", offsetof(sc_readout, step1), U16},
    {"kspace_encode_step_2", offsetof(sc_readout, step2), U16},
    {"average", offsetof(sc_readout, average), U16},
    {"slice", offsetof(sc_readout, slice), U16},
    {"contrast", offsetof(sc_readout, contrast), U16},
    {"phase", offsetof(sc_readout, phase), U16},
    {"repetition", offsetof(sc_readout, repetition), U16},
    {"set", offsetof(sc_readout, set), U16},
    {"segment", offsetof(sc_readout, segment), U16},
};

/* Is `name` in `compound`, of a class that converts to ours? */
static bool has_member(hid_t compound, const char *name, H5T_class_t want)
{
    int i = H5Tget_member_index(compound, name);
    if (i < 0)
        return false;
    H5T_class_t found = H5Tget_member_class(compound, (unsigned)i);
    return found == want || (want == H5T_INTEGER && found == H5T_FLOAT);
}

static bool has_triple(hid_t compound, const char *name)
{
    hsize_t size[H5S_MAX_RANK] = {0};
    int i = H5Tget_member_index(compound, name);
    if (i < 0 || H5Tget_member_class(compound, (unsigned)i) != H5T_ARRAY)
        return false;
    hid_t type = H5Tget_member_type(compound, (unsigned)i);
    bool good =
        H5Tget_array_ndims(type) == 1 && H5Tget_array_dims2(type, size) == 1 && size[0] == 3;
    sc_hdf5_drop(type);
    return good;
}

static sc_status insert_member(hid_t memory, hid_t stored, const char *name, size_t offset,
                               member_type type)
{
    const hsize_t three = 3;
    if (type == F32X3) {
        hid_t triple = H5Tarray_create2(H5T_NATIVE_FLOAT, 1, &three);
        bool good = has_triple(stored, name) && H5Tinsert(memory, name, offset, triple) >= 0;
        sc_hdf5_drop(triple);
        return good ? SC_OK : sc_fail(SC_ERR_FORMAT, "'data': head has no triple '%s'", name);
    }
    H5T_class_t want = type == F32 ? H5T_FLOAT : H5T_INTEGER;
    hid_t native = type == U16   ? H5T_NATIVE_UINT16
                   : type == U64 ? H5T_NATIVE_UINT64
                                 : H5T_NATIVE_FLOAT;
    if (!has_member(stored, name, want) || H5Tinsert(memory, name, offset, native) < 0)
        return sc_fail(SC_ERR_FORMAT, "'data': head has no number '%s'", name);
    return SC_OK;
}

/* Type of member `name`, a compound; negative if it is none. */
static hid_t compound_member(hid_t compound, const char *name)
{
    int i = H5Tget_class(compound) == H5T_COMPOUND ? H5Tget_member_index(compound, name) : -1;
    return i >= 0 && H5Tget_member_class(compound, (unsigned)i) == H5T_COMPOUND
               ? H5Tget_member_type(compound, (unsigned)i)
               : H5I_INVALID_HID;
}

/* *memory: {head: {...}} with the members that sc_readout has. */
static sc_status head_type(hid_t *memory, hid_t stored)
{
    sc_status status = SC_OK;
    hid_t head = compound_member(stored, "head"), idx = compound_member(head, "idx");
    hid_t inner = H5Tcreate(H5T_COMPOUND, sizeof(sc_readout));
    hid_t counters = H5Tcreate(H5T_COMPOUND, sizeof(sc_readout));
    *memory = H5I_INVALID_HID;
    if (head < 0 || idx < 0)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "'data': no readout headers in it"));
    for (size_t i = 0; i < sizeof head_members / sizeof *head_members; i++)
        SC_TRY(insert_member(inner, head, head_members[i].name, head_members[i].offset,
                             head_members[i].type));
    /* the counters lie between our members: shift them to the start of their own compound */
    size_t base = offsetof(sc_readout, step1);
    for (size_t i = 0; i < sizeof idx_members / sizeof *idx_members; i++)
        SC_TRY(
            insert_member(counters, idx, idx_members[i].name, idx_members[i].offset - base, U16));
    H5Tset_size(counters, offsetof(sc_readout, dwell_us) - base);
    *memory = H5Tcreate(H5T_COMPOUND, sizeof(sc_readout));
    if (H5Tinsert(inner, "idx", base, counters) < 0 || H5Tinsert(*memory, "head", 0, inner) < 0)
        SC_TRY(sc_fail(SC_ERR_INTERNAL, "cannot describe a readout header to HDF5"));
cleanup:
    if (status != SC_OK) {
        sc_hdf5_drop(*memory);
        *memory = H5I_INVALID_HID;
    }
    sc_hdf5_drop(counters);
    sc_hdf5_drop(inner);
    sc_hdf5_drop(idx);
    sc_hdf5_drop(head);
    return status;
}

static sc_status read_heads(sc_ismrmrd *raw)
{
    sc_status status = SC_OK;
    int rank = 0;
    int64_t dim[SC_MAX_RANK];
    hid_t stored = H5Dget_type(raw->data), memory = H5I_INVALID_HID;
    SC_TRY(head_type(&memory, stored));
    SC_TRY(sc_hdf5_shape(&rank, dim, raw->data));
    /* each readout takes more than 8 bytes of the file, however it is packed */
    if (rank != 1 || dim[0] > raw->h5.bytes / 8)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "'data': more readouts than a file of %lld bytes can hold",
                       (long long)raw->h5.bytes));
    raw->readouts = dim[0];
    SC_TRY(SC_ALLOC(&raw->readout, raw->readouts, "readout headers"));
    if (H5Dread(raw->data, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, raw->readout) < 0)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "'data': readout headers cannot be read"));
cleanup:
    sc_hdf5_drop(memory);
    sc_hdf5_drop(stored);
    return status;
}

typedef struct {
    int found;
    char name[256];
} search;

static herr_t is_measurement(hid_t at, const char *name, const H5L_info_t *info, void *self)
{
    search *s = self;
    hid_t group;
    (void)info;
    if (sc_hdf5_group(&group, at, name) != SC_OK)
        return 0;
    if (sc_hdf5_has(group, "xml") && sc_hdf5_has(group, "data")) {
        if (s->found++ == 0)
            snprintf(s->name, sizeof s->name, "%s", name);
    }
    sc_hdf5_drop(group);
    return 0;
}

/* The only group with xml and data, or the one asked for. */
static sc_status find_group(search *s, hid_t file, const char *group)
{
    if (group) {
        snprintf(s->name, sizeof s->name, "%s", group);
        return SC_OK;
    }
    H5Literate(file, H5_INDEX_NAME, H5_ITER_INC, NULL, is_measurement, s);
    if (s->found == 0)
        return sc_fail(SC_ERR_FORMAT, "no group with 'xml' and 'data' (ISMRMRD), no 'kspace' "
                                      "(fastMRI)");
    if (s->found > 1)
        return sc_fail(SC_ERR_USAGE, "%d measurements in it, choose a group, for example '%s'",
                       s->found, s->name);
    return SC_OK;
}

sc_status sc_ismrmrd_open(sc_ismrmrd *raw, const char *path, const char *group)
{
    sc_status status = SC_OK;
    search s = {0};
    char *xml = NULL;
    *raw = (sc_ismrmrd){.group = H5I_INVALID_HID, .data = H5I_INVALID_HID};
    SC_TRY(sc_hdf5_open(&raw->h5, path));
    SC_TRY(find_group(&s, raw->h5.file, group));
    SC_TRY(sc_hdf5_group(&raw->group, raw->h5.file, s.name));
    SC_TRY(sc_hdf5_text(&xml, raw->group, "xml", SC_ISMRMRD_XML_LIMIT));
    SC_TRY(sc_ismrmrd_xml_read(&raw->xml, xml));
    SC_TRY(sc_hdf5_dataset(&raw->data, raw->group, "data"));
    SC_TRY(read_heads(raw));
cleanup:
    sc_free(xml);
    if (status != SC_OK)
        sc_ismrmrd_close(raw);
    return status;
}

void sc_ismrmrd_close(sc_ismrmrd *raw)
{
    sc_free(raw->readout);
    raw->readout = NULL;
    sc_hdf5_drop(raw->data);
    sc_hdf5_drop(raw->group);
    raw->data = raw->group = H5I_INVALID_HID;
    sc_hdf5_close(&raw->h5);
}

/* {data: list of float}; checks that the file has such a member. */
static sc_status samples_type(hid_t *memory, hid_t dataset)
{
    hid_t stored = H5Dget_type(dataset), list = H5Tvlen_create(H5T_NATIVE_FLOAT);
    *memory = H5Tcreate(H5T_COMPOUND, sizeof(hvl_t));
    bool good = H5Tget_class(stored) == H5T_COMPOUND && has_member(stored, "data", H5T_VLEN);
    if (good) {
        hid_t theirs = H5Tget_member_type(stored, (unsigned)H5Tget_member_index(stored, "data"));
        hid_t element = H5Tget_super(theirs);
        good = H5Tget_class(element) == H5T_FLOAT && H5Tinsert(*memory, "data", 0, list) >= 0;
        sc_hdf5_drop(element);
        sc_hdf5_drop(theirs);
    }
    sc_hdf5_drop(list);
    sc_hdf5_drop(stored);
    return good ? SC_OK : sc_fail(SC_ERR_FORMAT, "'data': no lists of float samples in it");
}

/* Readouts [first, first + n) of the dataset into list. */
static sc_status read_block(hvl_t *list, hid_t *space, const sc_ismrmrd *raw, hid_t memory,
                            int64_t first, int64_t n)
{
    const hsize_t start = (hsize_t)first, count = (hsize_t)n;
    hid_t file_space = H5Dget_space(raw->data);
    *space = H5Screate_simple(1, &count, NULL);
    memset(list, 0, SC_ISMRMRD_BLOCK * sizeof *list);
    bool good = H5Sselect_hyperslab(file_space, H5S_SELECT_SET, &start, NULL, &count, NULL) >= 0 &&
                H5Dread(raw->data, memory, *space, file_space, H5P_DEFAULT, list) >= 0;
    sc_hdf5_drop(file_space);
    return good ? SC_OK
                : sc_fail(SC_ERR_FORMAT, "samples of readouts %lld to %lld cannot be read",
                          (long long)first, (long long)(first + n - 1));
}

static sc_status visit_block(const sc_ismrmrd *raw, const hvl_t *list, int64_t first, int64_t n,
                             const unsigned char *use, sc_ismrmrd_visit *visit, void *self)
{
    for (int64_t r = first; r < first + n; r++) {
        if (!use[r])
            continue;
        const hvl_t *samples = &list[r - first];
        size_t expected = 2 * (size_t)raw->readout[r].samples * raw->readout[r].channels;
        if (samples->len != expected || !samples->p)
            return sc_fail(SC_ERR_FORMAT, "readout %lld: header asks for %zu numbers, it has %zu",
                           (long long)r, expected, samples->len);
        sc_status status = visit(self, r, samples->p);
        if (status != SC_OK)
            return status;
    }
    return SC_OK;
}

void sc_ismrmrd_try(const char *path, const char *group)
{
    sc_ismrmrd raw;
    hvl_t list[SC_ISMRMRD_BLOCK];
    hid_t memory;
    if (sc_ismrmrd_open(&raw, path, group) != SC_OK)
        return;
    if (samples_type(&memory, raw.data) == SC_OK)
        for (int64_t first = 0; first < raw.readouts; first += SC_ISMRMRD_BLOCK) {
            int64_t n =
                raw.readouts - first < SC_ISMRMRD_BLOCK ? raw.readouts - first : SC_ISMRMRD_BLOCK;
            hid_t space;
            (void)read_block(list, &space, &raw, memory, first, n);
            H5Dvlen_reclaim(memory, space, H5P_DEFAULT, list);
            sc_hdf5_drop(space);
        }
    sc_hdf5_drop(memory);
    sc_ismrmrd_close(&raw);
}

sc_status sc_ismrmrd_walk(const sc_ismrmrd *raw, const unsigned char *use, sc_ismrmrd_visit *visit,
                          sc_status (*block_end)(void *self), void *self,
                          const sc_progress *progress)
{
    hvl_t list[SC_ISMRMRD_BLOCK];
    hid_t memory;
    sc_status status = samples_type(&memory, raw->data);
    if (status == SC_OK) /* the clock starts before the first block */
        status = sc_progress_step(progress, "reading", 0, (double)raw->readouts);
    for (int64_t first = 0; first < raw->readouts && status == SC_OK; first += SC_ISMRMRD_BLOCK) {
        int64_t n =
            raw->readouts - first < SC_ISMRMRD_BLOCK ? raw->readouts - first : SC_ISMRMRD_BLOCK;
        bool wanted = false;
        for (int64_t r = first; r < first + n; r++)
            wanted = wanted || use[r];
        if (!wanted)
            continue;
        hid_t space;
        status = read_block(list, &space, raw, memory, first, n);
        if (status == SC_OK)
            status = visit_block(raw, list, first, n, use, visit, self);
        H5Dvlen_reclaim(memory, space, H5P_DEFAULT, list);
        sc_hdf5_drop(space);
        if (status == SC_OK)
            status = block_end(self);
        if (status == SC_OK)
            status =
                sc_progress_step(progress, "reading", (double)(first + n), (double)raw->readouts);
    }
    sc_hdf5_drop(memory);
    return status;
}
