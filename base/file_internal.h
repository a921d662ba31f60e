/* Names of temporary files and folders, shared by file.c and outdir.c. */
#ifndef SC_BASE_FILE_INTERNAL_H
#define SC_BASE_FILE_INTERNAL_H

#include "base/status.h"
#include <stddef.h>

/* "folder/.name.<pid>.<number>.tmp" beside `path`; SC_ERR_USAGE if longer than `size`. */
sc_status sc_temporary_name(char *buffer, size_t size, const char *path);

/* fsync the folder that holds `path`, so that a rename survives a crash. */
sc_status sc_sync_parent(const char *path);

#endif
