/* Lack of memory is a normal code path: fail allocation 1, 2, 3, ... of each function that
 * allocates, and expect a clear status, no leak and no output. Linked with --wrap=sc_alloc. */
#include "base/device.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/volume.h"
#include "check.h"
#include <stdbool.h>
#include <unistd.h>

sc_status __real_sc_alloc(void **p, size_t count, size_t size, const char *what);
sc_status __wrap_sc_alloc(void **p, size_t count, size_t size, const char *what);

static int countdown; /* the allocation that fails; 0: none */

sc_status __wrap_sc_alloc(void **p, size_t count, size_t size, const char *what)
{
    if (countdown > 0 && --countdown == 0) {
        *p = NULL;
        return sc_fail(SC_ERR_MEMORY, "%s: injected", what);
    }
    return __real_sc_alloc(p, count, size, what);
}

static sc_device *cpu;

static sc_status read_file(void)
{
    void *data;
    size_t bytes;
    sc_status status = sc_file_read(&data, &bytes, SC_SOURCE_DIR "/CMakeLists.txt", 1 << 20);
    assert_true((data != NULL) == (status == SC_OK));
    sc_free(data);
    return status;
}

static sc_status fill_outdir(void)
{
    sc_outdir *out;
    const char *path;
    sc_status status = sc_outdir_create(&out, "sc_test_short_memory");
    assert_true((out != NULL) == (status == SC_OK));
    if (status == SC_OK)
        assert_int_equal(sc_outdir_path(out, &path, "a/b"), SC_OK);
    sc_outdir_discard(out);
    assert_int_equal(access("sc_test_short_memory", F_OK), -1);
    return status;
}

static sc_status copy_geometry(void)
{
    const double centre[6] = {0}, r[3] = {1, 0, 0}, p[3] = {0, 1, 0};
    sc_geometry g, copy = {0};
    sc_status status;
    SC_TRY(sc_geometry_from_centre(&g, centre, 2, r, p, 1, 1, 1, 1, 1));
    status = sc_geometry_copy(&copy, &g);
cleanup:
    assert_true(copy.known == (status == SC_OK));
    sc_geometry_free(&g);
    sc_geometry_free(&copy);
    return status;
}

static sc_status plan_fft(void)
{
    const int64_t dim[] = {6, 9};
    sc_fft *fft;
    sc_status status = cpu->kernels->fft_create(cpu, &fft, 2, dim, 3);
    assert_true((fft != NULL) == (status == SC_OK));
    cpu->kernels->fft_free(fft);
    return status;
}

static sc_status make_device(void)
{
    sc_device *device;
    sc_status status = sc_device_create_cpu(&device, 1);
    assert_true((device != NULL) == (status == SC_OK));
    sc_device_free(device);
    return status;
}

static sc_status copy_array(void)
{
    const int64_t dim[] = {3, 4};
    sc_array a = {0}, b = {0};
    sc_status status;
    SC_TRY(sc_array_create(&a, SC_C32, 2, dim));
    SC_TRY(sc_array_copy(&b, &a));
cleanup:
    assert_true((b.data != NULL) == (status == SC_OK));
    sc_array_free(&a);
    sc_array_free(&b);
    return status;
}

static sc_status print_json(void)
{
    json_t *root;
    char *text, *copy = NULL;
    sc_status status;
    assert_int_equal(sc_json_parse(&root, "[1]", 3, "text"), SC_OK);
    SC_TRY(sc_json_print(&text, root));
    status = sc_string_copy(&copy, text);
cleanup:
    sc_free(text);
    sc_free(copy);
    json_decref(root);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        sc_status (*run)(void);
        int allocations; /* at least */
    } cases[] = {
        {"read_file", read_file, 1},     {"fill_outdir", fill_outdir, 1},
        {"geometry", copy_geometry, 2},  {"plan_fft", plan_fft, 3},
        {"make_device", make_device, 1}, {"copy_array", copy_array, 2},
        {"print_json", print_json, 2},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
        for (int n = 1;; n++) {
            countdown = n;
            sc_status status = cases[c].run();
            if (status == SC_OK) { /* there was no n-th allocation that mattered */
                countdown = 0;
                assert_true(n > cases[c].allocations);
                break;
            }
            if (status != SC_ERR_MEMORY || !strstr(sc_message(), "injected"))
                fail_msg("%s, allocation %d: %s", cases[c].name, n, sc_message());
        }
}

static int start(void **state)
{
    (void)state;
    return sc_device_create_cpu(&cpu, 1);
}

static int stop(void **state)
{
    (void)state;
    sc_device_free(cpu);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_may_fail)};
    return cmocka_run_group_tests(tests, start, stop);
}
