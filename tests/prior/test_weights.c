/* Safetensors and the weights file: a round trip, and every kind of damage refused. */
#include "base/file.h"
#include "base/memory.h"
#include "prior/safetensors.h"
#include "prior/weights.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static char path[64];

static int make_path(void **state)
{
    (void)state;
    strcpy(path, "test_weights_XXXXXX");
    int descriptor = mkstemp(path);
    return descriptor < 0 ? -1 : close(descriptor);
}

static int remove_path(void **state) { return (void)state, unlink(path); }

/* ---- the container ---- */

static void assert_refused(const char *header, size_t room, const char *fact)
{
    unsigned char bytes[1024] = {0};
    size_t length = strlen(header);
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(length >> (8 * i));
    memcpy(bytes + 8, header, length);
    sc_safetensors *file;
    assert_int_equal(sc_safetensors_parse(&file, bytes, 8 + length + room, "x.st"), SC_ERR_FORMAT);
    assert_null(file);
    if (!strstr(sc_message(), fact) || strncmp(sc_message(), "x.st: ", 6) != 0)
        fail_msg("message '%s' does not say '%s'", sc_message(), fact);
}

static void headers_that_disagree_with_the_file_are_refused(void **state)
{
    (void)state;
#define A(shape, offsets) "\"a\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":" offsets "}"
    assert_refused("{" A("[2]", "[0,8]") "}", 4, "holds 4 bytes");
    assert_refused("{" A("[2]", "[0,8]") "}", 12, "the file at 12");
    assert_refused("{" A("[3]", "[0,8]") "}", 8, "need 12 bytes");
    assert_refused("{" A("[1]", "[0,8]") "}", 8, "need 4 bytes");
    assert_refused("{" A("[-1]", "[0,8]") "}", 8, "axis 0");
    assert_refused("{" A("[4294967296,4294967296]", "[0,8]") "}", 8, "larger than the file");
    assert_refused("{" A("[1]", "[-4,0]") "}", 8, "data_offsets");
    assert_refused("{" A("[1]", "[4,8]") "}", 8, "gap");
    assert_refused("{" A("[1]", "[0]") "}", 4, "data_offsets");
    assert_refused("{" A("7", "[0,4]") "}", 4, "shape");
    assert_refused("{\"a\":{\"dtype\":\"F99\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "F99");
    assert_refused("{\"a\":3}", 0, "tensor a");
    assert_refused("[1]", 0, "no JSON object");
    assert_refused("{\"a\":", 0, "no JSON object");
    assert_refused("{\"__metadata__\":{\"k\":1}}", 0, "not a text");
    assert_refused("{" A("[1]", "[0,4]") ",\"b\":{\"dtype\":\"F32\",\"shape\":[1],"
                   "\"data_offsets\":[0,4]}}", 4, "overlap");
    assert_refused("{" A("[1]", "[0,4]") "," A("[1]", "[4,8]") "}", 8, "no JSON object");
#undef A
}

static void cut_and_foreign_files_are_refused(void **state)
{
    (void)state;
    sc_safetensors *file;
    assert_int_equal(sc_safetensors_parse(&file, "PK\3\4 a zip file", 15, "zip"), SC_ERR_FORMAT);
    assert_int_equal(sc_safetensors_parse(&file, "", 0, "empty"), SC_ERR_FORMAT);
    assert_int_equal(sc_safetensors_read(&file, "no such file", 100), SC_ERR_IO);
    float values[3] = {1, 2, 3};
    sc_safetensor tensor = {"t", sc_array_view(SC_F32, 1, (int64_t[]){3}, values)};
    void *data;
    size_t bytes;
    assert_int_equal(sc_safetensors_print(&data, &bytes, &tensor, 1, NULL, 0), SC_OK);
    for (size_t cut = 0; cut < bytes; cut++)
        assert_int_equal(sc_safetensors_parse(&file, data, cut, "cut"), SC_ERR_FORMAT);
    assert_int_equal(sc_safetensors_parse(&file, data, bytes, "whole"), SC_OK);
    assert_int_equal(sc_safetensors_count(file), 1);
    sc_safetensors_free(file);
    sc_free(data);
}

static void tensors_and_texts_come_back(void **state)
{
    (void)state;
    float a[6] = {1, 2, 3, 4, 5, 6};
    uint8_t b[3] = {7, 8, 9};
    int64_t c[2] = {-1, (int64_t)1 << 40};
    const sc_safetensor tensor[] = {{"first.weight", sc_array_view(SC_F32, 2, (int64_t[]){2, 3}, a)},
                                    {"second", sc_array_view(SC_U8, 1, (int64_t[]){3}, b)},
                                    {"third", sc_array_view(SC_I64, 1, (int64_t[]){2}, c)}};
    const sc_metadata metadata = {"note", "three \"quoted\" words\n"};
    sc_safetensors *file;
    assert_int_equal(sc_safetensors_write(path, tensor, 3, &metadata, 1), SC_OK);
    assert_int_equal(sc_safetensors_read(&file, path, 1 << 20), SC_OK);
    assert_string_equal(sc_safetensors_metadata(file, "note"), metadata.value);
    assert_null(sc_safetensors_metadata(file, "other"));
    for (int i = 0; i < 3; i++) {
        const sc_safetensor *found = sc_safetensors_find(file, tensor[i].name);
        assert_non_null(found);
        assert_int_equal(found->array.rank, tensor[i].array.rank);
        assert_memory_equal(found->array.data, tensor[i].array.data,
                            sc_array_bytes(&tensor[i].array));
    }
    char hash[65];
    assert_int_equal(sc_file_sha256(hash, path), SC_OK);
    assert_string_equal(hash, sc_safetensors_hash(file));
    sc_safetensors_free(file);
}

/* ---- the prior's weights ---- */

static sc_network_config tiny(void)
{
    sc_network_config config = sc_network_config_default();
    config.nf = 8;
    config.levels = 2;
    config.ch_mult[0] = config.ch_mult[1] = 1;
    config.num_res_blocks = 1;
    config.attention_middle = 0;
    memset(config.attention, 0, sizeof config.attention);
    return config;
}

typedef struct {
    sc_network *network;
    float *theta;
    sc_weights_record record;
} prior;

static prior make_prior(void)
{
    prior p = {.record = {.sde = sc_sde_ve(0.002, 50), .licence = (char *)"CC0",
                          .modality = (char *)"MR", .anatomy = (char *)"brain"}};
    sc_network_config config = tiny();
    assert_int_equal(sc_network_create(&p.network, &config), SC_OK);
    assert_int_equal(SC_ALLOC(&p.theta, sc_network_parameter_count(p.network), "theta"), SC_OK);
    sc_network_initialise(p.network, p.theta, 5);
    return p;
}

static void free_prior(prior *p)
{
    sc_network_free(p->network);
    sc_free(p->theta);
}

static void weights_come_back_with_their_record(void **state)
{
    (void)state;
    prior p = make_prior();
    sc_weights w;
    assert_int_equal(sc_weights_write(path, p.network, p.theta, &p.record), SC_OK);
    assert_int_equal(sc_weights_read(&w, path), SC_OK);
    assert_memory_equal(w.theta, p.theta,
                        (size_t)sc_network_parameter_count(p.network) * sizeof(float));
    assert_string_equal(w.record.licence, "CC0");
    assert_string_equal(w.record.modality, "MR");
    assert_string_equal(w.record.training, "");
    assert_true(w.record.sde.kind == SC_SDE_VE && w.record.sde.sigma_min == 0.002 &&
                w.record.sde.sigma_max == 50);
    char hash[65];
    assert_int_equal(sc_file_sha256(hash, path), SC_OK);
    assert_string_equal(w.hash, hash);
    sc_weights_free(&w);
    free_prior(&p);
}

static void weights_that_are_not_finite_are_refused(void **state)
{
    (void)state;
    prior p = make_prior();
    p.theta[3] = NAN;
    assert_int_equal(sc_weights_write(path, p.network, p.theta, &p.record), SC_ERR_NUMERIC);
    free_prior(&p);
}

/* Rewrite the file of a good prior with one thing changed. */
static void rewrite(int drop, int extra, int reshape, float poison, const char *format)
{
    sc_safetensors *file;
    assert_int_equal(sc_safetensors_read(&file, path, 1 << 24), SC_OK);
    int n = 0, count = sc_safetensors_count(file);
    sc_safetensor *tensor = calloc((size_t)count + 1, sizeof *tensor);
    for (int i = drop; i < count; i++)
        tensor[n++] = *sc_safetensors_tensor(file, i);
    if (reshape) {
        tensor[0].array = sc_array_view(SC_F32, 1, (int64_t[]){sc_array_count(&tensor[0].array)},
                                        tensor[0].array.data);
        tensor[0].array.dim[tensor[0].array.rank++] = 1;
        tensor[0].array.dim[tensor[0].array.rank++] = 1;
        tensor[0].array.dim[tensor[0].array.rank++] = 1;
    }
    if (poison != 0)
        memcpy(tensor[1].array.data, &poison, sizeof poison);
    float one = 1;
    if (extra)
        tensor[n++] = (sc_safetensor){"extra", sc_array_view(SC_F32, 1, (int64_t[]){1}, &one)};
    const sc_metadata metadata[] = {{"format", format},
                                    {"network", sc_safetensors_metadata(file, "network")},
                                    {"sde", sc_safetensors_metadata(file, "sde")}};
    assert_int_equal(sc_safetensors_write(path, tensor, n, metadata, 3), SC_OK);
    free(tensor);
    sc_safetensors_free(file);
}

static void loading_is_strict(void **state)
{
    (void)state;
    const struct {
        int drop, extra, reshape;
        float poison;
        const char *format, *fact;
        sc_status code;
    } cases[] = {
        {0, 0, 0, 0, SC_WEIGHTS_FORMAT, NULL, SC_OK},
        {1, 0, 0, 0, SC_WEIGHTS_FORMAT, "missing", SC_ERR_FORMAT},
        {0, 1, 0, 0, SC_WEIGHTS_FORMAT, "tensors", SC_ERR_FORMAT},
        {0, 0, 1, 0, SC_WEIGHTS_FORMAT, "expected float32", SC_ERR_FORMAT},
        {0, 0, 0, INFINITY, SC_WEIGHTS_FORMAT, "not finite", SC_ERR_FORMAT},
        {0, 0, 0, 0, "scorecon-prior-9", "scorecon-prior-9", SC_ERR_UNSUPPORTED},
    };
    prior p = make_prior();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sc_weights w;
        assert_int_equal(sc_weights_write(path, p.network, p.theta, &p.record), SC_OK);
        rewrite(cases[i].drop, cases[i].extra, cases[i].reshape, cases[i].poison, cases[i].format);
        assert_int_equal(sc_weights_read(&w, path), cases[i].code);
        if (cases[i].fact && !strstr(sc_message(), cases[i].fact))
            fail_msg("message '%s' does not say '%s'", sc_message(), cases[i].fact);
        if (cases[i].code != SC_OK)
            assert_null(w.theta);
        sc_weights_free(&w);
    }
    free_prior(&p);
}

/* The record's sde beside that of the network, with and without EDM's preconditioning. */
static void an_sde_that_contradicts_the_network_is_refused(void **state)
{
    (void)state;
    static const sc_sde vp = {SC_SDE_VP, 0, 0, 0.1, 20}, ve = {SC_SDE_VE, 0.01, 378, 0, 0};
    static const struct {
        int edm;
        sc_sde network, record;
        const char *fact;
    } rows[] = {
        {1, {SC_SDE_VE, 0.01, 50, 0.1, 20}, {SC_SDE_VE, 0.002, 80, 0, 0}, NULL},
        {1, {SC_SDE_VE, 0.01, 50, 0.1, 20}, vp, "sde: kind: expected ve, as the network has EDM"},
        {0, ve, ve, NULL},
        {0, ve, {SC_SDE_VE, 0.01f, 378, 0, 0}, NULL},
        {0, vp, vp, NULL},
        {0, ve, {SC_SDE_VE, 0.01, 50, 0, 0}, "sde: sigma_max: expected 378, as in the network's "
                                             "configuration, found 50"},
        {0, ve, {SC_SDE_VE, 0.02, 378, 0, 0}, "sigma_min: expected 0.01"},
        {0, ve, vp, "sde: kind: expected ve, as in the network's configuration, found vp"},
        {0, vp, {SC_SDE_SUBVP, 0, 0, 0.1, 20}, "expected vp, as in the network's configuration, "
                                               "found subvp"},
        {0, vp, {SC_SDE_VP, 0, 0, 0.1, 19}, "beta_max: expected 20"},
        {0, vp, {SC_SDE_VP, 0, 0, 0.2, 20}, "beta_min: expected 0.1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        prior p = make_prior();
        sc_network_config config = tiny();
        sc_weights w;
        config.precondition_edm = rows[i].edm;
        config.sde = rows[i].network;
        if (config.sde.kind == SC_SDE_VE)
            config.sde.beta_min = 0.1, config.sde.beta_max = 20;
        else
            config.sde.sigma_min = 0.01, config.sde.sigma_max = 50;
        sc_network_free(p.network);
        assert_int_equal(sc_network_create(&p.network, &config), SC_OK);
        p.record.sde = rows[i].record;
        assert_int_equal(sc_weights_write(path, p.network, p.theta, &p.record), SC_OK);
        sc_status status = sc_weights_read(&w, path);
        assert_int_equal(status, rows[i].fact ? SC_ERR_FORMAT : SC_OK);
        if (rows[i].fact && (!strstr(sc_message(), rows[i].fact) || !strstr(sc_message(), path)))
            fail_msg("message '%s' does not say '%s'", sc_message(), rows[i].fact);
        if (rows[i].fact)
            assert_null(w.network);
        sc_weights_free(&w);
        free_prior(&p);
    }
}

static void the_shipped_prior_loads(void **state)
{
    (void)state;
    sc_weights w;
    assert_int_equal(sc_weights_read(&w, SC_SOURCE_DIR "/prior/weights/brain-mr.safetensors"),
                     SC_OK);
    sc_weights_free(&w);
}

static void sde_comes_back_from_json(void **state)
{
    (void)state;
    const sc_sde all[] = {sc_sde_ve(0.002, 50),
                          {.kind = SC_SDE_VP, .beta_min = 0.1, .beta_max = 20},
                          {.kind = SC_SDE_SUBVP, .beta_min = 0.1, .beta_max = 20}};
    for (int i = 0; i < 3; i++) {
        char *json;
        sc_sde back;
        assert_int_equal(sc_sde_print(&json, &all[i]), SC_OK);
        assert_int_equal(sc_sde_parse(&back, json), SC_OK);
        assert_memory_equal(&back, &all[i], sizeof back);
        sc_free(json);
    }
    sc_sde sde;
    assert_int_equal(sc_sde_parse(&sde, "{\"kind\":\"edm\"}"), SC_ERR_FORMAT);
    assert_int_equal(sc_sde_parse(&sde, "{\"kind\":\"ve\",\"sigma_min\":2,\"sigma_max\":1}"),
                     SC_ERR_FORMAT);
    assert_int_equal(sc_sde_parse(&sde, "hello"), SC_ERR_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_that_disagree_with_the_file_are_refused),
        cmocka_unit_test(cut_and_foreign_files_are_refused),
        cmocka_unit_test_setup_teardown(tensors_and_texts_come_back, make_path, remove_path),
        cmocka_unit_test_setup_teardown(weights_come_back_with_their_record, make_path, remove_path),
        cmocka_unit_test_setup_teardown(weights_that_are_not_finite_are_refused, make_path,
                                        remove_path),
        cmocka_unit_test_setup_teardown(loading_is_strict, make_path, remove_path),
        cmocka_unit_test_setup_teardown(an_sde_that_contradicts_the_network_is_refused, make_path,
                                        remove_path),
        cmocka_unit_test(the_shipped_prior_loads),
        cmocka_unit_test(sde_comes_back_from_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
