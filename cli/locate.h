/* Where the program's own files are: beside an installation, or in the source tree it was built
 * in. The library knows nothing of this; it is given paths.
 */
#ifndef SC_CLI_LOCATE_H
#define SC_CLI_LOCATE_H

#include "base/status.h"
#include <stddef.h>

/* path: an existing file `name` ("weights/brain-mr.safetensors") of the data folder: the first of
 * $SCORECON_DATA, PREFIX/share/scorecon of the running program, and the source tree.
 * SC_ERR_IO lists where it was looked for. */
sc_status sc_cli_locate(char *path, size_t size, const char *name);

#endif
