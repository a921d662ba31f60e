/* Masks: dropping samples of a scan, and the real scans with the masks beside them. */
#include "tests/io/scan_test.h"

#include "io/npy.h"

static sc_scan scan;

/* ---- masks ---- */

static void write_mask(const char *name, int rank, const int64_t *dim, int64_t zero_every)
{
    sc_array m;
    assert_good(sc_array_create(&m, SC_U8, rank, dim));
    for (int64_t i = 0; i < sc_array_count(&m); i++)
        ((uint8_t *)m.data)[i] = i % zero_every != 0;
    assert_good(sc_npy_write(in_scratch(name), &m));
    sc_array_free(&m);
}

static void masks_drop_samples_and_broadcast(void **state)
{
    (void)state;
    sc_scan a;
    make_scan(&a, 1, 2, 2, 1, 6, 5);
    assert_good(sc_npy_write(in_scratch("a.npy"), &a.kspace));
    sc_scan_options options = sc_scan_options_default();
    static const struct {
        int rank;
        int64_t dim[4];
        int64_t every;
        int y, x, s; /* step of the mask's index along the axes */
    } cases[] = {{2, {6, 5}, 3, 5, 1, 0},      {3, {2, 6, 5}, 7, 5, 1, 30}, {1, {6}, 2, 1, 0, 0},
                 {2, {6, 1}, 2, 1, 0, 0},      {2, {1, 5}, 2, 0, 1, 0},     {1, {5}, 2, 0, 1, 0},
                 {4, {1, 1, 6, 5}, 4, 5, 1, 0}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        write_mask("m.npy", cases[k].rank, cases[k].dim, cases[k].every);
        options.mask = in_scratch("m.npy");
        assert_good(sc_scan_read(&scan, in_scratch("a.npy"), &options));
        for (int s = 0; s < 2; s++)
            for (int y = 0; y < 6; y++)
                for (int x = 0; x < 5; x++) {
                    int at = s * cases[k].s + y * cases[k].y + x * cases[k].x;
                    bool keep = at % cases[k].every != 0;
                    assert_true(mask_at(&scan, 0, s, 0, y, x) == (float)keep);
                    assert_true(kspace_at(&scan, 0, s, 1, 0, y, x) ==
                                (keep ? kspace_at(&a, 0, s, 1, 0, y, x) : 0));
                }
        sc_scan_free(&scan);
    }
    sc_scan_free(&a);
}

static void wrong_masks_get_one_line(void **state)
{
    (void)state;
    sc_scan a;
    make_scan(&a, 1, 1, 2, 1, 6, 5);
    assert_good(sc_npy_write(in_scratch("a.npy"), &a.kspace));
    sc_scan_options options = sc_scan_options_default();
    options.mask = in_scratch("m.npy");
    write_mask("m.npy", 2, (const int64_t[]){5, 6}, 3);
    assert_refused(sc_scan_read(&scan, in_scratch("a.npy"), &options), SC_ERR_INPUT,
                   "mask of 5 x 6 for a scan of 6 x 5");
    write_mask("m.npy", 2, (const int64_t[]){6, 5}, 1);
    assert_refused(sc_scan_read(&scan, in_scratch("a.npy"), &options), SC_ERR_INPUT,
                   "m.npy: the mask leaves");
    sc_array m = sc_array_view(SC_F32, 1, (const int64_t[]){1}, &(float){-1});
    assert_good(sc_npy_write(in_scratch("m.npy"), &m));
    assert_refused(sc_scan_read(&scan, in_scratch("a.npy"), &options), SC_ERR_INPUT, "holds -1");
    options.mask = in_scratch("absent.npy");
    assert_refused(sc_scan_read(&scan, in_scratch("a.npy"), &options), SC_ERR_IO, "absent.npy");
    sc_scan_free(&a);
}

/* ---- the real scans ---- */

static void real_scans_have_the_sampling_that_their_notes_state(void **state)
{
    (void)state;
    static const struct {
        const char *name, *mask;
        int64_t ny, nx, samples;
        int centre_y, centre_x;
    } scans[] = {
        {"brain8ch_full", NULL, 230, 180, 41400, 230, 180},
        {"brain8ch_full", "mask_lines_r3.npy", 230, 180, 13500, 24, 180},
        {"brain8ch_full", "mask_lines_r6.cfl", 230, 180, 7740, 16, 180},
        {"brain8ch_full", "mask_random_r4", 230, 180, 10440, 24, 180},
        {"brain8ch_full", "mask_poisson_r8.npy", 230, 180, 5175, 24, 24},
        {"brain8ch_poisson_a", NULL, 230, 180, 5148, 24, 24},
        {"brain8ch_poisson_b", NULL, 180, 230, 5240, 20, 20},
        {"brain8ch_smallfov", NULL, 320, 168, 27168, 24, 25},
    };
    if (access(SC_SHARED_DIR "/data/scans", R_OK)) {
        print_message("skipped: no shared data\n");
        skip();
    }
    for (size_t k = 0; k < sizeof scans / sizeof *scans; k++) {
        char path[512], mask[512];
        snprintf(path, sizeof path, "%s/data/scans/%s", SC_SHARED_DIR, scans[k].name);
        snprintf(mask, sizeof mask, "%s/data/scans/%s", SC_SHARED_DIR,
                 scans[k].mask ? scans[k].mask : "");
        sc_scan_options options = sc_scan_options_default();
        options.mask = scans[k].mask ? mask : NULL;
        assert_good(sc_scan_read(&scan, path, &options));
        int64_t n = 0, low[3], high[3];
        for (int64_t i = 0; i < sc_array_count(&scan.mask); i++)
            n += ((float *)scan.mask.data)[i] > 0;
        assert_true(scan.ny == scans[k].ny && scan.nx == scans[k].nx && scan.coils == 8);
        assert_int_equal(n, scans[k].samples);
        sc_scan_centre(low, high, &scan, scan.mask.data);
        assert_true(high[1] - low[1] >= scans[k].centre_y && high[2] - low[2] >= scans[k].centre_x);
        sc_scan_free(&scan);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_drop_samples_and_broadcast),
        cmocka_unit_test(wrong_masks_get_one_line),
        cmocka_unit_test(real_scans_have_the_sampling_that_their_notes_state),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
