/* cfl against BART both ways, and what malformed pairs get. */
#include "tests/io/io_test.h"

#include "base/array.h"
#include "io/cfl.h"

static void need_bart(void) { skip_unless("command -v bart", "no bart"); }

static void bart_reads_what_we_write(void **state)
{
    (void)state;
    need_bart();
    sc_array a, b;
    const int64_t dim[3] = {2, 3, 4};
    assert_good(sc_array_create(&a, SC_C32, 3, dim));
    for (int i = 0; i < 24; i++)
        ((sc_c32 *)a.data)[i] = (float)i - 2.5f * (float)i * I;
    assert_good(sc_cfl_write(in_scratch("w"), &a, NULL));
    assert_int_equal(run_command("bart show -m %s | grep -q 'AoD:.4.3.2.1.1'", in_scratch("w")), 0);
    /* element (1, 2, 1) in BART's order is C index (1, 2, 1) = 12 + 8 + 1 */
    assert_int_equal(run_command("cd %s && bart slice 0 1 1 2 2 1 w s && bart show s | grep -q "
                                 "'+2.100000e+01-5.250000e+01i'",
                                 scratch),
                     0);
    assert_int_equal(run_command("cd %s && bart scale 2 w d >/dev/null", scratch), 0);
    int64_t bart_dim[SC_BART_DIMS];
    assert_good(sc_cfl_read(&b, bart_dim, in_scratch("d.cfl")));
    assert_true(b.rank == 3 && b.dim[0] == 2 && b.dim[1] == 3 && b.dim[2] == 4);
    assert_true(bart_dim[0] == 4 && bart_dim[1] == 3 && bart_dim[2] == 2 && bart_dim[15] == 1);
    for (int i = 0; i < 24; i++)
        assert_true(((sc_c32 *)b.data)[i] == 2 * ((sc_c32 *)a.data)[i]);
    sc_array_free(&b);
    sc_array_free(&a);
}

static void given_dimensions_place_slices_and_echoes(void **state)
{
    (void)state;
    sc_array a, b;
    const int64_t dim[4] = {5, 2, 3, 4}; /* slice, coil, ky, kx */
    const int64_t want[SC_BART_DIMS] = {4, 3, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 5, 1, 1};
    int64_t got[SC_BART_DIMS];
    assert_good(sc_array_create(&a, SC_C32, 4, dim));
    assert_good(sc_cfl_write(in_scratch("s.hdr"), &a, want));
    assert_good(sc_cfl_read(&b, got, in_scratch("s")));
    assert_memory_equal(got, want, sizeof want);
    /* 14 dimensions remain, ones go until 8 are left: slice, 1, coil, 1, ky, kx and two more */
    assert_int_equal(b.rank, 8);
    assert_int_equal(b.dim[0], 5);
    assert_int_equal(b.dim[7], 4);
    assert_int_equal(sc_array_count(&b), 120);
    sc_array_free(&a);
    sc_array_free(&b);
}

static void malformed_pairs_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *hdr;
        size_t data;
        sc_status code;
        const char *message;
    } bad[] = {
        {"# Dimensions\n2 2\n", 31, SC_ERR_FORMAT, "ask for 32 bytes"},
        {"# Dimensions\n2 2\n", 40, SC_ERR_FORMAT, "holds 40"},
        {"# Dimensions\n2 0\n", 32, SC_ERR_FORMAT, "dimension 1 is 0"},
        {"# Dimensions\n2 -2\n", 32, SC_ERR_FORMAT, "dimension 1 is -2"},
        {"# Dimensions\n2 x\n", 32, SC_ERR_FORMAT, "sizes after"},
        {"# Dimensions\n2 2.5\n", 32, SC_ERR_FORMAT, "sizes after"},
        {"# Dimensions\n\n", 32, SC_ERR_FORMAT, "no sizes"},
        {"# Dimensions", 32, SC_ERR_FORMAT, "# Dimensions"},
        {"# Dimensions\n1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 4\n", 32, SC_ERR_FORMAT, "up to 16"},
        {"# Dimensions\n99999999999999999999999\n", 32, SC_ERR_FORMAT, "sizes after"},
        {"# Dimensions\n4294967296 4294967296\n", 32, SC_ERR_FORMAT, "overflow"},
        {"nothing\n", 32, SC_ERR_FORMAT, "no line"},
        {"", 32, SC_ERR_FORMAT, "no line"},
        {"# Dimensions\n1 2 2 2 2 2 2 2 2 2 1\n", 4096, SC_ERR_UNSUPPORTED, "9 dimensions"},
    };
    static const char zeros[4096];
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        sc_array a;
        put_text(in_scratch("b.hdr"), bad[k].hdr);
        put_file(in_scratch("b.cfl"), zeros, bad[k].data);
        assert_refused(sc_cfl_read(&a, NULL, in_scratch("b")), bad[k].code, bad[k].message);
        assert_null(a.data);
    }
}

static void a_pair_needs_both_files(void **state)
{
    (void)state;
    sc_array a;
    put_text(in_scratch("p.hdr"), "# Dimensions\n2\n# Command\nx\n");
    assert_false(sc_cfl_probe(in_scratch("p")));
    assert_refused(sc_cfl_read(&a, NULL, in_scratch("p")), SC_ERR_IO, "p.cfl");
    put_file(in_scratch("p.cfl"), "\0\0\200\77\0\0\0\0\0\0\0\0\0\0\200\277", 16);
    assert_true(sc_cfl_probe(in_scratch("p")) && sc_cfl_probe(in_scratch("p.cfl")) &&
                sc_cfl_probe(in_scratch("p.hdr")));
    assert_good(sc_cfl_read(&a, NULL, in_scratch("p")));
    assert_true(((sc_c32 *)a.data)[0] == 1 && cimagf(((sc_c32 *)a.data)[1]) == -1);
    sc_array_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bart_reads_what_we_write),
        cmocka_unit_test(given_dimensions_place_slices_and_echoes),
        cmocka_unit_test(malformed_pairs_are_refused),
        cmocka_unit_test(a_pair_needs_both_files),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
