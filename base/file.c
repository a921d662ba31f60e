#include "base/file.h"
#include "base/file_internal.h"
#include "base/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static sc_status refused(const char *path, const char *what)
{
    return sc_fail(SC_ERR_IO, "%s: %s: %s", path, what, strerror(errno));
}

static sc_status open_regular(int *descriptor, int64_t *bytes, const char *path)
{
    struct stat info;
    *descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not block us */
    if (*descriptor < 0)
        return refused(path, "cannot open");
    if (fstat(*descriptor, &info) != 0 || !S_ISREG(info.st_mode)) {
        close(*descriptor);
        *descriptor = -1;
        return sc_fail(SC_ERR_IO, "%s: not a regular file", path);
    }
    *bytes = info.st_size;
    return SC_OK;
}

sc_status sc_file_size(int64_t *bytes, const char *path)
{
    int descriptor;
    sc_status status = open_regular(&descriptor, bytes, path);
    if (status == SC_OK)
        close(descriptor);
    return status;
}

static sc_status read_all(char *data, size_t bytes, int descriptor, const char *path)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t n = read(descriptor, data + done, bytes - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return refused(path, "cannot read");
        if (n == 0)
            return sc_fail(SC_ERR_IO,
                           "%s: became shorter while being read: expected %zu bytes, "
                           "found %zu",
                           path, bytes, done);
        done += (size_t)n;
    }
    return SC_OK;
}

sc_status sc_file_read(void **data, size_t *bytes, const char *path, size_t limit)
{
    *data = NULL;
    *bytes = 0;
    int descriptor;
    int64_t size;
    char *buffer = NULL;
    sc_status status = open_regular(&descriptor, &size, path);
    if (status != SC_OK)
        return status;
    if ((uint64_t)size > limit) {
        status = sc_fail(SC_ERR_FORMAT, "%s: %lld bytes, expected at most %zu", path,
                         (long long)size, limit);
        goto cleanup;
    }
    SC_TRY(sc_alloc((void **)&buffer, (size_t)size + 1, 1, path));
    SC_TRY(read_all(buffer, (size_t)size, descriptor, path));
    *data = buffer;
    *bytes = (size_t)size;
    buffer = NULL;
cleanup:
    close(descriptor);
    sc_free(buffer);
    return status;
}

sc_status sc_temporary_name(char *buffer, size_t size, const char *path)
{
    static atomic_uint number; /* only keeps names of one process apart */
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    int folder = (int)(name - path);
    int length = snprintf(buffer, size, "%.*s.%s.%ld.%u.tmp", folder, path, name, (long)getpid(),
                          atomic_fetch_add(&number, 1u));
    if (length < 0 || (size_t)length >= size)
        return sc_fail(SC_ERR_USAGE, "%s: path too long", path);
    return SC_OK;
}

sc_status sc_sync_parent(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) + 1 : 0;
    if (length >= sizeof folder)
        return sc_fail(SC_ERR_USAGE, "%s: path too long", path);
    memcpy(folder, path, length);
    folder[length] = 0;
    int descriptor = open(length ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return refused(length ? folder : ".", "cannot open");
    /* EINVAL: a file system without fsync for folders */
    int failed = fsync(descriptor) != 0 && errno != EINVAL;
    sc_status status = failed ? refused(path, "cannot sync the folder") : SC_OK;
    close(descriptor);
    return status;
}

/* A device or pipe is written in place: renaming over it would replace it. */
static sc_status write_in_place(const char *path, const void *data, size_t bytes)
{
    int descriptor = open(path, O_WRONLY | O_CLOEXEC);
    if (descriptor < 0)
        return refused(path, "cannot open for writing");
    sc_status status = sc_file_write_all(descriptor, data, bytes, path);
    if (close(descriptor) != 0 && status == SC_OK)
        status = refused(path, "cannot write");
    return status;
}

/* An empty file of a temporary name beside path, open for writing. */
static sc_status create_beside(int *descriptor, char temporary[PATH_MAX], const char *path)
{
    sc_status status = sc_temporary_name(temporary, PATH_MAX, path);
    if (status != SC_OK)
        return status;
    *descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    return *descriptor < 0 ? refused(path, "cannot create") : SC_OK;
}

static sc_status write_and_rename(const char *path, const void *data, size_t bytes)
{
    char temporary[PATH_MAX];
    int descriptor;
    sc_status status = create_beside(&descriptor, temporary, path);
    if (status != SC_OK)
        return status;
    SC_TRY(sc_file_write_all(descriptor, data, bytes, path));
    if (fsync(descriptor) != 0)
        SC_TRY(refused(path, "cannot write"));
    int failed = close(descriptor) != 0;
    descriptor = -1;
    if (failed || rename(temporary, path) != 0)
        SC_TRY(refused(path, "cannot write"));
    return sc_sync_parent(path);
cleanup:
    if (descriptor >= 0)
        close(descriptor);
    unlink(temporary);
    return status;
}

sc_status sc_file_write(const char *path, const void *data, size_t bytes)
{
    struct stat info;
    char target[PATH_MAX];
    if (stat(path, &info) != 0) {
        if (errno != ENOENT)
            return refused(path, "cannot create");
        return write_and_rename(path, data, bytes);
    }
    if (S_ISDIR(info.st_mode))
        return sc_fail(SC_ERR_IO, "%s: is a folder, expected a file", path);
    if (!S_ISREG(info.st_mode))
        return write_in_place(path, data, bytes);
    if (!realpath(path, target)) /* a link stays a link: replace what it points to */
        return refused(path, "cannot open");
    return write_and_rename(target, data, bytes);
}

static sc_status check_folder_of(const char *path)
{
    char temporary[PATH_MAX];
    int descriptor;
    sc_status status = create_beside(&descriptor, temporary, path);
    if (status != SC_OK)
        return status;
    close(descriptor);
    unlink(temporary);
    return SC_OK;
}

sc_status sc_file_check_writable(const char *path)
{
    struct stat info;
    char target[PATH_MAX];
    if (stat(path, &info) != 0)
        return errno == ENOENT ? check_folder_of(path) : refused(path, "cannot create");
    if (S_ISDIR(info.st_mode))
        return sc_fail(SC_ERR_IO, "%s: is a folder, expected a file", path);
    if (!S_ISREG(info.st_mode))
        return access(path, W_OK) == 0 ? SC_OK : refused(path, "cannot open for writing");
    return realpath(path, target) ? check_folder_of(target) : refused(path, "cannot open");
}

sc_status sc_path_join(char *buffer, size_t size, const char *folder, const char *name)
{
    size_t length = strlen(folder);
    const char *separator = length == 0 || folder[length - 1] == '/' ? "" : "/";
    int n = snprintf(buffer, size, "%s%s%s", folder, separator, name);
    if (n < 0 || (size_t)n >= size)
        return sc_fail(SC_ERR_USAGE, "%s/%s: path too long", folder, name);
    return SC_OK;
}

bool sc_path_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}
