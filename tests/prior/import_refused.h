/* A file that sc_import_read must refuse, beside a configuration that is sound. */
#ifndef SC_TESTS_PRIOR_IMPORT_REFUSED_H
#define SC_TESTS_PRIOR_IMPORT_REFUSED_H

#include "base/file.h"
#include "base/memory.h"
#include "prior/import.h"
#include "prior/score_sde_config.h"
#include "tests/prior/torch_file.h"
#include <unistd.h>

/* Of pickles that hold a tensor. */
#define STORE "(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0000X\3\0\0\0cpu"
#define TENSOR "ctorch._utils\n_rebuild_tensor_v2\n("
#define HOOKS "\x89" "ccollections\nOrderedDict\n)RtR."

static char folder[64], path[96], config_path[96];

static const char config_text[] =
    "{\"model\": {\"name\": \"ncsnpp\", \"nf\": 4, \"ch_mult\": [1], \"num_res_blocks\": 1,"
    " \"attn_resolutions\": [], \"scale_by_sigma\": true, \"embedding_type\": \"fourier\","
    " \"resblock_type\": \"biggan\", \"fir\": false, \"progressive\": \"none\","
    " \"progressive_input\": \"none\"},"
    " \"data\": {\"image_size\": 16, \"num_channels\": 1, \"centered\": false},"
    " \"training\": {\"sde\": \"vesde\", \"continuous\": true}}";

static inline int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "scorecon-refused-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/bad.pth", folder);
    snprintf(config_path, sizeof config_path, "%s/config.json", folder);
    return sc_file_write(config_path, config_text, sizeof config_text - 1) == SC_OK ? 0 : -1;
}

static inline int teardown(void **state)
{
    (void)state;
    unlink(path);
    unlink(config_path);
    return rmdir(folder);
}

/* The file at `path` is refused, with one line that holds the file's name and `expected`. */
static inline void expect_refused(const char *expected)
{
    sc_weights weights;
    sc_import_options options = {.checkpoint = path, .config = config_path};
    sc_status status = sc_import_read(&weights, &options);
    const char *message = sc_message();
    if (status == SC_OK || !strstr(message, expected) || !strstr(message, "bad.pth"))
        print_error("expected '%s', got status %d: %s\n", expected, status, message);
    assert_true(status == SC_ERR_FORMAT || status == SC_ERR_UNSUPPORTED);
    assert_non_null(strstr(message, expected));
    assert_non_null(strstr(message, "bad.pth"));
    assert_null(strchr(message, '\n'));
    assert_null(weights.theta);
}

static inline void write_bytes(bytes b)
{
    bytes_write(path, &b);
}

static inline void make_network(sc_network **network, float **theta)
{
    sc_score_sde_config config;
    assert_int_equal(sc_score_sde_config_read(&config, config_path), SC_OK);
    assert_int_equal(sc_network_create(network, &config.network), SC_OK);
    assert_int_equal(SC_ALLOC(theta, sc_network_parameter_count(*network), "theta"), SC_OK);
    for (int64_t i = 0; i < sc_network_parameter_count(*network); i++)
        (*theta)[i] = 1.f + (float)(i % 7);
}

#endif
