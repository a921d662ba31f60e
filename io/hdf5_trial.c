/* Reading a damaged HDF5 file can crash libhdf5 1.10 itself, and the program with it. So a file is
 * first read in a child process, which keeps nothing: if the child does not come to its end, the
 * file is refused. The second reading finds the file in the system's cache.
 *
 * A child of a threaded process may only do what no other thread was in the middle of: the lock of
 * hdf5_file.c keeps the library free at the moment of the fork, and glibc sees to malloc.
 */
#include "io/hdf5_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define REACHED_THE_END 42
#define SLOWEST (4 << 20) /* bytes a second of CPU time; less is an endless loop */

/* Signals back to normal, no core, no words on the terminal, an end to endless loops. */
static void settle(int64_t bytes)
{
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGINT, SIGTERM, SIGHUP};
    const struct rlimit core = {0, 0};
    const rlim_t seconds = (rlim_t)(30 + bytes / SLOWEST);
    const struct rlimit cpu = {seconds, seconds + 1};
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++)
        signal(fatal[i], SIG_DFL);
    setrlimit(RLIMIT_CORE, &core);
    setrlimit(RLIMIT_CPU, &cpu);
    int nowhere = open("/dev/null", O_WRONLY);
    if (nowhere >= 0) {
        dup2(nowhere, STDOUT_FILENO);
        dup2(nowhere, STDERR_FILENO);
    }
}

static sc_status verdict(int result)
{
    if (WIFEXITED(result) && WEXITSTATUS(result) == REACHED_THE_END)
        return SC_OK;
    int by = WIFSIGNALED(result) ? WTERMSIG(result) : 0;
    if (by == SIGINT || by == SIGTERM || by == SIGHUP)
        return sc_fail(SC_ERR_CANCELLED, "cancelled");
    return sc_fail(SC_ERR_FORMAT,
                   "damaged HDF5 file: the HDF5 library does not survive reading it");
}

sc_status sc_hdf5_trial(const char *path, int64_t bytes, void (*try_to_read)(const char *, void *),
                        void *self)
{
    int result = 0;
    sc_hdf5_lock();
    pid_t child = fork();
    sc_hdf5_unlock(); /* on both sides */
    if (child == 0) {
        settle(bytes);
        try_to_read(path, self);
        _exit(REACHED_THE_END);
    }
    if (child < 0) /* no process to spare: read without a trial */
        return SC_OK;
    while (waitpid(child, &result, 0) < 0)
        if (errno != EINTR)
            return SC_OK; /* somebody else reaps our children */
    return verdict(result);
}
