/* Writing an ISMRMRD file in memory, readout by readout, then to disk at once. Used by
 * sc_scan_write_ismrmrd, and by tests that need a file with a particular readout. */
#ifndef SC_IO_ISMRMRD_WRITE_INTERNAL_H
#define SC_IO_ISMRMRD_WRITE_INTERNAL_H

#include "base/file.h"
#include "io/ismrmrd_internal.h"

typedef struct {
    sc_hdf5 h5;
    hid_t group, data, type;
    int64_t written;
} sc_ismrmrd_writer;

/* For exactly `readouts` calls of add. On failure the writer is closed. */
sc_status sc_ismrmrd_writer_open(sc_ismrmrd_writer *writer, const char *group, const char *xml,
                                 int64_t readouts);
/* samples (channel, sample), as many as the readout says. */
sc_status sc_ismrmrd_writer_add(sc_ismrmrd_writer *writer, const sc_readout *readout,
                                const sc_c32 *samples);
/* A list of `count` numbers, whatever the readout says: for tests. */
sc_status sc_ismrmrd_writer_add_list(sc_ismrmrd_writer *writer, const sc_readout *readout,
                                     const float *list, size_t count);
sc_status sc_ismrmrd_writer_commit(sc_ismrmrd_writer *writer, const char *path);
void sc_ismrmrd_writer_close(sc_ismrmrd_writer *writer); /* twice is fine */

#endif
