#include "cli/locate.h"
#include "base/file.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The folder of the running program, without its last part (bin or the build folder). */
static bool program_parent(char *folder, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", folder, size - 1);
    if (n <= 0)
        return false;
    folder[n] = 0;
    for (int i = 0; i < 2; i++) {
        char *slash = strrchr(folder, '/');
        if (!slash)
            return false;
        *slash = 0;
    }
    return true;
}

sc_status sc_cli_locate(char *path, size_t size, const char *name)
{
    char parent[PATH_MAX];
    const char *data = getenv("SCORECON_DATA");
    if (data && snprintf(path, size, "%s/%s", data, name) < (int)size && sc_path_exists(path))
        return SC_OK;
    if (program_parent(parent, sizeof parent)) {
        static const char *const inside[] = {"share/scorecon", "prior", "."};
        for (size_t i = 0; i < sizeof inside / sizeof *inside; i++)
            if (snprintf(path, size, "%s/%s/%s", parent, inside[i], name) < (int)size &&
                sc_path_exists(path))
                return SC_OK;
    }
    path[0] = 0;
    return sc_fail(SC_ERR_IO, "%s: not found beside the program nor in SCORECON_DATA (%s)", name,
                   data ? data : "not set");
}
