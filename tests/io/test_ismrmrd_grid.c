/* What becomes of the grid: readout oversampling removed, slices ordered, geometry. */
#include "tests/io/ismrmrd_file.h"

static sc_scan scan;

/* ---- oversampling ---- */

static sc_c32 point(int64_t n, int64_t at, int64_t k) /* centred unitary DFT of a delta */
{
    double angle = -2 * M_PI * (double)((at - n / 2) * (k - n / 2)) / (double)n;
    return (sc_c32)(cexp(angle * I) / sqrt((double)n));
}

static void oversampling_is_removed_for_all_parities(void **state)
{
    (void)state;
    static const int sizes[][2] = {{16, 8}, {15, 8}, {16, 7}, {15, 7}, {8, 5}, {12, 11}};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        int big = sizes[k][0], small = sizes[k][1];
        matrix(big, 2, 1);
        wanted(small, 2, 1);
        begin(2);
        sc_c32 line[32], outside[32];
        for (int x = 0; x < big; x++) {
            line[x] = point(big, big / 2 + 1, x); /* one right of the centre */
            outside[x] = point(big, big / 2 - small / 2 - 1, x) + line[x];
        }
        sc_readout r = line_of(big);
        add_samples(r, line);
        r.step1 = 1;
        add_samples(r, outside); /* an object beyond the wanted field of view goes */
        read_made(&scan, NULL);
        assert_true(scan.nx == small && scan.image_nx == small);
        for (int y = 0; y < 2; y++)
            for (int x = 0; x < small; x++) {
                assert_true(cabsf(kspace_at(&scan, 0, 0, 0, 0, y, x) -
                                  point(small, small / 2 + 1, x)) < 1e-6f);
                assert_true(mask_at(&scan, 0, 0, 0, y, x) == 1);
            }
        sc_scan_free(&scan);
    }
}

static void an_asymmetric_echo_keeps_its_gap_through_the_crop(void **state)
{
    (void)state;
    matrix(32, 1, 1);
    wanted(16, 1, 1);
    begin(1);
    sc_c32 line[32];
    sc_readout r = line_of(24);
    r.center = 8; /* kx 8..31 of 32: after the crop 4..15 of 16 */
    for (int s = 0; s < 24; s++)
        line[s] = point(32, 17, s + 8);
    add_samples(r, line);
    const char *path = finish();
    assert_good(sc_scan_read(&scan, path, NULL));
    for (int x = 0; x < 16; x++) {
        assert_true(mask_at(&scan, 0, 0, 0, 0, x) == (x >= 4));
        assert_true((kspace_at(&scan, 0, 0, 0, 0, 0, x) != 0) == (x >= 4));
        if (x >= 7) /* away from the edge nothing of the cut is felt but its tail */
            assert_true(cabsf(kspace_at(&scan, 0, 0, 0, 0, 0, x) - point(16, 9, x)) < 0.03f);
    }
    sc_scan_free(&scan);
    sc_scan_options options = sc_scan_options_default();
    options.keep_oversampling = true;
    assert_good(sc_scan_read(&scan, path, &options));
    assert_true(scan.nx == 32 && scan.image_nx == 16);
    assert_true(kspace_at(&scan, 0, 0, 0, 0, 0, 8) == line[0]);
    sc_scan_free(&scan);
}

/* ---- geometry ---- */

static void set3(float *to, float x, float y, float z)
{
    to[0] = x;
    to[1] = y;
    to[2] = z;
}

static void slices_are_ordered_by_position(void **state)
{
    (void)state;
    static const float height[4] = {30, 10, 40, 20}; /* interleaved */
    matrix(4, 4, 1);
    made_xml.encoding[0].recon.fov_mm[2] = 3;
    begin(4);
    for (uint16_t s = 0; s < 4; s++) {
        sc_readout r = line_of(4);
        r.slice = (uint16_t)(s + 3);
        set3(r.read_dir, 1, 0, 0);
        set3(r.phase_dir, 0, 1, 0);
        set3(r.slice_dir, 0, 0, -1); /* left-handed: must not matter */
        set3(r.position, 5, 6, height[s]);
        add(r, height[s]);
    }
    read_made(&scan, NULL);
    assert_true(scan.slices == 4 && scan.geometry.known && scan.geometry.thickness_mm == 3);
    for (int s = 0; s < 4; s++) {
        const double *first = scan.geometry.slice_position + 3 * s;
        assert_true(crealf(kspace_at(&scan, 0, s, 0, 0, 0, 0)) == 10.0f * (float)(s + 1));
        assert_true(first[0] == 3 && first[1] == 4 && first[2] == 10.0 * (s + 1));
    }
    assert_true(scan.geometry.affine[2][2] == 10);
    sc_scan_free(&scan);
}

static void first_voxel_follows_from_the_centre(void **state)
{
    (void)state;
    matrix(512, 192, 1); /* twofold oversampling */
    made_xml.encoding[0].encoded.fov_mm[0] = 512;
    wanted(256, 192, 1);
    begin(1);
    sc_readout r = line_of(512);
    set3(r.position, 10, -20, 30);
    set3(r.read_dir, 0, 1, 0);
    set3(r.phase_dir, 0, 0, -1);
    add(r, 1);
    read_made(&scan, NULL);
    const double *first = scan.geometry.slice_position;
    assert_true(scan.geometry.known && first[0] == 10 && first[1] == -148 && first[2] == 126);
    sc_scan_free(&scan);
}

static void a_slab_spreads_around_its_centre(void **state)
{
    (void)state;
    matrix(2, 2, 8);
    made_xml.encoding[0].encoded.fov_mm[2] = 16;
    wanted(2, 2, 4);
    made_xml.encoding[0].recon.fov_mm[2] = 8; /* slab oversampling, 2 mm partitions */
    begin(1);
    sc_readout r = line_of(2);
    r.step1 = 1;
    r.step2 = 4;
    set3(r.position, 0, 0, 100);
    set3(r.read_dir, 1, 0, 0);
    set3(r.phase_dir, 0, 1, 0);
    set3(r.slice_dir, 0, 0, 1);
    add(r, 1);
    read_made(&scan, NULL);
    assert_true(scan.geometry.slices == 4 && scan.geometry.thickness_mm == 2);
    for (int k = 0; k < 4; k++)
        assert_true(scan.geometry.slice_position[3 * k + 2] == 100 + 2.0 * (k - 2));
    sc_scan_free(&scan);
}

static void contradicting_positions_give_no_geometry(void **state)
{
    (void)state;
    for (int k = 0; k < 3; k++) {
        matrix(2, 2, 1);
        begin(2);
        sc_readout r = line_of(2);
        set3(r.read_dir, 1, 0, 0);
        set3(r.phase_dir, k == 2 ? 0.5f : 0, 1, 0); /* not orthogonal */
        add(r, 1);
        r.step1 = 1;
        r.slice = k == 1; /* two slices in one place; or one slice in two */
        r.position[2] = k == 0 ? 7 : 0;
        add(r, 2);
        read_made(&scan, NULL);
        assert_false(scan.geometry.known);
        sc_scan_free(&scan);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(oversampling_is_removed_for_all_parities),
        cmocka_unit_test(an_asymmetric_echo_keeps_its_gap_through_the_crop),
        cmocka_unit_test(slices_are_ordered_by_position),
        cmocka_unit_test(first_voxel_follows_from_the_centre),
        cmocka_unit_test(a_slab_spreads_around_its_centre),
        cmocka_unit_test(contradicting_positions_give_no_geometry),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
