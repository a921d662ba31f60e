/* Every kernel of the CPU row against a naive twin, which is its specification, at odd sizes; the
 * linear ones with their adjoint; and all of them for bytes that do not depend on the number of
 * threads. Tolerances: a handful of float roundings (6e-8 each) on sums of up to 16 terms. */
#include "kernel_check.h"
#include <complex.h>
#include <stdio.h>

#define TOLERANCE 1e-6

static sc_device *one;

static int make_device(void **state)
{
    (void)state;
    return sc_device_create_cpu(&one, 1);
}

static int free_device(void **state)
{
    (void)state;
    sc_device_free(one);
    return 0;
}

static const int64_t sizes[] = {1, 2, 3, 7, 64, 4095, 4097, 20011};
#define SIZES (int)(sizeof sizes / sizeof *sizes)

static void vector_kernels_equal_their_twins(void **state)
{
    (void)state;
    const sc_kernels *k = one->kernels;
    for (int s = 0; s < SIZES; s++) {
        int64_t n = sizes[s];
        float *x = random_floats(n, 1), *y = random_floats(n, 2), *z = random_floats(n, 3);
        k->axpby(one, z, 1.5f, x, -0.25f, y, n);
        for (int64_t i = 0; i < n; i++)
            assert_true(z[i] == 1.5f * x[i] + -0.25f * y[i]);
        k->multiply(one, z, x, y, n);
        for (int64_t i = 0; i < n; i++)
            assert_true(z[i] == x[i] * y[i]);
        k->fill(one, z, 3, n);
        for (int64_t i = 0; i < n; i++)
            assert_true(z[i] == 3);
        sc_key key = {.seed = 0x123456789abcdefu, .slice = 3, .sample = 5};
        k->normal(one, z, n, key, 0x701, 77);
        sc_random_normal(y, n, key, 0x701, 77);
        assert_memory_equal(z, y, (size_t)n * sizeof *z);
        sc_free(x), sc_free(y), sc_free(z);
    }
}

static void elementwise_kernels_work_in_place(void **state)
{
    (void)state;
    const sc_kernels *k = one->kernels;
    int64_t n = 4099;
    sc_c32 *x = random_complex(n, 1), *y = random_complex(n, 2), *z = new_complex(n);
    k->cmultiply(one, z, x, y, true, n);
    k->cmultiply(one, y, x, y, true, n);
    assert_memory_equal(z, y, (size_t)n * sizeof *z);
    k->soft(one, z, x, 0.5f, n);
    k->soft(one, x, x, 0.5f, n);
    assert_memory_equal(z, x, (size_t)n * sizeof *z);
    k->axpby(one, (float *)z, 2, (float *)x, 3, (float *)y, 2 * n);
    k->axpby(one, (float *)x, 2, (float *)x, 3, (float *)y, 2 * n);
    assert_memory_equal(z, x, (size_t)n * sizeof *z);
    sc_free(x), sc_free(y), sc_free(z);
}

static void complex_kernels_equal_their_twins(void **state)
{
    (void)state;
    const sc_kernels *k = one->kernels;
    for (int s = 0; s < SIZES; s++) {
        int64_t n = sizes[s], batch = 3;
        sc_c32 *x = random_complex(batch * n, 1), *y = random_complex(batch * n, 2);
        sc_c32 *z = new_complex(batch * n), *twin = new_complex(batch * n);
        float *weight = random_floats(n, 3);
        for (int conj_x = 0; conj_x < 2; conj_x++) {
            k->cmultiply(one, z, x, y, conj_x, n);
            for (int64_t i = 0; i < n; i++)
                twin[i] = (conj_x ? conjf(x[i]) : x[i]) * y[i];
            check_close(z, twin, 2 * n, TOLERANCE, "cmultiply");
        }
        k->mask(one, z, weight, x, batch, n);
        for (int64_t i = 0; i < batch * n; i++)
            twin[i] = weight[i % n] * x[i];
        check_close(z, twin, 2 * batch * n, TOLERANCE, "mask");
        k->soft(one, z, x, 0.7f, n);
        for (int64_t i = 0; i < n; i++)
            twin[i] = cabsf(x[i]) > 0.7f ? x[i] / cabsf(x[i]) * (cabsf(x[i]) - 0.7f) : 0;
        check_close(z, twin, 2 * n, TOLERANCE, "soft");
        k->shrink(one, z, x, 0.7f, 3, n);
        for (int64_t i = 0; i < n; i++) {
            float l = sqrtf(powf(cabsf(x[i]), 2) + powf(cabsf(x[n + i]), 2) +
                            powf(cabsf(x[2 * n + i]), 2));
            for (int a = 0; a < 3; a++)
                twin[a * n + i] = l > 0.7f ? x[a * n + i] * (1 - 0.7f / l) : 0;
        }
        check_close(z, twin, 6 * n, TOLERANCE, "shrink");
        sc_free(x), sc_free(y), sc_free(z), sc_free(twin), sc_free(weight);
    }
}

static void zero_shrinks_to_zero_even_without_a_threshold(void **state)
{
    (void)state;
    sc_c32 x[3] = {0, 0, 0}, z[3] = {1, 1, 1};
    one->kernels->soft(one, z, x, 0, 3);
    assert_true(z[0] == 0 && z[1] == 0 && z[2] == 0);
    one->kernels->shrink(one, z, x, 0, 3, 1);
    assert_true(z[0] == 0 && z[1] == 0 && z[2] == 0);
}

static void coils_equal_their_twin_and_adjoint(void **state)
{
    (void)state;
    const int64_t n = 1009;
    for (int sets = 1; sets <= 2; sets++)
        for (int coils = 1; coils <= 5; coils += 2) {
            sc_c32 *maps = random_complex(sets * coils * n, 1), *x = random_complex(sets * n, 2);
            sc_c32 *y = random_complex(coils * n, 3), *z = new_complex(coils * n);
            sc_c32 *twin = new_complex(coils * n), *back = new_complex(sets * n);
            one->kernels->coils_forward(one, z, maps, x, sets, coils, n);
            for (int64_t i = 0; i < coils * n; i++)
                for (int m = 0; m < sets; m++)
                    twin[i] += maps[m * coils * n + i] * x[m * n + i % n];
            check_close(z, twin, 2 * coils * n, TOLERANCE, "coils_forward");
            one->kernels->coils_adjoint(one, back, maps, y, sets, coils, n);
            check_adjoint(inner(z, y, 2 * coils * n), inner(x, back, 2 * sets * n),
                          norm_floats((float *)z, 2 * coils * n) *
                              norm_floats((float *)y, 2 * coils * n),
                          "coils");
            sc_free(maps), sc_free(x), sc_free(y), sc_free(z), sc_free(twin), sc_free(back);
        }
}

static const int64_t shapes[][3] = {{1, 1, 1}, {1, 1, 2}, {1, 1, 9}, {1, 5, 7},
                                    {1, 6, 1}, {3, 4, 5}, {2, 1, 3}, {7, 33, 129}};
#define SHAPES (int)(sizeof shapes / sizeof *shapes)

static void naive_gradient(sc_c32 *g, const sc_c32 *x, int d, const int64_t *dim)
{
    int64_t n = 1, step = 1;
    for (int a = 0; a < d; a++)
        n *= dim[a];
    for (int a = d - 1; a >= 0; a--) {
        for (int64_t i = 0; i < n; i++)
            g[a * n + i] = i / step % dim[a] == dim[a] - 1 ? 0 : x[i + step] - x[i];
        step *= dim[a];
    }
}

static void gradient_equals_its_twin_and_adjoint(void **state)
{
    (void)state;
    for (int s = 0; s < SHAPES; s++)
        for (int d = 1; d <= 3; d++) {
            const int64_t *dim = shapes[s] + 3 - d;
            int64_t n = 1;
            for (int a = 0; a < d; a++)
                n *= dim[a];
            sc_c32 *x = random_complex(n, 1), *y = random_complex(d * n, 2);
            sc_c32 *g = random_complex(d * n, 3), *twin = new_complex(d * n),
                   *back = new_complex(n);
            one->kernels->gradient(one, g, x, d, dim);
            naive_gradient(twin, x, d, dim);
            check_close(g, twin, 2 * d * n, 0, "gradient");
            one->kernels->gradient_adjoint(one, back, y, d, dim);
            check_adjoint(inner(g, y, 2 * d * n), inner(x, back, 2 * n),
                          norm_floats((float *)x, 2 * n) * norm_floats((float *)y, 2 * d * n),
                          "gradient");
            sc_free(x), sc_free(y), sc_free(g), sc_free(twin), sc_free(back);
        }
}

static const struct {
    int taps;
    float low[8];
} filters[] = {
    {2, {0.70710678f, 0.70710678f}},
    {4, {-0.12940952f, 0.22414387f, 0.83651630f, 0.48296291f}},
    {8,
     {-0.010597401785f, 0.032883011667f, 0.030841381836f, -0.187034811719f, -0.027983769417f,
      0.630880767930f, 0.714846570553f, 0.230377813309f}},
};

static void naive_wavelet(sc_c32 *z, const sc_c32 *x, const float *low, int taps, int64_t outer,
                          int64_t length, int64_t inner_n)
{
    for (int64_t o = 0; o < outer; o++)
        for (int64_t j = 0; j < length; j++)
            for (int64_t i = 0; i < inner_n; i++) {
                sc_c32 sum = 0;
                int64_t half = length / 2, out = j % half;
                for (int m = 0; m < taps; m++) {
                    float tap = j < half ? low[m] : (m % 2 ? 1.0f : -1.0f) * low[taps - 1 - m];
                    int64_t p = ((2 * out + 1 - m) % length + length) % length;
                    sum += tap * x[(o * length + p) * inner_n + i];
                }
                z[(o * length + j) * inner_n + i] = sum;
            }
}

static void wavelet_is_orthogonal_and_equals_its_twin(void **state)
{
    (void)state;
    static const int64_t cases[][3] = {{1, 2, 1},  {3, 4, 1},   {1, 6, 5},
                                       {2, 16, 3}, {5, 130, 1}, {1, 64, 33}};
    for (int f = 0; f < 3; f++)
        for (int c = 0; c < 6; c++) {
            int64_t outer = cases[c][0], length = cases[c][1], inner_n = cases[c][2];
            int64_t n = outer * length * inner_n;
            int taps = filters[f].taps;
            const float *low = filters[f].low;
            sc_c32 *x = random_complex(n, 1), *z = random_complex(n, 2), *twin = new_complex(n);
            sc_c32 *y = random_complex(n, 3), *back = new_complex(n);
            one->kernels->wavelet(one, z, x, low, taps, outer, length, inner_n);
            naive_wavelet(twin, x, low, taps, outer, length, inner_n);
            check_close(z, twin, 2 * n, TOLERANCE, "wavelet");
            one->kernels->wavelet_adjoint(one, back, y, low, taps, outer, length, inner_n);
            check_adjoint(inner(z, y, 2 * n), inner(x, back, 2 * n),
                          norm_floats((float *)z, 2 * n) * norm_floats((float *)y, 2 * n),
                          "wavelet");
            one->kernels->wavelet_adjoint(one, back, z, low, taps, outer, length, inner_n);
            check_close(back, x, 2 * n, TOLERANCE, "wavelet of a wavelet");
            sc_free(x), sc_free(z), sc_free(twin), sc_free(y), sc_free(back);
        }
}

static void reductions_equal_double_sums(void **state)
{
    (void)state;
    for (int s = 0; s < SIZES; s++) {
        int64_t n = sizes[s];
        float *x = random_floats(n, 1), *y = random_floats(n, 2);
        double sum = inner(x, y, n), largest = 0;
        for (int64_t i = 0; i < n; i++)
            largest = fmax(largest, fabsf(x[i]));
        double scale = norm_floats(x, n) * norm_floats(y, n);
        assert_true(fabs(one->kernels->dot(one, x, y, n) - sum) <= 1e-13 * scale);
        assert_true(one->kernels->max_abs(one, x, n) == largest);
        assert_int_equal(one->kernels->count_not_finite(one, x, n), 0);
        x[n / 2] = NAN;
        x[n - 1] = -INFINITY;
        assert_int_equal(one->kernels->count_not_finite(one, x, n), n > 2 ? 2 : 1);
        assert_true(one->kernels->max_abs(one, x, n) == INFINITY);
        sc_free(x), sc_free(y);
    }
}

static void reductions_are_good_over_many_blocks(void **state)
{
    (void)state; /* more than the 1024 blocks of one group */
    int64_t n = 4096 * 1024 + 4096 * 3 + 17;
    float *x = random_floats(n, 1);
    double sum = inner(x, x, n);
    assert_true(fabs(one->kernels->dot(one, x, x, n) - sum) <= 1e-12 * sum);
    x[n - 1] = -100;
    assert_true(one->kernels->max_abs(one, x, n) == 100);
    sc_free(x);
}

static void naive_gemm(float *c, const float *a, const float *b, int64_t m, int64_t n, int64_t k,
                       bool ta, bool tb, float alpha, float beta)
{
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double sum = 0;
            for (int64_t l = 0; l < k; l++)
                sum +=
                    (double)(ta ? a[l * m + i] : a[i * k + l]) * (tb ? b[j * k + l] : b[l * n + j]);
            c[i * n + j] = (float)(alpha * sum + beta * c[i * n + j]);
        }
}

static void sgemm_equals_its_twin_in_all_transpositions(void **state)
{
    (void)state;
    static const int64_t cases[][3] = {{1, 1, 1},      {3, 5, 7},      {17, 1, 9},
                                       {1025, 13, 33}, {11, 1030, 21}, {513, 513, 5}};
    for (int s = 0; s < 6; s++)
        for (int t = 0; t < 4; t++) {
            int64_t m = cases[s][0], n = cases[s][1], k = cases[s][2];
            float *a = random_floats(m * k, 1), *b = random_floats(k * n, 2);
            float *c = random_floats(m * n, 3), *twin = random_floats(m * n, 3);
            one->kernels->sgemm(one, c, a, b, m, n, k, t & 1, t & 2, 0.5f, -2);
            naive_gemm(twin, a, b, m, n, k, t & 1, t & 2, 0.5f, -2);
            check_close(c, twin, m * n, TOLERANCE, "sgemm");
            sc_free(a), sc_free(b), sc_free(c), sc_free(twin);
        }
}

/* Run every kernel into one buffer that holds all results. */
static void run_all(const sc_device *device, float *out)
{
    const sc_kernels *k = device->kernels;
    const int64_t n = 4 * 150 * 90, dim[] = {4, 150, 90};
    sc_c32 *x = random_complex(3 * n, 1), *y = random_complex(3 * n, 2);
    float *weight = random_floats(n, 3), *at = out;
    sc_c32 *z[16];
    for (int i = 0; i < 16; i++, at += 6 * n)
        z[i] = (sc_c32 *)(void *)at;
    k->axpby(device, (float *)z[0], 1.5f, (float *)x, 0.5f, (float *)y, 2 * n);
    k->normal(device, (float *)z[1], 2 * n - 1, (sc_key){.seed = 5}, 0, 0);
    k->cmultiply(device, z[2], x, y, true, n);
    k->mask(device, z[3], weight, x, 3, n);
    k->coils_forward(device, z[4], x, y, 1, 3, n);
    k->coils_adjoint(device, z[5], x, y, 1, 3, n);
    k->soft(device, z[6], x, 0.5f, n);
    k->shrink(device, z[7], x, 0.5f, 3, n);
    k->gradient(device, z[8], x, 3, dim);
    k->gradient_adjoint(device, z[9], y, 3, dim);
    k->wavelet(device, z[10], x, filters[1].low, 4, 4, 150, 90);
    k->wavelet_adjoint(device, z[11], x, filters[2].low, 8, 4 * 150, 90, 1);
    k->sgemm(device, (float *)z[12], (float *)x, (float *)y, 1100, 40, 30, true, false, 1, 0);
    k->sgemm(device, (float *)z[13], (float *)x, (float *)y, 40, 1100, 30, false, true, 1, 0);
    sc_fft *fft;
    assert_int_equal(k->fft_create(device, &fft, 2, dim + 1, 4), SC_OK);
    k->fft(fft, z[14], x, false);
    k->fft_free(fft);
    double sum[] = {k->dot(device, (float *)x, (float *)y, 6 * n),
                    k->max_abs(device, (float *)x, 6 * n)};
    memcpy(z[15], sum, sizeof sum);
    sc_free(x), sc_free(y), sc_free(weight);
}

static void results_do_not_depend_on_the_number_of_threads(void **state)
{
    (void)state;
    int64_t floats = 16 * 6 * 4 * 150 * 90;
    float *first, *other;
    assert_int_equal(SC_ALLOC(&first, floats, "test"), SC_OK);
    assert_int_equal(SC_ALLOC(&other, floats, "test"), SC_OK);
    run_all(one, first);
    for (int threads = 2; threads <= 5; threads++) {
        sc_device *device;
        assert_int_equal(sc_device_create_cpu(&device, threads), SC_OK);
        run_all(device, other);
        assert_memory_equal(first, other, (size_t)floats * sizeof *first);
        sc_device_free(device);
    }
    sc_free(first), sc_free(other);
}

static void device_memory_is_zeroed_and_checked(void **state)
{
    (void)state;
    float *x;
    assert_int_equal(SC_DEVICE_ALLOC(one, &x, 1000), SC_OK);
    assert_int_equal((uintptr_t)x % 64, 0);
    for (int i = 0; i < 1000; i++)
        assert_true(x[i] == 0);
    sc_device_release(one, x);
    sc_device_release(one, NULL);
    assert_int_equal(sc_device_alloc(one, (void **)&x, SIZE_MAX / 2, 4), SC_ERR_MEMORY);
    assert_null(x);
    assert_non_null(strstr(sc_message(), "overflow"));
    sc_device_free(NULL);
    assert_string_equal(one->description, "CPU, 1 thread");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vector_kernels_equal_their_twins),
        cmocka_unit_test(elementwise_kernels_work_in_place),
        cmocka_unit_test(complex_kernels_equal_their_twins),
        cmocka_unit_test(zero_shrinks_to_zero_even_without_a_threshold),
        cmocka_unit_test(coils_equal_their_twin_and_adjoint),
        cmocka_unit_test(gradient_equals_its_twin_and_adjoint),
        cmocka_unit_test(wavelet_is_orthogonal_and_equals_its_twin),
        cmocka_unit_test(reductions_equal_double_sums),
        cmocka_unit_test(reductions_are_good_over_many_blocks),
        cmocka_unit_test(sgemm_equals_its_twin_in_all_transpositions),
        cmocka_unit_test(results_do_not_depend_on_the_number_of_threads),
        cmocka_unit_test(device_memory_is_zeroed_and_checked),
    };
    return cmocka_run_group_tests(tests, make_device, free_device);
}
