/* The FFT against the definition of the centred unitary transform in double,
 *   X[k] = 1/sqrt(N) sum_j x[j] exp(-2 pi i sum_a (j_a - c_a)(k_a - c_a) / n_a),  c_a = n_a / 2,
 * and its properties. Tolerance: float roundings grow with log2 N, below 1e-6 for these sizes. */
#include "kernel_check.h"
#include <complex.h>

#define TOLERANCE 1e-6

static sc_device *device;

static int make_device(void **state)
{
    (void)state;
    return sc_device_create_cpu(&device, 2);
}

static int free_device(void **state)
{
    (void)state;
    sc_device_free(device);
    return 0;
}

static const int64_t shapes[][3] = {{1, 1, 1},  {1, 1, 2}, {1, 1, 3}, {1, 1, 16},
                                    {1, 1, 31}, {1, 4, 6}, {1, 5, 7}, {1, 6, 9},
                                    {3, 4, 5},  {2, 3, 1}, {5, 7, 3}, {1, 1, 101}};
#define SHAPES (int)(sizeof shapes / sizeof *shapes)

static double turns(int64_t j, int64_t k, int64_t n, bool centred)
{
    int64_t c = centred ? n / 2 : 0;
    return (double)((j - c) * (k - c)) / (double)n;
}

/* Centred and unitary, or neither. */
static void naive_dft(sc_c32 *z, const sc_c32 *x, const int64_t n[3], double sign, bool centred)
{
    int64_t count = n[0] * n[1] * n[2], plane = n[1] * n[2];
    for (int64_t k = 0; k < count; k++) {
        double complex sum = 0;
        for (int64_t j = 0; j < count; j++)
            sum += x[j] * cexp(sign * 2 * M_PI * I *
                               (turns(j / plane, k / plane, n[0], centred) +
                                turns(j / n[2] % n[1], k / n[2] % n[1], n[1], centred) +
                                turns(j % n[2], k % n[2], n[2], centred)));
        z[k] = (sc_c32)(centred ? sum / sqrt((double)count) : sum);
    }
}

static void fft_equals_the_definition_for_even_and_odd_sizes(void **state)
{
    (void)state;
    for (int s = 0; s < SHAPES; s++)
        for (int rank = 1; rank <= 3; rank++)
            for (int inverse = 0; inverse < 2; inverse++) {
                int64_t n[3] = {1, 1, 1}, count = 1, batch = 3;
                for (int a = 3 - rank; a < 3; a++)
                    count *= n[a] = shapes[s][a];
                sc_c32 *x = random_complex(batch * count, 1), *z = new_complex(batch * count);
                sc_c32 *twin = new_complex(batch * count);
                sc_fft *fft;
                assert_int_equal(
                    device->kernels->fft_create(device, &fft, rank, n + 3 - rank, batch), SC_OK);
                device->kernels->fft(fft, z, x, inverse);
                for (int64_t b = 0; b < batch; b++)
                    naive_dft(twin + b * count, x + b * count, n, inverse ? 1 : -1, true);
                check_close(z, twin, 2 * batch * count, TOLERANCE, "fft");
                device->kernels->fft(fft, x, x, inverse); /* in place: same bytes */
                assert_memory_equal(x, z, (size_t)(batch * count) * sizeof *x);
                device->kernels->fft_plain(fft, x, inverse);
                for (int64_t b = 0; b < batch; b++)
                    naive_dft(twin + b * count, z + b * count, n, inverse ? 1 : -1, false);
                check_close(x, twin, 2 * batch * count, TOLERANCE, "plain fft");
                device->kernels->fft_free(fft);
                sc_free(x), sc_free(z), sc_free(twin);
            }
}

static void inverse_undoes_forward_and_norms_are_kept(void **state)
{
    (void)state;
    static const int64_t dims[][2] = {{128, 96}, {127, 95}, {230, 180}, {1, 257}};
    for (int s = 0; s < 4; s++) {
        int64_t n = dims[s][0] * dims[s][1];
        sc_c32 *x = random_complex(n, 4), *z = new_complex(n), *back = new_complex(n);
        sc_fft *fft;
        assert_int_equal(device->kernels->fft_create(device, &fft, 2, dims[s], 1), SC_OK);
        device->kernels->fft(fft, z, x, false);
        device->kernels->fft(fft, back, z, true);
        check_close(back, x, 2 * n, TOLERANCE, "inverse of forward");
        double a = norm_floats((float *)x, 2 * n), b = norm_floats((float *)z, 2 * n);
        assert_true(fabs(a - b) <= 1e-6 * a);
        device->kernels->fft_free(fft);
        sc_free(x), sc_free(z), sc_free(back);
    }
}

static void a_delta_at_the_centre_has_flat_real_spectrum(void **state)
{
    (void)state;
    for (int64_t n = 1; n <= 12; n++) {
        int64_t dim[2] = {n, n + 1}, count = n * (n + 1), centre = n / 2 * (n + 1) + (n + 1) / 2;
        sc_c32 *x = new_complex(count);
        x[centre] = 1;
        sc_fft *fft;
        assert_int_equal(device->kernels->fft_create(device, &fft, 2, dim, 1), SC_OK);
        device->kernels->fft(fft, x, x, false);
        float flat = 1 / sqrtf((float)count);
        for (int64_t i = 0; i < count; i++)
            assert_true(cabsf(x[i] - flat) <= 2e-7f);
        device->kernels->fft_free(fft);
        sc_free(x);
    }
}

static void an_image_gets_the_same_bytes_wherever_it_is_in_a_batch(void **state)
{
    (void)state; /* odd count: every other image is not aligned to 16 bytes */
    const int64_t dim[2] = {33, 35}, n = 33 * 35, batch = 4;
    sc_c32 *x = new_complex(batch * n), *image = random_complex(n, 5);
    for (int64_t b = 0; b < batch; b++)
        memcpy(x + b * n, image, (size_t)n * sizeof *x);
    sc_fft *many, *single;
    assert_int_equal(device->kernels->fft_create(device, &many, 2, dim, batch), SC_OK);
    assert_int_equal(device->kernels->fft_create(device, &single, 2, dim, 1), SC_OK);
    device->kernels->fft(many, x, x, true);
    device->kernels->fft(single, image, image, true);
    for (int64_t b = 0; b < batch; b++)
        assert_memory_equal(x + b * n, image, (size_t)n * sizeof *x);
    device->kernels->fft_free(many);
    device->kernels->fft_free(single);
    sc_free(x), sc_free(image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fft_equals_the_definition_for_even_and_odd_sizes),
        cmocka_unit_test(inverse_undoes_forward_and_norms_are_kept),
        cmocka_unit_test(a_delta_at_the_centre_has_flat_real_spectrum),
        cmocka_unit_test(an_image_gets_the_same_bytes_wherever_it_is_in_a_batch),
    };
    return cmocka_run_group_tests(tests, make_device, free_device);
}
