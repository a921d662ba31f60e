/* Label gpu: whole networks on a real GPU, forward and backward, against the CPU row, and the
 * shipped size with tensor cores. Skipped (77) where there is no GPU or no cuDNN. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "network_rows.h"

static sc_device *cpu, *gpu;

static void every_network_agrees_with_the_cpu_row(void **state)
{
    (void)state;
    for (int backward = 0; backward < 2; backward++)
        for (int i = 0; i < NETWORK_ROWS; i++)
            compare_network(cpu, gpu, i, backward);
}

/* Mantissas of 10 bits (7 in wide layers of bfloat16): 1e-3 (8e-3) a product, less in sums. */
static void check_precision(sc_precision precision, double bound)
{
    enum { SIDE = 128 };
    sc_network_config c = sc_network_config_default();
    sc_network *network;
    GOOD(sc_network_create(&network, &c));
    float *theta = calloc((size_t)sc_network_parameter_count(network), sizeof *theta);
    lively_theta(theta, network);
    network_result a = evaluate_row(gpu, network, theta, 1, SIDE, SIDE, 0);
    gpu->precision = precision;
    network_result b = evaluate_row(gpu, network, theta, 1, SIDE, SIDE, 0);
    gpu->precision = SC_PRECISION_FLOAT32;
    double error = 0, norm = 0;
    for (int i = 0; i < SIDE * SIDE * c.channels; i++) {
        error += ((double)a.d[i] - b.d[i]) * ((double)a.d[i] - b.d[i]);
        norm += (double)a.d[i] * a.d[i];
    }
    if (!(sqrt(error / norm) < bound))
        fail_msg("relative difference %g", sqrt(error / norm));
    free(a.d), free(a.gx), free(a.gtheta), free(b.d), free(b.gx), free(b.gtheta);
    sc_network_free(network);
    free(theta);
}

static void tensor_cores_agree_to_their_precision(void **state)
{
    (void)state;
    check_precision(SC_PRECISION_TF32, 5e-3);
    check_precision(SC_PRECISION_BF16, 3e-2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_network_agrees_with_the_cpu_row),
        cmocka_unit_test(tensor_cores_agree_to_their_precision),
    };
    if (sc_device_create_cuda(&gpu) != SC_OK) {
        print_message("skipped: %s\n", sc_message());
        return 77;
    }
    if (!gpu->kernels->net) {
        print_message("skipped: %s\n", gpu->description);
        sc_device_free(gpu);
        return 77;
    }
    if (sc_device_create_cpu(&cpu, 0) != SC_OK)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    sc_device_free(gpu);
    sc_device_free(cpu);
    return failed;
}
