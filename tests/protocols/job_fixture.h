/* A folder of its own with a small simulated scan and a small network's weights, for jobs to run
 * on. For the group's set-up and tear-down.
 */
#ifndef SC_TESTS_JOB_FIXTURE_H
#define SC_TESTS_JOB_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/memory.h"
#include "prior/weights.h"
#include "protocols/job.h"
#include "recon/simulate.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NY = 26, NX = 22 };

static char folder[64];

/* path (256) */
static inline void in_folder(char *path, const char *name)
{
    snprintf(path, 256, "%s/%s", folder, name);
}

static inline void make_folder(const char *test)
{
    snprintf(folder, sizeof folder, "/tmp/scorecon-%s-XXXXXX", test);
    assert_non_null(mkdtemp(folder));
}

static inline int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) != 0;
}

/* weights.safetensors: a network of two channels that has learnt nothing. */
static inline void make_weights(void)
{
    char path[256];
    sc_network_config config = sc_network_config_default();
    sc_network *network;
    float *theta;
    config.nf = 8, config.levels = 2;
    for (int i = 0; i < 8; i++)
        config.ch_mult[i] = 1;
    assert_int_equal(sc_network_create(&network, &config), SC_OK);
    assert_int_equal(SC_ALLOC(&theta, sc_network_parameter_count(network), "theta"), SC_OK);
    sc_network_initialise(network, theta, 1);
    sc_weights_record record = {.sde = sc_sde_ve(0.002, 50),
                                .normalisation = "",
                                .modality = "MR",
                                .anatomy = "brain",
                                .licence = "",
                                .data = "",
                                .training = "{}",
                                .program = ""};
    in_folder(path, "weights.safetensors");
    assert_int_equal(sc_weights_write(path, network, theta, &record), SC_OK);
    sc_free(theta);
    sc_network_free(network);
}

/* scan.h5: three coils, every second line. Each slice a block of two brightnesses, one pixel wider
 * than that of the slice before, times `phase`. */
static inline void make_scan(int slices, sc_c32 phase)
{
    char path[256];
    sc_volume image = {0};
    sc_scan scan;
    sc_device *device;
    sc_simulate_options o = sc_simulate_default();
    assert_int_equal(sc_array_create(&image.data, SC_C32, 3, (int64_t[]){slices, NY, NX}), SC_OK);
    for (int k = 0; k < slices; k++)
        for (int y = 5; y < 20; y++)
            for (int x = 4; x < 15 + k; x++)
                ((sc_c32 *)image.data.data)[(k * NY + y) * NX + x] = (float)(1 + (x > 9)) * phase;
    o.coils = 3, o.mask = "lines:2:12", o.noise_samples = 64;
    assert_int_equal(sc_device_create_cpu(&device, 1), SC_OK);
    assert_int_equal(sc_simulate(&scan, NULL, &image, &o, device), SC_OK);
    in_folder(path, "scan.h5");
    assert_int_equal(sc_scan_write_ismrmrd(path, &scan, NULL), SC_OK);
    sc_scan_free(&scan);
    sc_device_free(device);
    sc_volume_free(&image);
}

#endif
