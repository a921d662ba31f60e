/* Whitening makes unit variance, compression keeps it. */
#include "phantom.h"
#include "recon/compress.h"
#include "recon/noise.h"

#define COILS 6

/* A covariance with strong correlations and sizes far apart. */
static void covariance(sc_noise *noise)
{
    sc_c32 *a;
    *noise = (sc_noise){.coils = COILS};
    OK(SC_ALLOC(&noise->covariance, COILS * COILS, "covariance"));
    OK(SC_ALLOC(&a, COILS * COILS, "factor"));
    sc_random_normal((float *)a, 2 * COILS * COILS, (sc_key){.seed = 3}, SC_DRAW_TEST, 0);
    for (int c = 0; c < COILS; c++)
        for (int d = 0; d < COILS; d++)
            for (int k = 0; k < COILS; k++)
                noise->covariance[c * COILS + d] += pow(3, c + d - 6) *
                                                    (double complex)a[c * COILS + k] *
                                                    conj((double complex)a[d * COILS + k]);
    sc_free(a);
}

/* matrix C matrix^H - I */
static double whiteness(const sc_whitener *w, const sc_noise *noise)
{
    double worst = 0;
    for (int i = 0; i < w->virtual_coils; i++)
        for (int j = 0; j < w->virtual_coils; j++) {
            double complex sum = i == j ? -1 : 0;
            for (int c = 0; c < COILS; c++)
                for (int d = 0; d < COILS; d++)
                    sum += w->matrix[i * COILS + c] * noise->covariance[c * COILS + d] *
                           conj(w->matrix[j * COILS + d]);
            worst = fmax(worst, cabs(sum));
        }
    return worst;
}

static void whitened_covariance_is_the_identity(void **state)
{
    (void)state;
    sc_noise noise;
    sc_whitener w;
    covariance(&noise);
    OK(sc_whitener_create(&w, &noise));
    assert_true(whiteness(&w, &noise) < 1e-9);
    sc_whitener_free(&w);
    sc_noise_free(&noise);
}

static void unwhitening_brings_back_the_data(void **state)
{
    (void)state;
    enum { N = 50 };
    sc_noise noise;
    sc_whitener w;
    sc_c32 x[COILS * N], y[COILS * N], z[COILS * N];
    covariance(&noise);
    OK(sc_whitener_create(&w, &noise));
    sc_random_normal((float *)x, 2 * COILS * N, (sc_key){.seed = 4}, SC_DRAW_TEST, 0);
    sc_whiten(y, &w, x, N);
    sc_unwhiten(z, &w, y, N);
    for (int i = 0; i < COILS * N; i++)
        assert_true(cabsf(z[i] - x[i]) < 1e-4f);
    sc_whitener_free(&w);
    sc_noise_free(&noise);
}

/* Data of rank 3 pass through three virtual coils without loss, and the noise stays white. */
static void compression_keeps_the_signal_and_whiteness(void **state)
{
    (void)state;
    enum { N = 60, RANK = 3 };
    sc_noise noise;
    sc_whitener w;
    static sc_c32 mix[COILS * RANK], source[RANK * N], x[COILS * N], y[COILS * N], z[COILS * N];
    double complex sum[COILS * COILS] = {0};
    covariance(&noise);
    OK(sc_whitener_create(&w, &noise));
    sc_random_normal((float *)mix, 2 * COILS * RANK, (sc_key){.seed = 5}, SC_DRAW_TEST, 0);
    sc_random_normal((float *)source, 2 * RANK * N, (sc_key){.seed = 6}, SC_DRAW_TEST, 0);
    for (int c = 0; c < COILS; c++)
        for (int i = 0; i < N; i++)
            for (int r = 0; r < RANK; r++)
                x[c * N + i] += mix[c * RANK + r] * source[r * N + i];
    sc_whiten(y, &w, x, N);
    sc_coil_covariance_add(sum, y, COILS, N);
    OK(sc_compress(&w, sum, 0.9999999, COILS));
    assert_int_equal(w.virtual_coils, RANK);
    assert_true(whiteness(&w, &noise) < 1e-9);
    sc_whiten(y, &w, x, N);
    sc_unwhiten(z, &w, y, N);
    for (int i = 0; i < COILS * N; i++)
        assert_true(cabsf(z[i] - x[i]) < 1e-3f);
    sc_whitener_free(&w);
    sc_noise_free(&noise);
}

static void a_dead_coil_is_named(void **state)
{
    (void)state;
    sc_noise noise;
    sc_whitener w;
    covariance(&noise);
    for (int c = 0; c < COILS; c++)
        noise.covariance[4 * COILS + c] = noise.covariance[c * COILS + 4] = 0;
    assert_int_equal(sc_whitener_create(&w, &noise), SC_ERR_NUMERIC);
    assert_non_null(strstr(sc_message(), "coil 4 of 6"));
    assert_null(w.matrix);
    sc_noise_free(&noise);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whitened_covariance_is_the_identity),
        cmocka_unit_test(unwhitening_brings_back_the_data),
        cmocka_unit_test(compression_keeps_the_signal_and_whiteness),
        cmocka_unit_test(a_dead_coil_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
