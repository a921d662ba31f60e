/* Allocation 1, 2, 3, ... of a small reconstruction fails, then write 1, 2, 3, ... of its output:
 * each time a clear error, no crash, no leak (under ASan), nothing half-written.
 *
 * Linked with --wrap, so that every allocation and every write of the library passes here.
 */
#include "job_fixture.h"

#include "base/file.h"
#include "io/npy.h"
#include <dirent.h>
#include <stdatomic.h>

/* Which call fails: counts down to 0; negative: none. */
static atomic_long allocations, writes, fail_allocation = -1, fail_write = -1;

sc_status __real_sc_alloc(void **p, size_t count, size_t size, const char *what);
sc_status __wrap_sc_alloc(void **p, size_t count, size_t size, const char *what);
sc_status __real_sc_file_write_all(int descriptor, const void *data, size_t bytes, const char *path);
sc_status __wrap_sc_file_write_all(int descriptor, const void *data, size_t bytes, const char *path);

sc_status __wrap_sc_alloc(void **p, size_t count, size_t size, const char *what)
{
    allocations++;
    if (fail_allocation >= 0 && fail_allocation-- == 0) {
        *p = NULL;
        return sc_fail(SC_ERR_MEMORY, "%s: no memory (a test)", what);
    }
    return __real_sc_alloc(p, count, size, what);
}

sc_status __wrap_sc_file_write_all(int descriptor, const void *data, size_t bytes, const char *path)
{
    writes++;
    if (fail_write >= 0 && fail_write-- == 0)
        return sc_fail(SC_ERR_IO, "%s: No space left on device (a test)", path);
    return __real_sc_file_write_all(descriptor, data, bytes, path);
}

static int make_files(void **state)
{
    (void)state;
    char path[256];
    make_folder("failures");
    make_scan(1, 1);
    make_weights();
    in_folder(path, "geometry.json");
    FILE *f = fopen(path, "w");
    fputs("{\"image_position_mm\": [0, 0, 0], \"row_direction\": [1, 0, 0], \"column_direction\": [0, 1, 0], "
          "\"pixel_spacing_mm\": [1, 1], \"slice_thickness_mm\": 3, \"slice_spacing_mm\": 3}", f);
    fclose(f);
    return 0;
}

static sc_status run(const char *method, bool samples)
{
    char scan[256], output[256], weights[256], geometry[256];
    char *option[] = {"levels=2", "cg=2", "through-slice=5"};
    sc_job job = sc_job_default();
    sc_job_report report;
    in_folder(scan, "scan.h5"), in_folder(output, "out"), in_folder(weights, "weights.safetensors");
    in_folder(geometry, "geometry.json");
    job.scan = scan, job.output = output, job.threads = 1;
    job.settings.method = (char *)method;
    job.settings.prior = weights;
    job.settings.geometry = geometry;
    job.settings.samples = samples ? 2 : 0;
    job.settings.options = option;
    job.settings.options_count = !strcmp(method, "cg-sense") ? 0 : strcmp(method, "dds") ? 2 : 3;
    job.settings.formats = SC_FORMAT_DICOM | SC_FORMAT_NPY | SC_FORMAT_CFL | SC_FORMAT_NIFTI | SC_FORMAT_PNG;
    return sc_job_run(&job, &report);
}

static void nothing_is_left(long at)
{
    DIR *d = opendir(folder);
    int entries = 0;
    for (struct dirent *e; (e = readdir(d));)
        entries += e->d_name[0] != '.' || strlen(e->d_name) > 2;
    closedir(d);
    if (entries != 3)
        fail_msg("after failure %ld the folder holds %d entries, expected the 3 inputs", at, entries);
}

static void clear_output(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s/out", folder);
    assert_int_equal(system(command), 0);
}

/* Fail call 0, 1, 2, ... of a run. */
static void fail_each(atomic_long *which, atomic_long *count, const char *method, bool samples, sc_status code)
{
    *count = 0;
    sc_status good = run(method, samples);
    /* an untrained prior may not explain the data: then the gate refuses, which is no crash either */
    if (good != SC_OK && good != SC_ERR_NUMERIC)
        fail_msg("%s, undisturbed: %s", method, sc_message());
    clear_output();
    long total = *count, tried = 0;
    assert_true(total > 0);
    for (long k = 0; k < total; k++, tried++) {
        *which = k;
        sc_status status = run(method, samples);
        *which = -1;
        if (status != code || !strstr(sc_message(), "(a test)"))
            fail_msg("%s: call %ld of %ld failed, and the run ended with %d: %s", method, k, total, status, sc_message());
        nothing_is_left(k);
    }
    print_message("%s: %ld of %ld calls failed one at a time\n", method, tried, total);
}

static void every_failing_allocation_is_an_error_and_no_more(void **state)
{
    (void)state;
    fail_each(&fail_allocation, &allocations, "cg-sense", false, SC_ERR_MEMORY);
    fail_each(&fail_allocation, &allocations, "annealed-proximal", false, SC_ERR_MEMORY);
    fail_each(&fail_allocation, &allocations, "pula", true, SC_ERR_MEMORY);
}

/* Two slices as one problem. */
static void every_failing_allocation_of_a_stack_is_an_error_and_no_more(void **state)
{
    (void)state;
    make_scan(2, 1);
    fail_each(&fail_allocation, &allocations, "dds", false, SC_ERR_MEMORY);
}

static void every_failing_write_is_an_error_and_no_more(void **state)
{
    (void)state;
    fail_each(&fail_write, &writes, "cg-sense", false, SC_ERR_IO);
    fail_each(&fail_write, &writes, "pula", true, SC_ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failing_allocation_is_an_error_and_no_more),
        cmocka_unit_test(every_failing_write_is_an_error_and_no_more),
        cmocka_unit_test(every_failing_allocation_of_a_stack_is_an_error_and_no_more),
    };
    return cmocka_run_group_tests(tests, make_files, remove_folder);
}
