/* Real scans become problems: image in the scan's units, scale near that of the full data, two sets
 * of maps exactly where the field of view cuts the head, maps as BART's. */
#include "least_squares.h"
#include "real_scans.h"
#include "recon/finish.h"
#include "recon/metrics.h"
#include "recon/prepare.h"
#include <stdlib.h>
#include <unistd.h>

enum { NY = 230, NX = 180, N = NY * NX };

static sc_device *device;

typedef struct {
    sc_scan scan;
    sc_calibration calibration;
    sc_problem problem;
    sc_prepare_facts facts;
} setup;

static void prepare(setup *s, const char *name, const char *mask)
{
    char file[64];
    snprintf(file, sizeof file, "%.40s.cfl", name);
    skip_without(file);
    read_scan(&s->scan, name, mask);
    OK(sc_calibration_create(&s->calibration, &s->scan, NULL));
    OK(sc_prepare(&s->problem, &s->facts, &s->scan, &s->calibration, 0, 0, device));
    print_message("%s %s: block %lld x %lld, sets %d, second %.3f, support %.3f, scale %.1f\n",
                  name, mask ? mask : "", (long long)s->facts.block.ny,
                  (long long)s->facts.block.nx, s->facts.sets, s->facts.second_share,
                  s->facts.support, s->facts.scale);
}

static void finish(setup *s)
{
    sc_problem_free(&s->problem);
    sc_calibration_free(&s->calibration);
    sc_scan_free(&s->scan);
}

static void full_data_give_the_reference_in_its_own_units(void **state)
{
    (void)state;
    setup s;
    sc_estimate estimate;
    sc_array volume;
    sc_metrics m;
    sc_gate gate;
    static float reference[N];
    static unsigned char head[N];
    prepare(&s, "brain8ch_full", NULL);
    read_npy(reference, "brain8ch_full_reference.npy", NY, NX, sizeof *reference);
    read_npy(head, "brain8ch_full_head.npy", NY, NX, 1);
    least_squares(&estimate, &s.problem);
    OK(sc_gate_check(&gate, &estimate, &s.problem, NULL));
    OK(sc_finish_volume(&volume, SC_F32, &s.scan, &s.calibration));
    OK(sc_finish_image(&volume, &estimate, &s.problem, &s.calibration, 0, -1));
    OK(sc_metrics_compare(&m, volume.data, reference, NY, NX,
                          &(sc_metrics_options){.region = head, .fit = true}));
    print_message("residual %.3f; head: %.2f dB, factor %.4f\n", gate.residual, m.psnr, m.factor);
    assert_true(m.psnr > 46);
    NEAR(m.factor, 1, 0.005);
    NEAR(gate.residual, 1,
         0.15); /* the noise, measured apart from the image, explains what is left */
    sc_array_free(&volume);
    sc_estimate_free(&estimate);
    finish(&s);
}

static void scale_hardly_depends_on_the_mask(void **state)
{
    (void)state;
    const char *const masks[] = {NULL, "mask_lines_r3.npy", "mask_random_r4.npy",
                                 "mask_lines_r6.npy", "mask_poisson_r8.npy"};
    double full = 0;
    for (int m = 0; m < 5; m++) {
        setup s;
        prepare(&s, "brain8ch_full", masks[m]);
        double units = s.facts.scale * sc_noise_sigma(&s.calibration.noise);
        full = m == 0 ? units : full;
        print_message("   scale over that of the full data: %.3f\n", units / full);
        assert_true(fabs(units / full - 1) < 0.15);
        assert_int_equal(s.facts.sets, 1);
        finish(&s);
    }
}

static void two_sets_where_the_field_of_view_cuts_the_head(void **state)
{
    (void)state;
    setup s;
    prepare(&s, "brain8ch_smallfov", NULL);
    assert_int_equal(s.facts.sets, 2);
    finish(&s);
    prepare(&s, "brain8ch_poisson_a", NULL);
    assert_int_equal(s.facts.sets, 1);
    finish(&s);
    prepare(&s, "brain8ch_poisson_b", NULL); /* values of 1e13 */
    assert_int_equal(s.facts.sets, 1);
    assert_true(isfinite(s.facts.scale) && s.facts.scale > 10);
    finish(&s);
}

/* bart ecalib -m 1 -r 24 -k 6 -t 0.001 -c 0.8, as complex (coil, ny, nx). */
static void bart_maps(sc_c32 *maps, const sc_scan *scan)
{
    char folder[] = "/tmp/sc_bart_XXXXXX", path[64], command[512];
    sc_c32 *turned;
    if (system("command -v bart >/dev/null 2>&1") != 0) {
        print_message("skipped: bart is not installed\n");
        skip();
    }
    assert_non_null(mkdtemp(folder));
    OK(SC_ALLOC(&turned, 8 * N, "cfl"));
    const sc_c32 *k = scan->kspace.data;
    for (int i = 0; i < 8 * N; i++) /* cfl: (1, y, x, coil), first axis fastest */
        turned[(i / N * NX + i % NX) * NY + i / NX % NY] = k[i];
    snprintf(path, sizeof path, "%s/k.cfl", folder);
    FILE *file = fopen(path, "wb");
    assert_int_equal(fwrite(turned, sizeof *turned, 8 * N, file), 8 * N);
    fclose(file);
    snprintf(path, sizeof path, "%s/k.hdr", folder);
    file = fopen(path, "w");
    fprintf(file, "# Dimensions\n1 %d %d 8\n", NY, NX);
    fclose(file);
    snprintf(
        command, sizeof command,
        "cd %s && OMP_NUM_THREADS=1 bart ecalib -m 1 -r 24 -k 6 -t 0.001 -c 0.8 k m >/dev/null",
        folder);
    assert_int_equal(system(command), 0);
    snprintf(path, sizeof path, "%s/m.cfl", folder);
    file = fopen(path, "rb");
    assert_int_equal(fread(turned, sizeof *turned, 8 * N, file), 8 * N);
    fclose(file);
    for (int i = 0; i < 8 * N; i++)
        maps[i] = turned[(i / N * NX + i % NX) * NY + i / NX % NY];
    sc_free(turned);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

static void maps_are_those_of_bart(void **state)
{
    (void)state;
    sc_scan scan;
    sc_planes planes;
    sc_plane plane;
    sc_block block;
    sc_c32 *data;
    sc_espirit_maps ours;
    static sc_c32 theirs[8 * N];
    sc_espirit_options o = sc_espirit_default();
    o.threshold = 0.001; /* BART's */
    o.crop = 0.8;
    skip_without("brain8ch_full.cfl");
    read_scan(&scan, "brain8ch_full", "mask_lines_r3.npy");
    OK(sc_planes_of(&planes, &scan));
    OK(sc_plane_read(&plane, &scan, &planes, 0, 0));
    OK(sc_block_read(&data, &block, &plane, 24));
    OK(sc_espirit(&ours, data, 8, block.ny, block.nx, NY, NX, &o, 2));
    bart_maps(theirs, &scan);
    int both = 0, differ = 0, apart = 0, clear = 0;
    double worst = 1;
    for (int i = 0; i < N; i++) {
        double complex sum = 0;
        bool a = ours.eigenvalue[i] > 0.8f, b = false;
        for (int c = 0; c < 8; c++) {
            sum += conj((double complex)ours.maps[c * N + i]) * theirs[c * N + i];
            b = b || theirs[c * N + i] != 0;
        }
        differ += a != b;
        if (!a || !b)
            continue;
        both++;
        apart += cabs(sum) < 0.999;
        /* BART's thirty steps leave (lambda_2 / lambda_1)^30 of the second vector */
        if (pow(ours.eigenvalue[N + i] / ours.eigenvalue[i], 30) < 0.005) {
            clear++;
            worst = fmin(worst, cabs(sum));
        }
    }
    print_message("support %.4f, differs on %d pixels; below 0.999 on %.4f of it; where BART's "
                  "iteration has converged (%.3f of it), at least %.5f\n",
                  (double)both / N, differ, (double)apart / both, (double)clear / both, worst);
    assert_true(differ < 20);
    assert_true(apart < 0.02 * both);
    assert_true(worst > 0.999);
    sc_espirit_free(&ours);
    sc_free(data);
    sc_plane_free(&plane);
    sc_scan_free(&scan);
}

static int begin(void **state)
{
    (void)state;
    return sc_device_create_cpu(&device, 2);
}

static int end(void **state)
{
    (void)state;
    sc_device_free(device);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_data_give_the_reference_in_its_own_units),
        cmocka_unit_test(scale_hardly_depends_on_the_mask),
        cmocka_unit_test(two_sets_where_the_field_of_view_cuts_the_head),
        cmocka_unit_test(maps_are_those_of_bart),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
