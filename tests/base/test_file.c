/* Files and output folders are whole or absent. Works in a fresh folder of the system's choice.
 * --wrap=sc_file_write_all lets a test fail the n-th write. */
#include "base/file.h"
#include "base/memory.h"
#include "check.h"
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "sc_test_file.XXXXXX";
static int fail_at = -1; /* the write to fail; -1 none */

sc_status __real_sc_file_write_all(int descriptor, const void *data, size_t bytes,
                                   const char *path);
sc_status __wrap_sc_file_write_all(int descriptor, const void *data, size_t bytes,
                                   const char *path);

sc_status __wrap_sc_file_write_all(int descriptor, const void *data, size_t bytes, const char *path)
{
    if (fail_at >= 0 && fail_at-- == 0) { /* half of it arrives, as on a full disk */
        (void)__real_sc_file_write_all(descriptor, data, bytes / 2, path);
        return sc_fail(SC_ERR_IO, "%s: cannot write: injected", path);
    }
    return __real_sc_file_write_all(descriptor, data, bytes, path);
}

static int enter_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int leave_folder(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return chdir("..") == 0 ? system(command) : -1;
}

static int entries(const char *path)
{
    int n = 0;
    DIR *d = opendir(path);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return n;
}

static void check_content(const char *path, const char *text)
{
    void *data;
    size_t bytes;
    assert_int_equal(sc_file_read(&data, &bytes, path, 1 << 20), SC_OK);
    assert_int_equal(bytes, strlen(text));
    assert_string_equal(data, text);
    sc_free(data);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    int64_t size;
    assert_int_equal(sc_file_write("a", "hello", 5), SC_OK);
    check_content("a", "hello");
    assert_int_equal(sc_file_write("a", "more", 4), SC_OK);
    check_content("a", "more");
    assert_int_equal(sc_file_size(&size, "a"), SC_OK);
    assert_int_equal(size, 4);
    assert_int_equal(sc_file_write("empty", "", 0), SC_OK);
    check_content("empty", "");
    struct stat info;
    mode_t mask = umask(0);
    umask(mask);
    assert_int_equal(stat("a", &info), 0);
    assert_int_equal(info.st_mode & 0777, 0666 & ~mask);
    assert_int_equal(entries("."), 2);
}

static void reading_what_is_not_there_says_so(void **state)
{
    (void)state;
    void *data;
    size_t bytes;
    int64_t size;
    check_failure(sc_file_read(&data, &bytes, "none", 10), SC_ERR_IO, "none: cannot open: No such");
    check_failure(sc_file_read(&data, &bytes, ".", 10), SC_ERR_IO, "not a regular file");
    check_failure(sc_file_size(&size, "none"), SC_ERR_IO, "none");
    assert_int_equal(sc_file_write("ten", "0123456789", 10), SC_OK);
    check_failure(sc_file_read(&data, &bytes, "ten", 9), SC_ERR_FORMAT, "expected at most 9");
    assert_null(data);
    assert_int_equal(mkfifo("pipe", 0600), 0);
    check_failure(sc_file_read(&data, &bytes, "pipe", 9), SC_ERR_IO, "not a regular file");
    unlink("pipe"), unlink("ten");
}

static void a_failed_write_leaves_the_old_file(void **state)
{
    (void)state;
    int before = entries(".");
    assert_int_equal(sc_file_write("old", "old", 3), SC_OK);
    fail_at = 0;
    check_failure(sc_file_write("old", "new text", 8), SC_ERR_IO, "injected");
    check_content("old", "old");
    fail_at = 0;
    check_failure(sc_file_write("fresh", "new text", 8), SC_ERR_IO, "injected");
    assert_false(sc_path_exists("fresh"));
    assert_int_equal(entries("."), before + 1);
    check_failure(sc_file_write("no/such/place", "x", 1), SC_ERR_IO, "no/such/place");
    check_failure(sc_file_write(".", "x", 1), SC_ERR_IO, "is a folder");
    unlink("old");
}

static void a_full_disk_is_reported(void **state)
{
    (void)state;
    check_failure(sc_file_write("/dev/full", "x", 1), SC_ERR_IO, "No space");
    struct stat info;
    assert_int_equal(stat("/dev/full", &info), 0);
    assert_true(S_ISCHR(info.st_mode));
}

static void a_link_stays_a_link(void **state)
{
    (void)state;
    assert_int_equal(mkdir("sub", 0777), 0);
    assert_int_equal(sc_file_write("sub/target", "old", 3), SC_OK);
    assert_int_equal(symlink("sub/target", "link"), 0);
    assert_int_equal(sc_file_write("link", "new", 3), SC_OK);
    check_content("sub/target", "new");
    struct stat info;
    assert_int_equal(lstat("link", &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    unlink("link"), unlink("sub/target"), rmdir("sub");
}

static void put(sc_outdir *out, const char *name, const char *text)
{
    const char *path;
    assert_int_equal(sc_outdir_path(out, &path, name), SC_OK);
    assert_int_equal(sc_file_write(path, text, strlen(text)), SC_OK);
}

static void what_cannot_be_written_is_known_before(void **state)
{
    (void)state;
    const struct {
        const char *path;
        sc_status expected;
    } rows[] = {{"new.bin", SC_OK},       {"/dev/null", SC_OK}, {"missing/new.bin", SC_ERR_IO},
                {"folder", SC_ERR_IO},    {"old.bin", SC_OK},   {"old.bin/new.bin", SC_ERR_IO}};
    assert_int_equal(mkdir("folder", 0777), 0);
    assert_int_equal(sc_file_write("old.bin", "old", 3), SC_OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (sc_file_check_writable(rows[i].path) != rows[i].expected)
            fail_msg("%s: expected status %d", rows[i].path, rows[i].expected);
    check_content("old.bin", "old");
    assert_int_equal(access("new.bin", F_OK), -1); /* nothing is left */
    assert_int_equal(unlink("old.bin") || rmdir("folder"), 0);
}

static void an_output_folder_appears_whole(void **state)
{
    (void)state;
    sc_outdir *out;
    assert_int_equal(sc_outdir_create(&out, "out/"), SC_OK);
    put(out, "image.npy", "image");
    put(out, "dicom/deep/0001.dcm", "slice");
    put(out, "dicom/0002.dcm", "slice");
    assert_false(sc_path_exists("out"));
    assert_int_equal(sc_outdir_commit(out), SC_OK);
    check_content("out/image.npy", "image");
    check_content("out/dicom/deep/0001.dcm", "slice");
    assert_int_equal(entries("out"), 2);
}

static void a_discarded_output_folder_leaves_nothing(void **state)
{
    (void)state;
    int before = entries(".");
    sc_outdir *out;
    assert_int_equal(sc_outdir_create(&out, "gone"), SC_OK);
    put(out, "a/b/c", "text");
    put(out, "d", "text");
    (void)sc_fail(SC_ERR_NUMERIC, "the reason");
    sc_outdir_discard(out);
    assert_string_equal(sc_message(), "the reason");
    assert_int_equal(entries("."), before);
    sc_outdir_discard(NULL);
}

static void places_that_are_taken_are_refused(void **state)
{
    (void)state;
    sc_outdir *out;
    check_failure(sc_outdir_create(&out, "out"), SC_ERR_IO, "not empty");
    assert_null(out);
    assert_int_equal(sc_file_write("plain", "x", 1), SC_OK);
    check_failure(sc_outdir_create(&out, "plain"), SC_ERR_IO, "not a folder");
    check_failure(sc_outdir_create(&out, "plain/out"), SC_ERR_IO, "plain/out");
    check_failure(sc_outdir_create(&out, "no/parent"), SC_ERR_IO, "no/parent");
    check_failure(sc_outdir_create(&out, ""), SC_ERR_USAGE, "empty name");
    char long_name[PATH_MAX + 10];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = 0;
    check_failure(sc_outdir_create(&out, long_name), SC_ERR_USAGE, "too long");
    unlink("plain");
}

static void an_empty_folder_may_be_filled(void **state)
{
    (void)state;
    sc_outdir *out;
    assert_int_equal(mkdir("empty_place", 0777), 0);
    assert_int_equal(sc_outdir_create(&out, "./empty_place"), SC_OK);
    put(out, "a", "text");
    assert_int_equal(sc_outdir_commit(out), SC_OK);
    check_content("empty_place/a", "text");
}

static void a_place_taken_meanwhile_is_not_overwritten(void **state)
{
    (void)state;
    sc_outdir *out;
    assert_int_equal(sc_outdir_create(&out, "race"), SC_OK);
    put(out, "a", "mine");
    assert_int_equal(mkdir("race", 0777), 0);
    assert_int_equal(sc_file_write("race/a", "theirs", 6), SC_OK);
    int before = entries(".");
    check_failure(sc_outdir_commit(out), SC_ERR_IO, "race");
    check_content("race/a", "theirs");
    assert_int_equal(entries("."), before - 1);
}

static void an_unwritable_parent_is_refused(void **state)
{
    (void)state;
    assert_int_equal(mkdir("locked", 0555), 0);
    pid_t child = fork(); /* root may write anywhere: try as nobody */
    if (child == 0) {
        sc_outdir *out;
        if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
            _exit(2);
        sc_status status = sc_outdir_create(&out, "locked/out");
        sc_status other = sc_file_write("locked/file", "x", 1);
        _exit(status == SC_ERR_IO && other == SC_ERR_IO ? 0 : 1);
    }
    int result;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFEXITED(result));
    assert_int_equal(WEXITSTATUS(result), 0);
    assert_int_equal(entries("locked"), 0);
}

static void paths_are_joined_with_one_slash(void **state)
{
    (void)state;
    char path[8];
    assert_int_equal(sc_path_join(path, sizeof path, "a", "b"), SC_OK);
    assert_string_equal(path, "a/b");
    assert_int_equal(sc_path_join(path, sizeof path, "a/", "b"), SC_OK);
    assert_string_equal(path, "a/b");
    assert_int_equal(sc_path_join(path, sizeof path, "", "b"), SC_OK);
    assert_string_equal(path, "b");
    check_failure(sc_path_join(path, sizeof path, "abcd", "efg"), SC_ERR_USAGE, "too long");
}

static void sha256_gives_the_published_digests(void **state)
{
    (void)state;
    static const struct {
        const char *text, *digest;
    } known[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    char hex[65];
    for (int i = 0; i < 3; i++) {
        sc_sha256(hex, known[i].text, strlen(known[i].text));
        assert_string_equal(hex, known[i].digest);
    }
    char *million; /* FIPS 180: one million times 'a' */
    assert_int_equal(SC_ALLOC(&million, 1000000, "test"), SC_OK);
    memset(million, 'a', 1000000);
    sc_sha256(hex, million, 1000000);
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    for (size_t n = 0; n < 200; n++) { /* every place of the padding, against the file's hash */
        char again[65];
        assert_int_equal(sc_file_write("hashed", million, n), SC_OK);
        sc_sha256(hex, million, n);
        assert_int_equal(sc_file_sha256(again, "hashed"), SC_OK);
        assert_string_equal(hex, again);
    }
    sc_free(million);
    check_failure(sc_file_sha256(hex, "none"), SC_ERR_IO, "none");
    check_failure(sc_file_sha256(hex, "."), SC_ERR_IO, ".: cannot read");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(reading_what_is_not_there_says_so),
        cmocka_unit_test(a_failed_write_leaves_the_old_file),
        cmocka_unit_test(a_full_disk_is_reported),
        cmocka_unit_test(a_link_stays_a_link),
        cmocka_unit_test(what_cannot_be_written_is_known_before),
        cmocka_unit_test(an_output_folder_appears_whole),
        cmocka_unit_test(a_discarded_output_folder_leaves_nothing),
        cmocka_unit_test(places_that_are_taken_are_refused),
        cmocka_unit_test(an_empty_folder_may_be_filled),
        cmocka_unit_test(a_place_taken_meanwhile_is_not_overwritten),
        cmocka_unit_test(an_unwritable_parent_is_refused),
        cmocka_unit_test(paths_are_joined_with_one_slash),
        cmocka_unit_test(sha256_gives_the_published_digests),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
