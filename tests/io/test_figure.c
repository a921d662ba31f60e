/* Pictures: bytes that repeat, pixels that are where they should be, refusals. What they look like
 * is for eyes; SC_KEEP_FIGURES in the environment keeps the files in the working folder. */
#include "tests/io/io_test.h"

#include "base/file.h"
#include "io/figure.h"
#include "io/png.h"

#include <cairo.h>
#include <math.h>

static void gray_pixels_are_rounded_and_clamped(void **state)
{
    (void)state;
    const float image[2][3] = {{-1, 0, 0.5f}, {1, 2, NAN}};
    const unsigned char expected[2][3] = {{0, 0, 128}, {255, 255, 0}};
    assert_good(sc_png_write_gray(in_scratch("g.png"), &image[0][0], 2, 3, 0, 1));
    cairo_surface_t *s = cairo_image_surface_create_from_png(in_scratch("g.png"));
    assert_int_equal(cairo_image_surface_get_width(s), 3);
    for (int j = 0; j < 2; j++)
        for (int i = 0; i < 3; i++) {
            const unsigned char *p = cairo_image_surface_get_data(s) +
                                     j * cairo_image_surface_get_stride(s) + 4 * i;
            assert_int_equal(p[0], expected[j][i]);
            assert_int_equal(p[2], expected[j][i]);
        }
    cairo_surface_destroy(s);
}

static void white_is_the_99_9th_percentile(void **state)
{
    (void)state;
    float x[2000];
    for (int i = 0; i < 2000; i++)
        x[i] = (float)i;
    x[5] = 1e9f;
    x[6] = NAN;
    double white = sc_png_white(x, 2000);
    assert_true(white > 1995 && white < 2000);
    memset(x, 0, sizeof x);
    assert_true(sc_png_white(x, 2000) == 1);
}

static float ring[64 * 48], error[64 * 48];

static void draw_rings(void)
{
    for (int j = 0; j < 64; j++)
        for (int i = 0; i < 48; i++) {
            double r = hypot(i - 24, (j - 32) * 0.75) / 24;
            ring[j * 48 + i] = (float)(r < 1 ? 0.5 + 0.5 * cos(12 * r) : 0);
            error[j * 48 + i] = (float)(r < 1 ? 0.2 * r : 0);
        }
}

static void panel_repeats_its_bytes(void **state)
{
    (void)state;
    draw_rings();
    sc_tile tile[6] = {{0}};
    for (int i = 0; i < 6; i++)
        if (i != 3)
            tile[i] = (sc_tile){.image = i < 3 ? ring : error, .ny = 64, .nx = 48, .low = 0,
                                .high = i < 3 ? 1 : 0.2,
                                .map = i < 3 ? SC_COLOR_GRAY : i == 5 ? SC_COLOR_DIVERGING : SC_COLOR_HEAT,
                                .title = i == 0 ? "truth" : i < 3 ? "scorecon" : NULL,
                                .caption = i < 3 ? NULL : "error \xc3\x97" "5, PSNR 34.5 dB"};
    assert_good(sc_figure_panel(in_scratch("a.png"), tile, 2, 3, 0, "Acceleration 4", true));
    assert_good(sc_figure_panel(in_scratch("b.png"), tile, 2, 3, 0, "Acceleration 4", true));
    assert_int_equal(run_command("cmp %s %s", in_scratch("a.png"), in_scratch("b.png")), 0);
    if (getenv("SC_KEEP_FIGURES"))
        run_command("cp %s panel.png", in_scratch("a.png"));
}

static void images_of_any_size_fit_the_box(void **state)
{
    (void)state;
    draw_rings();
    sc_tile tile[2] = {{.image = ring, .ny = 64, .nx = 48, .high = 1},
                       {.image = ring, .ny = 1, .nx = 3072, .high = 1}};
    assert_good(sc_figure_panel(in_scratch("c.png"), tile, 1, 2, 17, NULL, false));
    assert_good(sc_figure_panel(in_scratch("c.png"), tile + 1, 1, 1, 3000, NULL, false));
}

static void impossible_figures_get_one_line(void **state)
{
    (void)state;
    draw_rings();
    sc_tile tile = {.image = ring, .ny = 64, .nx = 48, .high = 1}, none = {0};
    const double bad = NAN;
    const sc_curve curve = {.x = &bad, .y = &bad, .n = 1};
    const char *path = in_scratch("never.png");
    assert_refused(sc_figure_panel(path, &none, 1, 1, 0, NULL, false), SC_ERR_USAGE, "no image");
    assert_refused(sc_figure_panel(path, &tile, 1, 1, 20000, NULL, false), SC_ERR_USAGE, "too many");
    assert_refused(sc_figure_curves(path, &curve, 1, NULL, NULL, NULL, false, false), SC_ERR_INPUT,
                   "no point");
    assert_refused(sc_png_write_gray(path, ring, 0, 5, 0, 1), SC_ERR_UNSUPPORTED, "0 pixels");
    assert_false(sc_path_exists(path));
    assert_refused(sc_png_write_gray(in_scratch("no/such/place.png"), ring, 64, 48, 0, 1), SC_ERR_IO,
                   "place.png");
}

static void curves_are_drawn_on_both_kinds_of_axes(void **state)
{
    (void)state;
    double x[200], y[2][200];
    for (int i = 0; i < 200; i++) {
        x[i] = 100 * (i + 1);
        y[0][i] = exp(-i / 40.0) + 0.02;
        y[1][i] = i % 50 == 49 ? NAN : exp(-i / 60.0) + 0.01;
    }
    const sc_curve curve[2] = {{x, y[0], 200, "training"}, {x, y[1], 200, "validation"}};
    for (int log = 0; log < 2; log++) {
        assert_good(sc_figure_curves(in_scratch("k.png"), curve, 2, "Denoising score matching",
                                     "step", "loss", false, log));
        if (getenv("SC_KEEP_FIGURES"))
            run_command("cp %s curves%d.png", in_scratch("k.png"), log);
    }
    const double one = 3;
    const sc_curve point = {&one, &one, 1, NULL};
    assert_good(sc_figure_curves(in_scratch("k.png"), &point, 1, NULL, NULL, NULL, true, true));
}

static void a_report_holds_its_plots_and_its_panel(void **state)
{
    (void)state;
    draw_rings();
    const double x[3] = {1, 2, 3}, y[3] = {3, 2, 1}, bad = NAN;
    const sc_curve curve = {x, y, 3, "loss"}, none = {&bad, &bad, 1, NULL};
    const sc_plot plot[3] = {{&curve, 1, "a", "x", "y", false, true}, {&none, 1, "b", NULL, NULL, false, false},
                             {&curve, 1, "c", NULL, NULL, false, false}};
    const sc_tile tile = {.image = ring, .ny = 64, .nx = 48, .high = 1};
    assert_good(sc_figure_report(in_scratch("r.png"), plot, 3, &tile, 1, 1, 96));
    assert_good(sc_figure_curves(in_scratch("c.png"), &curve, 1, NULL, NULL, NULL, false, false));
    assert_good(sc_figure_panel(in_scratch("p.png"), &tile, 1, 1, 96, NULL, false));
    int height[3];
    static const char *const name[3] = {"r.png", "c.png", "p.png"};
    for (int k = 0; k < 3; k++) {
        cairo_surface_t *s = cairo_image_surface_create_from_png(in_scratch(name[k]));
        height[k] = cairo_image_surface_get_height(s);
        cairo_surface_destroy(s);
    }
    assert_int_equal(height[0], 2 * height[1] + height[2]); /* the empty plot is left out */
    assert_refused(sc_figure_report(in_scratch("never.png"), plot + 1, 1, NULL, 0, 0, 0), SC_ERR_INPUT,
                   "nothing to draw");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gray_pixels_are_rounded_and_clamped),
        cmocka_unit_test(white_is_the_99_9th_percentile),
        cmocka_unit_test(panel_repeats_its_bytes),
        cmocka_unit_test(images_of_any_size_fit_the_box),
        cmocka_unit_test(impossible_figures_get_one_line),
        cmocka_unit_test(curves_are_drawn_on_both_kinds_of_axes),
        cmocka_unit_test(a_report_holds_its_plots_and_its_panel),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
