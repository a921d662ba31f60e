/* Opening, walking and leaving an HDF5 file that nobody vouches for. */
#include "base/file.h"
#include "base/memory.h"
#include "io/hdf5_internal.h"
#include <pthread.h>
#include <string.h>

static pthread_mutex_t library = PTHREAD_MUTEX_INITIALIZER;

void sc_hdf5_lock(void) { pthread_mutex_lock(&library); }

void sc_hdf5_unlock(void) { pthread_mutex_unlock(&library); }

bool sc_hdf5_probe(const void *head, size_t bytes)
{
    static const char magic[8] = {'\x89', 'H', 'D', 'F', '\r', '\n', '\x1a', '\n'};
    return bytes >= sizeof magic && !memcmp(head, magic, sizeof magic);
}

void sc_hdf5_drop(hid_t id)
{
    if (id >= 0)
        H5Idec_ref(id);
}

/* The library is ours, and does not print its error stack to stderr. */
static void enter(sc_hdf5 *h5)
{
    sc_hdf5_lock();
    *h5 = (sc_hdf5){.file = H5I_INVALID_HID};
    h5->quiet = true;
    H5Eget_auto2(H5E_DEFAULT, &h5->print, &h5->print_self);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

sc_status sc_hdf5_open(sc_hdf5 *h5, const char *path)
{
    int64_t bytes;
    *h5 = (sc_hdf5){.file = H5I_INVALID_HID};
    sc_status status = sc_file_size(&bytes, path);
    if (status != SC_OK)
        return status;
    enter(h5);
    h5->bytes = bytes;
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_file_locking(access, false, true); /* read-only folders and network shares have none */
    h5->file = H5Fopen(path, H5F_ACC_RDONLY, access);
    sc_hdf5_drop(access);
    if (h5->file >= 0)
        return SC_OK;
    sc_hdf5_close(h5);
    return sc_fail(SC_ERR_FORMAT, "not a whole HDF5 file (cut short or damaged)");
}

sc_status sc_hdf5_create(sc_hdf5 *h5)
{
    enter(h5);
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_fapl_core(access, 1 << 20, false);
    /* any name: the core driver without backing store touches no file */
    h5->file = H5Fcreate("scorecon", H5F_ACC_TRUNC, H5P_DEFAULT, access);
    sc_hdf5_drop(access);
    if (h5->file >= 0)
        return SC_OK;
    sc_hdf5_close(h5);
    return sc_fail(SC_ERR_MEMORY, "no memory for an HDF5 file");
}

sc_status sc_hdf5_image(void **image, size_t *bytes, const sc_hdf5 *h5)
{
    *image = NULL;
    H5Fflush(h5->file, H5F_SCOPE_LOCAL);
    ssize_t n = H5Fget_file_image(h5->file, NULL, 0);
    if (n <= 0)
        return sc_fail(SC_ERR_INTERNAL, "HDF5 gives no file image");
    sc_status status = sc_alloc(image, (size_t)n, 1, "HDF5 file");
    if (status != SC_OK)
        return status;
    *bytes = (size_t)n;
    if (H5Fget_file_image(h5->file, *image, (size_t)n) == n)
        return SC_OK;
    sc_free(*image);
    *image = NULL;
    return sc_fail(SC_ERR_INTERNAL, "HDF5 gives no file image");
}

void sc_hdf5_close(sc_hdf5 *h5)
{
    if (h5->file >= 0)
        H5Fclose(h5->file);
    h5->file = H5I_INVALID_HID;
    if (!h5->quiet)
        return;
    H5Eset_auto2(H5E_DEFAULT, h5->print, h5->print_self);
    h5->quiet = false;
    sc_hdf5_unlock();
}

bool sc_hdf5_has(hid_t at, const char *name)
{
    H5L_info_t info;
    return H5Lexists(at, name, H5P_DEFAULT) > 0 && H5Lget_info(at, name, &info, H5P_DEFAULT) >= 0 &&
           info.type == H5L_TYPE_HARD;
}

static sc_status open_object(hid_t *id, hid_t at, const char *name, H5I_type_t type)
{
    *id = H5I_INVALID_HID;
    if (!sc_hdf5_has(at, name))
        return sc_fail(SC_ERR_FORMAT, "no '%s' in it", name);
    *id = H5Oopen(at, name, H5P_DEFAULT);
    if (*id >= 0 && H5Iget_type(*id) == type)
        return SC_OK;
    sc_hdf5_drop(*id);
    *id = H5I_INVALID_HID;
    return sc_fail(SC_ERR_FORMAT, "'%s' is not a %s", name,
                   type == H5I_GROUP ? "group" : "dataset");
}

sc_status sc_hdf5_group(hid_t *group, hid_t at, const char *name)
{
    return open_object(group, at, name, H5I_GROUP);
}

sc_status sc_hdf5_dataset(hid_t *dataset, hid_t at, const char *name)
{
    sc_status status = open_object(dataset, at, name, H5I_DATASET);
    if (status != SC_OK)
        return status;
    hid_t made = H5Dget_create_plist(*dataset);
    bool inside =
        made >= 0 && H5Pget_external_count(made) == 0 && H5Pget_layout(made) != H5D_VIRTUAL;
    sc_hdf5_drop(made);
    if (inside)
        return SC_OK;
    sc_hdf5_drop(*dataset);
    *dataset = H5I_INVALID_HID;
    return sc_fail(SC_ERR_UNSUPPORTED, "'%s' keeps its data in another file", name);
}

sc_status sc_hdf5_shape(int *rank, int64_t dim[SC_MAX_RANK], hid_t dataset)
{
    sc_status status = SC_OK;
    hsize_t size[H5S_MAX_RANK];
    hid_t space = H5Dget_space(dataset);
    int n = space < 0 ? -1 : H5Sget_simple_extent_dims(space, size, NULL);
    if (n < 0 || n > SC_MAX_RANK || H5Sget_simple_extent_type(space) == H5S_NULL)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "array without a shape of up to %d axes", SC_MAX_RANK));
    for (int i = 0; i < n; i++) {
        if (size[i] < 1 || size[i] > INT64_MAX / 1024)
            SC_TRY(sc_fail(SC_ERR_FORMAT, "axis %d has %llu elements", i,
                           (unsigned long long)size[i]));
        dim[i] = (int64_t)size[i];
    }
    *rank = n;
cleanup:
    sc_hdf5_drop(space);
    return status;
}

/* A variable-length string is allocated by the library; take a copy through our door. */
static sc_status variable_text(char **text, hid_t dataset, size_t limit)
{
    sc_status status = SC_OK;
    char *theirs = NULL;
    hid_t type = H5Tcopy(H5T_C_S1), space = H5Dget_space(dataset);
    H5Tset_size(type, H5T_VARIABLE);
    hid_t stored = H5Dget_type(dataset);
    H5Tset_cset(type, H5Tget_cset(stored));
    bool good = H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, &theirs) >= 0 && theirs;
    if (!good || strnlen(theirs, limit + 1) > limit)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "text is damaged or longer than %zu bytes", limit));
    SC_TRY(sc_string_copy(text, theirs));
cleanup:
    if (theirs)
        H5Dvlen_reclaim(type, space, H5P_DEFAULT, &theirs);
    sc_hdf5_drop(stored);
    sc_hdf5_drop(space);
    sc_hdf5_drop(type);
    return status;
}

static sc_status fixed_text(char **text, hid_t dataset, hid_t stored, size_t limit)
{
    sc_status status = SC_OK;
    char *copy = NULL;
    size_t size = H5Tget_size(stored);
    if (size > limit)
        return sc_fail(SC_ERR_FORMAT, "text of %zu bytes, at most %zu are read", size, limit);
    SC_TRY(SC_ALLOC(&copy, size + 1, "text"));
    if (H5Dread(dataset, stored, H5S_ALL, H5S_ALL, H5P_DEFAULT, copy) < 0)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "text cannot be read"));
    *text = copy;
    copy = NULL;
cleanup:
    sc_free(copy);
    return status;
}

sc_status sc_hdf5_text(char **text, hid_t at, const char *name, size_t limit)
{
    sc_status status = SC_OK;
    hid_t dataset = H5I_INVALID_HID, stored = H5I_INVALID_HID;
    int rank = 0;
    int64_t dim[SC_MAX_RANK], count = 1;
    *text = NULL;
    SC_TRY(sc_hdf5_dataset(&dataset, at, name));
    SC_TRY(sc_hdf5_shape(&rank, dim, dataset));
    if (rank > 0)
        SC_TRY(sc_shape_count(&count, rank, dim, INT32_MAX));
    stored = H5Dget_type(dataset);
    if (count != 1 || H5Tget_class(stored) != H5T_STRING)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "expected one text"));
    SC_TRY(H5Tis_variable_str(stored) > 0 ? variable_text(text, dataset, limit)
                                          : fixed_text(text, dataset, stored, limit));
cleanup:
    sc_hdf5_drop(stored);
    sc_hdf5_drop(dataset);
    return sc_context(status, "'%s'", name);
}
