/* Coil maps from calibration data of analytic coils. */
#include "phantom.h"
#include "recon/block.h"
#include "recon/espirit.h"
#include "recon/espirit_internal.h"
#include "recon/simulate_internal.h"
#include <lapacke.h>

#define COILS 6

typedef struct {
    int64_t ny, nx, cy, cx;
    sc_c32 *block; /* (coil, cy, cx) */
    sc_c32 *truth; /* (coil, ny, nx), unit norm */
    float *object; /* (ny, nx) */
} calibration;

/* Noiseless coil images of the phantom, and the centre of their k-space. fold: the object is
 * shifted by half the field of view and added, seen by the coils there: an object that is larger
 * than the field of view. */
static void make(calibration *k, int64_t ny, int64_t nx, int64_t cy, int64_t cx, bool fold)
{
    int64_t n = ny * nx;
    sc_device *device;
    sc_fft *fft;
    sc_c32 *image;
    double complex s[COILS], t[COILS];
    sc_simulate_array array = sc_simulate_coils(COILS, 0);
    *k = (calibration){.ny = ny, .nx = nx, .cy = cy, .cx = cx};
    OK(sc_device_create_cpu(&device, 2));
    OK(device->kernels->fft_create(device, &fft, 2, (int64_t[]){ny, nx}, COILS));
    OK(SC_ALLOC(&image, COILS * n, "image"));
    OK(SC_ALLOC(&k->block, COILS * cy * cx, "block"));
    OK(SC_ALLOC(&k->truth, COILS * n, "maps"));
    OK(SC_ALLOC(&k->object, n, "object"));
    for (int64_t i = 0; i < n; i++) {
        double x = (double)(i % nx - nx / 2) / (double)nx,
               y = (double)(i / nx - ny / 2) / (double)ny;
        /* fold: the field of view shows 70 % of the width, its sides come back on the other side */
        double u = fold ? 0.7 * x : x, far = u + (u < 0 ? 0.7 : -0.7);
        double v = phantom_value(u, y, 0), w = fold ? phantom_value(far, y, 0) : 0;
        sc_simulate_sensitivity(s, &array, u, y, 0);
        sc_simulate_sensitivity(t, &array, far, y, 0);
        k->object[i] = (float)(w > 0.01 ? 0 : v);
        for (int c = 0; c < COILS; c++) {
            k->truth[c * n + i] = (sc_c32)s[c];
            image[c * n + i] = (sc_c32)(s[c] * v + t[c] * w);
        }
    }
    device->kernels->fft(fft, image, image, false);
    for (int c = 0; c < COILS; c++)
        for (int64_t y = 0; y < cy; y++)
            for (int64_t x = 0; x < cx; x++)
                k->block[(c * cy + y) * cx + x] =
                    image[(c * ny + y + ny / 2 - cy / 2) * nx + x + nx / 2 - cx / 2];
    device->kernels->fft_free(fft);
    sc_device_free(device);
    sc_free(image);
}

static void drop(calibration *k)
{
    sc_free(k->block);
    sc_free(k->truth);
    sc_free(k->object);
}

/* Smallest |<s, true>| where the object is. */
static double agreement(const sc_espirit_maps *m, const calibration *k)
{
    double worst = 1;
    int64_t n = k->ny * k->nx;
    for (int64_t i = 0; i < n; i++) {
        double complex sum = 0;
        if (k->object[i] < 0.2)
            continue;
        for (int c = 0; c < COILS; c++)
            sum += conj((double complex)m->maps[c * n + i]) * k->truth[c * n + i];
        worst = fmin(worst, cabs(sum));
    }
    return worst;
}

static void maps_of_analytic_coils_are_found_for_even_and_odd_sizes(void **state)
{
    (void)state;
    const int64_t sizes[][4] = {
        {64, 64, 24, 24}, {65, 48, 24, 20}, {71, 83, 23, 17}, {40, 57, 16, 24}};
    for (int i = 0; i < 4; i++) {
        calibration k;
        sc_espirit_maps m;
        sc_espirit_options o = sc_espirit_default();
        make(&k, sizes[i][0], sizes[i][1], sizes[i][2], sizes[i][3], false);
        OK(sc_espirit(&m, k.block, COILS, k.cy, k.cx, k.ny, k.nx, &o, 2));
        print_message("%lld x %lld: |<s, true>| >= %.5f\n", (long long)k.ny, (long long)k.nx,
                      agreement(&m, &k));
        assert_int_equal(m.sets, 1);
        assert_true(agreement(&m, &k) > 0.995);
        sc_espirit_free(&m);
        drop(&k);
    }
}

static void eigenvectors_are_those_of_lapack(void **state)
{
    (void)state;
    enum { WIDTH = 5, PAIRS = COILS * (COILS + 1) / 2, NY = 9, NX = 19 };
    static sc_c32 q[PAIRS * WIDTH * WIDTH], v[2 * COILS * NY * NX];
    static float values[2 * NY * NX];
    double complex reference[COILS] = {1};
    sc_espirit_kernel kernel = {COILS, PAIRS, WIDTH, q, reference, 0.5};
    sc_random_normal((float *)q, 2 * PAIRS * WIDTH * WIDTH, (sc_key){.seed = 9}, SC_DRAW_TEST, 0);
    for (int c = 0, pair = 0; c < COILS; c++) /* positive definite: a large diagonal, Hermitian */
        for (int d = 0; d <= c; d++, pair++)
            for (int i = 0; i < WIDTH * WIDTH; i++) {
                sc_c32 *a = &q[pair * WIDTH * WIDTH + i],
                       *b = &q[(pair + 1) * WIDTH * WIDTH - 1 - i];
                *a *= 0.02f;
                if (c == d)
                    *a = i == WIDTH * WIDTH / 2 ? 1 + 0.5f * (float)c
                                                : (i < WIDTH * WIDTH / 2 ? *a : conjf(*b));
            }
    OK(sc_espirit_eigen(v, values, &kernel, NY, NX, 2));
    for (int i = 0; i < NY * NX; i++) {
        double complex g[COILS * COILS] = {0};
        double w[COILS], overlap;
        int y = i / NX - NY / 2, x = i % NX - NX / 2;
        for (int c = 0, pair = 0; c < COILS; c++)
            for (int d = 0; d <= c; d++, pair++)
                for (int e = 0; e < WIDTH * WIDTH; e++)
                    g[c * COILS + d] +=
                        q[pair * WIDTH * WIDTH + e] *
                        cexp(2 * M_PI * I *
                             ((e / WIDTH - 2) * y / (double)NY + (e % WIDTH - 2) * x / (double)NX));
        assert_int_equal(LAPACKE_zheev(LAPACK_ROW_MAJOR, 'V', 'L', COILS, g, COILS, w), 0);
        NEAR(values[i], w[COILS - 1], 2e-5);
        double complex sum = 0;
        for (int c = 0; c < COILS; c++)
            sum += conj((double complex)v[c * NY * NX + i]) * g[c * COILS + COILS - 1];
        overlap = cabs(sum);
        assert_true(overlap > 0.999 || w[COILS - 1] - w[COILS - 2] < 0.2);
        /* phase of the principal coil: coil 0 is real and not negative */
        NEAR(cimagf(v[i]), 0, 1e-6);
        assert_true(crealf(v[i]) >= 0);
    }
}

static void a_field_of_view_smaller_than_the_object_needs_two_sets(void **state)
{
    (void)state;
    calibration k;
    sc_espirit_maps m;
    sc_espirit_options o = sc_espirit_default();
    make(&k, 80, 60, 24, 24, true);
    for (int i = 0; i < COILS * 24 * 24; i++)
        k.block[i] *= 1e3f; /* far above noise of variance 1 */
    OK(sc_espirit(&m, k.block, COILS, k.cy, k.cx, k.ny, k.nx, &o, 2));
    print_message("second set on %.3f of the support, |<s, true>| >= %.4f where nothing folds\n",
                  m.second_share, agreement(&m, &k));
    assert_int_equal(m.sets, 2);
    sc_espirit_free(&m);
    o.sets = 1;
    OK(sc_espirit(&m, k.block, COILS, k.cy, k.cx, k.ny, k.nx, &o, 2));
    assert_int_equal(m.sets, 1);
    sc_espirit_free(&m);
    drop(&k);
}

static void maps_do_not_depend_on_threads_or_scale(void **state)
{
    (void)state;
    calibration k;
    sc_espirit_maps one, many;
    sc_espirit_options o = sc_espirit_default();
    make(&k, 45, 50, 20, 20, false);
    OK(sc_espirit(&one, k.block, COILS, k.cy, k.cx, k.ny, k.nx, &o, 1));
    OK(sc_espirit(&many, k.block, COILS, k.cy, k.cx, k.ny, k.nx, &o, 3));
    assert_memory_equal(one.maps, many.maps, sizeof(sc_c32) * COILS * 45 * 50);
    sc_espirit_free(&many);
    for (int i = 0; i < COILS * 400; i++)
        k.block[i] *= 1e-12f;
    OK(sc_espirit(&many, k.block, COILS, k.cy, k.cx, k.ny, k.nx, &o, 1));
    for (int i = 0; i < COILS * 45 * 50; i++)
        assert_true(cabsf(one.maps[i] - many.maps[i]) < 1e-3f || one.eigenvalue[i % 2250] < 0.85f);
    sc_espirit_free(&one);
    sc_espirit_free(&many);
    drop(&k);
}

static void a_block_smaller_than_the_kernel_is_refused(void **state)
{
    (void)state;
    calibration k;
    sc_espirit_maps m;
    sc_espirit_options o = sc_espirit_default();
    make(&k, 32, 32, 5, 20, false);
    assert_int_equal(sc_espirit(&m, k.block, COILS, 5, 20, 32, 32, &o, 1), SC_ERR_INPUT);
    assert_non_null(strstr(sc_message(), "5 x 20"));
    assert_null(m.maps);
    drop(&k);
    make(&k, 32, 32, 6, 6, false); /* one window: as small as it may be */
    OK(sc_espirit(&m, k.block, COILS, 6, 6, 32, 32, &o, 1));
    sc_espirit_free(&m);
    drop(&k);
}

static void the_block_is_grown_from_the_centre(void **state)
{
    (void)state;
    static float w[40 * 31];
    sc_block b = sc_block_grow(w, 40, 31, 24);
    assert_int_equal(b.ny, 0);
    for (int y = 14; y < 26; y++)
        for (int x = 0; x < 31; x++)
            w[y * 31 + x] = 1;
    b = sc_block_grow(w, 40, 31, 24);
    assert_int_equal(b.y0, 14);
    assert_int_equal(b.ny, 12);
    assert_int_equal(b.nx, 24);
    assert_true(b.x0 <= 15 - 11 && b.x0 + b.nx > 15 + 11);
    w[20 * 31 + 22] = 0;
    b = sc_block_grow(w, 40, 31, 24);
    assert_true(b.x0 + b.nx <= 22);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_of_analytic_coils_are_found_for_even_and_odd_sizes),
        cmocka_unit_test(eigenvectors_are_those_of_lapack),
        cmocka_unit_test(a_field_of_view_smaller_than_the_object_needs_two_sets),
        cmocka_unit_test(maps_do_not_depend_on_threads_or_scale),
        cmocka_unit_test(a_block_smaller_than_the_kernel_is_refused),
        cmocka_unit_test(the_block_is_grown_from_the_centre),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
