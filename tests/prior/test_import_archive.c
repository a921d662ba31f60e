/* Archives that are refused: cut, changed, or with a directory that lies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/prior/import_refused.h"

static bytes good_zip(const float *theta, const sc_network *network, int zip64)
{
    torch_file t = {0};
    torch_checkpoint(&t, network, theta, theta, "module.", NULL, 0);
    bytes b = torch_zip(&t, zip64);
    torch_file_free(&t);
    return b;
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    sc_network *network;
    float *theta;
    make_network(&network, &theta);
    for (int legacy = 0; legacy < 2; legacy++) {
        torch_file t = {.legacy = legacy};
        torch_checkpoint(&t, network, theta, theta, "module.", NULL, 0);
        bytes whole = legacy ? torch_legacy(&t) : torch_zip(&t, 1);
        torch_file_free(&t);
        for (size_t n = 0; n < whole.n; n += n < 200 || n + 200 > whole.n ? 1 : 197) {
            bytes cut = {0};
            put(&cut, whole.p, n);
            write_bytes(cut);
            expect_refused("bad.pth");
        }
        free(whole.p);
    }
    sc_network_free(network);
    sc_free(theta);
}

static void archives_that_lie_are_refused(void **state)
{
    (void)state;
    static const char pickle[] = "\x80\2" TENSOR STORE "K\x0ctQK\0K\x0c\x85K\1\x85" HOOKS;
    static const unsigned char data[64] = {0};
    const size_t n = sizeof pickle - 1;
    zip_file z = {0};
    zip_add(&z, "a/data.pkl", pickle, n, 8);
    write_bytes(zip_finish(&z, 0));
    expect_refused("entry a/data.pkl: is compressed");
    zip_add(&z, "a/data.pkl", pickle, n, 0);
    zip_add(&z, "a/data.pkl", pickle, n, 0);
    write_bytes(zip_finish(&z, 0));
    expect_refused("entry a/data.pkl occurs twice");
    zip_add(&z, "a/data.pkl", pickle, n, 0);
    zip_add(&z, "b/data.pkl", pickle, n, 0);
    write_bytes(zip_finish(&z, 0));
    expect_refused("expected one TOP/data.pkl in the archive, found 2");
    zip_add(&z, "a/other", pickle, n, 0);
    write_bytes(zip_finish(&z, 0));
    expect_refused("expected one TOP/data.pkl in the archive, found 0");
    zip_add(&z, "a/data.pkl", pickle, n, 0);
    zip_add(&z, "a/code/a.py", pickle, n, 8); /* its code is compressed */
    zip_add(&z, "a/constants.pkl", pickle, n, 0);
    write_bytes(zip_finish(&z, 0));
    expect_refused("TorchScript");
    zip_add(&z, "a/data.pkl", pickle, n, 0);
    zip_add(&z, "a/byteorder", "big", 3, 0);
    write_bytes(zip_finish(&z, 0));
    expect_refused("byteorder is 'big'");
    zip_add(&z, "a/data.pkl", pickle, n, 0);
    write_bytes(zip_finish(&z, 0));
    expect_refused("storage data/0 is missing");
    zip_add(&z, "a/data.pkl", pickle, n, 0);
    zip_add(&z, "a/data/0", data, 47, 0);
    write_bytes(zip_finish(&z, 0));
    expect_refused("storage data/0: expected 48 bytes, found 47");
}

/* Edits of a sound archive's directory. */
static void directories_that_lie_are_refused(void **state)
{
    (void)state;
    static const struct {
        size_t at; /* in the first central record */
        int bytes;
        uint64_t value;
        const char *expected;
    } edits[] = {
        {8, 2, 1, "is encrypted"},
        {20, 4, 5, "local header and directory disagree"},
        {20, 4, 0x7ffffff0, "the data end at byte"},
        {24, 4, 0xfffffff0, "local header and directory disagree"},
        {42, 4, 0x7ffffff0, "the data end at byte"},
        {42, 4, 4, "no local header of that name"},
        {28, 2, 0, "a name of 0 bytes"},
        {28, 2, 0xffff, "directory is damaged"},
        {30, 2, 0xffff, "directory is damaged"},
        {0, 4, 0, "directory is damaged"},
        {46, 1, 0, "with a zero byte"},
        {46, 1, 'b', "local header and directory disagree"},
    };
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        zip_file z = {0};
        zip_add(&z, "a/data.pkl", "\x80\2}.", 4, 0);
        size_t start = z.data.n;
        bytes b = zip_finish(&z, 0);
        for (int k = 0; k < edits[i].bytes; k++)
            b.p[start + edits[i].at + (size_t)k] = (unsigned char)(edits[i].value >> (8 * k));
        write_bytes(b);
        expect_refused(edits[i].expected);
    }
}

static void overlapping_entries_are_refused(void **state)
{
    (void)state;
    /* an entry whose data hold the local header of another */
    zip_file inner = {0}, z = {0};
    zip_add(&inner, "a/data/0", "01234567", 8, 0);
    zip_add(&z, "a/data.pkl", inner.data.p, inner.data.n, 0);
    size_t inside = z.data.n - inner.data.n;
    for (int k = 0; k < 4; k++)
        inner.directory.p[42 + k] = (unsigned char)(inside >> (8 * k));
    put(&z.directory, inner.directory.p, inner.directory.n);
    z.entries++;
    free(inner.data.p);
    free(inner.directory.p);
    write_bytes(zip_finish(&z, 0));
    expect_refused("entries a/data.pkl and a/data/0 overlap");
}

static void what_is_no_checkpoint_is_refused(void **state)
{
    (void)state;
    bytes b = {0};
    put_text(&b, "hello, this is text");
    write_bytes(b);
    expect_refused("neither zip nor pickle");
    b = (bytes){0};
    write_bytes(b);
    expect_refused("neither zip nor pickle");
    b = (bytes){0};
    put_text(&b, "\x80\2}.");
    write_bytes(b);
    expect_refused("no magic number");
    b = (bytes){0};
    put_number(&b, 0, 257);
    put_text(&b, "ustar");
    put_number(&b, 0, 512);
    write_bytes(b);
    expect_refused("is a tar archive");
}

/* Any one byte changed: refused, or another checkpoint, but never a crash. */
static void flipped_bytes_never_crash(void **state)
{
    (void)state;
    sc_network *network;
    float *theta;
    make_network(&network, &theta);
    bytes whole = good_zip(theta, network, 0);
    sc_import_options options = {.checkpoint = path, .config = config_path};
    for (size_t i = 0; i < whole.n; i += 37) {
        sc_weights weights;
        bytes b = {0};
        put(&b, whole.p, whole.n);
        b.p[i] ^= (unsigned char)(1u << (i / 37 % 8));
        write_bytes(b);
        sc_status status = sc_import_read(&weights, &options);
        assert_true(status == SC_OK || status == SC_ERR_FORMAT || status == SC_ERR_UNSUPPORTED);
        sc_weights_free(&weights);
    }
    free(whole.p);
    sc_free(theta);
    sc_network_free(network);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(archives_that_lie_are_refused),
        cmocka_unit_test(directories_that_lie_are_refused),
        cmocka_unit_test(overlapping_entries_are_refused),
        cmocka_unit_test(what_is_no_checkpoint_is_refused),
        cmocka_unit_test(flipped_bytes_never_crash),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
