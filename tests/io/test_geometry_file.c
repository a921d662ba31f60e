/* Geometry files: round trips, the centre's convention, and one line for every mistake. */
#include "tests/io/io_volume.h"

#include "io/geometry.h"

static void round_trip_is_exact_in_every_plane(void **state)
{
    (void)state;
    for (int i = 0; i < PLANES; i++) {
        sc_geometry out, in;
        place_stack(&out, &planes[i], 5);
        assert_good(sc_geometry_file_write(in_scratch("g.json"), &out));
        assert_good(sc_geometry_file_read(&in, in_scratch("g.json"), 5, 9, 8));
        assert_true(affine_difference(in.affine, out.affine) < 1e-12);
        assert_true(in.thickness_mm == 3);
        assert_null(in.slice_position);
        sc_geometry_free(&in);
    }
}

static void gaps_and_shear_are_kept(void **state)
{
    (void)state;
    double position[9] = {0, 0, 0, 0.5, 0, 4, 1.5, 0.25, 12};
    sc_geometry out, in;
    place_stack(&out, &planes[0], 3);
    out.slice_position = position;
    for (int i = 0; i < 3; i++) {
        out.affine[i][3] = position[i];
        out.affine[i][2] = (position[6 + i] - position[i]) / 2;
    }
    assert_good(sc_geometry_file_write(in_scratch("g.json"), &out));
    assert_good(sc_geometry_file_read(&in, in_scratch("g.json"), 3, 9, 8));
    assert_memory_equal(in.slice_position, position, sizeof position);
    assert_true(affine_difference(in.affine, out.affine) < 1e-12);
    sc_geometry_free(&in);
    assert_refused(sc_geometry_file_read(&in, in_scratch("g.json"), 4, 9, 8), SC_ERR_INPUT,
                   "expected 4 positions [x, y, z], found 3");
}

/* INTEGRATION.md section 2's example, and half a stack along the normal. */
static void centre_is_the_point_of_the_fft(void **state)
{
    (void)state;
    put_text(in_scratch("c.json"),
             "{\"centre_mm\": [10, -20, 30], \"row_direction\": [0, 1, 0],"
             " \"column_direction\": [0, 0, -1], \"pixel_spacing_mm\": [1, 1],"
             " \"slice_spacing_mm\": 5}");
    const double one[3][4] = {{0, 0, -5, 10}, {1, 0, 0, -148}, {0, -1, 0, 126}};
    sc_geometry g;
    assert_good(sc_geometry_file_read(&g, in_scratch("c.json"), 1, 192, 256));
    assert_true(affine_difference(g.affine, one) < 1e-12);
    assert_good(sc_geometry_file_read(&g, in_scratch("c.json"), 5, 192, 256));
    assert_true(fabs(g.affine[0][3] - 20) < 1e-12);
    assert_true(g.thickness_mm == 0);
}

#define GOOD_REST                                                                                  \
    "\"row_direction\": [1, 0, 0], \"column_direction\": [0, 1, 0], \"pixel_spacing_mm\": [1, 1]"

static const struct {
    const char *text;
    sc_status code;
    const char *message;
} mistakes[] = {
    {"", SC_ERR_FORMAT, "line 1"},
    {"[1, 2]", SC_ERR_FORMAT, "expected an object"},
    {"{\"row_direction\": [1, 0,\n 0}", SC_ERR_FORMAT, "line 2"},
    {"{\"image_position\": [0, 0, 0]}", SC_ERR_FORMAT, "unknown key \"image_position\""},
    {"{" GOOD_REST "}", SC_ERR_FORMAT, "exactly one of"},
    {"{\"centre_mm\": [0, 0, 0], \"image_position_mm\": [0, 0, 0], " GOOD_REST "}", SC_ERR_FORMAT,
     "exactly one of"},
    {"{\"centre_mm\": [0, 0, 0], \"centre_mm\": [0, 0, 0], " GOOD_REST "}", SC_ERR_FORMAT,
     "duplicate"},
    {"{\"centre_mm\": [0, 0], \"slice_spacing_mm\": 1, " GOOD_REST "}", SC_ERR_FORMAT,
     "centre_mm: expected 3 numbers"},
    {"{\"centre_mm\": [0, 0, \"x\"], \"slice_spacing_mm\": 1, " GOOD_REST "}", SC_ERR_FORMAT,
     "centre_mm: expected 3 numbers"},
    {"{\"centre_mm\": [0, 0, 0], " GOOD_REST "}", SC_ERR_FORMAT, "slice_spacing_mm is missing"},
    {"{\"centre_mm\": [0, 0, 0], \"slice_spacing_mm\": 0, " GOOD_REST "}", SC_ERR_INPUT, "is 0"},
    {"{\"centre_mm\": [0, 0, 0], \"slice_spacing_mm\": \"4\", " GOOD_REST "}", SC_ERR_FORMAT,
     "slice_spacing_mm: expected a number"},
    {"{\"centre_mm\": [0, 0, 0], \"slice_spacing_mm\": 1, \"slice_thickness_mm\": -1, " GOOD_REST
     "}", SC_ERR_INPUT, "slice_thickness_mm is -1"},
    {"{\"centre_mm\": [0, 0, 0], \"slice_spacing_mm\": 1, \"pixel_spacing_mm\": [1, 0],"
     " \"row_direction\": [1, 0, 0], \"column_direction\": [0, 1, 0]}", SC_ERR_INPUT,
     "pixel_spacing_mm is 1, 0"},
    {"{\"centre_mm\": [0, 0, 0], \"slice_spacing_mm\": 1, \"pixel_spacing_mm\": [1, 1],"
     " \"row_direction\": [1, 0, 0], \"column_direction\": [0.1, 1, 0]}", SC_ERR_INPUT,
     "orthonormal"},
};

static void mistakes_get_one_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        sc_geometry g;
        put_text(in_scratch("m.json"), mistakes[i].text);
        assert_refused(sc_geometry_file_read(&g, in_scratch("m.json"), 2, 4, 4), mistakes[i].code,
                       mistakes[i].message);
        assert_non_null(strstr(sc_message(), "m.json: "));
        assert_false(g.known);
    }
    sc_geometry g, unknown = {0};
    assert_refused(sc_geometry_file_read(&g, in_scratch("none.json"), 2, 4, 4), SC_ERR_IO,
                   "none.json");
    assert_refused(sc_geometry_file_write(in_scratch("u.json"), &unknown), SC_ERR_INPUT,
                   "not known");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip_is_exact_in_every_plane),
        cmocka_unit_test(gaps_and_shear_are_kept),
        cmocka_unit_test(centre_is_the_point_of_the_fft),
        cmocka_unit_test(mistakes_get_one_line),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
