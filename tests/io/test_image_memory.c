/* Images, pictures and records with the n-th allocation failing, then the n-th write: a clear error
 * each time, nothing left behind. Linked with --wrap=sc_alloc, --wrap=sc_file_write_all; jansson
 * allocates through a counter of its own. */
#include "tests/io/io_volume.h"

#include "base/file.h"
#include "base/memory.h"
#include "io/cfl.h"
#include "io/dicom.h"
#include "io/figure.h"
#include "io/geometry.h"
#include "io/image.h"
#include "io/nifti.h"
#include "io/npy.h"
#include "io/png.h"
#include "io/record.h"
#include "io/tiff.h"

#include <jansson.h>

sc_status __real_sc_alloc(void **p, size_t count, size_t size, const char *what);
sc_status __wrap_sc_alloc(void **p, size_t count, size_t size, const char *what);
sc_status __real_sc_file_write_all(int descriptor, const void *data, size_t bytes, const char *path);
sc_status __wrap_sc_file_write_all(int descriptor, const void *data, size_t bytes, const char *path);

static int allocations = -1, writes = -1; /* that succeed; negative: all */

sc_status __wrap_sc_alloc(void **p, size_t count, size_t size, const char *what)
{
    if (allocations == 0) {
        *p = NULL;
        return sc_fail(SC_ERR_MEMORY, "no memory for %s", what);
    }
    allocations -= allocations > 0;
    return __real_sc_alloc(p, count, size, what);
}

sc_status __wrap_sc_file_write_all(int descriptor, const void *data, size_t bytes, const char *path)
{
    if (writes == 0)
        return sc_fail(SC_ERR_IO, "%s: cannot write: disk full", path);
    writes -= writes > 0;
    return __real_sc_file_write_all(descriptor, data, bytes, path);
}

static void *counted_malloc(size_t bytes)
{
    if (allocations == 0)
        return NULL;
    allocations -= allocations > 0;
    return malloc(bytes);
}

static sc_volume volume;
static const char *place; /* of what a step writes */

static sc_status write_nifti(void) { return sc_nifti_write(place, &volume); }

static sc_status write_gray(void)
{
    return sc_png_write_gray(place, volume.data.data, 9, 7, 0, 1000);
}

static sc_status write_panel(void)
{
    const sc_tile tile = {.image = volume.data.data, .ny = 9, .nx = 7, .high = 1000, .title = "t",
                          .map = SC_COLOR_HEAT};
    return sc_figure_panel(place, &tile, 1, 1, 0, "heading", true);
}

static sc_status write_curves(void)
{
    const double x[3] = {1, 2, 3}, y[3] = {1, 4, 9};
    const sc_curve curve = {x, y, 3, "squares"};
    return sc_figure_curves(place, &curve, 1, "title", "x", "y", false, false);
}

static sc_status write_geometry(void) { return sc_geometry_file_write(place, &volume.geometry); }

static sc_status write_record(void)
{
    sc_record *record;
    char hex[65];
    sc_status status;
    SC_TRY(sc_record_create(&record, "scorecon", "0"));
    SC_TRY(sc_record_add_input(record, in_scratch("in.nii.gz")));
    SC_TRY(sc_record_set_text(record, "method.name", "caf\xe9"));
    SC_TRY(sc_record_add_number(record, "residual.all", 1));
    SC_TRY(sc_record_set_geometry(record, "geometry", &volume.geometry));
    SC_TRY(sc_record_run_hash(record, hex));
    SC_TRY(sc_record_write(record, place));
cleanup:
    sc_record_free(record);
    return status;
}

static sc_status write_dicom(void)
{
    sc_outdir *outdir = NULL;
    sc_header header;
    const sc_dicom_options options = {.run = "r", .source = "s", .prior = "p"};
    sc_status status;
    sc_header_clear(&header);
    SC_TRY(sc_outdir_create(&outdir, place));
    SC_TRY(sc_dicom_write_series(outdir, "dicom", &volume, &header, &options));
    SC_TRY(sc_outdir_commit(outdir));
    outdir = NULL;
cleanup:
    sc_outdir_discard(outdir);
    return status;
}

static const struct {
    const char *name;
    sc_status (*step)(void);
    int allocations; /* at least so many of them are seen */
} writers[] = {
    {"w.nii", write_nifti, 1},      {"w.nii.gz", write_nifti, 2},   {"w.png", write_gray, 1},
    {"panel.png", write_panel, 1},  {"curves.png", write_curves, 1}, {"w.json", write_geometry, 10},
    {"record.json", write_record, 20}, {"out", write_dicom, 3},
};

/* Nothing under the name, and no temporary beside it. */
static void assert_nothing_left(void)
{
    assert_int_equal(access(place, F_OK), -1);
    assert_int_not_equal(run_command("ls -A %s | grep -q tmp", scratch), 0);
}

static void every_allocation_of_a_writer_may_fail(void **state)
{
    (void)state;
    for (size_t w = 0; w < sizeof writers / sizeof *writers; w++)
        for (int n = 0;; n++) {
            place = in_scratch(writers[w].name);
            allocations = n;
            sc_status status = writers[w].step();
            allocations = -1;
            if (status == SC_OK) {
                assert_true(n >= writers[w].allocations);
                run_command("rm -rf %s", place);
                break;
            }
            if (status != SC_ERR_MEMORY)
                print_error("%s, allocation %d: %s\n", writers[w].name, n, sc_message());
            assert_int_equal(status, SC_ERR_MEMORY);
            assert_nothing_left();
        }
}

static void every_write_may_fail(void **state)
{
    (void)state;
    for (size_t w = 0; w < sizeof writers / sizeof *writers; w++)
        for (int n = 0;; n++) {
            place = in_scratch(writers[w].name);
            writes = n;
            sc_status status = writers[w].step();
            writes = -1;
            if (status == SC_OK) {
                assert_true(n >= 1);
                run_command("rm -rf %s", place);
                break;
            }
            assert_int_equal(status, SC_ERR_IO);
            assert_non_null(strstr(sc_message(), "disk full"));
            assert_nothing_left();
        }
}

static void every_allocation_of_a_reader_may_fail(void **state)
{
    (void)state;
    const char *const names[] = {"in.nii.gz", "in.npy", "in", "in.tiff", "in-out", "in-out/dicom"};
    for (size_t r = 0; r < sizeof names / sizeof *names; r++)
        for (int n = 0;; n++) {
            sc_volume v;
            allocations = n;
            sc_status status = sc_image_read(&v, in_scratch(names[r]));
            allocations = -1;
            if (status == SC_OK) {
                assert_true(n >= 1);
                sc_volume_free(&v);
                break;
            }
            /* a parser may call memory that it did not get a broken text */
            if (status != SC_ERR_MEMORY && status != SC_ERR_FORMAT)
                print_error("%s, allocation %d: %s\n", names[r], n, sc_message());
            assert_true(status == SC_ERR_MEMORY || status == SC_ERR_FORMAT);
            assert_null(v.data.data);
        }
}

/* One image in all formats. */
static int prepare(void **state)
{
    if (scratch_make(state) != 0)
        return -1;
    volume = make_volume(&planes[4], SC_F32, 3, 9, 7);
    sc_volume complex_volume = make_volume(NULL, SC_C32, 3, 9, 7);
    assert_good(sc_nifti_write(in_scratch("in.nii.gz"), &volume));
    assert_good(sc_npy_write(in_scratch("in.npy"), &volume.data));
    assert_good(sc_tiff_write(in_scratch("in.tiff"), &volume.data));
    assert_good(sc_cfl_write(in_scratch("in"), &complex_volume.data, NULL));
    sc_volume_free(&complex_volume);
    place = in_scratch("in-out");
    assert_good(write_dicom());
    assert_good(sc_npy_write(in_scratch("in-out/image.npy"), &volume.data));
    place = in_scratch("in-out/record.json");
    assert_good(write_record());
    json_set_alloc_funcs(counted_malloc, free);
    return 0;
}

static int finish(void **state)
{
    sc_volume_free(&volume);
    return scratch_remove(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_of_a_writer_may_fail),
        cmocka_unit_test(every_write_may_fail),
        cmocka_unit_test(every_allocation_of_a_reader_may_fail),
    };
    return cmocka_run_group_tests(tests, prepare, finish);
}
