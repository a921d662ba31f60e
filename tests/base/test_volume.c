/* Geometry: from the point of the FFT centre to the centre of the first voxel, LPS mm. */
#include "base/memory.h"
#include "base/scan.h"
#include "base/volume.h"
#include "check.h"
#include <math.h>

static void first_voxel_lies_half_a_field_of_view_before_the_centre(void **state)
{
    (void)state;
    const double centre[3] = {10, -20, 30}, r[3] = {0, 1, 0}, p[3] = {0, 0, -1};
    sc_geometry g;
    assert_int_equal(sc_geometry_from_centre(&g, centre, 1, r, p, 256, 192, 5, 256, 192), SC_OK);
    /* columns r dx, p dy, slice normal r x p times thickness, first voxel */
    const double expected[3][4] = {{0, 0, -5, 10}, {1, 0, 0, -148}, {0, -1, 0, 126}};
    for (int a = 0; a < 3; a++)
        for (int b = 0; b < 4; b++)
            assert_true(g.affine[a][b] == expected[a][b]);
    assert_true(g.known && g.slices == 1 && g.thickness_mm == 5);
    sc_geometry_free(&g);
}

static void odd_sizes_and_oblong_voxels_use_the_integer_centre(void **state)
{
    (void)state;
    const double centre[3] = {0, 0, 0}, r[3] = {1, 0, 0}, p[3] = {0, 1, 0};
    sc_geometry g;
    assert_int_equal(sc_geometry_from_centre(&g, centre, 1, r, p, 10, 21, 0, 5, 7), SC_OK);
    assert_true(g.affine[0][3] == -4 && g.affine[1][3] == -9); /* 2 voxels of 2, 3 of 3 mm */
    assert_true(g.affine[0][0] == 2 && g.affine[1][1] == 3 && g.affine[2][2] == 1);
    sc_geometry_free(&g);
}

static void centre_voxel_maps_back_to_the_centre(void **state)
{
    (void)state; /* oblique, several slices, directions good only to float precision */
    const double c = cos(0.3), s = sin(0.3);
    const double r[3] = {(float)c, (float)s, 0}, p[3] = {(float)-s, (float)c, 0};
    double centre[12];
    for (int k = 0; k < 4; k++) {
        const double at[3] = {5, -7, 11 + 3.6 * k};
        memcpy(centre + 3 * k, at, sizeof at);
    }
    sc_geometry g, copy;
    assert_int_equal(sc_geometry_from_centre(&g, centre, 4, r, p, 220, 180, 3, 131, 90), SC_OK);
    for (int k = 0; k < 4; k++)
        for (int a = 0; a < 3; a++) {
            double x =
                g.affine[a][0] * 65 + g.affine[a][1] * 45 + g.affine[a][2] * k + g.affine[a][3];
            assert_true(fabs(x - centre[3 * k + a]) < 1e-5);
        }
    double across = 0;
    for (int a = 0; a < 3; a++)
        across += g.affine[a][0] * g.affine[a][1];
    assert_true(fabs(across) < 1e-15);
    assert_int_equal(sc_geometry_copy(&copy, &g), SC_OK);
    assert_true(copy.slice_position != g.slice_position);
    assert_memory_equal(copy.slice_position, g.slice_position, 12 * sizeof(double));
    sc_geometry_free(&g);
    sc_geometry_free(&copy);
    sc_geometry_free(NULL);
}

static void bad_facts_are_refused(void **state)
{
    (void)state;
    double centre[3] = {0, 0, 0};
    const double r[3] = {1, 0, 0}, p[3] = {0, 1, 0}, skew[3] = {0.01, 1, 0}, nan3[3] = {NAN, 1, 0};
    sc_geometry g;
    check_failure(sc_geometry_from_centre(&g, centre, 1, r, skew, 1, 1, 1, 1, 1), SC_ERR_INPUT,
                  "orthonormal");
    check_failure(sc_geometry_from_centre(&g, centre, 1, r, nan3, 1, 1, 1, 1, 1), SC_ERR_INPUT,
                  "orthonormal");
    check_failure(sc_geometry_from_centre(&g, centre, 1, r, p, 0, 1, 1, 1, 1), SC_ERR_INPUT,
                  "field of view");
    check_failure(sc_geometry_from_centre(&g, centre, 1, r, p, 1, INFINITY, 1, 1, 1), SC_ERR_INPUT,
                  "field of view");
    check_failure(sc_geometry_from_centre(&g, centre, 0, r, p, 1, 1, 1, 1, 1), SC_ERR_INPUT,
                  "slices");
    centre[1] = NAN;
    check_failure(sc_geometry_from_centre(&g, centre, 1, r, p, 1, 1, 1, 1, 1), SC_ERR_INPUT,
                  "not finite");
    assert_false(g.known);
    assert_null(g.slice_position);
}

static void a_cleared_header_says_nothing(void **state)
{
    (void)state;
    sc_scan scan = {.slices = 1};
    sc_header_clear(&scan.header);
    assert_true(scan.header.patient_name[0] == 0 && isnan(scan.header.te_ms) &&
                isnan(scan.header.weight_kg));
    const int64_t dim[] = {2, 2};
    assert_int_equal(sc_array_create(&scan.kspace, SC_C32, 2, dim), SC_OK);
    assert_int_equal(SC_ALLOC(&scan.frame, 3, "frames"), SC_OK);
    sc_scan_free(&scan);
    assert_null(scan.kspace.data);
    assert_null(scan.frame);
    sc_scan_free(NULL);
    sc_volume_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_voxel_lies_half_a_field_of_view_before_the_centre),
        cmocka_unit_test(odd_sizes_and_oblong_voxels_use_the_integer_centre),
        cmocka_unit_test(centre_voxel_maps_back_to_the_centre),
        cmocka_unit_test(bad_facts_are_refused),
        cmocka_unit_test(a_cleared_header_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
