/* Files, whole and safe: read within a limit; write to a temporary name, fsync, rename.
 * Every byte the library writes passes sc_file_write_all, so that a test can fail the n-th write
 * (link with --wrap=sc_file_write_all).
 */
#ifndef SC_BASE_FILE_H
#define SC_BASE_FILE_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* *data: the file's bytes plus a 0 byte, to be freed with sc_free; SC_ERR_IO names the file and
 * the system's reason, SC_ERR_FORMAT if it is larger than `limit` bytes. */
sc_status sc_file_read(void **data, size_t *bytes, const char *path, size_t limit);

/* Size in bytes of a regular file. SC_ERR_IO if missing or not a regular file. */
sc_status sc_file_size(int64_t *bytes, const char *path);

/* Write all bytes to an open descriptor, retrying short writes. `path` is for the message. */
sc_status sc_file_write_all(int descriptor, const void *data, size_t bytes, const char *path);

/* Write a whole file: temporary name in the same folder, fsync, rename. On failure nothing of it
 * remains and an existing file of that name is untouched. */
sc_status sc_file_write(const char *path, const void *data, size_t bytes);

/* Whether sc_file_write could begin now, so that it is said before the work: SC_ERR_IO if path is a
 * folder, or its folder is missing or not writable. Nothing is left. */
sc_status sc_file_check_writable(const char *path);

/* An output folder that is complete or absent. It is filled under a temporary name beside its
 * place and renamed by sc_outdir_commit. */
typedef struct sc_outdir sc_outdir;

/* SC_ERR_IO if `path` exists and is not an empty folder, or its parent is not writable. */
sc_status sc_outdir_create(sc_outdir **outdir, const char *path);
/* Path of a file inside; makes sub-folders ("dicom/0001.dcm"). Valid until the next call. */
sc_status sc_outdir_path(sc_outdir *outdir, const char **path, const char *name);
/* fsync files and folders, rename into place, free. On failure it is discarded. */
sc_status sc_outdir_commit(sc_outdir *outdir);
/* Remove everything, free. NULL is fine. */
void sc_outdir_discard(sc_outdir *outdir);

/* Join in a buffer of `size`; SC_ERR_USAGE if too long. */
sc_status sc_path_join(char *buffer, size_t size, const char *folder, const char *name);
bool sc_path_exists(const char *path);

/* SHA-256 (FIPS 180-4) as 64 hex digits. */
void sc_sha256(char hex[65], const void *data, size_t bytes);
sc_status sc_file_sha256(char hex[65], const char *path);

#ifdef __cplusplus
}
#endif
#endif
