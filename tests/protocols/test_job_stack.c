/* Slices held together by a job: what is no stack is refused in one line, one slice is as without,
 * the result does not depend on threads or on the order in which slices were stored.
 */
#include "job_fixture.h"

#include "base/file.h"
#include "protocols/job_internal.h"
#include <math.h>

enum { SLICES = 3 };

static int warnings;
static char warning[1024];

static void hear(void *self, sc_log_level level, const char *message)
{
    (void)self;
    if (level == SC_LOG_WARN && strstr(message, "through-slice")) {
        snprintf(warning, sizeof warning, "%s", message);
        warnings++;
    }
}

static int make_files(void **state)
{
    (void)state;
    make_folder("stack");
    make_scan(SLICES, 1);
    make_weights();
    sc_log_set(hear, NULL);
    return 0;
}

/* Positions (mm) of slices along and across the normal. */
static void write_geometry(int slices, const double *along, const double *across)
{
    char path[256], text[1024];
    int used = snprintf(text, sizeof text,
                        "{\"row_direction\": [1, 0, 0], \"column_direction\": [0, 1, 0], "
                        "\"pixel_spacing_mm\": [2, 2], \"slice_positions_mm\": [");
    for (int k = 0; k < slices; k++)
        used += snprintf(text + used, sizeof text - (size_t)used, "%s[%g, 0, %g]", k ? ", " : "",
                         across ? across[k] : 0.0, along[k]);
    used += snprintf(text + used, sizeof text - (size_t)used, "]}");
    in_folder(path, "geometry.json");
    assert_int_equal(sc_file_write(path, text, (size_t)used), SC_OK);
}

/* Status of a run; image: of a good one. option: of the method, beside few levels. */
static sc_status reconstruct(sc_array *image, const char *option, int threads, bool geometry)
{
    char scan[256], weights[256], place[256], through[64];
    char levels[] = "levels=3", iterations[] = "through-iterations=10";
    char *options[] = {levels, iterations, through};
    sc_job job = sc_job_default();
    sc_running run;
    snprintf(through, sizeof through, "%s", option);
    in_folder(scan, "scan.h5"), in_folder(weights, "weights.safetensors");
    in_folder(place, "geometry.json");
    job.scan = scan, job.threads = threads, job.force = true;
    job.settings.prior = weights;
    job.settings.method = "dds";
    job.settings.geometry = geometry ? place : NULL;
    job.settings.options = options, job.settings.options_count = 3;
    job.settings.formats = SC_FORMAT_NPY;
    assert_int_equal(sc_job_begin(&run, &job), SC_OK);
    assert_int_equal(sc_job_load(&run), SC_OK);
    sc_status status = sc_job_reconstruct(&run);
    *image = run.series.image;
    run.series.image = (sc_array){0};
    sc_job_unload(&run);
    return status;
}

static sc_array good(const char *option, int threads)
{
    sc_array image;
    if (reconstruct(&image, option, threads, true) != SC_OK)
        fail_msg("%s: %s", option, sc_message());
    return image;
}

static double largest_difference(const sc_array *a, const sc_array *b, int64_t from, int64_t to)
{
    double largest = 0;
    int64_t n = 2 * a->dim[a->rank - 1] * a->dim[a->rank - 2];
    for (int64_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(((const float *)a->data)[from * n + i] -
                                     ((const float *)b->data)[to * n + i]));
    return largest;
}

static void slices_held_together_are_more_alike(void **state)
{
    (void)state;
    write_geometry(SLICES, (double[]){0, 2, 4}, NULL);
    sc_array off = good("through-slice=0", 2), on = good("through-slice=100", 2);
    double apart[2] = {0, 0};
    const sc_array *image[] = {&off, &on};
    int64_t n = NY * NX;
    for (int i = 0; i < 2; i++)
        for (int64_t p = 0; p + n < SLICES * n; p++) {
            const sc_c32 *x = image[i]->data;
            apart[i] += fabs(cabs((double complex)x[p + n]) - cabs((double complex)x[p]));
        }
    print_message("difference of neighbours: %.3f, held together %.3f\n", apart[0], apart[1]);
    assert_true(apart[1] < 0.95 * apart[0]);
    sc_array_free(&off), sc_array_free(&on);
}

static void threads_do_not_change_a_bit(void **state)
{
    (void)state;
    write_geometry(SLICES, (double[]){0, 2, 4}, NULL);
    sc_array one = good("through-slice=5", 1), three = good("through-slice=5", 3);
    assert_memory_equal(one.data, three.data, sc_array_bytes(&one));
    sc_array_free(&one), sc_array_free(&three);
}

/* From the last to the first is the same stack; its noise is that of the planes, so bytes agree. */
static void the_direction_of_a_stack_does_not_matter(void **state)
{
    (void)state;
    write_geometry(SLICES, (double[]){0, 2, 4}, NULL);
    sc_array up = good("through-slice=5", 1);
    write_geometry(SLICES, (double[]){4, 2, 0}, NULL);
    sc_array down = good("through-slice=5", 1);
    assert_memory_equal(up.data, down.data, sc_array_bytes(&up));
    write_geometry(SLICES, (double[]){0, 4, 2}, NULL); /* now the last lies between the others */
    sc_array between = good("through-slice=5", 1);
    assert_true(largest_difference(&up, &between, 0, 0) > 0);
    sc_array_free(&up), sc_array_free(&down), sc_array_free(&between);
}

static void what_is_no_stack_is_refused(void **state)
{
    (void)state;
    sc_array image;
    write_geometry(SLICES, (double[]){0, 2, 5}, NULL);
    assert_int_equal(reconstruct(&image, "through-slice=5", 1, true), SC_ERR_INPUT);
    assert_non_null(strstr(sc_message(), "equal distances"));
    assert_non_null(strstr(sc_message(), "scan.h5"));
    sc_array_free(&image);
    write_geometry(SLICES, (double[]){0, 2, 4}, (double[]){0, 3, 6});
    assert_int_equal(reconstruct(&image, "through-slice=5", 1, true), SC_ERR_INPUT);
    assert_non_null(strstr(sc_message(), "shifted by 3.00 mm"));
    sc_array_free(&image);
    assert_int_equal(reconstruct(&image, "through-slice=5", 1, false), SC_ERR_INPUT);
    assert_non_null(strstr(sc_message(), "--geometry"));
    sc_array_free(&image);
    assert_int_equal(reconstruct(&image, "through-slice=0", 1, false), SC_OK);
    sc_array_free(&image);
}

enum { DEPTH = 12 };

/* scan.h5 in 3D: every second ky around a full centre, in turns along kz if `both`, so that planes
 * are those of x; else those of z. */
static void make_volume_scan(bool both)
{
    char path[256];
    float mask[DEPTH * NY];
    sc_volume image = {0};
    sc_scan scan;
    sc_device *device;
    sc_simulate_options o = sc_simulate_default();
    assert_int_equal(sc_array_create(&image.data, SC_C32, 3, (int64_t[]){DEPTH, NY, NX}), SC_OK);
    for (int z = 0; z < DEPTH; z++) /* the same through all planes */
        for (int y = 5; y < 20; y++)
            for (int x = both ? 0 : 4; x < (both ? NX : 18); x++)
                ((sc_c32 *)image.data.data)[(z * NY + y) * NX + x] = (float)(1 + (y > 9));
    for (int z = 0; z < DEPTH; z++)
        for (int y = 0; y < NY; y++)
            mask[z * NY + y] = abs(y - NY / 2) < 5 || (y + (both ? z : 0)) % 2 == 0;
    o.coils = 3, o.mask_array = mask, o.noise_samples = 64, o.three_d = true;
    assert_int_equal(sc_device_create_cpu(&device, 1), SC_OK);
    if (sc_simulate(&scan, NULL, &image, &o, device) != SC_OK)
        fail_msg("%s", sc_message());
    in_folder(path, "scan.h5");
    assert_int_equal(sc_scan_write_ismrmrd(path, &scan, NULL), SC_OK);
    sc_scan_free(&scan);
    sc_device_free(device);
    sc_volume_free(&image);
}

/* Sum of |differences of magnitude| between elements `stride` apart that lie in one row of
 * `length`. */
static double roughness(const sc_array *image, int64_t stride, int64_t length)
{
    const sc_c32 *x = image->data;
    double sum = 0;
    for (int64_t p = 0; p < sc_array_count(image); p++)
        if (p / stride % length + 1 < length)
            sum += fabs(cabs((double complex)x[p + stride]) - cabs((double complex)x[p]));
    return sum;
}

/* Without geometry: voxels are taken for cubes. */
static void planes_of_a_3d_scan_are_a_stack(void **state)
{
    (void)state;
    for (int both = 0; both < 2; both++) {
        make_volume_scan(both);
        sc_array off, on;
        assert_int_equal(reconstruct(&off, "through-slice=0", 2, false), SC_OK);
        if (reconstruct(&on, "through-slice=100", 2, false) != SC_OK)
            fail_msg("%s", sc_message());
        int64_t stride = both ? 1 : NY * NX, length = both ? NX : DEPTH;
        double apart = roughness(&off, stride, length), together = roughness(&on, stride, length);
        print_message("planes of %s: roughness %.1f, held together %.1f\n", both ? "x" : "z", apart,
                      together);
        assert_true(together < 0.95 * apart);
        sc_array_free(&off), sc_array_free(&on);
    }
}

static void one_slice_is_as_without(void **state)
{
    (void)state;
    make_scan(1, 1);
    write_geometry(1, (double[]){0}, NULL);
    sc_array off = good("through-slice=0", 1);
    assert_int_equal(warnings, 0);
    sc_array on = good("through-slice=5", 1);
    assert_int_equal(warnings, 1);
    assert_non_null(strstr(warning, "one slice"));
    assert_memory_equal(off.data, on.data, sc_array_bytes(&off));
    sc_array_free(&off), sc_array_free(&on);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_held_together_are_more_alike),
        cmocka_unit_test(threads_do_not_change_a_bit),
        cmocka_unit_test(the_direction_of_a_stack_does_not_matter),
        cmocka_unit_test(what_is_no_stack_is_refused),
        cmocka_unit_test(planes_of_a_3d_scan_are_a_stack),
        cmocka_unit_test(one_slice_is_as_without),
    };
    return cmocka_run_group_tests(tests, make_files, remove_folder);
}
