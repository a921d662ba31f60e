/* HDF5 for untrusted files: opened read-only without locks, tried in a child process first, the
 * library's own messages silenced, and only hard links to plain datasets followed (an external
 * link, external storage or a virtual dataset would read other files of this machine).
 *
 * Every handle is closed by sc_hdf5_drop, whatever its kind; a negative handle is fine there.
 */
#ifndef SC_IO_HDF5_INTERNAL_H
#define SC_IO_HDF5_INTERNAL_H

#include "base/array.h"
#include <hdf5.h>

typedef struct {
    hid_t file;
    int64_t bytes; /* of the file: nothing uncompressed can be larger */
    H5E_auto2_t print;
    void *print_self;
    bool quiet;
} sc_hdf5; /* open: holds the lock below */

bool sc_hdf5_probe(const void *head, size_t bytes);

/* One thread at a time uses HDF5 through us, from open to close. */
void sc_hdf5_lock(void);
void sc_hdf5_unlock(void);

/* Would the library survive try_to_read(path, self)? It is called in a child process, and may use
 * nothing but HDF5 and memory. SC_ERR_FORMAT if not. */
sc_status sc_hdf5_trial(const char *path, int64_t bytes, void (*try_to_read)(const char *, void *),
                        void *self);

/* On failure *h5 is closed; SC_ERR_IO or SC_ERR_FORMAT. */
sc_status sc_hdf5_open(sc_hdf5 *h5, const char *path);
void sc_hdf5_close(sc_hdf5 *h5); /* twice is fine */
void sc_hdf5_drop(hid_t id);

/* An HDF5 file in memory that has no file behind it; *image: its bytes, sc_free. */
sc_status sc_hdf5_create(sc_hdf5 *h5);
sc_status sc_hdf5_image(void **image, size_t *bytes, const sc_hdf5 *h5);

/* Does group `at` hold `name` (one component, a hard link)? */
bool sc_hdf5_has(hid_t at, const char *name);

/* Group or dataset by one-component name. SC_ERR_FORMAT naming it if absent or not plain. */
sc_status sc_hdf5_group(hid_t *group, hid_t at, const char *name);
sc_status sc_hdf5_dataset(hid_t *dataset, hid_t at, const char *name);

/* Shape of a dataset, rank 0 to 8. */
sc_status sc_hdf5_shape(int *rank, int64_t dim[SC_MAX_RANK], hid_t dataset);

/* One text, scalar or array of one, fixed or variable length; 0-terminated, sc_free. At most
 * `limit` bytes. */
sc_status sc_hdf5_text(char **text, hid_t at, const char *name, size_t limit);

#endif
