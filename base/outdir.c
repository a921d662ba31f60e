/* Output folders that are complete or absent: filled under a hidden temporary name beside their
 * place, renamed when all is synced. A killed process leaves at most the hidden folder.
 */
#include "base/file.h"
#include "base/file_internal.h"
#include "base/memory.h"
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct sc_outdir {
    char place[PATH_MAX], temporary[PATH_MAX], path[PATH_MAX];
};

static sc_status refused(const char *path, const char *what)
{
    return sc_fail(SC_ERR_IO, "%s: %s: %s", path, what, strerror(errno));
}

static sc_status check_empty(const char *path)
{
    DIR *folder = opendir(path);
    if (!folder)
        return errno == ENOTDIR ? sc_fail(SC_ERR_IO, "%s: exists and is not a folder", path)
                                : refused(path, "cannot open");
    int entries = 0;
    for (struct dirent *entry; (entry = readdir(folder));)
        entries += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(folder);
    return entries
               ? sc_fail(SC_ERR_IO, "%s: output folder is not empty (%d entries)", path, entries)
               : SC_OK;
}

/* place: absolute if the folder exists (so "." works), without slashes at the end. */
static sc_status find_place(char place[PATH_MAX], const char *path)
{
    size_t length = strlen(path);
    if (length == 0 || length >= PATH_MAX)
        return sc_fail(SC_ERR_USAGE, "output folder: %s", length ? "path too long" : "empty name");
    struct stat info;
    if (stat(path, &info) == 0) {
        sc_status status = check_empty(path);
        if (status == SC_OK && !realpath(path, place))
            status = refused(path, "cannot open");
        return status;
    }
    if (errno != ENOENT)
        return refused(path, "cannot create");
    memcpy(place, path, length + 1);
    while (length > 1 && place[length - 1] == '/')
        place[--length] = 0;
    return SC_OK;
}

sc_status sc_outdir_create(sc_outdir **outdir, const char *path)
{
    *outdir = NULL;
    sc_outdir *self;
    sc_status status = SC_ALLOC(&self, 1, "output folder");
    if (status != SC_OK)
        return status;
    SC_TRY(find_place(self->place, path));
    SC_TRY(sc_temporary_name(self->temporary, sizeof self->temporary, self->place));
    if (mkdir(self->temporary, 0777) != 0)
        SC_TRY(refused(path, "cannot create the output folder"));
    *outdir = self;
    return SC_OK;
cleanup:
    sc_free(self);
    return status;
}

static sc_status make_folders(char *path, size_t from)
{
    for (char *slash = strchr(path + from, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        int failed = mkdir(path, 0777) != 0 && errno != EEXIST;
        sc_status status = failed ? refused(path, "cannot create") : SC_OK;
        *slash = '/';
        if (failed)
            return status;
    }
    return SC_OK;
}

sc_status sc_outdir_path(sc_outdir *outdir, const char **path, const char *name)
{
    assert(name[0] != '/' && !strstr(name, ".."));
    *path = NULL;
    sc_status status = sc_path_join(outdir->path, sizeof outdir->path, outdir->temporary, name);
    if (status == SC_OK)
        status = make_folders(outdir->path, strlen(outdir->temporary) + 1);
    if (status == SC_OK)
        *path = outdir->path;
    return status;
}

static sc_status sync_one(const FTSENT *entry)
{
    if (entry->fts_info != FTS_F && entry->fts_info != FTS_DP)
        return SC_OK;
    int descriptor = open(entry->fts_accpath, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return refused(entry->fts_path, "cannot open");
    sc_status status = SC_OK;
    if (fsync(descriptor) != 0 && errno != EINVAL)
        status = refused(entry->fts_path, "cannot write");
    close(descriptor);
    return status;
}

static sc_status remove_one(const FTSENT *entry)
{
    if (entry->fts_info != FTS_D && remove(entry->fts_accpath) != 0)
        return refused(entry->fts_path, "cannot remove");
    return SC_OK;
}

/* Every entry under the temporary folder, folders after their contents as FTS_DP. */
static sc_status for_each(sc_outdir *outdir, sc_status (*visit)(const FTSENT *))
{
    char *roots[] = {outdir->temporary, NULL};
    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    if (!walk)
        return refused(outdir->place, "cannot list");
    sc_status status = SC_OK;
    for (FTSENT *entry; (entry = fts_read(walk));) {
        sc_status one = visit(entry);
        if (status == SC_OK)
            status = one;
    }
    fts_close(walk);
    return status;
}

void sc_outdir_discard(sc_outdir *outdir)
{
    if (!outdir)
        return;
    char *message = NULL; /* discarding must not hide why */
    (void)sc_string_copy(&message, sc_message());
    (void)for_each(outdir, remove_one);
    if (message)
        (void)sc_fail(SC_OK, "%s", message);
    sc_free(message);
    sc_free(outdir);
}

sc_status sc_outdir_commit(sc_outdir *outdir)
{
    sc_status status = SC_OK;
    SC_TRY(for_each(outdir, sync_one));
    if (rename(outdir->temporary, outdir->place) != 0)
        SC_TRY(refused(outdir->place, "cannot move the finished folder into place"));
    status = sc_sync_parent(outdir->place);
    sc_free(outdir);
    return status;
cleanup:
    sc_outdir_discard(outdir);
    return status;
}
